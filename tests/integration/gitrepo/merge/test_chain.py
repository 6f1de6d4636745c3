"""Chains: many branches merged one upon another in memory, and the proof of each."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.integration.gitrepo.conftest import FILES, Site, make_site
from tests.support.branches import Scribe, random_set
from tests.support.repos import START, digest, make_repository
from wt_orchestrate.domain.events.train import MergeMade
from wt_orchestrate.domain.ids import CommitId, WorkstreamId
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.errors import GitFailed, Refused
from wt_orchestrate.ports.git.merges import Chain, ChainSpec, LeftOut, Rider

PIN = "refs/wto/pin/train"
LINES = [f"line {number}\n" for number in range(1, 21)]
Files = Mapping[str, "bytes | str | None"]


def edited(*changes: tuple[int, str]) -> str:
    """The twenty lines of `src/app.py` with some of them (counted from 1) replaced."""
    lines = list(LINES)
    for number, text in changes:
        lines[number - 1] = text
    return "".join(lines)


def branched(site: Site, branches: Mapping[str, Files]) -> tuple[CommitId, dict[str, Rider]]:
    """Branches that were all begun where main is, each with one commit, in the vault; with where main is."""
    for name, files in branches.items():
        site.user.git("checkout", "-q", "-B", name, "main")
        site.user.commit(files, name)
    site.user.git("checkout", "-q", "main")
    onto, *heads = site.vaulted("main", *branches)
    return onto, {name: rider(name, head) for name, head in zip(branches, heads, strict=True)}


def rider(name: str, head: CommitId) -> Rider:
    return Rider(name=name, head=head, message=f"Integrate {name}\n\nWto-Workstream: {name}\n")


def chained(site: Site, onto: CommitId, riders: Sequence[Rider]) -> Chain:
    return site.vault.merges.chain(ChainSpec(onto=onto, riders=riders, at=START + 0.9, pin=PIN))


def one_by_one(site: Site, onto: CommitId, riders: Sequence[Rider]) -> Chain:
    """The same by merging and proving one after another; numbers of paths and partners are not told."""
    cars: list[MergeMade] = []
    left_out: list[LeftOut] = []
    tip = onto
    for each in riders:
        out = LeftOut(name=each.name, head=each.head, onto=tip)
        try:
            made = site.vault.merges.merge(
                ours=tip, theirs=each.head, message=each.message, at=START, pin="refs/wto/pin/one"
            )
        except Refused:
            left_out.append(replace(out, lost=("the common history",)))
            continue
        except GitFailed as error:
            assert error.code == -signal.SIGABRT
            left_out.append(replace(out, lost=("a merge that git can make",)))
            continue
        if made.commit is None or made.tree is None:
            left_out.append(replace(out, conflicts=made.conflicts))
            continue
        lost = site.vault.merges.prove(merge=made.commit, ours=tip, theirs=each.head).lost
        if lost:
            left_out.append(replace(out, lost=lost))
            continue
        car = MergeMade(
            workstream=WorkstreamId(each.name),
            head=each.head,
            onto=tip,
            commit=made.commit,
            tree=made.tree,
            proven_paths=0,
        )
        cars.append(car)
        tip = made.commit
    return Chain(cars=tuple(cars), left_out=tuple(left_out))


def plain(chain: Chain) -> Chain:
    """Without what `one_by_one` does not tell."""
    return Chain(
        cars=tuple(replace(car, proven_paths=0) for car in chain.cars),
        left_out=tuple(replace(each, partners=()) for each in chain.left_out),
    )


def refs(site: Site) -> list[str]:
    return site.user.at(site.vault.path).git("for-each-ref", "--format=%(refname) %(objectname)").splitlines()


def require_sound(site: Site) -> None:
    """Git finds nothing wrong with the vault, and nothing but objects came into it."""
    site.user.at(site.vault.path).git("fsck", "--full", "--strict", "--no-dangling")
    assert [name for name in os.listdir(site.vault.path) if name.startswith("fast_import")] == []


MANY: dict[str, Files] = {
    "alone": {"README.md": "alone\n"},
    "adds": {"new/one": "1\n", "new/two": b"\0two"},
    "meets": {"src/app.py": edited((2, "meets\n"))},
    "meets-too": {"src/app.py": edited((18, "too\n")), "x": "too\n"},
    "clashes": {"src/app.py": edited((2, "clashes\n")), "y": "clashes\n"},
    "behind": {"src/app.py": edited((10, "behind\n"))},
}


def test_a_chain_is_told_whole(site: Site) -> None:
    """Each rider is a commit upon the one ahead; who conflicts is left out with its partner; only the tip is pinned."""
    onto, riders = branched(site, MANY)
    before_user, before_refs = digest(site.user), refs(site)
    chain = chained(site, onto, list(riders.values()))
    expected = one_by_one(site, onto, list(riders.values()))
    proven = {"alone": 1, "adds": 2, "meets": 1, "meets-too": 2, "behind": 1}
    out = riders["clashes"]
    assert chain == Chain(
        cars=tuple(replace(car, proven_paths=proven[car.workstream]) for car in expected.cars),
        left_out=(
            LeftOut(
                name="clashes",
                head=out.head,
                onto=chain.cars[3].commit,
                conflicts=("src/app.py",),
                partners=("meets",),
            ),
        ),
    )
    assert set(refs(site)) - set(before_refs) - {f"refs/wto/pin/one {chain.cars[-1].commit}"} == {
        f"{PIN} {chain.cars[-1].commit}"
    }
    assert digest(site.user) == before_user
    require_sound(site)


def test_the_same_arguments_give_the_same_chain(site: Site) -> None:
    """A second call makes the same commits, also by another vault of the same repository."""
    onto, riders = branched(site, MANY)
    chain = chained(site, onto, list(riders.values()))
    assert chained(site, onto, list(riders.values())) == chain
    other = make_site(site.user, Path(site.folder) / "other")
    other.vaulted("main", *MANY)
    assert chained(other, onto, list(riders.values())) == chain


def test_who_conflicts_with_the_beginning_has_no_partner(site: Site) -> None:
    """What the target changed meanwhile is nobody's fault; others that meet it are merged with it."""
    onto, riders = branched(site, MANY | {"more": {"src/app.py": edited((20, "more\n"))}})
    site.user.commit({"src/app.py": edited((2, "main\n"), (11, "main\n"))}, "main continues")
    (onto,) = site.vaulted("main")
    chain = chained(site, onto, list(riders.values()))
    assert [car.workstream for car in chain.cars] == ["alone", "adds", "meets-too", "more"]
    assert {each.name: each.partners for each in chain.left_out} == {"meets": (), "clashes": (), "behind": ()}
    assert plain(chain) == one_by_one(site, onto, list(riders.values()))


