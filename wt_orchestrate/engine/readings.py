"""Read the outside world, for `observation` to compare with the state.

A look costs a few file reads; only a branch that moved costs git commands (its commits are fetched into the vault
before anybody hears of them).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from wt_orchestrate.domain.agent.notes import MOST_BYTES, MOST_LINES
from wt_orchestrate.domain.agent.stream import Sign
from wt_orchestrate.domain.events.worktree import CommitLine
from wt_orchestrate.domain.ids import AttemptId, Branch, CommitId, ProcessId, WorkstreamId, branch_ref
from wt_orchestrate.domain.observation import BranchRead, EndKind, HandoffRead, NotesIn, ProcessEnd, StreamRead, Taken
from wt_orchestrate.domain.plan.settings import Hooks
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.state.attempt import Attempt
from wt_orchestrate.domain.state.lifecycle import DONE, LOST_BRANCH, LOST_WORKTREE, Stage
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.state.workstream import WorkstreamState, live_attempt
from wt_orchestrate.domain.text.secrets import without_secrets
from wt_orchestrate.engine.containment import contained
from wt_orchestrate.engine.effects.guard_hooks import guard_folder
from wt_orchestrate.engine.world import World, archive_name, head_ref
from wt_orchestrate.errors import WtError
from wt_orchestrate.ports.engine import ProcessState, SignReader, Watched

_TAIL = 8_192
_SPLIT = 2_048
"""So much before a tail is read too: a secret that the tail's start would split is masked as a whole."""
_CHUNK = 1 << 20
_NEEDED = frozenset({Stage.PREPARING, Stage.WORKING, Stage.CLAIMED})
"""Stages in which somebody works, or is about to work, in the worktree."""
_WATCHED_STAGES = frozenset(
    {Stage.PREPARING, Stage.WORKING, Stage.CLAIMED, Stage.ESCALATED, Stage.FAILED, Stage.STOPPED}
)


def watched(state: RunState, world: World) -> frozenset[Watched]:
    """The files to watch: when one changes, look again."""
    wanted = {Watched(key="requests", path=world.log.bell())}
    for process in live_processes(state):
        wanted.add(Watched(key=f"stream:{process}", path=world.executor.output(process)))
        wanted.add(Watched(key=f"exit:{process}", path=f"{world.executor.folder(process)}/exit.json"))
    for ws in state.workstreams.values():
        live = live_attempt(ws)
        if live is not None:
            place = world.notes.drop_file(world.executor.folder(ProcessId(live.id)))
            wanted.add(Watched(key=f"notes:{ws.id}", path=place))
        if (
            ws.worktree is not None
            and ws.branch is not None
            and not ws.checkout.removed
            and ws.stage in _WATCHED_STAGES
        ):
            wanted.add(Watched(key=f"handoff:{ws.id}", path=f"{ws.worktree}/HANDOFF.md"))
            wanted.add(Watched(key="branches", path=f"{world.common_dir}/logs/{branch_ref(ws.branch)}"))
            if state.settings.hooks is not Hooks.OFF:  # where git keeps no reflogs, the hooks tell
                wanted.add(Watched(key="branches", path=f"{guard_folder(state, ws.id, world)}/committed"))
    return frozenset(wanted)


def live_processes(state: RunState) -> tuple[ProcessId, ...]:
    """Every kept process that has not been seen to end."""
    attempts = (live_attempt(ws) for ws in state.workstreams.values())
    return (*(ProcessId(attempt.id) for attempt in attempts if attempt is not None), *state.commands)


# ---------------------------------------------------------------- branches and handoffs


def read_worktrees(state: RunState, world: World) -> Iterator[Taken]:
    """Worktrees that should exist and do not."""
    for ws in state.workstreams.values():
        if _is_needed(ws) and ws.worktree is not None and not world.repository.has_worktree(ws.worktree):
            yield Taken(workstream=ws.id, what=LOST_WORKTREE)


def _is_needed(ws: WorkstreamState) -> bool:
    return ws.worktree is not None and not ws.checkout.removed and not ws.checkout.lost and ws.stage in _NEEDED


def read_branches(state: RunState, world: World) -> Iterator[BranchRead | Taken]:
    """The heads of all workstreams' branches that moved, once the vault has them, and branches that are gone."""
    heads = {**world.repository.heads(f"wto/{state.id}/"), **_queued_heads(state, world)}
    for ws in state.workstreams.values():
        if _is_needed(ws) and ws.branch is not None and ws.branch not in heads:
            yield Taken(workstream=ws.id, what=LOST_BRANCH)
    moved = {
        ws.id: heads[ws.branch]
        for ws in state.workstreams.values()
        if ws.branch is not None
        and (ws.base is not None or ws.looked_at is not None)
        and heads.get(ws.branch, ws.head) != ws.head
    }
    if not moved:
        return
    fetched = world.vault.refs.fetch(_refspecs(state, moved))
    for name in moved:
        head = fetched.get(head_ref(state.id, name))
        if head is not None:
            yield _branch(state.workstreams[name], head, state, world)


