"""A log of a long run, written as the supervisor would have."""

from __future__ import annotations

from collections.abc import Iterator

from wt_orchestrate.adapters.store.eventlog import SqliteLog
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.fold.run import fold_all
from wt_orchestrate.domain.ids import AttemptId, Branch, CommitId, RunId, WorkstreamId
from wt_orchestrate.domain.plan.model import AgentType, Plan, Workstream
from wt_orchestrate.domain.plan.settings import Settings
from wt_orchestrate.domain.status.view import render_view

_BASE = CommitId("0" * 40)
_TURN = 500


def write_long_log(path: str, *, streams: int, events: int) -> None:
    """Add a run with so many working agents and so many events, its view with the last of them."""
    log = SqliteLog(path)
    names = [WorkstreamId(f"w{number}") for number in range(streams)]
    started = e.RunStarted(
        plan=Plan(goal="A long run", workstreams={name: Workstream(brief="x") for name in names}),
        settings=Settings(),
        plan_path="plan.yaml",
        target=Branch("main"),
        base=_BASE,
        seed="s",
        repository="/r",
    )
    run = log.begin(started, actor=e.Actor.PERSON, now=1.0, view=lambda record: "{}").run
    first = log.last_number() + 1
    records = [
        e.Record(number=number, at=float(number), actor=e.Actor.SUPERVISOR, run=run, cause="", event=event)
        for number, event in zip(range(first, first + events), _events(run, names), strict=False)
    ]
    for at in range(0, len(records), _TURN):
        log.append(records[at : at + _TURN])
    state = fold_all(log.read(run))
    assert state is not None
    last = records[-1]
    rest = e.Record(
        number=last.number + 1, at=last.at, actor=last.actor, run=run, cause="", event=e.TimeSkipped(seconds=0.0)
    )
    log.append([rest], view=render_view(state))
    log.close()


def _events(run: RunId, names: list[WorkstreamId]) -> Iterator[e.Event]:
    yield e.BaseVaulted(base=_BASE)
    for name in names:
        yield e.EffectIntended(key=f"worktree:{name}", effect="CreateWorktree", pins={"base": _BASE, "path": "/w"})
        yield e.WorktreeCreated(workstream=name, path=f"/w/{name}", branch=Branch(f"wto/{run}/{name}"), base=_BASE)
        yield e.EffectConcluded(key=f"worktree:{name}")
        yield e.AttemptStarted(
            workstream=name,
            attempt=AttemptId(f"{run}.{name}.1"),
            epoch=1,
            session="s",
            resumed=False,
            agent="claude-code",
            agent_type=AgentType.CLAUDE_CODE,
            reason="first",
            started_at=1.0,
        )
    offset = 0
    while True:
        offset += 100
        for name in names:
            yield e.AttemptObserved(
                workstream=name, attempt=AttemptId(f"{run}.{name}.1"), offset=offset, tool="Bash", target="make test"
            )
