"""Commits that an agent made elsewhere than on its workstream's branch: on a detached HEAD, or on a branch of its own.

Whatever a worktree's HEAD, its branch or their reflogs reached is in the vault before anything is decided about it; what the
branch does not hold is told by name, so that it can be merged by the agent or taken over by a person.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from wt_orchestrate.domain import effects as f
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.ids import Branch, CommitId, branch_ref
from wt_orchestrate.domain.observation import ElsewhereRead
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.state.workstream import WorkstreamState, live_attempt
from wt_orchestrate.domain.text.clean import some_of
from wt_orchestrate.domain.verdict.claim import CommitsAt
from wt_orchestrate.engine.world import World, archive_name, head_ref, index_path
from wt_orchestrate.errors import Refused
from wt_orchestrate.ports.git.repository import Reached

_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


def read_elsewhere(state: RunState, world: World) -> Iterator[ElsewhereRead]:
    """Where each worktree's HEAD is, once the vault holds all that it reached."""
    streams = [
        ws for ws in state.workstreams.values() if ws.base is not None and not (ws.checkout.removed or ws.checkout.lost)
    ]
    for ws, reached in _reached(streams, world):
        others = _unknown(ws, reached)
        if not others and ws.checkout.elsewhere is None:
            continue
        world.vault.refs.keep(archive_name(state.id, ws.id), others)
        known = ws.checkout.elsewhere
        if known is not None and reached.at == known.head and _left(ws, reached):
            continue
        found = _at_head(ws, reached, ws.head, world)
        if found is None:
            yield _back(ws, known.head if known is not None else None, world)
        else:
            yield ElsewhereRead(workstream=ws.id, where=found.where, head=found.head, count=found.count)


def _back(ws: WorkstreamState, before: CommitId | None, world: World) -> ElsewhereRead:
    """A HEAD that is on its branch again, with what it left behind."""
    own = ws.head or ws.base
    if before is None or own is None or world.vault.commits.is_ancestor(before, own):
        return ElsewhereRead(workstream=ws.id)
    return ElsewhereRead(workstream=ws.id, left=before, count=len(world.vault.commits.between(base=own, head=before)))


def commits_elsewhere(state: RunState, ws: WorkstreamState, head: CommitId, world: World) -> CommitsAt | None:
    """Commits that the branch, at `head`, does not hold: at the worktree's HEAD, or on another branch while the workstream's
    own has none at all."""
    for _, reached in _reached([ws], world):
        others = _unknown(ws, reached)
        world.vault.refs.keep(archive_name(state.id, ws.id), others)
        found = _at_head(ws, reached, head, world)
        if found is not None or head != ws.base or ws.branch is None:
            return found
        for commit in reversed(others):
            name = world.repository.branch_with(commit, besides=ws.branch)
            if name is not None and world.vault.objects.contains(commit):
                return CommitsAt(where=name, head=commit, count=_count(ws, commit, world))
    return None


def keep_all(state: RunState, ws: WorkstreamState, world: World) -> tuple[tuple[CommitId, ...], CommitId | None]:
    """Have the vault hold all that a worktree reached; what could not be brought, and where its HEAD is."""
    for _, reached in _reached([ws], world):
        return world.vault.refs.keep(archive_name(state.id, ws.id), reached.commits), reached.at
    return (), None


def take_over(effect: f.TakeOver, state: RunState, world: World) -> Sequence[e.Event]:
    """Move the workstream's branch forward to the commits, and have its worktree on it again."""
    ws = state.workstreams[effect.workstream]
    if ws.worktree is None or ws.branch is None or ws.base is None or live_attempt(ws) is not None:
        raise Refused(f"{ws.id} has no idle worktree", hint=f"wto status {ws.id}")
    ref = head_ref(state.id, ws.id)
    own = world.vault.refs.fetch({branch_ref(ws.branch): ref}).get(ref)
    found = _named(state, ws, effect.branch, own or ws.base, world)
    if own is not None and not world.vault.commits.is_ancestor(own, found.head):
        raise Refused(
            f"{ws.branch} has commits that {found.where or found.head[:12]} does not contain",
            hint=f"in {ws.worktree}: git switch {ws.branch} && git merge {found.where or found.head[:12]}",
        )
    _, at = keep_all(state, ws, world)
    dirty = world.vault.checkouts.dirty(
        worktree=ws.worktree, head=at or own or found.head, index=index_path(world.indexes, ws.worktree)
    )
    if dirty:
        raise Refused(
            f"its worktree has uncommitted changes: {some_of(dirty)}", hint=f"commit or remove them in {ws.worktree}"
        )
    moved = world.repository.take_over(
        path=ws.worktree, vault=world.vault.path, branch=ws.branch, new=found.head, expected=own
    )
    if not moved:
        raise Refused(f"{ws.branch} moved in the meantime", hint=f"wto take-over {ws.id}")
    return (e.WorkTakenOver(workstream=ws.id, where=found.where, head=found.head, before=own),)


