"""The conflict radar: who would conflict with whom, uncommitted work included, and nothing left behind."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.integration.gitrepo.conftest import FILES, Site, make_site
from tests.support.branches import Scribe, random_set
from tests.support.repos import START, TestRepository, digest, make_repository
from wt_orchestrate.adapters.gitrepo.runner import Git
from wt_orchestrate.adapters.gitrepo.worktree import uncommitted
from wt_orchestrate.adapters.gitrepo.worktree.uncommitted import FileContent
from wt_orchestrate.domain.effects import Side
from wt_orchestrate.domain.events.forecast import BlindSpot, Clash
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.errors import GitFailed
from wt_orchestrate.ports.git.forecast import MergeForecast
from wt_orchestrate.ports.git.merges import ChainSpec, Rider

Files = Mapping[str, "bytes | str | None"]
LINES = [f"line {number}\n" for number in range(1, 21)]
APP = "src/app.py"


def edited(*changes: tuple[int, str]) -> str:
    """The twenty lines of `src/app.py` with some of them (counted from 1) replaced."""
    lines = list(LINES)
    for number, text in changes:
        lines[number - 1] = text
    return "".join(lines)


def branched(site: Site, branches: Mapping[str, Files], *, at: str = "main") -> list[Side]:
    """Branches that were all begun at one commit, each with one commit of its own, in the vault."""
    for name, files in branches.items():
        site.user.git("checkout", "-q", "-B", name, at)
        gone = [path for path, content in files.items() if content is None]
        if gone:
            site.user.git("rm", "-q", "--", *gone)
        site.user.commit({path: content for path, content in files.items() if content is not None}, name)
    site.user.git("checkout", "-q", "main")
    return [Side(name=name, head=head) for name, head in zip(branches, site.vaulted(*branches), strict=True)]


def main(site: Site) -> CommitId:
    return site.vaulted("main")[0]


def conflict(one: str, other: str, *paths: str) -> Clash:
    return Clash(one=one, other=other, paths=paths)


def contents(site: Site) -> list[str]:
    """Everything that lies in the vault and beside it."""
    state = Path(site.vault.path).parent
    (state / "checks").mkdir(exist_ok=True)
    return sorted(str(path.relative_to(state)) for path in state.rglob("*") if path.suffix != ".lock")


SIDES: dict[str, Files] = {
    "alone": {"README.md": "alone\n"},
    "top": {APP: edited((2, "top\n"))},
    "top-too": {APP: edited((2, "top too\n"))},
    "bottom": {APP: edited((19, "bottom\n"))},
    "moves": {APP: None, "src/übung mit leerzeichen.txt": None, "lib/app.py": "".join(LINES), "lib/übung": "eins\n"},
    "adds": {"src/new.py": "new\n"},
    "folder": {"README.md": None, "README.md/inside": "folder\n"},
}


def test_the_matrix_is_told_whole(site: Site) -> None:
    """Same lines, a renamed folder, a file that became a folder: in conflict; the same file elsewhere: touching."""
    sides = branched(site, SIDES)
    assert site.vault.forecasts.forecast(sides, against=main(site)) == MergeForecast(
        conflicts=(
            conflict("alone", "folder", "README.md"),
            conflict("top", "top-too", APP),
            conflict("moves", "adds", "lib/new.py"),
        ),
        touching=(
            conflict("top", "bottom", APP),
            conflict("top", "moves", APP),
            conflict("top-too", "bottom", APP),
            conflict("top-too", "moves", APP),
            conflict("bottom", "moves", APP),
        ),
        merged=8,
    )


def test_what_was_merged_is_remembered(site: Site) -> None:
    """The same pairs are not merged again, a further side only with those it meets."""
    sides = branched(site, SIDES)
    first = site.vault.forecasts.forecast(sides, against=main(site))
    again = site.vault.forecasts.forecast(sides, against=main(site))
    assert again == MergeForecast(conflicts=first.conflicts, touching=first.touching, merged=0)
    further = branched(site, {"readme": {"README.md": "readme\n"}})
    assert site.vault.forecasts.forecast([*sides, *further], against=main(site)).merged == 2


def test_nothing_is_left_behind(site: Site) -> None:
    """Neither the vault nor the user's repository has another file afterwards."""
    sides = branched(site, SIDES)
    onto = main(site)
    agent = site.agent("a")
    agent.write({APP: edited((2, "agent\n"))})
    worker = Side(name="agent", head=agent.head(), worktree=agent.path, index=f"{site.folder}/indexes/a")
    before, users = contents(site), digest(site.user)
    assert len(site.vault.forecasts.forecast([*sides, worker], against=onto).conflicts) == 5
    assert (contents(site), digest(site.user)) == (before, users)


