"""The end of a stage: a synthesis is called once, reads what is done, and says what is missing."""

from __future__ import annotations

from tests.support.handmade import Handmade, plan
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.ids import WorkstreamId
from wt_orchestrate.domain.plan.model import Kind, StageSpec, Workstream
from wt_orchestrate.domain.plan.roles import SYNTHESISER
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.schedule.synthesis import next_workstreams, stage_conclusions, synthesis_workstream
from wt_orchestrate.domain.state.lifecycle import Stage

LOOK = StageSpec(name="look", synthesis=True)


def _hand(*names: str) -> Handmade:
    """Workstreams of a first stage, and one of the next."""
    streams = {name: Workstream(brief=f"read {name}", stage="look") for name in names}
    made = plan(further={**streams, "build": Workstream(brief="build it", stage="do")})
    return Handmade(replace(made, stages=(LOOK, "do")))


def _integrated(hand: Handmade, *names: str) -> None:
    for name in names:
        hand.prepare(1, name)
        hand.work(2, name, begins=3, ends=4, gone=5)
        hand.claim(6, name)
        hand.checked(7, 8, name)
        hand.integrate(9, name)


def _conclusions(hand: Handmade) -> list[e.Event]:
    assert hand.state is not None
    return list(stage_conclusions(hand.state))


def test_a_synthesis_is_called_when_its_stage_is_over_and_only_once() -> None:
    """Not while somebody still works; then one workstream of ours, which may only read and may plan what comes next."""
    hand = _hand("one", "two")
    _integrated(hand, "one")
    assert _conclusions(hand) == []
    _integrated(hand, "two")
    (called,) = _conclusions(hand)
    assert isinstance(called, e.SynthesisCalled)
    spec = called.spec
    assert (called.stage, called.synthesis, spec.role, spec.kind) == (
        "look",
        "look-synthesis",
        SYNTHESISER,
        Kind.RESEARCH,
    )
    assert (spec.needs, spec.stage, spec.synthesises, spec.expands) == (("one", "two"), "look", "look", True)
    hand.note(10, called)
    assert _conclusions(hand) == []


def test_the_last_stage_has_nothing_to_plan() -> None:
    """Its synthesis sums up and may add no workstream."""
    hand = _hand("one")
    assert hand.state is not None
    assert synthesis_workstream(hand.state, StageSpec(name="do", synthesis=True)).expands is False


def test_its_brief_names_what_was_given_up_and_what_is_planned() -> None:
    """A synthesiser must not take a gap for a finding, nor plan again what is planned."""
    hand = _hand("one", "two")
    _integrated(hand, "one")
    hand.note(10, e.WorkstreamCancelled(workstream=WorkstreamId("two")))
    assert hand.state is not None and hand.state.workstreams[WorkstreamId("two")].stage is Stage.CANCELLED
    (called,) = _conclusions(hand)
    assert isinstance(called, e.SynthesisCalled)
    assert called.spec.needs == ("one",)
    assert "`two`" in called.spec.brief and "read two" in called.spec.brief
    assert "- `build` (do): build it" in called.spec.brief


def test_what_comes_next_is_what_has_not_started_of_later_stages() -> None:
    """Nothing of its own stage, nothing that is at work."""
    hand = _hand("one")
    assert hand.state is not None
    assert next_workstreams(hand.state, "look") == ("build",)
    assert next_workstreams(hand.state, "do") == ()
    hand.prepare(1, "build")
    assert next_workstreams(hand.state, "look") == ()
