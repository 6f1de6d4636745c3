"""The user's repository: read, given our worktrees and refs, and moved forward when landing.

The tool only fetches into it from the vault, adds and removes its own worktrees and branches, and moves refs it owns,
or the target when landing, by compare-and-swap. It writes one key into the shared configuration (`hooks/agent.py` says
which and why), never collects garbage, and touches the user's checkout only to update a clean one when its branch is
landed on. Everything is found from the common git directory, which is looked up once and pinned.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from wt_orchestrate.adapters.gitrepo.discovery import find_common_dir
from wt_orchestrate.adapters.gitrepo.files.git_locks import removed_when_old
from wt_orchestrate.adapters.gitrepo.hooks import agent
from wt_orchestrate.adapters.gitrepo.objects.fetch import FETCH
from wt_orchestrate.adapters.gitrepo.objects.refs import commits_at, swap
from wt_orchestrate.adapters.gitrepo.objects.session import Served, served
from wt_orchestrate.adapters.gitrepo.runner import LONG_S, Git, input_lines, text
from wt_orchestrate.adapters.gitrepo.target.checkout import TargetCheckout, cut_off, undone
from wt_orchestrate.adapters.gitrepo.target.record import Marks, record
from wt_orchestrate.adapters.gitrepo.worktree import add, include_file, listing, remove
from wt_orchestrate.adapters.gitrepo.worktree.checkout import fill, passed_on, reading_settings, sparse_settings
from wt_orchestrate.adapters.gitrepo.worktree.private_gitdir import copy_or_remove, set_apart
from wt_orchestrate.adapters.gitrepo.worktree.reached import Reflogs
from wt_orchestrate.adapters.gitrepo.worktree.submodules import fill_submodules
from wt_orchestrate.domain.ids import Branch, CommitId, branch_ref
from wt_orchestrate.errors import GitFailed, Refused
from wt_orchestrate.osfiles.atomic import replace_file
from wt_orchestrate.osfiles.locks import locked
from wt_orchestrate.ports.git.merges import Person
from wt_orchestrate.ports.git.repository import Guard, LandResult, Reached, Removed, RepositoryFacts, WorktreeFacts
from wt_orchestrate.resources import resource

NEEDED = (2, 38, 0)
"""The first git version that merges in memory."""


@dataclass(frozen=True, slots=True)
class LandingFrom:
    """What a landing is made from: git on the vault, and the hooks and attributes as they were recorded. What is empty is
    taken from the repository itself."""

    vault: Git | None = None
    hooks: str = ""
    attributes: str = ""
    record: str = ""
    """The folder of all that was recorded, for how files are written."""
    reached: Callable[[str], None] = lambda point: None


FROM_ITSELF = LandingFrom()


class GitRepository:
    """The repository around the folder `start`. `lock_path` is the file lock that adds and removals of worktrees share;
    beside it lie the two locks for filling and a git directory of ours (see `apart`)."""

    def __init__(self, start: str, *, lock_path: str, common_dir: str = "", landing: LandingFrom = FROM_ITSELF) -> None:
        self._start = start
        self.landing = landing
        self._lock_path = lock_path
        self._found = common_dir

    @cached_property
    def common_dir(self) -> str:
        """The common git directory."""
        return self._found or find_common_dir(self._start)

    @cached_property
    def _git(self) -> Served:
        return served(self.common_dir)

    @cached_property
    def _apart(self) -> Git:
        return set_apart(f"{self._lock_path}.git", common_dir=self.common_dir)

    @cached_property
    def _main(self) -> str | None:
        return listing.main_worktree(self._git, self._start)

    @cached_property
    def _version(self) -> tuple[int, int, int]:
        return git_version(self._git)

    def rest(self, idle_s: float = 0.0) -> None:
        """Stop the git processes that nobody has asked for so long."""
        self._git.sessions.rest(idle_s)

    # ------------------------------------------------------------ looking

    def facts(self) -> RepositoryFacts:
        """What it is. Raises Refused if git is too old or it is not a repository."""
        version = self._version
        if version < NEEDED:
            raise Refused(
                f"git {'.'.join(map(str, version))} is too old: git 2.38 or newer is needed",
                hint="install git 2.38 or newer",
            )
        if self._main is None and listing.looks_checked_out(self.common_dir):
            above = os.path.dirname(self.common_dir)
            raise Refused(
                f"the configuration calls {above} bare (core.bare is true), but it is a checkout with an index",
                hint=f"git -C {above} config core.bare false, if nothing else set it on purpose",
            )
        linked = listing.linked_around(self.common_dir, self._start)
        branch, commit = self._checked_out(linked.admin if linked is not None else self.common_dir)
        return RepositoryFacts(
            common_dir=self.common_dir,
            main_worktree=self._main,
            branch=branch,
            head=commit,
            linked=linked.path if linked is not None else "",
            main_head=self._checked_out(self.common_dir)[1] if linked is not None else commit,
            git_version=version,
            shallow=os.path.exists(f"{self.common_dir}/shallow"),
            name=_name(self._main, self.common_dir),
        )

    def _checked_out(self, git_dir: str) -> tuple[Branch | None, CommitId | None]:
        """The branch and the commit that a worktree is on."""
        head = listing.head_of(git_dir)
        branch = Branch(head.removeprefix("refs/heads/")) if head.startswith("refs/heads/") else None
        return branch, self.resolve(branch) if branch is not None else CommitId(head)

    def resolve(self, branch: Branch) -> CommitId | None:
        """The commit a branch points at."""
        return commits_at(self._git, (branch_ref(branch),)).get(branch_ref(branch))

    def heads(self, prefix: str) -> Mapping[Branch, CommitId]:
        """All branches below a prefix such as `wto/r7/`."""
        whole = branch_ref(Branch(prefix))
        found = commits_at(self._git, (whole.rpartition("/")[0] + "/",), below=True)
        return {Branch(ref.removeprefix("refs/heads/")): at for ref, at in found.items() if ref.startswith(whole)}

    def worktrees(self) -> Sequence[WorktreeFacts]:
        """All worktrees, the main one first."""
        return listing.facts(self._git, self._main)

    # ------------------------------------------------------------ worktrees and branches of ours

    def exclude(self, patterns: Sequence[str]) -> bool:
        """Keep these names out of everybody's `git status` here (info/exclude); whether anything was added."""
        path = f"{self.common_dir}/info/exclude"
        known = ""
        if os.path.exists(path):
            with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
                known = file.read()
        missing = [pattern for pattern in patterns if pattern not in known.splitlines()]
        if not missing:
            return False
        os.makedirs(os.path.dirname(path), exist_ok=True)
        ended = known + ("\n" if known and not known.endswith("\n") else "")
        replace_file(path, ended + "".join(f"{pattern}\n" for pattern in missing), durable=True)
        return True

    def add_worktree(self, *, path: str, branch: Branch, base: CommitId) -> None:
        """Make the worktree with its branch at base, complete a half-made one, or leave it as it is."""
        add.make(
            self._git, path=path, branch=branch, base=base, main=self._main, lock_path=self._lock_path, fill=self._fill
        )

    def _fill(self, entry: listing.WorktreeEntry, commit: CommitId) -> None:
        slots = (f"{self._lock_path}.0", f"{self._lock_path}.1")
        fill(
            self._apart,
            worktree=entry.path,
            admin=entry.admin,
            commit=commit,
            settings=passed_on(self.common_dir, self.landing.record),
            common_dir=self.common_dir,
            slots=slots,
        )
        fill_submodules(self._apart, path=entry.path, commit=commit, common_dir=self.common_dir, again=False)

    def guard_worktree(self, *, path: str, guard: Guard, owned: Sequence[tuple[str, str]]) -> bool:
        """Install our hooks before the repository's own in this worktree, or update them."""
        entry = listing.entry_of(self.common_dir, path)
        if entry is None:
            return False
        agent.write_scopes(guard.scopes, owned)
        with locked(self._lock_path):
            try:
                return agent.guard(
                    self._git,
                    worktree=path,
                    admin=entry.admin,
                    wanted=guard,
                    shim=resource("hooks", "worktree", "guard"),
                    mark=self._extension_mark,
                )
            except GitFailed:
                return (
                    False  # the shared configuration is locked or broken: they are feedback, and nothing relies on them
                )

    def refresh_guard(self, *, path: str, guard: Guard, owned: Sequence[tuple[str, str]]) -> None:
        """Update installed hooks; no file that an agent could have replaced is written."""
        if not os.path.isdir(guard.folder):
            return
        agent.write_scopes(guard.scopes, owned)
        with suppress(GitFailed):
            agent.refresh(self._git, worktree=path, wanted=guard, shim=resource("hooks", "worktree", "guard"))

    def remove_guard(self, folder: str) -> None:
        """Remove the folder of a worktree's hooks."""
        agent.unguard(folder)

    def copy_included(self, *, path: str) -> int:
        """Copy the ignored files that `.worktreeinclude` names from the main worktree; returns how many."""
        if self._main is None:
            return 0
        never = tuple(entry.path for entry in listing.entries(self.common_dir))
        return include_file.bring_along(common_dir=self.common_dir, main=self._main, path=path, never=never)

    def remove_worktree(self, *, path: str, trash: str, force: bool = False) -> Removed:
        """Move a clean worktree of ours into `trash` and forget it in git; its branch stays."""
        removed = remove.remove(
            self._git,
            self._apart,
            path=path,
            trash=trash,
            force=force,
            lock_path=self._lock_path,
            settings=reading_settings(self.common_dir, self.landing.record),
        )
        with locked(self._lock_path), suppress(GitFailed):
            agent.undo_extension(self._git, self._extension_mark)
        return removed

    @property
    def _extension_mark(self) -> str:
        return f"{self._lock_path}.worktree-config"

    def delete_branch(self, branch: Branch, *, expected: CommitId) -> bool:
        """Delete a branch of ours if it still points there; one that a worktree has checked out stays."""
        if self._held(branch):
            return False
        return swap(self._git, branch_ref(branch), new=None, old=expected)

    def publish(self, *, vault: str, branch: Branch, new: CommitId, expected: CommitId | None) -> bool:
        """Fetch a commit from the vault and point a branch of ours at it, by compare-and-swap; True if it is there. A
        branch that is checked out somewhere only gets the commit: moving it would make that checkout look modified."""
        if self.resolve(branch) == new and self._whole(new, than=new):
            return True
        held = expected is None and new in self.heads("").values()
        if not held:
            self._bring(vault, new)
        if self.resolve(branch) == new:
            return True
        if self._held(branch) or not swap(self._git, branch_ref(branch), new=new, old=expected):
            return False
        if not held and not self._whole(
            new, than=expected
        ):  # a gc that prunes at once took it away before the branch held it
            self._bring_all(vault, new)
        return True

    def _bring(self, vault: str, commit: CommitId) -> None:
        """Fetch a commit of ours from the vault; all of its history if something is missing here."""
        try:
            self._git.run(*FETCH, vault, stdin=input_lines((commit,)), timeout_s=LONG_S)
        except GitFailed:
            self._bring_all(vault, commit)

    def _bring_all(self, vault: str, commit: CommitId) -> None:
        options = (FETCH[0], "--refetch", *FETCH[1:])
        self._git.run(*options, vault, stdin=input_lines((commit,)), timeout_s=LONG_S)

    def _whole(self, commit: CommitId, *, than: CommitId | None) -> bool:
        """Whether everything that a commit has more than another one is here."""
        more = (f"^{than}",) if than is not None else ()
        code, _ = self._git.outcome("rev-list", "--objects", "--quiet", commit, *more, ok=(0, 1, 128), timeout_s=LONG_S)
        return code == 0

    def restore_branch(self, *, vault: str, branch: Branch, head: CommitId) -> bool:
        """Make a deleted branch of ours again, also under a worktree that has it checked out; False if it exists,
        wherever it points."""
        self._bring(vault, head)
        return self.resolve(branch) is None and swap(self._git, branch_ref(branch), new=head, old=None)

    def unlock_worktree(self, *, path: str, branch: Branch) -> tuple[str, ...]:
        """Remove git's lock files that a killed git left in a worktree of ours and at its branch."""
        entry = listing.entry_of(self.common_dir, path)
        if entry is None or not entry.ours:
            return ()
        names = (
            f"{entry.admin}/index.lock",
            f"{entry.admin}/HEAD.lock",
            f"{self.common_dir}/{branch_ref(branch)}.lock",
        )
        return tuple(name for name in names if removed_when_old(name))

    def has_worktree(self, path: str) -> bool:
        """Whether a worktree exists: two looks at the disk, for every poll."""
        return os.path.lexists(f"{path}/.git") and os.path.isdir(path)

    @cached_property
    def _marks(self) -> Marks:
        return Marks(self.common_dir)

    def marks(self) -> Mapping[str, str]:
        """What git would act on here, by name."""
        return self._marks.now()

    def record(self, folder: str) -> None:
        """Write down what git would act on here, with the hooks and attributes that landings go by."""
        record(self.common_dir, self._main, folder)

    @cached_property
    def _reflogs(self) -> Reflogs:
        return Reflogs(self.common_dir)

    def reached(self, worktrees: Mapping[str, Branch]) -> Mapping[str, Reached]:
        """For each worktree of ours, given with its branch, where its work may be."""
        return self._reflogs.reached(worktrees)

    def branch_with(self, commit: CommitId, *, besides: Branch) -> Branch | None:
        """Another branch that holds a commit."""
        arguments = ("for-each-ref", "--format=%(refname)", f"--contains={commit}", "--", "refs/heads/")
        _, output = self._git.outcome(*arguments, ok=(0, 1, 128, 129))
        names = (Branch(ref.removeprefix("refs/heads/")) for ref in text(output).splitlines())
        return next((name for name in names if name != besides), None)

    def take_over(self, *, path: str, vault: str, branch: Branch, new: CommitId, expected: CommitId | None) -> bool:
        """Point a worktree of ours and its branch at commits that were made elsewhere."""
        entry = listing.entry_of(self.common_dir, path)
        if entry is None or not entry.ours:
            raise Refused(f"{path} is not a worktree of ours any more", hint="wto status")
        self._bring(vault, new)
        if self.resolve(branch) != new and not swap(self._git, branch_ref(branch), new=new, old=expected):
            return False
        with locked(entry.path):
            self._fill(entry, new)
            add.name_head(entry, branch)
        return True

    def _held(self, branch: Branch) -> bool:
        return listing.holder(self.common_dir, branch_ref(branch), main=self._main) is not None

    # ------------------------------------------------------------ landing

    def land(
        self, *, target: Branch, new: CommitId, expected: CommitId, dry: bool = False, hooks: bool = True
    ) -> LandResult:
        """Move the target forward, taking a clean checkout along; with `dry` only look what stands against it."""
        from wt_orchestrate.adapters.gitrepo.target.land import Move, land

        return land(
            self._git,
            Move(target, new, expected),
            objects=self.landing.vault or self._git,
            worktrees=self.worktrees(),
            checkout=lambda holder: self._checkout(holder, dry=dry),
            swap=lambda: swap(self._git, branch_ref(target), new=new, old=expected),
            hooks=(self.landing.hooks or f"{self.common_dir}/hooks") if hooks else "/dev/null",
            dry=dry,
        )

    def person(self) -> Person:
        """Who the user is to git here, and how they sign."""
        from wt_orchestrate.adapters.gitrepo.target.person import person

        return person(self.common_dir, self._main, self.landing.record)

    def finish_landing(self, *, target: Branch) -> None:
        """Finish or undo a landing that was cut off while it wrote a checkout of the target."""
        places = [(self._main, self.common_dir)] if self._main is not None else []
        places += [(entry.path, entry.admin) for entry in listing.entries(self.common_dir) if not entry.ours]
        for path, git_dir in places:
            if cut_off(path, git_dir):
                undone(path, git_dir, at=self.resolve(target) or "")

    def _checkout(self, holder: WorktreeFacts, *, dry: bool) -> TargetCheckout:
        folder = f"{self._lock_path}.{'look' if dry else 'landing'}.git"
        apart = set_apart(folder, common_dir=self.common_dir)
        sparse = f"{holder.git_dir}/info/sparse-checkout"
        copy_or_remove(sparse, f"{folder}/info/sparse-checkout")
        copy_or_remove(self.landing.attributes or f"{self.common_dir}/info/attributes", f"{folder}/info/attributes")
        objects = self.landing.vault or self._git
        return TargetCheckout(
            path=holder.path,
            git_dir=holder.git_dir,
            apart=apart.at({"GIT_OBJECT_DIRECTORY": f"{objects.git_dir}/objects"}),
            objects=objects,
            settings={
                **passed_on(self.common_dir, self.landing.record),
                **sparse_settings(self.common_dir, holder.git_dir),
            },
            reached=self.landing.reached,
        )


def git_version(git: Git) -> tuple[int, int, int]:
    """The version of git, such as (2, 39, 5)."""
    numbers = re.match(r"git version (\d+)\.(\d+)(?:\.(\d+))?", git.line("version"))
    if numbers is None:
        raise Refused("git does not report its version", hint="install git 2.38 or newer")
    return int(numbers[1]), int(numbers[2]), int(numbers[3] or 0)


def _name(main: str | None, common_dir: str) -> str:
    above = main or (os.path.dirname(common_dir) if os.path.basename(common_dir).startswith(".") else common_dir)
    return os.path.basename(above).removesuffix(".git") or "repository"
