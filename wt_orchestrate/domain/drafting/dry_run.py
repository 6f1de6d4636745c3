"""What a run would do, in words: the output of `run --dry-run`."""

from __future__ import annotations

from collections.abc import Iterator

from wt_orchestrate.domain.ids import Branch, RunId, WorkstreamId, integration_branch, workstream_branch
from wt_orchestrate.domain.plan.graph import waves
from wt_orchestrate.domain.plan.model import Plan
from wt_orchestrate.domain.plan.settings import Settings


def preview(plan: Plan, settings: Settings, *, run: RunId, target: Branch, worktrees: str) -> Iterator[str]:
    """One line for each effect, in the order in which they could start. `worktrees` is the absolute template of their
    paths."""
    yield f"fetch {target} into the vault and start {integration_branch(run)} there"
    yield from _commands(settings)
    for wave in waves(plan):
        for name in wave:
            yield from _beginning(plan, settings, name, run=run, worktrees=worktrees)
        for name in wave:
            checks = (*plan.checks, *plan.workstreams[name].checks)
            told = ", ".join(f"`{check.run}`" for check in checks) or "no checks"
            yield f"merge {name} in memory, check the combined tree ({told}), advance {integration_branch(run)}"


def _commands(settings: Settings) -> Iterator[str]:
    """Commands of the repository that a run may start by itself, so that a person has seen them before."""
    for name, driver in settings.merge.drivers.items():
        yield f"where {', '.join(driver.paths)} conflict: run the merge driver {name}, `{driver.run}`"
    for rule in settings.merge.regenerate:
        yield f"where {', '.join(rule.paths)} conflict: regenerate them with `{rule.run}`"
    if settings.merge.mergiraf not in {"", "auto", "off"}:
        yield f"where files conflict: merge them by {settings.merge.mergiraf}"


def _beginning(plan: Plan, settings: Settings, name: str, *, run: RunId, worktrees: str) -> Iterator[str]:
    where = worktrees.replace("{run}", run).replace("{workstream}", name)
    if plan.workstreams[name].branch:
        yield f"use the branch {plan.workstreams[name].branch} as the work of {name}"
        return
    yield f"create the worktree {where} on branch {workstream_branch(run, WorkstreamId(name))}"
    for command in (*settings.setup, *plan.setup):
        yield f"run the setup command `{command}` there"
    yield f"start the agent {plan.workstreams[name].agent or plan.defaults.agent} on {name}"
