"""The user's checkout taken along from one commit to another, path by path, so that a cut at any point is finished or undone.

Git writes the changed files and the next index into a folder beside, from verified objects and under settings that are given.
From there each file is put in place by a rename, and what was there is kept until the end. The order is: git's own lock on
the index, the comparison with the old commit, the plan on the disk, the files, the ref, the index. `undone` looks where the
ref is: at the old commit everything is put back, at the new one the rest is put in place.

Nothing of the user's is overwritten: what differs from the old commit stops it before anything is touched, and a file that
changes between the look and the rename is found in what was kept, and put back.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from wt_orchestrate.adapters.gitrepo.objects.blobs import SUBMODULE, trees_of
from wt_orchestrate.adapters.gitrepo.objects.raw_diff import after, before, between
from wt_orchestrate.adapters.gitrepo.runner import LONG_S, Git, execute, fields, users_environment
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.errors import GitFailed

_PLAN, _NEW, _OLD, _INDEX, _LOCK = "plan.json", "new", "old", "index", "lock"
FOLDER = "wto-landing"


class InTheWay(Exception):
    """Paths that differ from the old commit, or are not git's at all, where the landing would write."""

    def __init__(self, paths: Sequence[str]) -> None:
        super().__init__(*paths)
        self.paths = tuple(paths)


class Cut(Exception):
    """Something else has its hand on the checkout."""


@dataclass(frozen=True, slots=True)
class TargetCheckout:
    """A checkout, and what writes it: `objects` reads verified objects, `apart` is a git directory of ours on them, `settings`
    say how files are written, `reached` is told each point that is passed."""

    path: str
    git_dir: str
    objects: Git
    apart: Git
    settings: Mapping[str, str]
    reached: Callable[[str], None]


def taken_along(there: TargetCheckout, *, old: CommitId, new: CommitId, move: Callable[[], bool], dry: bool) -> bool:
    """Bring files and index from `old` to `new`, and the ref by `move`; False, and everything as before, where that says no.
    Raises InTheWay or Cut. With `dry` only what stands in the way is told."""
    status = _status(there.objects, old, new)
    beside = _beside(there.path, there.git_dir)
    if dry:
        with tempfile.TemporaryDirectory(dir=there.apart.git_dir) as folder:
            _copied_index(there, f"{folder}/{_INDEX}")
            _require_clean(there, old, status, index=f"{folder}/{_INDEX}")
        return True
    os.makedirs(beside, mode=0o700)
    locked = False
    try:
        locked = _locked(there.git_dir, beside)
        _copied_index(there, f"{beside}/{_INDEX}")
        seen = _require_clean(there, old, status, index=f"{beside}/{_INDEX}")
        _staged(there, beside, old=old, new=new)
        _write_plan(beside, old=old, new=new, status=status)
    except BaseException:
        _forget(beside, there.git_dir if locked else "")
        raise
    there.reached("files:staged")
    changed = _swapped(there.path, beside, status, seen)
    env = _environment(there, index=f"{beside}/{_INDEX}", tree=there.path)
    execute(("update-index", "-q", "--refresh"), env, cwd=there.path, ok=(0, 1), timeout_s=LONG_S)
    there.reached("files:written")
    if changed or not move():
        _put_back(there.path, beside, status)
        _forget(beside, there.git_dir)
        if changed:
            raise InTheWay(changed)
        return False
    there.reached("ref:moved")
    os.replace(f"{beside}/{_INDEX}", f"{there.git_dir}/{_INDEX}")
    _forget(beside, there.git_dir)
    return True


def _status(objects: Git, old: CommitId, new: CommitId) -> dict[str, str]:
    """Git's letter for each path of the landing. A submodule's commit is no file: git leaves its folder alone."""
    trees = trees_of(objects, (old, new))
    delta = between(objects, [(trees[old], trees[new])])[0]
    sides = {path: {before(line).mode, after(line).mode} - {""} for path, line in delta.items()}
    return {path: line[-1] for path, line in delta.items() if sides[path] != {SUBMODULE}}


def cut_off(path: str, git_dir: str) -> bool:
    """Whether a landing was cut off there."""
    return os.path.isdir(_beside(path, git_dir))


