"""Write drafted plans as YAML that people read and edit: block texts for briefs, a schema for editors.

What an agent proposes and nobody has approved is only in comments, each on one line in ASCII, so that no text can end
its comment. A plan that could not be made valid is written as such: its problems as comments, then the agent's own
words.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import StrEnum
from typing import Any

import yaml

from wt_orchestrate.domain.drafting.vetting import ProposedCommand, by_place, sound
from wt_orchestrate.domain.plan.model import Plan, Workstream

SCHEMA_LINE = (
    "# yaml-language-server: "
    "$schema=https://raw.githubusercontent.com/wt-orchestrate/wt-orchestrate/main/templates/plan.schema.json"
)
_WIDTH = 110
_ORDER = ("title", "role", "stage", "kind", "estimate", "needs", "scope", "brief")


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines, and long ones, as blocks."""


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    block = "\n" in text or len(text) > _WIDTH - 20
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if block else None)


class _Short(dict[str, Any]):
    """A mapping on one line."""


class _ShortList(list[Any]):
    """A list on one line."""


def _short(dumper: _Dumper, value: _Short) -> yaml.MappingNode:
    return dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=True)


def _short_list(dumper: _Dumper, value: _ShortList) -> yaml.SequenceNode:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(_Short, _short)
_Dumper.add_representer(_ShortList, _short_list)


def render_plan(
    plan: Plan, *, proposed: Sequence[ProposedCommand] = (), notes: str = "", lines: Sequence[str] = ()
) -> str:
    """The plan as text; `notes` are the agent's own, `lines` are ours, about how it was made."""
    of = by_place(proposed)
    parts = [SCHEMA_LINE, *(f"# {_one_line(line)}" for line in lines), *_notes(notes), "", *_top(plan)]
    parts += _proposed(of.get("", ()), indent="")
    parts += ["", "workstreams:"]
    for number, (name, stream) in enumerate(plan.workstreams.items()):
        parts += [""] if number else []
        parts += [f"  {line}" if line else "" for line in _dumped({name: _stream(stream)})]
        parts += _proposed(of.get(name, ()), indent="    ")
    return "\n".join(parts) + "\n"


def render_invalid(text: str, *, problems: Sequence[str], lines: Sequence[str] = ()) -> str:
    """What an agent returned and what is wrong with it; complete, and harmless to display."""
    head = ["# A draft that is not valid yet. Problems:"]
    head += [f"# - {_one_line(problem)}" for problem in problems]
    return "\n".join([SCHEMA_LINE, *(f"# {_one_line(line)}" for line in lines), *head, "", _readable(text)]) + "\n"


def _readable(text: str) -> str:
    """JSON as YAML; anything else as it is, made harmless to display."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return sound(text)
    try:
        return sound("\n".join(_dumped(value)))
    except (yaml.YAMLError, RecursionError):
        return sound(text)


def _top(plan: Plan) -> Iterator[str]:
    values = {
        "goal": plan.goal,
        "target": plan.target,
        "stages": plan.stages or None,
        "checks": plan.checks or None,
        "setup": plan.setup or None,
        "defaults": _changed(plan.defaults) or None,
    }
    for name, value in values.items():
        if value is not None:
            yield from _dumped({name: _plain(value)})


def _stream(stream: Workstream) -> Mapping[str, Any]:
    changed = _changed(stream)
    ordered = [*_ORDER, *(name for name in changed if name not in _ORDER)]
    return {name: changed[name] for name in ordered if name in changed}


def _changed(value: Any) -> dict[str, Any]:
    """The values that are not defaults."""
    return {
        each.name: _plain(getattr(value, each.name))
        for each in fields(value)
        if getattr(value, each.name) != each.default
    }


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return _Short({each.name: _plain(getattr(value, each.name)) for each in fields(value)})
    if isinstance(value, tuple):
        short = all(isinstance(each, str) and "\n" not in each for each in value)
        return (_ShortList if short else list)(_plain(each) for each in value)
    return value.value if isinstance(value, StrEnum) else value


def _dumped(value: Any) -> list[str]:
    text = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH, default_flow_style=False)
    return text.rstrip("\n").split("\n")


def _proposed(proposed: Sequence[ProposedCommand], *, indent: str) -> Iterator[str]:
    if not proposed:
        return
    yield f"{indent}# Commands that the agent proposes. They do not run until you approve them by removing the #:"
    for key in ("checks", "setup"):
        chosen = [each for each in proposed if each.key == key]
        if chosen:
            yield f"{indent}# {key}:"
        for each in chosen:
            # JSON in ASCII is one line and a YAML scalar, too
            command = json.dumps(each.command)
            yield f"{indent}#   - {{run: {command}}}" if key == "checks" else f"{indent}#   - {command}"


def _notes(notes: str) -> Iterator[str]:
    if notes.strip():
        yield "#"
        yield "# Notes of the planner:"
        for line in notes.strip()[:4_000].splitlines():
            yield f"# {_one_line(line)}".rstrip()


def _one_line(line: str) -> str:
    """One line that every YAML reader accepts and none ends early."""
    return " ".join(sound(line).split())
