"""Worktrees in the user's repository: made, found, completed after a crash, and removed without losing anything.

git's own adds, removes and prunes race with each other (3 to 11 % fail), so ours share one file lock; filling the files is
done outside it, two at a time. A worktree is recognised by the administrative folder that its `.git` file names and that
names it back; anything else at that path is somebody else's and is left alone. Nothing is ever pruned.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from wt_orchestrate.adapters.gitrepo.runner import Git, execute, users_environment
from wt_orchestrate.domain.ids import Branch, CommitId, branch_ref
from wt_orchestrate.errors import Refused
from wt_orchestrate.ports import Removed, RemoveOutcome, WorktreeFacts

_SLOTS = 2
_REASON = "in use by wt-orchestrate"


class Worktrees:
    """The worktrees of one repository."""

    def __init__(self, git: Git, lock_path: str) -> None:
        self._git = git
        self._lock_path = lock_path

    def main(self) -> str | None:
        """The main worktree; None for a bare repository."""
        return next((each.path for each in self.listed() if each.git_dir == self._git.git_dir), None)

    def listed(self) -> Sequence[WorktreeFacts]:
        """All worktrees, the main one first; a bare repository is not one."""
        found: list[WorktreeFacts] = []
        records = self._git.run("worktree", "list", "--porcelain", "-z").decode(errors="surrogateescape").split("\0\0")
        for number, record in enumerate(filter(None, records)):
            values = dict(line.partition(" ")[::2] for line in record.split("\0") if line)
            if "bare" in values:
                continue
            path = values["worktree"]
            ref, head = values.get("branch", ""), values.get("HEAD", "")
            found.append(
                WorktreeFacts(
                    path=path,
                    branch=Branch(ref.removeprefix("refs/heads/")) if ref else None,
                    head=CommitId(head) if head.strip("0") else None,
                    git_dir=self._git.git_dir if number == 0 else (admin_dir(path) or ""),
                )
            )
        return found

    # ------------------------------------------------------------ making

    def add(self, *, path: str, branch: Branch, base: CommitId, known: CommitId | None) -> None:
        """Make it, complete it, or leave it; `known` is where the branch points already."""
        with self._locked():
            state = self._state(path, branch)
            if state == "foreign":
                raise Refused(
                    f"{path} exists and is not a worktree of this run",
                    hint=f"move it away, or set worktrees: in .wto/config.yaml ({branch})",
                )
            if state == "absent":
                self._forget_lost(path)
                self._register(path, branch, base, known)
        self._fill(path)

    def _state(self, path: str, branch: Branch) -> str:
        """`absent` (or empty), `ours`, or `foreign`."""
        if not os.path.lexists(path):
            return "absent"
        if os.path.islink(path) or not os.path.isdir(path):
            return "foreign"
        if not os.listdir(path):
            return "absent"
        admin = admin_dir(path)
        if admin is None or not self._is_ours(admin, path):
            return "foreign"
        try:
            with open(f"{admin}/HEAD", encoding="utf-8", errors="surrogateescape") as file:
                head = file.read().strip()
        except FileNotFoundError:
            head = ""
        return "ours" if head == f"ref: {branch_ref(branch)}" else "foreign"

    def _is_ours(self, admin: str, path: str) -> bool:
        """The administrative folder lies in this repository and names the path back."""
        above = os.path.realpath(f"{self._git.git_dir}/worktrees")
        if os.path.dirname(os.path.realpath(admin)) != above:
            return False
        try:
            with open(f"{admin}/gitdir", encoding="utf-8", errors="surrogateescape") as file:
                named = os.path.dirname(file.read().strip())
        except FileNotFoundError:
            return False
        return os.path.realpath(named) == os.path.realpath(path)

    def _forget_lost(self, path: str) -> None:
        """Remove the administrative folder of a worktree at this very path whose files are gone."""
        above = f"{self._git.git_dir}/worktrees"
        for name in os.listdir(above) if os.path.isdir(above) else ():
            admin = f"{above}/{name}"
            if self._is_ours(admin, path):
                shutil.rmtree(admin)

    def _register(self, path: str, branch: Branch, base: CommitId, known: CommitId | None) -> None:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        new = ("-b", branch) if known is None else ()
        start = base if known is None else branch
        self._git.run(
            "worktree",
            "add",
            "-q",
            "--no-checkout",
            "--lock",
            "--reason",
            _REASON,
            *new,
            "--end-of-options",
            path,
            start,
        )

    def _fill(self, path: str) -> None:
        """Write the files of a worktree that has none yet; a marker tells a finished one from one cut off."""
        admin = admin_dir(path)
        if admin is None:
            raise Refused(f"{path} lost its .git file", hint="wto resume makes it again once the folder is moved away")
        marker = f"{admin}/wto-filled"
        if os.path.exists(marker):
            return
        with self._slot():
            if os.path.exists(f"{admin}/index.lock"):
                os.unlink(
                    f"{admin}/index.lock"
                )  # of our own fill that was cut off: nobody else knows this worktree yet
            env = {**users_environment(), "GIT_DIR": admin, "GIT_WORK_TREE": path}
            execute(("read-tree", "--reset", "-u", "HEAD"), env, cwd=path)
            with open(marker, "w", encoding="ascii"):
                pass

    # ------------------------------------------------------------ removing

    def remove(self, *, path: str, trash: str, force: bool) -> Removed:
        """Move it into the trash, then forget it in git."""
        if not os.path.lexists(path):
            with self._locked():
                self._forget_lost(path)
            return Removed(outcome=RemoveOutcome.ABSENT)
        admin = None if os.path.islink(path) else admin_dir(path)
        if admin is None or not self._is_ours(admin, path):
            return Removed(outcome=RemoveOutcome.UNSAFE)
        if not force:
            dirty = self._dirty(path, admin)
            if dirty:
                return Removed(outcome=RemoveOutcome.DIRTY, paths=dirty)
        with self._locked():
            os.makedirs(os.path.dirname(trash), exist_ok=True)
            os.rename(path, trash)
            shutil.rmtree(admin)
        return Removed(outcome=RemoveOutcome.REMOVED, trash=trash)

    def _dirty(self, path: str, admin: str) -> tuple[str, ...]:
        """Uncommitted paths, by an index of our own made from HEAD, so that no bit an agent set hides one."""
        index = f"{admin}/wto-index"
        try:
            git = Git(self._git.git_dir, env={"GIT_DIR": admin, "GIT_WORK_TREE": path, "GIT_INDEX_FILE": index})
            git.run("read-tree", "HEAD", cwd=path)
            git.outcome("update-index", "-q", "--refresh", ok=(0, 1), cwd=path)
            output = git.run("ls-files", "-z", "-m", "-d", "-o", "--exclude-standard", cwd=path)
        finally:
            if os.path.exists(index):
                os.unlink(index)
        names = {part.decode(errors="surrogateescape") for part in output.split(b"\0") if part}
        return tuple(sorted(names - {"HANDOFF.md"}))

    # ------------------------------------------------------------ locks

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with _flock(self._lock_path):
            yield

    @contextmanager
    def _slot(self) -> Iterator[None]:
        """One of the two places for filling files; the second checkout on a disk still pays, a third one does not."""
        for number in range(_SLOTS):
            descriptor = os.open(f"{self._lock_path}.{number}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                last = number == _SLOTS - 1
                fcntl.flock(descriptor, fcntl.LOCK_EX if last else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                continue
            try:
                yield
            finally:
                os.close(descriptor)
            return


@contextmanager
def _flock(path: str) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def admin_dir(path: str) -> str | None:
    """The administrative folder that a worktree's `.git` file names; None when there is no such plain file."""
    name = f"{path}/.git"
    if os.path.islink(name) or not os.path.isfile(name):
        return None
    with open(name, encoding="utf-8", errors="surrogateescape") as file:
        text = file.read(8192)
    if not text.startswith("gitdir: "):
        return None
    return os.path.normpath(os.path.join(path, text.removeprefix("gitdir: ").strip()))
