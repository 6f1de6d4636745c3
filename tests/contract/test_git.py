"""What each port of the vault promises, on real git and on the simulated one alike: the fake cannot drift from it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import pytest

from tests.simulation.faults import Faults
from tests.simulation.git import Objects, Site
from tests.simulation.vault import SimVault
from tests.support.repos import TestRepository, make_repository
from wt_orchestrate.adapters.gitrepo.vault import GitVault
from wt_orchestrate.domain.effects import Side
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.ports.git.merges import ChainSpec, Rider
from wt_orchestrate.ports.git.vault import Vault

START = {"a": "1\n", "b": "1\n", "dir/c": "1\n"}
PIN = "refs/wto/test/pin"
NOWHERE = CommitId("0" * 40)


class Bench(Protocol):
    """A person's repository on branch main, and the vault beside it."""

    vault: Vault

    def commit(self, branch: str, files: Mapping[str, str]) -> CommitId:
        """Commit these files on a branch, which starts at main's first commit if there is none; the vault fetches it."""
        ...


class Real:
    """Real git in a folder."""

    def __init__(self, folder: Path) -> None:
        self.user: TestRepository = make_repository(str(folder / "r"), START)
        self.first = self.user.head()
        self.vault: Vault = GitVault(
            str(folder / "vault.git"), source=self.user.common_dir, scratch=str(folder / "checks")
        )
        self.vault.ensure()

    def commit(self, branch: str, files: Mapping[str, str]) -> CommitId:
        if branch != "main" and not self.user.git("branch", "--list", branch):
            self.user.git("branch", branch, self.first)
        self.user.git("checkout", "-q", branch)
        made = self.user.commit(files, "s") if files else self.user.head()
        self.vault.refs.fetch({f"refs/heads/{branch}": f"refs/wto/test/{branch}"})
        return made


class Simulated:
    """The git of the simulation."""

    def __init__(self, folder: Path) -> None:
        self.site = Site(objects=Objects(), faults=Faults())
        self.first = self.site.objects.add(START, (), "begin")
        self.site.refs["main"] = self.first
        self.vault: Vault = SimVault(self.site)
        self.vault.ensure()

    def commit(self, branch: str, files: Mapping[str, str]) -> CommitId:
        at = self.site.refs.setdefault(branch, self.first)
        if files:
            at = self.site.objects.add({**self.site.objects.tree(at), **files}, (at,), "s")
            self.site.move("person", branch, at)
        self.vault.refs.fetch({f"refs/heads/{branch}": f"refs/wto/test/{branch}"})
        return at


