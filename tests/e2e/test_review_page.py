"""The review page in a real Chromium: it is readable, keeps its policy, asks for nothing, and runs nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.browser import chromium, open_page
from tests.unit.cli.html.test_review_page import hostile_page


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1400])
def test_a_page_fits_and_is_quiet(tmp_path: Path, width: int, dark: bool) -> None:
    """No sideways scrolling at any width, its own style applies, nothing is blocked, said or loaded, one heading leads."""
    chromium()
    file = tmp_path / "review.html"
    file.write_text(hostile_page(), encoding="utf-8")
    with open_page(file.as_uri(), width=width, dark=dark) as page:
        assert page.said == []
        assert page.asked == [file.as_uri()]
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("getComputedStyle(document.querySelector('.card')).borderRadius") == "12px"
        assert page.locator("h1").count() == 1
        assert page.locator("script, img, [onerror]").count() == 0
        assert page.locator("table").count() == page.locator("table caption").count()
        assert page.locator("thead th:not([scope=col])").count() == 0


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_words_stand_out_from_what_is_behind_them(tmp_path: Path, dark: bool) -> None:
    """Text has a contrast of at least 4.5 to 1 in both schemes."""
    chromium()
    file = tmp_path / "review.html"
    file.write_text(hostile_page(), encoding="utf-8")
    with open_page(file.as_uri(), width=1400, dark=dark) as page:
        assert page.evaluate(CONTRAST) == []
        page.evaluate("document.querySelector('h1').style.color = getComputedStyle(document.body).backgroundColor")
        assert len(page.evaluate(CONTRAST)) == 1  # it would have been seen


CONTRAST = """() => {
  const light = c => { const v = c / 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4 };
  const parts = text => text.match(/[0-9.]+/g).map(Number);
  const level = ([r, g, b]) => 0.2126 * light(r) + 0.7152 * light(g) + 0.0722 * light(b);
  const behind = node => {
    for (let at = node; at; at = at.parentElement) {
      const colour = parts(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const node of document.querySelectorAll('body *')) {
    const own = [...node.childNodes].some(each => each.nodeType === 3 && each.data.trim());
    if (!own) continue;
    const [one, two] = [level(parts(getComputedStyle(node).color)), level(behind(node))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (two + 0.05);
    if (ratio < 4.5) faint.push(`${node.tagName}.${node.className} ${ratio.toFixed(2)} ${node.textContent.slice(0, 30)}`);
  }
  return faint;
}"""
"""The elements with text of their own that stand out too little."""
