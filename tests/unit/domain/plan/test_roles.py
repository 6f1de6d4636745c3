"""What follows from a role: who only reads, which tools and rules that makes, what is owed, and what a plan may ask."""

from __future__ import annotations

import pytest

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.agent.handoff import lacks, parse_handoff
from wt_orchestrate.domain.brief.brief import brief
from wt_orchestrate.domain.fold.run import fold
from wt_orchestrate.domain.ids import Branch, CommitId, RunId, WorkstreamId
from wt_orchestrate.domain.plan.model import AgentSpec, AgentType, Kind, Plan, Workstream
from wt_orchestrate.domain.plan.permissions import (
    decide_permission,
    granted_rules,
    offered_tools,
    reads_only,
    refused_rules,
)
from wt_orchestrate.domain.plan.roles import Role, listed, misfits
from wt_orchestrate.domain.plan.settings import Settings
from wt_orchestrate.domain.plan.validation import problems
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.state.run import RunState, may_only_read, owes
from wt_orchestrate.domain.verdict.claim import Evidence, findings

BUILDER = Role(name="builder", description="Builds.", prompt="You build.", handoff=("Verification",))
READER = Role(name="reader", description="Reads.", prompt="You read.", tools=("Read", "Bash(git log *)"))
W = WorkstreamId("w")
BASE = CommitId("0" * 40)


def _state(spec: Workstream, *roles: Role) -> RunState:
    plan = Plan(goal="g", workstreams={"w": spec}, agents={"a": AgentSpec(type=AgentType.COMMAND, run="x")})
    started = e.RunStarted(
        plan=plan,
        settings=Settings(roles={role.name: role for role in roles}),
        plan_path="p",
        target=Branch("main"),
        base=BASE,
        seed="s",
        repository="/r",
    )
    return fold(None, e.Record(number=1, at=1.0, actor=e.Actor.PERSON, run=RunId("r1"), cause="", event=started))


@pytest.mark.parametrize(
    ("tools", "disallowed", "mode", "expected"),
    [
        (("Read", "Grep"), (), "", True),
        (("Read", "Bash(git log *)", "Bash(git show)", "Bash(git diff:*)"), (), "", True),
        (("Read", "WebFetch"), (), "", True),
        (("Read", "Bash"), (), "", False),
        (("Read", "Bash(*)"), (), "", False),
        (("Read", "Bash(git *)"), (), "", False),
        (("Read", "Bash(git commit *)"), (), "", False),
        (("Read", "Bash(git logx)"), (), "", False),
        (("Read", "Bash(make test)"), (), "", False),
        (("Read", "Edit"), (), "", False),
        (("Read", "NotebookEdit"), (), "", False),
        (("Read", "Write(notes/**)"), (), "", False),
        (("Read", "Edit", "Bash"), ("Edit", "Bash"), "", True),
        (None, (), "", False),
        (None, ("Edit", "Write", "NotebookEdit"), "", False),
        (None, ("Edit", "Write", "NotebookEdit", "Bash"), "", True),
        (None, (), "plan", True),
    ],
)
def test_who_only_reads_is_told_by_the_tools(
    tools: tuple[str, ...] | None, disallowed: tuple[str, ...], mode: str, expected: bool
) -> None:
    """No tool that edits, and of commands git's reading ones at most; or the client's own mode for planning."""
    role = replace(BUILDER, tools=tools, disallowed_tools=disallowed, permission_mode=mode)
    assert reads_only(role) is expected


def test_an_unknown_role_changes_nothing() -> None:
    """In a run of an earlier version the word stands for nothing: all tools, no rules, nothing owed."""
    assert not reads_only(None) and offered_tools(None, read_only=False) is None
    assert offered_tools(None, read_only=True) is None  # a reviewer there, as it always was
    assert granted_rules(None, read_only=True) == refused_rules(None, read_only=True) == ()


def test_everybody_can_hand_over_and_ask() -> None:
    """Whatever a role names, its agent can write its handoff and put a question."""
    assert offered_tools(READER, read_only=True) == ("Read", "Bash", "Edit", "Write", "AskUserQuestion")
    assert offered_tools(BUILDER, read_only=False) is None
    assert offered_tools(replace(READER, tools=("Read", "Bash")), read_only=False) == (
        "Read", "Bash", "Edit", "Write", "AskUserQuestion",
    )  # fmt: skip


def test_whoever_only_reads_is_offered_nothing_more_to_write_with() -> None:
    """A reviewer's role that a repository gave writing tools, and one that names no tools, get those to look with."""
    writes = replace(READER, tools=("Read", "NotebookEdit", "Bash", "Bash(rm *)", "Edit(src/**)"))
    assert offered_tools(writes, read_only=True) == ("Read", "Bash", "Edit", "Write", "AskUserQuestion")
    assert granted_rules(writes, read_only=True) == ()
    looks = offered_tools(replace(BUILDER, permission_mode="plan"), read_only=True)
    assert looks == ("Read", "Grep", "Glob", "Bash", "Edit", "Write", "AskUserQuestion")


def test_rules_of_a_role_are_granted_and_refused() -> None:
    """A bounded tool is leave to use it so, the web only for a role that names it; what is disallowed is, but for handoffs."""
    role = replace(
        BUILDER, tools=("Read", "Bash(npm test *)", "WebFetch", "Edit"), disallowed_tools=("WebSearch", "Bash(curl *)")
    )
    assert granted_rules(role, read_only=False) == ("Bash(npm test *)", "WebFetch")
    assert refused_rules(role, read_only=False) == ("WebSearch", "Bash(curl *)")
    reads = replace(role, tools=None, disallowed_tools=("Edit", "Write", "NotebookEdit", "Bash", "WebSearch"))
    assert refused_rules(reads, read_only=True) == ("NotebookEdit", "Bash", "WebSearch")


