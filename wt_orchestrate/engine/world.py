"""The outside world as the engine sees it: every port, and the few facts that are fixed while a supervisor lives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import get_args

from msgspec import Struct

from wt_orchestrate.domain.effects import Effect
from wt_orchestrate.domain.ids import CommitId, RunId, WorkstreamId
from wt_orchestrate.domain.plan.model import AgentType
from wt_orchestrate.ports.engine import Agent, Clock, Executor, Feed, HandoffReader, Log, Machine, Notes, Plans, Workers
from wt_orchestrate.ports.git.repository import Repository
from wt_orchestrate.ports.git.vault import Vault
from wt_orchestrate.ports.memory import Memories


class World(Struct, frozen=True, kw_only=True):
    """Everything outside. `command_env` is the environment of setup commands and checks, without secrets."""

    clock: Clock
    machine: Machine
    log: Log
    repository: Repository
    vault: Vault
    executor: Executor
    agents: Mapping[AgentType, Agent]
    handoffs: HandoffReader
    notes: Notes
    plans: Plans
    memories: Memories
    feed: Feed
    workers: Workers
    command_env: Mapping[str, str]
    withheld: tuple[str, ...]
    """The names of the user's variables that are not in it."""
    recorded: Mapping[str, str] | None
    """What git would act on in the repository, as it was when the run started; None where nobody wrote it down."""
    common_dir: str
    indexes: str
    """A folder for index files of ours."""
    hooks: str
    """A folder for the hooks of agents' worktrees."""
    version: str
    fault: Callable[[BaseException], str]
    """Keeps the report of a fault of ours; returns its path, empty if it could not be written."""
    sandbox: str = "none"
    """What processes are started in, in words."""
    tools: tuple[str, ...]
    """The command that serves a running agent its tools, without the attempt's folder; empty if there can be none."""
    site: Mapping[str, str]
    """Where an agent's tools find this repository and its state."""
    pid: int
    boot: str
    reached: Callable[[str], None]
    """Called at every named point (`POINTS`); tests end the process there."""


LANDING_POINTS = ("files:staged", "files:written", "ref:moved")
"""Within the effect `Land`, where it takes a checkout along: the new files lie beside, they are in place, the ref moved."""
POINTS = (
    *(f"{kind.__name__}:{where}" for kind in get_args(Effect) for where in ("intended", "done", "logged")),
    "open:recovered",
    "request:logged",
    "conclusion:logged",
)
"""Points at which tests kill a supervisor: an effect is about to start, is performed but not logged, is logged."""


def integration_ref(run: RunId) -> str:
    """The integration branch in the vault."""
    return f"refs/wto/integration/{run}"


def head_ref(run: RunId, workstream: WorkstreamId) -> str:
    """Where the vault keeps a workstream's newest head."""
    return f"refs/wto/heads/{run}/{workstream}"


def archive_name(run: RunId, workstream: WorkstreamId) -> str:
    return f"{run}/{workstream}"


def pin_ref(run: RunId, name: str) -> str:
    """Where a candidate is pinned while it is checked."""
    return f"refs/wto/train/{run}/{name}"


def index_path(indexes: str, worktree: str) -> str:
    """Our own index file for a worktree."""
    return f"{indexes}/{worktree.strip('/').replace('/', '%')[-180:]}"


def short(commit: CommitId | None) -> str:
    return commit[:10] if commit else "none"
