"""Drafted plans as text: what is written is what was meant, whatever an agent put into it."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from wt_orchestrate.adapters.planfile import read_draft
from wt_orchestrate.adapters.plantext import render_invalid, render_plan
from wt_orchestrate.domain.drafting.vetting import ProposedCommand, finished, sound
from wt_orchestrate.domain.plan.model import Check, Defaults, Kind, Plan, Workstream
from wt_orchestrate.domain.plan.settings import Settings
from wt_orchestrate.domain.replace import replace

WORDS = st.text(st.characters(codec="utf-8"), max_size=60).map(sound)
LINES = st.lists(
    st.one_of(WORDS, st.sampled_from(["  - x", "# no", "key: value", "---", "...", "no", "'", '"', "|", ""])),
    max_size=6,
)
TEXTS = LINES.map("\n".join)
STREAMS = st.builds(
    Workstream,
    brief=TEXTS,
    title=WORDS.map(str.strip),
    kind=st.sampled_from(Kind),
    scope=st.lists(WORDS, max_size=3).map(tuple),
    needs=st.lists(WORDS, max_size=2).map(tuple),
    estimate=st.sampled_from([None, "10m"]),
    checks=st.lists(st.builds(Check, run=TEXTS, timeout=WORDS), max_size=2).map(tuple),
)
PLANS = st.builds(
    Plan,
    goal=TEXTS,
    workstreams=st.dictionaries(st.from_regex(r"[a-z][a-z-]{0,8}", fullmatch=True), STREAMS, min_size=1, max_size=3),
    checks=st.lists(st.builds(Check, run=TEXTS), max_size=2).map(tuple),
    stages=st.lists(WORDS, max_size=2).map(tuple),
    defaults=st.sampled_from([Defaults(), Defaults(agent="x")]),
)
PROPOSED = st.lists(
    st.builds(ProposedCommand, command=st.text(max_size=80), key=st.sampled_from(["checks", "setup"])), max_size=3
)


@settings(deadline=None)
@given(PLANS, PROPOSED, st.text(max_size=200))
def test_a_written_plan_reads_as_what_it_was(plan: Plan, proposed: list[ProposedCommand], notes: str) -> None:
    """Whatever stands in texts, notes and proposed commands: the file holds the plan and nothing more."""
    meant = finished(plan, goal=plan.goal, settings=Settings())
    text = render_plan(meant, proposed=proposed, notes=notes, lines=("ours",))
    text.encode()
    assert read_draft(text).plan == meant, text


@settings(deadline=None)
@given(st.text(max_size=300), st.lists(st.text(max_size=80), max_size=3))
def test_what_is_no_plan_is_written_without_harm(text: str, problems: list[str]) -> None:
    """Any text, as it is or in JSON, is written so that it can be shown."""
    for returned in (text, json.dumps({"goal": text})):
        shown = render_invalid(returned, problems=problems)
        assert sound(shown) == shown
        shown.encode()


def test_proposed_commands_belong_to_their_workstream() -> None:
    """Taking the comment marks away gives the very commands."""
    plan = Plan(goal="g", workstreams={"a": Workstream(brief="x"), "b": Workstream(brief="y\nz")})
    proposed = (
        ProposedCommand(command="make 'a'\n", key="checks", of="b"),
        ProposedCommand(command="npm ci", key="setup"),
    )
    text = render_plan(plan, proposed=proposed)
    marked = text.splitlines()
    for number, line in enumerate(marked):
        if line.strip().startswith(("# checks:", "# setup:", "#   - ")):
            marked[number] = line.replace("# ", "", 1)
    read = read_draft("\n".join(marked)).plan
    assert read is not None
    assert read.workstreams["b"].checks == (Check(run="make 'a'\n"),) and read.setup == ("npm ci",)
    assert replace(read, setup=()).workstreams["a"] == plan.workstreams["a"]


def test_a_draft_is_read_from_prose_json_and_yaml() -> None:
    """A plan in a code fence, as JSON with escapes, as YAML; never an exception."""
    assert read_draft("Here:\n\n```yaml\ngoal: g\nworkstreams: {a: {brief: x}}\n```\nDone.").plan is not None
    found = read_draft('{"goal": "\\ud83d\\ude00", "notes": "n", "workstreams": {"a": {"brief": "x"}}}')
    assert found.plan is not None and found.plan.goal == "\U0001f600" and found.notes == "n"
    for text in (
        "",
        "[]",
        "x",
        "{" * 5_000,
        "goal: &a x\nworkstreams: *a",
        "\x00",
        "\ud800",
        '{"goal": "\\ud800"}',
        "goal: g",
        "workstreams: []",
    ):
        assert read_draft(text).plan is None and read_draft(text).problems
