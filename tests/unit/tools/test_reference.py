"""Generated pages say what the program is now."""

from __future__ import annotations

import pytest

from tools.reference import PAGES, PLACE


@pytest.mark.parametrize("name", list(PAGES))
def test_generated_pages_are_up_to_date(name: str) -> None:
    """`make reference` would change nothing."""
    assert (PLACE / name).read_text(encoding="utf-8") == PAGES[name]()
