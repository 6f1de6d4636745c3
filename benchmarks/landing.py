"""Landing many branches on a repository of 20,000 files: a chain in the vault against `git merge` in a worktree, in one run.

Each branch edits 8 to 11 files and adds 2; one in ten also edits a file that the branch before it edits, elsewhere in it. Both
ways have the branches at hand before the clock starts, and must end in the same tree. The chain's time includes its proof.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from statistics import median

from measuring import Cost, cost_of, make_repository, run

from wt_orchestrate.adapters.gitrepo.vault import GitVault
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.ports.git.merges import Chain, ChainSpec, Rider

FILES, FOLDERS = 20_000, 200
WHEN = 1_700_000_000


def lines_of(number: int) -> list[bytes]:
    """What `make_repository` writes into a file."""
    return [b"line %d\n" % number] * 12


def path_of(number: int) -> bytes:
    return b"src/%03d/f%05d.txt" % (number // 100, number)


def make_branches(repository: Path, count: int, *, spread: bool, env: Mapping[str, str]) -> None:
    """Branches b0, b1, ... from main; `spread` over all folders, or each in three of them."""
    random = Random(1)
    free = {folder: list(range(100 * folder, 100 * folder + 100)) for folder in range(FOLDERS)}
    parts: list[bytes] = []
    before: list[int] = []
    for branch in range(count):
        folders = random.sample(range(FOLDERS), FOLDERS if spread else 3)
        files = [free[folder].pop() for folder in (folders * 4)[: random.randint(8, 11)]]
        edits = {file: [b"edited by %d\n" % branch, *lines_of(file)[1:]] for file in files}
        if branch % 10 == 9:
            edits[before[0]] = [*lines_of(before[0])[:-1], b"ended by %d\n" % branch]
        written = {path_of(file): b"".join(lines) for file, lines in edits.items()}
        for file in files[:2]:
            written[path_of(file) + b".new%d" % branch] = b"new by %d\n" % branch * 10
        parts.append(b"commit refs/heads/b%d\ncommitter B <b@x> %d +0000\ndata 4\nwork\n" % (branch, WHEN + branch))
        parts.append(b"from refs/heads/main^0\n")
        for path, content in written.items():
            parts.append(b"M 644 inline %s\ndata %d\n%s\n" % (path, len(content), content))
        before = files
    subprocess.run(["git", "fast-import", "--quiet"], cwd=repository, env=dict(env), input=b"".join(parts), check=True)


def landing(folder: Path, env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """CPU of landing, git's over ours."""
    os.environ.update({key: env[key] for key in ("HOME", "GIT_CONFIG_NOSYSTEM")})
    for count, spread in ((10, True), (50, True), (100, True), (200, True), (100, False), (200, False)):
        place = folder / f"{count}-{spread}"
        place.mkdir()
        repository = place / "repository"
        make_repository(repository, FILES, env)
        make_branches(repository, count, spread=spread, env=env)
        run(["git", "worktree", "add", "-q", "--detach", str(place / "w"), "main"], cwd=repository, env=env)
        pairs = [(_ours(place, count, turn), _merges(place, count, env)) for turn in range(3)][1:]
        assert all(ours[1] == git[1] for ours, git in pairs), "the trees differ"
        ratio = median(git[0].cpu / ours[0].cpu for ours, git in pairs)
        mine, theirs = (median(pair[at][0].cpu for pair in pairs) * 1000 / count for at in (0, 1))
        what = "files anywhere" if spread else "files in three folders"
        told = f"{ratio:.0f} ({theirs:.0f} ms against {mine:.1f} ms a branch)"
        yield f"landing {count} branches ({what}), 20,000 files: CPU of git merge / ours with proof", told


def _ours(place: Path, count: int, turn: int) -> tuple[Cost, str]:
    """A chain in a vault of its own."""
    vault = GitVault(
        str(place / f"vault{turn}"), source=str(place / "repository" / ".git"), scratch=str(place / "scratch")
    )
    vault.ensure()
    names = ["main", *(f"b{number}" for number in range(count))]
    heads = vault.refs.fetch({f"refs/heads/{name}": f"refs/wto/heads/{name}" for name in names})
    onto, *rest = (heads[f"refs/wto/heads/{name}"] for name in names)
    riders = [
        Rider(name=name, head=head, message=f"Merge {name}\n") for name, head in zip(names[1:], rest, strict=True)
    ]
    made: list[Chain] = []
    cost = cost_of(
        lambda: made.append(vault.merges.chain(ChainSpec(onto=onto, riders=riders, at=WHEN, pin="refs/wto/pin/bench")))
    )
    assert len(made[0].cars) == count
    return cost, made[0].cars[-1].tree


def _merges(place: Path, count: int, env: Mapping[str, str]) -> tuple[Cost, str]:
    """`git merge` in a worktree, branch by branch."""
    worktree = place / "w"
    run(["git", "reset", "-q", "--hard", "main"], cwd=worktree, env=env)

    def work() -> None:
        for number in range(count):
            run(["git", "merge", "-q", "--no-ff", "-m", f"Merge b{number}", f"b{number}"], cwd=worktree, env=env)

    cost = cost_of(work)
    return cost, CommitId(run(["git", "rev-parse", "HEAD^{tree}"], cwd=worktree, env=env).decode().strip())
