"""What an attempt finds in its own folder when it starts: the whole handoffs of what it builds on, and who it is for its tools.

Who an agent is stands here and nowhere in what it says: its tools read it from the folder that they are started with.
"""

from __future__ import annotations

import json

from wt_orchestrate.domain.composing import PLACE, needs_in_order, whole_handoff
from wt_orchestrate.domain.effects import StartAttempt
from wt_orchestrate.domain.plan import AgentSpec, AgentType
from wt_orchestrate.domain.settings import AgentTools
from wt_orchestrate.domain.state import RunState, WorkstreamState
from wt_orchestrate.engine.world import World

IDENTITY = "attempt.json"
"""The file that says whose tools they are."""


def equip(effect: StartAttempt, state: RunState, ws: WorkstreamState, folder: str, world: World) -> tuple[str, str]:
    """Lay it all there; the folder of the handoffs, and the place itself."""
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
    """The command that serves this attempt its tools; empty where it gets none."""
    wanted = state.settings.agent_tools is AgentTools.AUTO and spec.type is AgentType.CLAUDE_CODE
    return (*world.tools, place) if wanted and world.tools else ()


def telling_where(prompt: str, needs: str) -> str:
    """A prompt with the place of the whole handoffs filled in."""
    return prompt.replace(PLACE, needs)
