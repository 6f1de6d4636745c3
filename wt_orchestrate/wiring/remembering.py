"""The memory of a repository: recalling, remembering, and learning from runs that ended.

`recall`, `remember` and `share_finding` are what other rooms and the faces use; nothing else opens the memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wt_orchestrate.errors import NotFound, WtError
from wt_orchestrate.wiring.site import Site, clock, repository, vault

if TYPE_CHECKING:
    from wt_orchestrate.domain.ids import CommitId
    from wt_orchestrate.domain.memory import Entry, MemoryId, Note, Recalled
    from wt_orchestrate.ports import Kept, Memories


def memories(site: Site) -> Memories:
    """The repository's memory. Cheap: nothing is opened before it is used."""
    from wt_orchestrate.adapters.store.memories import SqliteMemories

    return SqliteMemories(site.path("memory.db"))


def recall(
    site: Site,
    *,
    query: str = "",
    paths: Sequence[str] = (),
    limit: int = 10,
    characters: int = 20_000,
    head: CommitId | None = None,
    briefing: bool = False,
) -> tuple[Recalled, ...]:
    """What is known about a query and paths (or globs), best first. `head` is the commit to look from, which the vault must hold;
    by default that of the checked-out branch. With `briefing` (for what an agent will read) flagged entries are left out.

    Whatever comes back was written by others: quote it as data."""
    from wt_orchestrate.domain.memory import query_terms, search_terms
    from wt_orchestrate.engine import remembering

    words = search_terms(query)
    terms = words if len(words) <= 8 else query_terms(query)
    return remembering.recall(
        memories(site),
        vault(site),
        terms=terms,
        paths=paths,
        head=head or looked_from(site),
        now=clock().now(),
        limit=limit,
        characters=characters,
        briefing=briefing,
    )


def aged(site: Site, entries: Sequence[Entry]) -> tuple[Recalled, ...]:
    """These entries with what makes them old."""
    from wt_orchestrate.domain.memory import Recalled, told_at
    from wt_orchestrate.engine import remembering

    told = any(told_at(entry) is not None for entry in entries)
    ages = remembering.ages(vault(site), entries, head=looked_from(site) if told else None)
    return tuple(Recalled(entry=each, score=0.0, stale=ages[each.id][0], unknown=ages[each.id][1]) for each in entries)


def remember(site: Site, notes: Sequence[Note], *, key: str = "") -> tuple[Kept, ...]:
    """Remember notes (made by `domain.memory.note`); duplicates are merged, a key used before brings back what it made."""
    return tuple(memories(site).add(notes, now=clock().now(), key=key))


def share_finding(
    site: Site,
    text: str,
    *,
    kind: str = "fact",
    run: str = "",
    workstream: str = "",
    commit: str = "",
    paths: Sequence[str] = (),
    key: str = "",
) -> Kept:
    """Remember a finding that an agent hands over for others. Raises ValueError for an empty text or an unknown kind."""
    from wt_orchestrate.domain.memory import AGENT, Layer, Source, note

    now = clock().now()
    source = Source(who=AGENT, run=run, workstream=workstream, commit=commit, paths=tuple(paths), at=now)
    made = note(text, layer=Layer.SHARED, kind=kind, sources=(source,))
    return memories(site).add((made,), now=now, key=key)[0]


def looked_from(site: Site) -> CommitId | None:
    """The head of the branch that is checked out, brought into the vault; None where there is none or it cannot be."""
    from wt_orchestrate.domain.ids import branch_ref

    try:
        facts = repository(site).facts()
        if facts.branch is None or facts.head is None:
            return None
        kept = vault(site)
        kept.ensure()
        if kept.contains(facts.head):
            return facts.head
        ref = f"refs/wto/target/{facts.branch}"
        return kept.fetch({branch_ref(facts.branch): ref}).get(ref)
    except WtError:
        return None


def named_entry(site: Site, name: str) -> Entry:
    """The entry of an id such as `m12`. Raises NotFound with the nearest."""
    from wt_orchestrate.domain.memory import parse_memory_id

    store = memories(site)
    try:
        found = store.find(parse_memory_id(name))
    except ValueError as error:
        raise NotFound(str(error), hint=_near(store.names(), name)) from error
    if found is None:
        raise NotFound(f"there is no entry {name}", hint=_near(store.names(), name))
    return found


def _near(names: Sequence[MemoryId], wanted: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(wanted.strip().lower(), names, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else "wto memory list"
