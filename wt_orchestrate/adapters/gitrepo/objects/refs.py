"""Refs read in one call, and moved by compare-and-swap only.

Refs are read from git's own files, loose ones first and then the packed ones, as git does: no process is started to
look. That is exact if a ref is a plain file with an id in it, or a line of `packed-refs`; for anything else (a link, a
symbolic ref, a broken file, an unusual name or list, a repository with a reftable) git is asked. What was read decides
nothing by itself: a commit is fetched by its id and hashed again, and a ref moves only from where it is said to be.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence

from wt_orchestrate.adapters.gitrepo.objects.session import Served, transaction
from wt_orchestrate.adapters.gitrepo.runner import Git, text
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.errors import GitFailed
from wt_orchestrate.osfiles.no_follow import FILE

_NAME = re.compile(r"refs(/(?!\.)[A-Za-z0-9._+@=-]+)+/?")
_ID = re.compile(rb"([0-9a-f]{40}|[0-9a-f]{64})\n")
_PACKED = re.compile(rb"^([0-9a-f]{40,64}) ([^\n]+)$", re.MULTILINE)
_ENOUGH = 128
_LARGE = 1 << 20
"""Bytes of packed refs from which on git, which searches in them, is quicker."""


IN_TABLES = "ref: refs/heads/.invalid"
"""What git writes into the file HEAD where refs, and HEAD with them, are in a reftable."""
_State = tuple[int, int, int]
_answers: dict[tuple[str, ...], tuple[_State, str]] = {}


class _AskGit(Exception):
    """Something that only git can read."""


def commits_at(git: Git, refs: Sequence[str], *, below: bool = False) -> dict[str, CommitId]:
    """The commit of each of these full refs, or with `below` of all refs under them. Missing ones are left out."""
    if not refs:
        return {}
    try:
        if has_tables(git.git_dir):
            raise _AskGit
        return _below(git.git_dir, refs) if below else _at(git.git_dir, refs)
    except _AskGit:
        return _told_by_git(git, refs, below=below)


def _told_by_git(git: Git, refs: Sequence[str], *, below: bool) -> dict[str, CommitId]:
    output = text(git.run("for-each-ref", "--format=%(objectname) %(refname)", "--", *refs))
    found: dict[str, CommitId] = {}
    for line in output.splitlines():
        commit, _, ref = line.partition(" ")
        # a pattern also stands for everything below it
        if below or ref in refs:
            found[ref] = CommitId(commit)
    return found


def _at(git_dir: str, refs: Sequence[str]) -> dict[str, CommitId]:
    found = {ref: commit for ref in refs if (commit := _loose(git_dir, ref)) is not None}
    missing = [ref for ref in refs if ref not in found]
    packed = _packed(git_dir) if missing else b""
    for ref in missing:
        line = re.search(rb"^([0-9a-f]{40,64}) " + re.escape(ref.encode()) + rb"$", packed, re.MULTILINE)
        if line is not None:
            found[ref] = CommitId(line[1].decode())
    return found


def _below(git_dir: str, folders: Sequence[str]) -> dict[str, CommitId]:
    loose = {
        ref: commit
        for folder in folders
        for ref in _names(git_dir, folder.rstrip("/"))
        if (commit := _loose(git_dir, ref)) is not None
    }
    under = tuple(folder.rstrip("/").encode() + b"/" for folder in folders)
    lines = _PACKED.findall(_packed(git_dir))
    packed = {
        name.decode("utf-8", "surrogateescape"): CommitId(at.decode()) for at, name in lines if name.startswith(under)
    }
    return dict(sorted({**packed, **loose}.items()))


def _names(git_dir: str, folder: str) -> Iterator[str]:
    """The refs below a folder that lie in files of their own."""
    try:
        with os.scandir(f"{git_dir}/{folder}") as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in listed:
        name = f"{folder}/{entry.name}"
        if entry.is_symlink():
            raise _AskGit
        if entry.is_dir(follow_symlinks=False):
            yield from _names(git_dir, name)
        elif not entry.name.endswith(".lock"):
            yield name


def _loose(git_dir: str, ref: str) -> CommitId | None:
    """What a ref's own file says; None when it has none."""
    if not _NAME.fullmatch(ref):
        raise _AskGit
    try:
        descriptor = os.open(f"{git_dir}/{ref}", FILE)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _AskGit from error
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            return None
        said = _ID.fullmatch(os.read(descriptor, _ENOUGH)) if stat.S_ISREG(mode) else None
    finally:
        os.close(descriptor)
    if said is None:
        raise _AskGit
    return CommitId(said[1].decode())


