"""Which commit comes from which, told from commit objects that are read once each.

The walk is git's own for merge bases: from both commits at once, newest first, until nothing is left that only one of them
reaches. It is exact for any history, also where clocks were wrong. It answers for the near past, which is what is asked all the
time; git is asked where the past is long, where two bases compete, where a commit is missing, and in a shallow repository.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Mapping, Sequence
from itertools import dropwhile, takewhile

from wt_orchestrate.adapters.gitrepo.objects.session import CommitObject, Served, look_up
from wt_orchestrate.adapters.gitrepo.runner import Git, written
from wt_orchestrate.domain.ids import CommitId

_FAR = 64
"""Commits that are walked over before git is asked."""
_KEPT = 20_000
"""Commits that are remembered."""
_OURS, _THEIRS, _BELOW = 1, 2, 4
_BOTH = _OURS | _THEIRS


def is_ancestor(git: Git, old: str, new: str) -> bool:
    """Whether a commit is another one, or among those it comes from."""
    if old == new:
        return True
    flags = _painted(git, old, new, enough=old)
    if flags is not None:
        return bool(flags[old] & _THEIRS)
    return git.outcome("merge-base", "--is-ancestor", old, new, ok=(0, 1))[0] == 0


def merge_base(git: Git, one: str, other: str) -> CommitId | None:
    """The best common ancestor; None for unrelated histories."""
    if one == other:
        return CommitId(one)
    flags = _painted(git, one, other)
    if flags is not None:
        bases = _bases(flags)
        if len(bases) <= 1:
            return bases[0] if bases else None
    code, output = git.outcome("merge-base", one, other, ok=(0, 1))
    return CommitId(output.decode().strip()) if code == 0 else None


def merge_bases(git: Git, one: str, other: str) -> Sequence[str]:
    """All best common ancestors. Raises GitFailed for unrelated histories."""
    flags = _painted(git, one, other)
    bases = _bases(flags) if flags is not None else []
    return bases if len(bases) == 1 else git.run("merge-base", "--all", one, other).decode().split()


def _bases(flags: Mapping[str, int]) -> list[CommitId]:
    """Commits that both reach, with none above them that both reach."""
    return [CommitId(name) for name, flag in flags.items() if flag & (_BOTH | _BELOW) == _BOTH]


def _painted(git: Git, one: str, other: str, *, enough: str = "") -> Mapping[str, int] | None:
    """Who reaches each commit that was walked over: the first, the other, or (`_BELOW`) a common one above it. None where git
    must say it. With `enough` nothing more is asked once the other reaches that commit."""
    if not walkable(git):
        return None
    flags = {one: _OURS, other: _THEIRS}
    found = read(git, (one, other))
    if len(found) < 2:
        return None
    queue = [(-commit.at, name, commit) for name, commit in found.items()]
    heapq.heapify(queue)
    for _ in range(_FAR):
        if flags.get(enough, 0) & _THEIRS or all(flags[name] & _BELOW for _, name, _ in queue):
            return flags
        _, name, commit = heapq.heappop(queue)
        passed = flags[name] | (_BELOW if flags[name] & _BOTH == _BOTH else 0)
        found = read(git, commit.parents)
        if len(found) < len(set(commit.parents)):
            return None
        for parent, below in found.items():
            if flags.get(parent, 0) | passed != flags.get(parent, 0):
                flags[parent] = flags.get(parent, 0) | passed
                heapq.heappush(queue, (-below.at, parent, below))
    return None


def line(git: Git, *, base: str, head: str) -> Sequence[tuple[str, CommitObject]] | None:
    """The commits of `base..head`, newest first, where they are one line that begins right on the base; else None."""
    if not walkable(git):
        return None
    found: list[tuple[str, CommitObject]] = []
    while head != base and len(found) < _FAR:
        commit = read(git, (head,)).get(head)
        if commit is None or len(commit.parents) != 1 or not commit.plain:
            return None
        found.append((head, commit))
        head = commit.parents[0]
    return found if head == base else None


def beyond(git: Git, *, base: str, head: str) -> Sequence[tuple[str, CommitObject]] | None:
    """The commits of `base..head`, oldest first; None where git must say it. Where clocks were wrong there may be one too many,
    never one too few."""
    flags = _painted(git, base, head) if base != head else {}
    if flags is None:
        return None
    found = read(git, [name for name, flag in flags.items() if flag & (_BOTH | _BELOW) == _THEIRS])
    oldest_first = list(found.items())[::-1]
    oldest_first.sort(key=lambda each: each[1].at)  # those of one second stay as they were found
    return oldest_first


def walkable(git: Git) -> bool:
    """Whether commits can be read one by one: not in a shallow repository, whose last commits name parents that are not there."""
    served = isinstance(git, Served)
    return served and not os.path.exists(f"{git.git_dir}/shallow")


def read(git: Git, names: Sequence[str]) -> Mapping[str, CommitObject]:
    """Commits by their ids, those that are there."""
    known = git.sessions.commits if isinstance(git, Served) else {}
    unknown = [name for name in dict.fromkeys(names) if name not in known]
    found = {name: known[name] for name in names if name in known}
    for name, each in zip(unknown, look_up(git, unknown, contents=True), strict=True):
        if each is not None and each.kind == "commit":
            found[name] = _parsed(each.content)
    if len(known) > _KEPT:
        known.clear()
    known.update(found)
    return found


def _parsed(content: bytes) -> CommitObject:
    head, _, message = content.partition(b"\n\n")
    lines = head.split(b"\n")
    author = next((line[7:] for line in lines if line.startswith(b"author ")), b"")
    committer = next((line[10:] for line in lines if line.startswith(b"committer ")), b"")
    plain = not any(line.startswith(b"encoding ") for line in lines)
    name = author.partition(b"<")[0].strip()
    when = committer.rpartition(b"> ")[2].split(b" ")[0]
    return CommitObject(
        tree=lines[0][5:].decode(),
        parents=tuple(line[7:].decode() for line in lines[1:] if line.startswith(b"parent ")),
        at=int(when) if when.isdigit() else 0,
        author=written(name),
        subject=written(_subject(message)),
        plain=plain and when.isdigit(),
    )


def _subject(message: bytes) -> bytes:
    """The first paragraph as one line, as git's `%s` has it."""
    lines = [each.rstrip() for each in message.split(b"\n")]
    paragraph = list(dropwhile(lambda each: not each, lines))
    return b" ".join(takewhile(bool, paragraph))
