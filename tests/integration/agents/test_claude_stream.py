"""The stream of the Claude Code client, as signs."""

from __future__ import annotations

import json

import msgspec

from wt_orchestrate.adapters.agents.claude_stream import ClaudeStream

CUT = "echo \ud83d"


def test_a_text_that_was_cut_within_a_character_can_be_logged() -> None:
    """The client cuts long texts by UTF-16 units; the half character that is left fells no supervisor."""
    request = {"subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": CUT}}
    said = [{"type": "text", "text": CUT}, {"type": "tool_use", "id": "1", "name": "Bash", "input": {"command": CUT}}]
    lines = (
        {"type": "control_request", "request_id": "q1", "request": request},
        {"type": "assistant", "message": {"model": "m", "content": said}},
        {"type": "result", "subtype": "success", "is_error": False, "result": CUT},
    )
    reader = ClaudeStream()
    signs = [sign for line in lines for sign in reader.read(json.dumps(line).encode())]
    assert len(signs) >= 4
    for sign in signs:
        msgspec.json.encode(sign)
