"""Settings of a repository (`.wto/config.yaml`) and of a user, as values.

Settings are read when a run starts and recorded with it; a later edit changes the next run, never a running one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from wt_orchestrate.domain.plan.model import AgentSpec, AgentType, Check
from wt_orchestrate.domain.plan.retry_ladder import Recovery
from wt_orchestrate.domain.plan.roles import Role

_STRICT: dict[str, Any] = {"extra": "forbid", "use_attribute_docstrings": True}

PROTECTED_PATHS = (
    ".claude/**",
    ".mcp.json",
    ".wto/**",
    ".github/**",
    ".gitlab-ci.yml",
    ".gitattributes",
    ".gitmodules",
    ".husky/**",
    ".pre-commit-config.yaml",
    ".vscode/**",
    ".envrc",
)
"""Paths whose change lands only with a person's approval."""


HUMAN_TRAILERS = ("Signed-off-by", "Reviewed-by", "Acked-by", "Tested-by", "Approved-by")


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What the machine must have left before another agent starts. For the first agent, only disk space counts."""

    __pydantic_config__ = _STRICT

    memory_mb: int = 512
    """Free memory, in MiB."""
    disk_mb: int = 256
    """Free space for worktrees and for the state folder, in MiB."""
    load: float = 8.0
    """The one-minute load per processor above which no further agent starts."""


class Hooks(StrEnum):
    """Which of our git hooks are installed in agents' worktrees."""

    OFF = "off"
    LIGHT = "light"
    FULL = "full"


class AgentTools(StrEnum):
    """Whether agents get our tools while they work."""

    AUTO = "auto"
    OFF = "off"


class LandingStyle(StrEnum):
    """What history a landing makes."""

    MERGE = "merge"
    SQUASH = "squash"
    REBASE = "rebase"
    FF = "ff"


class SandboxMode(StrEnum):
    """Whether agents and commands run in a sandbox."""

    AUTO = "auto"
    REQUIRED = "required"
    OFF = "off"


