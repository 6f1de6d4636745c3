"""Who waits for whom, and the rules of a plan that reach across its fields.

Needs are those written down and those implied by the order of `stages`. A scope is a list of globs: `*` and `?` stay
within a path component, `**` crosses them, and a plain path covers everything below it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache

from wt_orchestrate.domain import pipeline
from wt_orchestrate.domain.ids import WorkstreamId, unsafe_id
from wt_orchestrate.domain.permissions import reads_only
from wt_orchestrate.domain.plan import MAX_WORKSTREAMS, AgentType, Budget, Kind, Plan, seconds
from wt_orchestrate.domain.recovery import Cause, ladder
from wt_orchestrate.domain.settings import Settings, agent_spec, role_of

Place = tuple[str | int, ...]
_SERVING = re.compile(r"-(arbiter|review|answer|synthesis)(-\d+)?$")
_UNSAFE_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|\.lock(/|$)|/\.|^\.|\.$|^/|/$|^-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong at a place in the plan (keys and list indexes), and what to do."""

    place: Place
    message: str
    hint: str = ""
    warning: bool = False


# ---------------------------------------------------------------- the graph


def needs_of(plan: Plan, name: str) -> tuple[WorkstreamId, ...]:
    """What a workstream waits for: its `needs`, and everything of earlier stages; each once."""
    stream = plan.workstreams[name]
    before = pipeline.before(plan, stream.stage)
    if not before:
        return tuple(dict.fromkeys(map(WorkstreamId, stream.needs)))
    earlier = (other for other, spec in plan.workstreams.items() if spec.stage in before)
    return tuple(dict.fromkeys(map(WorkstreamId, (*stream.needs, *earlier))))


def _needs(plan: Plan) -> Mapping[str, tuple[WorkstreamId, ...]]:
    return {name: needs_of(plan, name) for name in plan.workstreams}


def dependents(plan: Plan) -> Mapping[str, tuple[str, ...]]:
    """For each workstream those that wait for it directly."""
    waiting: dict[str, list[str]] = {name: [] for name in plan.workstreams}
    for name, needs in _needs(plan).items():
        for need in needs:
            waiting.get(need, []).append(name)
    return {name: tuple(after) for name, after in waiting.items()}


def waves(plan: Plan) -> tuple[tuple[str, ...], ...]:
    """Workstreams in the order they could start, those of one wave at the same time. The graph must have no cycle."""
    left = dict(_needs(plan))
    done: set[str] = set()
    found: list[tuple[str, ...]] = []
    while left:
        wave = tuple(name for name, needs in left.items() if all(need in done for need in needs))
        if not wave:
            break
        found.append(wave)
        done.update(wave)
        left = {name: needs for name, needs in left.items() if name not in done}
    return tuple(found)


def longest_chain(plan: Plan, weights: Mapping[str, float] | None = None) -> tuple[str, ...]:
    """The chain of needs with the greatest sum of weights (1 each by default)."""
    best: dict[str, tuple[float, tuple[str, ...]]] = {}
    for wave in waves(plan):
        for name in wave:
            before = max((best[need] for need in needs_of(plan, name)), default=(0.0, ()))
            weight = 1.0 if weights is None else weights.get(name, 0.0)
            best[name] = (before[0] + weight, (*before[1], name))
    return max(best.values(), default=(0.0, ()), key=lambda chain: chain[0])[1]


def find_cycle(plan: Plan) -> tuple[str, ...]:
    """One cycle of needs, its first workstream again at the end; empty when there is none."""
    needs = _needs(plan)
    colour: dict[str, int] = {}
    for root in needs:
        path: list[str] = []
        stack: list[tuple[str, Iterator[str]]] = [(root, iter(needs[root]))] if root not in colour else []
        if stack:
            colour[root] = 1
            path.append(root)
        while stack:
            name, rest = stack[-1]
            need = next((each for each in rest if each in needs), None)
            if need is None:
                colour[name] = 2
                stack.pop()
                path.pop()
            elif colour.get(need) == 1:
                return (*path[path.index(need) :], need)
            elif need not in colour:
                colour[need] = 1
                path.append(need)
                stack.append((need, iter(needs[need])))
    return ()


