"""What the ends of processes say."""

from __future__ import annotations

import pytest

from wt_orchestrate.domain.events.train import CheckOutcome
from wt_orchestrate.domain.ids import ProcessId
from wt_orchestrate.domain.observation import EndKind, ProcessEnd, check_outcome
from wt_orchestrate.domain.plan.model import Check


@pytest.mark.parametrize(
    ("command", "code", "cause", "kind", "outcome"),
    [
        ("make test", 0, "exit", EndKind.EXITED, CheckOutcome.PASSED),
        ("make test", 2, "exit", EndKind.EXITED, CheckOutcome.FAILED),
        ("mak test", 127, "exit", EndKind.EXITED, CheckOutcome.BROKEN),
        ("./not-executable", 126, "exit", EndKind.EXITED, CheckOutcome.BROKEN),
        ("python -m pytest -q", 5, "exit", EndKind.EXITED, CheckOutcome.BROKEN),
        ("pytest --no-such-option", 4, "exit", EndKind.EXITED, CheckOutcome.BROKEN),
        ("make test", 5, "exit", EndKind.EXITED, CheckOutcome.FAILED),
        ("make test", -9, "exit", EndKind.EXITED, CheckOutcome.FAILED),
        ("make test", -15, "deadline", EndKind.EXITED, CheckOutcome.TIMED_OUT),
        ("make test", None, "", EndKind.LOST, CheckOutcome.LOST),
        ("make test", -15, "stopped", EndKind.EXITED, CheckOutcome.LOST),
    ],
)
def test_a_check_passes_only_by_judging_and_passing(
    command: str, code: int | None, cause: str, kind: EndKind, outcome: CheckOutcome
) -> None:
    """Exit code 0 alone is a pass; a command that cannot run or ran no test judged nothing; a lost one is run again."""
    end = ProcessEnd(
        process=ProcessId("p"),
        kind=kind,
        exit_code=code,
        cause=cause,
        started_at=0.0,
        ended_at=1.0,
        survivors=0,
        detail="",
        log="",
        tail="",
    )
    assert check_outcome(Check(run=command), end) is outcome
