"""Conflicts settled by what was decided beforehand, and the proof of what somebody resolved."""

from __future__ import annotations

import os
import re
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


def test_a_driver_never_gets_a_file_that_git_merges_by_itself(site: Site, tmp_path: Path) -> None:
    """Of two files that a driver is for, only the one in conflict is given to it; the other one is git's plain merge."""
    seen = tmp_path / "seen"
    lines = [f"{number:02}\n" for number in range(1, 31)]
    site.user.commit({"a.txt": "a1\na2\n", "b.txt": "".join(lines)})
    ours, theirs = sides(
        site,
        {"a.txt": "a1\na2\nx\n", "b.txt": "".join((lines[0], "zz\n", *lines[2:]))},
        {"a.txt": "a1\na2\ny\n", "b.txt": "".join((*lines[:27], "00\n", *lines[28:]))},
    )
    driver = MergeDriver(run=f"echo %P >> {seen}; cat %A %B | sort -u > %A.new && mv %A.new %A", paths=("**/*.txt",))
    made = settle(site, ours, theirs, Merging(drivers={"sorted": driver}))
    assert (made.by, made.why, made.conflicts) == ({"a.txt": "driver:sorted"}, {}, ())
    assert seen.read_text() == "a.txt\n"
    assert blob(site, made.commit, "b.txt") == "".join((lines[0], "zz\n", *lines[2:27], "00\n", *lines[28:]))


@pytest.mark.parametrize(
    "name",
    [
        "a b.txt",
        'a"b.txt',
        "a*b.txt",
        "[ab].txt",
        "a\\b.txt",
        "a\nb.txt",
        "#a.txt",
        "!a.txt",
        "\udce9.txt",
        "f/ü.txt",
        "?",
    ],
)
def test_a_driver_gets_files_whatever_they_are_called(site: Site, name: str) -> None:
    """A name that has a meaning in attributes is only a name, and no other file is taken for it."""
    ours, theirs = sides(site, {name: "1\n", "other.txt": "1\n"}, {name: "2\n", "other.txt": "2\n"})
    glob = MergeDriver(run="cat %A %B > %A.new && mv %A.new %A", paths=("**/*",))
    made = settle(site, ours, theirs, Merging(drivers={"all": glob}))
    assert made.by == {name: "driver:all", "other.txt": "driver:all"}


def test_what_a_rule_could_not_resolve_is_told_with_the_reason(site: Site) -> None:
    """A driver that fails, a lockfile beside another conflict, a command that fails and a merge that takes too long say
    so; a path that no rule is for has no reason."""
    ours, theirs = sides(
        site,
        {"a.txt": "1\n", "deps.lock": "1\n", "b": "1\n"},
        {"a.txt": "2\n", "deps.lock": "2\n", "b": "2\n"},
    )
    failing = MergeDriver(run="false", paths=("*.txt",))
    lock = Regenerate(paths=("*.lock",), run="false")
    assert settle(site, ours, theirs, Merging(drivers={"x": failing}, regenerate=(lock,))).why == {
        "a.txt": "driver:x left it in conflict",
        "deps.lock": "it is regenerated once nothing else is in conflict: a.txt, b",
    }
    both = Merging(union=("a.txt", "b"), regenerate=(lock,))
    assert settle(site, ours, theirs, both).why == {"deps.lock": "`false` failed or took longer than 10m"}
    slow = Merging(drivers={"x": MergeDriver(run="sleep 60", paths=("*.txt",))}, timeout="1s")
    assert settle(site, ours, theirs, slow).why == dict.fromkeys(
        ("a.txt", "b", "deps.lock"), "merging it took longer than 1s"
    )


PYTHON = "def one():\n    return 1\n"


def test_union_is_tried_where_nothing_else_resolves(site: Site) -> None:
    """Code that both sides appended to has both appendices, told as a guess; a driver that is for the file goes first."""
    site.user.commit({"src/app.py": PYTHON})
    ours, theirs = sides(
        site,
        {"src/app.py": PYTHON + "\n\ndef two():\n    return 2\n"},
        {"src/app.py": PYTHON + "\n\ndef three():\n    return 3\n"},
    )
    made = settle(site, ours, theirs, Merging(try_union=("**/*.py",)))
    assert (made.by, made.conflicts, made.why) == ({"src/app.py": "try_union"}, (), {})
    text = blob(site, made.commit, "src/app.py") or ""
    assert "def two()" in text and "def three()" in text
    driver = MergeDriver(run="cat %A %B > %A.new && mv %A.new %A", paths=("**/*.py",))
    assert settle(site, ours, theirs, Merging(try_union=("**/*.py",), drivers={"d": driver})).by == {
        "src/app.py": "driver:d"
    }


