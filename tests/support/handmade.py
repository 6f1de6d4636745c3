"""Logs made by hand: events at times that a test chooses, for what is measured from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.agent.stream import TurnOutcome
from wt_orchestrate.domain.fold.run import fold
from wt_orchestrate.domain.ids import AttemptId, Branch, CommitId, ProcessId, RunId, TreeId, WorkstreamId, attempt_id
from wt_orchestrate.domain.plan.model import AgentSpec, AgentType, Check, Defaults, Limits, Plan, Workstream
from wt_orchestrate.domain.plan.settings import Settings
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.state.workstream import accepted

RUN = RunId("r1")
BASE = CommitId("0" * 40)
BEGAN = 1_000_000.0


def plan(
    *names: str,
    needs: Mapping[str, tuple[str, ...]] | None = None,
    agents: int = 4,
    further: Mapping[str, Workstream] | None = None,
) -> Plan:
    """A plan of these workstreams, worked on by Claude Code."""
    streams = {name: Workstream(brief="x", needs=(needs or {}).get(name, ())) for name in names}
    return Plan(
        goal="Fix it",
        workstreams={**streams, **(further or {})},
        checks=(Check(run="check"),),
        limits=Limits(agents=agents),
        agents={"claude-code": AgentSpec(), "command": AgentSpec(type=AgentType.COMMAND, run="x")},
        defaults=Defaults(),
    )


@dataclass(slots=True)
class Handmade:
    """A log, written event by event; times are seconds since its start."""

    plan: Plan
    records: list[e.Record] = field(default_factory=list)
    state: RunState | None = None
    ahead: float = 0.0
    """How much the clock on the wall is ahead of these seconds, because it was set or the machine slept."""
    commits: int = 0

    def __post_init__(self) -> None:
        self.note(
            0.0,
            e.RunStarted(
                plan=self.plan,
                settings=Settings(),
                plan_path="plan.yaml",
                target=Branch("main"),
                base=BASE,
                seed="00000000-0000-0000-0000-000000000000",
                repository="/r",
            ),
        )
        self.note(0.0, e.SupervisorStarted(pid=1, boot="b", version="1"))
        self.note(0.0, e.BaseVaulted(base=BASE, tree=TreeId(BASE)))

    def wall(self, at: float) -> float:
        return BEGAN + at + self.ahead

    def note(self, at: float, *events: e.Event) -> None:
        """Append events at a time."""
        for event in events:
            record = e.Record(
                number=len(self.records) + 1,
                at=self.wall(at),
                actor=e.Actor.SUPERVISOR,
                run=RUN,
                cause="",
                event=event,
            )
            self.records.append(record)
            self.state = fold(self.state, record)

    # ------------------------------------------------------------ the usual course

    def prepare(self, at: float, name: str) -> None:
        """Its worktree is made."""
        ws = WorkstreamId(name)
        self.note(
            at,
            e.EffectIntended(key=f"worktree:{name}", effect="CreateWorktree"),
            e.WorktreeCreated(workstream=ws, path=f"/w/{name}", branch=Branch(f"wto/r1/{name}"), base=BASE),
            e.EffectConcluded(key=f"worktree:{name}"),
        )

    def start(
        self, at: float, name: str, *, reason: str = "first", kind: AgentType = AgentType.CLAUDE_CODE
    ) -> AttemptId:
        """An attempt is started."""
        assert self.state is not None
        epoch = len(self.state.workstreams[WorkstreamId(name)].attempts) + 1
        attempt = attempt_id(RUN, WorkstreamId(name), epoch)
        self.note(
            at,
            e.AttemptStarted(
                workstream=WorkstreamId(name),
                attempt=attempt,
                epoch=epoch,
                session="s",
                resumed=False,
                agent=kind.value,
                agent_type=kind,
                reason=reason,
                started_at=self.wall(at),
            ),
        )
        return attempt

    def sees(self, at: float, attempt: AttemptId, **told: Any) -> None:
        """A stretch of its stream is read."""
        self.note(
            at,
            e.AttemptObserved(
                workstream=WorkstreamId(attempt.split(".")[1]), attempt=attempt, offset=len(self.records), **told
            ),
        )

    def end(self, at: float, attempt: AttemptId, *, ended: float | None = None, cause: str = "exit") -> None:
        """Its process is gone; noticed `at`, and ended then or before."""
        self.note(
            at,
            e.AttemptEnded(
                workstream=WorkstreamId(attempt.split(".")[1]),
                attempt=attempt,
                exit_code=0 if cause == "exit" else None,
                cause=cause,
                ended_at=self.wall(at if ended is None else ended),
            ),
        )

    def work(
        self, start: float, name: str, *, begins: float, ends: float, gone: float, reason: str = "first"
    ) -> AttemptId:
        """A whole attempt: its client starts, answers at `begins`, has nothing more to do at `ends`, is gone at `gone`."""
        attempt = self.start(start, name, reason=reason)
        self.sees(begins, attempt, answered=True)
        self.sees(ends, attempt, idle=True, outcome=TurnOutcome.COMPLETED, turn_s=ends - begins)
        self.end(gone, attempt)
        return attempt

    def claim(self, at: float, name: str, handoff: str = "") -> None:
        """It claims to be done, and the claim confirmed."""
        ws = WorkstreamId(name)
        self.commits += 1
        head = CommitId(f"{self.commits:040x}")
        line = e.CommitLine(id=head, author="Ada", at=self.wall(at), subject=f"Mend {name}", paths=(f"{name}.py",))
        if handoff:
            self.note(at, e.HandoffSeen(workstream=ws, text=handoff))
        self.note(at, e.CommitsSeen(workstream=ws, head=head, count=1, commits=(line,)))
        self.note(at, e.ClaimMade(workstream=ws, by=e.Actor.AGENT))
        self.note(
            at,
            e.ClaimAccepted(
                workstream=ws, head=head, files=1, added=3, deleted=1, paths=(f"{name}.py",), tree=TreeId(head)
            ),
        )

    def checked(
        self, start: float, end: float, name: str, outcome: e.CheckOutcome = e.CheckOutcome.PASSED, **more: Any
    ) -> None:
        """A check runs on its tree."""
        assert self.state is not None
        head = accepted(self.state.workstreams[WorkstreamId(name)])
        assert head is not None
        process = ProcessId(f"r1.check.{len(self.records)}")
        command = more.pop("command", "check")
        self.note(
            start,
            e.CommandStarted(
                workstream=WorkstreamId(name),
                process=process,
                purpose="check",
                command=command,
                commit=head,
                tree=TreeId(head),
                probe="train",
            ),
        )
        self.note(
            end,
            e.CheckFinished(
                workstream=WorkstreamId(name),
                commit=head,
                tree=TreeId(head),
                command=command,
                outcome=outcome,
                exit_code=0 if outcome is e.CheckOutcome.PASSED else 1,
                duration_s=end - start,
                log="",
                tail="",
                process=process,
                probe="train",
                **more,
            ),
        )

    def integrate(self, at: float, name: str) -> None:
        """The integration branch holds its work, and the user's repository shows it."""
        assert self.state is not None
        head = accepted(self.state.workstreams[WorkstreamId(name)])
        assert head is not None
        self.note(at, e.Integrated(workstream=WorkstreamId(name), head=head, onto=BASE, commit=head))
        self.note(at, e.IntegrationPublished(commit=head, order=len(self.records)))

    def finish(self, at: float, integrated: int = 1, unfinished: int = 0) -> None:
        self.note(at, e.RunFinished(integrated=integrated, unfinished=unfinished))
