"""Errors for failures that the caller cannot go on from, and the exit code of each.

A failed check, a merge conflict or an agent that exits badly are outcomes and are events; they are never errors here.
Every `WtError` is written for a person: what is wrong and where, then what to do. `InvariantBroken` is not a `WtError`:
it is our own bug and ends with code 70 and a report.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum


class ExitCode(IntEnum):
    """The stable exit codes of every command."""

    OK = 0
    FAILED = 1
    USAGE = 2
    INVALID = 3
    NO_AGENT = 4
    NOT_FOUND = 5
    CONFLICT = 6
    CHECKS_FAILED = 7
    NEEDS_PERSON = 8
    BUSY = 9
    STALE = 10
    PARTIAL = 11
    """Some workstreams are integrated, others are not and will not be without a person."""
    BUG = 70
    TIMED_OUT = 124
    INTERRUPTED = 130


class WtError(Exception):
    """An expected failure: `message` says what and where, `hint` what to do next."""

    exit_code = ExitCode.FAILED

    def __init__(self, message: str, *, hint: str = "", exit_code: ExitCode | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if exit_code is not None:
            self.exit_code = exit_code


class PlanInvalid(WtError):
    """A plan or a settings file that cannot be used; `problems` has one rendered line each."""

    exit_code = ExitCode.INVALID

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class Refused(WtError):
    """Unsafe, already held, or not possible in this repository; nothing was changed."""

    exit_code = ExitCode.CONFLICT


class NotFound(WtError):
    """No run, workstream or commit of that name."""

    exit_code = ExitCode.NOT_FOUND


class Busy(WtError):
    """Another wt-orchestrate process holds what this one needs."""

    exit_code = ExitCode.BUSY


class NeedsPerson(WtError):
    """A decision only a person can take."""

    exit_code = ExitCode.NEEDS_PERSON


class Untrusted(NeedsPerson):
    """The repository's settings ask for what its user has not trusted: `asked` has one line for each value, and `trust` makes
    all of them trusted."""

    def __init__(self, message: str, *, hint: str, asked: Sequence[str], trust: Callable[[], None]) -> None:
        super().__init__(message, hint=hint)
        self.asked = tuple(asked)
        self.trust = trust


class GitFailed(WtError):
    """A git command that ended with an unexpected exit code."""

    def __init__(self, arguments: Sequence[str], *, code: int, stderr: str) -> None:
        self.arguments = tuple(arguments)
        self.code = code
        self.stderr = stderr
        super().__init__(f"git {' '.join(arguments[:4])} ended with exit code {code}: {_told(stderr)}")


class Overran(WtError):
    """A command of ours that exceeded its time; it and all that it started are gone."""


def _told(stderr: str) -> str:
    """The most informative line of git's output: the one it marks as the error, else the last."""
    lines = stderr.strip().splitlines()
    return next(
        (line for line in lines if line.startswith(("fatal: ", "error: "))), lines[-1] if lines else "no message"
    )


class AgentUnavailable(WtError):
    """The agent's program is missing or cannot be started."""

    exit_code = ExitCode.NO_AGENT


class StoreUnreadable(WtError):
    """The event log cannot be read or written, or is of a newer release. `passing`: trying again later may help."""

    def __init__(self, message: str, *, hint: str = "", passing: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.passing = passing


class Interrupted(WtError):
    """A person interrupted the command."""

    exit_code = ExitCode.INTERRUPTED


class InvariantBroken(Exception):
    """A bug of ours: a rule was broken. Carries the story of the workstream concerned."""

    def __init__(self, message: str, *, story: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.story = tuple(story)