class Network(StrEnum):
    """What a sandbox lets through."""

    FULL = "full"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeDriver:
    """A program that merges certain files, in git's own terms."""

    __pydantic_config__ = _STRICT

    run: str
    """The command, with %O, %A, %B (base, ours, theirs) and %P (the path), as in git's `merge.<name>.driver`."""
    paths: tuple[str, ...]
    """Globs of the paths it merges."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Regenerate:
    """Files that a command generates, never merged."""

    __pydantic_config__ = _STRICT

    paths: tuple[str, ...]
    """Globs of the files, such as `package-lock.json`."""
    run: str
    """The command that generates them from the merged tree, run by `sh -c` at its root."""
    timeout: str = "10m"
    """The time limit."""


TRY_UNION = "try_union"
"""How a conflict was resolved if union was tried and is not certain before the checks pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merging:
    """How conflicts are resolved before an agent or a person is asked. Recorded when a run starts."""

    __pydantic_config__ = _STRICT

    rerere: bool = True
    """Whether a conflict that was resolved once is resolved the same way again."""
    drivers: Mapping[str, MergeDriver] = field(default_factory=dict)
    """Merge drivers by name, in addition to those in git's configuration and `.gitattributes` when a run starts."""
    union: tuple[str, ...] = ()
    """Globs of files in which the lines of both sides are kept, one after another, such as changelogs."""
    try_union: tuple[str, ...] = ()
    """Globs of files in which that is tried where nothing above resolves a conflict: the result must parse (Python, JSON,
    TOML, YAML, XML, INI) and pass the checks, before an arbiter or a person is asked."""
    regenerate: tuple[Regenerate, ...] = ()
    """Lockfiles and other generated files."""
    mergiraf: str = "auto"
    """The structural merge driver mergiraf: `auto` if it is on the PATH when a run starts, its path, or `off`."""
    timeout: str = "10m"
    """How long one merge may take, including all drivers it runs; then the conflict stays."""
    arbiter: str = ""
    """The agent that resolves what is left, in a worktree of its own: its name, or `owner` for the agent whose work it
    is. Empty: an arbiter for Claude Code agents, the owner for commands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holds:
    """What work waits for a person with, before it is integrated: `wto continue NAME` lets it through."""

    __pydantic_config__ = _STRICT

    twins: bool = True
    """Two paths that differ only in case, or in how their letters are composed, where the work brings one of them."""
    names: bool = True
    """New names that Windows does not allow."""
    deletions: bool = True
    """Work that deletes or empties nine of ten files."""
    allow: tuple[str, ...] = ()
    """Globs of paths that are not held for their names."""


class ForgeKind(StrEnum):
    """Which forge makes the pull requests."""

    AUTO = "auto"
    GITHUB = "github"
    GITLAB = "gitlab"
    GITEA = "gitea"
    PAGURE = "pagure"
    OFF = "off"


class ForgeClient(StrEnum):
    """How GitHub is asked."""

    AUTO = "auto"
    GH = "gh"
    REST = "rest"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgeSettings:
    """Pull requests. Tokens come from the environment or the client's own store, never from here."""

    __pydantic_config__ = _STRICT

    kind: ForgeKind = ForgeKind.AUTO
    """`auto` decides by the remote's host; `gitea` is for Forgejo too."""
    remote: str = "origin"
    """The remote to push to."""
    api: str = ""
    """The address of the forge's API, such as https://ghe.example.org/api/v3; empty for the usual one on the remote's
    host."""
    client: ForgeClient = ForgeClient.AUTO
    """For GitHub: `gh` if it is installed, else the REST interface."""
    labels: tuple[str, ...] = ()
    """Labels for every pull request."""
    draft: bool = False
    """Whether pull requests start as drafts."""
    rounds: int = 3
    """How often remarks of reviewers go back to the agents of one pull request by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one repository."""

    __pydantic_config__ = _STRICT

    worktrees: str = "../{repo}.worktrees/{run}/{workstream}"
    """Where worktrees are made, relative to the main worktree's root; must contain {run} and {workstream}."""
    agents: Mapping[str, AgentSpec] = field(default_factory=dict)
    """Agents by name, for every plan of this repository."""
    setup: tuple[str, ...] = ()
    """Commands run once in each new worktree, before the plan's own."""
    checks: tuple[Check, ...] = ()
    """Checks of branches queued by `wto train add`, unless others are given; a plan names its own checks."""
    protected: tuple[str, ...] = PROTECTED_PATHS
    """Globs of paths whose change lands only with a person's approval."""
    allow_secrets: tuple[str, ...] = ()
    """Marks of findings that look like secrets but are not, as refusals name them."""
    human_trailers: tuple[str, ...] = HUMAN_TRAILERS
    """Commit trailers that agents may not write."""
    largest_mb: int = 50
    """Files above this many MiB land only with a person's approval."""
    keep_output_days: int = 90
    """How many days after a run has ended `wto clean` keeps what its agents and checks printed."""
    pass_env: tuple[str, ...] = ()
    """Names of additional environment variables that Claude Code agents and checks get."""
    stagger: str = "1s"
    """The pause between two starts of Claude Code clients."""
    poll: str = "5s"
    """How often everything is read when no file event comes."""
    radar: str = "30s"
    """How often conflicts are forecast while agents work, uncommitted work included; 0s for never."""
    recovery: Recovery = field(default_factory=Recovery)
    """What is tried when an agent is in trouble."""
    admission: Admission = Admission()
    """What the machine must have left before another agent starts."""
    check_target: bool = True
    """Run the plan's checks on the target before the first agent starts; if one fails there, no agent starts until a person
    has decided."""
    hooks: Hooks = Hooks.LIGHT
    """Git hooks in agents' worktrees: `light` guards scope and pushes; `full` also adds trailers to commits and guards
    other people's refs (it runs inside commits, which gives a concurrent `git gc --prune=now` more time to do damage);
    `off` installs none."""
    agent_tools: AgentTools = AgentTools.AUTO
    """Tools for Claude Code agents (progress, share_finding, ask, recall, handoff, others), limited to their own
    workstream: `auto` if the extra `mcp` is installed, or `off`. Each agent takes about a second longer to start and 65
    MB more."""
    merge: Merging = Merging()
    """How conflicts are resolved."""
    hold: Holds = Holds()
    """What is held for a person."""
    landing: LandingStyle = LandingStyle.MERGE
    """What history a landing makes: `merge` one merge commit a workstream; `squash` one commit a workstream; `rebase` each
    workstream's own commits, one after another; `ff` the same, but refused if the target has moved. The tree that lands is
    always the one that was checked."""
    landing_hooks: bool = True
    """Whether your hooks `post-merge` and `reference-transaction` see a landing, as they were when the run started."""
    co_author: str = ""
    """Who is named in `Co-authored-by` of a squashed commit, as `Name <address>`; {agent} is the agent's name."""
    forge: ForgeSettings = ForgeSettings()
    """Pull requests."""
    sandbox: SandboxMode = SandboxMode.OFF
    """Whether agents, set-up commands and checks run in a sandbox: `auto` in the best one that this machine has, `required` to
    refuse a run without one, or `off`."""
    network: Network = Network.FULL
    """The network in a sandbox: `full`, or `off` for none."""
    writable: tuple[str, ...] = ()
    """Folders that may be written in a sandbox too, such as a tool's cache; `~` is the user's home."""
    watch: str = "auto"
    """`auto` uses file events where they work; `poll` never does."""
    roles: Mapping[str, Role] = field(default_factory=dict)
    """Not a key of config.yaml: the roles in force by name, built in or from `.wto/roles/`. Empty in logs written
    before roles were files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSpec:
    """One account or licence for clients: its environment, and how many agents may use it at once."""

    __pydantic_config__ = _STRICT

    env: Mapping[str, str] = field(default_factory=dict)
    """Its variables, such as CLAUDE_CONFIG_DIR; `~` and `${NAME}` are expanded from the user's environment."""
    agents: int = 0
    """How many agents may use it at the same time; 0 for no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSettings:
    """Settings of a user for all repositories: config.yaml in the user's configuration folder. Never logged, because
    accounts hold secrets."""

    __pydantic_config__ = _STRICT

    accounts: Mapping[str, AccountSpec] = field(default_factory=dict)
    """Accounts by name; work is spread over them. Without any, agents use the user's own environment."""


def agent_spec(name: str, *, plan_agents: Mapping[str, AgentSpec], settings: Settings) -> AgentSpec | None:
    """The agent of that name: the plan's, else the repository's, else the built-in `claude-code`; None if there is
    none."""
    if name in plan_agents:
        return plan_agents[name]
    if name in settings.agents:
        return settings.agents[name]
    return AgentSpec() if name == AgentType.CLAUDE_CODE.value else None


def role_of(name: str, *, settings: Settings) -> Role | None:
    """The role of that name; None if it is unknown (in logs written before roles were files)."""
    return settings.roles.get(name)