def all_needs(plan: Plan) -> Mapping[str, frozenset[str]]:
    """For each workstream everything it waits for, directly or not."""
    reached: dict[str, frozenset[str]] = {}
    for wave in waves(plan):
        for name in wave:
            needs = needs_of(plan, name)
            reached[name] = frozenset(needs).union(*(reached[need] for need in needs))
    return reached


# ---------------------------------------------------------------- scopes


def scope_matches(scope: Sequence[str], path: str) -> bool:
    """Whether a glob of the scope covers the path."""
    return _scope(tuple(scope)).fullmatch(path) is not None


@lru_cache(maxsize=1024)
def _scope(globs: tuple[str, ...]) -> re.Pattern[str]:
    """All globs at once: a path is asked about once, however many there are."""
    return re.compile("|".join(f"(?:{_pattern(glob).pattern})" for glob in globs) or r"(?!)", re.DOTALL)


@lru_cache(maxsize=4096)
def _pattern(glob: str) -> re.Pattern[str]:
    parts: list[str] = []
    rest = glob.rstrip("/")
    while rest:
        if rest.startswith("**/"):
            parts.append("(?:[^/]+/)*")
            rest = rest[3:]
        elif rest.startswith("**"):
            parts.append(".*")
            rest = rest[2:]
        elif rest[0] == "*":
            parts.append("[^/]*")
            rest = rest[1:]
        elif rest[0] == "?":
            parts.append("[^/]")
            rest = rest[1:]
        else:
            parts.append(re.escape(rest[0]))
            rest = rest[1:]
    return re.compile("".join(parts) + "(?:/.*)?", re.DOTALL)


def globs_overlap(one: str, other: str) -> bool:
    """Whether some path may be covered by both; never no when there is one."""
    return _overlap(tuple(one.rstrip("/").split("/")), tuple(other.rstrip("/").split("/")))


