"""What the engine needs of a forge and of a remote repository: pull requests made, changed and read; branches pushed and fetched.

Everything that comes from a forge is somebody's text: bounded, cleaned where it is shown, and data where it goes to an agent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from wt_orchestrate.domain.events.pull_requests import PullState
from wt_orchestrate.domain.ids import Branch, CommitId


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A pull request as it should be. Texts are Markdown for the body, plain for the title."""

    branch: Branch
    base: Branch
    title: str
    body: str
    draft: bool = False
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """A pull request as the forge has it."""

    number: int
    url: str
    base: Branch
    state: PullState
    draft: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A comment on it. `trusted`: its author may write to the repository; nobody else is listened to by himself."""

    id: str
    author: str
    trusted: bool
    text: str
    path: str = ""
    line: int = 0
    commit: CommitId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A check of the forge on its head, of which only those that failed are told."""

    id: str
    name: str
    url: str = ""
    summary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What became of it. `merge` is the commit that merged it, where the forge tells; `head` the one that it has now."""

    proposed: Proposed
    head: CommitId | None
    merge: CommitId | None = None
    said: tuple[Said, ...] = ()
    failed: tuple[Ran, ...] = ()
    running: int = 0


class Forge(Protocol):
    """One repository on a forge. Every method raises Refused when the forge says no, WtError when it cannot be reached."""

    @property
    def name(self) -> str:
        """What it is, for people."""

    def find(self, branch: Branch) -> Proposed | None:
        """The newest pull request from a branch of this repository."""

    def create(self, wanted: Proposal) -> Proposed:
        """Make one; its branch is pushed already."""

    def update(self, number: int, wanted: Proposal) -> Proposed:
        """Give it this title, body and base, and further labels."""

    def feedback(self, number: int) -> Feedback:
        """What was said and checked, and what became of it."""


class Remote(Protocol):
    """The repository that is pushed to, in the environment of the user."""

    @property
    def url(self) -> str:
        """Where it is, without credentials."""

    def head(self, branch: Branch) -> CommitId | None:
        """Where a branch is there now."""

    def push(
        self, *, commit: CommitId, branch: Branch, expected: CommitId | None, options: tuple[str, ...] = ()
    ) -> bool:
        """Put a branch there, if it is still where it is expected (None: not there yet). False when it is not."""

    def remove(self, branch: Branch, *, expected: CommitId) -> bool:
        """Take a branch away there, if it is still where it is expected; whether it is gone."""

    def fetch(self, branch: Branch) -> CommitId | None:
        """Bring a branch into the vault; where it is, or None."""

    def bring(self, commit: CommitId, *, of: Branch) -> bool:
        """Bring a commit into the vault that was on a branch, which may be gone; whether it came."""
