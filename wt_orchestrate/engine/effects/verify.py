"""A claim verified: what is in the vault and the worktree is gathered here, and `domain/verdict/claim.py` judges it.

The head of a claim that holds is archived before the claim is accepted; nothing else is changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from wt_orchestrate.domain import effects as f
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.ids import CommitId, branch_ref
from wt_orchestrate.domain.plan.model import AgentType, Workstream
from wt_orchestrate.domain.state.run import RunState, may_only_read
from wt_orchestrate.domain.state.workstream import WorkstreamState, is_reviewer, last_attempt
from wt_orchestrate.domain.verdict import claim
from wt_orchestrate.domain.verdict.holds import Hold
from wt_orchestrate.engine.effects.conflict import judged_resolution, remember_resolution
from wt_orchestrate.engine.elsewhere import commits_elsewhere
from wt_orchestrate.engine.exposure import GITLINK, held_in, let_through, protected_paths
from wt_orchestrate.engine.world import World, archive_name, head_ref, index_path
from wt_orchestrate.ports.git.commits import ChangedPath

_LOOKED_AT = 200
"""How many uncommitted paths of a reviewer are looked at."""


def verify(effect: f.Verify, state: RunState, world: World) -> Sequence[e.Event]:
    """Accept a workstream's claim, or reject it with what is wrong."""
    ws = state.workstreams[effect.workstream]
    assert state.integration.commit is not None and ws.branch is not None
    ref = head_ref(state.id, ws.id)
    head = world.vault.refs.fetch({branch_ref(ws.branch): ref}).get(ref) or _put_back(ws, world)
    onto = (
        ws.base if is_reviewer(ws) and ws.base is not None else state.integration.commit
    )  # it starts with another's work
    changes = world.vault.commits.changes(base=onto, head=head) if head else ()
    evidence = _evidence(state, ws, head, changes, onto=onto, world=world)
    further, problems = _further(state, ws, world)
    attempt = last_attempt(ws)
    needs_handoff = attempt is not None and attempt.agent_type is AgentType.CLAUDE_CODE
    owed = claim.owed(state, ws, needs_handoff=needs_handoff)
    found = (*claim.findings(ws, evidence, needs_handoff=needs_handoff, owed=owed), *problems)
    if not found and head is not None:
        found = (*_exposed(state, ws, head, world), *judged_resolution(state, ws, head, world))
    if found or head is None:
        return (e.ClaimRejected(workstream=ws.id, head=head, findings=found, round=effect.round),)
    waits = _held(state, changes, onto=onto, head=head, world=world)
    if waits:
        lasting = any(each.for_good for each in waits)
        paths = () if lasting else tuple(path for each in waits for path in each.paths)
        told = tuple(each.words for each in waits)
        return (e.ClaimRejected(workstream=ws.id, head=head, findings=told, round=effect.round, held=paths),)
    remember_resolution(state, ws, head, world)
    if head != ws.head:  # a head that was seen before was archived when it was seen
        world.vault.refs.archive(archive_name(state.id, ws.id), head)
    return (
        e.ClaimAccepted(
            workstream=ws.id,
            head=head,
            files=len(changes),
            added=sum(change.added for change in changes),
            deleted=sum(change.deleted for change in changes),
            paths=evidence.paths,
            protected=protected_paths(state.settings, changes),
            further=further,
            round=effect.round,
            tree=world.vault.objects.tree(head),
        ),
    )


def _evidence(
    state: RunState,
    ws: WorkstreamState,
    head: CommitId | None,
    changes: Sequence[ChangedPath],
    *,
    onto: CommitId,
    world: World,
) -> claim.Evidence:
    """What is known of a head; nothing but that, where the branch is gone."""
    paths = tuple(sorted({path for change in changes for path in (change.path, change.old) if path}))
    if head is None:
        return claim.Evidence(
            base=ws.base, head=None, has_commits=False, paths=paths, dirty=(), handoff=ws.handoff, missing_branch=True
        )
    elsewhere = commits_elsewhere(state, ws, head, world)
    return claim.Evidence(
        base=ws.base,
        head=head,
        has_commits=not world.vault.commits.is_ancestor(head, onto),
        paths=paths,
        dirty=_dirty(state, ws, elsewhere.head if elsewhere is not None else head, world),
        handoff=ws.handoff,
        elsewhere=elsewhere,
        nested=_nested(changes, head, world),
        dropped=_dropped(ws, head, world),
    )


