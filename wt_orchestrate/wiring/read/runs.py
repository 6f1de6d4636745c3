"""A run for reading commands: logs, changed files, status, briefs, proofs, without a supervisor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from wt_orchestrate.errors import Refused
from wt_orchestrate.wiring.site import Site, clock, open_log, repository, vault

TYPE_CHECKING = False  # mypy knows the name; importing typing takes as long as half of Python's own start
if TYPE_CHECKING:
    from wt_orchestrate.domain.events.log import Record
    from wt_orchestrate.domain.events.requests import LandRequested
    from wt_orchestrate.domain.ids import CommitId, RunId, WorkstreamId
    from wt_orchestrate.domain.state.run import RunState
    from wt_orchestrate.domain.state.train import CheckResult
    from wt_orchestrate.engine.attempt_log import AttemptLines
    from wt_orchestrate.engine.effects.landing import LandingPreview
    from wt_orchestrate.ports.git.merges import Explained

_LONGEST_BRIEF = 1 << 20


def attempt_lines(site: Site, *, attempt: int | None, raw: bool) -> AttemptLines:
    """The output of a workstream's attempt (the newest by default)."""
    from wt_orchestrate.adapters.agents.registry import agents
    from wt_orchestrate.adapters.executor.local import LocalExecutor
    from wt_orchestrate.engine.attempt_log import AttemptLines

    known = agents({})
    return AttemptLines(
        executor=LocalExecutor(site.path("processes")),
        reader_of=lambda kind: known[kind].reader(),
        raw=raw,
        wanted=attempt,
    )


def changed_files(site: Site, *, base: CommitId, head: CommitId) -> list[dict[str, object]]:
    """Changed files with their hunks, as plain values."""
    from wt_orchestrate.adapters.gitrepo.objects.patch import parse_diff

    names = ("old_start", "new_start", "heading", "added", "removed")
    return [
        {
            "path": file.path,
            "added": file.added,
            "removed": file.deleted,
            "hunks": [{name: getattr(hunk, name) for name in names} for hunk in file.hunks],
        }
        for file in parse_diff(vault(site).commits.diff(base=base, head=head))
    ]


def stored_view(site: Site, run: str | None) -> tuple[str, str] | None:
    """The id of a run (the newest by default) and its view as JSON text; None if there is no such run."""
    from wt_orchestrate.adapters.store.views import read_view

    return read_view(site.path("log.db"), run)


def records_about(site: Site, run: RunId, workstream: WorkstreamId) -> Sequence[Record]:
    """The events about one workstream, in order."""
    from wt_orchestrate.adapters.store.records import quick_records

    found = quick_records(site.path("log.db"), run, workstream)
    if found is not None:
        return found
    log = open_log(site)
    try:
        return log.read(run, workstream=workstream)
    finally:
        log.close()


def uncommitted(site: Site, run: str, worktrees: Mapping[str, tuple[str, str]]) -> dict[str, int]:
    """How many uncommitted paths each worktree has, by our own index; two are read at a time. `worktrees` has a path
    and a head for each name, all of that run."""
    from concurrent.futures import ThreadPoolExecutor

    from wt_orchestrate.domain.ids import CommitId
    from wt_orchestrate.engine.requests import find_run, load_state
    from wt_orchestrate.engine.world import index_path

    log = open_log(site)
    try:
        source = vault(site, run=load_state(log, find_run(log, run)).seed)
    finally:
        log.close()

    def count(name: str) -> int:
        path, head = worktrees[name]
        index = index_path(site.path("indexes"), path)
        return len(source.checkouts.dirty(worktree=path, head=CommitId(head), index=index, hiding=False))

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(worktrees, pool.map(count, worktrees), strict=True))


def living_processes(site: Site, names: Iterable[str]) -> frozenset[str]:
    """Those of these kept processes whose keeper is alive: it holds its lock."""
    from wt_orchestrate.adapters.executor.liveness import keeper_lives

    return frozenset(name for name in names if keeper_lives(site.path(f"processes/{name}")))


def told_brief(site: Site, attempt: str) -> str:
    """The brief that the agent of an attempt got; empty if it is gone."""
    from wt_orchestrate.adapters.regular import regular_text

    try:
        return regular_text(site.path("processes"), (attempt, "brief.md"), limit=_LONGEST_BRIEF) or ""
    except Refused:
        return ""


def explained(site: Site, name: str) -> Explained:
    """How a merge commit was made. Raises NotFound, or Refused if it is not a merge."""
    source = vault(site)
    source.ensure()
    return source.merges.explain(source.refs.find(name))


def landing_outlook(site: Site, state: RunState, wish: LandRequested) -> LandingPreview:
    """What landing a run would do or refuse, as the landing itself will."""
    from wt_orchestrate.engine.effects.landing import outlook

    return outlook(vault(site), repository(site, run=state.seed), state, wish, at=clock().now())


def passed_on(site: Site, run: str, tree: str) -> tuple[CheckResult, ...]:
    """The checks that passed on a tree in a run, from its log; none if there is no such run."""
    from wt_orchestrate.domain.ids import RunId, TreeId
    from wt_orchestrate.engine.requests import load_state

    log = open_log(site)
    try:
        if all(line.id != run for line in log.runs()):
            return ()
        of_tree = load_state(log, RunId(run)).checks.judged.get(TreeId(tree), {})
        return tuple(found.last for found in of_tree.values() if found.passed and found.last is not None)
    finally:
        log.close()
