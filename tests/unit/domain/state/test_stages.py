"""The rules of stages: what ends one, what waits behind it, and what a synthesis may say."""

from __future__ import annotations

import random

import msgspec
import pytest

from tests.support.story import RUN, World
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.agent.handoff import SECTIONS, gaps, says_nothing
from wt_orchestrate.domain.brief.context import needs_in_order
from wt_orchestrate.domain.ids import AttemptId, CommitId, WorkstreamId
from wt_orchestrate.domain.machine import decide
from wt_orchestrate.domain.plan.graph import needs_of
from wt_orchestrate.domain.plan.model import AgentSpec, Budget, Gate, Kind, Plan, StageSpec, SynthesisSpec, Workstream
from wt_orchestrate.domain.plan.roles import Role
from wt_orchestrate.domain.plan.settings import Settings
from wt_orchestrate.domain.plan.validation import problems
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.schedule.expansion import agents_misfits, placed
from wt_orchestrate.domain.state.lifecycle import Stage
from wt_orchestrate.domain.state.run import RunState, may_only_read
from wt_orchestrate.domain.state.stages import Standing, gate_round, standings, waiting_gate
from wt_orchestrate.domain.steering import refusal

BASE = CommitId("0" * 39 + "1")
LOOK = StageSpec(name="look", gate=Gate.APPROVAL, synthesis=True)
SYNTHESIS = WorkstreamId("look-synthesis")


def _plan(*stages: str | StageSpec, **of: str) -> Plan:
    streams = {name: Workstream(brief="x", stage=stage, kind=Kind.RESEARCH) for name, stage in of.items()}
    return Plan(goal="g", workstreams=streams, stages=stages)


def _world(plan: Plan) -> World:
    world = World(chance=random.Random(1), plan=plan)
    world.begin()
    world.note(e.BaseVaulted(base=BASE))
    return world


def _state(world: World) -> RunState:
    assert world.state is not None
    return world.state


def _conclude(world: World) -> None:
    """Draw every conclusion there is."""
    while conclusions := decide(_state(world), world.now).conclusions:
        for event in conclusions:
            world.note(event)


def _claim(world: World, name: str, further: dict[str, Workstream] | None = None) -> None:
    """A workstream's agent did its work and its claim holds."""
    ws = WorkstreamId(name)
    world.note(e.EffectIntended(key=f"worktree:{name}", effect="CreateWorktree"))
    world.note(e.EffectConcluded(key=f"worktree:{name}"))
    world._started(_attempt(name), name)
    world.note(e.AttemptEnded(workstream=ws, attempt=_attempt(name), exit_code=0, cause="exit", ended_at=world.now))
    world.note(e.ClaimMade(workstream=ws, by=e.Actor.AGENT))
    world.note(
        e.ClaimAccepted(workstream=ws, head=BASE, files=0, added=0, deleted=0, paths=(), further=further or {}, round=1)
    )
    _conclude(world)


def _attempt(name: str) -> AttemptId:
    return AttemptId(f"{RUN}.{name}.1")


def _told(world: World, stage: str) -> Standing:
    return standings(_state(world))[stage]


# ---------------------------------------------------------------- plans


def test_names_and_mappings_are_one_order() -> None:
    """A stage written as a mapping orders workstreams as a name does; a plan of names alone is stored as it ever was."""
    plan = _plan("look", StageSpec(name="do"), a="look", b="do")
    assert needs_of(plan, "b") == ("a",)
    old = msgspec.json.decode(b'{"goal": "g", "workstreams": {}, "stages": ["look", "do"]}', type=Plan)
    assert old.stages == ("look", "do")
    spec = StageSpec(name="x", synthesis=SynthesisSpec(agent="a"))
    stored = msgspec.json.encode(replace(plan, stages=("look", spec, LOOK)))
    assert msgspec.json.decode(stored, type=Plan).stages == ("look", spec, LOOK)


