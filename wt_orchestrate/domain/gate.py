"""What became of the gate behind a stage, as a value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GateState:
    """One gate's present. `round` tells one ending of the stage from another: further work or another claim makes a new one.
    What a person is shown as the round counts `changes` with it."""

    round: int = 0
    reached_at: float = 0.0
    """When it was seen to wait for this round."""
    approved: bool = False
    approved_at: float = 0.0
    sent_back: int = 0
    """How often a person sent the synthesis back."""
    changes: int = 0
    """How often a person changed what waits behind it, before it was passed."""
