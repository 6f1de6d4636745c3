"""Whether a claim is true: rules over what was found."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.handmade import BASE
from wt_orchestrate.domain.agent.commit_scan import Scan, Trailer
from wt_orchestrate.domain.agent.handoff import Handoff
from wt_orchestrate.domain.ids import Branch, RunId, WorkstreamId
from wt_orchestrate.domain.plan.model import Kind, Plan, Workstream
from wt_orchestrate.domain.plan.settings import Settings
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.schedule.expansion import SECTION
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.state.workstream import Claim, WorkstreamState
from wt_orchestrate.domain.verdict import claim

WS = WorkstreamState(id=WorkstreamId("a"), spec=Workstream(brief="b"), branch=Branch("wto/r1/a"))
EVIDENCE = claim.Evidence(base=BASE, head=BASE, has_commits=True, paths=("src/a.py",), dirty=(), handoff=None)


def state(*streams: WorkstreamState) -> RunState:
    return RunState(
        id=RunId("r1"),
        plan=Plan(goal="g", workstreams={each.id: each.spec for each in streams}),
        settings=Settings(),
        plan_path="plan.yaml",
        repository="/r",
        target=Branch("main"),
        base=BASE,
        seed="0",
        land_when_done=False,
        started_at=0.0,
        workstreams={each.id: each for each in streams},
    )


def told(ws: WorkstreamState = WS, /, **found: Any) -> str:
    return "; ".join(claim.findings(ws, replace(EVIDENCE, **found), needs_handoff=False))


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({}, ""),
        ({"missing_branch": True}, "the branch wto/r1/a is missing"),
        ({"has_commits": False}, "there is no commit on the branch"),
        ({"dirty": ("x",)}, "uncommitted changes: x"),
        ({"nested": ("lib",)}, "lib is a repository of its own"),
        ({"dropped": ("x",)}, "kept only your side of x"),
        ({"elsewhere": claim.CommitsAt(where="fix", head=BASE, count=2)}, "your 2 commits are on fix"),
    ],
)
def test_what_is_wrong_with_a_claim_is_said(found: dict[str, Any], words: str) -> None:
    """Each thing that is wrong has its sentence, and only that."""
    said = told(**found)
    assert words in said and bool(said) == bool(words)


def test_work_outside_its_scope_is_rejected() -> None:
    """Paths that no glob of the scope covers are named."""
    assert "changed outside the scope (lib/**): src/a.py" in told(replace(WS, spec=replace(WS.spec, scope=("lib/**",))))


def test_research_ends_without_commits_and_with_a_handoff() -> None:
    """A research workstream that committed is told so; without commits it owes its findings."""
    research = replace(WS, spec=replace(WS.spec, kind=Kind.RESEARCH))
    assert "this is research" in told(research)
    assert told(research, has_commits=False) == "there is no HANDOFF.md"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (None, ("lib",)),
        (b'[submodule "lib"]\n\tpath = lib\n\turl = x\n', ()),
        (b"[submodule]\npath=lib\n", ()),
        (b'[submodule "lib"]\n\tpath\n\turl = lib\n', ("lib",)),
        (b"\tpath = other\n", ("lib",)),
    ],
)
def test_a_commit_id_without_gitmodules_is_undeclared(text: bytes | None, left: tuple[str, ...]) -> None:
    """A path at which only a commit id was committed counts as declared when `.gitmodules` names it."""
    assert claim.undeclared(["lib"], text) == left


def test_only_agents_changes_are_scanned() -> None:
    """A person's own claim is a person's word, and research carries no commits on."""
    assert claim.is_scanned(WS)
    assert not claim.is_scanned(replace(WS, claim=Claim(order=1, by_person=True)))
    assert not claim.is_scanned(replace(WS, spec=replace(WS.spec, kind=Kind.RESEARCH)))


def test_trailers_of_the_tool_must_be_its_own() -> None:
    """Its own run and name may stand in a commit, and those of the workstream it serves; another's may not. A queued branch
    of a person may carry any."""
    serving = replace(WS, spec=replace(WS.spec, serves="b"))
    other = replace(WS, id=WorkstreamId("b"))
    scan = Scan(trailers=(Trailer(commit=BASE, key="Wto-Workstream", value="b"),))
    assert claim.exposed(state(serving, other), serving, scan) == ()
    assert claim.exposed(state(WS, other), WS, scan) != ()
    assert claim.exposed(state(WS, other), replace(WS, spec=replace(WS.spec, branch="theirs")), scan) == ()


def test_a_role_owes_nothing_for_a_persons_own_claim() -> None:
    """Neither a person's claim nor a command that arbitrates owes sections."""
    run = state(WS)
    assert claim.owed(run, replace(WS, claim=Claim(order=1, by_person=True)), needs_handoff=True) == ()
    assert claim.owed(run, replace(WS, spec=replace(WS.spec, serves="b")), needs_handoff=False) == ()


def test_only_who_expands_adds_workstreams() -> None:
    """The section is read from workstreams that may expand; `none` adds none."""
    handoff = Handoff(summary="s", other={SECTION: "x: {brief: b}"})
    expands = replace(WS, spec=replace(WS.spec, expands=True), handoff=handoff)
    assert claim.added_text(expands) == "x: {brief: b}"
    assert claim.added_text(replace(WS, handoff=handoff)) == ""
    assert claim.added_text(replace(expands, handoff=replace(handoff, other={SECTION: " None."}))) == ""


def test_what_joins_is_all_or_nothing() -> None:
    """Workstreams that fit join; where one does not, or cannot be read, none does and each problem is told."""
    run, fits = state(WS), {"x": Workstream(brief="b")}
    further, problems = claim.joining(run, WS, fits, ())
    assert (list(further), problems) == (["x"], ())
    further, problems = claim.joining(run, WS, {**fits, "y": Workstream(brief="b", needs=("nobody",))}, ())
    assert not further and problems and all("cannot be added" in each for each in problems)
    assert claim.joining(run, WS, fits, ("it is no YAML",)) == (
        {},
        ("the workstreams in HANDOFF.md cannot be added: it is no YAML",),
    )
