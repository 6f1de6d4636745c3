"""The ports of a forge and of a remote repository: pull requests made, changed and read; branches pushed and fetched.

Everything from a forge is somebody's text: bounded, cleaned where it is shown, and data where it goes to an agent.
"""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from wt_orchestrate.domain.events.pull_requests import PullState
from wt_orchestrate.domain.ids import Branch, CommitId


class Proposal(Struct, frozen=True, kw_only=True):
    """A pull request as it should be. The body is Markdown, the title plain text."""

    branch: Branch
    base: Branch
    title: str
    body: str
    draft: bool = False
    labels: tuple[str, ...] = ()


class ForgePullRequest(Struct, frozen=True, kw_only=True):
    """A pull request as the forge has it."""

    number: int
    url: str
    base: Branch
    state: PullState
    draft: bool = False


class ForgeComment(Struct, frozen=True, kw_only=True):
    """A comment on it. `trusted`: its author may write to the repository; others are not passed on automatically."""

    id: str
    author: str
    trusted: bool
    text: str
    path: str = ""
    line: int = 0
    commit: CommitId | None = None


class Ran(Struct, frozen=True, kw_only=True):
    """A check of the forge on its head; only failed ones are reported."""

    id: str
    name: str
    url: str = ""
    summary: str = ""


class Feedback(Struct, frozen=True, kw_only=True):
    """The state of a pull request. `merge`: the commit that merged it, if the forge says so; `head`: its head now."""

    proposed: ForgePullRequest
    head: CommitId | None
    merge: CommitId | None = None
    said: tuple[ForgeComment, ...] = ()
    failed: tuple[Ran, ...] = ()
    running: int = 0


class Forge(Protocol):
    """One repository on a forge. Every method raises Refused if the forge refuses, WtError if it cannot be reached."""

    @property
    def name(self) -> str:
        """Its name for people."""

    def find(self, branch: Branch) -> ForgePullRequest | None:
        """The newest pull request from a branch of this repository."""

    def create(self, wanted: Proposal) -> ForgePullRequest:
        """Make one; its branch is pushed already."""

    def update(self, number: int, wanted: Proposal) -> ForgePullRequest:
        """Set its title, body and base, and add labels."""

    def feedback(self, number: int) -> Feedback:
        """Its comments, failed checks and state."""


class Remote(Protocol):
    """The repository to push to, in the user's environment."""

    @property
    def url(self) -> str:
        """Its URL, without credentials."""

    def head(self, branch: Branch) -> CommitId | None:
        """The commit of a branch there."""

    def push(
        self, *, commit: CommitId, branch: Branch, expected: CommitId | None, options: tuple[str, ...] = ()
    ) -> bool:
        """Push a branch, if it is still where it is expected (None: it does not exist there yet). False if it is not."""

    def remove(self, branch: Branch, *, expected: CommitId) -> bool:
        """Delete a branch there, if it is still where it is expected; whether it is gone."""

    def fetch(self, branch: Branch) -> CommitId | None:
        """Fetch a branch into the vault; its commit, or None."""

    def bring(self, commit: CommitId, *, of: Branch) -> bool:
        """Fetch a commit into the vault that was on a branch, which may be gone; whether it is there now."""
