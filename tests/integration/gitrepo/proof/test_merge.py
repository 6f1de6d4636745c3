"""Merging in memory, and the proof that a merge lost nothing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.gitrepo.conftest import FILES, Site, make_site
from tests.support.repos import START, digest, make_repository, sealed_environment
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.errors import Refused
from wt_orchestrate.ports.git.merges import Merge, Proof

LINES = [f"line {number}\n" for number in range(1, 21)]
Files = dict[str, "bytes | str | None"]


def edited(*changes: tuple[int, str]) -> str:
    """The twenty lines with some of them (counted from 1) replaced."""
    lines = list(LINES)
    for number, text in changes:
        lines[number - 1] = text
    return "".join(lines)


def sides(site: Site, ours: Files, theirs: Files) -> tuple[CommitId, CommitId]:
    """Commit one change on main and one on branch `a`, both from where main was, into the vault."""
    site.user.git("checkout", "-q", "-B", "a")
    site.user.commit(theirs, "theirs")
    site.user.git("checkout", "-q", "main")
    site.user.commit(ours, "ours")
    mine, other = site.vaulted("main", "a")
    return mine, other


def merge(site: Site, ours: CommitId, theirs: CommitId) -> Merge:
    return site.vault.merges.merge(
        ours=ours, theirs=theirs, message="Integrate a\n", at=START + 0.9, pin="refs/wto/pin/a"
    )


def prove(site: Site, commit: CommitId | None, ours: CommitId, theirs: CommitId) -> Proof:
    assert commit is not None
    return site.vault.merges.prove(merge=commit, ours=ours, theirs=theirs)


def planted(site: Site, *options: str) -> CommitId:
    """A merge of `a` into main that somebody made with other options, in the vault."""
    site.user.git("checkout", "-q", "-B", "planted", "main")
    site.user.git("merge", "-q", "--no-ff", "--no-edit", *options, "a")
    site.user.git("checkout", "-q", "main")
    return site.vaulted("planted")[0]


def test_a_merge_is_a_commit_with_both_parents(site: Site) -> None:
    """A clean merge is pinned, signed by the tool, and the same arguments give the same commit."""
    before_main = site.user.head()
    ours, theirs = sides(site, {"README.md": "ours\n"}, {"src/app.py": edited((3, "theirs\n"))})
    before = digest(site.user)
    made = merge(site, ours, theirs)
    assert merge(site, ours, theirs) == made
    assert made.commit is not None
    assert site.vault.refs.resolve("refs/wto/pin/a") == made.commit
    raw = site.user.at(site.vault.path).git("cat-file", "commit", made.commit)
    who = f"wt-orchestrate <wt-orchestrate@localhost> {START} +0000"
    assert raw.splitlines() == [
        f"tree {made.tree}",
        f"parent {ours}",
        f"parent {theirs}",
        f"author {who}",
        f"committer {who}",
        "",
        "Integrate a",
    ]
    assert prove(site, made.commit, ours, theirs) == Proof(
        merge=made.commit, ours=ours, theirs=theirs, base=before_main, checked_paths=2
    )
    assert digest(site.user) == before


def test_a_fast_forward_is_a_merge_commit_too(site: Site) -> None:
    """Also where theirs descends from ours there is a commit with both parents."""
    ours = site.user.head()
    site.user.git("checkout", "-q", "-b", "a")
    theirs = site.user.commit({"w": "1"})
    site.vaulted("main", "a")
    made = merge(site, ours, theirs)
    assert (made.commit != theirs, made.tree) == (True, site.vault.objects.tree(theirs))
    assert prove(site, made.commit, ours, theirs).lost == ()


def test_conflicts_are_named_and_nothing_is_made(site: Site) -> None:
    """A conflict names its paths, makes no commit and pins nothing."""
    theirs_files: Files = {"README.md": "theirs\n", "src/app.py": None, "ü\n": "t", "clean": "c"}
    ours, theirs = sides(site, {"README.md": "ours\n", "src/app.py": edited((1, "o\n")), "ü\n": "o"}, theirs_files)
    assert merge(site, ours, theirs) == Merge(commit=None, tree=None, conflicts=("README.md", "src/app.py", "ü\n"))
    assert site.vault.refs.resolve("refs/wto/pin/a") is None


def test_unrelated_histories_are_refused(site: Site) -> None:
    """Histories without a common ancestor are not merged."""
    site.user.git("checkout", "-q", "--orphan", "a")
    site.user.commit({"only": "x"})
    ours, theirs = site.vaulted("main", "a")
    with pytest.raises(Refused, match="have no common history"):
        merge(site, ours, theirs)


def test_planted_merge_options_and_drivers_mean_nothing(site: Site, tmp_path: Path) -> None:
    """A merge driver or default in anybody's configuration, and attributes in the tree, change nothing of a merge."""
    marker = tmp_path / "marker"
    config = f'[merge]\n\tdefault = evil\n[merge "evil"]\n\tdriver = touch {marker}\n'
    (Path(os.environ["HOME"]) / ".gitconfig").write_text(config)
    ours, theirs = sides(
        site,
        {"src/app.py": edited((1, "ours\n"))},
        {"src/app.py": edited((20, "theirs\n")), ".gitattributes": "* merge=evil\n"},
    )
    made = merge(site, ours, theirs)
    assert made.commit is not None
    assert site.vault.objects.blob(made.commit, "src/app.py") == edited((1, "ours\n"), (20, "theirs\n")).encode()
    assert prove(site, made.commit, ours, theirs).lost == ()
    assert not marker.exists()


