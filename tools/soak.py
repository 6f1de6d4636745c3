"""Random bad days for as long as it is told: simulated ones on every processor, then real processes killed at random.

usage: python -m tools.soak --seconds N [--scratch FOLDER] [--from SEED]
Prints seeds, steps, crashes, promises checked and violations; ends with 1 and the command that replays the first violation.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.simulation.walk import staged_walk, walk
from tests.support.torture import Torture

_REAL_SHARE = 0.3


@dataclass(slots=True)
class Sum:
    """What a stretch of walks came to."""

    first: int
    walks: int = 0
    steps: int = 0
    crashes: int = 0
    checked: int = 0
    violations: tuple[tuple[int, str], ...] = ()


def _is_staged(seed: int) -> bool:
    """Whether the walk of a seed goes through a plan with stages."""
    return seed % 4 == 3


def stretch(first: int, step: int, until: float) -> Sum:
    """Walk every `step`-th seed from one on, until a moment of the monotonic clock."""
    found = Sum(first)
    seed = first
    while time.monotonic() < until:
        outcome = staged_walk(seed) if _is_staged(seed) else walk(seed)
        found.walks += 1
        found.steps += outcome.steps
        found.crashes += outcome.crashes
        found.checked += outcome.checked
        if outcome.breaches:
            found.violations += ((seed, outcome.breaches[0]),)
        seed += step
    return found


def simulated(seconds: float, first: int) -> bool:
    """Walk on every processor and print what came of it; whether every promise held."""
    count = os.cpu_count() or 1
    until = time.monotonic() + seconds
    with ProcessPoolExecutor(count) as pool:
        sums = list(pool.map(stretch, range(first, first + count), [count] * count, [until] * count))
    _print_sums(sums)
    violations = [each for found in sums for each in found.violations]
    for seed, breach in violations[:5]:
        how = " --staged" if _is_staged(seed) else ""
        print(f"  VIOLATION {breach}\n    python -m tests.simulation.replay --seed {seed}{how}")
    return not violations


def _print_sums(sums: Iterable[Sum]) -> None:
    sums = list(sums)
    total = {name: sum(getattr(each, name) for each in sums) for name in ("walks", "steps", "crashes", "checked")}
    last = max(each.first + (each.walks - 1) * len(sums) for each in sums)
    print(f"simulation: seeds {sums[0].first} to {last}, {total['walks']} walks, {total['steps']} steps,")
    print(f"  {total['crashes']} crashes injected, {total['checked']} promises checked,", end=" ")
    print(f"{sum(len(each.violations) for each in sums)} violations")


def real(seconds: float, scratch: str, seed: int) -> bool:
    """Kill real processes of real runs for a time and print what came of it; whether every promise held."""
    torture = Torture(Path(scratch), seed)
    torture.run_for(seconds)
    print(f"real processes: seed {seed}, {torture.runs} runs, {torture.kills} kills, ", end="")
    print(f"{torture.checked} promises checked, {len(torture.violations)} violations")
    for violation in torture.violations:
        print(f"  VIOLATION {violation}")
    return not torture.violations


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--scratch", required=True)
    parser.add_argument("--from", dest="first", type=int, default=int(time.time()) % 1_000_000 * 1_000)
    given = parser.parse_args()
    whole = simulated(given.seconds * (1 - _REAL_SHARE), given.first)
    return 0 if real(given.seconds * _REAL_SHARE, given.scratch, given.first) and whole else 1


if __name__ == "__main__":
    sys.exit(main())
