"""The effect `Recall`: entries of the memory ranked by relevance, with what makes them stale.

Whether an entry is stale is asked of git, in one command for all candidates: a file (or folder) is another object at
the commit that is looked from than at the commit of the entry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wt_orchestrate.domain import effects as f
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.events.memory import RecalledEntry
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.domain.memory.entries import (
    MemoryEntry,
    MemoryId,
    Recalled,
    bounded,
    fixed_part,
    is_relevant,
    paths_of,
    relevance,
    score,
    source_words,
    told_at,
    withheld,
)
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.engine.world import World
from wt_orchestrate.errors import WtError
from wt_orchestrate.ports.git.vault import Vault
from wt_orchestrate.ports.memory import Memories

BRIEF_ENTRIES, BRIEF_CHARACTERS = 12, 4_000
"""How much of the memory goes into one brief."""
_LOOKED_AT = 4
"""git is asked about this many times as many entries as are wanted."""


def recall_for_brief(effect: f.Recall, state: RunState, world: World) -> Sequence[e.Event]:
    """What the memory adds to a brief. A memory that cannot be read is reported and delays nothing."""
    try:
        found = recall(
            world.memories,
            world.vault,
            terms=effect.terms,
            paths=effect.paths,
            head=state.integration.commit,
            now=world.clock.now(),
            limit=BRIEF_ENTRIES,
            characters=BRIEF_CHARACTERS,
            briefing=True,
            apart=state.id,
        )
    except WtError as error:
        return (e.MemoryRecalled(workstream=effect.workstream, problem=error.message),)
    return (e.MemoryRecalled(workstream=effect.workstream, entries=tuple(_told(each) for each in found)),)


def _told(each: Recalled) -> RecalledEntry:
    entry = each.entry
    return RecalledEntry(
        id=entry.id,
        layer=entry.layer.value,
        kind=entry.kind,
        text=entry.text,
        source=source_words(entry),
        paths=paths_of(entry)[:5],
        stale=each.stale,
        unknown=each.unknown,
    )


def recall(
    memories: Memories,
    vault: Vault,
    *,
    terms: Sequence[str],
    paths: Sequence[str] = (),
    head: CommitId | None,
    now: float,
    limit: int = 10,
    characters: int = 20_000,
    briefing: bool = False,
    apart: str = "",
) -> tuple[Recalled, ...]:
    """The most relevant entries, best first. With `briefing`, for an agent: flagged entries are left out, and
    conventions that hold everywhere are included. What is known only from the run `apart` is left out: a run that was
    learned from while it rested passes the rest of itself on by handoffs."""
    hits = [hit for hit in memories.search(terms, paths=paths) if not (briefing and withheld(hit.entry))]
    hits = [hit for hit in hits if not apart or any(source.run != apart for source in hit.entry.sources)]
    worth = [(relevance(hit, terms=terms, paths=paths, general=briefing), hit) for hit in hits]
    found = [(value, hit.entry) for value, hit in worth if is_relevant(value) or (not briefing and hit.words > 0)]
    found.sort(key=lambda pair: -score(pair[0], pair[1], now=now))
    found = found[: _LOOKED_AT * limit]
    aged = ages(vault, [entry for _, entry in found], head=head)
    recalled = [_recalled(relevant, entry, aged[entry.id], now) for relevant, entry in found]
    recalled.sort(key=lambda each: -each.score)
    return bounded(recalled, limit=limit, characters=characters)


def _recalled(relevant: float, entry: MemoryEntry, age: tuple[tuple[str, ...], bool], now: float) -> Recalled:
    stale, unknown = age
    told = told_at(entry)
    share = len(stale) / len(told.paths) if told is not None else 0.0
    worth = score(relevant, entry, now=now, stale=share if not unknown else 0.25)
    return Recalled(entry=entry, score=worth, stale=stale, unknown=unknown)


def ages(
    vault: Vault, entries: Sequence[MemoryEntry], *, head: CommitId | None
) -> Mapping[MemoryId, tuple[tuple[str, ...], bool]]:
    """For each entry, which of its files changed since its commit, and whether this is unknown. Never raises if git
    does not know."""
    told = {entry.id: source for entry in entries if (source := told_at(entry)) is not None}
    unknown = {entry.id: ((), entry.id in told) for entry in entries}
    if head is None or not told:
        return unknown
    places: list[tuple[CommitId, str]] = [(head, "")]
    for source in told.values():
        commit = CommitId(source.commit)
        places.append((commit, ""))
        places += [(each, fixed_part(path)) for path in source.paths for each in (commit, head)]
    places = list(dict.fromkeys(places))
    try:
        found = dict(zip(places, vault.objects.at(places), strict=True))
    except WtError:
        return unknown
    ages: dict[MemoryId, tuple[tuple[str, ...], bool]] = dict(unknown)
    for name, source in told.items():
        commit = CommitId(source.commit)
        if found[head, ""] and found[commit, ""]:
            paths = {path: fixed_part(path) for path in source.paths}
            changed = (path for path, fixed in paths.items() if found[commit, fixed] != found[head, fixed])
            ages[name] = (tuple(changed), False)
    return ages
