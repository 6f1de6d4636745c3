"""Entries of the memory: made safe, merged, ranked, and limited in number.

Whatever is remembered may come from an agent and is hostile: it is cleaned, bounded, rid of what looks like a secret,
and flagged if it reads like an instruction to its reader. A flagged entry is shown to people with its mark and never
reaches a brief, unless a person said the very same here. No text makes an entry trusted: only its source does.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from math import exp2
from typing import NewType

from msgspec import Struct

from wt_orchestrate.domain.plan.scope import globs_overlap
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.text.clean import clean
from wt_orchestrate.domain.text.injection import flags
from wt_orchestrate.domain.text.secrets import without_secrets

MemoryId = NewType("MemoryId", str)
"""Such as `m12`; never reused in one repository's memory."""


class MemoryLayer(StrEnum):
    """Whose knowledge it is; the first one weighs most."""

    STRATEGIC = "strategic"
    """Goals, decisions, conventions of whoever leads."""
    SHARED = "shared"
    """Findings that agents shared."""
    EXECUTION = "execution"
    """Attempts: what failed, what helped."""


_STRENGTH = {layer: place for place, layer in enumerate(MemoryLayer)}
KINDS = ("goal", "decision", "convention", "estimate", "failure", "remedy", "fact", "risk", "todo", "note")
PERSON, ORCHESTRATOR, AGENT, MEASURED = "person", "orchestrator", "agent", "measured"
WHO = (PERSON, ORCHESTRATOR, AGENT, MEASURED)

MOST_ENTRIES = 20_000
"""How many entries one repository's memory holds."""
MOST_TEXT = 2_000
MOST_PATHS = 20
MOST_SOURCES = 12
_LONGEST_PATH = 300
_LATEST = 250_000_000_000.0
"""A time after this has no date."""
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
_RUN = re.compile(r"r[1-9][0-9]{0,8}")


class Source(Struct, frozen=True, kw_only=True):
    """The source of an entry. `commit`: what its `paths` were read at. Unknown fields are empty. `claimed`: only a file
    says so, nobody here saw who said it."""

    who: str = AGENT
    run: str = ""
    workstream: str = ""
    commit: str = ""
    paths: tuple[str, ...] = ()
    at: float = 0.0
    claimed: bool = False


class Note(Struct, frozen=True, kw_only=True):
    """Something to remember, made safe by `note`. It replaces what has the same `topic`."""

    layer: MemoryLayer
    kind: str
    text: str
    sources: tuple[Source, ...]
    topic: str = ""
    flags: tuple[str, ...] = ()
    vouched: bool = False


class MemoryEntry(Struct, frozen=True, kw_only=True):
    """A remembered entry. `times`: how often it was said. `vouched`: a person said it here."""

    id: MemoryId
    layer: MemoryLayer
    kind: str
    text: str
    sources: tuple[Source, ...]
    topic: str = ""
    flags: tuple[str, ...] = ()
    vouched: bool = False
    times: int = 1
    added_at: float = 0.0
    seen_at: float = 0.0


class Hit(Struct, frozen=True, kw_only=True):
    """An entry that a search found. `words`: how well its words match, from 0 to 1."""

    entry: MemoryEntry
    words: float = 0.0


class Recalled(Struct, frozen=True, kw_only=True):
    """An entry that was found, with what makes it stale: its files that changed since, or that this is unknown."""

    entry: MemoryEntry
    score: float
    stale: tuple[str, ...] = ()
    unknown: bool = False
    """The commit of its source is not known here."""


# ---------------------------------------------------------------- making it harmless


