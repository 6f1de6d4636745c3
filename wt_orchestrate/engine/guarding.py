"""Hooks in agents' worktrees: what each of them must know, from the state of the run."""

from __future__ import annotations

from wt_orchestrate.domain.ids import WorkstreamId, integration_branch
from wt_orchestrate.domain.settings import Hooks
from wt_orchestrate.domain.state import RunState
from wt_orchestrate.engine.world import World
from wt_orchestrate.ports import Guard


def guard_worktree(state: RunState, name: WorkstreamId, path: str, world: World) -> bool:
    """Put hooks into a workstream's worktree, where that is wished and possible; safe twice."""
    ws = state.workstreams[name]
    if state.settings.hooks is Hooks.OFF or ws.branch is None:
        return False
    guard = Guard(
        run=state.id,
        name=name,
        branch=ws.branch,
        integration=integration_branch(state.id),
        scope=ws.spec.scope,
        folder=f"{world.hooks}/{state.id}/{name}",
        scopes=f"{world.hooks}/{state.id}/scopes",
        full=state.settings.hooks is Hooks.FULL,
    )
    owned = [(other.id, glob) for other in state.workstreams.values() for glob in other.spec.scope]
    return world.repository.guard_worktree(path=path, guard=guard, owned=owned)
