"""The word that people read for a stage, a condition or a plan stage's standing: at most three words each.

Stored and JSON names never change; `--json` prints those. Only text that people read goes through here.
"""

from __future__ import annotations

_SHOWN = {
    "ahead": "not started",
    "being drawn together": "in synthesis",
    "claimed": "claimed done",
    "ending": "stopping",
    "escalated": "needs you",
    "held": "blocked",
    "limited": "limit reached",
    "under way": "running",
    "waiting for an answer": "needs answer",
    "waiting for approval": "needs approval",
}


def shown(name: str) -> str:
    """The word for a name; most names are their own word."""
    return _SHOWN.get(name, name)
