"""Commits' messages, changed paths, diffs and trailers, all from machine-readable output with fixed options."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from wt_orchestrate.adapters.gitrepo.objects import ancestry
from wt_orchestrate.adapters.gitrepo.objects.already_merged import absorbed
from wt_orchestrate.adapters.gitrepo.objects.blobs import SUBMODULE, sizes, tree_of
from wt_orchestrate.adapters.gitrepo.objects.raw_diff import between, empty_tree
from wt_orchestrate.adapters.gitrepo.objects.secret_scan import scan
from wt_orchestrate.adapters.gitrepo.objects.session import COUNTED, CommitObject, Served, compared
from wt_orchestrate.adapters.gitrepo.runner import EMAIL, LONG_S, NAME, Git, fields, input_lines, text, written
from wt_orchestrate.domain.agent.commit_scan import Scan
from wt_orchestrate.domain.drafting.cochange import History
from wt_orchestrate.domain.events.worktree import CommitLine
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.errors import GitFailed
from wt_orchestrate.ports.git.commits import ChangedPath

_PLAIN = ("--no-ext-diff", "--no-textconv", "--ignore-submodules=none", "--no-color", "--no-relative")
_RENAMES = ("-M", "-l7000")
_LONGEST = 1000
"""How many characters of an author or subject are kept."""


@dataclass(frozen=True, slots=True)
class Raw:
    """One line of git's raw diff; mode and id are zeros on a side without the path."""

    path: str
    status: str
    old: str
    modes: tuple[str, str]
    ids: tuple[str, str]


