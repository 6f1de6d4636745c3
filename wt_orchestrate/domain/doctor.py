"""The checks of `wto doctor`: each thing a run needs, and how to fix it if it is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

_SAFE_GIT = (2, 39, 4)
_WATCHES, _INSTANCES = 8192, 16
_ROOM = 2 << 30


class AgentFound(Struct, frozen=True, kw_only=True):
    """An agent's program; `problem` is empty if it can be used."""

    name: str
    path: str
    version: str
    problem: str
    hint: str


class MachineFacts(Struct, frozen=True, kw_only=True):
    """What was found. `watch_limits`: files and instances. `free_bytes`: a path and its free space for each use. `run`:
    the newest run in words, what is wrong with it, and what to do."""

    git_version: tuple[int, int, int]
    repository: str
    branch: str | None
    has_commit: bool
    shallow: bool
    settings_path: str
    settings_problem: str
    agents: tuple[AgentFound, ...]
    watch_limits: tuple[int, int] | None
    free_bytes: Mapping[str, tuple[str, int]]
    shares_blocks: bool
    run: tuple[str, str, str]
    memory: tuple[str, str] = ("empty", "")
    """Its contents in words, and what is wrong with it."""


class Diagnosis(Struct, frozen=True, kw_only=True):
    """One thing a run needs. `weight` is ok, warning or error; `id` is the preflight's name for it, if it is one of its."""

    what: str
    weight: str
    found: str
    remedy: str = ""
    id: str = ""


def diagnose(facts: MachineFacts) -> tuple[Diagnosis, ...]:
    """Everything, in the order in which to fix it."""
    return (
        _git(facts),
        _repository(facts),
        *_settings(facts),
        *_agents(facts),
        _watching(facts),
        *_room(facts),
        _copies(facts),
        _run(facts),
        _memory(facts),
    )


def _git(facts: MachineFacts) -> Diagnosis:
    version = ".".join(map(str, facts.git_version))
    if facts.git_version < _SAFE_GIT:
        remedy = f"install git {'.'.join(map(str, _SAFE_GIT))} or newer"
        return Diagnosis(what="git", weight="warning", found=f"version {version} lacks security fixes", remedy=remedy)
    return Diagnosis(what="git", weight="ok", found=f"version {version}")


def _repository(facts: MachineFacts) -> Diagnosis:
    if facts.branch is None:
        remedy = "git switch a branch, or write target: in the plan"
        return Diagnosis(what="repository", weight="warning", found="HEAD is detached", remedy=remedy)
    if not facts.has_commit:
        found = f"the branch {facts.branch} has no commit"
        return Diagnosis(what="repository", weight="error", found=found, remedy="make a first commit")
    shallow = ", shallow" if facts.shallow else ""
    return Diagnosis(what="repository", weight="ok", found=f"{facts.repository} on {facts.branch}{shallow}")


def _settings(facts: MachineFacts) -> Iterator[Diagnosis]:
    if facts.settings_problem:
        remedy = f"fix {facts.settings_path}, or the file named above"
        yield Diagnosis(what="settings", weight="error", found=facts.settings_problem, remedy=remedy)


def _agents(facts: MachineFacts) -> Iterator[Diagnosis]:
    for agent in facts.agents:
        what = f"agent {agent.name}"
        if agent.problem:
            yield Diagnosis(what=what, weight="warning", found=agent.problem, remedy=agent.hint)
        else:
            yield Diagnosis(what=what, weight="ok", found=f"{agent.version} {agent.path}".strip())


def _watching(facts: MachineFacts) -> Diagnosis:
    if facts.watch_limits is None:
        return Diagnosis(what="file watching", weight="ok", found="this system has no such limits")
    watches, instances = facts.watch_limits
    if watches < _WATCHES or instances < _INSTANCES:
        found = f"{watches} watches and {instances} instances are low; files beyond that are polled"
        remedy = "sudo sysctl fs.inotify.max_user_watches=65536 fs.inotify.max_user_instances=256"
        return Diagnosis(what="file watching", weight="warning", found=found, remedy=remedy)
    return Diagnosis(what="file watching", weight="ok", found=f"{watches} watches, {instances} instances")


def _room(facts: MachineFacts) -> Iterator[Diagnosis]:
    for use, (path, free) in facts.free_bytes.items():
        found = f"{free / (1 << 30):.1f} GiB free at {path}"
        if free < _ROOM:
            yield Diagnosis(what=f"space for {use}", weight="warning", found=found, remedy=f"free some space at {path}")
        else:
            yield Diagnosis(what=f"space for {use}", weight="ok", found=found)


def _copies(facts: MachineFacts) -> Diagnosis:
    found = (
        "share their blocks (reflinks)" if facts.shares_blocks else "are full copies (no reflinks on this file system)"
    )
    return Diagnosis(what="copies", weight="ok", found=found)


def _run(facts: MachineFacts) -> Diagnosis:
    found, problem, remedy = facts.run
    if problem:
        return Diagnosis(what="runs", weight="warning", found=f"{found}, but {problem}", remedy=remedy)
    return Diagnosis(what="runs", weight="ok", found=found)


def _memory(facts: MachineFacts) -> Diagnosis:
    found, problem = facts.memory
    if problem:
        return Diagnosis(what="memory", weight="warning", found=problem, remedy="wto doctor --rebuild")
    return Diagnosis(what="memory", weight="ok", found=found)
