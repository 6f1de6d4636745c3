"""Search one run: shared findings and handoffs that fit a question, best matches first.

A match is scored by words, rare ones more; newer entries win among equals. Results are quoted with their source.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec import Struct

from wt_orchestrate.domain.state.findings import finding_lines
from wt_orchestrate.domain.state.run import RunState

_WORD = re.compile(r"[^\W_]{2,}")
_LONGEST = 1_500


class _Entry(Struct, frozen=True, kw_only=True):
    at: float
    text: str
    words: Counter[str]


def found_in_run(state: RunState, query: str, *, besides: str, most: int) -> Sequence[str]:
    """At most so many entries that share a word with the query; none of the workstream that asks."""
    wanted = set(_words(query))
    entries = list(_entries(state, besides))
    rarity = {
        word: math.log(1 + len(entries) / count)
        for word in wanted
        if (count := sum(word in each.words for each in entries))
    }
    scored = [
        (sum(rarity[word] * min(each.words[word], 3) for word in rarity) / math.log(20 + each.words.total()), each)
        for each in entries
    ]
    best = sorted((pair for pair in scored if pair[0] > 0), key=lambda pair: (-pair[0], -pair[1].at))
    return [each.text for _, each in best[:most]]


def _words(text: str) -> Iterator[str]:
    return (match.group().lower() for match in _WORD.finditer(text))


def _entries(state: RunState, besides: str) -> Iterator[_Entry]:
    for finding in state.shared:
        if finding.workstream != besides:
            text = "\n".join(finding_lines(finding))
            yield _Entry(at=finding.at, text=text, words=Counter(_words(f"{finding.path} {finding.text}")))
    for ws in state.workstreams.values():
        if ws.handoff is None or ws.id == besides:
            continue
        handoff = ws.handoff
        sections = {"summary": handoff.summary, "decisions": handoff.decisions}
        said = [(name, text) for name, text in sections.items() if text]
        said += [(each.kind, each.text) for each in handoff.findings]
        for name, text in said:
            quoted = "\n".join(f"> {line}" for line in f"({name} of `{ws.id}`) {text[:_LONGEST]}".splitlines())
            yield _Entry(at=ws.handoffs.at or 0.0, text=quoted, words=Counter(_words(text)))
