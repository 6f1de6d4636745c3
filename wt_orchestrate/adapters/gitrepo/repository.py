"""The user's repository: looked at, given worktrees and refs of ours, and moved forward when landing.

In it the tool only fetches from the vault, adds and removes its own worktrees and branches, and moves refs it owns, or the
target when landing, by compare-and-swap. It never writes the shared configuration, never collects garbage, never touches
the user's checkout except to take a clean one along when its branch is landed on.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from wt_orchestrate.adapters.gitrepo.discovery import find_common_dir
from wt_orchestrate.adapters.gitrepo.included import copy_included
from wt_orchestrate.adapters.gitrepo.runner import Git
from wt_orchestrate.adapters.gitrepo.worktrees import Worktrees
from wt_orchestrate.domain.ids import Branch, CommitId, branch_ref
from wt_orchestrate.errors import GitFailed, Refused
from wt_orchestrate.ports import Landed, Removed, RepositoryFacts, WorktreeFacts

NEEDED = (2, 38, 0)


class GitRepository:
    """The repository around a folder. `lock_path` is the file lock that adds, removes and prunes of worktrees share."""

    def __init__(self, start: str, *, lock_path: str) -> None:
        self.common_dir = find_common_dir(start)
        self._git = Git(self.common_dir)
        self._worktrees = Worktrees(self._git, lock_path)

    # ------------------------------------------------------------ looking

    def facts(self) -> RepositoryFacts:
        """Look at it. Raises Refused when git is too old."""
        version = git_version(self._git)
        if version < NEEDED:
            raise Refused(
                f"git {'.'.join(map(str, version))} is too old: merging in memory needs 2.38",
                hint="install git 2.38 or newer",
            )
        main = self._worktrees.main()
        branch = self._head_branch()
        name = os.path.basename(main or self.common_dir).removesuffix(".git") or "repository"
        return RepositoryFacts(
            common_dir=self.common_dir,
            main_worktree=main,
            branch=branch,
            head=self.resolve(branch) if branch is not None else self._commit("HEAD"),
            git_version=version,
            submodules=main is not None and os.path.lexists(f"{main}/.gitmodules"),
            shallow=os.path.exists(f"{self.common_dir}/shallow"),
            name=name,
        )

    def _head_branch(self) -> Branch | None:
        code, output = self._git.outcome("symbolic-ref", "-q", "HEAD", ok=(0, 1, 128))
        ref = output.decode(errors="surrogateescape").strip()
        return Branch(ref.removeprefix("refs/heads/")) if code == 0 and ref.startswith("refs/heads/") else None

    def resolve(self, branch: Branch) -> CommitId | None:
        """The commit a branch points at."""
        return self._commit(branch_ref(branch))

    def _commit(self, ref: str) -> CommitId | None:
        code, output = self._git.outcome(
            "rev-parse", "--verify", "-q", "--end-of-options", f"{ref}^{{commit}}", ok=(0, 1, 128)
        )
        return CommitId(output.decode().strip()) if code == 0 else None

    def heads(self, prefix: str) -> Mapping[Branch, CommitId]:
        """All branches below a prefix such as `wto/r7/`."""
        output = self._git.run("for-each-ref", "--format=%(objectname)%00%(refname)", f"refs/heads/{prefix}")
        found: dict[Branch, CommitId] = {}
        for line in output.decode(errors="surrogateescape").splitlines():
            commit, _, ref = line.partition("\0")
            found[Branch(ref.removeprefix("refs/heads/"))] = CommitId(commit)
        return found

    def worktrees(self) -> Sequence[WorktreeFacts]:
        """All worktrees, the main one first."""
        return self._worktrees.listed()

    # ------------------------------------------------------------ worktrees and branches of ours

    def exclude(self, patterns: Sequence[str]) -> bool:
        """Keep these names out of everybody's `git status` here (info/exclude); whether anything was added."""
        path = f"{self.common_dir}/info/exclude"
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                text = file.read()
        except FileNotFoundError:
            text = ""
        missing = [pattern for pattern in patterns if pattern not in text.splitlines()]
        if not missing:
            return False
        os.makedirs(os.path.dirname(path), exist_ok=True)
        beside = f"{path}.wto"
        with open(beside, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(
                text + ("\n" if text and not text.endswith("\n") else "") + "".join(f"{each}\n" for each in missing)
            )
        os.rename(beside, path)
        return True

    def add_worktree(self, *, path: str, branch: Branch, base: CommitId) -> None:
        """Make the worktree with its branch at base, complete a half-made one, or leave it as it is."""
        self._worktrees.add(path=path, branch=branch, base=base, known=self.resolve(branch))

    def copy_included(self, *, path: str) -> int:
        """Copy the ignored files that `.worktreeinclude` names from the main worktree."""
        main = self._worktrees.main()
        return copy_included(self._git, main, path) if main is not None else 0

    def remove_worktree(self, *, path: str, trash: str, force: bool = False) -> Removed:
        """Move a clean worktree of ours into `trash` and forget it in git; its branch stays."""
        return self._worktrees.remove(path=path, trash=trash, force=force)

    def delete_branch(self, branch: Branch, *, expected: CommitId) -> bool:
        """Delete a branch of ours if it still points there."""
        return self._update(f"delete {branch_ref(branch)}\0{expected}\0")

    def publish(self, *, vault: str, branch: Branch, new: CommitId, expected: CommitId | None) -> bool:
        """Bring a commit over from the vault and point a branch of ours at it, by compare-and-swap."""
        if self.resolve(branch) == new:
            return True
        if not self._has(new):
            self._git.run(
                "fetch", "-q", "--no-write-fetch-head", "--no-tags", "--no-auto-maintenance", "--no-recurse-submodules",
                "--refmap=", "--upload-pack=git-upload-pack", "--end-of-options", vault, new,
            )  # fmt: skip
        return self._update(f"update {branch_ref(branch)}\0{new}\0{expected or '0' * len(new)}\0")

    def _has(self, commit: CommitId) -> bool:
        return self._git.outcome("cat-file", "-e", f"{commit}^{{commit}}", ok=(0, 1, 128))[0] == 0

    def _update(self, instruction: str) -> bool:
        """One ref, by compare-and-swap; False when it is no longer what was expected."""
        try:
            self._git.run(
                "update-ref", "-m", "wto", "--stdin", "-z", stdin=instruction.encode(errors="surrogateescape")
            )
        except GitFailed:
            return False
        return True

    # ------------------------------------------------------------ landing

    def land(self, *, target: Branch, new: CommitId, expected: CommitId) -> Landed:
        """Move the target forward to a commit that is already in the repository, taking a clean checkout along."""
        from wt_orchestrate.adapters.gitrepo.landing import land  # GitPython, which only this one command pays for

        return land(self._git, self._worktrees, target=target, new=new, expected=expected, update=self._update)


def git_version(git: Git) -> tuple[int, int, int]:
    """The version of git, such as (2, 39, 5)."""
    words = git.line("version").split()
    numbers = [int(part) for part in words[2].split(".")[:3] if part.isdigit()] if len(words) > 2 else []
    major, minor, patch = (*numbers, 0, 0, 0)[:3]
    return major, minor, patch
