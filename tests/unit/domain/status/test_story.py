"""Events as sentences: one line each, harmless on a terminal, for every kind of event that people should see."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.handmade import BASE, RUN, plan
from tests.support.story import World, random_plan
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.ids import AttemptId, Branch, WorkstreamId
from wt_orchestrate.domain.plan.settings import Settings
from wt_orchestrate.domain.status.story import Sentence, StoryWeight, cause, sentence

A = WorkstreamId("a")


def _record(event: e.Event, why: str = "") -> e.Record:
    return e.Record(number=1, at=0.0, actor=e.Actor.SUPERVISOR, run=RUN, cause=why, event=event)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_every_event_of_a_run_is_one_line_or_bookkeeping(seed: int) -> None:
    """No line break, no control character, nothing without an end; it is about a workstream of the run or about the run."""
    chance = random.Random(seed)
    world = World(chance=chance, plan=random_plan(chance))
    world.begin()
    for _ in range(40):
        world.step()
    told = [found for record in world.records if (found := sentence(record.event)) is not None]
    assert told
    for each in told:
        assert each.text and len(each.text) <= 400 and each.text.isprintable()
        assert each.about in {"", *world.plan.workstreams}


def test_what_agents_wrote_cannot_reach_the_terminal_as_more_than_text() -> None:
    """Escape sequences and line breaks of a question are gone, its words stay."""
    asked = e.AttemptAsked(
        workstream=A,
        attempt=AttemptId("r1.a.1"),
        ask="1",
        question=True,
        tool="",
        text="Which\n\x1b[31mhost\x1b[0m?",
        payload="",
    )
    found = sentence(asked)
    assert found is not None and found.about == "a" and found.weight is StoryWeight.ASKS
    assert "\x1b" not in found.text and "\n" not in found.text and "host" in found.text


def test_the_start_and_the_end_of_a_run() -> None:
    """Whether all is integrated decides how it weighs, and a gate asks."""
    started = e.RunStarted(
        plan=plan("a", "b"),
        settings=Settings(),
        plan_path="p",
        target=Branch("main"),
        base=BASE,
        seed="",
        repository="/r",
    )
    found = sentence(started)
    assert found is not None and (found.about, found.weight) == ("", StoryWeight.STEP)
    assert "Fix it" in found.text and "2 workstreams" in found.text and "main" in found.text
    ends = [
        e.RunFinished(integrated=2, unfinished=0),
        e.RunFinished(integrated=1, unfinished=1),
        e.RunFinished(integrated=1, unfinished=1, gate="look"),
    ]
    weights = [told.weight for each in ends if (told := sentence(each)) is not None]
    assert weights == [StoryWeight.GOOD, StoryWeight.BAD, StoryWeight.ASKS]


def test_bookkeeping_is_not_told() -> None:
    """What is intended and concluded says nothing to a person."""
    assert sentence(e.EffectIntended(key="start:r1.a.1", effect="StartAttempt")) is None
    assert sentence(e.EffectConcluded(key="start:r1.a.1")) is None


def test_the_cause_is_told_where_the_sentence_does_not_say_it() -> None:
    """A person's request, a rule, or where it was seen."""
    event = e.ResumeRequested()
    causes = ["", "machine", "rule", "request:7", "stream:r1.a.1"]
    assert [bool(cause(_record(event, why))) for why in causes] == [False, False, True, True, True]
    assert "7" in cause(_record(event, "request:7")) and "stream" in cause(_record(event, "stream:r1.a.1"))


def test_a_sentence_is_a_value() -> None:
    """Two that say the same are equal, so that a face can leave out what it has shown."""
    one, other = (sentence(e.RunStopped(reason="a person asked")) for _ in range(2))
    assert (
        one
        == other
        == Sentence(
            about="",
            weight=StoryWeight.WARNING,
            text="run stopped: a person asked",
            marked="run stopped: a person asked",
        )
    )