def note(
    text: str,
    *,
    layer: MemoryLayer,
    kind: str = "note",
    sources: Sequence[Source] = (),
    topic: str = "",
    vouched: bool = False,
) -> Note:
    """Something to remember: cleaned, bounded, without secrets, flagged if it reads like an instruction. Raises
    ValueError if there is no text, or no such kind."""
    text = text.strip()
    whole = without_secrets(clean(text[: 4 * MOST_TEXT]).strip())
    if not whole:
        raise ValueError("the text is empty")
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is not a kind of memory; known: {', '.join(KINDS)}")
    told = tuple(_source(each) for each in sources[:MOST_SOURCES])
    kept = whole if len(whole) <= MOST_TEXT and len(text) <= 4 * MOST_TEXT else f"{whole[:MOST_TEXT].rstrip()} …"
    return Note(
        layer=layer,
        kind=kind,
        text="\n".join(line.rstrip() for line in kept.splitlines()),
        sources=told,
        topic=topic,
        flags=flags("\n".join((whole, *(path for each in told for path in each.paths)))),
        vouched=vouched,
    )


def _source(source: Source) -> Source:
    """The source without fields that cannot be true."""
    return Source(
        who=source.who if source.who in WHO else AGENT,
        run=source.run if _RUN.fullmatch(source.run) else "",
        workstream=source.workstream if _NAME.fullmatch(source.workstream) else "",
        commit=source.commit if _COMMIT.fullmatch(source.commit) else "",
        paths=tuple(dict.fromkeys(path for path in map(_path, source.paths) if path))[:MOST_PATHS],
        at=source.at if 0.0 <= source.at < _LATEST else 0.0,
        claimed=source.claimed,
    )


def _path(path: str) -> str:
    """A path below the repository; empty if it is not one."""
    path = path.strip().removeprefix("./").rstrip("/")
    parts = path.split("/")
    bad = not path or len(path) > _LONGEST_PATH or path.startswith("/") or ".." in parts or "" in parts
    return "" if bad or clean(path) != path or not path.isprintable() else path


def withheld(entry: MemoryEntry) -> bool:
    """Whether it is kept out of briefs."""
    return bool(entry.flags) and not entry.vouched


# ---------------------------------------------------------------- duplicates


def normal(text: str) -> str:
    """The same for texts that say the same: without case, punctuation and spacing."""
    words = re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(words) or " ".join(text.split())


def entry_of(made: Note, number: int, now: float) -> MemoryEntry:
    """A note as a new entry."""
    at = _said_at(made, now)
    return MemoryEntry(
        id=MemoryId(f"m{number}"),
        layer=made.layer,
        kind=made.kind,
        text=made.text,
        sources=made.sources,
        topic=made.topic,
        flags=made.flags,
        vouched=made.vouched,
        added_at=at,
        seen_at=at,
    )


def _said_at(made: Note, now: float) -> float:
    """When it was last said; never later than now, whatever a file says."""
    return min(max((source.at for source in made.sources), default=0.0) or now, now)


def known_as(
    entry: MemoryEntry | None, same: MemoryEntry | None, made: Note, now: float
) -> tuple[MemoryEntry, MemoryEntry] | None:
    """What a note does to the entry of its topic, or to the one with the same words: (before, after); None if it is
    new."""
    if same is not None:
        return same, merged(same, made, now)
    return (entry, retold(entry, made, now)) if entry is not None else None


def merged(entry: MemoryEntry, made: Note, now: float) -> MemoryEntry:
    """The entry after a note with the same words: sources add up, and a newer one of the same origin replaces the
    older. Without news the entry itself is returned. A person's words stay as they were said, and belong to no topic. A
    text that is flagged only because of its punctuation is replaced by the same words without it."""
    known = {_origin(source): source for source in entry.sources}
    more = len({_origin(source) for source in made.sources} - known.keys())
    for source in made.sources:
        before = known.get(_origin(source))
        known[_origin(source)] = source if before is None or _weight(source) >= _weight(before) else before
    sources = sorted(known.values(), key=_weight)
    kept = sources if len(sources) <= MOST_SOURCES else [sources[0], *sources[1 - MOST_SOURCES :]]
    stronger = _STRENGTH[made.layer] < _STRENGTH[entry.layer]
    better = not entry.vouched and (made.vouched or (bool(entry.flags) and not made.flags))
    after = replace(
        entry,
        text=made.text if better else entry.text,
        flags=made.flags if better else entry.flags,
        topic="" if entry.vouched or made.vouched else entry.topic,
        layer=made.layer if stronger else entry.layer,
        kind=made.kind if (stronger or entry.kind == "note") else entry.kind,
        sources=tuple(kept) if set(kept) != set(entry.sources) else entry.sources,
        vouched=entry.vouched or made.vouched,
        times=entry.times + more,
    )
    if after == entry:
        return entry
    return replace(after, seen_at=max(entry.seen_at, _said_at(made, now)))