# ---------------------------------------------------------------- the proof

CLEAN: dict[str, tuple[Files, Files]] = {
    "both edit one file": ({"src/app.py": edited((2, "o\n"))}, {"src/app.py": edited((18, "t\n"))}),
    "both make the same edit": (
        {"src/app.py": edited((2, "same\n"), (9, "o\n"))},
        {"src/app.py": edited((2, "same\n"), (18, "t\n"))},
    ),
    "both add the same file": ({"new": "n\n"}, {"new": "n\n", "other": "t\n"}),
    "both delete a file": ({"README.md": None}, {"README.md": None, "x": "t"}),
    "lines that repeat": (
        {"src/app.py": "}\n" + "".join(LINES) + "}\n"},
        {"src/app.py": "".join(LINES[:10]) + "}\n}\n" + "".join(LINES[10:])},
    ),
    "ours renames, theirs edits": (
        {"src/app.py": None, "lib/app.py": "".join(LINES)},
        {"src/app.py": edited((5, "t\n"))},
    ),
    "ours renames and edits, theirs edits": (
        {"src/app.py": None, "lib/app.py": edited((20, "o\n"))},
        {"src/app.py": edited((5, "t\n"))},
    ),
    "theirs renames, ours edits": (
        {"src/app.py": edited((5, "o\n"))},
        {"src/app.py": None, "lib/app.py": edited((20, "t\n"))},
    ),
    "both rename to the same": (
        {"src/app.py": None, "lib/app.py": edited((20, "o\n"))},
        {"src/app.py": None, "lib/app.py": edited((5, "t\n"))},
    ),
    "no newline at the end": (
        {"src/app.py": "".join(LINES).removesuffix("\n")},
        {"src/app.py": edited((1, "t\n"))},
    ),
    "carriage returns": (
        {"src/app.py": edited((1, "o\r\n"))},
        {"src/app.py": edited((18, "a\rb\r\n"))},
    ),
    "nothing left of ours": ({"src/app.py": "".join(LINES[5:])}, {"src/app.py": "".join(LINES[:15])}),
}


@pytest.mark.parametrize("case", CLEAN)
def test_a_clean_merge_is_proven(site: Site, case: str) -> None:
    """Whatever git merges without a conflict is proven."""
    ours, theirs = sides(site, *CLEAN[case])
    made = merge(site, ours, theirs)
    assert made.conflicts == ()
    assert prove(site, made.commit, ours, theirs).lost == ()


def test_modes_are_part_of_the_proof(site: Site) -> None:
    """A file made executable by one side and edited by the other is both."""
    site.user.git("checkout", "-q", "-b", "a")
    os.chmod(f"{site.user.path}/src/app.py", 0o755)
    site.user.commit({}, "theirs")
    site.user.git("checkout", "-q", "main")
    site.user.commit({"src/app.py": edited((3, "o\n"))})
    ours, theirs = site.vaulted("main", "a")
    made = merge(site, ours, theirs)
    assert prove(site, made.commit, ours, theirs).lost == ()
    site.user.git("checkout", "-q", "-b", "planted")
    site.user.git("merge", "-q", "--no-ff", "--no-commit", "a")
    os.chmod(f"{site.user.path}/src/app.py", 0o644)
    site.user.commit({}, "planted")
    assert prove(site, site.vaulted("planted")[0], ours, theirs).lost == ("src/app.py",)


