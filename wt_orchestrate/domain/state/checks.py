"""What checks have said about a tree, and which one to run next.

A result belongs to one exact tree, never to a commit or a name: the same tree is checked once, however it came about.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from wt_orchestrate.domain.events.train import CheckOutcome
from wt_orchestrate.domain.ids import TreeId, WorkstreamId
from wt_orchestrate.domain.plan.model import Check
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.state.train import UNJUDGED, CheckResult, Judgement

LOST_CHECKS = 2
"""How often a check without a result is run again."""
CONFIRMED = 2
"""How many runs must fail before anybody is blamed."""

WITHHELD = "wto: variables withheld from checks: "
"""Starts the line at the end of a failed check's output that names the variables it did not get."""


class TreeResult(Struct, frozen=True):
    """What is known of a tree. `red`: the first check that fails. `open`: the next one to run. Neither: all passed."""

    red: Check | None = None
    open: Check | None = None

    @property
    def green(self) -> bool:
        return self.red is None and self.open is None


def checks_of(state: RunState, names: Iterable[WorkstreamId]) -> tuple[Check, ...]:
    """The checks for a tree that holds the work of these: the plan's and their own, each command once."""
    further = tuple(check for name in names for check in state.workstreams[name].spec.checks)
    return tuple({check.run: check for check in (*state.plan.checks, *further)}.values())


def judgement(state: RunState, tree: TreeId, command: str) -> Judgement:
    return state.checks.judged.get(tree, {}).get(command, UNJUDGED)


def word(state: RunState, tree: TreeId, checks: Sequence[Check]) -> TreeResult:
    """What is known of a tree under these checks."""
    waiting: Check | None = None
    for check in checks:
        found = judgement(state, tree, check.run)
        if found.passed:
            continue
        if found.failed:
            return TreeResult(red=check)
        waiting = waiting or check
    return TreeResult(open=waiting)


def awaits_base(state: RunState) -> bool:
    """Whether agents wait for the checks on the base."""
    return bool(state.base_checks.wanted) and not state.base_checks.judged


def held_by_base(state: RunState) -> bool:
    """Whether the run is on hold because a check fails on its base."""
    return state.on_hold and bool(state.base_checks.red)


def base_words(state: RunState, *, log: bool = True) -> str:
    """What holds such a run, for people, with the place of the output; empty if nothing does."""
    if not held_by_base(state):
        return ""
    asked = state.base_checks
    last = judgement(state, asked.tree, asked.red).last if asked.tree is not None else None
    withheld = withheld_words(last.tail, asked.red) if last is not None else ""
    further = (f"its output is in {asked.log}" if log and asked.log else "", withheld)
    more = "".join(f" ({each})" for each in further if each)
    return f"`{asked.red}` fails on {state.target} as it is, before any work{more}"


def base_word(state: RunState) -> TreeResult:
    """What is known of the base under the checks that it must pass."""
    asked = state.base_checks
    passed = asked.known.get(asked.tree, ()) if asked.tree is not None else ()
    checks = [each for each in state.plan.checks if each.run in asked.wanted and each.run not in passed]
    return word(state, asked.tree, checks) if asked.tree is not None else TreeResult(open=next(iter(checks), None))


def lost_too_often(state: RunState, tree: TreeId, checks: Sequence[Check]) -> bool:
    return any(judgement(state, tree, check.run).lost > LOST_CHECKS for check in checks)


def results(state: RunState, tree: TreeId, checks: Sequence[Check]) -> tuple[CheckResult, ...]:
    """The newest run of each of these checks on a tree."""
    found = (judgement(state, tree, check.run).last for check in checks)
    return tuple(result for result in found if result is not None)


def judged_anew(before: Judgement, result: CheckResult) -> Judgement:
    """A judgement after one more run."""
    match result.outcome:
        case CheckOutcome.LOST:
            return Judgement(passed=before.passed, failed=before.failed, lost=before.lost + 1, last=before.last)
        case CheckOutcome.PASSED:
            return Judgement(passed=before.passed + 1, failed=before.failed, last=replace(result, tail=""))
        case CheckOutcome.FAILED | CheckOutcome.TIMED_OUT | CheckOutcome.BROKEN:
            return Judgement(passed=before.passed, failed=before.failed + 1, last=result)


def only_passed(state: RunState) -> RunState:
    """The state without failed checks: a person may have fixed their cause, so they run again."""
    judged = {
        tree: kept
        for tree, found in state.checks.judged.items()
        if (kept := {command: each for command, each in found.items() if each.passed})
    }
    return replace(state, checks=replace(state.checks, judged=judged))


def withheld_words(tail: str, command: str) -> str:
    """What the end of a check's output says about withheld variables, if its command names one of them; else empty.

    The output names them all. Why a workstream needs a person says so only where a variable is a likely cause.
    """
    said = next((line for line in reversed(tail.splitlines()) if line.startswith(WITHHELD)), "")
    names = said.removeprefix(WITHHELD).partition(";")[0].partition(" and ")[0].split(", ")
    return said.removeprefix("wto: ") if any(name and name in command for name in names) else ""


def confirmed(found: Judgement) -> bool:
    """Whether a failure is certain: it failed again, or could not be run at all."""
    broken = found.last is not None and found.last.outcome is CheckOutcome.BROKEN
    return not found.passed and (found.failed >= CONFIRMED or (broken and found.failed > 0))
