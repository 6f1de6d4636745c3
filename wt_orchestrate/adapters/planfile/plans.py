"""Parse plan and settings files into values, with file, line and column of every problem.

YAML is read as a tree of nodes with their places: no aliases, no tags, no merge keys, no duplicate keys, bounded in
size and depth; scalars are their text (`no`, `off` and `22:22` are words). The tree is then fitted to the domain's own
dataclasses (`fit`); where it does not fit, `explain` says why, all problems at once. Then come the rules across fields
(`domain/plan/validation.py`). `explain` is imported where it is needed: it loads pydantic.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from enum import StrEnum
from typing import Any, TypeVar

import yaml

from wt_orchestrate.adapters.planfile.fit import Unfit, fitted
from wt_orchestrate.adapters.planfile.reading import Reading, mark_of
from wt_orchestrate.domain.ids import unsafe_id
from wt_orchestrate.domain.plan.model import Plan, Workstream
from wt_orchestrate.domain.plan.settings import Settings, UserSettings
from wt_orchestrate.domain.plan.validation import Place, PlanProblem, problems, settings_problems
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.text.clean import clean
from wt_orchestrate.errors import NotFound, PlanInvalid
from wt_orchestrate.ports.engine import FurtherRead

STDIN = "-"
MAX_BYTES = 1 << 20
_MAX_DEPTH = 20
_MAX_NODES = 100_000
T = TypeVar("T")
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedPlan:
    """A valid plan and its warnings, one rendered line each."""

    plan: Plan
    warnings: tuple[str, ...]


def load_plan(path: str, settings: Settings) -> LoadedPlan:
    """The plan in a file (`-`: standard input). Raises PlanInvalid with every problem, NotFound if there is no such file."""
    plan, reading = _load(path, Plan)
    broken = {problem.place for _, problem in reading.problems}
    if plan is not None:
        for problem in problems(plan, settings):
            if problem.place not in broken:
                reading.problems.append((mark_of(reading, problem.place), problem))
    lines = rendered(_named(path), reading)
    if plan is None or any(not problem.warning for _, problem in reading.problems):
        raise PlanInvalid(lines)
    return LoadedPlan(plan=plan, warnings=tuple(lines))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Further:
    """The type of a file that adds to a run."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - a dataclass takes no annotated class variable here

    workstreams: Mapping[str, Workstream]


def load_further(
    path: str, misfits: Callable[[Mapping[str, Workstream]], Sequence[PlanProblem]]
) -> Mapping[str, Workstream]:
    """The workstreams in a file that has nothing but `workstreams:`. Raises PlanInvalid with every problem, including
    those of `misfits` (how they fit the run)."""
    further, reading = read_value(_text(path), _Further)
    for problem in misfits(further.workstreams) if further is not None and not reading.problems else ():
        reading.problems.append((mark_of(reading, problem.place), problem))
    if further is None or reading.problems:
        raise PlanInvalid(rendered(_named(path), reading))
    return further.workstreams