@pytest.mark.parametrize(
    ("stages", "of", "found"),
    [
        (("look", "look"), {"a": "look"}, ["the stage 'look' is named twice"]),
        ((LOOK, "do"), {"a": "look"}, []),
        (("look", "do"), {"a": "look"}, ["no workstream is in the stage 'do', and no synthesis before it plans one"]),
        (
            (StageSpec(name="Look at", gate=Gate.APPROVAL),),
            {"a": "Look at"},
            ["the stage 'Look at' may hold only a-z, 0-9 and '-', starts with a letter or digit and has at most "
            "41 characters, but a stage with a gate or a synthesis needs a name for the command line"],
        ),
        ((StageSpec(name="look", synthesis=SynthesisSpec(agent="nobody")),), {"a": "look"}, ["unknown agent 'nobody'"]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_stages_is_told(
    stages: tuple[str | StageSpec, ...], of: dict[str, str], found: list[str]
) -> None:
    """A doubled or unspeakable name, an agent that nobody knows, and (as a warning) a stage that nothing fills."""
    assert [problem.message for problem in problems(_plan(*stages, **of), Settings())] == found


# ---------------------------------------------------------------- a stage from end to end


def test_a_stage_is_drawn_together_once_all_of_it_is_over() -> None:
    """Not before the last one is; then the tool adds one read-only workstream that builds on all, and calls no second one."""
    world = _world(_plan(LOOK, "do", a="look", b="look"))
    _claim(world, "a")
    assert SYNTHESIS not in _state(world).workstreams and _told(world, "look") is Standing.UNDER_WAY
    _claim(world, "b")
    spec = _state(world).workstreams[SYNTHESIS].spec
    assert (spec.role, spec.kind, spec.needs, spec.expands) == ("synthesiser", Kind.RESEARCH, ("a", "b"), True)
    assert spec.synthesises == "look" and _told(world, "look") is Standing.SYNTHESIS
    _conclude(world)
    assert list(_state(world).workstreams) == ["a", "b", SYNTHESIS]


def test_what_a_synthesis_planned_waits_at_the_gate_and_leaves_when_it_is_sent_back() -> None:
    """It joins the run before the gate, begins only behind it, and what was approved is not what comes after a new turn."""
    world = _world(_plan(LOOK, "do", a="look"))
    _claim(world, "a")
    _claim(
        world, SYNTHESIS, {"p": Workstream(brief="x", stage="do"), "q": Workstream(brief="x", stage="do", needs=("p",))}
    )
    state = _state(world)
    assert waiting_gate(state) == LOOK and state.workstreams[WorkstreamId("p")].added_by == SYNTHESIS
    assert any(isinstance(record.event, e.GateReached) for record in world.records)
    assert not [effect for effect in decide(state, world.now).effects if getattr(effect, "workstream", "") == "p"]
    world.note(e.AddRequested(workstreams={"mine": Workstream(brief="x", stage="do", needs=("p",))}))
    world.note(e.ApproveRequested(stage="look", no="Smaller"))
    _conclude(world)
    kept = list(_state(world).workstreams)
    assert kept == ["a", SYNTHESIS, "p", "mine"], "what a person's workstream needs stays"
    told = _state(world).workstreams[SYNTHESIS].messages[-1].text
    assert told.endswith("Smaller") and "joined the stage" not in told
    assert _told(world, "look") is Standing.SYNTHESIS


def test_a_synthesis_only_reads_whatever_its_role_may_elsewhere() -> None:
    """A repository's own `synthesiser` that edits and runs commands gives the tool's own synthesis no leave to do so."""
    world = _world(_plan(LOOK, "do", a="look"))
    _claim(world, "a")
    own = Role(
        name="synthesiser", description="d", prompt="p", tools=("Edit", "Bash"), source=".wto/roles/synthesiser.md"
    )
    state = replace(_state(world), settings=Settings(roles={"synthesiser": own}))
    assert may_only_read(state, state.workstreams[SYNTHESIS])
    assert not may_only_read(
        state, replace(state.workstreams[WorkstreamId("a")], spec=Workstream(brief="x", role=own.name))
    )


def test_a_synthesis_that_is_sent_back_knows_of_what_joined_its_stage_meanwhile() -> None:
    """What a person added at the gate is told with their words and handed over like the rest; what was given up is not."""
    world = _world(_plan(LOOK, "do", a="look"))
    _claim(world, "a")
    _claim(world, SYNTHESIS)
    added = {name: Workstream(brief="x", stage="look", kind=Kind.RESEARCH) for name in ("host", "gone")}
    world.note(e.AddRequested(workstreams=added))
    world.note(e.CancelRequested(workstream=WorkstreamId("gone")))
    _conclude(world)
    _claim(world, "host")
    assert _told(world, "look") is Standing.GATE
    world.note(e.ApproveRequested(stage="look", no="Take the host in"))
    synthesis = _state(world).workstreams[SYNTHESIS]
    assert "`host` joined the stage" in synthesis.messages[-1].text
    assert [need.id for need in needs_in_order(_state(world), synthesis)] == ["a", "host"]


def test_what_was_planned_leaves_also_when_the_run_was_stopped_before_its_synthesis_goes_on() -> None:
    """Stopped with the run, it has not begun either; what stayed would stand in the way of a new plan of the same names."""
    world = _world(_plan(LOOK, "do", a="look"))
    _claim(world, "a")
    _claim(world, SYNTHESIS, {"p": Workstream(brief="x", stage="do")})
    world.note(e.ResumeRequested())
    world.note(e.StopRequested())
    _conclude(world)
    assert {_state(world).workstreams[WorkstreamId(name)].stage for name in ("p", SYNTHESIS)} == {Stage.STOPPED}
    stopped = _state(world)
    made = replace(stopped.workstreams[SYNTHESIS], worktree="/w")
    world.state = replace(stopped, workstreams={**stopped.workstreams, SYNTHESIS: made})
    world.note(e.RetryRequested(workstream=SYNTHESIS, fresh=True))
    _conclude(world)
    assert list(_state(world).workstreams) == ["a", SYNTHESIS]


def test_a_synthesis_that_was_given_up_cannot_be_sent_back() -> None:
    """Nobody would hear why; the way on is named, and the gate can be passed without it."""
    world = _world(_plan(LOOK, "do", a="look"))
    _claim(world, "a")
    _claim(world, SYNTHESIS)
    world.note(e.CancelRequested(workstream=SYNTHESIS))
    _conclude(world)
    assert waiting_gate(_state(world)) == LOOK
    no = refusal(_state(world), e.ApproveRequested(stage="look", no="Smaller"), world.now)
    assert no is not None and "nobody would read the reason" in no.reason and f"wto retry {SYNTHESIS}" in no.hint
    assert refusal(_state(world), e.ApproveRequested(stage="look"), world.now) is None


def test_what_was_given_up_is_nothing_to_build_on() -> None:
    """A later stage is told what its earlier ones handed over, but not the words of what a person cancelled."""
    world = _world(_plan("look", "do", a="look", b="look", p="do"))
    _claim(world, "a")
    world.note(e.CancelRequested(workstream=WorkstreamId("b")))
    _conclude(world)
    state = _state(world)
    assert [need.id for need in needs_in_order(state, state.workstreams[WorkstreamId("p")])] == ["a"]


def test_an_approval_is_lost_when_the_synthesis_goes_on_before_it_is_integrated() -> None:
    """Approved and, in the same breath, told something: what comes of that has to be approved again."""
    world = _world(_plan(LOOK, "do", a="look"))
    _claim(world, "a")
    _claim(world, SYNTHESIS)
    world.note(e.ApproveRequested(stage="look"))
    world.note(e.TellRequested(workstream=SYNTHESIS, text="One more thing"))
    _conclude(world)
    assert not _state(world).gates["look"].approved and _told(world, "look") is Standing.SYNTHESIS


def test_a_stage_ends_with_what_there_is_once_a_person_gave_the_failed_one_up() -> None:
    """What failed holds it; cancelled, it is over, and the synthesis is told what is missing."""
    world = _world(_plan(LOOK, "do", a="look", b="look"))
    _claim(world, "a")
    world.note(e.WorkstreamFailed(workstream=WorkstreamId("b"), reason="no"))
    _conclude(world)
    assert SYNTHESIS not in _state(world).workstreams
    world.note(e.CancelRequested(workstream=WorkstreamId("b")))
    _conclude(world)
    spec = _state(world).workstreams[SYNTHESIS].spec
    assert spec.needs == ("a",) and "cancelled or failed" in spec.brief and "`b`" in spec.brief


def test_what_a_person_took_to_decide_is_not_the_runs_time() -> None:
    """A night at the gate does not use up `limits.wall`."""
    world = _world(_plan(StageSpec(name="look", gate=Gate.APPROVAL), a="look"))
    _claim(world, "a")
    ended = world.records[-1].event
    assert isinstance(ended, e.RunFinished) and ended.gate == "look"
    world.now += 36_000.0
    world.note(e.ApproveRequested(stage="look"))
    assert _state(world).clock.skipped_s == 36_000.0


# ---------------------------------------------------------------- words at the gate


def test_only_what_waits_as_it_was_seen_can_be_approved() -> None:
    """An unknown stage, one without a gate, one that is not there yet, an old round and a second word are refused."""
    world = _world(_plan(LOOK, "do", a="look"))

    def why(word: e.ApproveRequested) -> str:
        found = refusal(_state(world), word, world.now)
        return found.reason if found is not None else ""

    assert why(e.ApproveRequested(stage="loop")) == "unknown stage 'loop' in r1"
    assert why(e.ApproveRequested(stage="do")) == "the stage do has no gate to approve in r1"
    assert why(e.ApproveRequested(stage="look")) == "the stage look is running, not at its gate"
    _claim(world, "a")
    _claim(world, SYNTHESIS)
    assert why(e.ApproveRequested(stage="look", round=1)) == "the stage look has changed since you looked"
    assert why(e.ApproveRequested(stage="look", round=4)) == "" == why(e.ApproveRequested(stage="look", no="why"))
    assert why(e.ApproveRequested(stage="look", no=" \n")).startswith("an empty reason neither approves")
    world.note(e.ApproveRequested(stage="look"))
    _conclude(world)
    assert why(e.ApproveRequested(stage="look")) == "the stage look is already approved"


# ---------------------------------------------------------------- what agents may plan


def test_an_agents_workstreams_belong_behind_its_own_stage() -> None:
    """A synthesis plans the next stage and later ones; any other agent that expands adds to its own stage or later ones."""
    world = _world(_plan("early", LOOK, "do", "ship", a="look", z="early"))
    _claim(world, "z")
    _claim(world, "a")
    state = _state(world)
    synthesis, other = state.workstreams[SYNTHESIS], state.workstreams[WorkstreamId("a")]
    further = {"p": Workstream(brief="x"), "q": Workstream(brief="x", stage="ship")}
    assert {name: spec.stage for name, spec in placed(state, synthesis, further).items()} == {"p": "do", "q": "ship"}
    assert {name: spec.stage for name, spec in placed(state, other, further).items()} == {"p": "look", "q": "ship"}
    own = {"p": Workstream(brief="x", stage="look")}
    assert "a synthesis plans only stages behind its own: do, ship" in next(agents_misfits(state, synthesis, own))
    assert list(agents_misfits(state, other, own)) == []
    early = {"p": Workstream(brief="x", stage="early")}
    assert "which is over" in next(agents_misfits(state, other, early))


def test_what_an_agent_beside_the_stages_adds_is_approved_only_once_it_was_seen() -> None:
    """It makes another round of the gate that holds it, told anew; a stage that is over takes nothing more of it."""
    world = _world(_plan(LOOK, "do", a="look", aside=""))
    _claim(world, "a")
    _claim(world, SYNTHESIS, {"p": Workstream(brief="x", stage="do")})
    state = _state(world)
    seen, aside = gate_round(state, "look"), state.workstreams[WorkstreamId("aside")]
    assert list(agents_misfits(state, aside, {"q": Workstream(brief="x", stage="look")})) == []
    _claim(world, "aside", {"q": Workstream(brief="x", stage="do")})
    no = refusal(_state(world), e.ApproveRequested(stage="look", round=seen), world.now)
    assert no is not None and "has changed since you looked" in no.reason
    told = [record.event for record in world.records if isinstance(record.event, e.GateReached)]
    assert [each.then for each in told] == [("p",), ("p", "q")] and told[-1].round == gate_round(_state(world), "look")
    world.note(e.AddRequested(workstreams={"mine": Workstream(brief="x", stage="do")}))
    _conclude(world)
    assert told == [record.event for record in world.records if isinstance(record.event, e.GateReached)], (
        "told to whom?"
    )
    world.note(e.ApproveRequested(stage="look"))
    _conclude(world)
    late = {"r": Workstream(brief="x", stage="look")}
    assert list(agents_misfits(_state(world), aside, late)) == [
        "r is in the stage 'look', which is over; name a later one, or none"
    ]


def test_what_a_person_changes_behind_a_gate_makes_another_round_of_it() -> None:
    """Each edit, addition and cancelling behind it does, once it is taken; one of another stage and a passed gate do not."""
    world = _world(_plan(LOOK, "do", a="look", b="do", c="do", aside=""))
    _claim(world, "a")
    _claim(world, SYNTHESIS)
    b, c = WorkstreamId("b"), WorkstreamId("c")
    changes: tuple[e.Event, ...] = (
        e.EditRequested(workstream=b, spec=Workstream(brief="other", stage="do")),
        e.EditRequested(workstream=b, spec=Workstream(brief="other")),
        e.AddRequested(workstreams={"d": Workstream(brief="x", stage="do")}),
        e.CancelRequested(workstream=c),
    )
    for change in changes:
        seen = gate_round(_state(world), "look")
        assert refusal(_state(world), e.ApproveRequested(stage="look", round=seen), world.now) is None
        world.note(change)
        no = refusal(_state(world), e.ApproveRequested(stage="look", round=seen), world.now)
        assert no is not None and "has changed since you looked" in no.reason, change
        assert gate_round(_state(world), "look") == seen + 1
        _conclude(world)
    seen = gate_round(_state(world), "look")
    world.note(e.AddRequested(workstreams={"else": Workstream(brief="x")}))
    assert gate_round(_state(world), "look") == seen
    world.note(e.ApproveRequested(stage="look", round=seen))
    world.note(e.AddRequested(workstreams={"late": Workstream(brief="x", stage="do")}))
    assert gate_round(_state(world), "look") == seen


OURS = {
    "serves": Workstream(brief="x", stage="do", serves="a"),
    "continues": Workstream(brief="x", stage="do", continues="a"),
    "synthesises": Workstream(brief="x", stage="do", synthesises="do"),
    "branch": Workstream(brief="x", stage="do", branch="main"),
}


@pytest.mark.parametrize("key", OURS)
def test_no_agents_text_makes_a_workstream_of_the_tools_own(key: str) -> None:
    """What only the tool or a person may say is refused, whatever the workstream is called."""
    world = _world(_plan(LOOK, "do", a="look"))
    _claim(world, "a")
    state = _state(world)
    found = agents_misfits(state, state.workstreams[SYNTHESIS], {"a-synthesis": OURS[key]})
    assert f"a-synthesis has {key}: only a person may set that; remove it" in list(found)


def test_no_agents_text_sets_bounds() -> None:
    """What one workstream may cost, how often it is tried and how long it may be silent is what the plan says."""
    world = _world(_plan(LOOK, "do", a="look"))
    _claim(world, "a")
    state = _state(world)
    wide = Workstream(brief="x", stage="do", limits=Budget(budget_usd=1e9), retries=10**9, idle="900h")
    assert list(agents_misfits(state, state.workstreams[SYNTHESIS], {"p": wide})) == [
        f"p has {key}: only the plan sets limits; remove it" for key in ("limits", "retries", "idle")
    ]


@pytest.mark.parametrize("role", ["deployer", "surfer", "driver"])
def test_no_agents_text_takes_a_role_or_an_agent_that_may_more(role: str) -> None:
    """Commands, the net, a mode without questions, and agents of the settings: only where a person's words use them already."""
    roles = {
        "deployer": Role(name="deployer", description="d", prompt="p", tools=("Edit", "Bash(kubectl *)")),
        "surfer": Role(name="surfer", description="d", prompt="p", tools=("Read", "WebFetch")),
        "driver": Role(name="driver", description="d", prompt="p", permission_mode="auto"),
        "reader": Role(name="reader", description="d", prompt="p", tools=("Read", "Bash(git log *)")),
        "builder": Role(name="builder", description="d", prompt="p", tools=("Edit", "Bash")),
        "synthesiser": Role(name="synthesiser", description="d", prompt="p", tools=("Read",)),
    }
    settings = Settings(roles=roles, agents={"wide": AgentSpec(allow=("Bash",))})
    world = _world(_plan(LOOK, "do", a="look"))
    _claim(world, "a")
    state = replace(_state(world), settings=settings)
    synthesis = state.workstreams[SYNTHESIS]

    def found(state: RunState, **words: str) -> list[str]:
        spec = Workstream(brief="x", stage="do", kind=Kind.RESEARCH, **words)  # type: ignore[arg-type]
        return list(agents_misfits(state, synthesis, {"p": spec}))

    assert found(state, role="reader") == [] == found(state, role="builder")
    assert found(state, agent="claude-code") == []
    assert found(state, agent="wide") == ["p has the agent 'wide', which the plan does not use; remove agent:"]
    assert "has more rights than the plan's workstreams" in "".join(found(state, role=role))
    mine = {name: replace(ws, spec=replace(ws.spec, role=role, agent="wide")) for name, ws in state.workstreams.items()}
    assert found(replace(state, workstreams=mine), role=role, agent="wide") == [], "a person named both"
    theirs = {name: replace(ws, added_by=SYNTHESIS) for name, ws in mine.items()}
    assert len(found(replace(state, workstreams=theirs), role=role, agent="wide")) == 2, "an agent named them"


def test_strategic_notes_are_whole_or_say_that_there_is_nothing() -> None:
    """Each section is there or says `none`; a synthesis that plans must plan, or say that nothing is left."""
    whole = {name.lower(): "none" for name in SECTIONS if name != "Decisions"}
    assert list(gaps("x", whole, plans=False)) == []
    assert [text.partition("'")[2].partition("'")[0] for text in gaps("", {}, plans=True)] == [
        *(f"## {name}" for name in SECTIONS),
        "## Workstreams",
    ]
    assert says_nothing("- `None`.") and not says_nothing("none of it")
