"""Working trees looked at, or made, by the vault's git alone.

An agent's worktree is compared with a commit by an index of ours and the vault's configuration: nothing the agent wrote
(its index, config, attributes' programs, nested repositories) is consulted or run. Throwaway trees for checks belong to
the vault altogether.
"""

from __future__ import annotations

import os
import shutil

from wt_orchestrate.adapters.gitrepo.runner import Git, fields
from wt_orchestrate.adapters.gitrepo.worktrees import admin_dir
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.errors import GitFailed

_OWN = frozenset({"HANDOFF.md"})
_MARK = "wto-commit"


class Slots:
    """Trees beside the vault: `scratch` holds the throwaway ones."""

    def __init__(self, git: Git, scratch: str) -> None:
        self._git = git
        self._scratch = scratch

    # ------------------------------------------------------------ agents' worktrees

    def seed_index(self, worktree: str, head: CommitId, index: str) -> None:
        """Take over the fresh worktree's own index, whose file times are right; the commit it stands for is noted beside."""
        admin = admin_dir(worktree)
        if admin is None or not os.path.exists(f"{admin}/index"):
            return
        os.makedirs(os.path.dirname(index), exist_ok=True)
        shutil.copyfile(f"{admin}/index", f"{index}.new")
        os.rename(f"{index}.new", index)

    def dirty(self, worktree: str, head: CommitId, index: str) -> tuple[str, ...]:
        """Paths that differ from the commit, by our own index."""
        env = {"GIT_WORK_TREE": worktree, "GIT_INDEX_FILE": index, "GIT_OPTIONAL_LOCKS": "1"}
        # -m --aggressive would take from the old index what did not change; a damaged index is made anew
        try:
            self._git.run("read-tree", "--reset", "--end-of-options", head, env=env, cwd=worktree)
        except GitFailed:
            os.unlink(index)
            self._git.run("read-tree", "--reset", "--end-of-options", head, env=env, cwd=worktree)
        self._git.outcome("update-index", "-q", "--refresh", ok=(0, 1), env=env, cwd=worktree)
        arguments = ("ls-files", "-z", "-m", "-d", "-o", "--exclude-standard")
        output = self._git.run(*arguments, env=env, cwd=worktree)
        return tuple(sorted({name for name in fields(output) if name not in _OWN}))

    # ------------------------------------------------------------ throwaway trees

    def checkout(self, commit: CommitId, slot: str, *, keep: bool) -> str:
        """The tree of a commit in a slot: taken over, brought to the commit, or made anew when it is broken."""
        path = f"{self._scratch}/{slot}"
        mark = f"{self._scratch}/{slot}.{_MARK}"
        if keep and _read(mark) == commit and os.path.isdir(path):
            return path
        if os.path.exists(mark):
            os.unlink(mark)
        try:
            self._bring(commit, path)
        except GitFailed:
            shutil.rmtree(path, ignore_errors=True)
            self._bring(commit, path)
        with open(mark, "w", encoding="ascii") as file:
            file.write(commit)
        return path

    def _bring(self, commit: CommitId, path: str) -> None:
        admin = admin_dir(path)
        if admin is None or not os.path.isdir(admin):
            self._git.run("worktree", "add", "-f", "-q", "--detach", "--no-checkout", "--end-of-options", path, commit)
            admin = admin_dir(path)
        if admin is None:
            raise GitFailed(("worktree", "add", path), code=0, stderr="it left no .git file")
        if os.path.exists(f"{admin}/index.lock"):
            os.unlink(f"{admin}/index.lock")  # of a git of ours that was killed: nobody else uses this tree
        env = {"GIT_DIR": admin, "GIT_WORK_TREE": path, "GIT_OPTIONAL_LOCKS": "1"}
        self._git.run("reset", "--hard", "-q", commit, env=env, cwd=path)
        self._git.run("clean", "-ffdxq", env=env, cwd=path)


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except FileNotFoundError:
        return ""