class PlanTexts:
    """Workstreams in texts that agents write."""

    def further(self, text: str) -> FurtherRead:
        """The workstreams in a handoff's section, which may be in a code fence, with or without the key `workstreams`."""
        body = _unfenced(text)
        if not re.match(r"\s*workstreams\s*:", body):
            body = "workstreams:\n" + "\n".join(f"  {line}" for line in body.splitlines())
        further, reading = read_value(body[:MAX_BYTES], _Further)
        if further is None or reading.problems:
            return FurtherRead(workstreams={}, problems=tuple(rendered("HANDOFF.md ## Workstreams", reading)))
        return FurtherRead(workstreams=further.workstreams)


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftRead:
    """A plan in the text of an agent, with the agent's notes; `problems` if its types are wrong."""

    plan: Plan | None
    notes: str = ""
    problems: tuple[PlanProblem, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Drafted(Plan):
    """The type of a drafted plan: a plan, and notes for the person."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - a dataclass takes no annotated class variable here

    notes: str = ""


def read_draft(text: str) -> DraftRead:
    """The plan in an agent's text, YAML or JSON, perhaps in a code fence; never raises for its content."""
    body = text if re.match(r"\s*(\{|#|---|(goal|notes|stages|checks|workstreams)\s*:)", text) else _unfenced(text)
    if len(body) > MAX_BYTES:
        return DraftRead(
            plan=None, problems=(PlanProblem(place=(), message="it is over 1 MiB", hint="shorten the briefs"),)
        )
    with suppress(ValueError, RecursionError):  # escapes of JSON for characters beyond the first plane are none of YAML
        body = json.dumps(json.loads(body), ensure_ascii=False)
    if re.search("[\ud800-\udfff]", body):
        return DraftRead(
            plan=None,
            problems=(PlanProblem(place=(), message="it contains an incomplete character", hint="write text"),),
        )
    drafted, reading = read_value(body, _Drafted)
    if drafted is None or reading.problems:
        return DraftRead(plan=None, problems=tuple(_placed(mark, problem) for mark, problem in reading.problems))
    return DraftRead(
        plan=Plan(**{each.name: getattr(drafted, each.name) for each in fields(Plan)}), notes=drafted.notes
    )


def _placed(mark: yaml.Mark | None, problem: PlanProblem) -> PlanProblem:
    """A problem of the text itself with its line, because it has no other place."""
    if problem.place or mark is None:
        return problem
    return replace(problem, message=f"line {mark.line + 1}, column {mark.column + 1}: {problem.message}")


def _unfenced(text: str) -> str:
    """The content of the first code fence, or the whole text if there is none."""
    fenced = re.search(r"^ {0,3}(`{3,}|~{3,})[^\n]*\n(.*?)^ {0,3}\1", text, re.DOTALL | re.MULTILINE)
    return fenced.group(2) if fenced else text


def render_workstream(name: str, spec: Workstream) -> str:
    """A workstream as YAML for a person to edit, without default values."""
    values = {
        each.name: _as_yaml(getattr(spec, each.name))
        for each in fields(spec)
        if getattr(spec, each.name) != each.default
    }
    return yaml.safe_dump({"workstreams": {name: values}}, sort_keys=False, allow_unicode=True, width=100)


def render_plan(plan: Plan) -> str:
    """A plan as YAML for a person to read, without default values."""
    return yaml.safe_dump(_as_yaml(plan, told=False), sort_keys=False, allow_unicode=True, width=100)


def _as_yaml(value: Any, *, told: bool = True) -> Any:
    """Plain values as YAML; with `told`, including default values."""
    if is_dataclass(value):
        return {
            each.name: _as_yaml(getattr(value, each.name), told=told)
            for each in fields(value)
            if told or not _is_default(each, getattr(value, each.name))
        }
    if isinstance(value, Mapping):
        return {str(key): _as_yaml(each, told=told) for key, each in value.items()}
    if isinstance(value, tuple):
        return [_as_yaml(each, told=told) for each in value]
    return value.value if isinstance(value, StrEnum) else value


def _is_default(each: Field[Any], value: Any) -> bool:
    return bool(value == (each.default if each.default_factory is MISSING else each.default_factory()))


def read_settings(path: str, content: bytes | None) -> Settings:
    """The settings in the content of a file, whose path is for people; the defaults if there is none. Raises PlanInvalid with
    every problem."""
    if content is None:
        return Settings()
    settings, reading = read_value(_decoded(path, content), Settings, empty=Settings())
    if settings is not None and settings.roles:
        problem = PlanProblem(place=("roles",), message="roles are files", hint="put each role into .wto/roles/NAME.md")
        reading.problems.append((mark_of(reading, problem.place), problem))
    for problem in settings_problems(settings) if settings is not None and not reading.problems else ():
        reading.problems.append((mark_of(reading, problem.place), problem))
    if settings is None or reading.problems:
        raise PlanInvalid(rendered(path, reading))
    return settings


def load_user_settings(path: str) -> UserSettings:
    """The user's own settings in a file; the defaults if there is none. Raises PlanInvalid with every problem."""
    if not os.path.exists(path):
        return UserSettings()
    settings, reading = _load(path, UserSettings, empty=UserSettings())
    for name in settings.accounts if settings is not None else ():
        reason = unsafe_id(name)
        if reason is not None:
            problem = PlanProblem(
                place=("accounts", name), message=f"the name {name!r} {reason}", hint="choose another"
            )
            reading.problems.append((mark_of(reading, problem.place), problem))
    if settings is None or reading.problems:
        raise PlanInvalid(rendered(path, reading))
    return settings


def plan_schema() -> dict[str, Any]:
    """The JSON Schema of plan.yaml, made from the model."""
    from wt_orchestrate.adapters.planfile.explain import schema

    return schema(Plan, "plan.yaml of wt-orchestrate")


def settings_schema() -> dict[str, Any]:
    """The JSON Schema of .wto/config.yaml, made from the model."""
    from wt_orchestrate.adapters.planfile.explain import schema

    found = schema(Settings, ".wto/config.yaml of wt-orchestrate")
    found["properties"].pop("roles")  # these are files of their own
    found["$defs"].pop("Role")
    return found


# ---------------------------------------------------------------- reading


def _load(path: str, kind: type[T], *, empty: T | None = None) -> tuple[T | None, Reading]:
    """The value in a file, or None with its problems."""
    return read_value(_text(path), kind, empty=empty)


def read_value(
    text: str, kind: type[T], *, empty: T | None = None, shaped: Callable[[Any], Any] | None = None
) -> tuple[T | None, Reading]:
    """The value in a text, or None with its problems. `shaped` converts what may be written in several ways."""
    reading = Reading()
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        said = clean(str(getattr(error, "problem", None) or error))
        hint = "fix the YAML there" if "alias" not in said else "write the value out; aliases are not allowed"
        reading.problems.append((mark, PlanProblem(place=(), message=f"this is not valid YAML: {said}", hint=hint)))
        return None, reading
    except RecursionError:
        reading.problems.append((None, PlanProblem(place=(), message="it is nested too deeply", hint="flatten it")))
        return None, reading
    if node is None and empty is not None:
        return empty, reading
    for token in _anchors(text):
        message = "anchors and aliases are not allowed"
        reading.problems.append(
            (token, PlanProblem(place=(), message=message, hint="write the value where it is needed"))
        )
    if reading.problems:
        return None, reading
    value = _plain(node, (), reading, 0)
    if reading.problems:
        return None, reading
    value = value if shaped is None else shaped(value)
    try:
        return fitted(kind, value), reading
    except Unfit:
        from wt_orchestrate.adapters.planfile.explain import checked

        return checked(kind, value, reading), reading


def _named(path: str) -> str:
    """A file in words."""
    return "standard input" if path == STDIN else path


def _text(path: str) -> str:
    """The file's text. Raises NotFound and PlanInvalid."""
    try:
        if path == STDIN:
            content = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with open(path, "rb") as file:
                content = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"there is no file {path}", hint="wto plan new > plan.yaml") from error
    except OSError as error:
        raise PlanInvalid([f"{_named(path)}: it cannot be read ({error.strerror}); check the file"]) from error
    return _decoded(path, content)


