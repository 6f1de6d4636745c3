"""Two revisions' benchmarks, run in turn in one go: what became worse, and by how much.

usage: python benchmarks/compare.py BASE [--rounds N] [--worse RATIO] [NAME ...]

BASE is checked out beside this checkout, and each revision runs its own `benchmarks/run.py` with its own code: BASE, ours,
BASE, ours. So both bear the same noise. The medians of the rounds are compared; a figure that only one revision has is named
and not compared. Small is good, except for figures whose name says what is done in a second or how often ours goes into plain
git's time. Exit code 1 when something is worse by more than the ratio.
"""

from __future__ import annotations

import argparse
import compileall
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

WORSE = 1.25
"""What becomes this many times what it was is told. Less than that is noise on a shared machine."""
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?")
_GREAT_IS_GOOD = ("a second", "CPU of git merge / ours")
Figures = Mapping[str, Sequence[float]]


def figures_of(table: str) -> dict[str, tuple[float, ...]]:
    """The figures of a table of `run.py` by what they measure: the numbers before what stands in brackets."""
    found: dict[str, tuple[float, ...]] = {}
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 2 and cells != ["what", "figure"]:
            numbers = tuple(map(float, _NUMBER.findall(cells[1].partition("(")[0])))
            if numbers:
                found[cells[0]] = numbers
    return found


def middle(rounds: Sequence[Figures]) -> dict[str, tuple[float, ...]]:
    """The median of each figure that every round has."""
    known = [name for name in rounds[0] if all(len(each.get(name, ())) == len(rounds[0][name]) for each in rounds)]
    return {
        name: tuple(median(values) for values in zip(*(each[name] for each in rounds), strict=True)) for name in known
    }


def worsened(base: Figures, ours: Figures, *, worse: float) -> Iterator[tuple[str, float, float, float]]:
    """What is worse now by more than a ratio: its name, what it was, what it is, and how many times worse."""
    for name, now in ours.items():
        for before, after in zip(base.get(name, ()), now, strict=False):
            great = any(part in name for part in _GREAT_IS_GOOD)
            bad, good = (before, after) if great else (after, before)
            ratio = bad / good if good else (float("inf") if bad else 1.0)
            if ratio > worse:
                yield name, before, after, ratio


def lines_of(base: Figures, ours: Figures, *, worse: float) -> Iterator[str]:
    """What is told at the end."""
    found = list(worsened(base, ours, worse=worse))
    yield f"{len(found)} of {len(ours.keys() & base.keys())} figures worse than before (by more than {worse:g} times)"
    for name, before, after, ratio in found:
        yield f"  {name}: {before:g} -> {after:g} ({ratio:.2f} times worse)"
    for title, one, other in (("only before", base, ours), ("only now", ours, base)):
        for name in one.keys() - other.keys():
            yield f"  {title}: {name}"


def _figures(checkout: Path, names: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """The figures of one revision, by its own code. Names that it does not know end the comparison with its own words."""
    words = [sys.executable, str(checkout / "benchmarks" / "run.py"), *names]
    ended = subprocess.run(words, cwd=checkout, stdout=subprocess.PIPE, text=True, check=False)
    if ended.returncode:
        raise SystemExit(f"{checkout}: the benchmarks ended with {ended.returncode}")
    return figures_of(ended.stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description="Run two revisions' benchmarks in turn and tell what became worse.")
    parser.add_argument("base", help="the revision to compare with")
    parser.add_argument("names", nargs="*", help="benchmarks of run.py (default: all)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each revision runs")
    parser.add_argument("--worse", type=float, default=WORSE, help="the ratio from which a figure is told")
    parser.add_argument("--checkout", type=Path, default=Path(__file__).resolve().parent.parent, help=argparse.SUPPRESS)
    asked = parser.parse_intermixed_args()
    ours: Path = asked.checkout
    with tempfile.TemporaryDirectory(prefix="wto-compare-") as folder:
        base = Path(folder) / "base"
        subprocess.run(["git", "worktree", "add", "-q", "--detach", str(base), asked.base], cwd=ours, check=True)
        try:
            for checkout in (base, ours):
                compileall.compile_dir(str(checkout / "wt_orchestrate"), quiet=1)
            rounds = [(_figures(base, asked.names), _figures(ours, asked.names)) for _ in range(asked.rounds)]
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(base)], cwd=ours, check=True)
    before, now = (middle(each) for each in zip(*rounds, strict=True))
    print("\n".join(lines_of(before, now, worse=asked.worse)))
    return 1 if any(worsened(before, now, worse=asked.worse)) else 0


if __name__ == "__main__":
    sys.exit(main())