def test_nobody_rides(site: Site) -> None:
    """Without riders, and when all of them are left out, the beginning itself is pinned."""
    onto, riders = branched(site, {"a": {"README.md": "a\n"}})
    assert chained(site, onto, []) == Chain(cars=())
    assert site.vault.refs.resolve(PIN) == onto
    site.user.commit({"README.md": "main\n"})
    (onto,) = site.vaulted("main")
    assert chained(site, onto, [riders["a"]]) == Chain(
        cars=(), left_out=(LeftOut(name="a", head=riders["a"].head, onto=onto, conflicts=("README.md",)),)
    )
    assert site.vault.refs.resolve(PIN) == onto


def test_what_is_in_already_rides_without_a_change(site: Site) -> None:
    """A head that the chain or its beginning holds, the same head twice, and the beginning itself change no tree."""
    onto, riders = branched(site, {"a": {"README.md": "a\n"}, "b": {"x": "b\n"}})
    old = rider("old", onto)
    site.user.commit({"y": "main\n"})
    (onto,) = site.vaulted("main")
    same = rider("same", onto)
    again = replace(riders["a"], name="again")
    riding = [same, old, riders["a"], riders["b"], again]
    chain = chained(site, onto, riding)
    assert plain(chain) == one_by_one(site, onto, riding)
    trees = [car.tree for car in chain.cars]
    assert (trees[0], trees[1], trees[4]) == (site.vault.objects.tree(onto), site.vault.objects.tree(onto), trees[3])