def _packed(git_dir: str) -> bytes:
    try:
        descriptor = os.open(f"{git_dir}/packed-refs", FILE)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise _AskGit from error
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > _LARGE:
            raise _AskGit
        return os.read(descriptor, _LARGE)
    finally:
        os.close(descriptor)


# ---------------------------------------------------------------- reftables


def has_tables(git_dir: str) -> bool:
    """Whether refs are in a reftable, for a git directory or a worktree's own."""
    return os.path.lexists(f"{git_dir}/reftable")


def told_head(git_dir: str) -> str:
    """The full ref that HEAD names in a reftable, or its commit id; empty if it has none."""
    return _told(git_dir, "symbolic-ref", "-q", "HEAD") or told_id(git_dir, "HEAD")


def told_id(git_dir: str, ref: str) -> str:
    """The id that a ref in a reftable has; empty if there is none."""
    return _told(git_dir, "rev-parse", "-q", "--verify", ref)


def told_log(git_dir: str, ref: str, *, most: int = 20_000) -> list[CommitId]:
    """The commits that a reflog in a reftable names, the newest first."""
    words = ("log", "--walk-reflogs", f"--max-count={most}", "--format=%H", ref, "--")
    return [CommitId(each) for each in _told(git_dir, *words).split()]


def _told(git_dir: str, *arguments: str) -> str:
    """What git says of a git directory's own tables. It is asked again once their list changes, as it does with each ref."""
    try:
        seen = os.stat(f"{git_dir}/reftable/tables.list")
    except OSError:
        return ""
    state, asked = (seen.st_mtime_ns, seen.st_size, seen.st_ino), (git_dir, *arguments)
    known = _answers.get(asked)
    if known is None or known[0] != state:
        said = text(Git(git_dir).run(*arguments, ok=(0, 1, 128))).removesuffix("\n")
        known = _answers[asked] = (state, said)
    return known[1]


# ---------------------------------------------------------------- moving


def swap(git: Git, ref: str, *, new: CommitId | None, old: CommitId | None) -> bool:
    """Move one ref from `old` to `new` (None: it does not exist), by compare-and-swap; True if it is so afterwards,
    False if somebody else moved it. Raises GitFailed if it is unchanged and cannot be moved: a lock, a full disk."""
    try:
        _move(git, ((ref, new, old),))
    except GitFailed:
        at = commits_at(git, (ref,)).get(ref)
        if at == old and at != new:
            raise
        return at == new
    return True


def moved(git: Git, steps: Sequence[tuple[str, CommitId | None, CommitId | None]]) -> bool:
    """Move refs from old to new all at once, or none of them."""
    try:
        _move(git, steps)
    except GitFailed:
        return False
    return True


def put(git: Git, ref: str, commit: CommitId) -> None:
    """Point a ref of ours at a commit, wherever it pointed: for what is only pinned while it is looked at."""
    _run(git, [f"update {ref}\0{commit}\0\0".encode()])


def _move(git: Git, steps: Sequence[tuple[str, CommitId | None, CommitId | None]]) -> None:
    _run(git, [_step(*step).encode() for step in steps])


def _run(git: Git, words: Sequence[bytes]) -> None:
    if isinstance(git, Served):
        transaction(git.sessions, words)
    else:
        git.run("update-ref", "--no-deref", "--stdin", "-z", stdin=b"".join(words))


def _step(ref: str, new: CommitId | None, old: CommitId | None) -> str:
    if new is None:
        return f"delete {ref}\0{old}\0"
    return f"update {ref}\0{new}\0{old or '0' * len(new)}\0"
