"""Check runs of the train in simulation: riders of which some are bad, pairs that fail only together, checks that flake.

The lengths come from the program's own search (`domain/train/bisect.py`); a suspect is confirmed as the program does it
(once more on its tree, once on what is below it). Compared with one run for each rider, and with the bound H(r)/(1-r)
for each landing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log2
from random import Random

from wt_orchestrate.domain.train.bisect import probes, share_of_rejects

RIDERS = 5_000
_TAKES = 3


@dataclass(slots=True)
class Queue:
    """Riders to land; a bad one fails by itself, a pair only together. `flake`: the chance that a good tree fails once."""

    chance: Random
    workers: int
    flake: float
    bad: list[bool]
    partner: list[int]
    searched: int = 0
    certain: int = 0
    rounds: int = 0
    landed: int = 0
    rejected: int = 0
    wronged: int = 0

    def run(self) -> None:
        riders = list(range(len(self.bad)))
        inside: set[int] = set()
        red: int | None = None
        while riders:
            rejects = share_of_rejects(integrated=self.landed, rejected=self.rejected)
            lengths = probes(len(riders), red=red, workers=self.workers, rejects=rejects)
            if not lengths:
                red = None
                self._suspect(riders, inside)
                continue
            self.rounds += 1
            self.searched += len(lengths)
            passed = [length for length in lengths if self._passes(riders[:length], inside)]
            failed = [length for length in lengths if length not in passed]
            green = max(passed, default=0)
            reds = [length for length in (*failed, *([red] if red is not None else [])) if length > green]
            red = min(reds) - green if reds else None
            inside.update(riders[:green])
            self.landed += green
            riders = riders[green:]

    def _suspect(self, riders: list[int], inside: set[int]) -> None:
        """Confirm the first rider's failure, and ask what is below it; then it is out, or rides again at the end."""
        first = riders.pop(0)
        self.certain += 2
        if self._passes([first], inside):
            riders.append(first)
            return
        self.rejected += 1
        self.wronged += self._good([first], inside)

    def _passes(self, riders: list[int], inside: set[int]) -> bool:
        return self._good(riders, inside) and self.chance.random() >= self.flake

    def _good(self, riders: list[int], inside: set[int]) -> bool:
        there = {*inside, *riders}
        return not any(self.bad[rider] or self.partner[rider] in there for rider in riders)


def queue(share: float, *, workers: int, flake: float, seed: int, riders: int = RIDERS) -> Queue:
    chance = Random(seed)
    bad = [chance.random() < share for _ in range(riders)]
    partner = [-1] * riders
    for _ in range(riders // 200):  # some pairs that fail only together
        one, other = sorted(chance.sample(range(riders), 2))
        partner[other] = one
    return Queue(chance=chance, workers=workers, flake=flake, bad=bad, partner=partner)


def sections() -> Iterator[tuple[str, str]]:
    """Runs for each landing and the bound, by share of rejects; then places, then flakes."""
    for share in (0.01, 0.02, 0.05, 0.1, 0.2, 0.3):
        taken = [_ran(share, workers=1, flake=0.0, seed=seed) for seed in range(_TAKES)]
        searched = sum(each.searched / each.landed for each in taken) / _TAKES
        certain = sum(each.certain / each.landed for each in taken) / _TAKES
        bound = sum(_bound(each) for each in taken) / _TAKES
        serial = sum((each.landed + each.rejected) / each.landed for each in taken) / _TAKES
        words = f"{searched:.3f} runs a landing, bound {bound:.3f} ({searched / bound:.2f}); "
        words += f"to be certain {certain:.2f}; serial {serial:.2f}"
        yield f"train of {RIDERS}, {share:.0%} bad, one place", words
    for workers in (2, 4, 8):
        each = _ran(0.02, workers=workers, flake=0.0, seed=1)
        words = f"{each.searched / each.landed:.3f} runs, {each.rounds / each.landed:.3f} rounds a landing"
        yield f"train of {RIDERS}, 2% bad, {workers} places", words
    for flake in (0.02, 0.05):
        each = _ran(0.02, workers=2, flake=flake, seed=1)
        runs = (each.searched + each.certain) / each.landed
        words = f"{each.wronged} good riders of {RIDERS} rejected, {runs:.2f} runs a landing"
        yield f"train of {RIDERS}, 2% bad, {flake:.0%} flakes, two places", words


def _ran(share: float, *, workers: int, flake: float, seed: int) -> Queue:
    made = queue(share, workers=workers, flake=flake, seed=seed)
    made.run()
    return made


def _bound(ran: Queue) -> float:
    share = ran.rejected / (ran.rejected + ran.landed)
    return -(share * log2(share) + (1 - share) * log2(1 - share)) / (1 - share)
