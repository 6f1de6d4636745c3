"""Uncommitted changes of a worktree against a commit, with an index and a git directory of ours.

Nothing that an agent wrote is used: not its index (skip-worktree and assume-unchanged bits), its configuration, its
info/exclude, its hooks or filters, nor a nested repository's. Ignored is what the worktree's `.gitignore` files and the
user's own excludes file say, and what `.worktreeinclude` copied. A `.gitignore` that hides itself counts as a change,
unless all of its folder is untracked, as tools make their caches.

The index is kept between calls, so unchanged files are not read again. It can be deleted at any time.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Set
from contextlib import suppress
from dataclasses import dataclass

from wt_orchestrate.adapters.gitrepo.objects.blobs import contents
from wt_orchestrate.adapters.gitrepo.runner import LONG_S, NOTHING, Git, fields
from wt_orchestrate.adapters.gitrepo.worktree.listing import named_by
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.errors import GitFailed, Overran
from wt_orchestrate.osfiles.no_follow import open_regular

INCLUDED = ".worktreeinclude"
_POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/v1\n(?:.*\n)*?oid sha256:([0-9a-f]{64})\n")
_POINTER_LIMIT = 1024
_SOON_S = 20.0
"""After so long it is checked whether git waits for something that never comes."""
_POINTERS = 500
"""With more changed files than this, none is checked for being a pointer: all are changed."""


def differing(
    git: Git,
    *,
    worktree: str,
    head: CommitId,
    index: str,
    settings: Mapping[str, str] = NOTHING,
    patience_s: float | None = None,
    hiding: bool = True,
) -> tuple[str, ...]:
    """Paths that are changed, deleted, or untracked and not ignored; `.` if the worktree itself is gone. git waits for
    ever on a `.gitignore` that is a pipe: then that one is returned, or, with `patience_s`, Overran is raised after
    that. `hiding` also looks, if everything else is clean, for `.gitignore` files that hide themselves."""
    if os.path.islink(worktree) or not os.path.isdir(worktree):
        return (".",)
    own = git.as_the_user({"GIT_WORK_TREE": worktree, "GIT_INDEX_FILE": index}, settings)
    _bring(own, head, index)
    if patience_s is None:
        listed = _listed_in_time(own, worktree, tracked=hiding)
    else:
        listed = _listed(own, worktree, patience_s, tracked=hiding)
    unlike = listed.changed - _stored_elsewhere(own, worktree, head, listed.changed)
    found = {*unlike, *(name for name in listed.new if not _placeholder(worktree, name))}
    return tuple(sorted(found or _hiding(worktree, tracked=listed.tracked, told=listed.new)))


@dataclass(frozen=True, slots=True)
class _Listed:
    """Paths that are changed or deleted, new ones that are not ignored, and, if asked for, all that git knows."""

    changed: set[str]
    new: set[str]
    tracked: set[str]


def _listed_in_time(own: Git, worktree: str, *, tracked: bool) -> _Listed:
    """The same as `_listed`; if git hangs on files it would read for ever, those are the changes."""
    try:
        return _listed(own, worktree, _SOON_S, tracked=tracked)
    except Overran:
        endless = _endless(worktree)
        return _Listed(endless, set(), set()) if endless else _listed(own, worktree, LONG_S, tracked=tracked)


def _endless(worktree: str) -> set[str]:
    """Every `.gitignore` that is a pipe, a socket or a device."""
    found = set()
    for folder, folders, names in os.walk(worktree):
        if ".git" in folders:
            folders.remove(".git")
        path = f"{folder}/.gitignore"
        if ".gitignore" in names and not (os.path.islink(path) or os.path.isfile(path)):
            found.add(os.path.relpath(path, worktree))
    return found


def _listed(own: Git, worktree: str, timeout_s: float, *, tracked: bool) -> _Listed:
    included = f"{worktree}/{INCLUDED}"
    brought = (f"--exclude-from={included}",) if os.path.isfile(included) and not os.path.islink(included) else ()
    wanted = ("-t", "-m", "-d", "-o", *(("-c",) if tracked else ()), "-z", "--exclude-standard", *brought)
    by_tag: dict[str, set[str]] = {}
    for name in fields(own.run("ls-files", *wanted, timeout_s=timeout_s)):
        by_tag.setdefault(name[0], set()).add(name[2:])
    new = by_tag.pop("?", set())
    known = by_tag.pop("H", set()) | by_tag.pop("S", set())
    return _Listed(changed={name for names in by_tag.values() for name in names}, new=new, tracked=known)


def _hiding(worktree: str, *, tracked: Set[str], told: Set[str]) -> set[str]:
    """Untracked `.gitignore` files, in folders with tracked files, that git did not tell of: they hide themselves."""
    folders = {""} if tracked else set()
    for name in tracked:
        above = name
        while (cut := above.rfind("/")) >= 0 and above[: cut + 1] not in folders:
            folders.add(above[: cut + 1])
            above = above[:cut]
    places = {f"{folder}.gitignore" for folder in folders} - tracked - told
    return {place for place in places if os.path.lexists(f"{worktree}/{place}") and not _is_folder(worktree, place)}


def _is_folder(worktree: str, name: str) -> bool:
    return os.path.isdir(f"{worktree}/{name}") and not os.path.islink(f"{worktree}/{name}")


def seed(*, worktree: str, index: str) -> None:
    """Copy the index of a worktree that nobody has worked in yet, so that its files need not be read again."""
    admin = named_by(f"{worktree}/.git")
    if admin is None or os.path.exists(index) or os.path.islink(f"{admin}/index"):
        return
    os.makedirs(os.path.dirname(index), exist_ok=True)
    beside = f"{index}.new"
    with suppress(FileNotFoundError):
        with open(f"{admin}/index", "rb") as reading, open(beside, "wb") as writing:
            writing.write(reading.read())
        os.replace(beside, index)


def _bring(own: Git, head: CommitId, index: str) -> None:
    """Move the index to the commit, keeping what it knows of unchanged files; a damaged one is made again."""
    stands_for = f"{index}.head"
    with suppress(FileNotFoundError), open(stands_for, encoding="ascii") as file:
        if file.read() == head and os.path.exists(index):
            return
    os.makedirs(os.path.dirname(index), exist_ok=True)
    for path in (stands_for, f"{index}.lock"):
        with suppress(FileNotFoundError):
            os.unlink(path)
    known = os.path.exists(index)
    try:
        if known:  # what the commit does not change stays known, and the little else is read when it is compared
            own.run("read-tree", "-m", head)
    except GitFailed:
        with suppress(FileNotFoundError):
            os.unlink(index)
        known = False
    if not known:
        own.run("read-tree", head)
        own.run("update-index", "-q", "--really-refresh", ok=(0, 1), timeout_s=LONG_S)
    with open(stands_for, "w", encoding="ascii") as file:
        file.write(head)


def _placeholder(worktree: str, name: str) -> bool:
    """An empty file below `.claude/`, which the client's sandbox leaves behind."""
    if not name.startswith(".claude/"):
        return False
    with suppress(OSError):
        return os.lstat(f"{worktree}/{name}").st_size == 0
    return False


def _stored_elsewhere(own: Git, worktree: str, head: CommitId, names: set[str]) -> set[str]:
    """Those of the changed files for which git holds a git-lfs pointer to exactly the file's content."""
    if not names or len(names) > _POINTERS:
        return set()
    pointers: dict[str, str] = {}
    for record in fields(own.run("ls-tree", "-r", "-l", "-z", head, "--", *names)):
        entry, _, name = record.partition("\t")
        _, _, oid, size = entry.split()
        if size.isdigit() and int(size) < _POINTER_LIMIT:
            pointers[name] = oid
    stored = contents(own, tuple(pointers.values()))
    found: set[str] = set()
    for name, oid in pointers.items():
        pointer = _POINTER.match(stored.get(oid, b""))
        if pointer is not None and _sha256(f"{worktree}/{name}") == pointer[1].decode():
            found.add(name)
    return found


def _sha256(path: str) -> str:
    with suppress(OSError), open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
    return ""
