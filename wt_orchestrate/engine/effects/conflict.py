"""Effects of conflicts: resolve one by approved rules; judge and remember an arbiter's resolution."""

from __future__ import annotations

from collections.abc import Mapping

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.ids import CommitId, WorkstreamId
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.state.workstream import Conflict, WorkstreamState, is_arbiter, is_reviewer
from wt_orchestrate.domain.train.arbiter import resolution_findings
from wt_orchestrate.engine.world import World, archive_name, pin_ref
from wt_orchestrate.ports.git.conflicts import Resolution, ResolvedFile, SettleSpec


def settle(
    name: WorkstreamId, head: CommitId, *, onto: CommitId, at: float, state: RunState, world: World
) -> e.ConflictSettled | e.SettleFailed:
    """A proven commit that merges the head into what it conflicts with, as git would with the approved rules; or the paths
    that no rule resolves, with the reason where one was tried."""
    made = world.vault.conflicts.settle(
        SettleSpec(
            ours=onto,
            theirs=head,
            message=f"Resolve the conflict of {name}\n\nWto-Run: {state.id}\n",
            at=at,
            pin=pin_ref(state.id, f"settled-{name}"),
            slot=_slot(state, name),
            merging=state.settings.merge,
            env=world.command_env,
            author=state.author,
        )
    )
    if made.commit is None:
        return e.SettleFailed(workstream=name, head=head, onto=onto, paths=made.conflicts, why=made.why)
    found = world.vault.conflicts.prove_resolution(
        resolved=made.commit, ours=head, theirs=onto, paths=tuple(sorted(made.by))
    )
    wrong = _wrong(found, made.by)
    if wrong:
        return e.SettleFailed(workstream=name, head=head, onto=onto, paths=tuple(wrong), why=wrong)
    world.vault.refs.archive(archive_name(state.id, name), made.commit)
    return e.ConflictSettled(
        workstream=name,
        head=head,
        onto=onto,
        commit=made.commit,
        by=made.by,
        dropped={file.path: file.dropped for file in found.files},
    )


def _wrong(found: Resolution, by: Mapping[str, str]) -> Mapping[str, str]:
    """Why a resolution by a rule does not count, by path. What a person or an arbiter decided once may be decided so again;
    a program may not take a side."""
    wrong = dict.fromkeys(found.beyond, "it was changed, though it was not in conflict")
    for file in found.files:
        how = by[file.path]
        if file.took and how != "rerere":
            wrong[file.path] = f"{how} took only one side"
        elif file.markers:
            wrong[file.path] = f"{how} left conflict markers"
        elif file.mode:
            wrong[file.path] = f"{how} made its mode {file.mode}"
    return wrong


def _slot(state: RunState, name: WorkstreamId) -> str:
    return f"{state.id}-settle-{name}"


def judged_resolution(state: RunState, ws: WorkstreamState, head: CommitId, world: World) -> tuple[str, ...]:
    """What is wrong with an arbiter's commit; empty for any other work."""
    served = state.workstreams.get(WorkstreamId(ws.spec.serves)) if is_arbiter(ws) else None
    conflict = served.conflict if served is not None else None
    if conflict is None:
        return ()
    both = (conflict.head, conflict.onto)
    missing = [side for side in both if not world.vault.commits.is_ancestor(side, head)]
    if missing:
        return (f"the commit {missing[0]} is not merged into it; run `git merge {missing[0]}`",)
    found = _resolution(conflict, head, world)
    said = ws.handoff.decisions if ws.handoff is not None else ""
    return resolution_findings(
        beyond=found.beyond,
        took=[file.path for file in found.files if file.took],
        sided=[_place(file) for file in found.files if file.one_sided and not file.took and file.path not in said],
        markers=[file.path for file in found.files if file.markers],
        modes=[f"{file.path} ({file.mode})" for file in found.files if file.mode],
    )


def _place(file: ResolvedFile) -> str:
    """Where a file takes a side, by the lines of the result."""
    return f"{file.path}:{', '.join(str(hunk.line) for hunk in file.hunks if hunk.took)}"


def _resolution(conflict: Conflict, head: CommitId, world: World) -> Resolution:
    return world.vault.conflicts.prove_resolution(
        resolved=head, ours=conflict.head, theirs=conflict.onto, paths=conflict.paths
    )


def remember_resolution(state: RunState, ws: WorkstreamState, head: CommitId, world: World) -> None:
    """Record how a conflict was resolved, by an arbiter or by the agent or person whose work it was."""
    served = state.workstreams.get(WorkstreamId(ws.spec.serves)) if is_arbiter(ws) else ws
    if is_reviewer(ws) or served is None or served.conflict is None:
        return
    conflict = served.conflict
    if not state.settings.merge.rerere or not world.vault.commits.is_ancestor(conflict.onto, head):
        return
    world.vault.conflicts.remember(
        ours=conflict.head, theirs=conflict.onto, resolved=head, slot=_slot(state, served.id)
    )
