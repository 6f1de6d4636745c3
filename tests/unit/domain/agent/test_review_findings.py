"""Reading what a reviewer wrote."""

from __future__ import annotations

import time

from wt_orchestrate.domain.agent.review_findings import findings_of


def test_no_remark_holds_anybody_up() -> None:
    """A remark that begins with a very deep path and names no line is read at once."""
    began = time.process_time()
    (found,) = findings_of(f"- must: {'a/' * 5_000}b is wrong")
    assert time.process_time() - began < 2.0
    assert found.path == ""


def test_a_place_is_taken_from_the_remark() -> None:
    """A deep path with its line is the place of a remark."""
    (found,) = findings_of("- must: `src/db/pool.py:12`: it is closed too late")
    assert (found.path, found.line, found.text) == ("src/db/pool.py", 12, "it is closed too late")
