"""The effects `PrepareLanding` and `Land`: the target moves to what the integration branch holds, or nothing changes
and the person is told what to do.

If the target has moved since the run started, both are merged in memory, and the result is proven and checked like any
candidate. The target only ever moves forward, from exactly the commit the candidate was built on. That work lands
exactly once is promise L1: its tests are named `test_L1_...`.
"""

from __future__ import annotations

from collections.abc import Sequence

from wt_orchestrate.domain import effects as f
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.ids import Branch, CommitId, branch_ref, integration_branch
from wt_orchestrate.domain.state.lifecycle import Stage
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.text.clean import some_of
from wt_orchestrate.engine.exposure import Word, missing_word
from wt_orchestrate.engine.world import World, pin_ref, short
from wt_orchestrate.errors import ExitCode, Refused
from wt_orchestrate.ports.git.repository import Landed, LandOutcome
from wt_orchestrate.ports.git.vault import Vault


def prepare_landing(effect: f.PrepareLanding, state: RunState, world: World) -> Sequence[e.Event]:
    """What would land: the integration head if the target has not moved, else the merge of both."""
    target = _target_head(world.vault, effect.target)
    word = Word(protected=effect.allow_protected, large=effect.allow_large, secrets=effect.allow_secrets)
    refused = _needs_a_word(world.vault, state, word, target=target, head=effect.integration)
    if refused is not None:
        return (refused,)
    if world.vault.commits.is_ancestor(target, effect.integration):
        tree = world.vault.objects.tree(effect.integration)
        return (e.LandingPrepared(expected=target, commit=effect.integration, tree=tree, checked=True),)
    return _combined(effect, state, world, target)


def word_to_land(vault: Vault, state: RunState, word: Word) -> e.LandRefused | None:
    """What a landing would refuse without a person's approval; None if nothing, or if nothing is integrated."""
    if state.integration is None:
        return None
    target = _target_head(vault, state.target)
    return _needs_a_word(vault, state, word, target=target, head=state.integration)


def _target_head(vault: Vault, target: Branch) -> CommitId:
    """The head of the target now, fetched. Raises Refused if the branch is gone."""
    ref = f"refs/wto/target/{target}"
    head = vault.refs.fetch({branch_ref(target): ref}).get(ref)
    if head is None:
        raise Refused(f"the target branch {target} no longer exists", hint=f"git branch {target}")
    return head


def _needs_a_word(
    vault: Vault, state: RunState, word: Word, *, target: CommitId, head: CommitId
) -> e.LandRefused | None:
    """What lands only with a person's approval."""
    missing = missing_word(vault, state.settings, base=target, head=head, word=word, verb="land")
    if missing is None:
        return None
    look = f"git diff {target[:12]}...{integration_branch(state.id)}"
    return e.LandRefused(
        reason=missing.reason,
        code=ExitCode.NEEDS_PERSON,
        commands=(look, f"wto land {missing.options}"),
        paths=missing.paths,
    )


def _combined(effect: f.PrepareLanding, state: RunState, world: World, target: CommitId) -> Sequence[e.Event]:
    merge = world.vault.merges.merge(
        ours=target,
        theirs=effect.integration,
        message=f"Land run {state.id} on {effect.target}\n\nWto-Run: {state.id}\n",
        at=effect.at,
        pin=pin_ref(state.id, "landing"),
    )
    branch = integration_branch(state.id)
    by_hand = (f"git switch {effect.target}", f"git merge {branch}", "resolve the conflicts, then git commit")
    if merge.commit is None or merge.tree is None:
        return (
            e.LandRefused(
                reason=f"{effect.target} moved and now conflicts with the run in {some_of(merge.conflicts, 10)}",
                code=ExitCode.CONFLICT,
                commands=by_hand,
                paths=merge.conflicts,
            ),
        )
    proof = world.vault.merges.prove(merge=merge.commit, ours=target, theirs=effect.integration)
    if proof.lost:
        return (
            e.ProofFailed(workstream=None, commit=merge.commit, lost=proof.lost),
            e.LandRefused(
                reason=f"merging {effect.target} with the run would lose {some_of(proof.lost, 10)}",
                code=ExitCode.CONFLICT,
                commands=by_hand,
            ),
        )
    return (e.LandingPrepared(expected=target, commit=merge.commit, tree=merge.tree, checked=False),)


def land(effect: f.Land, state: RunState, world: World) -> Sequence[e.Event]:
    """Move the target, and update a clean checkout of it."""
    branch = integration_branch(state.id)
    published = world.repository.resolve(branch)
    if published != effect.commit:
        world.repository.publish(vault=world.vault.path, branch=branch, new=effect.commit, expected=published)
    world.vault.refs.archive(f"target/{effect.target}", effect.expected)
    landed = world.repository.land(target=effect.target, new=effect.commit, expected=effect.expected)
    match landed.outcome:
        case LandOutcome.MOVED | LandOutcome.ALREADY:
            return (
                e.Landed(
                    target=effect.target,
                    commit=effect.commit,
                    before=effect.expected,
                    where=landed.where,
                    workstreams=tuple(ws.id for ws in state.workstreams.values() if ws.stage is Stage.INTEGRATED),
                ),
            )
        case LandOutcome.STALE:
            return (e.TargetMoved(target=effect.target, expected=effect.expected),)
        case LandOutcome.DIRTY:
            return (_dirty(effect, landed),)
        case LandOutcome.REFUSED:
            reason = f"git refused to move {effect.target}: {landed.detail or 'no reason given'}"
            commands = (f"cd {landed.where}" if landed.where else "git status", f"git merge --ff-only {branch}")
            return (e.LandRefused(reason=reason, code=ExitCode.CONFLICT, commands=commands),)


def _dirty(effect: f.Land, landed: Landed) -> e.LandRefused:
    paths = some_of(landed.paths, 10) or "affected paths"
    return e.LandRefused(
        reason=(
            f"{effect.target} is checked out in {landed.where} with uncommitted changes in {paths}; "
            f"nothing was changed ({short(effect.commit)} is ready)"
        ),
        code=ExitCode.CONFLICT,
        commands=(f"cd {landed.where}", "commit the changes or stash them", "wto land"),
        paths=landed.paths,
    )