def taken_over(state: RunState, ws: WorkstreamState, world: World) -> e.Event | None:
    """After a crash: that the takeover happened already, by the log's last word on where the commits were and by the branch."""
    known = ws.checkout.elsewhere
    if ws.branch is None or known is None:
        return None
    ref = head_ref(state.id, ws.id)
    own = world.vault.refs.fetch({branch_ref(ws.branch): ref}).get(ref)
    if own is None or own == ws.head or not world.vault.commits.is_ancestor(known.head, own):
        return None
    return e.WorkTakenOver(workstream=ws.id, where=known.branch, head=own, before=ws.head)


def _named(state: RunState, ws: WorkstreamState, branch: str, own: CommitId, world: World) -> CommitsAt:
    """The commits that a person means. Raises Refused when there are none."""
    if not branch:
        found = commits_elsewhere(state, ws, own, world)
        if found is None:
            raise Refused(
                f"{ws.branch} already contains the work of its worktree", hint=f"wto take-over {ws.id} BRANCH"
            )
        return found
    if _COMMIT.fullmatch(branch) and world.vault.objects.contains(CommitId(branch)):
        return CommitsAt(where=branch[:12], head=CommitId(branch), count=_count(ws, CommitId(branch), world))
    ref = f"refs/wto/taken/{state.id}/{ws.id}"
    head = world.vault.refs.fetch({branch_ref(Branch(branch)): ref}).get(ref)
    if head is None:
        raise Refused(
            f"there is no branch or kept commit {branch!r}", hint="git branch --list; a commit by its whole id"
        )
    world.vault.refs.archive(archive_name(state.id, ws.id), head)
    return CommitsAt(where=branch, head=head, count=_count(ws, head, world))


def _reached(streams: Sequence[WorkstreamState], world: World) -> Iterator[tuple[WorkstreamState, Reached]]:
    by_path: Mapping[str, WorkstreamState] = {
        ws.worktree: ws for ws in streams if ws.worktree is not None and ws.branch is not None and not ws.spec.branch
    }
    branches = {path: ws.branch for path, ws in by_path.items() if ws.branch is not None}
    for path, reached in world.repository.reached(branches).items():
        yield by_path[path], reached


def _unknown(ws: WorkstreamState, reached: Reached) -> tuple[CommitId, ...]:
    """What was reached and is not among the commits that were seen on the branch."""
    known = {ws.base, ws.head, *(seen.id for seen in ws.history)}
    return tuple(commit for commit in reached.commits if commit not in known)


def _left(ws: WorkstreamState, reached: Reached) -> bool:
    return ws.branch is not None and reached.head != branch_ref(ws.branch)


def _at_head(ws: WorkstreamState, reached: Reached, own: CommitId | None, world: World) -> CommitsAt | None:
    """What a HEAD that left the branch is at, if the branch does not hold it."""
    at = reached.at
    if (
        at is None
        or own is None
        or not _left(ws, reached)
        or at in {ws.base, own}
        or not world.vault.objects.contains(at)
    ):
        return None
    if world.vault.commits.is_ancestor(at, own):
        return None
    where = reached.head.removeprefix("refs/heads/") if reached.head.startswith("refs/") else ""
    return CommitsAt(where=where, head=at, count=_count(ws, at, world))


def _count(ws: WorkstreamState, head: CommitId, world: World) -> int:
    return len(world.vault.commits.between(base=ws.base, head=head)) if ws.base is not None else 0