def undone(path: str, git_dir: str, *, at: str) -> str:
    """Finish or undo a landing that was cut off, going by where the branch is now; what was done, in a word."""
    beside = _beside(path, git_dir)
    if not os.path.isdir(beside) or os.path.islink(beside):
        return ""
    try:
        with open(f"{beside}/{_PLAN}", encoding="utf-8") as file:
            plan = json.load(file)
        status, new = dict(plan["status"]), str(plan["new"])
    except (OSError, ValueError, KeyError):
        _forget(beside, git_dir)  # nothing of the checkout was touched yet
        return "undone"
    if at == new:
        _swapped(path, beside, status, {})
        with suppress(FileNotFoundError):
            os.replace(f"{beside}/{_INDEX}", f"{git_dir}/{_INDEX}")
    else:
        _put_back(path, beside, status)
    _forget(beside, git_dir)
    return "finished" if at == new else "undone"


def _beside(path: str, git_dir: str) -> str:
    """A folder on the file system of the checkout, out of git's sight."""
    own = os.path.realpath(f"{path}/.git") == os.path.realpath(git_dir)
    return f"{git_dir}/{FOLDER}" if own else f"{path}/.{FOLDER}"


def _locked(git_dir: str, beside: str) -> bool:
    """Take git's own lock on the index. It is a link to a file of ours, so that it is known again after a crash."""
    mine = f"{git_dir}/{_INDEX}.{FOLDER}"
    with suppress(FileNotFoundError):
        os.unlink(mine)
    with open(mine, "x", encoding="ascii") as file:
        file.write("landing in progress\n")
    try:
        os.link(mine, f"{git_dir}/{_INDEX}.lock")
    except FileExistsError as error:
        os.unlink(mine)
        raise Cut("another git command runs there (index.lock exists)") from error
    return True


def _forget(beside: str, git_dir: str) -> None:
    """Remove the folder, and the lock if it is ours; the lock goes last."""
    shutil.rmtree(beside, ignore_errors=True)
    mine, lock = f"{git_dir}/{_INDEX}.{FOLDER}", f"{git_dir}/{_INDEX}.lock"
    with suppress(OSError):
        if git_dir and os.path.samefile(mine, lock):
            os.unlink(lock)
    with suppress(OSError):
        if git_dir:
            os.unlink(mine)


def _copied_index(there: TargetCheckout, to: str) -> None:
    """The index in one file, also where the user keeps it in two (core.splitIndex)."""
    shutil.copyfile(f"{there.git_dir}/{_INDEX}", to)
    with open(to, "rb") as file:
        split = any(line.startswith("sharedindex.") for line in os.listdir(there.git_dir)) and b"link" in file.read()
    if split:
        env = {"GIT_INDEX_FILE": to, "GIT_WORK_TREE": there.path}
        Git(there.git_dir, env).run("update-index", "--no-split-index", timeout_s=LONG_S)


def _environment(there: TargetCheckout, *, index: str, tree: str) -> dict[str, str]:
    own = {"GIT_DIR": there.apart.git_dir, "GIT_WORK_TREE": tree, "GIT_INDEX_FILE": index}
    return users_environment({**there.apart.env, **own}, config=there.settings)


_Seen = Mapping[str, tuple[int, int, int]]


def _require_clean(there: TargetCheckout, old: CommitId, status: Mapping[str, str], *, index: str) -> _Seen:
    """Raise InTheWay where a path of the landing is not as in `old`; else how each one lies there."""
    with open(f"{there.apart.git_dir}/HEAD", "w", encoding="ascii") as file:
        file.write(f"{old}\n")
    arguments = ("status", "--porcelain=v1", "-z", "--untracked-files=no", "--no-renames", "--ignore-submodules=all")
    env = _environment(there, index=index, tree=there.path)
    changed = {entry[3:] for entry in fields(execute(arguments, env, cwd=there.path, timeout_s=LONG_S)[1])}
    found = [name for name in status if name in changed or (status[name] == "A" and _taken(there.path, name, status))]
    if found:
        raise InTheWay(sorted(found))
    return {name: seen for name in status if (seen := _lies(f"{there.path}/{name}")) is not None}