class GitCommits:
    """Commits of the vault: messages, changes, trailers, history."""

    def __init__(self, git: Git) -> None:
        self._git = git

    def is_ancestor(self, old: CommitId, new: CommitId) -> bool:
        return ancestry.is_ancestor(self._git, old, new)

    def merge_base(self, one: CommitId, other: CommitId) -> CommitId | None:
        """The best common ancestor; None for unrelated histories."""
        return ancestry.merge_base(self._git, one, other)

    def between(self, *, base: CommitId, head: CommitId, limit: int = 500) -> Sequence[CommitLine]:
        """Commits in `base..head`, oldest first, with the paths each changed (a merge: against its first parent)."""
        straight = ancestry.line(self._git, base=base, head=head)
        if straight is not None:
            return _straight(self._git, straight[:limit])
        form = "--format=%H%x00%an%x00%ct%x00%s"
        output = self._git.run(
            "log",
            "-z",
            "--encoding=UTF-8",
            "--no-show-signature",
            f"--max-count={limit}",
            form,
            "--end-of-options",
            f"{base}..{head}",
        )
        parts = [written(part) for part in output.split(b"\0")]
        records = [parts[start : start + 4] for start in range(0, len(parts) - 3, 4)]
        records.reverse()
        paths = _paths_by_commit(self._git, [record[0] for record in records])
        return tuple(
            CommitLine(
                id=CommitId(commit),
                author=author[:_LONGEST],
                at=float(at) if at.isdigit() else 0.0,
                subject=subject[:_LONGEST],
                paths=paths.get(commit, ()),
            )
            for commit, author, at, subject in records
        )

    def changes(self, *, base: CommitId, head: CommitId) -> Sequence[ChangedPath]:
        """Changed paths from the merge base to head, renames followed."""
        raws, rest = _raws(counted(self._git, self._since(base, head), head))
        counts = _counts(rest)
        size = sizes(self._git, [raw.ids[1] for raw in raws if raw.modes[1].strip("0") and raw.modes[1] != SUBMODULE])
        return tuple(_change(raw, counts.get(raw.path, ("0", "0")), size.get(raw.ids[1], 0)) for raw in raws)

    def diff(self, *, base: CommitId, head: CommitId, paths: Sequence[str] = ()) -> bytes:
        """A unified diff from the merge base to head."""
        fixed = ("-r", "-p", *_RENAMES, "--full-index", "--src-prefix=a/", "--dst-prefix=b/", *_PLAIN)
        return self._git.run("diff-tree", *fixed, self._since(base, head), head, "--", *paths, timeout_s=LONG_S)

    def _since(self, base: CommitId, head: CommitId) -> str:
        """The start of the changes of `head`: the merge base, or the empty tree for unrelated histories."""
        return self.merge_base(base, head) or empty_tree(head)

    def trailers(self, *, base: CommitId, head: CommitId, key: str) -> Mapping[str, CommitId]:
        """Values of a trailer on the first-parent line of `base..head`, in commits that the tool committed; if a value
        appears twice, the older commit counts."""
        form = f"--format=%H%x00%cn <%ce>%x00%(trailers:key={key},valueonly,unfold,separator=%x1f)"
        output = self._git.run(
            "log",
            "-z",
            "--encoding=UTF-8",
            "--first-parent",
            "--no-show-signature",
            form,
            "--end-of-options",
            f"{base}..{head}",
        )
        parts = [written(part) for part in output.split(b"\0")]
        found: dict[str, CommitId] = {}
        for commit, committer, values in zip(parts[0::3], parts[1::3], parts[2::3], strict=False):
            if committer == f"{NAME} <{EMAIL}>":
                found |= {value.strip(): CommitId(commit) for value in values.split("\x1f") if value.strip()}
        return found

    def past(self, *, head: CommitId, commits: int) -> History:
        """The newest commits of a head that are not merges, by the paths they touched (a renamed file counts as two),
        and its files. A first commit (also at the end of a shallow clone) only says that files exist."""
        output = self._git.run(
            "log", "--no-merges", "--min-parents=1", "--name-only", "-z", "--no-renames", "--no-show-signature",
            f"--max-count={commits}", "--format=%x01", "--end-of-options", head, timeout_s=LONG_S,
        )  # fmt: skip
        told = output.decode("utf-8", "surrogateescape").split("\x01")[1:]
        touched = (tuple(path for path in part.lstrip("\0\n").split("\0") if path and path != "\n") for part in told)
        files = fields(self._git.run("ls-tree", "-r", "--name-only", "-z", head, timeout_s=LONG_S))
        return History(files=tuple(files), commits=tuple(paths for paths in touched if paths))

    def holds(self, head: CommitId, *, beyond: CommitId, others: Iterable[CommitId]) -> frozenset[CommitId]:
        """Which of the other commits a head contains that `beyond` does not."""
        lines = self._git.run("rev-list", "--end-of-options", head, f"^{beyond}").decode().split()
        return frozenset(others) & frozenset(map(CommitId, lines))

    def absorbed(self, *, head: CommitId, into: CommitId, hints: Sequence[CommitId] = ()) -> CommitId | None:
        """The commit of a branch that holds all of a head's work, however it was merged."""
        return absorbed(self._git, head=head, into=into, hints=hints)

    def scan(self, *, base: CommitId, head: CommitId, without: Sequence[CommitId] = (), messages: bool = True) -> Scan:
        """What the commits of `base..head` expose; trailers for certain only with `messages`."""
        return scan(self._git, base=base, head=head, without=without, messages=messages)


def _straight(git: Git, line: Sequence[tuple[str, CommitObject]]) -> Sequence[CommitLine]:
    """Commits of one line that is told newest first, each with its one parent."""
    parents = ancestry.read(git, [commit.parents[0] for _, commit in line])
    deltas = between(git, [(parents[commit.parents[0]].tree, commit.tree) for _, commit in line])
    return tuple(
        CommitLine(
            id=CommitId(name),
            author=commit.author[:_LONGEST],
            at=float(commit.at),
            subject=commit.subject[:_LONGEST],
            paths=tuple(delta),
        )
        for (name, commit), delta in zip(reversed(line), reversed(deltas), strict=True)
    )


