"""Conflicts settled by what was decided beforehand, and the proof of what somebody resolved."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.gitrepo.conftest import FILES, Site, make_site
from tests.integration.gitrepo.proof.test_merge import edited, sides
from tests.support.repos import START, digest, make_repository, sealed_environment
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.domain.plan.settings import MergeDriver, Merging, Regenerate
from wt_orchestrate.ports.git.conflicts import Resolution, Settled, SettleSpec

PIN = "refs/wto/pin/settled"


def settle(site: Site, ours: CommitId, theirs: CommitId, merging: Merging) -> Settled:
    env = {name: value for name, value in sealed_environment(site.user.home).items() if not name.startswith("GIT_")}
    return site.vault.conflicts.settle(
        SettleSpec(
            ours=ours,
            theirs=theirs,
            message="Settle\n",
            at=START + 0.9,
            pin=PIN,
            slot="settle",
            merging=merging,
            env=env,
        )
    )


def blob(site: Site, commit: CommitId | None, path: str) -> str | None:
    assert commit is not None
    found = site.vault.objects.blob(commit, path)
    return None if found is None else found.decode()


def begin_merge(site: Site) -> None:
    """Merge main into what is checked out, as far as that goes."""
    with suppress(AssertionError, subprocess.CalledProcessError):
        site.user.git("merge", "-q", "main")


def test_what_nothing_settles_stays_in_conflict(site: Site) -> None:
    """Without a rule no side is taken: the paths are named, nothing is committed, the user's checkout is untouched."""
    ours, theirs = sides(site, {"src/app.py": edited((3, "ours\n"))}, {"src/app.py": edited((3, "theirs\n"))})
    before = digest(site.user)
    assert settle(site, ours, theirs, Merging()) == Settled(commit=None, tree=None, by={}, conflicts=("src/app.py",))
    assert site.vault.refs.resolve(PIN) is None
    assert digest(site.user) == before


def test_a_changelog_is_merged_by_union(site: Site) -> None:
    """Both sides' lines stand one after another, in a commit with both parents that the vault keeps."""
    ours, theirs = sides(site, {"CHANGES.md": "- one\n"}, {"CHANGES.md": "- two\n"})
    made = settle(site, ours, theirs, Merging(union=("CHANGES.md",)))
    assert (made.by, made.conflicts) == ({"CHANGES.md": "union"}, ())
    assert sorted((blob(site, made.commit, "CHANGES.md") or "").splitlines()) == ["- one", "- two"]
    assert site.vault.refs.resolve(PIN) == made.commit
    assert settle(site, ours, theirs, Merging(union=("CHANGES.md",))) == made


def test_an_approved_driver_merges_its_files_and_no_others(site: Site) -> None:
    """A driver of the settings runs for its globs; the other conflict stays."""
    ours, theirs = sides(site, {"a.json": "{1}\n", "b.txt": "1\n"}, {"a.json": "{2}\n", "b.txt": "2\n"})
    run = "cat %A %B | sort -u > %A.new && mv %A.new %A"
    merging = Merging(drivers={"json": MergeDriver(run=run, paths=("*.json",))})
    made = settle(site, ours, theirs, merging)
    assert made == Settled(commit=None, tree=None, by={"a.json": "driver:json"}, conflicts=("b.txt",))


@pytest.mark.parametrize(
    "attributes", ["* merge=evil\n", "* merge=union\n", "* filter=evil\n", "*.txt merge=evil filter=evil\n"]
)
def test_S1_what_an_agent_planted_neither_runs_nor_merges(site: Site, tmp_path: Path, attributes: str) -> None:
    """Drivers and filters in the shared configuration, chosen by `.gitattributes` in the tree, are not asked."""
    marker = tmp_path / "ran"
    ours, theirs = sides(
        site, {"a.txt": "1\n", ".gitattributes": attributes}, {"a.txt": "2\n", ".gitattributes": attributes}
    )
    for key in ("merge.evil.driver", "filter.evil.smudge", "filter.evil.clean", "filter.evil.process"):
        site.user.git("config", key, f"touch {marker}")
    assert settle(site, ours, theirs, Merging()).conflicts == ("a.txt",)
    assert not marker.exists()


def test_mergiraf_is_asked_where_the_run_recorded_it(site: Site, tmp_path: Path) -> None:
    """The program that was found when the run began merges what git cannot; one that fails leaves the conflict."""
    program = tmp_path / "mergiraf"
    program.write_text('#!/bin/sh\ncat "$4" "$5" > "$4.new" && mv "$4.new" "$4"\n')
    program.chmod(0o755)
    ours, theirs = sides(site, {"a.py": "one = 1\n"}, {"a.py": "two = 2\n"})
    made = settle(site, ours, theirs, Merging(mergiraf=str(program)))
    assert made.by == {"a.py": "mergiraf"}
    assert sorted((blob(site, made.commit, "a.py") or "").splitlines()) == ["one = 1", "two = 2"]
    program.write_text("#!/bin/sh\nexit 1\n")
    assert settle(site, ours, theirs, Merging(mergiraf=str(program))).conflicts == ("a.py",)