CONFLICT: tuple[Files, Files] = (
    {"src/app.py": edited((5, "ours\n"), (20, "o\n")), "mine": "m\n"},
    {"src/app.py": edited((5, "theirs\n"), (10, "t\n")), "README.md": "theirs\n", "yours": "y\n"},
)


@pytest.mark.parametrize(
    ("options", "lost"),
    [
        (("-X", "ours"), ("src/app.py",)),
        (("-X", "theirs"), ("src/app.py",)),
        (("-s", "ours"), ("README.md", "src/app.py", "yours")),
    ],
)
def test_a_merge_that_took_a_side_is_caught(site: Site, options: tuple[str, ...], lost: tuple[str, ...]) -> None:
    """A merge that settled a conflict by taking a side, or took nothing at all, is not proven."""
    ours, theirs = sides(site, *CONFLICT)
    assert merge(site, ours, theirs).conflicts == ("src/app.py",)
    assert prove(site, planted(site, *options), ours, theirs).lost == lost


def test_a_deletion_against_an_edit_is_caught(site: Site) -> None:
    """An edit of one side against a neighbouring deletion of the other, settled by a side, is not proven."""
    ours, theirs = sides(site, {"src/app.py": edited((5, "o\n"))}, {"src/app.py": edited((5, ""))})
    assert prove(site, planted(site, "-X", "ours"), ours, theirs).lost == ("src/app.py",)


@pytest.mark.parametrize(
    ("change", "lost"),
    [
        ({"README.md": "neither\n"}, "README.md"),
        ({"extra": "x"}, "extra"),
        ({"yours": None}, "yours"),
        ({"mine": "changed\n"}, "mine"),
        ({"src/app.py": edited((2, "o\n"))}, "src/app.py"),
        ({"src/app.py": edited((2, "o\n"), (18, "t\n")) + "<<<<<<< conflict\n"}, "src/app.py"),
    ],
)
def test_anything_else_in_a_merge_is_caught(site: Site, change: Files, lost: str) -> None:
    """A change that neither side made, or one of a side left out, is named."""
    ours, theirs = sides(
        site, {"src/app.py": edited((2, "o\n")), "mine": "m\n"}, {"src/app.py": edited((18, "t\n")), "yours": "y\n"}
    )
    site.user.git("checkout", "-q", "-b", "planted")
    site.user.git("merge", "-q", "--no-ff", "--no-commit", "a")
    site.user.commit(change)
    assert prove(site, site.vaulted("planted")[0], ours, theirs).lost == (lost,)


def test_other_parents_are_caught(site: Site) -> None:
    """A commit with the right tree and the wrong parents is no merge of both."""
    ours, theirs = sides(site, {"a": "o"}, {"b": "t"})
    made = merge(site, ours, theirs)
    again = site.vault.merges.merge(ours=theirs, theirs=ours, message="swapped", at=START, pin="refs/wto/pin/b")
    assert made.tree == again.tree
    assert prove(site, again.commit, ours, theirs).lost == ("the merge's parents",)


def test_a_move_against_a_deletion_is_not_lost(site: Site) -> None:
    """When one side moved a file that the other deleted, and it was settled by deleting it, the moved file is missed."""
    ours, theirs = sides(site, {"src/app.py": None, "lib/app.py": "".join(LINES)}, {"src/app.py": None, "x": "t"})
    assert merge(site, ours, theirs).conflicts == ("lib/app.py",)
    assert prove(site, _taken_side(site, ours, theirs, "theirs"), ours, theirs).lost == ("lib/app.py",)


def test_binary_files_that_both_changed_are_not_proven(site: Site) -> None:
    """Two different binary contents cannot be merged, whatever a merge claims."""
    ours, theirs = sides(site, {"README.md": b"\0ours"}, {"README.md": b"\0theirs"})
    assert prove(site, planted(site, "-X", "theirs"), ours, theirs).lost == ("README.md",)


