"""What git would act on in the user's repository, written down before the first agent starts and compared at each look.

Agents in linked worktrees can write the shared configuration, hooks, info/ and refs. A record is a flat list of marks: each
key of the configuration, each hook, each file of info/, each replace ref, each worktree that names another repository. Its
folder holds the values, and copies of the hooks and attributes, so that a landing can use them and a person can put them back.

A look costs some `stat` calls; git lists the configuration again only where that changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress

from wt_orchestrate.adapters.gitrepo.configuration import configuration
from wt_orchestrate.adapters.gitrepo.objects.refs import commits_at, has_tables
from wt_orchestrate.adapters.gitrepo.runner import Git
from wt_orchestrate.adapters.gitrepo.worktree.checkout import RECORD, to_record
from wt_orchestrate.adapters.gitrepo.worktree.listing import entries, first_line
from wt_orchestrate.errors import GitFailed

_FILES = ("info/attributes", "info/exclude", "info/grafts", "objects/info/alternates")
_OURS = frozenset({"config extensions.worktreeconfig", "config core.repositoryformatversion"})
_OWN_LINES = frozenset({b"HANDOFF.md", b"/HANDOFF.md"})
_MOST = 4 << 20
_MARKS = "marks.json"
HOOKS, ATTRIBUTES = "hooks", "attributes"
State = tuple[object, ...]


class Marks:
    """The marks of the repository at `common_dir`, read again only when something of it changed."""

    def __init__(self, common_dir: str) -> None:
        self._common_dir = common_dir
        self._state: State = ()
        self._found: Mapping[str, str] = {}

    def now(self) -> Mapping[str, str]:
        """Name -> value, or a digest of it. The same object as before while nothing changed."""
        state = _state(self._common_dir)
        if state != self._state:
            found = _marks(self._common_dir)
            self._state, self._found = state, found if found != self._found else self._found
        return self._found


def recorded(folder: str) -> Mapping[str, str] | None:
    """The marks that a folder holds; None when there is no whole record in it."""
    try:
        with open(f"{folder}/{_MARKS}", encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return None
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else None


def record(common_dir: str, main: str | None, folder: str) -> None:
    """Write the marks into a folder, with the hooks that a landing may run and the attributes that it goes by."""
    beside = f"{folder}.new"
    shutil.rmtree(beside, ignore_errors=True)
    os.makedirs(f"{beside}/{HOOKS}", mode=0o700)
    hooks = _hooks_folder(common_dir, main)
    for name in _names(hooks):
        with suppress(OSError):
            shutil.copy(f"{hooks}/{name}", f"{beside}/{HOOKS}/{name}")
    with open(f"{beside}/{ATTRIBUTES}", "wb") as file:
        file.write(_content(f"{common_dir}/info/attributes"))
    with open(f"{beside}/{RECORD}", "w", encoding="utf-8") as settings:
        json.dump(dict(to_record(common_dir, main)), settings)
    with open(f"{beside}/{_MARKS}", "w", encoding="utf-8") as marks:
        json.dump(dict(_marks(common_dir)), marks)
        marks.flush()
        os.fsync(marks.fileno())
    os.rename(beside, folder)


def _marks(common_dir: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for key, value in _configuration(common_dir):
        name = f"config {key}"
        found[name] = f"{found[name]}\0{value}" if name in found else value
    for name in _names(f"{common_dir}/hooks"):
        found[f"hook {name}"] = _digest(_content(f"{common_dir}/hooks/{name}"))
    for name in _FILES:
        content = _content(f"{common_dir}/{name}")
        lines = [line for line in content.splitlines() if line.strip() not in _OWN_LINES]
        if any(line.strip() and not line.startswith(b"#") for line in lines):
            found[f"file {name}"] = _digest(b"\n".join(lines))
    found |= {f"replace {name}": other for name, other in _replaced(common_dir).items()}
    for entry in entries(common_dir):
        named = first_line(f"{entry.admin}/commondir")
        if entry.ours and named and os.path.realpath(os.path.join(entry.admin, named)) != os.path.realpath(common_dir):
            found[f"worktree {entry.path}"] = named
    return {name: value for name, value in found.items() if name not in _OURS}


def _configuration(common_dir: str) -> list[tuple[str, str]]:
    """Every key and value that the repository itself sets; one that says so where git cannot read it."""
    try:
        settings = configuration(common_dir).settings()
    except GitFailed:
        return [("config", "cannot be read")]
    return [(each.key, each.value or "") for each in settings if each.scope in {"local", "worktree"}]


def _replaced(common_dir: str) -> dict[str, str]:
    """Objects that git is told to show another one for, each with that one."""
    found: dict[str, str] = {}
    if has_tables(common_dir):
        below = commits_at(Git(common_dir), ("refs/replace/",), below=True)
        return {ref.removeprefix("refs/replace/"): at for ref, at in below.items()}
    with suppress(OSError):
        for each in os.scandir(f"{common_dir}/refs/replace"):
            found[each.name] = first_line(each.path)
    for line in _content(f"{common_dir}/packed-refs").decode("utf-8", "surrogateescape").splitlines():
        commit, _, ref = line.partition(" ")
        if ref.startswith("refs/replace/"):
            found.setdefault(ref.removeprefix("refs/replace/"), commit)
    return found


def _state(common_dir: str) -> State:
    """How the files lie there whose change means: look again."""
    watched = [
        f"{common_dir}/{name}" for name in ("config", "config.worktree", "packed-refs", "reftable/tables.list", *_FILES)
    ]
    watched += [f"{common_dir}/hooks/{name}" for name in _names(f"{common_dir}/hooks")]
    with suppress(OSError):
        watched += [each.path for each in os.scandir(f"{common_dir}/refs/replace")]
    with suppress(OSError):
        watched += [f"{each.path}/commondir" for each in os.scandir(f"{common_dir}/worktrees")]
    return tuple((path, *_lies(path)) for path in sorted(watched))


def _lies(path: str) -> tuple[int, ...]:
    try:
        seen = os.stat(path)
    except OSError:
        return ()
    return seen.st_mtime_ns, seen.st_size, seen.st_ino, seen.st_mode


def _names(folder: str) -> list[str]:
    """The hooks in a folder, and what else lies beside them; not git's samples."""
    with suppress(OSError):
        return sorted(each.name for each in os.scandir(folder) if each.is_file() and not each.name.endswith(".sample"))
    return []


def _content(path: str) -> bytes:
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            return file.read(_MOST)
    except OSError:
        return b""


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _hooks_folder(common_dir: str, main: str | None) -> str:
    """Where git looks for hooks in the main worktree."""
    try:
        named = configuration(common_dir).path("core.hookspath")
    except GitFailed:
        named = None
    return os.path.normpath(os.path.join(main or common_dir, named)) if named else f"{common_dir}/hooks"
