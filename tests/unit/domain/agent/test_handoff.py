"""Reading handoffs: tolerant of everything, believing nothing."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wt_orchestrate.domain.agent.handoff import Handoff, HandoffFinding, HandoffStatus, complete, parse_handoff
from wt_orchestrate.domain.text.clean import clean

GOOD = """---
status: done
progress: 60%
---
## Summary
It works.

```
## Findings
not a heading
```
## Findings
- risk: src/a.py:3 is slow
* plain
## Questions
None.
## Rationale
Because.
"""


def test_a_good_handoff_is_read_whole() -> None:
    """Status, progress, sections, findings with kind and place, and sections of other names."""
    assert parse_handoff(GOOD) == Handoff(
        status=HandoffStatus.DONE,
        progress=60,
        summary="It works.\n\n```\n## Findings\nnot a heading\n```",
        findings=(
            HandoffFinding(text="src/a.py:3 is slow", kind="risk", path="src/a.py", line=3),
            HandoffFinding(text="plain"),
        ),
        questions="None.",
        other={"rationale": "Because."},
    )


def test_a_broken_handoff_is_read_as_far_as_it_goes_and_says_what_is_wrong() -> None:
    """No front matter, an unclosed one, an unknown status and a wild progress are problems, never exceptions."""
    assert parse_handoff("## Summary\nx").problems == (
        "there is no front matter (`---`, `status: ...`, `---`) at the top",
    )
    unclosed = parse_handoff("---\nstatus: done\n## Summary\nx\n")
    assert (unclosed.status, unclosed.summary) == (HandoffStatus.DONE, "x")
    assert unclosed.problems == ("its front matter is not closed by `---`",)
    odd = parse_handoff("---\nstatus: finished\nprogress: lots\n---\n")
    assert odd.problems == (
        "its status is 'finished'; it must be working, done or blocked",
        "its progress is not a number from 0 to 100",
    )


def test_line_ends_and_byte_order_marks_of_other_systems_do_not_matter() -> None:
    """CRLF and a BOM change nothing."""
    assert parse_handoff("\ufeff" + GOOD.replace("\n", "\r\n")) == parse_handoff(GOOD)


def test_a_finished_handoff_needs_a_summary() -> None:
    """`complete` says what is missing, in a sentence for the agent."""
    assert complete(parse_handoff(GOOD)) == ()
    assert complete(parse_handoff("---\nstatus: done\n---\n")) == ("the section '## Summary' is missing or empty",)


@given(st.text(max_size=2000))
def test_S5_no_text_breaks_the_reader_or_reaches_a_terminal_raw(text: str) -> None:
    """Whatever an agent writes is read without an exception, and nothing that acts on a terminal is left in it."""
    for prefix in ("", "---\nstatus: done\n---\n## Summary\n"):
        handoff = parse_handoff(prefix + text)
        shown = handoff.summary + "".join(remark.text for remark in handoff.findings)
        assert shown == clean(shown)
        assert not any(ord(char) < 32 and char not in "\n\t" for char in shown)


def test_S5_escapes_and_direction_marks_are_written_out() -> None:
    """C0, C1, bidi and zero-width characters become visible escapes."""
    assert clean("a\x1b[31mb\u202ec\u200bd\x85\r\ne\tf") == "a\\x1b[31mb\\u202ec\\u200bd\\x85\ne\tf"


@pytest.mark.parametrize(
    "line",
    [
        "# a" + " " * 60_000 + "b",
        "# " + "#" * 60_000 + "b",
        "- " + "a" * 60_000,
        "- " + "a." * 30_000,
        "- a.py:" + "9" * 60_000,
    ],
    ids=["heading of spaces", "heading of marks", "one word", "one path", "a number"],
)
def test_no_line_of_a_handoff_holds_anybody_up(line: str) -> None:
    """A heading or a finding of sixty thousand characters, whatever they are, is read at once."""
    began = time.process_time()
    parse_handoff(f"---\nstatus: done\n---\n## Findings\n{line}\n")
    assert time.process_time() - began < 2.0


def test_a_heading_may_be_closed_by_its_marks() -> None:
    """`## Next ##` is the section Next."""
    assert parse_handoff("---\nstatus: done\n---\n## Next ##\nMore.\n").next == "More."
