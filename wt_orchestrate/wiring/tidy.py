"""What runs leave behind, and freeing it: the trash, agents' and checks' output, trees of checks, records of the repository,
integration branches.

Nothing goes while a commit or an uncommitted file is nowhere else: the vault keeps every commit for good; what lies in the
trash is compared with the vault before it is deleted, and what is uncommitted there is put into the vault first; a branch
goes only when the target contains it. The supervisor's lock is held meanwhile, so no run is at work. Each deletion is a line
in `cleaned.jsonl` in the state folder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from wt_orchestrate.errors import Busy, WtError
from wt_orchestrate.wiring.site import Site, clock, open_log, record_folder, repository, vault

if TYPE_CHECKING:
    from wt_orchestrate.domain.state.run import RunState

_DAY_S = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """Something that can go. `size` in bytes; `kept`: why it stays for now; `saved`: what was put into the vault first."""

    what: str
    size: int = 0
    kept: str = ""
    saved: str = ""


@dataclass(frozen=True, slots=True)
class _Found:
    """Something that can go, and how."""

    what: str
    paths: Sequence[str]
    go: Callable[[], str]
    """Deletes it; what was put into the vault first. Raises WtError where it must stay."""
    kept: str = ""


def leftovers(site: Site, *, keep_days: int, trash: bool, everything: bool, dry: bool) -> Iterator[Leftover]:
    """Free what is due (with `trash` the whole trash, with `everything` the output of every ended run, too), one after another;
    with `dry` only say so. Raises Busy while a run is at work."""
    from wt_orchestrate.adapters.trash import size
    from wt_orchestrate.osfiles.locks import FileLock

    lock = FileLock(site.path("supervisor.lock"))
    if not dry and not lock.take_soon():
        raise Busy("a run is active, so nothing else can be deleted until it has ended", hint="wto clean")
    with lock:
        for found in _found(site, keep_days=keep_days, trash=trash or everything, everything=everything):
            taken = sum(size(path) for path in found.paths)
            if found.kept or dry:
                yield Leftover(what=found.what, size=taken, kept=found.kept)
                continue
            try:
                saved = found.go()
            except WtError as error:
                yield Leftover(what=found.what, size=taken, kept=error.message)
                continue
            _note(site, found.what, taken, saved)
            yield Leftover(what=found.what, size=taken, saved=saved)


def _note(site: Site, what: str, taken: int, saved: str) -> None:
    with open(site.path("cleaned.jsonl"), "a", encoding="utf-8") as file:
        file.write(json.dumps({"at": clock().now(), "deleted": what, "bytes": taken, "saved": saved}) + "\n")


def _found(site: Site, *, keep_days: int, trash: bool, everything: bool) -> Iterator[_Found]:
    from wt_orchestrate.domain.machine import quiet

    states = _states(site)
    yield from _trash(site, states, everything=trash)
    for state in states:
        if not quiet(state):
            continue
        age = clock().now() - (state.ended_at or state.started_at)
        over, old = _over(state), everything or age > keep_days * _DAY_S
        if over:
            yield from _branch(site, state)
            yield from _scratch(site, state)
        if over or old:
            yield from _output(site, state, kind="" if old else "check.")
        if over and old:
            yield from _folder(site, f"what {state.id} recorded of the repository", record_folder(site, state.seed))


def _states(site: Site) -> Sequence[RunState]:
    from wt_orchestrate.engine.requests import load_state

    log = open_log(site)
    try:
        return [load_state(log, line.id) for line in log.runs()]
    finally:
        log.close()


def _over(state: RunState) -> bool:
    """Whether nothing of a run is left to be landed, and none of its worktrees is there."""
    from wt_orchestrate.domain.state.lifecycle import Stage

    streams = state.workstreams.values()
    waits = any(ws.stage is Stage.INTEGRATED for ws in streams)
    return not waits and all(ws.worktree is None or ws.checkout.removed for ws in streams)


# ---------------------------------------------------------------- what there is


def _output(site: Site, state: RunState, *, kind: str) -> Iterator[_Found]:
    from wt_orchestrate.adapters.executor.free import free, of_run

    folders = of_run(site.path("processes"), state.id, kind=kind)
    if folders:
        what = "the output of the checks" if kind else "the output of agents and checks"
        yield _Found(f"{what} of {state.id}", folders, lambda: _each(free, folders))


def _scratch(site: Site, state: RunState) -> Iterator[_Found]:
    """Trees in which checks ran."""
    from wt_orchestrate.adapters.gitrepo.worktree.check_slot import drop

    scratch = site.path("checks")
    names = os.listdir(scratch) if os.path.isdir(scratch) else []
    mine = sorted({name.partition(".")[0] for name in names if name.startswith(f"{state.id}-")})
    if mine:
        paths = [f"{scratch}/{name}" for name in names if name.partition(".")[0] in mine]

        def go() -> str:
            for slot in mine:
                drop(scratch=scratch, slot=slot)
            return _each(_unlinked, paths)

        yield _Found(f"the trees of the checks of {state.id}", paths, go)


def _folder(site: Site, what: str, path: str) -> Iterator[_Found]:
    from wt_orchestrate.adapters.trash import discard

    if os.path.isdir(path):
        yield _Found(what, (path,), lambda: _each(discard, (path,)))


def _branch(site: Site, state: RunState) -> Iterator[_Found]:
    """The integration branch of a landed run: its commits are the target's."""
    from wt_orchestrate.domain.ids import branch_ref, integration_branch

    branch = integration_branch(state.id)
    at = repository(site).resolve(branch) if state.landed.commit is not None else None
    if at is None:
        return
    source = vault(site, run=state.seed)
    ref = f"refs/wto/target/{state.target}"
    target = source.refs.fetch({branch_ref(state.target): ref}).get(ref)
    landed = state.landed.commit if at == state.landed.integration and state.landed.commit is not None else at
    within = target is not None and at == state.published.commit and source.commits.is_ancestor(landed, target)
    kept = "" if within else f"{state.target} does not contain it"

    def go() -> str:
        if not repository(site).delete_branch(branch, expected=at):
            raise WtError("it is checked out somewhere, or was moved just now")
        return ""

    yield _Found(f"the branch {branch}", (), go, kept)