@pytest.mark.parametrize(
    ("name", "base", "one", "other", "wrong"),
    [
        ("a.py", "x = f(1)\n", "x = f(1,\n    two=2)\n", "x = f(1,\n    three=3)\n", "unexpected indent .line 3"),
        ("a.json", '{"a": 1}\n', '{"a": 2}\n', '{"a": 3}\n', "Extra data"),
        (
            "a.json",
            '{\n"a": 1,\n"z": 0\n}\n',
            '{\n"a": 2,\n"z": 0\n}\n',
            '{\n"a": 3,\n"z": 0\n}\n',
            "'a' is there twice",
        ),
        ("a.toml", "a = 1\n", "a = 2\n", "a = 3\n", "Cannot overwrite a value"),
        ("a.yaml", "a: 1\n", "a: 2\n", "a: 3\n", "'a' is there twice"),
        ("a.yml", "a: 1\n", "a:\n  b: 2\n", "a: [\n  3]\n", "expected|twice"),
        ("a.xml", "<a/>\n", "<b/>\n", "<c/>\n", "junk after document element"),
        ("a.ini", "[a]\nx = 1\n", "[a]\nx = 2\n", "[a]\nx = 3\n", "already exists"),
    ],
)
def test_a_union_that_does_not_parse_is_no_resolution(
    site: Site, name: str, base: str, one: str, other: str, wrong: str
) -> None:
    """The conflict stays, with what the parser says; where the parser refuses a side's own version too it does not judge."""
    site.user.commit({name: base})
    ours, theirs = sides(site, {name: one}, {name: other})
    made = settle(site, ours, theirs, Merging(try_union=("**",)))
    assert (made.commit, made.by, made.conflicts) == (None, {}, (name,))
    assert re.search(f"union was tried, and the result does not parse: .*({wrong})", made.why[name])
    site.user.git("checkout", "-q", "main")
    site.user.commit({name: "{{ a template < [\n"})
    ours, theirs = sides(site, {name: "{{ another < [\n"}, {name: "{{ a third < [\n"})
    assert settle(site, ours, theirs, Merging(try_union=("**",))).by == {name: "try_union"}


def test_union_is_what_git_itself_makes(site: Site) -> None:
    """Where lines in the middle of both sides are the same, they are there once, as with `merge=union` in git."""
    site.user.commit({"f.txt": "0\n"})
    ours, theirs = sides(site, {"f.txt": "0\none\nsame\n1\n"}, {"f.txt": "0\ntwo\nsame\n2\n"})
    made = settle(site, ours, theirs, Merging(union=("f.txt",)))
    site.user.git("checkout", "-q", "--detach", ours)
    chosen = Path(site.user.path, site.user.git("rev-parse", "--git-path", "info/attributes"))
    chosen.parent.mkdir(exist_ok=True)
    chosen.write_text("f.txt merge=union\n")
    site.user.git("merge", "-q", "--no-edit", theirs)
    assert blob(site, made.commit, "f.txt") == site.user.git("show", "HEAD:f.txt") + "\n"


def test_an_earlier_resolution_goes_before_union(site: Site) -> None:
    """What a person decided for this very conflict counts, also in a file whose lines are kept otherwise."""
    ours, theirs = sides(site, {"CHANGES.md": "- one\n"}, {"CHANGES.md": "- two\n"})
    site.user.git("checkout", "-q", "a")
    begin_merge(site)
    site.user.commit({"CHANGES.md": "- one, two\n"}, "resolve")
    (vaulted,) = site.vaulted("a")
    assert site.vault.conflicts.remember(ours=theirs, theirs=ours, resolved=vaulted, slot="settle") == 1
    for merging in (Merging(union=("CHANGES.md",)), Merging(try_union=("CHANGES.md",))):
        made = settle(site, ours, theirs, merging)
        assert (made.by, blob(site, made.commit, "CHANGES.md")) == ({"CHANGES.md": "rerere"}, "- one, two\n")


def test_union_keeps_one_copy_of_what_both_sides_appended(site: Site) -> None:
    """A block that both sides added at the same place is there once, beside what each added on its own."""
    both = "- both\n- also both\n"
    site.user.commit({"log.jsonl": "- first\n"})
    ours, theirs = sides(site, {"log.jsonl": f"- first\n{both}- one\n"}, {"log.jsonl": f"- first\n{both}- two\n"})
    made = settle(site, ours, theirs, Merging(union=("log.jsonl",)))
    assert blob(site, made.commit, "log.jsonl") == f"- first\n{both}- one\n- two\n"


def test_union_is_not_tried_on_what_is_no_text_of_both_sides(site: Site) -> None:
    """A file that one side deleted, or that is binary, stays in conflict and says why."""
    site.user.commit({"gone.txt": "1\n", "image": b"\0\1"})
    ours, theirs = sides(site, {"gone.txt": "2\n", "image": b"\0\2"}, {"gone.txt": None, "image": b"\0\3"})
    made = settle(site, ours, theirs, Merging(try_union=("**",)))
    assert made.why == dict.fromkeys(("gone.txt", "image"), "union only merges text files that both sides have")


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