def test_whoever_only_reads_is_told_so_when_it_asks() -> None:
    """The answer to a permission question fits what the agent is."""
    _, said = decide_permission(tool="Edit", target="a.py", read_only=True)
    assert "you may write only HANDOFF.md" in said and "You may edit" not in said


def test_lists_are_read_as_the_client_writes_them() -> None:
    """Words with commas, but for those inside of parentheses."""
    assert listed("Read, Bash(git log a,b), Edit,, ") == ("Read", "Bash(git log a,b)", "Edit")
    assert listed("Bash(git log, Edit") == ("Bash(git log, Edit",)
    assert listed("") == ()


def test_what_is_wrong_with_a_role_is_said_by_key() -> None:
    """Each with what to do."""
    role = Role(
        name="x",
        description=" ",
        prompt=" ",
        tools=("Read me", "Bash("),
        model="--dangerously-skip-permissions",
        permission_mode="bypassPermissions",
        max_turns=0,
        handoff=("## Findings",),
    )
    assert [key for key, _, hint in misfits(role) if hint] == [
        "tools", "tools", "permissionMode", "maxTurns", "handoff", "description", "model", "",
    ]  # fmt: skip
    assert list(misfits(BUILDER)) == list(misfits(READER)) == []


HANDOFF = "---\nstatus: done\n---\n## Summary\nS\n## Findings\n- fact: x\n## Verification\n\n## Threats\nnone\n"


def test_owed_sections_are_looked_for_by_title() -> None:
    """Known and other sections alike, whatever their case; an empty one is none, `none` is said."""
    handoff = parse_handoff(HANDOFF)
    assert lacks(handoff, ("Findings", "THREATS", "Summary")) == ()
    assert lacks(handoff, ("Verification", "Decisions", "Other")) == ("Verification", "Decisions", "Other")
    assert lacks(None, ("Findings",)) == ("Findings",)


def test_what_a_role_owes_is_evidence() -> None:
    """A claim without it does not hold, also of an agent that owes no handoff otherwise."""
    ws = _state(Workstream(brief="b", role="builder"), BUILDER).workstreams[W]
    evidence = Evidence(
        base=BASE, head=BASE, has_commits=True, paths=(), dirty=(), handoff=parse_handoff(HANDOFF), missing_branch=False
    )
    said = "HANDOFF.md: the role builder requires the section '## Verification', which is missing or empty"
    assert findings(ws, evidence, needs_handoff=False, owed=BUILDER.handoff) == (said,)
    assert findings(ws, evidence, needs_handoff=False) == ()
    none = replace(evidence, handoff=None)
    assert findings(ws, none, needs_handoff=False, owed=BUILDER.handoff) == (
        "there is no HANDOFF.md, in which the role builder requires '## Verification'",
    )
    assert findings(ws, none, needs_handoff=False) == ()


def test_a_brief_names_what_is_owed_and_tells_a_command_the_role() -> None:
    """The client is told the role's text in its system prompt, a command in its brief; both what the handoff must hold."""
    client = _state(Workstream(brief="b", role="builder"), BUILDER)
    told = brief(client, client.workstreams[W])
    assert "Your role: builder.\n\nIn this role your handoff must have, besides its summary: `## Verification`." in told
    assert "You build." not in told
    command = _state(Workstream(brief="b", role="builder", agent="a"), BUILDER)
    assert "Your role: builder.\n\nYou build.\n\nIn this role" in brief(command, command.workstreams[W])
    before = _state(Workstream(brief="b", role="wizard"))
    assert "Your role: wizard.\n\n## Rules" in brief(before, before.workstreams[W])


def test_a_plan_names_roles_that_are_there_and_can_do_it() -> None:
    """Unknown: the nearest or the list; one that only reads cannot end with commits. Where none are known, none is checked."""

    def found(spec: Workstream, *roles: Role) -> list[tuple[object, str, str]]:
        state = _state(spec, *roles)
        return [(each.place, each.message, each.hint) for each in problems(state.plan, state.settings)]

    place = ("workstreams", "w", "role")
    known = (BUILDER, READER)
    assert found(Workstream(brief="b", role="bulider"), *known) == [
        (place, "unknown role 'bulider'", "did you mean 'builder'?")
    ]
    assert found(Workstream(brief="b", role="wizard"), *known) == [
        (place, "unknown role 'wizard'", "known: builder, reader")
    ]
    assert found(Workstream(brief="b", role="reader"), *known) == [
        (
            place,
            "the role 'reader' only reads, and 'w' is to end with commits",
            "write kind: research, or name a role that may write",
        )
    ]
    assert found(Workstream(brief="b", role="reader", kind=Kind.RESEARCH), *known) == []
    assert found(Workstream(brief="b", role="builder"), *known) == []
    assert found(Workstream(brief="b"), *known) == []
    assert found(Workstream(brief="b", role="wizard")) == []


def test_a_reviewer_only_reads_whatever_its_role_says() -> None:
    """A repository's own role may give a reviewer other words, never more leave."""
    own = replace(BUILDER, name="reviewer")
    review = _state(Workstream(brief="b", role="reviewer", serves="x", kind=Kind.RESEARCH), own)
    assert may_only_read(review, review.workstreams[W])
    assert owes(review, review.workstreams[W]) == ()
    plain = _state(Workstream(brief="b", role="reviewer"), own)
    assert not may_only_read(plain, plain.workstreams[W])
    assert owes(plain, plain.workstreams[W]) == ("Verification",)
