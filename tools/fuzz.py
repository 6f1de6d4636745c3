"""Pairs of random branches, judged by their paths alone and by git: none that could conflict may be called independent.

usage: python -m tools.fuzz --pairs N [--scratch FOLDER] [--from SEED]
Prints how many pairs there were, how many conflict, and how many the index would have had merged; ends with 1 and the seeds
when it missed any.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

from tests.support.pathfuzz import Judged, judge
from tests.support.repos import make_repository

_STRETCH = 40


def fuzz(pairs: int, first: int, scratch: Path) -> Judged:
    """Judge at least that many pairs, from a seed on."""
    found = Judged()
    while found.pairs < pairs:
        folder = scratch / str(first)
        part = judge(make_repository(str(folder)), range(first, first + _STRETCH))
        shutil.rmtree(folder)
        first += _STRETCH
        found.pairs += part.pairs
        found.conflicts += part.conflicts
        found.candidates += part.candidates
        found.missed += part.missed
        found.other += part.other
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--scratch", type=Path, default=Path("fuzz"))
    parser.add_argument("--from", dest="first", type=int, default=0)
    asked = parser.parse_args()
    began = time.monotonic()
    try:
        found = fuzz(asked.pairs, asked.first, asked.scratch)
    finally:
        shutil.rmtree(asked.scratch, ignore_errors=True)
    share = f"{found.candidates / found.pairs:.0%}"
    print(
        f"{found.pairs} pairs, {found.conflicts} in conflict, {found.candidates} ({share}) held for possible, "
        f"{len(found.missed)} missed, {len(found.other)} merged otherwise; {time.monotonic() - began:.0f} s"
    )
    for case in (*found.missed, *found.other):
        print(f"seed {case[0]}, branches {case[1]} and {case[2]}: python -m tools.fuzz --pairs 1 --from {case[0]}")
    return 1 if found.missed or found.other else 0


if __name__ == "__main__":
    sys.exit(main())
