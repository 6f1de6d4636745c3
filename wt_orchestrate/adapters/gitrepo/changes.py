"""What commits changed: logs, changed paths, diffs, trailers, all from machine output."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from wt_orchestrate.adapters.gitrepo.runner import Git
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.ports import Change, Commit

_FIXED = ("--no-ext-diff", "--no-textconv", "--ignore-submodules=all", "--no-color")
_OURS = "wt-orchestrate@localhost"
_START = "\x01"


def commits(git: Git, base: CommitId, head: CommitId, limit: int) -> Sequence[Commit]:
    """Commits in `base..head`, oldest first, with the paths each changed."""
    if base == head:
        return ()
    output = git.run(
        "log", "-z", "--no-show-signature", f"--max-count={limit}", "--name-only", "--no-renames", "--diff-merges=off",
        *_FIXED, f"--format={_START}%H%x00%an%x00%ct%x00%s", "--end-of-options", f"{base}..{head}",
    )  # fmt: skip
    text = output.decode("utf-8", errors="surrogateescape")
    return tuple(reversed([_commit(record) for record in text.split(_START)[1:] if record]))


def _commit(record: str) -> Commit:
    commit, author, at, rest = record.split("\0", 3)
    subject, *paths = rest.split("\0")
    return Commit(
        id=CommitId(commit),
        author=author,
        at=float(at),
        subject=subject,
        paths=tuple(path.lstrip("\n") for path in paths if path.strip("\n")),
    )


def merge_base(git: Git, one: CommitId, other: CommitId) -> CommitId:
    """The best common ancestor; for unrelated histories the first of the two itself."""
    code, output = git.outcome("merge-base", one, other, ok=(0, 1))
    return CommitId(output.decode().split()[0]) if code == 0 else one


def changes(git: Git, base: CommitId, head: CommitId) -> Sequence[Change]:
    """Changed paths from the merge base to head, renames followed."""
    since = merge_base(git, base, head)
    if since == head:
        return ()
    arguments = ("-r", "-z", "-M", *_FIXED, "--end-of-options", since, head)
    raw = git.run("diff-tree", "--raw", *arguments)
    counts = dict(_counts(git.run("diff-tree", "--numstat", *arguments)))
    return tuple(_with_count(change, counts.get(change.path)) for change in _raw(raw))


def _raw(output: bytes) -> Iterator[Change]:
    parts = iter(output.decode("utf-8", errors="surrogateescape").split("\0"))
    for head in parts:
        if not head:
            return
        _, mode, _, _, status = head.split(" ")
        path = next(parts)
        old = ""
        if status[0] in "RC":
            old, path = path, next(parts)
        yield Change(path=path, status=status[0], old=old, mode=mode)


def _counts(output: bytes) -> Iterator[tuple[str, tuple[str, str]]]:
    parts = iter(output.decode("utf-8", errors="surrogateescape").split("\0"))
    for head in parts:
        if not head:
            return
        added, deleted, path = head.split("\t", 2)
        if not path:
            next(parts)
            path = next(parts)
        yield path, (added, deleted)


def _with_count(change: Change, count: tuple[str, str] | None) -> Change:
    if count is None:
        return change
    binary = count[0] == "-"
    return Change(
        path=change.path,
        status=change.status,
        old=change.old,
        mode=change.mode,
        added=0 if binary else int(count[0]),
        deleted=0 if binary else int(count[1]),
        binary=binary,
    )


def diff(git: Git, base: CommitId, head: CommitId, paths: Sequence[str]) -> bytes:
    """A unified diff from the merge base to head."""
    since = merge_base(git, base, head)
    arguments = ("-r", "-p", "-M", "--src-prefix=a/", "--dst-prefix=b/", *_FIXED, "--end-of-options", since, head)
    return git.run("diff-tree", *arguments, "--", *paths)


def trailers(git: Git, base: CommitId, head: CommitId, key: str) -> Mapping[str, CommitId]:
    """Values of a trailer on the first-parent line of `base..head`, newest first, in commits that we committed."""
    form = f"%H%x00%ce%x00%(trailers:key={key},valueonly,separator=%x1f)%x00"
    output = git.run(
        "log", "-z", "--first-parent", "--no-show-signature", f"--format={form}", "--end-of-options", f"{base}..{head}"
    )
    parts = output.decode("utf-8", errors="surrogateescape").split("\0")
    found: dict[str, CommitId] = {}
    for number in range(0, len(parts) - 3, 4):
        commit, email, values = parts[number].strip(), parts[number + 1], parts[number + 2]
        for value in values.split("\x1f"):
            if email == _OURS and value.strip():
                found.setdefault(value.strip(), CommitId(commit))
    return found
