"""Which prefixes of the train to check next, so that few runs find how far it passes.

All prefixes before the first bad car pass and, because every longer prefix holds the first bad car too, all others
fail. The place of the first bad car has a geometric distribution, cut off at the train's end or at the shortest prefix
known to fail. Each round the workers check the prefixes that cut this distribution into parts of equal weight, so each
round has as much information as possible. With one worker that is a Golomb code, the shortest for geometric lengths
(Gallager and van Voorhis, 1975), and runs come close to the bound of H(r)/(1-r) for each landing, r being the share of
rejects. With many rejects the parts shrink to single cars.

A longer prefix that passed overrules a shorter one that failed, so flaky checks do no harm here.
"""

from __future__ import annotations

from math import log

PRIOR, WEIGHT = 0.05, 20
"""The share of rejects that is expected before anything was seen, and how many riders that expectation is worth."""


def share_of_rejects(*, integrated: int, rejected: int) -> float:
    """The expected share of claims that a check rejects, from those seen so far; strictly between 0 and 1."""
    return (rejected + PRIOR * WEIGHT) / (integrated + rejected + WEIGHT)


def probes(length: int, *, red: int | None, workers: int, rejects: float) -> tuple[int, ...]:
    """The prefix lengths to check next, shortest first: at most `workers`, each in 1..length, none twice. `red`: the
    shortest length known to fail (None if none is); lengths below it are returned then, and none if it is 1. `rejects`:
    the expected share of bad cars."""
    longest = length if red is None else red - 1
    if longest < 1:
        return ()
    keeps = 1.0 - rejects
    # the first bad car is one of the first `red` if that is known, else anywhere or not in this train
    certain = 1.0 if red is None else 1.0 - keeps**red
    found = {_cut(certain * part / (workers + 1), keeps, longest) for part in range(1, workers + 1)}
    return tuple(sorted(found))


def _cut(weight: float, keeps: float, longest: int) -> int:
    """The length whose probability of holding a bad car is nearest to `weight`."""
    exact = log(1.0 - weight) / log(keeps)
    below = max(1, min(int(exact), longest))
    above = min(below + 1, longest)
    return min((below, above), key=lambda cut: (abs(1.0 - keeps**cut - weight), cut))
