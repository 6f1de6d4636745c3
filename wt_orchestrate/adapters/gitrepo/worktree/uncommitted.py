"""Uncommitted work as temporary commits: what differs in a worktree, applied to its head, in a quarantine.

Which paths differ is decided as everywhere (`worktree/dirty`). Their content is read here, by descriptors, without
following a link at any component, without blocking, and up to a bound. So no filter, attribute, hook or nested
repository is used, and nothing outside the worktree is read, whatever an agent puts there. What is not a regular file
or link counts as absent (a pipe, a device) or is left as the head has it (a file with a second name, a nested
repository).

The same content makes the same commit. A worktree that cannot be read is reported in words.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from wt_orchestrate.adapters.gitrepo.objects.fast_import import quoted
from wt_orchestrate.adapters.gitrepo.objects.quarantine import Draft, drafted
from wt_orchestrate.adapters.gitrepo.runner import Git
from wt_orchestrate.adapters.gitrepo.worktree import dirty
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.errors import WtError
from wt_orchestrate.osfiles.no_follow import FOLDER, NotRegular, below, open_regular

MOST_PATHS = 2_000
MOST_BYTES = 16 << 20
"""How much of one worktree is read. Larger work counts by its commits alone."""
PATIENCE_S = 60.0
"""How long git may take to list what differs in one worktree."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is at a path; no mode if nothing is."""

    mode: str = ""
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What differs from a head; `problem`: why it is unknown."""

    head: CommitId
    entries: Mapping[str, Entry] = field(default_factory=dict)
    problem: str = ""


def taken(git: Git, *, worktree: str, head: CommitId, index: str, settings: Mapping[str, str]) -> Snapshot:
    """The uncommitted work of a worktree; never raises for what somebody else does to it meanwhile. `index` is the one
    that `dirty` keeps: a copy of it is used, because that one may be in use."""
    try:
        own = _own_index(index)
        paths = dirty.differing(
            git, worktree=worktree, head=head, index=own, settings=settings, patience_s=PATIENCE_S, hiding=False
        )
        if len(paths) > MOST_PATHS:
            return Snapshot(head, problem=f"more than {MOST_PATHS:,} paths are uncommitted")
        return Snapshot(head, _read(worktree, paths)) if paths else Snapshot(head)
    except _TooLarge:
        return Snapshot(head, problem=f"more than {MOST_BYTES >> 20} MiB are uncommitted")
    except (OSError, WtError) as error:
        if not os.path.isdir(worktree) or os.path.islink(worktree):
            return Snapshot(head, problem="its worktree is missing")
        said = error.message if isinstance(error, WtError) else error.strerror or str(error)
        return Snapshot(head, problem=f"its worktree cannot be read: {said}")


class _TooLarge(Exception):
    """There is more than is read."""


def _own_index(index: str) -> str:
    """A second index beside the one that `dirty` keeps, starting as a copy of it."""
    own = f"{index}.radar"
    if index and not os.path.exists(own):
        for ending in ("", ".head"):
            with suppress(FileNotFoundError):
                shutil.copyfile(f"{index}{ending}", f"{own}{ending}", follow_symlinks=False)
    return own


# ---------------------------------------------------------------- reading


def _read(worktree: str, paths: Sequence[str]) -> Mapping[str, Entry]:
    """What is at these paths. Raises FileNotFoundError if the worktree itself is gone."""
    if tuple(paths) == (".",):
        raise FileNotFoundError(2, "the worktree is missing", worktree)
    found: dict[str, Entry] = {}
    left = MOST_BYTES
    root = os.open(worktree, FOLDER)
    try:
        for path in paths:
            if path.endswith("/"):
                continue  # a nested repository
            entry = _entry(root, path, limit=left)
            if entry is not None:
                found[path] = entry
                left -= len(entry.content)
    finally:
        os.close(root)
    return found


def _entry(root: int, path: str, *, limit: int) -> Entry | None:
    """What is at one path; None for what is left as the head has it."""
    *above, name = path.split("/")
    try:
        with below(root, *above) as folder:
            return _at(folder, name, limit=limit)
    except (FileNotFoundError, NotADirectoryError):  # also where a link is in the way
        return Entry()


def _at(folder: int, name: str, *, limit: int) -> Entry | None:
    facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if stat.S_ISLNK(facts.st_mode):
        return Entry("120000", os.fsencode(os.readlink(name, dir_fd=folder)))
    if stat.S_ISDIR(facts.st_mode):
        return None  # a submodule, or what lies in it is told by paths of its own
    if not stat.S_ISREG(facts.st_mode):
        return Entry()
    try:
        file = open_regular(name, folder=folder)
    except NotRegular:
        return Entry()
    with file:
        facts = os.fstat(file.fileno())
        if facts.st_nlink != 1:
            return None
        content = file.read(limit + 1)
    if len(content) > limit:
        raise _TooLarge
    return Entry("100755" if facts.st_mode & 0o100 else "100644", content)


# ---------------------------------------------------------------- writing


def written(git: Git, snapshots: Sequence[Snapshot]) -> Sequence[CommitId]:
    """The commit of each snapshot in a quarantine; the head itself if nothing differs. One git for all of them."""
    changed = [each for each in snapshots if each.entries]
    commits = iter(drafted(git, [Draft("uncommitted", each.head, b"".join(_laid_on(each))) for each in changed]))
    return [next(commits) if each.entries else each.head for each in snapshots]


def _laid_on(snapshot: Snapshot) -> Iterator[bytes]:
    """Deletions first: a file may make room for a folder of its name, or the other way round."""
    gone = [path for path, entry in snapshot.entries.items() if not entry.mode]
    yield from (f"D {quoted(path)}\n".encode("utf-8", "surrogateescape") for path in gone)
    for path, entry in snapshot.entries.items():
        if entry.mode:
            yield f"M {entry.mode} inline {quoted(path)}\n".encode("utf-8", "surrogateescape")
            yield b"data %d\n%s\n" % (len(entry.content), entry.content)
