"""What was read of a file: where each value stands, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field

import yaml

from wt_orchestrate.domain.plan.validation import Place, PlanProblem


@dataclass(slots=True)
class Reading:
    """A tree of plain values and the place of each; `problems` as found on the way."""

    places: dict[Place, yaml.Mark] = field(default_factory=dict)
    problems: list[tuple[yaml.Mark | None, PlanProblem]] = field(default_factory=list)
    nodes: int = 0


def mark_of(reading: Reading, place: Place) -> yaml.Mark | None:
    """The position of a place, or of the nearest one above it that has one."""
    while place and place not in reading.places:
        place = place[:-1]
    return reading.places.get(place)
