"""What a run would do, in words: the answer of `run --dry-run`."""

from __future__ import annotations

from collections.abc import Iterator

from wt_orchestrate.domain.graph import waves
from wt_orchestrate.domain.ids import Branch, RunId, WorkstreamId, integration_branch, workstream_branch
from wt_orchestrate.domain.plan import Plan
from wt_orchestrate.domain.settings import Settings


def preview(plan: Plan, settings: Settings, *, run: RunId, target: Branch, worktrees: str) -> Iterator[str]:
    """One line an effect, in the order in which they could begin. `worktrees` is the absolute template of their paths."""
    yield f"fetch {target} into the vault and start {integration_branch(run)} there"
    for wave in waves(plan):
        for name in wave:
            yield from _beginning(plan, settings, name, run=run, worktrees=worktrees)
        for name in wave:
            checks = (*plan.checks, *plan.workstreams[name].checks)
            told = ", ".join(f"`{check.run}`" for check in checks) or "no checks"
            yield f"merge {name} in memory, check the combined tree ({told}), advance {integration_branch(run)}"


def _beginning(plan: Plan, settings: Settings, name: str, *, run: RunId, worktrees: str) -> Iterator[str]:
    where = worktrees.replace("{run}", run).replace("{workstream}", name)
    yield f"make the worktree {where} on branch {workstream_branch(run, WorkstreamId(name))}"
    for command in (*settings.setup, *plan.setup):
        yield f"run the setup command `{command}` there"
    yield f"start the agent {plan.workstreams[name].agent or plan.defaults.agent} on {name}"
