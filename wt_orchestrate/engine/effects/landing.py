"""The effects `PrepareLanding` and `Land`: the target moves to what the integration branch holds, or nothing changes
and the person is told what to do.

If the target has moved since the run started, both are merged in memory, and the result is proven and checked like any
candidate. The target only ever moves forward, from exactly the commit the candidate was built on. That work lands
exactly once is promise L1: its tests are named `test_L1_...`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wt_orchestrate.domain import effects as f
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.ids import Branch, CommitId, branch_ref, integration_branch
from wt_orchestrate.domain.plan.settings import LandingStyle
from wt_orchestrate.domain.state.lifecycle import Stage
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.state.workstream import WorkstreamState, accepted, integrated_as, integrated_order
from wt_orchestrate.domain.text.clean import some_of
from wt_orchestrate.domain.train.landing import changed_refusal
from wt_orchestrate.engine.exposure import Allowance, missing_word
from wt_orchestrate.engine.world import World, integration_ref, pin_ref, short
from wt_orchestrate.errors import ExitCode, InvariantBroken, Refused
from wt_orchestrate.ports.git.merges import LandingLine, LandingLineSpec, Step
from wt_orchestrate.ports.git.repository import LandOutcome, LandResult, Repository
from wt_orchestrate.ports.git.vault import Vault


def prepare_landing(effect: f.PrepareLanding, state: RunState, world: World) -> Sequence[e.Event]:
    """What would land: the integration head where the target has not moved, else both merged."""
    return _prepared(effect, state, world.vault, world.repository)


def _prepared(
    effect: f.PrepareLanding, state: RunState, vault: Vault, repository: Repository, *, pin: str = "landing"
) -> Sequence[e.Event]:
    target = _target_head(vault, effect.target)
    if target is None:
        return (_gone(effect.target),)
    word = Allowance(
        protected=effect.allow_protected,
        large=effect.allow_large,
        held=effect.allow_held,
        secrets=effect.allow_secrets,
    )
    refused = (
        _no_target(state, effect.target)
        or _brings_back(state, vault, repository, target, effect)
        or _needs_a_word(vault, state, word, target=target, head=effect.integration)
    )
    if refused is not None:
        return (refused,)
    if vault.commits.is_ancestor(target, effect.integration):
        tree = vault.objects.tree(effect.integration)
        return (e.LandingPrepared(expected=target, commit=effect.integration, tree=tree, checked=True),)
    if state.settings.landing is LandingStyle.FF:
        return (_not_forward(effect, state),)
    return _combined(effect, state, vault, target, pin=pin)


def _not_forward(effect: f.PrepareLanding, state: RunState) -> e.LandRefused:
    return e.LandRefused(
        reason=f"{effect.target} moved since, and with `landing: ff` nothing is put on top of what was not checked",
        code=ExitCode.STALE,
        commands=(
            f"git log {short(state.landed.commit or state.base)}..{effect.target}",
            "land with another `landing:`",
        ),
    )


def outlook(
    vault: Vault, repository: Repository, state: RunState, wish: e.LandRequested, *, at: float
) -> LandingPreview:
    """What `land` would do now or refuse, told beforehand by the same rules; nothing of the user's is changed."""
    stopping = [each for each in state.changed.values() if each.stops]
    if stopping and not wish.allow_changed:
        return LandingPreview(refused=changed_refusal(stopping))
    if state.integration.commit is None:
        return LandingPreview()
    onto = Branch(wish.onto or state.target)
    effect = f.PrepareLanding(
        target=onto,
        integration=state.integration.commit,
        allow_protected=wish.allow_protected,
        allow_secrets=wish.allow_secrets,
        allow_large=wish.allow_large,
        allow_held=wish.allow_held,
        allow_changed=wish.allow_changed,
        at=at,
    )
    for event in _prepared(effect, state, vault, repository, pin="preview"):
        if isinstance(event, e.LandRefused):
            return LandingPreview(refused=event)
        if isinstance(event, e.LandingPrepared):
            there = repository.land(target=onto, new=event.commit, expected=event.expected, dry=True)
            move = f.Land(target=onto, commit=event.commit, expected=event.expected)
            try:
                _line(move, state, vault, repository, pin="preview-line")
            except Refused as error:
                return LandingPreview(refused=_unsigned(error))
            return LandingPreview(combined=not event.checked, where=there.where, refused=_refusal(move, there, state))
    return LandingPreview()


