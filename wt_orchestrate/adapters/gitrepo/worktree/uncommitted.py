"""Uncommitted work as temporary commits: what differs in a worktree, applied to its head, in a quarantine.

Which paths differ is decided as everywhere (`worktree/dirty`). Their content is read here, by descriptors, without
following a link at any component, without blocking, and up to a bound. So no filter, attribute, hook or nested
repository is used, and nothing outside the worktree is read, whatever an agent puts there. What is not a regular file
or link counts as absent (a pipe, a device) or is left as the head has it (a file with a second name, a nested
repository).

The same content makes the same commit. A worktree that cannot be read is reported in words.

Before a worktree is removed such a commit is made for good (`kept`), and `laid_down` writes it back as it was. Then nothing is
left out in silence: a nested repository, or more than the bound, is a reason to keep the worktree.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from wt_orchestrate.adapters.gitrepo.objects.blobs import contents, trees_of
from wt_orchestrate.adapters.gitrepo.objects.fast_import import quoted
from wt_orchestrate.adapters.gitrepo.objects.quarantine import CommitDraft, drafted
from wt_orchestrate.adapters.gitrepo.objects.raw_diff import after, between
from wt_orchestrate.adapters.gitrepo.runner import Git
from wt_orchestrate.adapters.gitrepo.worktree import dirty
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.domain.text.clean import some_of
from wt_orchestrate.errors import Refused, WtError
from wt_orchestrate.osfiles.no_follow import FOLDER, NotRegular, below, open_regular

MOST_PATHS = 2_000
MOST_BYTES = 16 << 20
"""How much of one worktree is read. Larger work counts by its commits alone."""
RESCUED_PATHS = 100_000
RESCUED_BYTES = 256 << 20
"""How much of one worktree is kept before it is removed. With more, it is not removed."""
PATIENCE_S = 60.0
"""How long git may take to list what differs in one worktree."""


@dataclass(frozen=True, slots=True)
class FileContent:
    """What is at a path; no mode if nothing is."""

    mode: str = ""
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What differs from a head; `problem`: why it is unknown."""

    head: CommitId
    entries: Mapping[str, FileContent] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is read. With `whole`, what cannot be part of a snapshot makes it unknown, and a file with a second name is
    read like any other."""

    paths: int
    size: int
    whole: bool = False


RESCUED = Bounds(RESCUED_PATHS, RESCUED_BYTES, whole=True)


def taken(
    git: Git,
    *,
    worktree: str,
    head: CommitId,
    index: str,
    settings: Mapping[str, str],
    bounds: Bounds | None = None,
) -> Snapshot:
    """The uncommitted work of a worktree; never raises for what somebody else does to it meanwhile. `index` is the one
    that `dirty` keeps: a copy of it is used, because that one may be in use."""
    bounds = bounds or Bounds(MOST_PATHS, MOST_BYTES)
    try:
        own = _own_index(index)
        paths = dirty.differing(
            git,
            worktree=worktree,
            head=head,
            index=own,
            settings=settings,
            patience_s=PATIENCE_S,
            hiding=bounds.whole,
        )
        if len(paths) > bounds.paths:
            return Snapshot(head, problem=f"more than {bounds.paths:,} paths are uncommitted")
        nested = [path for path in paths if bounds.whole and path.endswith("/")]
        if nested:
            return Snapshot(head, problem=f"{some_of(nested)} is a repository of its own")
        return Snapshot(head, _read(worktree, paths, bounds)) if paths else Snapshot(head)
    except _TooLarge:
        return Snapshot(head, problem=f"more than {bounds.size >> 20} MiB are uncommitted")
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


def _read(worktree: str, paths: Sequence[str], bounds: Bounds) -> Mapping[str, FileContent]:
    """What is at these paths. Raises FileNotFoundError if the worktree itself is gone."""
    if tuple(paths) == (".",):
        raise FileNotFoundError(2, "the worktree is missing", worktree)
    found: dict[str, FileContent] = {}
    left = bounds.size
    root = os.open(worktree, FOLDER)
    try:
        for path in paths:
            if path.endswith("/"):
                continue  # a nested repository
            entry = _entry(root, path, limit=left, linked=bounds.whole)
            if entry is not None:
                found[path] = entry
                left -= len(entry.content)
    finally:
        os.close(root)
    return found


def _entry(root: int, path: str, *, limit: int, linked: bool) -> FileContent | None:
    """What is at one path; None for what is left as the head has it."""
    *above, name = path.split("/")
    try:
        with below(root, *above) as folder:
            return _at(folder, name, limit=limit, linked=linked)
    except (FileNotFoundError, NotADirectoryError):  # also where a link is in the way
        return FileContent()


def _at(folder: int, name: str, *, limit: int, linked: bool) -> FileContent | None:
    facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if stat.S_ISLNK(facts.st_mode):
        return FileContent("120000", os.fsencode(os.readlink(name, dir_fd=folder)))
    if stat.S_ISDIR(facts.st_mode):
        return None  # a submodule, or what lies in it is told by paths of its own
    if not stat.S_ISREG(facts.st_mode):
        return FileContent()
    try:
        file = open_regular(name, folder=folder)
    except NotRegular:
        return FileContent()
    with file:
        facts = os.fstat(file.fileno())
        if facts.st_nlink != 1 and not linked:
            return None
        content = file.read(limit + 1)
    if len(content) > limit:
        raise _TooLarge
    return FileContent("100755" if facts.st_mode & 0o100 else "100644", content)


# ---------------------------------------------------------------- writing


def written(git: Git, snapshots: Sequence[Snapshot]) -> Sequence[CommitId]:
    """The commit of each snapshot in a quarantine; the head itself if nothing differs. One git for all of them."""
    changed = [each for each in snapshots if each.entries]
    commits = iter(drafted(git, [CommitDraft("uncommitted", each.head, b"".join(_laid_on(each))) for each in changed]))
    return [next(commits) if each.entries else each.head for each in snapshots]


def _laid_on(snapshot: Snapshot) -> Iterator[bytes]:
    """Deletions first: a file may make room for a folder of its name, or the other way round."""
    gone = [path for path, entry in snapshot.entries.items() if not entry.mode]
    yield from (f"D {quoted(path)}\n".encode("utf-8", "surrogateescape") for path in gone)
    for path, entry in snapshot.entries.items():
        if entry.mode:
            yield f"M {entry.mode} inline {quoted(path)}\n".encode("utf-8", "surrogateescape")
            yield b"data %d\n%s\n" % (len(entry.content), entry.content)


# ---------------------------------------------------------------- kept for good, and written back


def kept(git: Git, snapshot: Snapshot) -> CommitId | None:
    """The snapshot as a commit in the repository itself, which a ref must hold; None if nothing differs. Raises Refused when
    what differs is unknown."""
    if snapshot.problem:
        raise Refused(
            f"its uncommitted work cannot be kept in the vault: {snapshot.problem}",
            hint="commit what matters, move or delete the rest",
        )
    return written(git, [snapshot])[0] if snapshot.entries else None


def laid_down(git: Git, commit: CommitId, *, worktree: str) -> int:
    """Write what a snapshot has otherwise than its head into a worktree, byte for byte; how many paths. No link is
    followed."""
    trees = trees_of(git, (f"{commit}^", commit))
    (delta,) = between(git, [(trees[f"{commit}^"], trees[commit])])
    there = {path: after(line) for path, line in delta.items()}
    stored = contents(git, tuple({entry.id for entry in there.values() if entry.id}))
    root = os.open(worktree, FOLDER)
    try:
        for path, entry in sorted(there.items(), key=lambda item: bool(item[1].mode)):
            _lay_down(root, path, entry.mode, stored.get(entry.id, b""))
    finally:
        os.close(root)
    return len(there)


def _lay_down(root: int, path: str, mode: str, content: bytes) -> None:
    *above, name = path.split("/")
    if not mode:
        _take_away(root, above, name)
        return
    with below(root, *above, make=True) as folder:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
        if mode == "120000":
            os.symlink(os.fsdecode(content), name, dir_fd=folder)
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(name, flags, 0o777 if mode == "100755" else 0o666, dir_fd=folder), "wb") as file:
            file.write(content)


def _take_away(root: int, above: Sequence[str], name: str) -> None:
    """Delete a file, and the folders that it leaves empty, as git does."""
    with suppress(FileNotFoundError, NotADirectoryError):
        with below(root, *above) as folder:
            os.unlink(name, dir_fd=folder)
        for depth in range(len(above), 0, -1):
            with below(root, *above[: depth - 1]) as folder, suppress(OSError):
                os.rmdir(above[depth - 1], dir_fd=folder)
