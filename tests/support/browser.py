"""A real Chromium for tests of pages: Debian's, started by playwright, with nothing of this machine's."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import sync_playwright

from tests.support.missing import missing


def chromium() -> str:
    """The program. Where it is missing: a failure in CI, elsewhere a skip with its reason."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        missing("no Chromium is installed (make packages; on Debian: apt-get install chromium)")
    return found


@contextmanager
def open_page(address: str, *, width: int, dark: bool = False) -> Iterator[Any]:
    """The page at an address in a window of that width; what it wrote to the console is in `page.said`, what it asked the
    network for in `page.asked`."""
    program = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            context = browser.new_context(
                viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
            )
            page: Any = context.new_page()
            page.said, page.asked = [], []
            page.on("console", lambda message: page.said.append(message.text))
            page.on("request", lambda request: page.asked.append(request.url))
            page.goto(address)
            yield page
        finally:
            browser.close()
