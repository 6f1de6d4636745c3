"""The `command` agent: any command line, run in the worktree with its brief in a file.

Its environment has WTO_RUN, WTO_WORKSTREAM, WTO_ATTEMPT (a number), WTO_BRIEF (the brief's file) and WTO_HANDOFF (where
its handoff goes). Exit code 0 is its claim unless its handoff says otherwise. It takes no messages: they are in the
next attempt's brief.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence

from wt_orchestrate.adapters.agents.environment import guarded, own_tmpdir
from wt_orchestrate.domain.agent.stream import Said, Sign
from wt_orchestrate.domain.plan.model import AgentSpec
from wt_orchestrate.domain.text.clean import clean
from wt_orchestrate.domain.text.secrets import cut_without_secrets
from wt_orchestrate.errors import InvariantBroken
from wt_orchestrate.ports.engine import AgentStart, AgentVersion, Launch, VersionCommand

_SAID = 500


class CommandAgent:
    """Agents that are a command line; `environment` is the user's."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def launch(self, start: AgentStart) -> Launch:
        """The process to start; the brief is written into its folder."""
        brief = f"{start.folder}/brief.md"
        with open(brief, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(start.prompt)
        env = {
            **guarded(self._environment),
            **start.spec.env,
            **start.variables,
            "TMPDIR": own_tmpdir(start.folder, self._environment),
            "WTO_BRIEF": brief,
            "WTO_HANDOFF": f"{start.worktree}/HANDOFF.md",
        }
        return Launch(id=start.process, argv=("/bin/sh", "-c", start.spec.run), cwd=start.worktree, env=env)

    def reader(self) -> _Lines:
        """Its output, line by line."""
        return _Lines()

    def message(self, *, receipt: str, text: str) -> str | None:
        """It takes none while it runs."""
        return None

    def interrupt(self, *, request: str) -> str | None:
        """It cannot be interrupted, only ended."""
        return None

    def permission(self, *, ask: str, payload: str, allow: bool, reason: str) -> str:
        raise InvariantBroken("a command never asks for permission")

    def answer(self, *, ask: str, payload: str, texts: Sequence[str]) -> str:
        raise InvariantBroken("a command never asks questions")

    def version_command(self, spec: AgentSpec) -> VersionCommand:
        """The shell that runs it; its version does not matter."""
        path = shutil.which("sh", path=self._environment.get("PATH", os.defpath)) or ""
        return VersionCommand(argv=(path, "-c", ":") if path else (), env={})

    def version(self, spec: AgentSpec, *, path: str, said: str) -> AgentVersion:
        """A command is available if its shell is."""
        return AgentVersion(
            path=path, version="", problem="" if path else "there is no sh", hint="install a POSIX shell"
        )


class _Lines:
    def read(self, line: bytes) -> Sequence[Sign]:
        text = clean(line[: _SAID * 20].decode(errors="replace")).strip()
        return (Said(text=cut_without_secrets(text, _SAID)),) if text else ()
