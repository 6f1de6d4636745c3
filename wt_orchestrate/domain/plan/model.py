"""The plan as values.

These dataclasses are the one model of `plan.yaml`: the loader (`adapters/planfile`) fills them, the JSON Schema is
generated from them, and the text under each field is the help that an editor shows. They hold the person's own words
(durations as `10m`); `seconds` turns a checked duration into a number. Rules across fields are in `validation.py`.

`__pydantic_config__` is plain data for the loader; nothing is imported here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_STRICT: dict[str, Any] = {"extra": "forbid", "use_attribute_docstrings": True}
MAX_WORKSTREAMS = 500


class Kind(StrEnum):
    """What a workstream delivers."""

    CHANGE = "change"
    RESEARCH = "research"


class AgentType(StrEnum):
    """What kind of program an agent is."""

    CLAUDE_CODE = "claude-code"
    COMMAND = "command"


class Gate(StrEnum):
    """What has to happen before the next stage starts."""

    AUTO = "auto"
    APPROVAL = "approval"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A command that tests a tree: exit code 0 means passed."""

    __pydantic_config__ = _STRICT

    run: str
    """The command, run by `sh -c` at the root of the tree."""
    timeout: str = "10m"
    """The time limit, such as 30s, 10m or 1h30m."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSpec:
    """An agent that workstreams refer to by name."""

    __pydantic_config__ = _STRICT

    type: AgentType = AgentType.CLAUDE_CODE
    """`claude-code` or `command`."""
    run: str = ""
    """For `command`: the command line, run by `sh -c` in the worktree."""
    model: str = ""
    """For `claude-code`: the model's name or alias; empty for the client's default."""
    binary: str = "claude"
    """For `claude-code`: the path of the client."""
    permission_mode: str = "acceptEdits"
    """For `claude-code`: the client's permission mode."""
    allow: tuple[str, ...] = ()
    """For `claude-code`: additional permission rules that allow, such as `Bash(npm run *)`."""
    deny: tuple[str, ...] = ()
    """For `claude-code`: permission rules that deny."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Additional environment variables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of the whole run."""

    __pydantic_config__ = _STRICT

    agents: int = 4
    """How many agents may run at once."""
    checks: int = 1
    """How many trees may be checked at once."""
    budget_usd: float | None = None
    """The cost limit of the run in US dollars."""
    tokens: int | None = None
    """The token limit of the run: input, output and cache together."""
    turns: int | None = None
    """The limit on model turns of the run."""
    wall: str | None = None
    """The time limit of the run, such as 2h."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits of one workstream, over all its attempts."""

    __pydantic_config__ = _STRICT

    budget_usd: float | None = None
    """The cost limit in US dollars."""
    tokens: int | None = None
    """The token limit: input, output and cache together."""
    turns: int | None = None
    """The limit on model turns."""
    wall: str | None = None
    """How long its agent may work in all, such as 45m."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What a workstream gets where it sets nothing itself."""

    __pydantic_config__ = _STRICT

    agent: str = "claude-code"
    """The agent's name."""
    review: str = ""
    """The agent that reviews each claim, read-only, before it is integrated; empty for no review."""
    retries: int = 2
    """How often a failed check goes back to the agent before the workstream fails."""
    idle: str = "10m"
    """How long an agent may make no progress before it is stuck; 0s for no limit."""
    limits: Budget = Budget()
    """The limits of each workstream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workstream:
    """One unit of planned work, with its own branch, worktree and attempts."""

    __pydantic_config__ = _STRICT

    brief: str
    """What the agent is asked to do, where to look, and when it is done."""
    title: str = ""
    """One line that people see."""
    role: str = ""
    """The agent's role, such as builder or debugger: one that `wto roles` lists."""
    stage: str = ""
    """One of the plan's `stages`; it starts when everything of the earlier stages is integrated."""
    kind: Kind = Kind.CHANGE
    """`change` must end with commits; `research` ends with findings in its handoff and no commits."""
    scope: tuple[str, ...] = ()
    """Globs of the paths it may change; empty for all paths."""
    needs: tuple[str, ...] = ()
    """Workstreams that must be integrated before this one starts."""
    checks: tuple[Check, ...] = ()
    """Checks for this workstream in addition to the plan's."""
    agent: str | None = None
    """The agent's name; the default is `defaults.agent`."""
    review: str | None = None
    """The agent that reviews its claims, read-only, before they are integrated; an empty text for no review. The
    default is `defaults.review`."""
    retries: int | None = None
    """How often a failed check goes back to the agent."""
    idle: str | None = None
    """How long the agent may make no progress before it is stuck."""
    estimate: str | None = None
    """How long its agent will probably work, such as 40m. Only used for advice before a run."""
    limits: Budget = Budget()
    """What it may use; missing values come from `defaults.limits`."""
    expands: bool = False
    """Whether its handoff may add workstreams."""
    serves: str = ""
    """Set by the tool only: the workstream whose conflict an arbiter resolves, or whose claim a reviewer reads."""
    continues: str = ""
    """Set by the tool only: the integrated workstream whose work it continues."""
    synthesises: str = ""
    """Set by the tool only: the stage whose handoffs a synthesis summarises."""
    branch: str = ""
    """An existing branch that holds the work already: it gets no agent and no worktree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesisSpec:
    """How a stage's findings are summarised."""

    __pydantic_config__ = _STRICT

    agent: str | None = None
    """The agent's name; the default is `defaults.agent`."""
    brief: str = ""
    """Its brief, in addition to the handoffs: what to decide, what the next stage should look like."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSpec:
    """A stage of the plan and how it ends."""

    __pydantic_config__ = _STRICT

    name: str
    """The name that workstreams use in `stage:`."""
    gate: Gate = Gate.AUTO
    """`auto`: the next stage starts by itself. `approval`: it waits for `wto approve NAME`."""
    synthesis: bool | SynthesisSpec = False
    """Whether an agent summarises all handoffs of the stage at its end and plans the next one; a mapping gives details.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A goal and its workstreams."""

    __pydantic_config__ = _STRICT

    goal: str
    """What the plan is for, in a sentence or two."""
    workstreams: Mapping[str, Workstream]
    """The workstreams by id."""
    target: str | None = None
    """The branch to land on; the default is the branch that is checked out in the main worktree."""
    checks: tuple[Check, ...] = ()
    """Commands that test every merge before it is integrated."""
    limits: Limits = Limits()
    defaults: Defaults = Defaults()
    stages: tuple[str | StageSpec, ...] = ()
    """Groups of workstreams, one after another: names, or mappings with a gate and a synthesis."""
    agents: Mapping[str, AgentSpec] = field(default_factory=dict)
    """Agents defined by this plan, by name."""
    setup: tuple[str, ...] = ()
    """Commands run once in each new worktree, before its agent."""


@lru_cache(maxsize=256)
def seconds(duration: str) -> float | None:
    """The length of `1h30m`, `10m` or `45s` in seconds; None if the text is not a duration."""
    match = _DURATION.fullmatch(duration.strip())
    if match is None or not any(match.groups()):
        return None
    hours, minutes, rest = (int(group or 0) for group in match.groups())
    return float(hours * 3600 + minutes * 60 + rest)