def _queued_heads(state: RunState, world: World) -> Mapping[Branch, CommitId]:
    """Where queued branches are, while that can still change anything."""
    names = {
        ws.branch
        for ws in state.workstreams.values()
        if ws.spec.branch and ws.looked_at is not None and ws.stage not in DONE
    }
    return {name: at for name, at in world.repository.heads("").items() if name in names} if names else {}


def _refspecs(state: RunState, moved: Mapping[WorkstreamId, CommitId]) -> Mapping[str, str]:
    return {
        branch_ref(branch): head_ref(state.id, name)
        for name in moved
        if (branch := state.workstreams[name].branch) is not None
    }


def _branch(ws: WorkstreamState, head: CommitId, state: RunState, world: World) -> BranchRead:
    base = ws.base or state.base
    world.vault.refs.archive(archive_name(state.id, ws.id), head)
    known = ws.head or base
    forward = world.vault.commits.is_ancestor(known, head)
    lines = _lines(world, base=known if forward else base, head=head)
    count = ws.commits + len(lines) if forward else len(lines)
    return BranchRead(workstream=ws.id, head=head, count=count, commits=lines, rewritten=not forward)


def _lines(world: World, *, base: CommitId, head: CommitId) -> tuple[CommitLine, ...]:
    """The commits of `base..head` for people; none where what they say cannot be taken: the head counts all the same."""
    try:
        found = world.vault.commits.between(base=base, head=head)
    except Exception as error:
        if not contained(error):
            raise
        return ()
    return tuple(replace(commit, paths=commit.paths[:50]) for commit in found)


def read_handoff(ws: WorkstreamState, world: World) -> HandoffRead | None:
    """The handoff of a workstream that has a worktree."""
    if ws.worktree is None or ws.checkout.removed:
        return None
    file = world.handoffs.read(ws.worktree)
    return HandoffRead(workstream=ws.id, text=file.text, problem=file.problem)


# ---------------------------------------------------------------- processes


def read_stream(ws: WorkstreamState, attempt: Attempt, reader: SignReader, world: World) -> StreamRead | None:
    """New output of an attempt; None if there is no complete new line."""
    read = world.executor.read(ProcessId(attempt.id), offset=attempt.offset, limit=_CHUNK)
    if read.offset == attempt.offset:
        return None
    signs = tuple(sign for line in read.lines for sign in _signs(reader, line))
    return StreamRead(workstream=ws.id, attempt=AttemptId(attempt.id), offset=read.offset, signs=signs)


def _signs(reader: SignReader, line: bytes) -> Sequence[Sign]:
    """What a line says; nothing for one that the reader has no answer to."""
    try:
        return reader.read(line)
    except Exception as error:
        if not contained(error):
            raise
        return ()


def read_notes(ws: WorkstreamState, attempt: Attempt, world: World) -> NotesIn | None:
    """New notes of an attempt, as far as it may still report; None if there are none."""
    heard = attempt.notes
    left = MOST_BYTES - heard.offset
    if left <= 0 or heard.lines >= MOST_LINES:
        return None
    folder = world.executor.folder(ProcessId(attempt.id))
    read = world.notes.read(folder, offset=heard.offset, limit=left)
    if read.offset <= heard.offset:
        return None
    return NotesIn(workstream=ws.id, attempt=attempt.id, offset=read.offset, lines=read.lines)


def primed(reader: SignReader, attempt: Attempt, world: World) -> SignReader:
    """A reader that has seen the output so far: after a restart it remembers what it must subtract."""
    offset = 0
    while offset < attempt.offset:
        read = world.executor.read(ProcessId(attempt.id), offset=offset, limit=_CHUNK)
        if read.offset == offset:
            break
        for line in read.lines:
            _signs(reader, line)
        offset = read.offset
    return reader


def read_end(process: ProcessId, world: World) -> ProcessEnd | None:
    """How a process ended, after its last descendant is gone; None while its keeper lives. This is what runs when an
    agent's process ends."""
    report = world.executor.poll(process)
    if report.state is ProcessState.RUNNING:
        return None
    lost = report.state is not ProcessState.EXITED
    if lost:
        try:
            report = world.executor.end(process)
        except WtError:
            return None
    now = world.clock.now()
    world.executor.tidy(process)
    return ProcessEnd(
        process=process,
        kind=EndKind.LOST if lost else EndKind.EXITED,
        exit_code=report.exit_code,
        cause=report.cause,
        started_at=report.started_at or now,
        ended_at=report.ended_at or now,
        survivors=report.survivors,
        detail=report.detail or (_last(process, world, errors=True, limit=2_000) if report.exit_code else ""),
        log=world.executor.output(process),
        tail=_last(process, world, errors=False, limit=_TAIL),
    )


def _last(process: ProcessId, world: World, *, errors: bool, limit: int) -> str:
    return without_secrets(world.executor.tail(process, errors=errors, limit=limit + _SPLIT))[-limit:]
