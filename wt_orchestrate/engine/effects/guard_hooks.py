"""Install, update and remove hooks in agents' worktrees, with the data they need from the state of the run."""

from __future__ import annotations

from wt_orchestrate.domain.ids import WorkstreamId, integration_branch
from wt_orchestrate.domain.plan.settings import Hooks
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.engine.world import World
from wt_orchestrate.ports.git.repository import Guard


def guard_worktree(state: RunState, name: WorkstreamId, path: str, world: World) -> bool:
    """Install hooks in a workstream's worktree, if wanted and possible; safe twice."""
    guard = _guard(state, name, world)
    return guard is not None and world.repository.guard_worktree(path=path, guard=guard, owned=_owned(state))


def refresh_guard(state: RunState, name: WorkstreamId, path: str, world: World) -> None:
    """Update the hooks of a worktree before somebody starts to work there."""
    guard = _guard(state, name, world)
    if guard is not None:
        world.repository.refresh_guard(path=path, guard=guard, owned=_owned(state))


def remove_guard(state: RunState, name: WorkstreamId, world: World) -> None:
    """Remove the hooks of a worktree that is gone."""
    world.repository.remove_guard(guard_folder(state, name, world))


def guard_folder(state: RunState, name: WorkstreamId, world: World) -> str:
    """The folder of the hooks of a workstream's worktree."""
    return f"{world.hooks}/{state.id}/{name}"


def _guard(state: RunState, name: WorkstreamId, world: World) -> Guard | None:
    """The data for the hooks; None if there are none."""
    ws = state.workstreams[name]
    if state.settings.hooks is Hooks.OFF or ws.branch is None:
        return None
    return Guard(
        run=state.id,
        name=name,
        branch=ws.branch,
        integration=integration_branch(state.id),
        scope=ws.spec.scope,
        folder=guard_folder(state, name, world),
        scopes=f"{world.hooks}/{state.id}/scopes",
        full=state.settings.hooks is Hooks.FULL,
    )


def _owned(state: RunState) -> list[tuple[str, str]]:
    """The scope of every workstream of the run."""
    return [(other.id, glob) for other in state.workstreams.values() for glob in other.spec.scope]