def test_what_two_have_against_the_target_is_not_held_against_the_two(site: Site) -> None:
    """The target moved: who conflicts with it is told so, and the others are seen as they are upon it."""
    old = branched(
        site,
        {"clashes": {APP: edited((2, "clashes\n"))}, "merges": {APP: edited((19, "merges\n"))}, "apart": {"x": "x\n"}},
    )
    site.user.commit({APP: edited((2, "target\n"))})
    new = branched(site, {"new": {"README.md": "new\n"}, "same": {APP: edited((2, "target\n"), (19, "same\n"))}})
    assert site.vault.forecasts.forecast([*old, *new], against=main(site)) == MergeForecast(
        conflicts=(conflict("clashes", "", APP), conflict("merges", "same", APP)),
        touching=(
            conflict("merges", "", APP),
            conflict("clashes", "merges", APP),
            conflict("clashes", "same", APP),
        ),
        merged=5,
    )


def test_a_branch_upon_a_branch_is_no_conflict(site: Site) -> None:
    """Who goes on where another is merges with it, also when the target has moved under both."""
    first = branched(site, {"first": {APP: edited((2, "first\n"))}})
    second = branched(site, {"second": {APP: edited((2, "second\n"))}}, at="first")
    onto = main(site)
    expected = (conflict("first", "second", APP),)
    assert site.vault.forecasts.forecast([*first, *second], against=onto) == MergeForecast(
        conflicts=(), touching=expected, merged=1
    )
    site.user.commit({APP: edited((19, "target\n"))})
    moved = site.vault.forecasts.forecast([*first, *second], against=main(site))
    assert (moved.conflicts, expected[0] in moved.touching) == ((), True)


def test_what_is_in_already_and_what_is_foreign(site: Site) -> None:
    """The target itself and what it holds meet nobody; two of one commit do not either; a foreign history conflicts where
    it has the same paths."""
    site.user.git("checkout", "-q", "--orphan", "foreign")
    site.user.commit({"README.md": "foreign\n", APP: "foreign\n"})
    site.user.git("checkout", "-q", "-f", "main")
    foreign, onto = site.vaulted("foreign", "main")
    sides = branched(site, {"one": {"x": "one\n"}})
    same = Side(name="same", head=sides[0].head)
    found = site.vault.forecasts.forecast(
        [*sides, same, Side(name="main", head=onto), Side(name="foreign", head=foreign)], against=onto
    )
    assert found == MergeForecast(conflicts=(conflict("foreign", "", "README.md", APP),), touching=(), merged=1)


def test_nobody(site: Site) -> None:
    """Without sides there is nothing to tell."""
    assert site.vault.forecasts.forecast([], against=main(site)) == MergeForecast(conflicts=())


def test_git_runs_as_often_for_many_as_for_few(site: Site, other_git: Callable[[str], Path]) -> None:
    """However many sides: one git each to find bases, changes and conflicts."""
    sides = branched(site, {f"w{number}": {"README.md": f"{number}\n"} for number in range(12)})
    onto = main(site)
    folder = other_git('echo "$1" >> "${0%/*}/words"\nexec $GIT "$@"')
    assert site.vault.forecasts.forecast(sides, against=onto).merged == 66
    assert (folder / "words").read_text().split() == ["rev-list", "diff-tree", "merge-tree"]