def _paths_by_commit(git: Git, ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    arguments = ("diff-tree", "--stdin", "-r", "-z", "--root", "--raw", "--no-renames", "--diff-merges=first-parent")
    found: dict[str, list[str]] = {}
    paths: list[str] = []
    parts = iter(text(git.run(*arguments, *_PLAIN, stdin=input_lines(ids), timeout_s=LONG_S)).split("\0"))
    for part in parts:
        if part.startswith(":"):
            paths.append(next(parts))
        else:
            paths = found.setdefault(part, [])
    return {commit: tuple(names) for commit, names in found.items()}


def counted(git: Git, one: str, other: str) -> bytes:
    """What a tree or commit has otherwise than another one: raw lines with renames, then counted lines."""
    before, after = tree_of(git, one), tree_of(git, other)
    if before == after:
        return b""
    header = f"{before} {after}\n"
    if isinstance(git, Served):
        output = compared(git.sessions.counted, [(before, after)])
    else:
        output = text(git.run(*COUNTED, stdin=header.encode(), timeout_s=LONG_S))
    if not output.startswith(header):
        raise GitFailed(COUNTED, code=1, stderr=f"cannot compare {one} with {other}")
    return output.removeprefix(header).encode("utf-8", "surrogateescape")


def raw_changes(git: Git, one: str, other: str, *, renames: bool = False) -> Sequence[Raw]:
    """Paths that differ between two trees, or the trees of two commits."""
    if renames:
        return _raws(git.run("diff-tree", "-r", "-z", *_RENAMES, "--raw", *_PLAIN, one, other, timeout_s=LONG_S))[0]
    delta = between(git, [(tree_of(git, one), tree_of(git, other))])[0]
    return [_raw(path, line) for path, line in delta.items()]


def _raw(path: str, line: str) -> Raw:
    old_mode, new_mode, old_id, new_id, status = line[1:].split(" ")
    return Raw(path, status[0], "", (old_mode, new_mode), (old_id, new_id))


def _raws(output: bytes) -> tuple[Sequence[Raw], str]:
    """The raw lines at the start of the output, and the rest."""
    whole = text(output)
    found: list[Raw] = []
    start = 0
    while whole.startswith(":", start):
        head, path, end = _cut(whole, start, 2)
        old_mode, new_mode, old_id, new_id, status = head[1:].split(" ")
        old = ""
        if status[0] in "RC":
            old = path
            path, end = _cut(whole, end, 1)[0], _cut(whole, end, 1)[2]
        found.append(Raw(path, status[0], old, (old_mode, new_mode), (old_id, new_id)))
        start = end
    return found, whole[start:]


def _cut(whole: str, start: int, count: int) -> tuple[str, str, int]:
    """The next one or two parts, and where the rest starts."""
    end = whole.index("\0", start)
    if count == 1:
        return whole[start:end], "", end + 1
    second = whole.index("\0", end + 1)
    return whole[start:end], whole[end + 1 : second], second + 1


def _counts(rest: str) -> Mapping[str, tuple[str, str]]:
    """Added and deleted lines of each path, from `--numstat -z`."""
    found: dict[str, tuple[str, str]] = {}
    parts = iter(rest.split("\0"))
    for part in parts:
        if part:
            added, deleted, path = part.split("\t", 2)
            if not path:
                next(parts)
                path = next(parts)
            found[path] = (added, deleted)
    return found


def _change(raw: Raw, counts: tuple[str, str], size: int) -> ChangedPath:
    binary = counts[0] == "-"
    return ChangedPath(
        path=raw.path,
        status=raw.status,
        old=raw.old,
        mode=raw.modes[1],
        size=size,
        added=0 if binary else int(counts[0]),
        deleted=0 if binary else int(counts[1]),
        binary=binary,
    )


def follow(raws: Sequence[Raw]) -> Iterator[tuple[str, str]]:
    """Renames among raw changes, old path and new."""
    for raw in raws:
        if raw.status == "R":
            yield raw.old, raw.path