def _put_back(ws: WorkstreamState, world: World) -> CommitId | None:
    """The head of a branch of ours that went missing (renamed, or deleted) just before it was read, made again."""
    head = ws.head or ws.base
    if ws.spec.branch or head is None or ws.branch is None:
        return None
    world.repository.restore_branch(vault=world.vault.path, branch=ws.branch, head=head)
    return head


def _nested(changes: Sequence[ChangedPath], head: CommitId, world: World) -> tuple[str, ...]:
    """Repositories that were committed as a mere commit id, and that no `.gitmodules` explains."""
    found = [change.path for change in changes if change.mode == GITLINK]
    return claim.undeclared(found, world.vault.objects.blob(head, ".gitmodules")) if found else ()


def _exposed(state: RunState, ws: WorkstreamState, head: CommitId, world: World) -> tuple[str, ...]:
    """What its commits must not land with. What they merged from the target belongs to those who put it there."""
    if state.integration.commit is None or not claim.is_scanned(ws):
        return ()
    base, scan = state.integration.commit, world.vault.commits.scan
    if not claim.exposed(state, ws, scan(base=base, head=head)):
        return ()
    return claim.exposed(state, ws, scan(base=base, head=head, without=_target(state, world)))


def _held(
    state: RunState, changes: Sequence[ChangedPath], *, onto: CommitId, head: CommitId, world: World
) -> tuple[Hold, ...]:
    """What a person has to let through; nothing of what the target has by now."""
    looked = partial(held_in, world.vault, state.settings, base=onto, head=head, changes=changes)
    found = looked(let_through=let_through(state))
    return looked(let_through=let_through(state), known=_target(state, world)) if found else found


def _target(state: RunState, world: World) -> tuple[CommitId, ...]:
    """The head of the target now; none where the branch is gone."""
    ref = f"refs/wto/target/{state.target}"
    return tuple(world.vault.refs.fetch({branch_ref(state.target): ref}).values())


def _dirty(state: RunState, ws: WorkstreamState, head: CommitId, world: World) -> tuple[str, ...]:
    """Uncommitted paths; a queued branch has no worktree of ours. An agent that only reads runs the checks and must not
    remove the files they leave, so untracked files do not count for it; changes of the work do."""
    if ws.worktree is None:
        return ()
    found = world.vault.checkouts.dirty(worktree=ws.worktree, head=head, index=index_path(world.indexes, ws.worktree))
    if may_only_read(state, ws):
        return tuple(path for path in found[:_LOOKED_AT] if world.vault.objects.blob(head, path, limit=1) is not None)
    return found


def _further(state: RunState, ws: WorkstreamState, world: World) -> tuple[Mapping[str, Workstream], tuple[str, ...]]:
    """The workstreams that its handoff adds, if it may, and what is wrong with them."""
    text = claim.added_text(ws)
    if not text:
        return {}, ()
    read = world.plans.further(text)
    return claim.joining(state, ws, read.workstreams, read.problems)


def _dropped(ws: WorkstreamState, head: CommitId, world: World) -> tuple[str, ...]:
    """After a conflict was resolved in the worktree: paths the other side changed that are now as if it had not."""
    if ws.conflict is None:
        return ()
    onto, own = ws.conflict.onto, ws.conflict.head
    if not world.vault.commits.is_ancestor(onto, head):
        return ()
    theirs = [change.path for change in world.vault.commits.changes(base=own, head=onto)]
    return tuple(path for path in theirs if _same(world, path, head, own) and not _same(world, path, head, onto))


def _same(world: World, path: str, one: CommitId, other: CommitId) -> bool:
    return world.vault.objects.blob(one, path) == world.vault.objects.blob(other, path)