def test_a_lockfile_is_made_anew_from_the_merged_manifest(site: Site) -> None:
    """The declared command makes it once everything else is merged; one that fails, or hangs, leaves the conflict."""
    site.user.commit({"deps.txt": "a\n\n\n\n\nz\n", "deps.lock": "hash 0\n"})
    ours, theirs = sides(
        site,
        {"deps.txt": "a\nb\n\n\n\n\nz\n", "deps.lock": "hash 1\n"},
        {"deps.txt": "a\n\n\n\n\ny\nz\n", "deps.lock": "hash 2\n"},
    )
    rule = Regenerate(paths=("*.lock",), run="grep . deps.txt | tr '\\n' ' ' > deps.lock")
    made = settle(site, ours, theirs, Merging(regenerate=(rule,)))
    assert made.by == {"deps.lock": "regenerated"}
    assert blob(site, made.commit, "deps.lock") == "a b y z "
    for run in ("false", "sleep 60"):
        failing = Regenerate(paths=("*.lock",), run=run, timeout="1s")
        assert settle(site, ours, theirs, Merging(regenerate=(failing,))).conflicts == ("deps.lock",)


def test_a_resolution_is_remembered_for_other_branches(site: Site) -> None:
    """What was resolved once settles the same conflict on another history, and only where that is wished."""
    ours, theirs = sides(site, {"src/app.py": edited((3, "ours\n"))}, {"src/app.py": edited((3, "theirs\n"))})
    site.user.git("checkout", "-q", "a")
    begin_merge(site)
    resolved = site.user.commit({"src/app.py": edited((3, "ours and theirs\n"))}, "resolve")
    (vaulted,) = site.vaulted("a")
    assert site.vault.conflicts.remember(ours=theirs, theirs=ours, resolved=vaulted, slot="settle") == 1
    site.user.git("checkout", "-q", "main")
    site.user.commit({"unrelated.txt": "x\n"})
    later, _ = site.vaulted("main", "a")
    made = settle(site, theirs, later, Merging())
    assert made.by == {"src/app.py": "rerere"}
    assert blob(site, made.commit, "src/app.py") == edited((3, "ours and theirs\n"))
    assert settle(site, theirs, later, Merging(rerere=False)).conflicts == ("src/app.py",)
    assert resolved == vaulted


# ---------------------------------------------------------------- the proof of a resolution


def resolve(site: Site, ours: CommitId, theirs: CommitId, files: Mapping[str, bytes | str | None]) -> Resolution:
    """A person's merge of both with these files, compared with them."""
    site.user.git("checkout", "-q", "a")
    begin_merge(site)
    site.user.commit(files, "resolve")
    (resolved,) = site.vaulted("a")
    return site.vault.conflicts.prove_resolution(resolved=resolved, ours=theirs, theirs=ours, paths=("src/app.py",))


CASES = {
    "both": ("both\nours\ntheirs\n", "", (0, 0)),
    "ours": ("theirs\n", "ours", (0, 1)),
    "theirs": ("ours\n", "theirs", (1, 0)),
    "anew": ("something else\n", "", (1, 1)),
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_a_resolution_is_listed_line_by_line(site: Site, case: str) -> None:
    """Lines of either side that are gone are counted and named; letting a whole side go is told as taking the other."""
    text, took, dropped = CASES[case]
    ours, theirs = sides(site, {"src/app.py": edited((3, "ours\n"))}, {"src/app.py": edited((3, "theirs\n"))})
    found = resolve(site, ours, theirs, {"src/app.py": edited((3, text))})
    (file,) = found.files
    assert (found.beyond, file.took, file.dropped, file.markers) == ((), took, dropped, ())
    assert (file.dropped_ours, file.dropped_theirs) == (("theirs",) * dropped[0], ("ours",) * dropped[1])


def test_a_resolution_that_changes_more_than_the_conflict_is_refused(site: Site) -> None:
    """A file outside the conflict that is not as the plain merge has it, and a marker left behind, are named."""
    ours, theirs = sides(
        site, {"src/app.py": edited((3, "ours\n")), "other.txt": "ours\n"}, {"src/app.py": edited((3, "theirs\n"))}
    )
    found = resolve(
        site, ours, theirs, {"src/app.py": edited((3, "<<<<<<< ours\nours\ntheirs\n")), "other.txt": "lost\n"}
    )
    assert (found.beyond, found.files[0].markers) == (("other.txt",), (3,))


def test_a_binary_file_is_somebodys_or_new(site: Site) -> None:
    """What cannot be compared by lines is told as one side's where it is that."""
    ours, theirs = sides(site, {"src/app.py": b"\0ours"}, {"src/app.py": b"\0theirs"})
    (file,) = resolve(site, ours, theirs, {"src/app.py": b"\0theirs"}).files
    assert (file.text, file.took) == (False, "ours")


@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.sampled_from(["a", "b", "c", "ours", "theirs"]), max_size=8))
def test_no_line_of_a_side_goes_unlisted(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    """Whatever a resolution is, each side's own line is in it or in the list of what is gone."""
    folder = tmp_path_factory.mktemp("site")
    site = make_site(make_repository(str(folder / "app"), FILES), folder)
    ours, theirs = sides(site, {"src/app.py": edited((3, "ours\n"))}, {"src/app.py": edited((3, "theirs\n"))})
    (file,) = resolve(site, ours, theirs, {"src/app.py": "".join(f"{line}\n" for line in lines)}).files
    assert file.dropped_ours == (() if "theirs" in lines else ("theirs",))
    assert file.dropped_theirs == (() if "ours" in lines else ("ours",))


def test_the_memory_is_out_of_the_repository(site: Site) -> None:
    """What is remembered lies in the state folder, not in the repository that agents can write."""
    ours, theirs = sides(site, {"src/app.py": edited((3, "ours\n"))}, {"src/app.py": edited((3, "theirs\n"))})
    settle(site, ours, theirs, Merging())
    assert not os.path.exists(f"{site.user.common_dir}/rr-cache")
