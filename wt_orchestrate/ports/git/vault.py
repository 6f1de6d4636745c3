"""The port of the vault: our own bare repository, out of agents' reach, as the small ports that its districts
implement."""

from __future__ import annotations

from typing import Protocol

from wt_orchestrate.ports.git.checkouts import Checkouts
from wt_orchestrate.ports.git.commits import Commits
from wt_orchestrate.ports.git.conflicts import Conflicts
from wt_orchestrate.ports.git.forecast import Forecasts
from wt_orchestrate.ports.git.merges import Merges
from wt_orchestrate.ports.git.objects import Objects
from wt_orchestrate.ports.git.refs import Refs


class Vault(Protocol):
    """Where commits are kept, read, compared, merged and checked out. Code that needs only one of these asks for that
    port."""

    @property
    def path(self) -> str:
        """Its path."""

    def rest(self, idle_s: float) -> None:
        """Stop what it keeps running for the next question, where nobody has asked for so long."""

    @property
    def refs(self) -> Refs: ...

    @property
    def objects(self) -> Objects: ...

    @property
    def commits(self) -> Commits: ...

    @property
    def merges(self) -> Merges: ...

    @property
    def conflicts(self) -> Conflicts: ...

    @property
    def checkouts(self) -> Checkouts: ...

    @property
    def forecasts(self) -> Forecasts: ...

    def ensure(self) -> None:
        """Make it if it is missing."""
