"""The strategic notes that a synthesiser leaves: which sections its handoff owes, and what is missing of them.

They are an agent's words: data for people, for the report and for later briefs, never a reason for anything to happen by
itself. A section with nothing to say holds the word `none`, so that silence is told from forgetting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

NOTHING = "none"
SECTIONS: Mapping[str, str] = {
    "Decisions": "what follows from the findings, each with its reason and whose finding it rests on",
    "Contradictions": "where handoffs disagree: who says what, which one is right, and how you know",
    "Risks": "what may go wrong from here on, the most serious first",
    "Follow-ups": "what is worth doing and is not part of this plan",
    "Learned": "what whoever works on this repository next should know",
}
"""The sections of strategic notes and what belongs there."""


def says_nothing(text: str) -> bool:
    """Whether a section says that there is nothing to say."""
    return text.strip(" \n\t-*.`_").lower() == NOTHING


def gaps(decisions: str, other: Mapping[str, str], *, plans: bool) -> Iterator[str]:
    """What strategic notes lack, one sentence each. `plans`: whether they also have to plan the next stage."""
    for name in SECTIONS:
        text = decisions if name == "Decisions" else other.get(name.lower(), "")
        if not text.strip():
            yield f"the section '## {name}' is missing or empty; write `{NOTHING}` where there is nothing to say"
    if plans and not other.get("workstreams", "").strip():
        yield f"the section '## Workstreams' is missing or empty; plan the next stage there, or write `{NOTHING}`"
