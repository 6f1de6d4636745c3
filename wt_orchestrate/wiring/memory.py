"""The memory of a repository: recall, remember, and learn from ended runs.

`recall`, `remember` and `learn` are what other modules and the faces use; nothing else opens the memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wt_orchestrate.errors import NotFound, Refused, WtError
from wt_orchestrate.wiring.site import Site, clock, open_log, repository, vault

if TYPE_CHECKING:
    from wt_orchestrate.domain.ids import CommitId, RunId
    from wt_orchestrate.domain.memory.entries import MemoryEntry, MemoryId, Note, Recalled
    from wt_orchestrate.domain.memory.markdown import LineProblem
    from wt_orchestrate.ports.memory import Kept, Learned, Memories


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
    """What is known about a query and paths (or globs), best first. `head` is the commit to look from, which the vault
    must hold; by default that of the checked-out branch. With `briefing` (for an agent), flagged entries are left out.
    Results were written by others: quote them as data."""
    from wt_orchestrate.domain.memory.entries import query_terms, search_terms
    from wt_orchestrate.engine.effects import recall as remembering

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


def aged(site: Site, entries: Sequence[MemoryEntry]) -> tuple[Recalled, ...]:
    """These entries with what makes them stale."""
    from wt_orchestrate.domain.memory.entries import Recalled, told_at
    from wt_orchestrate.engine.effects import recall as remembering

    told = any(told_at(entry) is not None for entry in entries)
    ages = remembering.ages(vault(site), entries, head=looked_from(site) if told else None)
    return tuple(Recalled(entry=each, score=0.0, stale=ages[each.id][0], unknown=ages[each.id][1]) for each in entries)


def remember(site: Site, notes: Sequence[Note], *, key: str = "") -> tuple[Kept, ...]:
    """Remember notes (made by `domain.memory.note`); duplicates are merged, and a key that was used before returns what
    it made."""
    return tuple(memories(site).add(notes, now=clock().now(), key=key))


def looked_from(site: Site) -> CommitId | None:
    """The head of the branch that is checked out, fetched into the vault; None if there is none or it cannot be
    fetched."""
    from wt_orchestrate.domain.ids import branch_ref

    try:
        facts = repository(site).facts()
        if facts.branch is None or facts.head is None:
            return None
        kept = vault(site)
        kept.ensure()
        if kept.objects.contains(facts.head):
            return facts.head
        ref = f"refs/wto/target/{facts.branch}"
        return kept.refs.fetch({branch_ref(facts.branch): ref}).get(ref)
    except WtError:
        return None


def learn(site: Site, run: RunId, *, again: bool = False) -> Learned:
    """Learn from a run at rest what its end or landing has added since it was last learned from (`again`: in any case);
    safe to repeat. Returns what is known of it now. Raises StoreUnreadable."""
    from wt_orchestrate.domain import events as e
    from wt_orchestrate.domain.fold.run import fold_all
    from wt_orchestrate.domain.machine import quiet
    from wt_orchestrate.domain.memory.entries import MemoryId
    from wt_orchestrate.domain.report.lessons import lessons

    store = memories(site)
    before = store.learned(run)
    log = open_log(site)
    try:
        news = log.read(run, after=before.until)
        ends = e.RunFinished | e.RunStopped | e.Landed | e.MergedElsewhere
        if not again and not any(isinstance(record.event, ends) for record in news):
            return before
        records = news if not before.until else log.read(run)
    finally:
        log.close()
    state = fold_all(records)
    if state is None or not quiet(state):
        return before
    store.add(lessons(records), now=clock().now(), mark=(run, state.number))
    for record in records:
        if isinstance(record.event, e.MemoryRecalled):
            names = [MemoryId(each.id) for each in record.event.entries]
            store.note_use(names, run=run, workstream=record.event.workstream)
    return store.learned(run)


def learned_from(site: Site, run: RunId) -> int | None:
    """How many entries the memory learned from a run; None if it was not learned from yet, or the memory cannot be
    read."""
    try:
        learned = memories(site).learned(run)
    except WtError:
        return None
    return learned.entries if learned.until else None


def export_memory(site: Site, path: str, *, everything: bool, dry: bool = False) -> tuple[str, int]:
    """Write the memory as Markdown (execution and flagged entries only with `everything`); the text, and how many
    entries it has. An empty path only makes the text."""
    from wt_orchestrate.adapters.memoryfile import write_text
    from wt_orchestrate.domain.memory.entries import MemoryLayer, withheld
    from wt_orchestrate.domain.memory.markdown import render_memory

    entries = memories(site).entries()
    if not everything:
        entries = [each for each in entries if each.layer is not MemoryLayer.EXECUTION and not withheld(each)]
    text = render_memory(entries)
    if path and not dry:
        write_text(path, text)
    return text, len(entries)


def import_memory(site: Site, path: str, *, dry: bool = False) -> tuple[tuple[Kept, ...], tuple[LineProblem, ...]]:
    """Read the entries of a file; the outcome of each, and what could not be read. Raises NotFound, Refused."""
    from wt_orchestrate.adapters.memoryfile import read_text
    from wt_orchestrate.domain.memory.markdown import parse_memory

    text = read_text(path)
    if text is None:
        raise NotFound(f"there is no file {path}", hint="wto memory export creates one")
    found = parse_memory(text)
    store, now = memories(site), clock().now()
    kept = store.preview(found.notes, now=now) if dry else store.add(found.notes, now=now)
    return tuple(kept), found.problems


def memory_path(site: Site) -> str:
    """The path of the repository's memory file. Raises Refused if it has no main worktree."""
    facts = repository(site).facts()
    if facts.main_worktree is None:
        raise Refused("a bare repository has no .wto/memory.md", hint="name a file")
    return f"{facts.main_worktree}/.wto/memory.md"


def repair_memory(site: Site) -> tuple[str, ...]:
    """Repair the memory; where damaged files were put (nothing is deleted). Does nothing if it is not damaged."""
    from wt_orchestrate.adapters.store.memories import SqliteMemories

    store = SqliteMemories(site.path("memory.db"))
    return tuple(store.repair()) if store.damage() else ()


def named_entry(site: Site, name: str) -> MemoryEntry:
    """The entry with an id such as `m12`. Raises NotFound with the nearest."""
    from wt_orchestrate.domain.memory.entries import parse_memory_id

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
