"""The worktrees of a repository, read from the disk: listed, and recognised as ours.

A worktree is ours if its administrative folder is in this repository, names the worktree's path, and is locked with our
reason. The lock's text also says how far it is: `MAKING` from git's very first step until its files are written, `MADE`
from then on. Nothing here changes anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from wt_orchestrate.adapters.gitrepo.configuration import configuration
from wt_orchestrate.adapters.gitrepo.objects.refs import IN_TABLES, commits_at, told_head
from wt_orchestrate.adapters.gitrepo.runner import Git
from wt_orchestrate.domain.ids import Branch, CommitId
from wt_orchestrate.ports.git.repository import WorktreeFacts

MAKING = "wt-orchestrate is creating it"
MADE = "wt-orchestrate uses it for an agent"


class PathState(StrEnum):
    """What is at a path where a worktree is to be."""

    FREE = "free"
    """Nothing, or an empty folder."""
    WORKTREE = "worktree"
    """A folder whose `.git` file and administrative folder name each other."""
    TORN = "torn"
    """A folder of ours without its `.git` file."""
    ORPHAN = "orphan"
    """A folder whose `.git` file names an administrative folder of this repository that is gone."""
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class WorktreeEntry:
    """An administrative folder and its content."""

    admin: str
    path: str
    reason: str
    head: str
    """The full ref it has checked out, or a commit id."""

    @property
    def ours(self) -> bool:
        return self.reason in (MAKING, MADE)

    @property
    def half_forgotten(self) -> bool:
        """Whether `forget` was interrupted: every other worktree has a HEAD."""
        return not self.head


def main_worktree(git: Git, start: str) -> str | None:
    """The main worktree; None for a bare repository, or if its place is unknown."""
    if configuration(git.git_dir).bare():
        return None
    if os.path.basename(git.git_dir) == ".git":
        return os.path.dirname(git.git_dir)
    # a git directory that lies elsewhere names no worktree; the folder we were started in may be in it
    folder = os.path.realpath(start)
    while not os.path.lexists(f"{folder}/.git") and folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
    named = named_by(f"{folder}/.git")
    return folder if named is not None and os.path.realpath(named) == git.git_dir else None


def looks_checked_out(common_dir: str) -> bool:
    """Whether a repository has files and an index around it, whatever its configuration says."""
    return os.path.basename(common_dir) == ".git" and os.path.exists(f"{common_dir}/index")


def facts(git: Git, main: str | None) -> Sequence[WorktreeFacts]:
    """All worktrees, the main one first; a bare repository is not one."""
    places = [(main, git.git_dir, head_of(git.git_dir))] if main is not None else []
    places += [(entry.path, entry.admin, entry.head) for entry in entries(git.git_dir)]
    heads = commits_at(git, sorted({head for _, _, head in places if head.startswith("refs/")}))
    return [_facts(path, admin, head, heads) for path, admin, head in places]


def _facts(path: str, admin: str, head: str, heads: Mapping[str, CommitId]) -> WorktreeFacts:
    named = head.startswith("refs/")
    return WorktreeFacts(
        path=path,
        branch=Branch(head.removeprefix("refs/heads/")) if named else None,
        head=heads.get(head) if named else CommitId(head) if head else None,
        git_dir=admin,
    )


def entries(common_dir: str) -> Iterator[WorktreeEntry]:
    """Every administrative folder that names a path."""
    above = f"{common_dir}/worktrees"
    for name in sorted(os.listdir(above)) if os.path.isdir(above) else ():
        admin = f"{above}/{name}"
        named = first_line(f"{admin}/gitdir")
        if named and not os.path.islink(admin):
            yield WorktreeEntry(
                admin=admin,
                path=os.path.realpath(os.path.dirname(os.path.join(admin, named))),
                reason=first_line(f"{admin}/locked"),
                head=head_of(admin),
            )


def entry_of(common_dir: str, path: str) -> WorktreeEntry | None:
    """The administrative folder that names this path."""
    real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    return next((entry for entry in entries(common_dir) if entry.path == real), None)


def linked_around(common_dir: str, start: str) -> WorktreeEntry | None:
    """The user's own linked worktree around a folder; None in the main one and in those of ours."""
    folder = os.path.realpath(start)
    while not os.path.lexists(f"{folder}/.git") and folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
    if not os.path.isfile(f"{folder}/.git"):
        return None
    found = entry_of(common_dir, folder)
    return found if found is not None and not found.ours and found.head else None


def holder(common_dir: str, ref: str, *, main: str | None) -> str | None:
    """The worktree that has a branch checked out."""
    if main is not None and head_of(common_dir) == ref:
        return main
    return next((entry.path for entry in entries(common_dir) if entry.head == ref), None)


def place(common_dir: str, path: str, entry: WorktreeEntry | None) -> PathState:
    """What is at a path, without following a link."""
    if not os.path.lexists(path):
        return PathState.FREE
    if os.path.islink(path) or not os.path.isdir(path):
        return PathState.FOREIGN
    named = named_by(f"{path}/.git")
    if named is None:
        if not os.listdir(path):
            return PathState.FREE
        torn = entry is not None and entry.ours and not os.path.lexists(f"{path}/.git")
        return PathState.TORN if torn else PathState.FOREIGN
    if entry is not None and os.path.realpath(named) == os.path.realpath(entry.admin):
        return PathState.WORKTREE
    lost = os.path.dirname(os.path.realpath(named)) == os.path.realpath(f"{common_dir}/worktrees")
    return PathState.ORPHAN if lost and entry is None and not os.path.exists(named) else PathState.FOREIGN


def named_by(file: str) -> str | None:
    """The git directory that a `.git` file names; None if it is not a plain file, or names none."""
    if os.path.islink(file) or not os.path.isfile(file):
        return None
    with open(file, encoding="utf-8", errors="surrogateescape", newline="\n") as opened:
        said = opened.read(1 << 16)
    if not said.startswith("gitdir: "):
        return None
    return os.path.normpath(os.path.join(os.path.dirname(file), said.removeprefix("gitdir: ").removesuffix("\n")))


def head_of(git_dir: str) -> str:
    """The full ref that a git directory's HEAD names, or a commit id; empty if it has none."""
    said = first_line(f"{git_dir}/HEAD")
    return told_head(git_dir) if said == IN_TABLES else said.removeprefix("ref: ")


def first_line(path: str) -> str:
    """The text of one of git's small files, without its last newline; empty if there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(descriptor, 1 << 16).decode("utf-8", "surrogateescape").removesuffix("\n")
        finally:
            os.close(descriptor)
    except OSError:
        return ""
