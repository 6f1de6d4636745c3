"""Landing: when the target may move to the integrated work, and what prevents it.

A landing waits for the train. If the target has moved, both are merged and that tree is checked like any other. The
target moves only after the checks passed, and only from the commit it was merged with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.effects import Advance, Effect, Land, PrepareLanding
from wt_orchestrate.domain.state.checks import checks_of, confirmed, judgement, lost_too_often, word
from wt_orchestrate.domain.state.lifecycle import Stage
from wt_orchestrate.domain.state.run import RunState, lands_on
from wt_orchestrate.domain.state.train import Candidate, Landing
from wt_orchestrate.domain.train.order import rides
from wt_orchestrate.domain.train.train import landing_names
from wt_orchestrate.errors import ExitCode

MOVED_TARGETS = 3
"""How often a landing starts again because the target moved."""


def landing_conclusions(state: RunState) -> Sequence[e.Event]:
    """What prevents a requested landing."""
    landing = state.landing
    if landing is None:
        return ()
    refusal = _refused(state, landing)
    return (refusal,) if refusal is not None else ()


def _refused(state: RunState, landing: Landing) -> e.LandRefused | None:
    if state.integration.commit is None or not any(ws.stage is Stage.INTEGRATED for ws in state.workstreams.values()):
        return e.LandRefused(
            reason="there is nothing to land: no integrated workstream is left",
            code=ExitCode.CONFLICT,
            commands=("wto status",),
        )
    stopping = [each for each in state.changed.values() if each.stops]
    if stopping and not landing.allow_changed:
        return changed_refusal(stopping)
    failed = _failed_check(state)
    if failed:
        return e.LandRefused(
            reason=f"merged with {lands_on(state)}, the check {failed}",
            code=ExitCode.CHECKS_FAILED,
            commands=("fix it in another run, or land by hand", "wto land"),
        )
    if landing.tries > MOVED_TARGETS:
        return e.LandRefused(
            reason=f"{lands_on(state)} moved {landing.tries} times while its combination with the run was checked",
            code=ExitCode.STALE,
            commands=("wto land",),
        )
    return None


def changed_refusal(stopping: Sequence[e.RepositoryChange]) -> e.LandRefused:
    """That the repository is not as it was, since when, during whose work, and how to put it back."""
    by = ", ".join(dict.fromkeys(name for each in stopping for name in each.during))
    since = datetime.fromtimestamp(min(each.since for each in stopping), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    told = "; ".join(each.words for each in stopping[:10])
    return e.LandRefused(
        reason=f"the repository was changed while {by} was running (since {since}): {told}; nothing was landed",
        code=ExitCode.NEEDS_PERSON,
        commands=(*(each.put_back for each in stopping[:10]), "wto land --allow-changed, if these changes are yours"),
    )


def _failed_check(state: RunState) -> str:
    """Which check certainly fails on the merged tree, in words; empty if none does."""
    made = state.candidate
    if made is None or made.checked:
        return ""
    checks = checks_of(state, landing_names(state))
    if lost_too_often(state, made.tree, checks):
        return "was lost several times (killed, or the machine went down)"
    red = word(state, made.tree, checks).red
    if red is None or not confirmed(judgement(state, made.tree, red.run)):
        return ""
    last = judgement(state, made.tree, red.run).last
    return f"`{red.run}` {last.outcome}; its output is in {last.log}" if last is not None else f"`{red.run}` failed"


def landing_effects(state: RunState) -> Iterator[Effect]:
    """The next step of the landing, once nothing is in the train."""
    assert state.integration.commit is not None
    if state.candidate is not None:
        yield from _forward(state, state.candidate)
    elif state.landing is not None and not any(
        rides(state, ws) and not ws.on_hold for ws in state.workstreams.values()
    ):
        yield PrepareLanding(
            target=lands_on(state),
            integration=state.integration.commit,
            allow_protected=state.landing.allow_protected,
            allow_secrets=state.landing.allow_secrets,
            allow_large=state.landing.allow_large,
            allow_changed=state.landing.allow_changed,
            allow_held=state.landing.allow_held,
            at=state.landing.at,
        )


def _forward(state: RunState, made: Candidate) -> Iterator[Effect]:
    assert state.integration.commit is not None
    if not made.checked and not word(state, made.tree, checks_of(state, landing_names(state))).green:
        return
    if made.commit != state.integration.commit:
        yield Advance(commit=made.commit, onto=state.integration.commit)
    else:
        yield Land(target=lands_on(state), commit=made.commit, expected=made.onto)