@lru_cache(maxsize=65536)
def _overlap(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    if not one or not other:
        return True  # a path covers everything below it
    if one[0] == "**":
        return _overlap(one[1:], other) or _overlap(one, other[1:])
    if other[0] == "**":
        return _overlap(other, one)
    return _components_meet(one[0], other[0]) and _overlap(one[1:], other[1:])


def _components_meet(one: str, other: str) -> bool:
    wild_one, wild_other = any(c in one for c in "*?"), any(c in other for c in "*?")
    if not wild_one and not wild_other:
        return one == other
    if wild_one and wild_other:
        head = len(re.split(r"[*?]", one)[0]), len(re.split(r"[*?]", other)[0])
        shared = min(head)
        return one[:shared] == other[:shared]
    glob, plain = (one, other) if wild_one else (other, one)
    return _pattern(glob).fullmatch(plain) is not None


# ---------------------------------------------------------------- problems


def settings_problems(settings: Settings) -> Iterator[Problem]:
    """Everything wrong with settings whose shape is right."""
    for name in ("{run}", "{workstream}"):
        if name not in settings.worktrees:
            message = f"the path does not hold {name}"
            yield Problem(place=("worktrees",), message=message, hint="write it in, as in the default")
    yield from _duration(("stagger",), settings.stagger)
    yield from _duration(("poll",), settings.poll)
    yield from _duration(("radar",), settings.radar)
    yield from _duration(("recovery", "wrap_up"), settings.recovery.wrap_up)
    for cause in Cause:
        for number, rung in enumerate(ladder(settings.recovery, cause, retries=0)):
            place: Place = ("recovery", cause.value, number)
            if rung.times < 0:
                yield Problem(place=(*place, "times"), message="times cannot be negative", hint="write 0 for never")
            for wait in rung.waits:
                yield from _duration((*place, "waits"), wait)


def problems(plan: Plan, settings: Settings) -> Sequence[Problem]:
    """Everything wrong with a plan whose shape is right; warnings last."""
    if len(plan.workstreams) > MAX_WORKSTREAMS:
        return (
            Problem(
                place=("workstreams",),
                message=f"{len(plan.workstreams)} workstreams are more than the {MAX_WORKSTREAMS} a run can hold",
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
            Problem(
                place=("workstreams", cycle[0], "needs"),
                message=f"needs go in a circle: {chain}",
                hint="remove one of them",
            )
        )
    elif all(problem.warning for problem in found):
        found += _overlaps(plan)
    return tuple(found)


def _plan_problems(plan: Plan) -> Iterator[Problem]:
    if not plan.goal.strip():
        yield Problem(place=("goal",), message="the goal is empty", hint="say in a sentence what all of this is for")
    if not plan.workstreams:
        yield Problem(place=("workstreams",), message="there is no workstream", hint="add one with a brief")
    if plan.limits.checks < 1:
        yield Problem(place=("limits", "checks"), message="limits.checks must be at least 1", hint="write checks: 1")
    if plan.limits.agents < 1:
        yield Problem(place=("limits", "agents"), message="agents must be at least 1", hint="write 1 or more")
    if plan.limits.budget_usd is not None and plan.limits.budget_usd <= 0:
        yield Problem(
            place=("limits", "budget_usd"), message="the budget must be more than 0", hint="remove it for none"
        )
    if plan.limits.wall is not None:
        yield from _duration(("limits", "wall"), plan.limits.wall)
    for what, cap in (("tokens", plan.limits.tokens), ("turns", plan.limits.turns)):
        if cap is not None and cap <= 0:
            yield Problem(place=("limits", what), message="the bound must be more than 0", hint="remove it for none")
    yield from _budget(("defaults", "limits"), plan.defaults.limits)
    yield from _duration(("defaults", "idle"), plan.defaults.idle)
    if plan.defaults.retries < 0:
        yield Problem(place=("defaults", "retries"), message="retries cannot be negative", hint="write 0 for none")
    if plan.target is not None and (not plan.target or _UNSAFE_BRANCH.search(plan.target)):
        yield Problem(
            place=("target",), message=f"{plan.target!r} is no name git takes for a branch", hint="name a branch"
        )
    for number, check in enumerate(plan.checks):
        yield from _check(("checks", number), check.run, check.timeout)
    for number, command in enumerate(plan.setup):
        if not command.strip():
            yield Problem(place=("setup", number), message="the command is empty", hint="remove it")
    yield from _stage_problems(plan)


def _stage_problems(plan: Plan) -> Iterator[Problem]:
    names = pipeline.stage_names(plan)
    for stage in sorted({stage for stage in names if names.count(stage) > 1}):
        yield Problem(place=("stages",), message=f"the stage {stage!r} is named twice", hint="name each stage once")
    used = {stream.stage for stream in plan.workstreams.values()}
    filled = False
    for number, spec in enumerate(pipeline.stage_specs(plan)):
        place: Place = ("stages", number)
        ends = pipeline.has_synthesis(spec) or pipeline.has_gate(spec)
        reason = unsafe_id(spec.name) if ends else None
        if reason is not None:
            message = (
                f"the stage {spec.name!r} {reason}, and a stage with a gate or a synthesis is named on the command line"
            )
            yield Problem(place=place, message=message, hint="choose another name, such as research")
        if spec.name not in used and not filled:
            message = f"no workstream is in the stage {spec.name!r}, and no synthesis before it plans any"
            hint = "add one, remove the stage, or give the stage before it synthesis: true"
            yield Problem(place=place, message=message, hint=hint, warning=not pipeline.has_synthesis(spec))
        filled = filled or pipeline.has_synthesis(spec)


def _budget(place: Place, limits: Budget) -> Iterator[Problem]:
    for what, cap in (("budget_usd", limits.budget_usd), ("tokens", limits.tokens), ("turns", limits.turns)):
        if cap is not None and cap <= 0:
            yield Problem(place=(*place, what), message="the bound must be more than 0", hint="remove it for none")
    if limits.wall is not None:
        yield from _duration((*place, "wall"), limits.wall)


def _duration(place: Place, text: str) -> Iterator[Problem]:
    if seconds(text) is None:
        yield Problem(place=place, message=f"{text!r} is no duration", hint="write it as 45s, 10m or 1h30m")


def _check(place: Place, command: str, timeout: str) -> Iterator[Problem]:
    if not command.strip():
        yield Problem(place=(*place, "run"), message="the check's command is empty", hint="name a command or remove it")
    yield from _duration((*place, "timeout"), timeout)


def _agent_problems(plan: Plan, settings: Settings) -> Iterator[Problem]:
    for name, spec in plan.agents.items():
        if spec.type is AgentType.COMMAND and not spec.run.strip():
            yield Problem(place=("agents", name), message=f"the agent {name!r} has no command", hint="add run: to it")
    known = sorted({*plan.agents, *settings.agents, AgentType.CLAUDE_CODE.value})
    if agent_spec(plan.defaults.agent, plan_agents=plan.agents, settings=settings) is None:
        yield _unknown(("defaults", "agent"), "agent", plan.defaults.agent, known)
    reviewer = plan.defaults.review
    if reviewer and agent_spec(reviewer, plan_agents=plan.agents, settings=settings) is None:
        yield _unknown(("defaults", "review"), "agent", reviewer, known)
    for number, stage in enumerate(pipeline.stage_specs(plan)):
        synthesiser = pipeline.synthesis_spec(stage).agent
        if synthesiser and agent_spec(synthesiser, plan_agents=plan.agents, settings=settings) is None:
            yield _unknown(("stages", number, "synthesis", "agent"), "agent", synthesiser, known)
    for name, stream in plan.workstreams.items():
        if stream.agent and stream.branch:
            place: Place = ("workstreams", name, "agent")
            yield Problem(place=place, message="a branch needs no agent: its work is done", hint="remove agent:")
        if stream.review and agent_spec(stream.review, plan_agents=plan.agents, settings=settings) is None:
            yield _unknown(("workstreams", name, "review"), "agent", stream.review, known)
        wanted = stream.agent or plan.defaults.agent
        if stream.agent and agent_spec(wanted, plan_agents=plan.agents, settings=settings) is None:
            yield _unknown(("workstreams", name, "agent"), "agent", wanted, known)


def _role_problems(plan: Plan, settings: Settings) -> Iterator[Problem]:
    """Roles that are not there, and those that cannot do what is asked of them. Where no roles are known (a run of an
    earlier version), the word means nothing."""
    for name, stream in plan.workstreams.items():
        if not stream.role or not settings.roles:
            continue
        place, role = ("workstreams", name, "role"), role_of(stream.role, settings=settings)
        if role is None:
            yield _unknown(place, "role", stream.role, sorted(settings.roles))
        elif reads_only(role) and stream.kind is Kind.CHANGE and not stream.branch:
            message = f"the role {stream.role!r} only reads, and {name!r} is to end with commits"
            yield Problem(place=place, message=message, hint="write kind: research, or name a role that may write")


def _unknown(place: Place, what: str, wanted: str, known: Sequence[str]) -> Problem:
    near = get_close_matches(wanted, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known[:12]) or 'none'}"
    return Problem(place=place, message=f"there is no {what} {wanted!r}", hint=hint)


def _stream_problems(plan: Plan, name: str) -> Iterator[Problem]:
    stream, place = plan.workstreams[name], ("workstreams", name)
    reason = unsafe_id(name)
    if reason is not None:
        yield Problem(place=place, message=f"the id {name!r} {reason}", hint="choose another id, such as db-pool")
    tools = (("serves", stream.serves), ("continues", stream.continues), ("synthesises", stream.synthesises))
    for key, value in tools:
        if value and not _SERVING.search(name):
            yield Problem(place=(*place, key), message=f"{key}: is the tool's own", hint="remove it")
    if stream.branch:
        yield from _branch_problems(plan, name)
    elif not stream.brief.strip():
        yield Problem(place=(*place, "brief"), message="the brief is empty", hint="say what the agent is to do")
    for number, need in enumerate(stream.needs):
        if need not in plan.workstreams:
            yield _unknown((*place, "needs", number), "workstream", need, list(plan.workstreams))
        elif need in stream.needs[:number]:
            yield Problem(place=(*place, "needs", number), message=f"{need!r} is needed twice", hint="remove one")
    if stream.stage and stream.stage not in pipeline.stage_names(plan):
        yield _unknown((*place, "stage"), "stage", stream.stage, pipeline.stage_names(plan))
    yield from _budget((*place, "limits"), stream.limits)
    if stream.retries is not None and stream.retries < 0:
        yield Problem(place=(*place, "retries"), message="retries cannot be negative", hint="write 0 for none")
    for key, length in (("idle", stream.idle), ("estimate", stream.estimate)):
        if length is not None:
            yield from _duration((*place, key), length)
    for number, glob in enumerate(stream.scope):
        yield from _glob((*place, "scope", number), glob)
    for number, check in enumerate(stream.checks):
        yield from _check((*place, "checks", number), check.run, check.timeout)


def _branch_problems(plan: Plan, name: str) -> Iterator[Problem]:
    stream, place = plan.workstreams[name], ("workstreams", name, "branch")
    if _UNSAFE_BRANCH.search(stream.branch):
        yield Problem(place=place, message=f"{stream.branch!r} is no branch name", hint="write it without refs/heads/")
    if stream.branch == plan.target:
        yield Problem(place=place, message=f"{stream.branch!r} is the target itself", hint="choose another branch")
    if stream.branch.startswith("wto/"):
        yield Problem(place=place, message=f"{stream.branch!r} is a run's own branch", hint="choose another branch")
    if stream.kind is Kind.RESEARCH or stream.expands:
        yield Problem(place=place, message="a branch brings changes and nothing else", hint="remove kind: and expands:")
    others = [other for other, spec in plan.workstreams.items() if spec.branch == stream.branch and other != name]
    if others and list(plan.workstreams).index(others[0]) < list(plan.workstreams).index(name):
        yield Problem(place=place, message=f"{stream.branch!r} is in {others[0]!r} already", hint="remove one of them")


def _glob(place: Place, glob: str) -> Iterator[Problem]:
    parts = glob.rstrip("/").split("/")
    if not glob.strip():
        yield Problem(place=place, message="the path is empty", hint="remove it; no scope at all means everything")
    elif glob.startswith(("/", "~")) or re.match(r"[A-Za-z]:", glob):
        yield Problem(place=place, message=f"{glob!r} is absolute", hint="write it from the repository's root")
    elif ".." in parts or "." in parts or "" in parts:
        yield Problem(
            place=place, message=f"{glob!r} leaves the repository or is not plain", hint="write it without . and .."
        )
    elif any(ord(char) < 32 or ord(char) == 127 for char in glob) or "\\" in glob:
        yield Problem(place=place, message=f"{glob!r} has control characters or backslashes", hint="write a plain path")
    elif ".git" in (part.lower() for part in parts):
        yield Problem(place=place, message=f"{glob!r} is git's own folder", hint="remove it")


def _overlaps(plan: Plan) -> Iterator[Problem]:
    """Workstreams that may run at the same time and may write the same paths."""
    reach = all_needs(plan)
    names = [name for name, stream in plan.workstreams.items() if stream.scope]
    for number, one in enumerate(names):
        for other in names[number + 1 :]:
            if one in reach[other] or other in reach[one]:
                continue
            met = _meeting(plan.workstreams[one].scope, plan.workstreams[other].scope)
            if met is not None:
                yield Problem(
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