@dataclass(frozen=True, slots=True, kw_only=True)
class LandingPreview:
    """What a landing would do. `combined`: the target moved, so that the checks run on both merged before it lands."""

    refused: e.LandRefused | None = None
    combined: bool = False
    where: str = ""


def _brings_back(
    state: RunState, vault: Vault, repository: Repository, target: CommitId, effect: f.PrepareLanding
) -> e.LandRefused | None:
    """Commits that the run started from, or landed, and that the target does not hold any more: somebody took them out."""
    for commit in dict.fromkeys((state.landed.commit or state.base, state.base)):
        if effect.allow_changed or vault.commits.is_ancestor(commit, target):
            continue
        since = vault.commits.merge_base(commit, target)
        if since is None and repository.facts().shallow:
            return e.LandRefused(
                reason=f"{effect.target} and the run have no common ancestor in this shallow clone",
                code=ExitCode.STALE,
                commands=("git fetch --unshallow", "wto land"),
            )
        dropped = vault.commits.between(base=since, head=commit) if since is not None else ()
        named = some_of([f"{short(each.id)} {each.subject}" for each in dropped], 5)
        renamed = effect.target != state.target
        told = (
            "does not hold what the run is built on; landing would bring"
            if renamed
            else "was reset since; landing would bring back"
        )
        return e.LandRefused(
            reason=f"{effect.target} {told} {named or short(commit)}",
            code=ExitCode.STALE,
            commands=(f"git log {short(target)}..{short(commit)}", "wto land --allow-changed brings them back"),
        )
    return None


def _no_target(state: RunState, target: Branch) -> e.LandRefused | None:
    """That another branch than the run's target cannot be landed on, because the run works on it itself."""
    own = {integration_branch(state.id), *(ws.branch for ws in state.workstreams.values())}
    if target == state.target or target not in own:
        return None
    return e.LandRefused(
        reason=f"{target} is a branch of the run itself", code=ExitCode.CONFLICT, commands=("wto land --onto BRANCH",)
    )


def _target_head(vault: Vault, target: Branch) -> CommitId | None:
    """The head of the target now, fetched; None if the branch is gone."""
    ref = f"refs/wto/target/{target}"
    return vault.refs.fetch({branch_ref(target): ref}).get(ref)


def _gone(target: Branch) -> e.LandRefused:
    return e.LandRefused(
        reason=f"there is no branch {target}, the target of this landing",
        code=ExitCode.CONFLICT,
        commands=("wto land --onto BRANCH, if it was renamed", f"git branch {target} brings it back"),
    )


def _needs_a_word(
    vault: Vault, state: RunState, word: Allowance, *, target: CommitId, head: CommitId
) -> e.LandRefused | None:
    """What lands only with a person's approval."""
    missing = missing_word(vault, state, base=target, head=head, word=word, verb="land")
    if missing is None:
        return None
    look = f"git diff {target[:12]}...{integration_branch(state.id)}"
    return e.LandRefused(
        reason=missing.reason,
        code=ExitCode.NEEDS_PERSON,
        commands=(look, f"wto land {missing.options}"),
        paths=missing.paths,
    )


