"""Branches that people or other tools made, as workstreams: their ids, and the plan of a run that only integrates them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct

from wt_orchestrate.domain.ids import unsafe_id
from wt_orchestrate.domain.plan.model import Check, Limits, Plan, Workstream

_LONGEST = 36
GOAL = "Integrate branches"


class Queued(Struct, frozen=True, kw_only=True):
    """A branch to integrate. `title` and `intent` come from its commit messages."""

    branch: str
    title: str
    intent: str


def branch_id(branch: str, taken: Collection[str]) -> str:
    """A safe id for a branch, such as `feature-login` for `feature/login`; with a number if it is taken."""
    plain = re.sub(r"[^a-z0-9]+", "-", branch.lower()).strip("-")[:_LONGEST].strip("-") or "branch"
    if unsafe_id(plain) is not None:
        plain = f"branch-{plain}"[:_LONGEST].strip("-")
    number, found = 1, plain
    while found in taken:
        number += 1
        found = f"{plain}-{number}"
    return found


def queued_workstreams(branches: Sequence[Queued], taken: Collection[str]) -> Mapping[str, Workstream]:
    """One workstream for each branch, in the same order."""
    found: dict[str, Workstream] = {}
    for each in branches:
        name = branch_id(each.branch, {*taken, *found})
        found[name] = Workstream(brief=each.intent, title=each.title, branch=each.branch)
    return found


def queue_plan(
    workstreams: Mapping[str, Workstream], *, target: str | None, checks: Sequence[Check], workers: int
) -> Plan:
    """The plan of a run that has no work to do and integrates these branches."""
    return Plan(goal=GOAL, workstreams=workstreams, target=target, checks=tuple(checks), limits=Limits(checks=workers))


def is_queue(plan: Plan) -> bool:
    """Whether a plan only integrates existing branches."""
    return bool(plan.workstreams) and all(spec.branch for spec in plan.workstreams.values())