def _trash(site: Site, states: Sequence[RunState], *, everything: bool) -> Iterator[_Found]:
    from wt_orchestrate.adapters.trash import WEEK_S, lying
    from wt_orchestrate.engine.effects.worktree import trash_folder

    folders = {trash_folder(state) for state in states}
    due = [
        path
        for folder in sorted(folders)
        for path in lying(folder, now=clock().now(), older_than_s=float("-inf") if everything else WEEK_S)
    ]
    known = _removals(site, states) if due else {}
    for path in due:
        yield _Found(path, (path,), partial(_empty, site, path, known.get(path)))


def space(path: str) -> int:
    """The bytes that a file or folder takes."""
    from wt_orchestrate.adapters.trash import size

    return size(path)


def trash_left(site: Site) -> tuple[int, int]:
    """How many entries of ours lie in the trash, and the bytes that they take."""
    from wt_orchestrate.adapters.trash import lying, size
    from wt_orchestrate.engine.effects.worktree import trash_folder

    states = _states(site)
    folders = {trash_folder(state) for state in states}
    lies = [path for folder in folders for path in lying(folder, now=clock().now(), older_than_s=float("-inf"))]
    known = _removals(site, states) if lies else {}
    found = [path for path in lies if path in known]
    return len(found), sum(size(path) for path in found)


@dataclass(frozen=True, slots=True)
class _Removal:
    """A worktree that was moved to the trash: whose it was, and its newest commit in the vault."""

    state: RunState
    workstream: str
    archive: str


def _removals(site: Site, states: Sequence[RunState]) -> Mapping[str, _Removal]:
    """The removals that the log knows, by the place in the trash."""
    from wt_orchestrate.domain.events.worktree import WorktreeRemoved

    log = open_log(site)
    try:
        return {
            each.event.trash: _Removal(state, each.event.workstream, each.event.archive)
            for state in states
            for each in log.read(state.id)
            if isinstance(each.event, WorktreeRemoved) and each.event.trash
        }
    finally:
        log.close()


def _empty(site: Site, path: str, removal: _Removal | None) -> str:
    """Delete one entry of the trash, once the vault holds all that is in it but ignored files. Raises WtError if it must stay."""
    from wt_orchestrate.adapters.trash import discard, going, set_aside, who_is_in
    from wt_orchestrate.domain.ids import WorkstreamId
    from wt_orchestrate.engine.world import archive_name, index_path

    inside = who_is_in(path)
    if inside:
        raise WtError(f"process {inside} has its working folder in it; end it, or let it go elsewhere")
    if going(path):
        discard(path)
        return ""
    if removal is None:
        raise WtError("no run of this repository is known to have put it there; look at it, and delete it by hand")
    state, source = removal.state, vault(site, run=removal.state.seed)
    head = source.refs.resolve(removal.archive) if removal.archive else None
    head = head or state.workstreams[WorkstreamId(removal.workstream)].base
    if head is None or not source.objects.contains(head):
        raise WtError("its commits are not in the vault")
    index = index_path(site.path("indexes"), path)
    found = source.checkouts.rescue(worktree=path, head=head, index=index)
    name = f"{archive_name(state.id, WorkstreamId(removal.workstream))}.uncommitted"
    saved = source.refs.archive(name, found) if found is not None else ""
    discard(set_aside(path))
    _each(_unlinked, [f"{index}{ending}" for ending in ("", ".head", ".radar", ".radar.head")])
    return saved


def _each(do: Callable[[str], object], paths: Sequence[str]) -> str:
    for path in paths:
        do(path)
    return ""


def _unlinked(path: str) -> None:
    if os.path.isfile(path) or os.path.islink(path):
        os.unlink(path)