def test_branches_that_only_git_can_judge(site: Site) -> None:
    """A branch upon a branch, one that took the target in, criss-cross merges and renames: as git merges them."""
    user = site.user
    onto, riders = branched(
        site,
        {
            "renames": {"src/app.py": None, "lib/app.py": "".join(LINES)},
            "edits": {"src/app.py": edited((5, "edits\n"))},
            "low": {"a/low": "low\n"},
        },
    )
    user.git("checkout", "-q", "-B", "high", "low")
    user.commit({"a/high": "high\n"})
    user.git("checkout", "-q", "-B", "first", "main")
    user.commit({"first": "1\n"})
    user.git("checkout", "-q", "-B", "second", "main")
    user.commit({"second": "2\n"})
    user.git("merge", "-q", "--no-ff", "--no-edit", "first")
    user.git("checkout", "-q", "main")
    user.commit({"main": "m\n"})
    user.git("checkout", "-q", "-B", "takes-in", "low")
    user.git("merge", "-q", "--no-ff", "--no-edit", "main")
    user.commit({"third": "3\n"})
    user.git("checkout", "-q", "main")
    names = ("high", "first", "second", "takes-in")
    onto, *heads = site.vaulted("main", *names)
    riding = [*riders.values(), *(rider(name, head) for name, head in zip(names, heads, strict=True))]
    chain = chained(site, onto, riding)
    assert [car.workstream for car in chain.cars] == [each.name for each in riding]
    assert plain(chain) == one_by_one(site, onto, riding)
    assert site.vault.objects.blob(chain.cars[-1].commit, "lib/app.py") == edited((5, "edits\n")).encode()
    require_sound(site)


def test_a_folder_that_two_renamed_together_is_noticed(site: Site) -> None:
    """Each of two moves one of a folder's two files away, and a third adds to the folder: git asks where that belongs."""
    site.user.commit({"d/one": "one\n" * 9, "d/two": "two\n" * 9})
    onto, riders = branched(
        site,
        {
            "first": {"d/one": None, "e/one": "one\n" * 9},
            "second": {"d/two": None, "e/two": "two\n" * 9},
            "third": {"d/three": "three\n"},
            "fourth": {"d.txt": "four\n"},
        },
    )
    riding = list(riders.values())
    chain = chained(site, onto, riding)
    assert plain(chain) == one_by_one(site, onto, riding)
    assert [car.workstream for car in chain.cars] == ["first", "second", "fourth"]
    out = LeftOut(
        name="third",
        head=riders["third"].head,
        onto=chain.cars[1].commit,
        conflicts=("e/three",),
        partners=("first", "second"),
    )
    assert chain.left_out == (out,)


def test_a_foreign_history_is_left_out(site: Site) -> None:
    """Who shares no history with anything is left out; the others ride on."""
    onto, riders = branched(site, {"a": {"README.md": "a\n"}})
    site.user.git("checkout", "-q", "--orphan", "foreign")
    site.user.commit({"README.md": "foreign\n"})
    site.user.git("checkout", "-q", "main")
    (head,) = site.vaulted("foreign")
    chain = chained(site, onto, [rider("foreign", head), riders["a"]])
    assert [car.workstream for car in chain.cars] == ["a"]
    assert chain.left_out == (LeftOut(name="foreign", head=head, onto=onto, lost=("the common history",)),)


