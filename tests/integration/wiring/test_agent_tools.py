"""What an agent's tools answer, without a client."""

from __future__ import annotations

from tests.unit.domain.brief.test_context import plain_state
from wt_orchestrate.adapters.notes import NoteDesk
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.wiring.agent_tools import AgentDesk


class Desk(AgentDesk):
    """A desk of a run that is given."""

    def _state(self) -> RunState:
        return plain_state({f"a-workstream-with-a-long-name-{n}": () for n in range(500)})


def test_an_answer_that_is_cut_promises_no_page_that_cannot_be_asked_for() -> None:
    """Who else works is cut at the bound of an answer, says so, and names no `start`, which the tool does not take."""
    text = Desk(NoteDesk("/nowhere"), {"workstream": "x"}).others()
    assert len(text) < 16_100
    assert text.endswith("characters omitted)")
