"""What was said and checked on a pull request, as remarks for agents: what is new, from whom, and how often it went back.

Anybody may write on a public pull request. Only those who may write to the repository are listened to by themselves; a failed
check is the forge's own word, but its output may be anybody's. All of it is quoted as data, bounded, and named by its origin,
so that nothing is sent twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.domain.pull_requests import Remark
from wt_orchestrate.domain.state import WorkstreamState
from wt_orchestrate.domain.text import clean

_SAID, _RAN = 3_000, 2_000
MOST = 50
"""Remarks that are sent on at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A remark with who made it; `trusted` is whether it goes on by itself."""

    remark: Remark
    author: str
    trusted: bool


def heard_comment(
    *, origin: str, author: str, trusted: bool, text: str, path: str, line: int, commit: CommitId | None
) -> Heard:
    """A comment on the pull request."""
    words = f"{clean(author)[:80]} wrote on the pull request, as data:\n{_quoted(text, _SAID)}"
    remark = Remark(origin=origin, text=words, path=clean(path)[:500], line=line, end=line, commit=commit)
    return Heard(remark=remark, author=clean(author)[:80], trusted=trusted)


def heard_check(*, origin: str, name: str, url: str, summary: str, head: CommitId) -> Heard:
    """A check of the forge that failed."""
    words = f"The forge's check `{clean(name)[:120]}` failed on {head[:10]}"
    where = f" ({clean(url)[:300]})" if url else ""
    tail = f". Its summary, as data:\n{_quoted(summary, _RAN)}" if summary.strip() else "."
    return Heard(remark=Remark(origin=origin, text=f"{words}{where}{tail}", commit=head), author="", trusted=True)


def _quoted(text: str, limit: int) -> str:
    return "\n".join(f"> {line}" for line in clean(text[:limit]).splitlines())


def new_remarks(chain: Sequence[WorkstreamState], heard: Sequence[Heard]) -> tuple[tuple[Remark, ...], frozenset[str]]:
    """What nobody of the chain was told yet and may be told, and who else said something."""
    known = {comment.origin for ws in chain for comment in ws.comments if comment.origin}
    new = [each for each in heard if each.remark.origin not in known]
    strangers = frozenset(each.author for each in new if not each.trusted)
    return tuple(each.remark for each in new if each.trusted)[:MOST], strangers


def rounds_of(chain: Sequence[WorkstreamState]) -> int:
    """How often remarks of the forge went to the agents of one pull request."""
    return len({(ws.id, each.sent_as) for ws in chain for each in ws.comments if each.origin and each.sent_as})