def test_sha256(tmp_path: Path) -> None:
    """A repository of the longer ids has chains too."""
    site = make_site(make_repository(str(tmp_path / "app"), FILES, object_format="sha256"), tmp_path)
    onto, riders = branched(site, MANY)
    chain = chained(site, onto, list(riders.values()))
    assert plain(chain) == one_by_one(site, onto, list(riders.values()))
    assert len(chain.cars[-1].commit) == 64
    require_sound(site)


# ---------------------------------------------------------------- random sets


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """One site for many examples, which share no commit."""
    folder = tmp_path_factory.mktemp("chains")
    return make_site(make_repository(str(folder / "app"), FILES), folder)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@example(seed=300013, rough=0.6)  # git 2.39 aborts on one of these merges
@given(seed=st.integers(0, 1 << 32), rough=st.sampled_from([0.1, 0.3, 0.6]))
def test_a_chain_is_what_merging_one_by_one_makes(shared_site: Site, seed: int, rough: float) -> None:
    """Random branches: the same commits to the byte, the same left out, for the same paths in conflict."""
    site = shared_site
    random, scribe = Random(seed), Scribe()
    beginning, branches = random_set(random, scribe, count=random.randint(2, 9), rough=rough)
    commits = scribe.write(site.user.at(site.vault.path))
    riders = [rider(f"w{place}", commits[number - 1]) for place, number in enumerate(branches)]
    onto = commits[beginning - 1]
    assert plain(chained(site, onto, riders)) == one_by_one(site, onto, riders)


# ---------------------------------------------------------------- another git


def test_git_runs_as_often_for_many_as_for_few(site: Site, other_git: Callable[[str], Path]) -> None:
    """However many riders do not meet: one git lists what they bring, one compares trees and stays, one writes them."""
    onto, riders = branched(site, {f"w{number}": {f"w/{number}": "x\n"} for number in range(20)})
    folder = other_git('echo "$1" >> "${0%/*}/words"\nexec $GIT "$@"')
    chained(site, onto, list(riders.values()))
    assert (folder / "words").read_text().split() == ["rev-list", "diff-tree", "fast-import"]
    chained(site, onto, list(riders.values())[:12])
    assert (folder / "words").read_text().split()[3:] == ["fast-import"]


def test_what_is_written_is_given_whole(site: Site, other_git: Callable[[str], Path]) -> None:
    """fast-import reads a file, so that our own end cannot cut its input short: within a merge it would never end."""
    onto, riders = branched(site, MANY)
    folder = other_git('[ "$1" != fast-import ] || [ ! -f /dev/stdin ] || echo file >> "${0%/*}/kinds"\nexec $GIT "$@"')
    chained(site, onto, list(riders.values()))
    assert set((folder / "kinds").read_text().split()) == {"file"}


def test_an_older_git_makes_the_same_chain(site: Site, other_git: Callable[[str], Path]) -> None:
    """A git whose merge-tree takes one pair only is asked once for each."""
    onto, riders = branched(site, MANY)
    chain = chained(site, onto, list(riders.values()))
    other_git('case "$*" in "merge-tree --stdin"*) exit 129;; esac\nexec $GIT "$@"')
    assert chained(site, onto, list(riders.values())) == chain


def test_a_writer_that_refuses_is_done_without(site: Site, other_git: Callable[[str], Path]) -> None:
    """What fast-import will not write is merged one by one: the same chain, and nobody is held up."""
    onto, riders = branched(site, MANY)
    chain = chained(site, onto, list(riders.values()))
    other_git('if [ "$1" = fast-import ]; then exit 128; fi\nexec $GIT "$@"')
    assert plain(chained(site, onto, list(riders.values()))) == plain(chain)