def test_an_older_git_foresees_the_same(site: Site, other_git: Callable[[str], Path]) -> None:
    """A git whose merge-tree takes one pair only is asked once for each."""
    sides = branched(site, SIDES)
    found = site.vault.forecasts.forecast(sides, against=main(site))
    other_git('case "$*" in "merge-tree --stdin"*) exit 129;; esac\nexec $GIT "$@"')
    fresh = make_site(site.user, Path(site.folder, "other"))
    fresh.vaulted("main", *(side.name for side in sides))
    assert fresh.vault.forecasts.forecast(sides, against=main(fresh)) == found


def test_sha256(tmp_path: Path) -> None:
    """A repository of the longer ids has a radar too, with uncommitted work."""
    site = make_site(make_repository(str(tmp_path / "app"), FILES, object_format="sha256"), tmp_path)
    sides = branched(site, {"one": {APP: edited((2, "one\n"))}})
    agent = site.agent("a")
    agent.write({APP: edited((2, "agent\n"))})
    worker = Side(name="agent", head=agent.head(), worktree=agent.path, index=f"{site.folder}/indexes/a")
    site.user.commit({APP: edited((19, "target\n"))})
    found = site.vault.forecasts.forecast([*sides, worker], against=main(site))
    assert found.conflicts == (conflict("one", "agent", APP),)


@pytest.mark.parametrize("number", range(1, 8))
def test_a_git_killed_in_the_middle_breaks_nothing(site: Site, other_git: Callable[[str], Path], number: int) -> None:
    """Whichever git is killed with -9: the call fails or tells it, nothing is left, and the next foresees all."""
    agent = site.agent("a")
    sides = branched(site, {"one": {APP: edited((2, "one\n"))}, "two": {APP: edited((2, "two\n"))}})
    site.user.commit({APP: edited((19, "target\n"))})
    onto, before = main(site), contents(site)
    agent.write({APP: edited((2, "agent\n"))})
    worker = Side(name="agent", head=agent.head(), worktree=agent.path, index=f"{site.folder}/indexes/a")
    site.vault.checkouts.dirty(worktree=worker.worktree, head=worker.head, index=worker.index)
    other_git(
        f'case "$1" in ls-files|read-tree|update-index|ls-tree|cat-file) exec $GIT "$@";; esac\n'
        f'echo x >> "${{0%/*}}/count"\nif [ "$(wc -l < "${{0%/*}}/count")" -eq {number} ]; then\n'
        'kill -9 $$\nfi\nexec $GIT "$@"'
    )
    with pytest.raises(GitFailed):
        site.vault.forecasts.forecast([*sides, worker], against=onto)
    assert contents(site) == before
    found = site.vault.forecasts.forecast([*sides, worker], against=onto)
    assert {(each.one, each.other) for each in found.conflicts} == {("one", "two"), ("one", "agent"), ("two", "agent")}


# ---------------------------------------------------------------- uncommitted work


@pytest.fixture
def agent(site: Site) -> TestRepository:
    """An agent's fresh worktree."""
    made = site.agent("a")
    site.vaulted("main", "wto/r1/a")
    site.vault.checkouts.seed_index(worktree=made.path, head=made.head(), index=f"{site.folder}/indexes/a")
    return made


def worker(site: Site, agent: TestRepository) -> Side:
    return Side(name="agent", head=agent.head(), worktree=agent.path, index=f"{site.folder}/indexes/a")


def taken(site: Site, agent: TestRepository) -> uncommitted.Snapshot:
    """What the radar sees of the agent's worktree."""
    side = worker(site, agent)
    git = Git(site.vault.path)
    return uncommitted.taken(git, worktree=side.worktree, head=side.head, index=side.index, settings={})