def retold(entry: MemoryEntry, made: Note, now: float) -> MemoryEntry:
    """The entry of a topic after a newer note about it."""
    after = replace(entry_of(made, int(entry.id[1:]), now), added_at=entry.added_at, times=entry.times)
    return entry if replace(after, seen_at=entry.seen_at) == entry else after


def _origin(source: Source) -> tuple[str, str, str]:
    return (source.who, source.run, source.workstream)


def _weight(source: Source) -> tuple[bool, float]:
    """What was seen here comes before what a file claims, whatever time the file gives."""
    return (not source.claimed, source.at)


def paths_of(entry: MemoryEntry | Note) -> tuple[str, ...]:
    """The files it is about, from all its sources."""
    return tuple(dict.fromkeys(path for source in entry.sources for path in source.paths))


def told_at(entry: MemoryEntry) -> Source | None:
    """The newest source with the commit at which its files were read."""
    found = [source for source in entry.sources if source.commit and source.paths]
    return max(found, key=_weight, default=None)


_SAID = {
    PERSON: "from a person",
    ORCHESTRATOR: "from the orchestrator",
    AGENT: "from an agent",
    MEASURED: "measured",
}


def source_words(entry: MemoryEntry) -> str:
    """An entry's source in a few words: the newest one, and how many others there are."""
    if not entry.sources:
        return "of unknown origin"
    newest = max(entry.sources, key=_weight)
    where = f" in {newest.run}" if newest.run else ""
    where += f"/{newest.workstream}" if newest.workstream else ""
    at = f" at {newest.commit[:10]}" if newest.commit else ""
    more = len(entry.sources) - 1
    claimed = ", according to a file" if newest.claimed else ""
    return f"{_SAID[newest.who]}{where}{at}{claimed}" + (f" and {more} more" if more else "")


def fixed_part(path: str) -> str:
    """The part of a path or glob before any wildcard."""
    parts = path.split("/")
    cut = next((place for place, part in enumerate(parts) if any(char in part for char in "*?[")), len(parts))
    return "/".join(parts[:cut])