PLANTED = {
    "a dropped path": ("/^M .* new.one$/d", "adds", ("new/one",)),
    "a wrong mode": ("s/^M 100644 \\(.*\\) new.two$/M 100755 \\1 new\\/two/", "adds", ("new/two",)),
    "a change of nobody's": ("s/^\\(M .* \\)README.md$/&\\n\\1extra/", "alone", ("extra",)),
    "a file that is gone": ("s/^M .* README.md$/&\\nD .gitignore/", "alone", (".gitignore",)),
    "a parent left out": ("0,/^merge/{/^merge/d}", "alone", ("the merge's parents",)),
}


@pytest.mark.parametrize("case", PLANTED)
def test_a_wrong_writer_is_caught(site: Site, other_git: Callable[[str], Path], case: str) -> None:
    """Whatever is written otherwise than the rider brought it is found, and the rider is left out."""
    onto, riders = branched(site, MANY)
    wrong, name, lost = PLANTED[case]
    other_git(f'if [ "$1" = fast-import ]; then sed -e \'{wrong}\' | $GIT "$@"; else exec $GIT "$@"; fi')
    chain = chained(site, onto, list(riders.values()))
    out = next(each for each in chain.left_out if each.name == name)
    assert (out.lost, [car.workstream for car in chain.cars if car.workstream == name]) == (lost, [])
    if case != "a parent left out":  # that one is done to whoever comes first
        left = [each for each in riders.values() if each.name != name]
        assert [car.commit for car in chain.cars] == [car.commit for car in one_by_one(site, onto, left).cars]


@pytest.mark.parametrize("side", ["meets", "meets-too"])
def test_a_side_that_was_taken_is_caught(site: Site, other_git: Callable[[str], Path], side: str) -> None:
    """Where two riders changed a file and it was settled as one of them has it, the proof says so."""
    onto, riders = branched(site, MANY)
    taken = site.user.git("rev-parse", f"{side}:src/app.py")
    merged = one_by_one(site, onto, [riders["meets"], riders["meets-too"]]).cars[-1].commit
    right = site.user.at(site.vault.path).git("rev-parse", f"{merged}:src/app.py")
    other_git(f'if [ "$1" = fast-import ]; then sed -e s/{right}/{taken}/ | $GIT "$@"; else exec $GIT "$@"; fi')
    chain = chained(site, onto, [riders["meets"], riders["meets-too"], riders["alone"]])
    below = chain.cars[0].commit
    out = LeftOut(name="meets-too", head=riders["meets-too"].head, onto=below, lost=("src/app.py",))
    assert ([car.workstream for car in chain.cars], chain.left_out) == (["meets", "alone"], (out,))


@pytest.mark.parametrize("moment", ["before", "after", "amid"])
@pytest.mark.parametrize("number", range(1, 9))
def test_a_git_killed_in_the_middle_breaks_nothing(
    site: Site, other_git: Callable[[str], Path], moment: str, number: int
) -> None:
    """Whichever git is killed with -9, before, amid or after its work: the call fails, or (a reader that stays is started
    again) makes the chain all the same; the next one makes it."""
    onto, riders = branched(site, MANY)
    expected = plain(one_by_one(site, onto, list(riders.values())))
    die = {
        "before": "kill -9 $$",
        "after": '$GIT "$@"\nkill -9 $$',
        "amid": 'dd bs=100 count=1 2> /dev/null > "${0%/*}/part"\n(cat "${0%/*}/part"; kill -9 $$) | exec $GIT "$@"',
    }[moment]
    folder = other_git(
        f'echo x >> "${{0%/*}}/count"\nif [ "$(wc -l < "${{0%/*}}/count")" -eq {number} ]; then\n{die}\nfi\nexec $GIT "$@"'
    )
    try:
        assert plain(chained(site, onto, list(riders.values()))) == expected
    except GitFailed:
        assert len((folder / "count").read_text().split()) == number
    else:
        assert moment != "before"
        assert len((folder / "count").read_text().split()) > number
    assert plain(chained(site, onto, list(riders.values()))) == expected
    require_sound(site)
