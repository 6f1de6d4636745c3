"""Where a crash may fall: in front of and behind every call of a port that changes something."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


class Crash(BaseException):
    """The supervisor dies at this instruction. Nothing may catch it but the simulation."""


@dataclass(slots=True)
class Faults:
    """Counts the steps; `armed` are the numbers of those at which the supervisor dies."""

    step: int = 0
    armed: frozenset[int] = frozenset()
    names: list[str] = field(default_factory=list)
    crashes: int = 0
    quiet: bool = False
    """While set, nothing is counted: somebody else than the supervisor is acting."""

    def reach(self, name: str) -> None:
        """Pass one step, or die at it."""
        if self.quiet:
            return
        self.step += 1
        self.names.append(name)
        if self.step in self.armed:
            self.crashes += 1
            raise Crash(f"at step {self.step}: {name}")

    @contextmanager
    def around(self, name: str) -> Iterator[None]:
        """A change of the outside world, which may be cut off before it or right after it."""
        self.reach(f"before {name}")
        yield
        self.reach(f"after {name}")

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Somebody else acts."""
        before, self.quiet = self.quiet, True
        try:
            yield
        finally:
            self.quiet = before