def test_uncommitted_work_counts(site: Site, agent: TestRepository) -> None:
    """An edit, a deletion, a new file, a renamed folder, a link: each conflicts before anybody commits it."""
    sides = branched(site, {**SIDES, "link": {"link": "text\n"}, "ignored": {"x.log": "x\n"}})
    agent.write({APP: None, "README.md": "agent\n", "x.log": "ignored\n", "HANDOFF.md": "never counts\n"})
    os.rename(f"{agent.path}/src", f"{agent.path}/lib")
    os.symlink("README.md", f"{agent.path}/link")
    found = site.vault.forecasts.forecast([*sides, worker(site, agent)], against=main(site))
    assert [each for each in found.conflicts if each.other == "agent"] == [
        conflict("alone", "agent", "README.md"),
        conflict("top", "agent", APP),
        conflict("top-too", "agent", APP),
        conflict("bottom", "agent", APP),
        conflict(
            "moves",
            "agent",
            "lib/app.py",
            "lib/übung",
            "lib/übung mit leerzeichen.txt",
            "src/übung mit leerzeichen.txt",
        ),
        conflict("adds", "agent", "lib/new.py"),
        conflict("folder", "agent", "README.md"),
        conflict("link", "agent", "link"),
    ]
    again = site.vault.forecasts.forecast([*sides, worker(site, agent)], against=main(site))
    assert (again.conflicts, again.merged) == (found.conflicts, 0)
    agent.write({"README.md": "agent again\n"})
    assert site.vault.forecasts.forecast([*sides, worker(site, agent)], against=main(site)).merged == 8


def test_a_worktree_is_read_as_it_is(site: Site, agent: TestRepository) -> None:
    """Modes, links, deletions, odd names, binary and empty files; what is ignored or kept apart is left out."""
    agent.write({"README.md": b"\0\xff", "new\nline": "n", "-dash": "", 'quo"te/\udcff': "q", APP: None, "x.log": "l"})
    os.chmod(f"{agent.path}/.gitignore", 0o755)
    os.symlink("/etc/passwd", f"{agent.path}/src/app.link")
    ignored = FILES[".gitignore"].encode()
    assert taken(site, agent).entries == {
        "-dash": FileContent("100644", b""),
        ".gitignore": FileContent("100755", ignored),
        "README.md": FileContent("100644", b"\0\xff"),
        "new\nline": FileContent("100644", b"n"),
        'quo"te/\udcff': FileContent("100644", b"q"),
        APP: FileContent(),
        "src/app.link": FileContent("120000", b"/etc/passwd"),
    }


def test_S8_no_link_leads_out_of_a_worktree(site: Site, agent: TestRepository, tmp_path: Path) -> None:
    """Links in place of a file, a folder or the worktree, second names and pipes: nothing from outside is ever read."""
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("app.py", "secret", "übung mit leerzeichen.txt"):
        (outside / name).write_text("secret\n")
    agent.commit({"pipe": "water\n"})
    site.vaulted("wto/r1/a")
    os.unlink(f"{agent.path}/README.md")
    os.symlink(outside / "secret", f"{agent.path}/README.md")
    os.rename(f"{agent.path}/src", tmp_path / "src")
    os.symlink(outside, f"{agent.path}/src")
    os.link(outside / "secret", f"{agent.path}/second")
    os.unlink(f"{agent.path}/pipe")
    os.mkfifo(f"{agent.path}/pipe")
    assert taken(site, agent).entries == {
        "README.md": FileContent("120000", os.fsencode(outside / "secret")),
        "pipe": FileContent(),
        "src": FileContent("120000", os.fsencode(outside)),
        APP: FileContent(),
        "src/übung mit leerzeichen.txt": FileContent(),
    }
    os.rename(agent.path, f"{agent.path}.real")
    os.symlink(f"{agent.path}.real", agent.path)
    side = Side(name="agent", head=main(site), worktree=agent.path, index=f"{site.folder}/indexes/a")
    assert site.vault.forecasts.forecast([side], against=main(site)).blind == (
        BlindSpot(workstream="agent", reason="its worktree is missing"),
    )


def test_S1_nothing_in_a_worktree_runs(site: Site, agent: TestRepository, tmp_path: Path) -> None:
    """A nested repository with a filter and a monitor of its own is left out, and a filter of the tree does not run."""
    marker = tmp_path / "marker"
    agent.git("config", "filter.evil.clean", f"touch '{marker}'; cat")
    agent.git("config", "core.fsmonitor", f"touch '{marker}'")
    agent.git("init", "-q", "nested")
    nested = agent.at(f"{agent.path}/nested")
    nested.commit({"x": "1"})
    nested.git("config", "filter.evil.clean", f"touch '{marker}'; cat")
    nested.git("config", "core.fsmonitor", f"touch '{marker}'")
    nested.write({".gitattributes": "* filter=evil\n", "x": "2"})
    agent.write({".gitattributes": "* filter=evil\n", "README.md": "agent\n"})
    marker.unlink(missing_ok=True)
    assert taken(site, agent).entries == {
        ".gitattributes": FileContent("100644", b"* filter=evil\n"),
        "README.md": FileContent("100644", b"agent\n"),
    }
    site.vault.forecasts.forecast([worker(site, agent)], against=main(site))
    assert not marker.exists()


