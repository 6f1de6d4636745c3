"""Check a plan and settings: rules that need more than one field. Yields `PlanProblem`s; never raises.

Needs are those written down and those implied by the order of `stages`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from msgspec import Struct

from wt_orchestrate.domain.ids import unsafe_id
from wt_orchestrate.domain.plan import stages
from wt_orchestrate.domain.plan.graph import all_needs, find_cycle
from wt_orchestrate.domain.plan.model import MAX_WORKSTREAMS, AgentType, Budget, Kind, Plan, seconds
from wt_orchestrate.domain.plan.permissions import reads_only
from wt_orchestrate.domain.plan.retry_ladder import Cause, ladder
from wt_orchestrate.domain.plan.scope import globs_overlap
from wt_orchestrate.domain.plan.settings import Settings, agent_spec, role_of

Place = tuple[str | int, ...]
_SERVING = re.compile(r"-(arbiter|review|answer|synthesis)(-\d+)?$")
_UNSAFE_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|\.lock(/|$)|/\.|^\.|\.$|^/|/$|^-")


class PlanProblem(Struct, frozen=True, kw_only=True):
    """What is wrong at a place in the plan (keys and list indexes), and what to do."""

    place: Place
    message: str
    hint: str = ""
    warning: bool = False


# ---------------------------------------------------------------- problems


def settings_problems(settings: Settings) -> Iterator[PlanProblem]:
    """Everything wrong with settings whose types are right."""
    for name in ("{run}", "{workstream}"):
        if name not in settings.worktrees:
            message = f"the path does not contain {name}"
            yield PlanProblem(place=("worktrees",), message=message, hint="add it, as in the default")
    if settings.keep_output_days < 0:
        yield PlanProblem(place=("keep_output_days",), message="it cannot be negative", hint="write 0 to keep none")
    if settings.co_author and not re.fullmatch(r"[^<>\n]+ <[^<>\n]+>", settings.co_author):
        yield PlanProblem(
            place=("co_author",), message="co_author is not `Name <address>`", hint="as `git log` shows authors"
        )
    yield from _duration(("stagger",), settings.stagger)
    yield from _duration(("poll",), settings.poll)
    yield from _duration(("radar",), settings.radar)
    yield from _duration(("recovery", "wrap_up"), settings.recovery.wrap_up)
    for cause in Cause:
        for number, rung in enumerate(ladder(settings.recovery, cause, retries=0)):
            place: Place = ("recovery", cause.value, number)
            if rung.times < 0:
                yield PlanProblem(place=(*place, "times"), message="times cannot be negative", hint="write 0 for never")
            for wait in rung.waits:
                yield from _duration((*place, "waits"), wait)


def problems(plan: Plan, settings: Settings) -> Sequence[PlanProblem]:
    """Everything wrong with a plan whose types are right; warnings last."""
    if len(plan.workstreams) > MAX_WORKSTREAMS:
        return (
            PlanProblem(
                place=("workstreams",),
                message=f"{len(plan.workstreams)} workstreams are more than the {MAX_WORKSTREAMS} a run allows",
                hint="split the plan",
            ),
        )
    found = [*_plan_problems(plan), *_agent_problems(plan, settings), *_role_problems(plan, settings)]
    for name in plan.workstreams:
        found += _stream_problems(plan, name)
    cycle = find_cycle(plan)
    if cycle:
        chain = " -> ".join(cycle)
        found.append(
            PlanProblem(
                place=("workstreams", cycle[0], "needs"),
                message=f"needs form a cycle: {chain}",
                hint="remove one of them",
            )
        )
    elif all(problem.warning for problem in found):
        found += _overlaps(plan)
    return tuple(found)


def _plan_problems(plan: Plan) -> Iterator[PlanProblem]:
    if not plan.goal.strip():
        yield PlanProblem(place=("goal",), message="the goal is empty", hint="say in a sentence what the plan is for")
    if not plan.workstreams:
        yield PlanProblem(place=("workstreams",), message="there is no workstream", hint="add one with a brief")
    if plan.limits.checks < 1:
        yield PlanProblem(
            place=("limits", "checks"), message="limits.checks must be at least 1", hint="write checks: 1"
        )
    if plan.limits.agents < 1:
        yield PlanProblem(place=("limits", "agents"), message="agents must be at least 1", hint="write 1 or more")
    if plan.limits.budget_usd is not None and plan.limits.budget_usd <= 0:
        yield PlanProblem(
            place=("limits", "budget_usd"), message="the budget must be more than 0", hint="remove it for no limit"
        )
    if plan.limits.wall is not None:
        yield from _duration(("limits", "wall"), plan.limits.wall)
    for what, cap in (("tokens", plan.limits.tokens), ("turns", plan.limits.turns)):
        if cap is not None and cap <= 0:
            yield PlanProblem(
                place=("limits", what), message="the limit must be more than 0", hint="remove it for no limit"
            )
    yield from _budget(("defaults", "limits"), plan.defaults.limits)
    yield from _duration(("defaults", "idle"), plan.defaults.idle)
    if plan.defaults.retries < 0:
        yield PlanProblem(place=("defaults", "retries"), message="retries cannot be negative", hint="write 0 for none")
    if plan.target is not None and (not plan.target or _UNSAFE_BRANCH.search(plan.target)):
        yield PlanProblem(
            place=("target",), message=f"{plan.target!r} is not a valid branch name", hint="name a branch"
        )
    for number, check in enumerate(plan.checks):
        yield from _check(("checks", number), check.run, check.timeout)
    for number, command in enumerate(plan.setup):
        if not command.strip():
            yield PlanProblem(place=("setup", number), message="the command is empty", hint="remove it")
    yield from _stage_problems(plan)


def _stage_problems(plan: Plan) -> Iterator[PlanProblem]:
    names = stages.stage_names(plan)
    for stage in sorted({stage for stage in names if names.count(stage) > 1}):
        yield PlanProblem(place=("stages",), message=f"the stage {stage!r} is named twice", hint="name each stage once")
    used = {stream.stage for stream in plan.workstreams.values()}
    filled = False
    for number, spec in enumerate(stages.stage_specs(plan)):
        place: Place = ("stages", number)
        ends = stages.has_synthesis(spec) or stages.has_gate(spec)
        reason = unsafe_id(spec.name) if ends else None
        if reason is not None:
            message = (
                f"the stage {spec.name!r} {reason}, but a stage with a gate or a synthesis needs a name for the "
                "command line"
            )
            yield PlanProblem(place=place, message=message, hint="choose another name, such as research")
        if spec.name not in used and not filled:
            message = f"no workstream is in the stage {spec.name!r}, and no synthesis before it plans one"
            hint = "add one, remove the stage, or give the stage before it synthesis: true"
            yield PlanProblem(place=place, message=message, hint=hint, warning=not stages.has_synthesis(spec))
        filled = filled or stages.has_synthesis(spec)


def _budget(place: Place, limits: Budget) -> Iterator[PlanProblem]:
    for what, cap in (("budget_usd", limits.budget_usd), ("tokens", limits.tokens), ("turns", limits.turns)):
        if cap is not None and cap <= 0:
            yield PlanProblem(
                place=(*place, what), message="the limit must be more than 0", hint="remove it for no limit"
            )
    if limits.wall is not None:
        yield from _duration((*place, "wall"), limits.wall)


def _duration(place: Place, text: str) -> Iterator[PlanProblem]:
    if seconds(text) is None:
        yield PlanProblem(place=place, message=f"{text!r} is not a duration", hint="write it as 45s, 10m or 1h30m")


def _check(place: Place, command: str, timeout: str) -> Iterator[PlanProblem]:
    if not command.strip():
        yield PlanProblem(
            place=(*place, "run"), message="the check's command is empty", hint="name a command or remove it"
        )
    yield from _duration((*place, "timeout"), timeout)


def _agent_problems(plan: Plan, settings: Settings) -> Iterator[PlanProblem]:
    for name, spec in plan.agents.items():
        if spec.type is AgentType.COMMAND and not spec.run.strip():
            yield PlanProblem(
                place=("agents", name), message=f"the agent {name!r} has no command", hint="add run: to it"
            )
    known = sorted({*plan.agents, *settings.agents, AgentType.CLAUDE_CODE.value})
    if agent_spec(plan.defaults.agent, plan_agents=plan.agents, settings=settings) is None:
        yield _unknown(("defaults", "agent"), "agent", plan.defaults.agent, known)
    reviewer = plan.defaults.review
    if reviewer and agent_spec(reviewer, plan_agents=plan.agents, settings=settings) is None:
        yield _unknown(("defaults", "review"), "agent", reviewer, known)
    for number, stage in enumerate(stages.stage_specs(plan)):
        synthesiser = stages.synthesis_spec(stage).agent
        if synthesiser and agent_spec(synthesiser, plan_agents=plan.agents, settings=settings) is None:
            yield _unknown(("stages", number, "synthesis", "agent"), "agent", synthesiser, known)
    for name, stream in plan.workstreams.items():
        if stream.agent and stream.branch:
            place: Place = ("workstreams", name, "agent")
            yield PlanProblem(
                place=place, message="a branch needs no agent: its work exists already", hint="remove agent:"
            )
        if stream.review and agent_spec(stream.review, plan_agents=plan.agents, settings=settings) is None:
            yield _unknown(("workstreams", name, "review"), "agent", stream.review, known)
        wanted = stream.agent or plan.defaults.agent
        if stream.agent and agent_spec(wanted, plan_agents=plan.agents, settings=settings) is None:
            yield _unknown(("workstreams", name, "agent"), "agent", wanted, known)


def _role_problems(plan: Plan, settings: Settings) -> Iterator[PlanProblem]:
    """Roles that do not exist, and roles that cannot do what is asked of them. Nothing if no roles are known (a run of
    an earlier version)."""
    for name, stream in plan.workstreams.items():
        if not stream.role or not settings.roles:
            continue
        place, role = ("workstreams", name, "role"), role_of(stream.role, settings=settings)
        if role is None:
            yield _unknown(place, "role", stream.role, sorted(settings.roles))
        elif reads_only(role) and stream.kind is Kind.CHANGE and not stream.branch:
            message = f"the role {stream.role!r} only reads, and {name!r} is to end with commits"
            yield PlanProblem(place=place, message=message, hint="write kind: research, or name a role that may write")


def _unknown(place: Place, what: str, wanted: str, known: Sequence[str]) -> PlanProblem:
    near = get_close_matches(wanted, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known[:12]) or 'none'}"
    return PlanProblem(place=place, message=f"unknown {what} {wanted!r}", hint=hint)


def _stream_problems(plan: Plan, name: str) -> Iterator[PlanProblem]:
    stream, place = plan.workstreams[name], ("workstreams", name)
    reason = unsafe_id(name)
    if reason is not None:
        yield PlanProblem(place=place, message=f"the id {name!r} {reason}", hint="choose another id, such as db-pool")
    tools = (("serves", stream.serves), ("continues", stream.continues), ("synthesises", stream.synthesises))
    for key, value in tools:
        if value and not _SERVING.search(name):
            yield PlanProblem(place=(*place, key), message=f"{key}: is reserved for wto", hint="remove it")
    if stream.branch:
        yield from _branch_problems(plan, name)
    elif not stream.brief.strip():
        yield PlanProblem(place=(*place, "brief"), message="the brief is empty", hint="say what the agent should do")
    for number, need in enumerate(stream.needs):
        if need not in plan.workstreams:
            yield _unknown((*place, "needs", number), "workstream", need, list(plan.workstreams))
        elif need in stream.needs[:number]:
            yield PlanProblem(
                place=(*place, "needs", number), message=f"{need!r} is listed twice in needs", hint="remove one"
            )
    if stream.stage and stream.stage not in stages.stage_names(plan):
        yield _unknown((*place, "stage"), "stage", stream.stage, stages.stage_names(plan))
    yield from _budget((*place, "limits"), stream.limits)
    if stream.retries is not None and stream.retries < 0:
        yield PlanProblem(place=(*place, "retries"), message="retries cannot be negative", hint="write 0 for none")
    for key, length in (("idle", stream.idle), ("estimate", stream.estimate)):
        if length is not None:
            yield from _duration((*place, key), length)
    for number, glob in enumerate(stream.scope):
        yield from _glob((*place, "scope", number), glob)
    for number, check in enumerate(stream.checks):
        yield from _check((*place, "checks", number), check.run, check.timeout)


def _branch_problems(plan: Plan, name: str) -> Iterator[PlanProblem]:
    stream, place = plan.workstreams[name], ("workstreams", name, "branch")
    if _UNSAFE_BRANCH.search(stream.branch):
        yield PlanProblem(
            place=place, message=f"{stream.branch!r} is not a valid branch name", hint="write it without refs/heads/"
        )
    if stream.branch == plan.target:
        yield PlanProblem(place=place, message=f"{stream.branch!r} is the target itself", hint="choose another branch")
    if stream.branch.startswith("wto/"):
        yield PlanProblem(place=place, message=f"{stream.branch!r} is a branch of a run", hint="choose another branch")
    if stream.kind is Kind.RESEARCH or stream.expands:
        yield PlanProblem(place=place, message="a branch can only bring changes", hint="remove kind: and expands:")
    others = [other for other, spec in plan.workstreams.items() if spec.branch == stream.branch and other != name]
    if others and list(plan.workstreams).index(others[0]) < list(plan.workstreams).index(name):
        yield PlanProblem(
            place=place, message=f"{stream.branch!r} is in {others[0]!r} already", hint="remove one of them"
        )


def _glob(place: Place, glob: str) -> Iterator[PlanProblem]:
    parts = glob.rstrip("/").split("/")
    if not glob.strip():
        yield PlanProblem(place=place, message="the path is empty", hint="remove it; no scope at all means everything")
    elif glob.startswith(("/", "~")) or re.match(r"[A-Za-z]:", glob):
        yield PlanProblem(place=place, message=f"{glob!r} is absolute", hint="write it from the repository's root")
    elif ".." in parts or "." in parts or "" in parts:
        yield PlanProblem(
            place=place,
            message=f"{glob!r} leaves the repository or is not a plain path",
            hint="write it without . and ..",
        )
    elif any(ord(char) < 32 or ord(char) == 127 for char in glob) or "\\" in glob:
        yield PlanProblem(
            place=place, message=f"{glob!r} has control characters or backslashes", hint="write a plain path"
        )
    elif ".git" in (part.lower() for part in parts):
        yield PlanProblem(place=place, message=f"{glob!r} is git's own folder", hint="remove it")


def _overlaps(plan: Plan) -> Iterator[PlanProblem]:
    """Workstreams that may run at the same time and may write the same paths."""
    reach = all_needs(plan)
    names = [name for name, stream in plan.workstreams.items() if stream.scope]
    for number, one in enumerate(names):
        for other in names[number + 1 :]:
            if one in reach[other] or other in reach[one]:
                continue
            met = _meeting(plan.workstreams[one].scope, plan.workstreams[other].scope)
            if met is not None:
                yield PlanProblem(
                    place=("workstreams", other, "scope", met[1]),
                    message=f"{one!r} and {other!r} may run at the same time and both may write {met[0]!r}",
                    hint="narrow one scope, or let one need the other",
                    warning=True,
                )


def _meeting(one: Sequence[str], other: Sequence[str]) -> tuple[str, int] | None:
    for number, glob in enumerate(other):
        for mine in one:
            if globs_overlap(mine, glob):
                return glob, number
    return None