def test_a_criss_cross_merge_is_proven(site: Site) -> None:
    """After both sides merged each other there are two merge bases; a clean merge is proven all the same."""
    first, second = sides(site, {"src/app.py": edited((2, "o\n"))}, {"src/app.py": edited((18, "t\n"))})
    site.user.git("merge", "-q", "--no-ff", "--no-edit", second)
    site.user.commit({"mine": "m\n", "src/app.py": edited((2, "o\n"), (10, "more\n"), (18, "t\n"))})
    site.user.git("checkout", "-q", "a")
    site.user.git("merge", "-q", "--no-ff", "--no-edit", first)
    site.user.commit({"src/app.py": edited((2, "o\n"), (18, "t\n"), (20, "last\n"))})
    ours, theirs = site.vaulted("main", "a")
    assert len(site.user.git("merge-base", "--all", ours, theirs).split()) == 2
    made = merge(site, ours, theirs)
    assert prove(site, made.commit, ours, theirs).lost == ()


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """One site for many examples; each works on branches of its own begun at the same commit."""
    folder = tmp_path_factory.mktemp("merging")
    site = make_site(make_repository(str(folder / "app"), FILES), folder)
    site.user.git("tag", "begin")
    return site


NAMES = ("README.md", "src/app.py", "new", "dir/new", "lib/app.py")
LINE = st.sampled_from(["a\n", "b\n", "}\n", "\n", "x = 1\n"])
EDIT = st.one_of(
    st.none(),
    st.lists(st.tuples(st.integers(1, 20), st.one_of(LINE, st.just(""), st.just("two\nlines\n"))), max_size=3).map(
        lambda changes: edited(*changes)
    ),
    st.lists(LINE, max_size=6).map("".join),
)
SIDE = st.dictionaries(st.sampled_from(NAMES), EDIT, max_size=4)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(ours=SIDE, theirs=SIDE)
def test_random_edits(shared_site: Site, ours: Files, theirs: Files) -> None:
    """Random edits on two sides: what merges cleanly is proven; what does not, and is settled by a side, is caught."""
    site = shared_site
    site.user.git("checkout", "-q", "-B", "main", "begin")
    mine, other = sides(site, _possible(site, ours), _possible(site, theirs))
    made = merge(site, mine, other)
    if made.commit is not None:
        assert prove(site, made.commit, mine, other).lost == ()
        return
    for side in ("ours", "theirs"):
        taken = _taken_side(site, mine, other, side)
        overruled = {path for path in made.conflicts if _changed(site, path, {"ours": other, "theirs": mine}[side])}
        assert set(prove(site, taken, mine, other).lost) & overruled == overruled


def _changed(site: Site, path: str, side: CommitId) -> bool:
    """Whether a side has something else at a path than the commit where both began."""
    return site.user.git("ls-tree", "begin", "--", path) != site.user.git("ls-tree", side, "--", path)


def _possible(site: Site, files: Files) -> Files:
    """Without deletions of what is not there."""
    return {
        name: text for name, text in files.items() if text is not None or os.path.exists(f"{site.user.path}/{name}")
    }


def _taken_side(site: Site, ours: CommitId, theirs: CommitId, side: str) -> CommitId:
    """A merge commit in which every conflicting path is as one side has it."""
    repository = site.user
    index = {"ours": ours, "theirs": theirs}[side]
    merged = merge_tree(repository.path, repository.home, ours, theirs)
    repository.git("read-tree", merged[0])
    for path in merged[1]:
        entry = repository.git("ls-tree", index, "--", path)
        if entry:
            mode, _, name = entry.split(None, 2)
            repository.git("update-index", "--add", "--cacheinfo", f"{mode},{name.split()[0]},{path}")
        else:
            repository.git("update-index", "--force-remove", "--", path)
    tree = repository.git("write-tree")
    commit = repository.git("commit-tree", tree, "-p", ours, "-p", theirs, "-m", "planted")
    repository.git("read-tree", "HEAD")
    repository.git("branch", "-f", "planted", commit)
    return site.vaulted("planted")[0]


def merge_tree(path: str, home: str, ours: CommitId, theirs: CommitId) -> tuple[str, list[str]]:
    """The tree with conflict markers, and the paths in conflict."""
    ended = subprocess.run(
        ["git", "merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", ours, theirs],
        cwd=path,
        env=sealed_environment(home),
        capture_output=True,
        check=False,
    )
    tree, *names = [part for part in ended.stdout.decode().split("\0") if part]
    return tree, names
