"""The run's own time: seconds since its start in which the machine was awake, on a clock that never goes back.

Records have wall times, and wall time jumps: a machine sleeps, a clock is set. `TimeSkipped` says how far it jumped
between two turns; that time counts as nothing here. Times that others wrote (a keeper when its agent ended) are wall
times of the same machine and are converted by `place`. A wall time that happened twice, because the clock was set back,
is taken for the later one.
"""

from __future__ import annotations

from msgspec import Struct

from wt_orchestrate.domain import events as e


class _Piece(Struct, frozen=True):
    """From this wall time on, the run's time is wall time less `offset`; it was `begins` there."""

    wall: float
    offset: float
    begins: float


class RunTime:
    """Converts wall times of one run to its own time; it is given the records in order."""

    def __init__(self, started_at: float) -> None:
        self._pieces = [_Piece(started_at, started_at, 0.0)]
        self.now = 0.0
        self.skipped = 0.0

    def passed(self, record: e.Record) -> float:
        """The time of a record, the next one in the log."""
        if isinstance(record.event, e.TimeSkipped):
            self.skipped += record.event.seconds
            offset = self._pieces[-1].offset + record.event.seconds
            self._pieces.append(_Piece(record.at, offset, self.now))
        self.now = max(self.now, record.at - self._pieces[-1].offset)
        return self.now

    def reaches(self, wall: float) -> float:
        """The time at a wall time after the last record."""
        return max(self.now, wall - self._pieces[-1].offset)

    def place(self, wall: float) -> float:
        """The time at a wall time from elsewhere; never later than now."""
        bound = self.now
        for piece in reversed(self._pieces):
            if wall >= piece.wall:
                return max(piece.begins, min(bound, wall - piece.offset))
            bound = min(bound, piece.begins)
        return 0.0
