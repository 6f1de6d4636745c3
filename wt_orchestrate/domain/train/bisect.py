"""Prefix section search: which lengths of a train to check next, so that few runs find how far it is green.

A train is green up to some car and, because every longer prefix holds the first bad car too, red behind it. Where the first
bad car stands is a geometric guess, cut off at the train's end or at the shortest prefix known to be red. Each round the
workers check the prefixes that cut this guess into parts of equal weight: so a round tells as much as it can. With one
worker that is a Golomb code, the shortest there is for geometric lengths (Gallager and van Voorhis, 1975), and runs come
close to the bound of H(r)/(1-r) for each landing, r being the share of rejects. When many are rejected the parts shrink to
single cars by themselves: then the workers check the next prefixes one by one, as a speculating train does.

A longer green prefix overrules a shorter red one: nothing here relies on checks that never flake.
"""

from __future__ import annotations

from math import log

PRIOR, WEIGHT = 0.05, 20
"""The share of rejects that is expected before anything was seen, and how many riders that expectation is worth."""


def share_of_rejects(*, integrated: int, rejected: int) -> float:
    """The expected share of riders that a check rejects, from those seen so far; between 0 and 1, never either."""
    return (rejected + PRIOR * WEIGHT) / (integrated + rejected + WEIGHT)


def probes(length: int, *, red: int | None, workers: int, rejects: float) -> tuple[int, ...]:
    """The prefix lengths to check next, shortest first: at most `workers`, each in 1..length, none twice.

    `red` is the shortest length known to be red (None: none is); what is asked for is below it then, and nothing when it
    is 1. `rejects` is the expected share of bad cars.
    """
    longest = length if red is None else red - 1
    if longest < 1:
        return ()
    keeps = 1.0 - rejects
    # what is known: the first bad car is one of the first `red`, or anywhere, or not in this train
    certain = 1.0 if red is None else 1.0 - keeps**red
    found = {_cut(certain * part / (workers + 1), keeps, longest) for part in range(1, workers + 1)}
    return tuple(sorted(found))


def _cut(weight: float, keeps: float, longest: int) -> int:
    """The length whose chance of holding a bad car is nearest to `weight`."""
    exact = log(1.0 - weight) / log(keeps)
    below = max(1, min(int(exact), longest))
    above = min(below + 1, longest)
    return min((below, above), key=lambda cut: (abs(1.0 - keeps**cut - weight), cut))
