"""Replays one walk exactly, and prints what happened: `python -m tests.simulation.replay --seed N [--plant NAME]`."""

from __future__ import annotations

import argparse
from contextlib import nullcontext

from tests.simulation.planted import PLANTED
from tests.simulation.walk import BUSY_STEPS, Walk, busy, staged
from wt_orchestrate.domain.status.story import sentence


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--plant", choices=sorted(PLANTED))
    parser.add_argument("--last", type=int, default=60, help="how many of the newest lines to print")
    parser.add_argument("--staged", action="store_true", help="through a plan with stages, syntheses and gates")
    parser.add_argument("--busy", action="store_true", help="through a full train from which claims are called back")
    given = parser.parse_args()
    made = staged if given.staged else busy if given.busy else Walk
    walk = made(given.seed)
    with PLANTED[given.plant]() if given.plant else nullcontext():
        outcome = walk.run(BUSY_STEPS) if given.busy else walk.run()
    print(f"seed {given.seed}: {outcome.steps} steps, {outcome.crashes} crashes, {outcome.checked} checks of promises")
    for line in outcome.history[-given.last :]:
        print("  step ", line)
    for record in walk.world.log.records[-given.last :]:
        told = sentence(record.event)
        print(
            f"  {record.number:>5} {record.at:.1f} {type(record.event).__name__:<20}",
            told.about if told else "",
            told.text if told else record.event,
        )
    for breach in outcome.breaches:
        print("BREACH", breach)


if __name__ == "__main__":
    main()
