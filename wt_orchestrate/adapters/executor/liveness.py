"""Whether a keeper lives: it does while it holds the lock in its folder."""

from __future__ import annotations

from wt_orchestrate.osfiles.locks import held


def keeper_lives(folder: str) -> bool:
    """Whether the keeper of the process in this folder holds its lock; checked by sharing the lock for an instant."""
    return held(f"{folder}/keeper.lock")
