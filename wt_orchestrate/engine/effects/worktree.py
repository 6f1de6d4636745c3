"""Worktrees after the work: removed without losing anything, and restored.

A worktree is removed only if git itself shows that its work is integrated and nothing in it is uncommitted; by force only
once the vault holds what is uncommitted as a commit. It is moved to a trash folder beside the worktrees, and its branch's tip
is kept in the vault for ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wt_orchestrate.domain import effects as f
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.ids import CommitId, branch_ref
from wt_orchestrate.domain.state.lifecycle import ENDED
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.state.workstream import WorkstreamState, live_attempt
from wt_orchestrate.domain.text.clean import some_of
from wt_orchestrate.engine.effects.guard_hooks import guard_worktree, remove_guard
from wt_orchestrate.engine.elsewhere import keep_all
from wt_orchestrate.engine.world import World, archive_name, head_ref, index_path, integration_ref, short
from wt_orchestrate.errors import Refused
from wt_orchestrate.ports.git.repository import RemoveOutcome


def clean_worktree(effect: f.CleanWorktree, state: RunState, world: World) -> Sequence[e.Event]:
    """Remove one worktree and its branch, or say why it stays."""
    ws = state.workstreams[effect.workstream]
    if ws.worktree is None or ws.branch is None:
        return (e.WorktreeKept(workstream=ws.id, reason="it has no worktree"),)
    if live_attempt(ws) is not None or ws.stage not in ENDED:
        return (e.WorktreeKept(workstream=ws.id, reason=f"its agent is running; to stop it, run wto stop {ws.id}"),)
    ref = head_ref(state.id, ws.id)
    head = world.vault.refs.fetch({branch_ref(ws.branch): ref}).get(ref)
    if head is not None and not effect.force and not _integrated(state, ws, world):
        return (
            e.WorktreeKept(
                workstream=ws.id,
                reason="its commits are not integrated; --force removes it anyway (wto restore brings it back)",
            ),
        )
    archive = world.vault.refs.archive(archive_name(state.id, ws.id), head) if head is not None else ""
    left, at = keep_all(state, ws, world)
    if left:
        named = some_of([short(commit) for commit in left])
        return (e.WorktreeKept(workstream=ws.id, reason=f"its commits {named} are nowhere else and cannot be read"),)
    if at is not None and not effect.force and not _holds(state, at, world):
        reason = f"its HEAD is at {short(at)}, which is not integrated; wto take-over {ws.id} puts it on its branch"
        return (e.WorktreeKept(workstream=ws.id, reason=reason),)
    try:
        rescued = _rescued(state, ws, at or head or ws.base, world) if effect.force else None
    except Refused as error:
        return (e.WorktreeKept(workstream=ws.id, reason=f"{error.message}; {error.hint}"),)
    removed = world.repository.remove_worktree(path=ws.worktree, trash=trash_path(state, ws, world), force=effect.force)
    match removed.outcome:
        case RemoveOutcome.DIRTY:
            return (e.WorktreeKept(workstream=ws.id, reason=f"it has uncommitted work: {some_of(removed.paths)}"),)
        case RemoveOutcome.UNSAFE:
            return (e.WorktreeKept(workstream=ws.id, reason=f"{ws.worktree} is not the worktree that was created"),)
        case RemoveOutcome.REMOVED | RemoveOutcome.ABSENT:
            if head is not None:
                world.repository.delete_branch(ws.branch, expected=head)
            remove_guard(state, ws.id, world)
            return (e.WorktreeRemoved(workstream=ws.id, trash=removed.trash, archive=archive, uncommitted=rescued),)


def _rescued(state: RunState, ws: WorkstreamState, head: CommitId | None, world: World) -> CommitId | None:
    """Uncommitted work of a worktree, kept in the vault; after a crash, what was kept before the worktree went. Raises
    Refused when it cannot be kept."""
    name = f"{archive_name(state.id, ws.id)}.uncommitted"
    if ws.worktree is None or head is None:
        return None
    if not world.repository.has_worktree(ws.worktree):
        before = {ref: at for ref, at in world.vault.refs.archived(f"{name}/").items() if at != ws.checkout.rescued}
        return before[_newest(before)] if before and not ws.checkout.removed else None
    found = world.vault.checkouts.rescue(worktree=ws.worktree, head=head, index=index_path(world.indexes, ws.worktree))
    if found is not None:
        world.vault.refs.archive(name, found)
    return found


def _newest(archived: Mapping[str, CommitId]) -> str:
    return max(archived, key=lambda ref: int(ref.rpartition("/")[2]))


def _integrated(state: RunState, ws: WorkstreamState, world: World) -> bool:
    """Whether the vault itself shows the branch's newest head below the integration head."""
    head = world.vault.refs.resolve(head_ref(state.id, ws.id))
    return head is not None and _holds(state, head, world)


def _holds(state: RunState, commit: CommitId, world: World) -> bool:
    integration = world.vault.refs.resolve(integration_ref(state.id))
    return integration is not None and world.vault.commits.is_ancestor(commit, integration)


def trash_folder(state: RunState) -> str:
    """A folder beside the worktrees, so that moving there is a rename."""
    return f"{state.settings.worktrees.split('{run}')[0].rstrip('/')}/.trash"


def trash_path(state: RunState, ws: WorkstreamState, world: World) -> str:
    """Where a worktree goes; the name ends with the time, which says when it may be deleted."""
    return f"{trash_folder(state)}/{state.id}-{ws.id}-{int(world.clock.now())}"


def restore_worktree(effect: f.RestoreWorktree, state: RunState, world: World) -> Sequence[e.Event]:
    """Make a worktree again from the vault, on its branch."""
    ws = state.workstreams[effect.workstream]
    if ws.worktree is None or ws.branch is None:
        raise Refused(f"{ws.id} never had a worktree", hint="wto status")
    head = world.repository.resolve(ws.branch) or _kept_head(state, ws, world)
    if head is None:
        raise Refused(f"nothing of {ws.id} is archived", hint="wto status")
    world.repository.restore_branch(vault=world.vault.path, branch=ws.branch, head=head)
    if not world.repository.has_worktree(ws.worktree):  # else only its branch was lost: HEAD may name another one now
        world.repository.add_worktree(path=ws.worktree, branch=ws.branch, base=head)
    count = (
        world.vault.checkouts.lay_down(worktree=ws.worktree, commit=ws.checkout.rescued)
        if ws.checkout.rescued is not None
        else 0
    )
    guard_worktree(state, ws.id, ws.worktree, world)
    return (e.WorktreeRestored(workstream=ws.id, path=ws.worktree, head=head, uncommitted=count),)


def _kept_head(state: RunState, ws: WorkstreamState, world: World) -> CommitId | None:
    """The newest head in the vault: the one last seen, else the last one archived, else the base."""
    if ws.head is not None and world.vault.objects.contains(ws.head):
        return ws.head
    kept = world.vault.refs.archived(f"{archive_name(state.id, ws.id)}/")
    return kept[_newest(kept)] if kept else None
