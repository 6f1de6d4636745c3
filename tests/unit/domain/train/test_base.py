"""The checks on the base: they come before the first agent, and one that fails there holds the run."""

from __future__ import annotations

import random

from tests.support.story import World
from wt_orchestrate.domain import effects as f
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.ids import CommitId, ProcessId, TreeId
from wt_orchestrate.domain.machine import decide, quiet
from wt_orchestrate.domain.plan.model import Check, Limits, Plan, Workstream
from wt_orchestrate.domain.state.lifecycle import Phase, Stage
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.status.view import view
from wt_orchestrate.mcp_server.pages import decisions

BASE = CommitId("0" * 39 + "1")
TREE = TreeId("t")
ONE, TWO = "make test", "make lint"


class Start:
    """A run that begins, with results of its checks by command: one letter for each run, the last for all further ones."""

    def __init__(
        self, *, asked: tuple[str, ...] = (ONE, TWO), known: dict[TreeId, tuple[str, ...]] | None = None
    ) -> None:
        plan = Plan(
            goal="g",
            workstreams={"a": Workstream(brief="x"), "b": Workstream(brief="x", needs=("a",))},
            checks=(Check(run=ONE), Check(run=TWO)),
            limits=Limits(checks=4),
        )
        self.world = World(chance=random.Random(1), plan=plan)
        self.world.begin(base_checks=asked, base_passed=known or {})
        self.world.note(e.BaseVaulted(base=BASE, tree=TREE))
        self.ran: list[str] = []

    @property
    def state(self) -> RunState:
        assert self.world.state is not None
        return self.world.state

    def go_on(self, results: dict[str, str]) -> tuple[f.Effect, ...]:
        """Perform checks and conclude until neither is left; the effects that are wanted then."""
        for _ in range(30):
            found = decide(self.state, self.world.now)
            for event in found.conclusions:
                self.world.note(event)
            if found.conclusions:
                continue
            checks = [effect for effect in found.effects if isinstance(effect, f.RunCheck)]
            if not checks:
                return found.effects
            self._run(checks[0], results)
        raise AssertionError("it does not come to rest")

    def _run(self, check: f.RunCheck, results: dict[str, str]) -> None:
        assert (check.commit, check.tree, check.workstream, check.probe) == (BASE, TREE, None, "base")
        number = self.ran.count(check.check.run)
        letters = results[check.check.run]
        outcome = {"p": "passed", "f": "failed", "l": "lost"}[letters[min(number, len(letters) - 1)]]
        self.ran.append(check.check.run)
        self.world.note(
            e.CheckFinished(
                workstream=None,
                commit=BASE,
                tree=TREE,
                command=check.check.run,
                outcome=e.CheckOutcome(outcome),
                exit_code=1,
                duration_s=1.0,
                log="/log",
                tail="",
                process=ProcessId("p"),
                probe="base",
            )
        )


def _worktrees(effects: tuple[f.Effect, ...]) -> int:
    return sum(isinstance(effect, f.CreateWorktree) for effect in effects)


def test_P4_no_agent_starts_before_the_base_passed_its_checks() -> None:
    """Each check runs once on the base, then the first worktree is made; it is said that they passed."""
    start = Start()
    assert _worktrees(decide(start.state, 0.0).effects) == 0
    assert view(start.state)["workstreams"][0]["condition"] == "queued"
    assert _worktrees(start.go_on({ONE: "p", TWO: "p"})) == 1
    assert start.ran == [ONE, TWO] and not start.state.on_hold


def test_P4_a_red_base_holds_the_run_and_costs_no_attempt() -> None:
    """It fails twice before that is believed; the run rests, says why, and what a person can do."""
    start = Start()
    assert start.go_on({ONE: "p", TWO: "f"}) == ()
    assert start.ran == [ONE, TWO, TWO]
    state = start.state
    assert (state.phase, state.on_hold, quiet(state)) == (Phase.FINISHED, True, True)
    assert {ws.stage for ws in state.workstreams.values()} == {Stage.QUEUED}
    shown = view(state)
    assert shown["run"]["red"] == TWO and "`make lint` fails on main as it is" in shown["run"]["reason"]
    assert shown["workstreams"][0]["condition"] == "escalated"
    assert any(step.startswith("wto release") for step in shown["next"])
    assert [(each.what, each.do) for each in decisions(shown)] == [("rest", ("hold", "resume"))]


def test_a_person_may_take_a_red_base_as_it_is_or_have_it_checked_again() -> None:
    """`release` starts the agents and checks nothing more of it; `resume` runs what failed once more and goes on if it passes."""
    start = Start()
    start.go_on({ONE: "f", TWO: "p"})
    start.world.note(e.ReleaseRequested())
    assert _worktrees(start.go_on({})) == 1
    start.world.note(e.HoldRequested())
    assert view(start.state)["run"]["red"] is None
    again = Start()
    again.go_on({ONE: "ff", TWO: "p"})
    again.world.note(e.ResumeRequested())
    assert _worktrees(again.go_on({ONE: "ffp", TWO: "p"})) == 1
    assert not again.state.on_hold


def test_one_failure_is_not_believed_and_a_check_without_a_result_holds_the_run() -> None:
    """A flaky check that passes again is no red base; one that is lost again and again is one."""
    flaky = Start()
    assert _worktrees(flaky.go_on({ONE: "fp", TWO: "p"})) == 1
    lost = Start()
    lost.go_on({ONE: "l", TWO: "p"})
    assert lost.state.on_hold and lost.ran == [ONE] * 3


def test_what_an_earlier_run_knows_of_the_tree_is_not_run_again() -> None:
    """Results belong to a tree: those on another one do not count. Where nobody asked, agents start at once."""
    known = Start(known={TREE: (ONE,)})
    assert _worktrees(known.go_on({TWO: "p"})) == 1
    assert known.ran == [TWO]
    other = Start(known={TreeId("other"): (ONE, TWO)})
    other.go_on({ONE: "p", TWO: "p"})
    assert other.ran == [ONE, TWO]
    assert _worktrees(decide(Start(asked=()).state, 0.0).effects) == 1
