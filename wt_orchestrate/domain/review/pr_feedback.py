"""Comments and failed checks of a pull request, as remarks for agents: which are new, from whom, and how often some
went back.

Anybody may write on a public pull request. Only remarks of people who may write to the repository are sent by
themselves; a failed check is the forge's own statement, but its output may be anybody's. All of it is quoted as data,
bounded, and identified by its origin, so that nothing is sent twice.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from wt_orchestrate.domain.events.pull_requests import Remark
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.domain.state.comments import TEXT_LIMIT
from wt_orchestrate.domain.state.workstream import WorkstreamState
from wt_orchestrate.domain.text.clean import clean

_SAID, _RAN = 3_000, 2_000
"""Characters of a quotation, with its signs; with what stands before it, a remark is always short enough for a comment."""
assert _SAID + 1_000 <= TEXT_LIMIT
MOST = 50
"""How many remarks are sent at a time."""


class Heard(Struct, frozen=True, kw_only=True):
    """A remark and its author; `trusted`: it may be sent without a person."""

    remark: Remark
    author: str
    trusted: bool


def heard_comment(
    *, origin: str, author: str, trusted: bool, text: str, path: str, line: int, commit: CommitId | None
) -> Heard:
    """A comment on the pull request."""
    who = _one_line(author, 80)
    words = f"{who} wrote on the pull request, as data:\n{_quoted(text, _SAID)}"
    remark = Remark(origin=origin, text=words, path=_one_line(path, 500), line=line, end=line, commit=commit)
    return Heard(remark=remark, author=who, trusted=trusted)


def heard_check(*, origin: str, name: str, url: str, summary: str, head: CommitId) -> Heard:
    """A failed check of the forge."""
    words = f"The forge's check `{_one_line(name, 120)}` failed on {head[:10]}"
    where = f" ({_one_line(url, 300)})" if url else ""
    tail = f". Its summary, as data:\n{_quoted(summary, _RAN)}" if summary.strip() else "."
    return Heard(remark=Remark(origin=origin, text=f"{words}{where}{tail}", commit=head), author="", trusted=True)


def _one_line(text: str, limit: int) -> str:
    """A name on one line: with a line break it could look like our own words to the agent."""
    return clean(text[:limit]).replace("\n", " ").replace("\t", " ")[:limit]


_CUT = "\n> (cut)"


def _quoted(text: str, limit: int) -> str:
    """The text as a quotation of at most `limit` characters, even if it is all line breaks or escapes."""
    quotation = "\n".join(f"> {line}" for line in clean(text[:limit]).splitlines())
    return quotation if len(quotation) <= limit else f"{quotation[: limit - len(_CUT)]}{_CUT}"


def new_remarks(chain: Sequence[WorkstreamState], heard: Sequence[Heard]) -> tuple[tuple[Remark, ...], frozenset[str]]:
    """The trusted remarks that nobody of the chain was sent yet, and the authors of others."""
    known = {comment.origin for ws in chain for comment in ws.comments if comment.origin}
    new = [each for each in heard if each.remark.origin not in known]
    strangers = frozenset(each.author for each in new if not each.trusted)
    return tuple(each.remark for each in new if each.trusted)[:MOST], strangers


def rounds_of(chain: Sequence[WorkstreamState]) -> int:
    """How often remarks of the forge were sent to the agents of one pull request."""
    return len({(ws.id, each.sent_as) for ws in chain for each in ws.comments if each.origin and each.sent_as})