def test_what_cannot_be_taken_in_is_told(
    site: Site, agent: TestRepository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Work that is too large, or whose worktree is gone, counts by its commits, and it is said why."""
    sides = branched(site, {"one": {"README.md": "one\n"}})
    agent.commit({"README.md": "agent\n"})
    site.vaulted("wto/r1/a")
    expected = (conflict("one", "agent", "README.md"),)

    def told() -> tuple[Sequence[Clash], Sequence[str]]:
        found = site.vault.forecasts.forecast([*sides, side], against=main(site))
        return found.conflicts, [each.reason for each in found.blind]

    side = worker(site, agent)
    agent.write({"large": "x" * 2000, "small": "x"})
    with monkeypatch.context() as patched:
        patched.setattr(uncommitted, "MOST_BYTES", 1999)
        assert told() == (expected, ["more than 0 MiB are uncommitted"])
        patched.setattr(uncommitted, "MOST_PATHS", 1)
        assert told() == (expected, ["more than 1 paths are uncommitted"])
    assert told() == (expected, [])
    os.unlink(f"{agent.path}/.gitignore")
    os.mkfifo(f"{agent.path}/.gitignore")
    with monkeypatch.context() as patched:
        patched.setattr(uncommitted, "PATIENCE_S", 0.2)
        assert told() == (expected, ["its worktree cannot be read: git ls-files did not finish within 0 s"])
    os.rename(agent.path, tmp_path / "away")
    assert told() == (expected, ["its worktree is missing"])


# ---------------------------------------------------------------- random sets


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """One site for many examples, which share no commit."""
    folder = tmp_path_factory.mktemp("forecasts")
    return make_site(make_repository(str(folder / "app"), FILES), folder)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@example(
    seed=132637, rough=0.3
)  # a file that the target and one side deleted, and the other made anew: the order counts
@given(seed=st.integers(0, 1 << 32), rough=st.sampled_from([0.1, 0.3, 0.6]))
def test_who_is_said_not_to_meet_rides_together(shared_site: Site, seed: int, rough: float) -> None:
    """Random branches, also upon branches and across the target: who conflicts with the target cannot be merged onto it, all
    others can; and two that neither conflict nor touch can be merged one upon the other, in one order at least."""
    random, scribe = Random(seed), Scribe()
    beginning, branches = random_set(random, scribe, count=6, rough=rough)
    commits = scribe.write(shared_site.user.at(shared_site.vault.path))
    heads = {f"w{place}": commits[number - 1] for place, number in enumerate(branches)}
    onto = commits[beginning - 1]
    found = shared_site.vault.forecasts.forecast(
        [Side(name=name, head=head) for name, head in heads.items()], against=onto
    )
    bad = {each.one for each in found.conflicts if not each.other}
    assert bad == {name for name in heads if not rides(shared_site, onto, heads, name)}
    met = {(each.one, each.other) for each in (*found.conflicts, *found.touching)}
    for pair in combinations([name for name in heads if name not in bad], 2):
        assert pair in met or any(rides(shared_site, onto, heads, *names) for names in (pair, pair[::-1]))


def rides(site: Site, onto: CommitId, heads: Mapping[str, CommitId], *names: str) -> bool:
    """Whether these can be merged one upon another."""
    riders = [Rider(name=name, head=heads[name], message=f"{name}\n") for name in names]
    chain = site.vault.merges.chain(ChainSpec(onto=onto, riders=riders, at=START, pin="refs/wto/pin/forecast"))
    return not any(each.conflicts or not each.lost for each in chain.left_out)