def _combined(
    effect: f.PrepareLanding, state: RunState, vault: Vault, target: CommitId, *, pin: str
) -> Sequence[e.Event]:
    merge = vault.merges.merge(
        ours=target,
        theirs=effect.integration,
        message=f"Land run {state.id} on {effect.target}\n\nWto-Run: {state.id}\n",
        at=effect.at,
        pin=pin_ref(state.id, pin),
        author=state.author,
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
    proof = vault.merges.prove(merge=merge.commit, ours=target, theirs=effect.integration)
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
    try:
        line = _line(effect, state, world.vault, world.repository)
    except Refused as error:
        return (_unsigned(error),)
    commit, shown = (line.commit, line.joined) if line is not None else (effect.commit, effect.commit)
    _require_checked(commit, state, world.vault)
    published = world.repository.resolve(branch)
    if published != shown:
        world.repository.publish(vault=world.vault.path, branch=branch, new=shown, expected=published)
    world.vault.refs.archive(f"target/{effect.target}", effect.expected)
    hooks = state.settings.landing_hooks
    landed = world.repository.land(target=effect.target, new=commit, expected=effect.expected, hooks=hooks)
    if landed.outcome in {LandOutcome.MOVED, LandOutcome.ALREADY}:
        if line is not None:
            world.vault.refs.advance(integration_ref(state.id), new=shown, old=effect.commit)
        return (
            e.Landed(
                target=effect.target,
                commit=commit,
                before=effect.expected,
                where=landed.where,
                workstreams=tuple(ws.id for ws in state.workstreams.values() if ws.stage is Stage.INTEGRATED),
                integration=shown if line is not None else None,
            ),
        )
    if line is not None:
        world.repository.publish(vault=world.vault.path, branch=branch, new=effect.commit, expected=shown)
    refused = _refusal(effect, landed, state)
    return (refused,) if refused is not None else (e.TargetMoved(target=effect.target, expected=effect.expected),)


def _require_checked(commit: CommitId, state: RunState, vault: Vault) -> None:
    """That what lands has exactly the tree that the checks passed on."""
    made, tree = state.candidate, vault.objects.tree(commit)
    if made is not None and made.tree != tree:
        raise InvariantBroken(f"{commit} has the tree {tree}, and {made.tree} was checked; nothing was landed")


def _unsigned(error: Refused) -> e.LandRefused:
    return e.LandRefused(reason=error.message, code=ExitCode.NEEDS_PERSON, commands=(error.hint, "wto land"))


def _landing(state: RunState) -> list[WorkstreamState]:
    """The workstreams that a landing takes along, in the order they were integrated."""
    found = [ws for ws in state.workstreams.values() if ws.stage is Stage.INTEGRATED]
    return sorted(found, key=integrated_order)


def _line(
    effect: f.Land, state: RunState, vault: Vault, repository: Repository, *, pin: str = "line"
) -> LandingLine | None:
    """What lands in the place of the commit, with the same tree; None where the commit itself does. Raises Refused where its
    commits cannot be signed."""
    style, person = state.settings.landing, repository.person()
    if style is LandingStyle.MERGE and not person.signing:
        return None
    merged = [(ws, integrated_as(ws)) for ws in _landing(state)]
    return vault.merges.lay_out(
        LandingLineSpec(
            onto=effect.expected,
            head=effect.commit,
            steps=[Step(merge=at, message=_message(state, ws)) for ws, at in merged if at is not None],
            style=style,
            person=person,
            joined=f"Join run {state.id} with what landed of it on {effect.target}\n\nWto-Run: {state.id}\n",
            at=state.landing.at if state.landing is not None else 0.0,
            pin=pin_ref(state.id, pin),
        )
    )


def _message(state: RunState, ws: WorkstreamState) -> str:
    """What a workstream's one commit says: its title, what its handoff says was done, and what was merged."""
    title = " ".join((ws.spec.title or f"workstream {ws.id}").split())[:100]
    summary = ws.handoff.summary.strip() if ws.handoff is not None else ws.spec.brief if ws.spec.branch else ""
    trailers: dict[str, str] = {"Wto-Run": state.id, "Wto-Workstream": ws.id, "Wto-Head": accepted(ws) or ""}
    if state.settings.co_author:
        agent = ws.spec.agent or state.plan.defaults.agent
        trailers["Co-authored-by"] = state.settings.co_author.replace("{agent}", agent)
    told = "".join(f"{key}: {value}\n" for key, value in trailers.items() if value)
    return "\n\n".join(part for part in (title, summary, told) if part)


def _refusal(effect: f.Land, landed: LandResult, state: RunState) -> e.LandRefused | None:
    """What the repository says against a move, in words; None when nothing, or when the target only moved again."""
    match landed.outcome:
        case LandOutcome.DIRTY:
            return _dirty(effect, landed)
        case LandOutcome.REFUSED:
            reason = f"{effect.target} cannot be moved: {landed.detail or 'no reason given'}"
            where = f"cd {landed.where}" if landed.where else "git status"
            return e.LandRefused(reason=reason, code=ExitCode.CONFLICT, commands=(where, "wto land"))
        case LandOutcome.MOVED | LandOutcome.ALREADY | LandOutcome.STALE:
            return None


def _dirty(effect: f.Land, landed: LandResult) -> e.LandRefused:
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