def _decoded(path: str, content: bytes) -> str:
    if len(content) > MAX_BYTES:
        raise PlanInvalid([f"{_named(path)}:1:1: the file is over 1 MiB; move long texts out of the plan"])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line, column = before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1
        raise PlanInvalid([f"{_named(path)}:{line}:{column}: the file is not UTF-8; save it as UTF-8"]) from error


def _anchors(text: str) -> Iterator[yaml.Mark]:
    if "&" not in text and "*" not in text:
        return
    for token in yaml.scan(text, Loader=_Loader):
        if isinstance(token, yaml.AnchorToken | yaml.AliasToken):
            yield token.start_mark
            return


def _plain(node: yaml.Node | None, place: Place, reading: Reading, depth: int) -> Any:
    """A node as plain values, its places recorded."""
    if node is None:
        return None
    reading.nodes += 1
    reading.places.setdefault(place, node.start_mark)
    if depth > _MAX_DEPTH or reading.nodes > _MAX_NODES:
        if not reading.problems:
            reading.problems.append(
                (node.start_mark, PlanProblem(place=place, message="it is nested too deeply or too large"))
            )
        return None
    if node.tag.startswith("!") or "python" in node.tag:
        problem = PlanProblem(
            place=place, message=f"the tag {clean(node.tag)} is not allowed", hint="write a plain value"
        )
        reading.problems.append((node.start_mark, problem))
        return None
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, place, reading, depth)
    if isinstance(node, yaml.SequenceNode):
        return tuple(_plain(child, (*place, number), reading, depth + 1) for number, child in enumerate(node.value))
    return _scalar(str(node.value), plain=getattr(node, "style", None) in {None, ""})


def _mapping(node: yaml.MappingNode, place: Place, reading: Reading, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            problem = PlanProblem(place=place, message="a key must be plain text", hint="write key: value")
            reading.problems.append((key_node.start_mark, problem))
            continue
        key = str(key_node.value)
        if key in found or key == "<<":
            what = "merge keys are not allowed" if key == "<<" else f"the key {clean(key)!r} appears twice"
            hint = "write the keys directly" if key == "<<" else "keep one of them"
            reading.problems.append((key_node.start_mark, PlanProblem(place=(*place, key), message=what, hint=hint)))
            continue
        reading.places[(*place, key)] = key_node.start_mark
        found[key] = _plain(value_node, (*place, key), reading, depth + 1)
    return found


def _scalar(text: str, *, plain: bool) -> str | None:
    """Every scalar is its text, so that `run: true` and `title: 22:22` mean what they say; the model converts numbers."""
    return None if plain and text in _NULLS else text


# ---------------------------------------------------------------- showing


def rendered(path: str, reading: Reading) -> list[str]:
    """`file:line:column: what; what to do`, in the order of the file, with warnings marked."""
    lines = []
    for mark, problem in reading.problems:
        at = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        hint = f"; {problem.hint}" if problem.hint else ""
        warning = "warning: " if problem.warning else ""
        lines.append((at, f"{os.fspath(path)}:{at[0]}:{at[1]}: {warning}{problem.message}{hint}"))
    return [line for _, line in sorted(set(lines))]