@pytest.fixture(params=[Real, Simulated], ids=["git", "simulated"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    made: Bench = request.param(tmp_path)
    return made


class TestRefs:
    """The port `Refs`."""

    def test_fetching_leaves_out_what_is_not_there(self, bench: Bench) -> None:
        """A source ref that does not exist is not in the answer, and its own ref is not made."""
        head = bench.commit("main", {"a": "2\n"})
        found = bench.vault.refs.fetch({"refs/heads/main": "refs/wto/test/m", "refs/heads/no": "refs/wto/test/no"})
        assert (dict(found), bench.vault.refs.resolve("refs/wto/test/no")) == ({"refs/wto/test/m": head}, None)

    def test_a_ref_moves_only_from_where_it_is_expected(self, bench: Bench) -> None:
        """Compare-and-swap: made from nothing, moved from the old commit, safe twice, refused from any other."""
        one, two, refs = bench.commit("main", {}), bench.commit("main", {"a": "2\n"}), bench.vault.refs
        assert refs.advance("refs/wto/test/x", new=one, old=None)
        assert not refs.advance("refs/wto/test/x", new=two, old=None)
        assert refs.advance("refs/wto/test/x", new=two, old=one)
        assert refs.advance("refs/wto/test/x", new=two, old=one)
        assert refs.resolve("refs/wto/test/x") == two

    def test_a_commit_is_archived_once(self, bench: Bench) -> None:
        """The same commit under the same name gives the same ref; another one gives another."""
        one, two, refs = bench.commit("main", {}), bench.commit("main", {"a": "2\n"}), bench.vault.refs
        first = refs.archive("a", one)
        assert (refs.archive("a", one), refs.resolve(first)) == (first, one)
        assert refs.archive("a", two) != first
        assert set(refs.archived("a").values()) == {one, two}


class TestObjects:
    """The port `Objects`."""

    def test_content_is_read_at_a_commit(self, bench: Bench) -> None:
        """A file as bytes and as text; None where there is none."""
        head, objects = bench.commit("main", {"a": "2\n"}), bench.vault.objects
        text = objects.text(head, "a")
        assert (objects.blob(head, "a"), text is not None and text.text) == (b"2\n", "2\n")
        assert (objects.blob(head, "no"), objects.text(head, "no")) == (None, None)
        assert (objects.contains(head), objects.contains(NOWHERE)) == (True, False)
        assert "a" in objects.paths(head) and any(path.startswith("dir/") for path in objects.paths(head))

    def test_equal_content_is_the_same_object(self, bench: Bench) -> None:
        """At a path, as a folder and as a whole tree; empty for a path or a commit that does not exist."""
        one, two, objects = bench.commit("main", {}), bench.commit("main", {"a": "2\n"}), bench.vault.objects
        places = [(one, "dir"), (two, "dir"), (one, "a"), (two, "a"), (one, "no"), (NOWHERE, "")]
        same, again, old, new, missing, nowhere = objects.at(places)
        assert same and same == again and old and new and old != new and not missing and not nowhere
        back = bench.commit("main", {"a": "1\n"})
        assert objects.tree(back) == objects.tree(one) != objects.tree(two)


class TestCommits:
    """The port `Commits`."""

    def test_what_a_branch_adds(self, bench: Bench) -> None:
        """Its commits, oldest first, the paths it changes since it left the other, and who is whose ancestor."""
        base, commits = bench.commit("main", {}), bench.vault.commits
        one, two = bench.commit("x", {"a": "2\n"}), bench.commit("x", {"b": "2\n"})
        onto = bench.commit("main", {"dir/c": "2\n"})
        assert [each.id for each in commits.between(base=onto, head=two)] == [one, two]
        assert [each.path for each in commits.changes(base=onto, head=two)] == ["a", "b"]
        assert commits.merge_base(onto, two) == base
        assert (commits.is_ancestor(base, two), commits.is_ancestor(two, base)) == (True, False)
        assert commits.holds(two, beyond=base, others=(base, one, onto)) == {one}

    def test_work_that_is_in_the_target_is_found_there(self, bench: Bench) -> None:
        """What was merged as it is counts as absorbed; what was not does not."""
        one, commits = bench.commit("x", {"a": "2\n"}), bench.vault.commits
        two = bench.commit("x", {"b": "2\n"})
        assert commits.absorbed(head=one, into=two) is not None
        assert commits.absorbed(head=two, into=one) is None


class TestMerges:
    """The port `Merges`."""

    def test_a_clean_merge_has_both_and_is_proven(self, bench: Bench) -> None:
        """Both sides' changes are in it, the pin keeps it, and the proof finds nothing lost."""
        ours, theirs = bench.commit("main", {"a": "2\n"}), bench.commit("x", {"b": "2\n"})
        made = bench.vault.merges.merge(ours=ours, theirs=theirs, message="m", at=1.0, pin=PIN)
        assert made.commit is not None and made.tree == bench.vault.objects.tree(made.commit)
        assert [bench.vault.objects.blob(made.commit, path) for path in ("a", "b")] == [b"2\n", b"2\n"]
        assert bench.vault.refs.resolve(PIN) == made.commit
        assert bench.vault.merges.prove(merge=made.commit, ours=ours, theirs=theirs).lost == ()

    def test_a_conflict_makes_no_commit(self, bench: Bench) -> None:
        """The paths are named, and nothing is kept."""
        ours, theirs = bench.commit("main", {"a": "2\n"}), bench.commit("x", {"a": "3\n"})
        made = bench.vault.merges.merge(ours=ours, theirs=theirs, message="m", at=1.0, pin=PIN)
        assert (made.commit, made.conflicts, bench.vault.refs.resolve(PIN)) == (None, ("a",), None)

    def test_a_merge_that_drops_a_side_is_found_out(self, bench: Bench) -> None:
        """A commit that lacks what one side changed, or that side as a parent, is not a merge of both."""
        ours, theirs = bench.commit("main", {"a": "2\n"}), bench.commit("x", {"b": "2\n"})
        assert bench.vault.merges.prove(merge=ours, ours=ours, theirs=theirs).lost == ("b", "the merge's parents")

    def test_a_chain_leaves_out_who_conflicts_and_names_the_partner(self, bench: Bench) -> None:
        """Each car is merged onto the one before; the one left out is told with whom and where it conflicts."""
        onto = bench.commit("main", {})
        heads = {"x": bench.commit("x", {"a": "2\n"}), "y": bench.commit("y", {"a": "3\n"})}
        heads["z"] = bench.commit("z", {"b": "2\n"})
        riders = tuple(Rider(name=name, head=head, message=name) for name, head in heads.items())
        found = bench.vault.merges.chain(ChainSpec(onto=onto, riders=riders, at=1.0, pin=PIN))
        assert [(car.workstream, car.head) for car in found.cars] == [("x", heads["x"]), ("z", heads["z"])]
        assert [car.onto for car in found.cars] == [onto, found.cars[0].commit]
        assert [(each.name, each.conflicts, each.partners) for each in found.left_out] == [("y", ("a",), ("x",))]
        assert bench.vault.refs.resolve(PIN) == found.cars[-1].commit


class TestForecasts:
    """The port `Forecasts`."""

    def test_who_would_conflict_with_whom(self, bench: Bench) -> None:
        """With the target and with each other, each pair with its paths; nobody who changes something else."""
        heads = {name: bench.commit(name, {"a": f"{name}\n"}) for name in ("x", "y")}
        heads["z"] = bench.commit("z", {"b": "z\n"})
        onto = bench.commit("main", {"b": "2\n"})
        sides = [Side(name=name, head=head) for name, head in heads.items()]
        found = bench.vault.forecasts.forecast(sides, against=onto)
        assert {(each.one, each.other, each.paths) for each in found.conflicts} == {
            ("x", "y", ("a",)),
            ("z", "", ("b",)),
        }
        assert found.blind == ()
