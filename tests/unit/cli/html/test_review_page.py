"""HTML of agents' text: nothing that they write becomes more than text."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.domain.state.test_comments import begun, handed_over, said, state
from wt_orchestrate.cli.html.element import element
from wt_orchestrate.cli.html.review_page import page
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.ids import CommitId, WorkstreamId
from wt_orchestrate.domain.plan.model import Workstream
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.review.packet import packet
from wt_orchestrate.domain.text.clean import clean
from wt_orchestrate.domain.text.diff import DiffLine, FileDiff, Hunk, Line

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>&amp;\u202eevil\x1b[31m</style></title>javascript:x"


class _Reader(HTMLParser):
    """The tags, attributes and text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.words += data


def read(text: str) -> _Reader:
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_any_text_comes_out_as_it_went_in(text: str) -> None:
    """In content and in an attribute, with what could act on a reader written out."""
    found = read(element("p", text, title=text).text)
    shown = clean(text).encode("utf-8", "replace").decode("utf-8")
    assert found.tags == ["p"]
    assert found.words.replace("\r", "\n") == shown.replace("\r", "\n")
    assert [name for name, _ in found.attributes] == ["title"]


def hostile_page() -> str:
    """A page in which every text that an agent or a person can write is hostile."""
    path = f"src/{HOSTILE}.py"
    files = (
        FileDiff(
            path=path,
            old=f"old{HOSTILE}",
            status="R",
            added=1,
            new=(Line(number=1, text=f"# TODO {HOSTILE}"),),
            hunks=(Hunk(heading=HOSTILE, lines=(DiffLine(0, 1, f"# TODO {HOSTILE}"),)),),
        ),
    )
    review = f"- C1: fixed {HOSTILE}\n## Decisions\n{HOSTILE}\n## Questions\n{HOSTILE}\n## {HOSTILE}\n{HOSTILE}"
    ws = begun(
        replace(said(HOSTILE, path=path, line=1), quoted=HOSTILE),
        e.CommentsSendRequested(workstream=WorkstreamId("w")),
        handed_over(review),
    )
    spec = Workstream(title=HOSTILE, brief=HOSTILE, role=HOSTILE, scope=(HOSTILE,))
    ws = replace(ws, spec=spec, head=CommitId("b" * 40))
    return page([(packet(state(ws), ws, files), files)])


def test_a_hostile_packet_brings_no_tag_link_or_event() -> None:
    """Only elements of ours, no script, no style of theirs, links only into the page itself."""
    found = read(hostile_page())
    assert not {"script", "img", "iframe", "object", "form", "link", "base"} & set(found.tags)
    assert found.tags.count("style") == found.tags.count("title") == 1
    assert not [name for name, _ in found.attributes if name.startswith("on") or name in {"src", "style"}]
    assert all(value.startswith("#w0-f0") for name, value in found.attributes if name == "href")
    assert "\u202e" not in found.words and "\x1b" not in found.words
    assert "<script>alert(1)</script>" in found.words


def test_the_page_allows_nothing_but_its_own_style() -> None:
    """The policy names the style by its hash."""
    found = read(hostile_page())
    policy = next(value for name, value in found.attributes if value.startswith("default-src"))
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert policy.endswith("'; base-uri 'none'; form-action 'none'")
