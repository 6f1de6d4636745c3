"""Draft plans: start, resume, cancel, and the result.

A drafting is done by whoever holds its lock: a command in the foreground, or a background process for a conversation.
It reads a checkout of the target's commit made from the vault, never anybody's worktree, and whoever ends it cleans up
(`draft_cleanup.py`).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from wt_orchestrate.domain.replace import replace
from wt_orchestrate.errors import AgentUnavailable, Busy, NotFound, Refused, WtError
from wt_orchestrate.wiring.draft_cleanup import clean_up
from wt_orchestrate.wiring.memory import recall
from wt_orchestrate.wiring.plan.plan_files import account_environments, load_settings, read_settings
from wt_orchestrate.wiring.read.forecast import advise_plan, foresee_plan, measured_here
from wt_orchestrate.wiring.run.start_run import target_of
from wt_orchestrate.wiring.site import Site, clock, repository, vault

if TYPE_CHECKING:
    from wt_orchestrate.adapters.drafts import DraftFolder
    from wt_orchestrate.domain.drafting.cochange import PlanForecast
    from wt_orchestrate.domain.drafting.estimate import Advice
    from wt_orchestrate.domain.drafting.progress import DraftPhase, DraftProgress, DraftWish
    from wt_orchestrate.domain.drafting.prompt import DraftingGround
    from wt_orchestrate.domain.drafting.vetting import ProposedCommand
    from wt_orchestrate.domain.ids import CommitId
    from wt_orchestrate.domain.plan.model import AgentSpec, Plan
    from wt_orchestrate.domain.plan.settings import Settings
    from wt_orchestrate.engine.drafting import Drafting
    from wt_orchestrate.ports.engine import Agent
    from wt_orchestrate.ports.git.vault import Vault

_PLAN_LIMIT = 1 << 20
_LOOK_S = 0.1
_REMEMBERED = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftResult:
    """The result of a drafting so far. `plan`: set when it is ready. `text`: plan.yaml then, or what was returned with
    its problems. `proposed`: commands that nobody has approved and that are not in the plan."""

    wish: DraftWish
    progress: DraftProgress
    phase: DraftPhase
    text: str = ""
    plan: Plan | None = None
    notes: str = ""
    proposed: tuple[ProposedCommand, ...] = ()
    remarks: tuple[str, ...] = ()
    forecast: PlanForecast | None = None
    advice: Advice | None = None


def begin_draft(
    site: Site,
    goal: str,
    *,
    key: str = "",
    agent: str = "",
    target: str | None = None,
    rounds: int = 4,
    timeout_s: float = 1200.0,
    budget_usd: float | None = None,
) -> DraftWish:
    """Save what is to be drafted; the same key is the same drafting. Raises Refused for another goal under a known key,
    NotFound and AgentUnavailable for a missing agent."""
    from wt_orchestrate.adapters.drafts import DraftFolder, old
    from wt_orchestrate.domain.drafting.progress import DraftWish
    from wt_orchestrate.domain.ids import branch_ref

    folder = DraftFolder(site.state_dir, draft_id(key or str(uuid4())))
    known = folder.wish()
    if known is not None:
        if goal.strip() not in {"", known.goal}:
            raise Refused("this key is already used for another goal", hint="use a new key for another goal")
        return known
    if not goal.strip():
        raise Refused("the goal is empty", hint="state the goal in a sentence or two")
    facts = repository(site).facts()
    settings = load_settings(site)
    name = agent or "claude-code"
    _require_agent(name, settings)
    onto = target_of(facts, target)
    if onto not in repository(site).heads(""):
        raise Refused(f"the target branch {onto} does not exist", hint="name an existing branch with --target")
    kept = vault(site)
    kept.ensure()
    ref = f"refs/wto/target/{onto}"
    head = kept.refs.fetch({branch_ref(onto): ref})[ref]
    for each in old(site.state_dir, now=clock().now()):
        each.remove()
    return folder.begin(
        DraftWish(
            id=folder.name,
            goal=goal.strip(),
            agent=name,
            rounds=rounds,
            timeout_s=timeout_s,
            target=onto,
            commit=head,
            begun_at=clock().now(),
            named=target is not None,
            budget_usd=budget_usd,
        )
    )


def draft_id(key: str) -> str:
    """The id of the drafting with this key."""
    from hashlib import sha256

    return f"d{sha256(key.encode()).hexdigest()[:12]}"


def take_up_draft(site: Site, name: str, *, rounds: int, timeout_s: float, budget_usd: float | None) -> DraftWish:
    """Let a drafting that is over or was cut off go on with so many more rounds and so much time; one that is ready
    stays as it is. Raises NotFound and AgentUnavailable."""
    from wt_orchestrate.domain.drafting.progress import DraftPhase

    folder, wish = _known(site, name)
    progress = folder.progress()
    if progress.phase is DraftPhase.READY:
        return wish
    _require_agent(wish.agent, load_settings(site))
    budget = budget_usd if budget_usd is not None else wish.budget_usd
    if not _held(folder):
        wish = replace(wish, rounds=progress.round + rounds, timeout_s=timeout_s, budget_usd=budget)
        folder.rewish(wish)
        folder.note(replace(progress, phase=DraftPhase.DRAFTING, spent_s=0.0, reason="", hint=""))
        folder.go_on()
    return wish


def draft_on(site: Site, name: str, *, noted: Callable[[DraftProgress], None]) -> DraftProgress:
    """Draft until it is over. Raises Busy while another process does; whatever ends it, no process is left."""
    from wt_orchestrate.domain.drafting.progress import OVER
    from wt_orchestrate.engine.drafting import draft
    from wt_orchestrate.osfiles.locks import FileLock

    folder, wish = _known(site, name)
    if folder.progress().phase in OVER:
        return folder.progress()
    lock = FileLock(folder.lock_path)
    if not lock.take_soon():
        raise Busy(
            f"the draft {folder.name} is running in process {lock.holder() or 'unknown'}", hint="wait until it ends"
        )
    with lock:
        folder.mark()
        try:
            return draft(wish, folder.progress(), _world(site, folder, wish, noted))
        except WtError as error:
            _broke_off(folder, error)
            raise
        finally:
            clean_up(folder)


def _broke_off(folder: DraftFolder, error: WtError) -> None:
    from wt_orchestrate.domain.drafting.progress import DraftPhase

    failed = replace(folder.progress(), phase=DraftPhase.FAILED, reason=error.message, hint=error.hint)
    folder.note(replace(failed, at=clock().now()))


def leave_draft(site: Site, name: str) -> None:
    """Start a process that goes on with a drafting; returns once it does."""
    from wt_orchestrate.adapters.executor.detached import start_detached

    folder, _ = _known(site, name)
    if _held(folder):
        return
    argv = (sys.executable, "-P", "-m", "wt_orchestrate", "-C", site.start, "drafting", folder.name)
    log = f"{folder.path}/drafting.log"
    start_detached(argv, log=log, ready=lambda: _held(folder), what="the draft")


def cancel_draft(site: Site, name: str, *, wait_s: float = 5.0) -> None:
    """Ask a drafting to end, and wait a moment for it."""
    from wt_orchestrate.domain.drafting.progress import OVER, DraftPhase

    folder, _ = _known(site, name)
    folder.cancel()
    until = time.monotonic() + wait_s
    while _held(folder) and time.monotonic() < until:
        time.sleep(_LOOK_S)
    progress = folder.progress()
    if not _held(folder) and progress.phase not in OVER:
        folder.note(replace(progress, phase=DraftPhase.CANCELLED, at=clock().now()))


def newest_draft(site: Site) -> str:
    """The id of the drafting that was started last. Raises NotFound."""
    from wt_orchestrate.adapters.drafts import newest

    folder = newest(site.state_dir)
    if folder is None:
        raise NotFound("there is no draft in this repository", hint='wto plan draft "GOAL"')
    return folder.name


def draft_state(site: Site, name: str) -> DraftResult:
    """How far a drafting is, without its plan: cheap. Raises NotFound."""
    from wt_orchestrate.domain.drafting.progress import DraftPhase

    folder, wish = _known(site, name)
    held = _held(folder)
    progress = folder.progress()
    phase = DraftPhase.CUT_OFF if progress.phase is DraftPhase.DRAFTING and not held else progress.phase
    return DraftResult(wish=wish, progress=progress, phase=phase)


def draft_result(site: Site, name: str) -> DraftResult:
    """How far a drafting is, and its plan with forecast and advice when it is ready. Raises NotFound."""
    from wt_orchestrate.adapters.planfile import read_draft
    from wt_orchestrate.adapters.plantext import render_invalid, render_plan
    from wt_orchestrate.domain.drafting.progress import DraftPhase
    from wt_orchestrate.domain.drafting.vetting import finished, remarks, sound, without_commands

    found = draft_state(site, name)
    wish, progress, phase = found.wish, found.progress, found.phase
    if phase is not DraftPhase.READY:
        if not progress.text or phase is DraftPhase.DRAFTING:
            return found
        text = render_invalid(progress.text, problems=progress.problems, lines=_origin(wish, progress))
        return replace(found, text=text)
    settings = read_settings(repository(site).facts())
    read = read_draft(progress.text)
    if read.plan is None:  # the rules of an earlier release let it pass
        return DraftResult(wish=wish, progress=progress, phase=DraftPhase.INVALID)
    approved, proposed = without_commands(read.plan, settings)
    plan = finished(approved, goal=wish.goal, settings=settings)
    plan = replace(plan, target=wish.target if wish.named else None)
    _, forecast = foresee_plan(site, plan, commits=2_000)
    return DraftResult(
        wish=wish,
        progress=progress,
        phase=phase,
        text=render_plan(plan, proposed=proposed, notes=read.notes, lines=_origin(wish, progress)),
        plan=plan,
        notes=sound(read.notes),
        proposed=proposed,
        remarks=remarks(plan, settings),
        forecast=forecast,
        advice=advise_plan(site, plan, forecast),
    )


def _origin(wish: DraftWish, progress: DraftProgress) -> tuple[str, ...]:
    return (
        f"Drafted by the agent {wish.agent} for {wish.target} at {wish.commit[:12]}, round {progress.round} of {wish.rounds}; "
        "nobody has approved it yet.",
    )


# ---------------------------------------------------------------- what it works with


def _known(site: Site, name: str) -> tuple[DraftFolder, DraftWish]:
    import re

    from wt_orchestrate.adapters.drafts import DraftFolder

    wish = None
    if re.fullmatch(r"d[0-9a-f]{12}", name):
        folder = DraftFolder(site.state_dir, name)
        wish = folder.wish()
    if wish is None:
        raise NotFound(f"there is no draft {name!r}", hint='wto plan draft "GOAL" starts one')
    return folder, wish


def _held(folder: DraftFolder) -> bool:
    from wt_orchestrate.osfiles.locks import FileLock

    return FileLock(folder.lock_path).held()


def _spec(name: str, settings: Settings) -> AgentSpec:
    from wt_orchestrate.domain.plan.settings import agent_spec

    spec = agent_spec(name, plan_agents={}, settings=settings)
    if spec is None:
        known = ", ".join(sorted({"claude-code", *settings.agents}))
        raise NotFound(
            f"unknown agent {name!r}", hint=f"known: {known}; define others under agents: in .wto/config.yaml"
        )
    return spec


def _agent(spec: AgentSpec, settings: Settings) -> Agent:
    from wt_orchestrate.adapters.agents.registry import agents

    known = agents(dict(os.environ), passed=settings.pass_env, accounts=account_environments())
    return known[spec.type]


def _require_agent(name: str, settings: Settings) -> None:
    spec = _spec(name, settings)
    agent = _agent(spec, settings)
    if not agent.version_command(spec).argv:
        missing = agent.version(spec, path="", said="")
        raise AgentUnavailable(f"the agent {name} cannot be started: {missing.problem}", hint=missing.hint)


def draft_words(site: Site, goal: str, *, agent: str, target: str | None) -> str:
    """The first prompt of the planner; nothing is started."""
    from wt_orchestrate.domain.drafting.prompt import first_words
    from wt_orchestrate.domain.ids import branch_ref

    facts = repository(site).facts()
    settings = read_settings(facts)
    onto = target_of(facts, target)
    kept = vault(site)
    kept.ensure()
    ref = f"refs/wto/target/{onto}"
    head = kept.refs.fetch({branch_ref(onto): ref}).get(ref)
    if head is None:
        raise Refused(f"the target branch {onto} does not exist", hint="name an existing branch with --target")
    ground = _ground(site, kept, goal=goal, target=onto, commit=head)
    return first_words(ground, settings, agent=_spec(agent or "claude-code", settings).type)


def _world(site: Site, folder: DraftFolder, wish: DraftWish, noted: Callable[[DraftProgress], None]) -> Drafting:
    import json

    from wt_orchestrate.adapters.executor.local import LocalExecutor
    from wt_orchestrate.adapters.gitrepo.vault import GitVault
    from wt_orchestrate.adapters.regular import regular_text
    from wt_orchestrate.domain.drafting.prompt import PLANNER, SCHEMA, first_words, sent_back
    from wt_orchestrate.domain.ids import CommitId, ProcessId
    from wt_orchestrate.domain.plan.model import AgentType
    from wt_orchestrate.domain.plan.settings import role_of
    from wt_orchestrate.engine.drafting import Drafting

    settings = load_settings(site)
    spec = _spec(wish.agent, settings)
    commit = CommitId(wish.commit)
    kept = GitVault(site.path("vault.git"), source=site.common_dir, scratch=folder.path)
    executor = LocalExecutor(f"{folder.path}/processes")
    ground = _ground(site, kept, goal=wish.goal, target=wish.target, commit=commit)
    accounts = account_environments()

    def words(progress: DraftProgress) -> str:
        if progress.begun:
            return sent_back(progress.problems) if progress.problems else "Continue, and return the plan."
        return first_words(ground, settings, agent=spec.type, before=progress.text, problems=progress.problems)

    def returned(process: ProcessId) -> str:
        try:
            text = regular_text(executor.folder(process), ("plan.yaml",), limit=_PLAN_LIMIT + 1)
        except Refused:
            return ""
        return text or executor.tail(process, limit=_PLAN_LIMIT + 1)

    def note(progress: DraftProgress) -> None:
        folder.note(progress)
        noted(progress)

    claude = spec.type is AgentType.CLAUDE_CODE
    instructions = kept.objects.blob(commit, "CLAUDE.md") if claude else None
    return Drafting(
        clock=clock(),
        executor=executor,
        agent=_agent(spec, settings),
        spec=spec,
        account=next(iter(accounts), "") if claude else "",
        worktree=kept.checkouts.checkout(commit=commit, slot="tree"),
        schema=json.dumps(SCHEMA) if claude else "",
        instructions=instructions.decode(errors="replace") if instructions else "",
        words=words,
        check=lambda text: judged(text, settings, files=ground.files, target=wish.target),
        plan_path=lambda process: f"{executor.folder(process)}/plan.yaml",
        returned=returned,
        new_session=lambda: str(uuid4()),
        noted=note,
        cancelled=folder.cancelled,
        pause=lambda: time.sleep(_LOOK_S),
        role=role_of(PLANNER, settings=settings),
    )


def _ground(site: Site, kept: Vault, *, goal: str, target: str, commit: str) -> DraftingGround:
    from wt_orchestrate.domain.drafting.estimate import measured_words
    from wt_orchestrate.domain.drafting.prompt import DraftingGround
    from wt_orchestrate.domain.ids import CommitId

    seen = measured_here(site)
    files = kept.commits.past(head=CommitId(commit), commits=1).files
    return DraftingGround(
        goal=goal,
        target=target,
        commit=commit,
        files=files,
        memory=_remembered(site, goal, commit=CommitId(commit)),
        measured=measured_words(seen) if seen.streams else "",
    )


def _remembered(site: Site, goal: str, *, commit: CommitId) -> str:
    """Memory entries about this goal, one a line with its source; empty if there are none."""
    from wt_orchestrate.domain.memory.entries import source_words

    try:
        found = recall(site, query=goal, limit=_REMEMBERED, characters=8_000, head=commit, briefing=True)
    except WtError:
        return ""  # a memory that cannot be read keeps nobody from planning
    return "\n".join(
        f"- {each.entry.kind} ({source_words(each.entry)}{'; its files changed since' if each.stale else ''}): "
        + " ".join(each.entry.text.split())
        for each in found
    )


def judged(text: str, settings: Settings, *, files: tuple[str, ...], target: str) -> tuple[str, ...]:
    """Everything that is wrong with a plan in an agent's text, one sentence each."""
    from wt_orchestrate.adapters.planfile import read_draft
    from wt_orchestrate.domain.drafting.vetting import draft_problems, told, too_much
    from wt_orchestrate.domain.plan.validation import problems

    read = read_draft(text)
    if read.plan is None:
        return told(read.problems) or ("the plan is empty",)
    large = too_much(read.plan)
    if large:
        return told(large)
    return told((*problems(read.plan, settings), *draft_problems(read.plan, files=files, target=target)))
