"""What an attempt finds in its own folder when it starts, and a plan's commands as processes to start.

The folder holds the handoffs of what the attempt builds on, and its identity. Its tools read the identity from that
folder, never from what the agent says. Setup commands and checks run by `sh -c`, with their stderr in their output,
under a deadline.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from shlex import quote

from wt_orchestrate.domain.brief.context import PLACE, needs_in_order, whole_handoff
from wt_orchestrate.domain.effects import StartAttempt
from wt_orchestrate.domain.ids import ProcessId
from wt_orchestrate.domain.plan.model import AgentSpec, AgentType
from wt_orchestrate.domain.plan.settings import AgentTools
from wt_orchestrate.domain.state.checks import WITHHELD
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.state.workstream import WorkstreamState
from wt_orchestrate.domain.text.clean import some_of
from wt_orchestrate.engine.world import World
from wt_orchestrate.ports.engine import Launch

IDENTITY = "attempt.json"
"""The file that says which attempt the tools belong to."""
_KEPT = 1 << 20
"""How many bytes of the output of a setup command or a check are kept: its head and its tail."""


def equip(effect: StartAttempt, state: RunState, ws: WorkstreamState, folder: str, world: World) -> tuple[str, str]:
    """Write these files; returns the folder of the handoffs, and the attempt's own."""
    needs = needs_in_order(state, ws)
    identity = {
        "run": state.id,
        "workstream": ws.id,
        "attempt": effect.attempt,
        "epoch": effect.epoch,
        "site": dict(world.site),
        "needs": [need.id for need in needs],
        "known": list(state.workstreams),
    }
    texts = {f"needs/{need.id}.md": whole_handoff(need) for need in needs}
    place = world.notes.prepare(folder, {**texts, IDENTITY: json.dumps(identity)})
    return f"{place}/needs", place


def tools_of(spec: AgentSpec, state: RunState, place: str, world: World) -> tuple[str, ...]:
    """The command that serves this attempt its tools; empty if it gets none."""
    wanted = state.settings.agent_tools is AgentTools.AUTO and spec.type is AgentType.CLAUDE_CODE
    return (*world.tools, place) if wanted and world.tools else ()


def telling_where(prompt: str, needs: str) -> str:
    """A prompt with the place of the handoffs filled in."""
    return prompt.replace(PLACE, needs)


def naming_withheld(script: str, withheld: Sequence[str]) -> str:
    """The script of a check with a line at the end of its output, if it fails, that names the variables it did not get."""
    if not withheld:
        return script
    named = some_of(sorted(withheld, key=lambda name: name not in script), 12)
    said = f"{WITHHELD}{named}; pass_env in .wto/config.yaml passes what a check needs"
    tell = "printf '\\n%s\\n'"  # the last words before it may have no line end
    return f"trap {quote(f'[ $? = 0 ] || {tell} {quote(said)}')} EXIT\n{script}"


def shell(process: ProcessId, script: str, *, cwd: str, env: Mapping[str, str], timeout_s: float) -> Launch:
    """A setup command or a check."""
    return Launch(
        id=process,
        argv=("/bin/sh", "-c", f"exec 2>&1\n{script}"),
        cwd=cwd,
        env=dict(env),
        deadline_s=timeout_s,
        kept=_KEPT,
        grace_s=2.0,
    )
