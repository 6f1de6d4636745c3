"""What commits expose that must not land: what looks like a secret, and trailers that only a person may write.

Every commit is scanned, not only the final tree: a key that was added and removed again stays in the history. Nothing
here holds a secret; it is named by its kind, place, mask and mark.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from msgspec import Struct

from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.domain.text.clean import at_line, counted


class Exposed(Struct, frozen=True, kw_only=True):
    """Something that looks like a secret in a line that a commit adds; `line` is in the file as that commit leaves it."""

    commit: CommitId
    path: str
    line: int
    kind: str
    shown: str
    mark: str
    certain: bool

    @property
    def place(self) -> str:
        return (
            f"{at_line(self.path, self.line)} (commit {self.commit[:10]}): {self.kind} {self.shown}, mark {self.mark}"
        )


class Trailer(Struct, frozen=True, kw_only=True):
    """A trailer in a commit's message, such as `Signed-off-by: Somebody`."""

    commit: CommitId
    key: str
    value: str


class Scan(Struct, frozen=True, kw_only=True):
    """What a range of commits exposes, oldest first."""

    exposed: tuple[Exposed, ...] = ()
    trailers: tuple[Trailer, ...] = ()


_LISTED = 5


def not_allowed(scan: Scan, allowed: Collection[str], *, certain: bool = False) -> tuple[Exposed, ...]:
    """The findings that no setting allows, each mark once; with `certain`, only those with the shape of a known kind of
    key."""
    first: dict[str, Exposed] = {}
    for each in scan.exposed:
        if each.mark not in allowed and (each.certain or not certain):
            first.setdefault(each.mark, each)
    return tuple(first.values())


def listed(found: Sequence[Exposed]) -> str:
    more = f"; and {counted(len(found) - _LISTED, 'other')}" if len(found) > _LISTED else ""
    return "; ".join(each.place for each in found[:_LISTED]) + more


def exposure_findings(
    scan: Scan, *, allowed: Collection[str], human: Collection[str], own: Collection[tuple[str, str]] | None
) -> Iterator[str]:
    """Problems of an agent's commits, one sentence each. `human`: keys of trailers that only a person may write. `own`:
    the tool's trailers that are true for it (None: any are allowed)."""
    found = not_allowed(scan, allowed, certain=True)
    if found:
        yield (
            f"possible secrets in its commits: {listed(found)}; remove them from every commit (amend or rewrite), "
            "not only the newest, and read them from the environment"
        )
    keys = {key.lower() for key in human}
    for each in scan.trailers:
        words = f"the commit {each.commit[:10]} has the trailer `{each.key}: {each.value[:80]}`"
        if each.key.lower() in keys:
            yield f"{words}, which only a person may add; remove it from the message"
        elif own is not None and each.key.lower().startswith("wto-") and (each.key, each.value) not in own:
            yield f"{words}, which is not true; remove it from the message"
