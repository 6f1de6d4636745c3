"""Check a plan that an agent drafted, beyond the rules of every plan, and take out what needs a person's approval.

Such a plan is text of an agent, so it is hostile until it is checked: it may have no agents, limits or branches of its
own, no characters that hide anything, and no more text than a person can read. Commands that the repository has not
configured are taken out and listed: nothing here runs one. Scopes of workstreams that may run at the same time must not
overlap; each scope must cover something that exists (or that its brief names as new); each brief must stand alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches

from msgspec import Struct

from wt_orchestrate.domain.plan.model import Check, Defaults, Kind, Limits, Plan, Workstream
from wt_orchestrate.domain.plan.scope import scope_matches
from wt_orchestrate.domain.plan.settings import Settings
from wt_orchestrate.domain.plan.stages import stage_specs, synthesis_spec
from wt_orchestrate.domain.plan.validation import Place, PlanProblem
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.text.clean import clean

MOST_STREAMS = 50
"""More workstreams are no draft that a person can judge."""
MOST_TEXT = 100_000
"""How many characters all texts of a plan may have."""
MOST_GLOBS = 300
SHORTEST_BRIEF = 60
_LONGEST_GLOB = 200
_CANDIDATES = 300
_LISTED = 40
_SHOWN = 300
_LEANS = re.compile(
    r"\b(?:see above|as above|as (?:discussed|mentioned|described|agreed)(?: (?:above|before|earlier))?|TBD|TODO: ?decide|"
    r"same as (?:above|before|the (?:other|previous|first))|the (?:previous|other) (?:brief|task|workstream)s?)\b",
    re.IGNORECASE,
)
_BARE = Workstream(brief="")
_NO_TEXT = re.compile("[\ud800-\udfff\ufffe\uffff]")
_WILD = re.compile(r"[*?]")


class ProposedCommand(Struct, frozen=True, kw_only=True):
    """A command that an agent wants and nobody has approved. `of`: the workstream, empty for the plan itself. `key`:
    `checks` or `setup`."""

    command: str
    key: str
    of: str = ""
    timeout: str = ""


# ---------------------------------------------------------------- problems


def too_much(plan: Plan) -> tuple[PlanProblem, ...]:
    """What makes a plan too large to be judged, by a person or by us in bounded time; checked before everything else."""
    return tuple(_too_much(plan))


def draft_problems(plan: Plan, *, files: Sequence[str], target: str) -> tuple[PlanProblem, ...]:
    """Why a drafted plan cannot be shown to a person as one that can be run. `files`: those of the commit it was made
    for. `target`: the branch that it is for."""
    found = [*_not_its_own(plan, target), *_hidden(plan)]
    folders = _folders(files)
    for name, stream in plan.workstreams.items():
        found += _stream(plan, name, stream)
        for number, glob in enumerate(stream.scope):
            found += _plausible(("workstreams", name, "scope", number), glob, stream, files, folders)
    found += _same_briefs(plan)
    return tuple(found)


def _too_much(plan: Plan) -> Iterator[PlanProblem]:
    count = len(plan.workstreams)
    if count > MOST_STREAMS:
        message = f"{count} workstreams are more than a person can review ({MOST_STREAMS})"
        yield PlanProblem(place=("workstreams",), message=message, hint="merge small ones; more can be added later")
    length = sum(len(text) for _, text in _texts(plan))
    if length > MOST_TEXT:
        message = f"{length} characters are more than a person can read ({MOST_TEXT})"
        yield PlanProblem(place=("workstreams",), message=message, hint="shorten the briefs")
    globs = [(name, number, glob) for name, spec in plan.workstreams.items() for number, glob in enumerate(spec.scope)]
    if len(globs) > MOST_GLOBS:
        message = f"{len(globs)} globs are more than a person can review ({MOST_GLOBS})"
        yield PlanProblem(place=("workstreams",), message=message, hint="name folders instead of files")
    for name, number, glob in globs[:MOST_GLOBS]:
        parts = glob.split("/")
        if len(glob) > _LONGEST_GLOB or parts.count("**") > 2 or any(len(_WILD.findall(part)) > 2 for part in parts):
            message = f"{glob[:_SHOWN]!r} is too long or has too many wildcards"
            yield PlanProblem(
                place=("workstreams", name, "scope", number), message=message, hint="write a plainer glob"
            )


def _not_its_own(plan: Plan, target: str) -> Iterator[PlanProblem]:
    """Keys that a drafted plan may not set."""
    if plan.agents:
        message = "a drafted plan must not define agents"
        yield PlanProblem(place=("agents",), message=message, hint="use those of the repository")
    if plan.limits != Limits():
        message = "only the person sets limits"
        yield PlanProblem(place=("limits",), message=message, hint="remove limits:")
    if replace(plan.defaults, agent=Defaults().agent, review="") != Defaults():
        message = "only the person sets limits"
        yield PlanProblem(place=("defaults",), message=message, hint="keep only agent: and review:")
    if plan.target not in {None, target}:
        yield PlanProblem(
            place=("target",), message=f"the plan is for {target}", hint=f"write target: {target}, or nothing"
        )
    for name, stream in plan.workstreams.items():
        for key in ("branch", "serves", "continues", "synthesises"):
            if getattr(stream, key):
                place: Place = ("workstreams", name, key)
                yield PlanProblem(place=place, message=f"a drafted workstream has no {key}:", hint="remove it")
        for key in ("limits", "retries", "idle"):
            if getattr(stream, key) != getattr(_BARE, key):
                place = ("workstreams", name, key)
                yield PlanProblem(place=place, message="only the person sets limits", hint=f"remove {key}:")


def _hidden(plan: Plan) -> Iterator[PlanProblem]:
    for place, text in _texts(plan):
        if sound(text) != text:
            message = "it contains control characters or characters that hide or reverse text"
            yield PlanProblem(place=place, message=message, hint="write plain text")


def _texts(plan: Plan) -> Iterator[tuple[Place, str]]:
    """Every text of a plan that an agent wrote."""
    yield ("goal",), plan.goal
    for number, stage in enumerate(stage_specs(plan)):
        yield ("stages", number), stage.name
        yield ("stages", number, "synthesis", "brief"), synthesis_spec(stage).brief
    yield from ((("setup", number), command) for number, command in enumerate(plan.setup))
    yield from ((("checks", number, "run"), check.run) for number, check in enumerate(plan.checks))
    for name, stream in plan.workstreams.items():
        place: Place = ("workstreams", name)
        yield place, name
        for each in fields(stream):
            value = getattr(stream, each.name)
            if isinstance(value, str):
                yield (*place, each.name), value
        for key in ("scope", "needs"):
            yield from (((*place, key, number), text) for number, text in enumerate(getattr(stream, key)))
        yield from (((*place, "checks", number, "run"), check.run) for number, check in enumerate(stream.checks))


def _stream(plan: Plan, name: str, stream: Workstream) -> Iterator[PlanProblem]:
    place: Place = ("workstreams", name)
    brief = stream.brief.strip()
    if "\n" in stream.title:  # it stands in lists, where a second line would look like the tool's own
        yield PlanProblem(place=(*place, "title"), message="the title has several lines", hint="write one line")
    if brief and len(brief) < SHORTEST_BRIEF:
        message = "the brief is too short to stand alone: its agent sees nothing else of this plan"
        hint = "say what to do, where to look, and when it is done"
        yield PlanProblem(place=(*place, "brief"), message=message, hint=hint)
    leaning = _LEANS.search(brief)
    if leaning is not None:
        message = f"the brief refers to text its agent cannot see ({leaning.group()!r})"
        yield PlanProblem(place=(*place, "brief"), message=message, hint="write out what you mean")
    if not stream.scope and stream.kind is Kind.CHANGE and len(plan.workstreams) > 1:
        message = "it has no scope, so it may overlap with every other workstream"
        yield PlanProblem(place=(*place, "scope"), message=message, hint="give the globs of the paths it changes")


def _same_briefs(plan: Plan) -> Iterator[PlanProblem]:
    seen: dict[str, str] = {}
    for name, stream in plan.workstreams.items():
        brief = " ".join(stream.brief.split())
        first = seen.setdefault(brief, name)
        if brief and first != name:
            message = f"it has the very brief of {first!r}"
            yield PlanProblem(
                place=("workstreams", name, "brief"), message=message, hint="say what this one does, or remove it"
            )


# ---------------------------------------------------------------- scopes


def _folders(files: Sequence[str]) -> frozenset[str]:
    """Every folder that holds something."""
    found: set[str] = set()
    for path in files:
        while "/" in path:
            path = path.rpartition("/")[0]
            if path in found:
                break
            found.add(path)
    return frozenset(found)


def _plausible(
    place: Place, glob: str, stream: Workstream, files: Sequence[str], folders: frozenset[str]
) -> Iterator[PlanProblem]:
    """Whether a glob covers something that exists, or a folder for new files; else its brief must name it as new."""
    fixed = _fixed(glob)
    if not fixed or fixed in folders or _parent(fixed) in folders or ("/" not in fixed and fixed == glob.rstrip("/")):
        return
    if any(scope_matches((glob,), path) for path in files) or _names(stream.brief, fixed):
        return
    first, last = fixed.split("/")[0], fixed.rpartition("/")[2]
    alike = [each for each in folders if each.startswith(first[:2]) or each.endswith(last)]
    near = get_close_matches(fixed, sorted(alike, key=len)[:_CANDIDATES], n=1, cutoff=0.6)
    said = f"did you mean {near[0]}? " if near else ""
    message = f"no file matches {glob[:_SHOWN]!r}"
    yield PlanProblem(
        place=place, message=message, hint=f"{said}if {fixed[:_SHOWN]} is to be created, the brief must say so"
    )


def _fixed(glob: str) -> str:
    """The part of a glob before the first component with a wildcard."""
    parts = glob.rstrip("/").split("/")
    wild = next((number for number, part in enumerate(parts) if _WILD.search(part)), len(parts))
    return "/".join(parts[:wild])


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _names(brief: str, path: str) -> bool:
    return re.search(rf"(?<![\w/.-]){re.escape(path)}(?![\w-])", brief) is not None


# ---------------------------------------------------------------- what waits for a person


def without_commands(plan: Plan, settings: Settings) -> tuple[Plan, tuple[ProposedCommand, ...]]:
    """The plan with only the commands that the repository has configured, and the other commands."""
    known = {check.run for check in settings.checks}
    proposed = [
        *_proposed(plan.checks, known, of=""),
        *(ProposedCommand(command=command, key="setup") for command in plan.setup if command not in settings.setup),
    ]
    streams: dict[str, Workstream] = {}
    for name, stream in plan.workstreams.items():
        proposed += _proposed(stream.checks, known, of=name)
        streams[name] = replace(stream, checks=_kept(stream.checks, known))
    # setup of the settings runs anyway, before the plan's own
    kept = replace(plan, checks=_kept(plan.checks, known), setup=(), workstreams=streams)
    return kept, tuple(proposed)


def _kept(checks: Sequence[Check], known: set[str]) -> tuple[Check, ...]:
    return tuple(check for check in checks if check.run in known)


def _proposed(checks: Sequence[Check], known: set[str], *, of: str) -> Iterator[ProposedCommand]:
    for check in checks:
        if check.run not in known:
            yield ProposedCommand(command=check.run, key="checks", of=of, timeout=check.timeout)


def remarks(plan: Plan, settings: Settings) -> tuple[str, ...]:
    """What a person should know of a plan that can be run."""
    found = [
        f"{name} may write {glob}, which is protected: landing it needs your approval"
        for name, stream in plan.workstreams.items()
        for glob in stream.scope
        if any(_same_ground(glob, protected) for protected in settings.protected)
    ]
    if not plan.checks:
        found.append("the plan has no checks: nothing tests the combined work")
    return tuple(found[:_LISTED])


def _same_ground(glob: str, protected: str) -> bool:
    """Whether a scope is about a protected path itself, not only so wide that it includes one."""
    return scope_matches((protected,), _fixed(glob) or "\0")


def finished(plan: Plan, *, goal: str, settings: Settings) -> Plan:
    """The plan as it is written: the person's own words for the goal, the repository's checks if it names none, and
    texts without invisible characters."""
    streams = {name: replace(stream, brief=_tidy(stream.brief)) for name, stream in plan.workstreams.items()}
    return replace(plan, goal=_tidy(goal), workstreams=streams, checks=plan.checks or settings.checks)


def _tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.replace("\r\n", "\n").strip("\n").split("\n")).strip()


# ---------------------------------------------------------------- words


def told(problems: Sequence[PlanProblem]) -> tuple[str, ...]:
    """Problems as sentences with their places, bounded, as they are sent back and shown."""
    lines = [_sentence(problem) for problem in problems]
    shown = tuple(dict.fromkeys(lines[:_LISTED]))
    return (*shown, f"and {len(lines) - _LISTED} more") if len(lines) > _LISTED else shown


def _sentence(problem: PlanProblem) -> str:
    where = ".".join(map(str, problem.place)) or "the plan"
    hint = f"; {problem.hint}" if problem.hint else ""
    return " ".join(sound(f"{where[:_SHOWN]}: {problem.message}{hint}").split())[:1_000]


def sound(text: str) -> str:
    """Text of an agent that can be shown and written everywhere: no control characters, no lone surrogates."""
    return _NO_TEXT.sub("?", clean(text))


def by_place(proposed: Sequence[ProposedCommand]) -> Mapping[str, tuple[ProposedCommand, ...]]:
    """Proposed commands by the place they are for."""
    found: dict[str, tuple[ProposedCommand, ...]] = {}
    for each in proposed:
        found[each.of] = (*found.get(each.of, ()), each)
    return found
