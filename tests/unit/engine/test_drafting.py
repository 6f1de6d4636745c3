"""The loop of a drafting, with an agent that says what a test wants: rounds, faults, wishes, and nothing left running."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.fakes import FakeClock, FakeExecutor
from wt_orchestrate.adapters.agents.claude_code import ClaudeCode
from wt_orchestrate.domain.drafting.progress import DraftPhase, DraftProgress, DraftWish
from wt_orchestrate.domain.ids import ProcessId
from wt_orchestrate.domain.plan.model import AgentSpec
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.engine.drafting import Drafting, draft
from wt_orchestrate.ports.engine import AgentStart, Launch, ProcessReport, ProcessState

INIT = '{"type":"system","subtype":"init","session_id":"s"}'
IDLE = '{"type":"system","subtype":"session_state_changed","state":"idle"}'
RETURNED = (
    '{"type":"result","subtype":"success","is_error":false,"num_turns":1,"structured_output":{"goal":"%s"},"modelUsage":'
    '{"m":{"costUSD":0.5,"inputTokens":10,"outputTokens":1,"cacheReadInputTokens":0,"cacheCreationInputTokens":0}}}'
)
NOTHING = '{"type":"result","subtype":"success","is_error":false,"result":"no plan"}'
LIMITED = '{"type":"result","subtype":"success","is_error":true,"api_error_status":429,"result":"limit"}'
LOGIN = '{"type":"result","subtype":"success","is_error":true,"api_error_status":401,"result":"who are you"}'
BUDGET = '{"type":"result","subtype":"error_max_budget_usd","is_error":true}'
GONE = '{"type":"result","subtype":"error_during_execution","is_error":true,"errors":["No conversation found"]}'
ASKED = (
    '{"type":"control_request","request_id":"u1","request":'
    '{"subtype":"can_use_tool","tool_name":"Write","input":{"file_path":"x"}}}'
)
WISH = DraftWish(
    id="d0",
    goal="g",
    agent="claude-code",
    rounds=3,
    timeout_s=60.0,
    target="main",
    commit="c",
    begun_at=0.0,
    budget_usd=2.0,
)


class Client(ClaudeCode):
    """The real adapter, for a client that is not there."""

    def __init__(self) -> None:
        super().__init__({}, passed=(), accounts={})
        self.starts: list[AgentStart] = []

    def launch(self, start: AgentStart) -> Launch:
        self.starts.append(start)
        return Launch(id=start.process, argv=("claude",), cwd="/", env={}, input=True)


class Scripted(FakeExecutor):
    """Each process prints the lines of its round; an empty script hangs, and None ends without a word."""

    def __init__(self, root: str, clock: FakeClock, rounds: Sequence[Sequence[str] | None]) -> None:
        super().__init__(root, clock)
        self._rounds = list(rounds)

    def start(self, launch: Launch) -> ProcessReport:
        report = super().start(launch)
        lines = self._rounds.pop(0) if self._rounds else ()
        if lines is None:
            self.print(launch.id, b"no such option\n", errors=True)
            self.exit(launch.id, 1)
            return report
        for line in lines:
            self.print(launch.id, line.encode() + b"\n")
        return report


@dataclass(slots=True)
class Story:
    """What came of a drafting."""

    progress: DraftProgress
    client: Client
    executor: Scripted
    noted: list[DraftProgress] = field(default_factory=list)


def told(
    tmp_path: Path,
    *rounds: Sequence[str] | None,
    wish: DraftWish = WISH,
    progress: DraftProgress | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    bad: Sequence[str] = (),
) -> Story:
    """Draft with a client that says this; plans whose goal is in `bad` have a problem."""
    clock = FakeClock()
    executor, client = Scripted(str(tmp_path), clock, rounds), Client()
    noted: list[DraftProgress] = []
    sessions = iter(f"session-{number}" for number in range(1, 9))
    world = Drafting(
        clock=clock,
        executor=executor,
        agent=client,
        spec=AgentSpec(),
        account="",
        worktree="/tree",
        schema="{}",
        instructions="",
        words=lambda at: f"round {at.round + 1}, begun {at.begun}: {'; '.join(at.problems)}",
        check=lambda text: [f"{word} is wrong" for word in bad if word in text],
        plan_path=lambda process: f"/{process}/plan.yaml",
        returned=lambda process: "",
        new_session=lambda: next(sessions),
        noted=noted.append,
        cancelled=cancelled,
        pause=lambda: clock.advance(1.0),
    )
    try:
        ended = draft(wish, progress or DraftProgress(), world)
    finally:
        for process in executor.started():
            assert executor.poll(process).state is not ProcessState.RUNNING, f"{process} outlived its round"
    return Story(ended, client, executor, noted)


def returned(goal: str) -> list[str]:
    return [INIT, RETURNED % goal, IDLE]


def test_a_plan_goes_back_into_its_session(tmp_path: Path) -> None:
    """The second round resumes the session with what was wrong, on what is left of money and time; costs add up."""
    story = told(tmp_path, returned("bad"), returned("good"), bad=["bad"])
    assert (story.progress.phase, story.progress.round, story.progress.problems) == (DraftPhase.READY, 2, ())
    assert story.progress.sent_back == (("bad is wrong",),) and story.progress.text == '{"goal": "good"}'
    assert (story.progress.cost_usd, story.progress.tokens) == (1.0, 22)
    first, second = story.client.starts
    assert (first.resume, first.session, first.budget_usd, first.read_only) == (False, "session-1", 2.0, True)
    assert (second.resume, second.session, second.budget_usd) == (True, "session-1", 1.5)
    assert second.prompt == "round 2, begun True: bad is wrong"
    assert second.variables == {"WTO_DRAFT": "d0", "WTO_ATTEMPT": "2", "WTO_PLAN": "/round-2/plan.yaml"}
    launch = story.executor.process(ProcessId("round-1")).launch
    assert launch is not None and launch.deadline_s == 60.0


def test_rounds_are_bounded(tmp_path: Path) -> None:
    """After so many plans it is given up, with the last one and its problems."""
    story = told(tmp_path, *[returned("bad")] * 5, bad=["bad"])
    assert (story.progress.phase, story.progress.round, len(story.client.starts)) == (DraftPhase.INVALID, 3, 3)
    assert story.progress.problems == ("bad is wrong",)


def test_no_plan_costs_a_round(tmp_path: Path) -> None:
    """Success without a value is told to the planner."""
    story = told(tmp_path, [INIT, NOTHING, IDLE], returned("good"))
    assert story.progress.sent_back == (
        ("no plan was returned: call StructuredOutput with it (it said, as data: no plan)",),
    )
    assert story.progress.phase is DraftPhase.READY


def test_a_result_that_cannot_be_read_is_no_hang(tmp_path: Path) -> None:
    """A line that is cut or broken, then idle: the turn is over without a plan."""
    assert told(tmp_path, [INIT, '{"type":"result","struct', IDLE], returned("good")).progress.round == 2


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (LIMITED, "its account's limit is reached: limit"),
        (LOGIN, "it is not logged in: who are you"),
        (BUDGET, "its budget is used up"),
    ],
)
def test_what_no_round_can_mend_ends_it(tmp_path: Path, line: str, said: str) -> None:
    """Limits, logins and money: failed with the reason and the way on, after one process."""
    story = told(tmp_path, [INIT, line, IDLE], returned("good"))
    assert story.progress.phase is DraftPhase.FAILED and story.progress.reason.startswith(said) and story.progress.hint
    assert len(story.client.starts) == 1 and story.progress.begun


def test_a_session_that_is_gone_is_begun_anew(tmp_path: Path) -> None:
    """Taken up, the client knows nothing of the session: another one is told everything."""
    before = DraftProgress(session="old", begun=True, problems=("p",), tries=1)
    story = told(tmp_path, [GONE], returned("good"), progress=before)
    assert [(start.resume, start.session) for start in story.client.starts] == [(True, "old"), (False, "session-1")]
    assert story.client.starts[1].prompt == "round 2, begun False: p" and story.progress.phase is DraftPhase.READY


def test_a_client_that_ends_without_a_word_is_told(tmp_path: Path) -> None:
    """What it printed on stderr is the reason."""
    story = told(tmp_path, None)
    assert (story.progress.phase, story.progress.reason) == (DraftPhase.FAILED, "no such option")


def test_questions_are_answered_and_leave_is_denied(tmp_path: Path) -> None:
    """Nobody is there: a permission is refused with the way on, so that the planner does not wait."""
    story = told(tmp_path, [INIT, ASKED, *returned("good")[1:]])
    (answer,) = story.executor.process(ProcessId("round-1")).inbox.values()
    assert '"behavior": "deny"' in answer and "you are read-only" in answer


def test_time_is_bounded_over_all_rounds(tmp_path: Path) -> None:
    """A planner that hangs is ended at the timeout, and no further round begins."""
    story = told(tmp_path, returned("bad"), [INIT], bad=["bad"])
    assert story.progress.phase is DraftPhase.TIMED_OUT and story.progress.spent_s >= 60.0
    assert len(story.client.starts) == 2 and story.progress.problems == ("bad is wrong",)


def test_a_wish_to_cancel_is_heard(tmp_path: Path) -> None:
    """Between two looks, whatever the planner does."""
    assert told(tmp_path, [INIT], cancelled=lambda: True).progress.phase is DraftPhase.CANCELLED


def test_an_exception_passes_and_leaves_nothing(tmp_path: Path) -> None:
    """Ctrl-C in the middle passes through, once the process is ended."""

    def interrupt() -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        told(tmp_path, [INIT], cancelled=interrupt)


def test_from_any_noted_progress_it_ends_the_same(tmp_path: Path) -> None:
    """Killed after any step: what was noted last leads to the same end."""
    whole = told(tmp_path / "whole", returned("bad"), returned("good"), bad=["bad"])
    for number, noted in enumerate(whole.noted):
        rest = [returned("bad"), returned("good")][noted.round :]
        again = told(tmp_path / str(number), *rest, progress=replace(noted), bad=["bad"])
        assert (again.progress.phase, again.progress.text) == (whole.progress.phase, whole.progress.text)
        assert again.progress.sent_back == whole.progress.sent_back
