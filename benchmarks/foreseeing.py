"""Foreseeing the conflicts of many branches on a repository of 20,000 files: the radar against one `git merge-tree` for each
pair, and against all pairs in one `git merge-tree --stdin`, in one run.

Each branch edits 8 to 11 files and adds 2; one in twenty also edits a file of the branch before it, elsewhere in it, and one in
twenty the same line. Every two branches are foreseen, and each with the target. The slow ways are measured on some pairs, taken
by chance, and scaled to all of them; what they say of those pairs must be what the radar says.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from random import Random
from statistics import median

from landing import FILES, FOLDERS, WHEN, lines_of, path_of
from measuring import Cost, cost_of, make_repository, run

from wt_orchestrate.adapters.gitrepo.vault import GitVault
from wt_orchestrate.domain.effects import Side
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.ports.git.forecast import MergeForecast

_SAMPLE = {"one process a pair": 300, "one process for all": 2_000}
_WORKTREES = 4
Pair = tuple[CommitId, CommitId]


def make_branches(repository: Path, count: int, env: Mapping[str, str]) -> None:
    """Branches b0, b1, ... from main, over all folders."""
    random = Random(1)
    free = {folder: list(range(100 * folder, 100 * folder + 100)) for folder in range(FOLDERS)}
    parts: list[bytes] = []
    before: list[int] = []
    for branch in range(count):
        folders = random.sample(range(FOLDERS), FOLDERS)
        files = [free[folder].pop() for folder in (folders * 4)[: random.randint(8, 11)]]
        edits = {file: [b"edited by %d\n" % branch, *lines_of(file)[1:]] for file in files}
        if branch % 20 == 9:
            edits[before[0]] = [*lines_of(before[0])[:-1], b"ended by %d\n" % branch]
        if branch % 20 == 19:
            edits[before[0]] = [b"begun by %d\n" % branch, *lines_of(before[0])[1:]]
        written = {path_of(file): b"".join(lines) for file, lines in edits.items()}
        for file in files[:2]:
            written[path_of(file) + b".new%d" % branch] = b"new by %d\n" % branch * 10
        parts.append(b"commit refs/heads/b%d\ncommitter B <b@x> %d +0000\ndata 4\nwork\n" % (branch, WHEN + branch))
        parts.append(b"from refs/heads/main^0\n")
        for path, content in written.items():
            parts.append(b"M 644 inline %s\ndata %d\n%s\n" % (path, len(content), content))
        before = files
    subprocess.run(["git", "fast-import", "--quiet"], cwd=repository, env=dict(env), input=b"".join(parts), check=True)


def foreseeing(folder: Path, env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """CPU of foreseeing, the slow ways' over ours."""
    os.environ.update({key: env[key] for key in ("HOME", "GIT_CONFIG_NOSYSTEM")})
    for count in (10, 50, 100, 200):
        place = folder / str(count)
        place.mkdir()
        repository = place / "repository"
        make_repository(repository, FILES, env)
        make_branches(repository, count, env)
        yield from _compared(place, count, env)
        if count == 200:
            yield from _uncommitted(place, env)
        shutil.rmtree(place)


