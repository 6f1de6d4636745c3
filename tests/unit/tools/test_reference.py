"""Generated pages say what the program is now."""

from __future__ import annotations

import pytest

from tools.reference import PAGES, PLACE, folded_by, written_by


@pytest.mark.parametrize("name", list(PAGES))
def test_generated_pages_are_up_to_date(name: str) -> None:
    """`make reference` would change nothing."""
    assert (PLACE / name).read_text(encoding="utf-8") == PAGES[name]()


def test_every_event_says_where_it_is_folded_and_written() -> None:
    """The table finds a fold for each event but a refused request, which changes nothing, and a writer for each but requests,
    which whoever asks makes."""
    assert [event for event, functions in folded_by().items() if not functions] == ["RequestRefused"]
    asked = {event for event, modules in written_by().items() if not modules}
    assert asked == {event for event in asked if event.endswith("Requested")}
    assert "train.fold_train" in folded_by()["RiderBlamed"]
    assert written_by()["Landed"] == ["engine/effects/landing"]