def _lies(path: str) -> tuple[int, int, int] | None:
    try:
        seen = os.lstat(path)
    except OSError:
        return None
    return seen.st_ino, seen.st_size, seen.st_mtime_ns


def _taken(path: str, name: str, status: Mapping[str, str]) -> bool:
    """Something that git does not know, and that the landing does not delete, lies where a new file comes or where one of its
    folders does."""
    parts = name.split("/")
    for count in range(1, len(parts)):
        above = "/".join(parts[:count])
        try:
            mode = os.lstat(f"{path}/{above}").st_mode
        except OSError:
            return False
        if not stat.S_ISDIR(mode):
            return status.get(above) != "D"
    if not os.path.isdir(f"{path}/{name}") or os.path.islink(f"{path}/{name}"):
        return os.path.lexists(f"{path}/{name}")
    below = (
        os.path.relpath(f"{folder}/{each}", path) for folder, _, names in os.walk(f"{path}/{name}") for each in names
    )
    return any(status.get(each) != "D" for each in below)


def _staged(there: TargetCheckout, beside: str, *, old: CommitId, new: CommitId) -> None:
    """The changed files and the next index, written beside. In an empty folder git writes what changes and nothing else."""
    os.makedirs(f"{beside}/{_NEW}")
    os.makedirs(f"{beside}/{_OLD}")
    env = _environment(there, index=f"{beside}/{_INDEX}", tree=f"{beside}/{_NEW}")
    try:
        execute(("read-tree", "-m", "-u", old, new), env, cwd=f"{beside}/{_NEW}", timeout_s=LONG_S)
    except GitFailed as error:
        raise Cut(f"its index does not go from {old[:12]} to {new[:12]}: {error.message}") from error


def _write_plan(beside: str, *, old: CommitId, new: CommitId, status: Mapping[str, str]) -> None:
    with open(f"{beside}/{_PLAN}.new", "w", encoding="utf-8") as file:
        json.dump({"old": old, "new": new, "status": status}, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(f"{beside}/{_PLAN}.new", f"{beside}/{_PLAN}")


def _swapped(path: str, beside: str, status: Mapping[str, str], seen: _Seen) -> tuple[str, ...]:
    """Put every file in place that is not there yet, deletions first; those that were not as they had been seen."""
    changed: list[str] = []
    for name in sorted(status, key=lambda each: (status[each] != "D", each)):
        here, kept, made = f"{path}/{name}", f"{beside}/{_OLD}/{name}", f"{beside}/{_NEW}/{name}"
        if status[name] != "D" and not os.path.lexists(made):
            continue  # in place already, or outside of what a sparse checkout has
        if os.path.lexists(here) and not os.path.lexists(kept):
            if seen and _lies(here) != seen.get(name):
                changed.append(name)
            _moved(here, kept)
        if status[name] == "D":
            _without_empty(path, name)
        else:
            _moved(made, here)
    return tuple(changed)


def _put_back(path: str, beside: str, status: Mapping[str, str]) -> None:
    """Everything as it was: what was put in place goes away again, what was there comes back."""
    for name in sorted(status, key=lambda each: (status[each] == "D", each)):
        here, kept, made = f"{path}/{name}", f"{beside}/{_OLD}/{name}", f"{beside}/{_NEW}/{name}"
        if status[name] != "D" and not os.path.lexists(made) and os.path.lexists(here):
            _moved(here, made)
            _without_empty(path, name)
    for name in status:
        here, kept = f"{path}/{name}", f"{beside}/{_OLD}/{name}"
        if os.path.lexists(kept) and not os.path.lexists(here):
            _moved(kept, here)


def _moved(old: str, new: str) -> None:
    os.makedirs(os.path.dirname(new), exist_ok=True)
    if os.path.isdir(new) and not os.path.islink(new):
        os.rmdir(new)  # an empty folder where a file comes; `_taken` has looked
    os.rename(old, new)


def _without_empty(path: str, name: str) -> None:
    """Remove the folders that a file left empty, as git does."""
    parts = name.split("/")[:-1]
    with suppress(OSError):
        while parts:
            os.rmdir(f"{path}/{'/'.join(parts)}")
            parts.pop()
