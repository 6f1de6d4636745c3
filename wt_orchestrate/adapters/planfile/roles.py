"""Parse role files into values, with file, line and column of every problem.

A role's file is an agent's file of Claude Code: YAML between two lines `---`, then the text. The client's own keys mean
what they mean there (lists also as words with commas); keys without effect here cause a warning; `handoff` is ours. The
front matter is read by the plan's own reader: no aliases, tags or merge keys, bounded in size and depth. The caller has
read the files without following links; a text may hold anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wt_orchestrate.adapters.planfile.plans import read_value, rendered
from wt_orchestrate.adapters.planfile.reading import Reading, mark_of
from wt_orchestrate.domain.ids import unsafe_id
from wt_orchestrate.domain.plan.permissions import reads_only
from wt_orchestrate.domain.plan.roles import ARBITER, CLIENT_ONLY, INHERIT, Role, listed, misfits
from wt_orchestrate.domain.plan.validation import PlanProblem
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.text.clean import clean
from wt_orchestrate.errors import PlanInvalid

MAX_ROLE = 1 << 16
"""The longest role file, in characters."""
_LISTS = ("tools", "disallowedTools", "handoff")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleText:
    """A role's file: its name without `.md`, its path for people, and its text, or why it cannot be read."""

    name: str
    path: str
    text: str = ""
    problem: str = ""
    hint: str = ""
    source: str = ""
    """The value of `Role.source`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Front:
    """The front matter, with the client's names."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - a dataclass takes no annotated class variable here

    name: str
    description: str
    tools: tuple[str, ...] | None = None
    disallowedTools: tuple[str, ...] = field(default=())  # noqa: N815
    model: str = INHERIT
    permissionMode: str = ""  # noqa: N815
    maxTurns: int | None = None  # noqa: N815
    handoff: tuple[str, ...] = ()
    skills: Any = None
    mcpServers: Any = None  # noqa: N815
    hooks: Any = None
    isolation: Any = None
    background: Any = None
    memory: Any = None
    color: Any = None
    effort: Any = None
    initialPrompt: Any = None  # noqa: N815


def load_roles(texts: Sequence[RoleText]) -> tuple[Mapping[str, Role], tuple[str, ...]]:
    """The roles in these texts by name, later ones replacing earlier ones, and warnings, one rendered line each. Raises
    PlanInvalid with every problem of all of them."""
    found: dict[str, Role] = {}
    lines: list[str] = []
    wrong = False
    for each in texts:
        role, reading = _load(each)
        lines += rendered(_plain(each.path), reading)
        wrong = wrong or role is None or any(not problem.warning for _, problem in reading.problems)
        if role is not None:
            found[role.name] = role
    if wrong:
        raise PlanInvalid(lines)
    return found, tuple(lines)


def _load(each: RoleText) -> tuple[Role | None, Reading]:
    """The role, or None with its problems."""
    unread = Reading()
    if each.problem:
        unread.problems.append((None, PlanProblem(place=(), message=each.problem, hint=each.hint)))
        return None, unread
    parts = _split(each.text)
    if isinstance(parts, PlanProblem):
        unread.problems.append((None, parts))
        return None, unread
    front, reading = read_value(parts[0], _Front, shaped=_shaped)
    reading.problems[:] = [(mark, _of_role(problem)) for mark, problem in reading.problems]
    if front is None:
        return None, reading
    role = Role(
        name=front.name,
        description=clean(front.description),
        prompt=clean(parts[1].strip()),
        tools=front.tools,
        disallowed_tools=front.disallowedTools,
        model=front.model,
        permission_mode=front.permissionMode,
        max_turns=front.maxTurns,
        handoff=front.handoff,
        source=each.source,
    )
    for problem in _problems(each, front, role):
        reading.problems.append((mark_of(reading, problem.place) if problem.place else None, problem))
    return role, reading


def _plain(name: str) -> str:
    """A name that may hold anything, as one harmless line."""
    return clean(name).replace("\n", "\\n")


def _of_role(problem: PlanProblem) -> PlanProblem:
    """The reader's hint, reworded for a role."""
    return replace(problem, hint="see wto roles builder") if problem.hint == "see wto plan schema" else problem


def _split(text: str) -> tuple[str, str] | PlanProblem:
    """The front matter, its lines numbered as in the file, and the text after it; or what is wrong."""
    if len(text) > MAX_ROLE:
        return PlanProblem(
            place=(),
            message=f"the file is over {MAX_ROLE >> 10} KiB",
            hint="shorten it; a role is about a page of text",
        )
    if "\0" in text or "\ufffd" in text:
        return PlanProblem(place=(), message="the file is not UTF-8 text", hint="save it as UTF-8")
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    hint = "start with `---`, name: and description:, `---`, then the text (see wto roles builder)"
    if lines[0].rstrip() != "---":
        return PlanProblem(place=(), message="it has no front matter", hint=hint)
    end = next((number for number, line in enumerate(lines[1:], start=1) if line.rstrip() == "---"), None)
    if end is None:
        return PlanProblem(place=(), message="its front matter is not closed by `---`", hint=hint)
    return "\n".join(("", *lines[1:end], "")), "\n".join(lines[end + 1 :])


def _shaped(value: Any) -> Any:
    """Lists that are written as words with commas, as lists."""
    if not isinstance(value, dict):
        return value
    return {key: listed(each) if key in _LISTS and isinstance(each, str) else each for key, each in value.items()}


def _problems(each: RoleText, front: _Front, role: Role) -> Iterator[PlanProblem]:
    reason = unsafe_id(each.name)
    if reason is not None:
        yield PlanProblem(place=(), message=f"the name '{_plain(each.name)}' {reason}", hint="rename the file")
    elif front.name != each.name:
        message = f"its name is '{_plain(front.name)}', but the file '{each.name}'"
        yield PlanProblem(place=("name",), message=message, hint=f"write name: {each.name}, or rename the file")
    for key, message, hint in misfits(role):
        yield PlanProblem(place=(key,) if key else (), message=clean(message), hint=hint)
    if role.name == ARBITER and reads_only(role):
        hint = "give it Edit, Write and Bash"
        yield PlanProblem(
            place=("tools",), message="an arbiter resolves conflicts, but this role is read-only", hint=hint
        )
    for key in CLIENT_ONLY:
        if getattr(front, key) is not None:
            message = f"{key!r} is for the client and has no effect here"
            yield PlanProblem(place=(key,), message=message, hint="you can keep it for the client", warning=True)