def _compared(place: Path, count: int, env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    vault, onto, sides = _vaulted(place, count)
    heads = {side.name: side.head for side in sides} | {"": onto}
    pairs = [(one, other) for one, other in combinations(heads, 2)]
    costs: dict[str, list[float]] = {name: [] for name in ("ours", "again", *_SAMPLE)}
    for turn in range(4):
        fresh = GitVault(vault.path, source=str(place / "repository" / ".git"), scratch=str(place / "scratch"))
        made: list[MergeForecast] = []
        ours = cost_of(lambda to=fresh, into=made: into.append(to.forecast(sides, against=onto)))
        again = cost_of(lambda to=fresh: to.forecast(sides, against=onto))
        clashing = {frozenset((each.one, each.other)) for each in made[0].conflicts}
        slow: dict[str, float] = {}
        for name, most in _SAMPLE.items():
            some = Random(turn).sample(pairs, min(most, len(pairs)))
            expected = [frozenset(pair) in clashing for pair in some]
            asked = [(heads[one], heads[other]) for one, other in some]
            cost, said = _each(place, asked, env) if name == "one process a pair" else _all(place, asked, env)
            assert said == expected, "the conflicts differ"
            slow[name] = cost.cpu * len(pairs) / len(some)
        if turn:
            for name, value in {"ours": ours.cpu, "again": again.cpu, **slow}.items():
                costs[name].append(value)
    ours, again = (median(costs[name]) for name in ("ours", "again"))
    for name in _SAMPLE:
        ratio = median(there / here for there, here in zip(costs[name], costs["ours"], strict=True))
        yield (
            f"foreseeing {count} branches ({len(pairs):,} pairs), 20,000 files: CPU of {name} (scaled) / ours",
            f"{ratio:,.0f} ({median(costs[name]):.2f} s against {ours:.3f} s; again, nothing new: {again:.3f} s)",
        )


def _vaulted(place: Path, count: int) -> tuple[GitVault, CommitId, Sequence[Side]]:
    vault = GitVault(
        str(place / "vault.git"), source=str(place / "repository" / ".git"), scratch=str(place / "scratch")
    )
    vault.ensure()
    names = ["main", *(f"b{number}" for number in range(count))]
    heads = vault.refs.fetch({f"refs/heads/{name}": f"refs/wto/heads/{name}" for name in names})
    onto, *rest = (heads[f"refs/wto/heads/{name}"] for name in names)
    return vault, onto, [Side(name=name, head=head) for name, head in zip(names[1:], rest, strict=True)]


def _quarantine(place: Path, env: Mapping[str, str]) -> dict[str, str]:
    """New objects in memory, as the radar has them, forgotten afterwards."""
    objects = place / "garbage"
    shutil.rmtree(objects, ignore_errors=True)
    objects.mkdir()
    return {
        **env,
        "GIT_DIR": str(place / "vault.git"),
        "GIT_OBJECT_DIRECTORY": str(objects),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(place / "vault.git" / "objects"),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.fsync",
        "GIT_CONFIG_VALUE_0": "none",
    }


def _each(place: Path, pairs: Sequence[Pair], env: Mapping[str, str]) -> tuple[Cost, list[bool]]:
    own, said = _quarantine(place, env), list[bool]()

    def work() -> None:
        for one, other in pairs:
            words = ["git", "merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", one, other]
            ended = subprocess.run(words, cwd=place, env=own, capture_output=True, check=False)
            said.append(ended.returncode == 1)

    return cost_of(work), said


def _all(place: Path, pairs: Sequence[Pair], env: Mapping[str, str]) -> tuple[Cost, list[bool]]:
    own, said = _quarantine(place, env), list[bool]()
    asked = "".join(f"{one} {other}\n" for one, other in pairs).encode()

    def work() -> None:
        words = ["git", "merge-tree", "--stdin", "--write-tree", "-z", "--name-only", "--no-messages"]
        output = subprocess.run(words, cwd=place, env=own, input=asked, capture_output=True, check=True).stdout
        parts = iter(output.split(b"\0"))
        for clean in parts:
            if clean:
                said.append(clean == b"0")
                while next(parts):
                    pass

    return cost_of(work), said


def _uncommitted(place: Path, env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What looking into worktrees adds, for each of them."""
    vault, onto, sides = _vaulted(place, _WORKTREES)
    looked: list[Side] = []
    for side in sides:
        path = place / f"w-{side.name}"
        run(["git", "worktree", "add", "-q", "--detach", str(path), side.head], cwd=place / "repository", env=env)
        vault.checkouts.seed_index(worktree=str(path), head=side.head, index=str(place / "indexes" / side.name))
        (path / "src/000/f00000.txt").write_text("uncommitted\n")
        looked.append(
            Side(name=side.name, head=side.head, worktree=str(path), index=str(place / "indexes" / side.name))
        )
    costs = []
    for _ in range(4):
        without = cost_of(lambda: vault.forecasts.forecast(sides, against=onto))
        with_them = cost_of(lambda: vault.forecasts.forecast(looked, against=onto))
        costs.append((with_them.cpu - without.cpu) / _WORKTREES)
    yield "uncommitted work of a worktree of 20,000 files: CPU it adds", f"{1000 * median(costs[1:]):.0f} ms"