def parse_memory_id(text: str) -> MemoryId:
    """The id in `m12`, `M12` or `12`. Raises ValueError."""
    found = re.fullmatch(r"[mM]?([1-9][0-9]{0,9})", text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not an entry; entries are named m1, m2, ...")
    return MemoryId(f"m{found[1]}")


# ---------------------------------------------------------------- what a search looks for

_WORD = re.compile(r"\w[\w-]*", re.UNICODE)
_COMMON = frozenset(
    re.findall(
        r"\w+",
        """the and for with that this from into not are was has have will all any can but its it is in on of to a an or as at be
        by do so if no we you your they their them then than when where what which who how why must should would could may each
        every one two use used using make makes made add adds added new old file files code work works change changes only also
        more most some""",
    )
)


def query_terms(text: str, *, limit: int = 40) -> tuple[str, ...]:
    """The words of a longer text that are worth searching, the most frequent first."""
    counts: dict[str, int] = {}
    for match in _WORD.finditer(text[:20_000].casefold()):
        word = match[0].strip("-_")
        if len(word) > 2 and word not in _COMMON and not word.isdigit():
            counts[word] = counts.get(word, 0) + 1
    return tuple(sorted(counts, key=lambda word: -counts[word])[:limit])  # a stable sort keeps equal ones in order


def search_terms(text: str, *, limit: int = 20) -> tuple[str, ...]:
    """A person's search terms, as typed; one without letters or digits is dropped."""
    return tuple(dict.fromkeys(word for word in text.split()[:limit] if any(char.isalnum() for char in word)))


def coverage(terms: Sequence[str], text: str) -> float:
    """How many of the terms a text has, as a share of at most three."""
    stems = {_stem(word) for word in _WORD.findall(text.casefold())}
    stems |= {_stem(part) for word in _WORD.findall(text.casefold()) for part in re.split(r"[_-]", word) if part}
    found = sum(1 for term in terms if _stem(term.casefold()) in stems)
    return min(1.0, found / min(3, len(terms))) if terms else 0.0


def _stem(word: str) -> str:
    return word[:5] if len(word) > 5 else word.rstrip("s") or word


# ---------------------------------------------------------------- what is recalled first

_WORDS, _PLACE, _GENERAL = 0.6, 0.5, 0.15
_ENOUGH = 0.1
_HALF_LIFE_S = 30 * 86_400.0
_LAYERS = {MemoryLayer.STRATEGIC: 1.0, MemoryLayer.SHARED: 0.95, MemoryLayer.EXECUTION: 0.85}


def relevance(hit: Hit, *, terms: Sequence[str], paths: Sequence[str], general: bool = True) -> float:
    """How relevant an entry is to a search, from 0 to a little above 1. With `general`, a convention without a place is
    relevant to everything."""
    words = hit.words * coverage(terms, f"{hit.entry.text} {' '.join(paths_of(hit.entry))}") if hit.words else 0.0
    place = nearness(paths, paths_of(hit.entry))
    everywhere = _GENERAL if general and hit.entry.kind == "convention" and not paths_of(hit.entry) else 0.0
    return _WORDS * words + _PLACE * place + everywhere


def nearness(wanted: Sequence[str], paths: Sequence[str]) -> float:
    """How close two sets of paths (or globs) are: 1 if one covers the other, less in the same folder, 0 apart."""
    wanted = [
        path for path in wanted if any(char.isalnum() for char in path)
    ]  # a glob that covers everything says nothing
    if any(globs_overlap(one, other) for one in wanted for other in paths):
        return 1.0
    folders = {path.rpartition("/")[0] for path in paths if "/" in path}
    near = {fixed_part(path).rpartition("/")[0] or fixed_part(path) for path in wanted}
    return 0.4 if folders & near else 0.0


def score(relevant: float, entry: MemoryEntry, *, now: float, stale: float = 0.0) -> float:
    """The rank of an entry: its relevance, less if it is old, if its files changed (`stale`, the share of them) or if
    it is flagged."""
    age = max(0.0, now - entry.seen_at)
    recency = 0.6 + 0.4 * exp2(-age / _HALF_LIFE_S)
    doubt = 0.5 if withheld(entry) else 1.0
    return relevant * recency * _LAYERS[entry.layer] * (1.0 - 0.6 * min(1.0, max(0.0, stale))) * doubt


def surplus(entries: Sequence[MemoryEntry], *, most: int, now: float) -> tuple[MemoryId, ...]:
    """What to delete if there are more than `most` entries: the lowest by age, layer and flags, and a twentieth more so
    that this is rare; never what a person or whoever leads said here."""
    over = len(entries) - most
    if over <= 0:
        return ()
    loose = [entry for entry in entries if not entry.vouched and not any(map(_is_ours, entry.sources))]
    loose.sort(key=lambda entry: (score(1.0, entry, now=now), int(entry.id[1:])))
    return tuple(entry.id for entry in loose[: over + most // 20])


def _is_ours(source: Source) -> bool:
    return source.who in (PERSON, ORCHESTRATOR) and not source.claimed


def is_relevant(relevant: float) -> bool:
    return relevant >= _ENOUGH


def bounded(found: Iterable[Recalled], *, limit: int, characters: int) -> tuple[Recalled, ...]:
    """The first entries that fit: so many, with so many characters in all."""
    return tuple(_bounded(found, limit, characters))


def _bounded(found: Iterable[Recalled], limit: int, left: int) -> Iterator[Recalled]:
    for each in found:
        if limit < 1:
            return
        if len(each.entry.text) <= left:
            limit, left = limit - 1, left - len(each.entry.text)
            yield each
