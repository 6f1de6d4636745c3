"""What looking commands show, read without a supervisor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from wt_orchestrate.wiring.site import Site, vault

if TYPE_CHECKING:
    from wt_orchestrate.domain.ids import CommitId
    from wt_orchestrate.engine.lines import AttemptLines


def attempt_lines(site: Site, *, attempt: int | None, raw: bool) -> AttemptLines:
    """The output of a workstream's attempt (the newest by default)."""
    from wt_orchestrate.adapters.agents.registry import agents
    from wt_orchestrate.adapters.executor.local import LocalExecutor
    from wt_orchestrate.engine.lines import AttemptLines

    known = agents({})
    return AttemptLines(
        executor=LocalExecutor(site.path("processes")),
        reader_of=lambda kind: known[kind].reader(),
        raw=raw,
        wanted=attempt,
    )


def changed_files(site: Site, *, base: CommitId, head: CommitId) -> list[dict[str, object]]:
    """Changed files with their hunks, as plain values."""
    from dataclasses import asdict

    from wt_orchestrate.adapters.gitrepo.patches import parse_diff

    return [asdict(file) for file in parse_diff(vault(site).diff(base=base, head=head))]


def stored_view(site: Site, run: str | None) -> tuple[str, str] | None:
    """The id of a run (the newest by default) and its view as JSON text; None when there is no such run."""
    from wt_orchestrate.adapters.store.views import read_view

    return read_view(site.path("log.db"), run)


def uncommitted(site: Site, worktrees: Mapping[str, tuple[str, str]]) -> dict[str, int]:
    """How many uncommitted paths each worktree holds, by our own index; two are looked at in turn at a time.
    `worktrees` has a path and a head for each name."""
    from concurrent.futures import ThreadPoolExecutor

    from wt_orchestrate.domain.ids import CommitId
    from wt_orchestrate.engine.world import index_path

    source = vault(site)

    def count(name: str) -> int:
        path, head = worktrees[name]
        return len(source.dirty(worktree=path, head=CommitId(head), index=index_path(site.path("indexes"), path)))

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(worktrees, pool.map(count, worktrees), strict=True))


def living_processes(site: Site, names: Iterable[str]) -> frozenset[str]:
    """Those of these kept processes whose keeper is alive: it holds its lock."""
    from wt_orchestrate.adapters.executor.liveness import keeper_lives

    return frozenset(name for name in names if keeper_lives(site.path(f"processes/{name}")))
