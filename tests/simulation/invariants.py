"""What must hold after every step, one function for each promise, over the log and the simulated world.

A function yields a sentence for each breach. Those over events see each event once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from tests.simulation.processes import broken
from tests.simulation.stage_promises import STAGE_EVENTS, known_needs
from tests.simulation.vault import lost_paths
from tests.simulation.world import SimWorld
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.agent.stream import TurnOutcome
from wt_orchestrate.domain.fold.run import fold
from wt_orchestrate.domain.ids import CommitId, ProcessId
from wt_orchestrate.domain.machine import quiet
from wt_orchestrate.domain.plan.model import Kind
from wt_orchestrate.domain.state.checks import held_by_base
from wt_orchestrate.domain.state.lifecycle import DONE
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.state.workstream import claimed_by_person, integrated_as
from wt_orchestrate.domain.verdict.stuck import idle_for

_POLL_S = 12.0
_LIMITED = {TurnOutcome.RATE_LIMITED, TurnOutcome.OVERLOADED}


@dataclass(slots=True)
class Watch:
    """What was seen of the log and of git's moves so far."""

    world: SimWorld
    seen: int = 0
    moves: int = 0
    state: RunState | None = None
    heads: set[CommitId] = field(default_factory=set)
    integrated: Counter[tuple[str, CommitId]] = field(default_factory=Counter)
    intended: set[str] = field(default_factory=set)
    named: Counter[str] = field(default_factory=Counter)
    silent: dict[str, float] = field(default_factory=dict)
    checked: int = 0
    reviewed: dict[tuple[str, CommitId], bool] = field(default_factory=dict)
    """Heads that a reviewer looked at: whether something must be changed."""

    def check(self) -> list[str]:
        """Every breach there is now."""
        breaches: list[str] = []
        for record in self.world.log.records[self.seen :]:
            before = self.state
            self.state = fold(self.state, record)
            for name, over_event in EVENTS.items():
                breaches += [f"{name}: {text}" for text in over_event(self, record, before)]
                self.checked += 1
        self.seen = len(self.world.log.records)
        for name, always in ALWAYS.items():
            breaches += [f"{name}: {text}" for text in always(self)]
            self.checked += 1
        return breaches


# ---------------------------------------------------------------- over events


def a1_intended(watch: Watch, record: e.Record, before: RunState | None) -> Iterator[str]:
    """Each outcome has its intention before it, and there is one at a time."""
    match record.event:
        case e.EffectIntended(key=key):
            if key in watch.intended:
                yield f"{key} was intended twice"
            watch.intended.add(key)
        case e.EffectConcluded(key=key) | e.EffectFailed(key=key):
            if key not in watch.intended:
                yield f"{key} ended without an intention"
            watch.intended.discard(key)


def l1_once(watch: Watch, record: e.Record, before: RunState | None) -> Iterator[str]:
    """A head is integrated at most once."""
    if isinstance(record.event, e.Integrated) and record.event.head is not None and record.event.commit is not None:
        key = (record.event.workstream, record.event.head)
        watch.integrated[key] += 1
        if watch.integrated[key] > 1:
            yield f"{key[0]} was integrated twice at {key[1][:8]}"


def l8_nothing_lost(watch: Watch, record: e.Record, before: RunState | None) -> Iterator[str]:
    """An integration holds what both sides changed."""
    event = record.event
    if isinstance(event, e.Integrated) and event.commit is not None and event.head is not None:
        for path in lost_paths(watch.world.objects, event.commit, event.onto, event.head):
            yield f"integrating {event.workstream} lost {path}"


def l3_built_upon(watch: Watch, record: e.Record, before: RunState | None) -> Iterator[str]:
    """What is integrated was built upon exactly what was integrated before it."""
    event = record.event
    if isinstance(event, e.Integrated) and event.commit is not None and before is not None:
        below = watch.world.objects.commits[event.commit].parents[0]
        if below != before.integration.commit and event.commit not in watch.world.objects.history(
            before.integration.commit or below
        ):
            yield f"{event.workstream} was integrated upon {below[:8]}, which is not what was integrated"


def p4_sound_base(watch: Watch, record: e.Record, before: RunState | None) -> Iterator[str]:
    """No attempt is spent before the checks have passed on the base, or a person has let it be."""
    if isinstance(record.event, e.AttemptStarted) and before is not None and before.base_checks.wanted:
        if not before.base_checks.judged:
            yield f"{record.event.attempt} started before the base was checked"
        elif held_by_base(before):
            yield f"{record.event.attempt} started on a base that fails {before.base_checks.red}"


def p5_evidence(watch: Watch, record: e.Record, before: RunState | None) -> Iterator[str]:
    """No claim is believed without commits in a clean worktree."""
    event = record.event
    if not isinstance(event, e.ClaimAccepted) or before is None:
        return
    ws, world = before.workstreams[event.workstream], watch.world
    if ws.spec.kind is Kind.CHANGE and event.head in world.objects.history(before.integration.commit or world.base):
        yield f"{ws.id} was accepted with nothing new"


def p4_bounded(watch: Watch, record: e.Record, before: RunState | None) -> Iterator[str]:
    """Attempts are bounded; what met a limit does not count; nothing is started while its account rests."""
    event = record.event
    if not isinstance(event, e.AttemptStarted) or before is None:
        return
    ws = before.workstreams[event.workstream]
    counted = [each for each in ws.attempts[ws.tries.after :] if each.outcome not in _LIMITED]
    told = sum(each.kind.value == "person" for each in ws.messages)
    answered = sum(attempt.reason in {"answer", "told", "redirect", "resume", "retry"} for attempt in ws.attempts)
    if len(counted) > before.settings.recovery.attempts + told + answered:
        yield f"{ws.id} begins attempt {event.epoch}, over its bound"


def p4_no_wall(watch: Watch, record: e.Record, before: RunState | None) -> Iterator[str]:
    """Nothing is started while its account rests."""
    event = record.event
    if before is None or not isinstance(event, e.EffectIntended) or not event.key.startswith("start:"):
        return
    account = before.accounts.get(event.pins.get("account", ""))
    if account is not None and max(account.limited_until, account.paused_until) > record.at:
        yield f"{event.key} was begun while {account.name} rests"


def p6_awake(watch: Watch, record: e.Record, before: RunState | None) -> Iterator[str]:
    """Whoever is called stuck was silent for the idle limit while the machine was awake, when that was decided."""
    event = record.event
    if before is None or abs(record.at - watch.world.clock.now()) > 1.0:
        return  # it was decided long before it could be written down
    if isinstance(event, e.EffectIntended) and event.key.startswith("stop:"):
        watch.silent[event.key.removeprefix("stop:")] = _silence(watch, event.key.removeprefix("stop:"))
    if not isinstance(event, e.AttemptNudged | e.AttemptStopping):
        return
    cause = event.cause.value if isinstance(event, e.AttemptNudged) else event.reason
    silent = (
        _silence(watch, event.attempt)
        if isinstance(event, e.AttemptNudged)
        else watch.silent.get(event.attempt, float("inf"))
    )
    limit = idle_for(before, before.workstreams[event.workstream])
    if cause == "stuck" and limit is not None and silent < limit * 0.5:
        yield f"{event.attempt} was called stuck after {silent:.0f} waking seconds of silence"


def _silence(watch: Watch, name: str) -> float:
    """How long a process was silent; a sign of the newest moments may not have been read yet (its notice was lost)."""
    process, awake = watch.world.executor.processes.get(ProcessId(name)), watch.world.clock.awake
    if process is None:
        return float("inf")
    read = [at for at in process.spoken if at <= awake - _POLL_S]
    return awake - max(read, default=process.begun_at)


def p5_reviewed(watch: Watch, record: e.Record, before: RunState | None) -> Iterator[str]:
    """What is to be reviewed is integrated only after a reviewer asked for nothing in that head, or by a person's word."""
    event = record.event
    if isinstance(event, e.ReviewGiven):
        watch.reviewed[event.workstream, event.head] = any(each.weighs == "must" for each in event.findings)
    if before is None or not isinstance(event, e.Integrated) or event.commit is None:
        return
    ws = before.workstreams[event.workstream]
    if not before.plan.defaults.review or claimed_by_person(ws) or ws.looked_at is None:
        return
    if watch.reviewed.get((ws.id, ws.looked_at), True):
        yield f"{ws.id} was integrated at {ws.looked_at[:8]}, which no reviewer let pass"


def d1_seen(watch: Watch, record: e.Record, before: RunState | None) -> Iterator[str]:
    """Heads that were seen are remembered here; that they are kept is checked after every step."""
    if isinstance(record.event, e.CommitsSeen):
        watch.heads.add(record.event.head)
    if isinstance(record.event, e.ClaimAccepted):
        watch.heads.add(record.event.head)
    yield from ()


def d2_clean(watch: Watch, record: e.Record, before: RunState | None) -> Iterator[str]:
    """Without force only what is integrated is cleaned away."""
    event = record.event
    if not isinstance(event, e.WorktreeRemoved) or before is None or not event.trash:
        return
    if before.wishes.cleaning.get(event.workstream):
        return
    head, at = before.workstreams[event.workstream].head, watch.world.integration
    if head is not None and at is not None and head not in watch.world.objects.history(at):
        yield f"{event.workstream} was cleaned away, and {head[:8]} is not integrated"


def l9_blame(watch: Watch, record: e.Record, before: RunState | None) -> Iterator[str]:
    """Whoever is blamed for a failed check brought it: it fails with the work and not without; a partner is one."""
    event, objects = record.event, watch.world.objects
    if not isinstance(event, e.RiderBlamed) or before is None:
        return
    suspect = next(each for each in before.suspects if each.workstream == event.workstream)
    if not broken(objects.tree(suspect.commit)):
        yield f"{event.workstream} is blamed for a tree that is good"
    if event.on_target != broken(objects.tree(suspect.onto)) and suspect.onto_tree is not None:
        yield f"{event.workstream} is blamed, and the target is red by itself: {not event.on_target}"
    if event.alone is not None and event.alone != broken(objects.tree(event.head)):
        yield f"{event.workstream} is blamed, and its work is good alone: {event.alone}"
    if event.partner is not None:
        commits = (event.head, integrated_as(before.workstreams[event.partner]) or event.head)
        halves = [each for each in commits if "HALF OF A PAIR" in objects.tree(each).values()]
        if broken(objects.tree(event.head)) or len(halves) != 2:
            yield f"{event.workstream} and {event.partner} are called a pair"


def l2_its_own(watch: Watch, record: e.Record, before: RunState | None) -> Iterator[str]:
    """A process judges one tree: no word is taken for another one's."""
    event = record.event
    if isinstance(event, e.CommandStarted):
        watch.named[event.process] += 1
        if watch.named[event.process] > 1:
            yield f"{event.process} was begun twice"


def l9_once(watch: Watch, record: e.Record, before: RunState | None) -> Iterator[str]:
    """A tree that a check passed on is not checked by it again."""
    event = record.event
    if isinstance(event, e.CommandStarted) and event.tree is not None and before is not None:
        known = before.checks.judged.get(event.tree, {}).get(event.command)
        if known is not None and known.passed:
            yield f"`{event.command}` is run again on a tree that it passed on"


EVENTS: Mapping[str, Callable[[Watch, e.Record, RunState | None], Iterator[str]]] = {
    "A1": a1_intended,
    "L1": l1_once,
    "L8": l8_nothing_lost,
    "L3": l3_built_upon,
    "P5": p5_evidence,
    "P4": p4_bounded,
    "P4 (base)": p4_sound_base,
    "P4 (limits)": p4_no_wall,
    "P6": p6_awake,
    "P5 (reviewed)": p5_reviewed,
    "D1 (seen)": d1_seen,
    "D2": d2_clean,
    "L2 (its own)": l2_its_own,
    "L9 (blame)": l9_blame,
    "L9 (once)": l9_once,
    **STAGE_EVENTS,
}


# ---------------------------------------------------------------- at every step


def p1_one_each(watch: Watch) -> Iterator[str]:
    """At most one agent of a workstream is alive, and none is started twice or before it is written down."""
    living = Counter(process.workstream for process in watch.world.living() if process.is_attempt)
    yield from (f"{name} has {count} living agents" for name, count in living.items() if count > 1)
    spawned = watch.world.spawned
    if len(spawned) != len(set(spawned)):
        yield "a process was started twice"


def a1_recorded(watch: Watch) -> Iterator[str]:
    """Nothing was spawned that the durable log did not intend."""
    intended = {record.event.key for record in watch.world.log.records if isinstance(record.event, e.EffectIntended)}
    for name in watch.world.spawned[-3:]:
        if f"start:{name}" not in intended and f"command:{name}" not in intended:
            yield f"{name} was spawned before it was written down"


def d1_kept(watch: Watch) -> Iterator[str]:
    """Every head that was seen is reachable from an archive ref, or integrated."""
    kept = set(watch.world.objects.history(watch.world.integration or watch.world.base))
    for ref, at in watch.world.site.vault.items():
        if ref.startswith("refs/wto/archive/"):
            kept |= watch.world.objects.history(at)
    yield from (f"the head {head[:8]} is not archived" for head in watch.heads if head not in kept)


def l2_checked(watch: Watch) -> Iterator[str]:
    """The integration branch's tree passed every check of the plan."""
    world, at = watch.world, watch.world.integration
    if at is None or at == world.base or "Wto-Run" not in world.objects.commits[at].message:
        return
    tree = world.objects.tree_id(at)
    for check in world.plan.checks:
        if (tree, check.run) not in world.passed:
            yield f"the integration branch is at {at[:8]}, whose tree never passed `{check.run}`"


def l1_trailers(watch: Watch) -> Iterator[str]:
    """The integration branch carries each head once."""
    at = watch.world.integration
    if at is None:
        return
    heads = Counter(
        line
        for commit in watch.world.objects.first_parents(at, watch.world.base)
        for line in commit.message.splitlines()
        if line.startswith("Wto-Head: ")
    )
    yield from (f"{head} is in it {count} times" for head, count in heads.items() if count > 1)


def d4_refs(watch: Watch) -> Iterator[str]:
    """We move only branches of ours and the target; the target only forward, to a checked tree (L2, L3, L4)."""
    world = watch.world
    for move in world.site.moves[watch.moves :]:
        if move.by != "tool" or move.branch.startswith("wto/"):
            continue
        if move.branch != "main" or move.new is None or move.old is None:
            yield f"{move.branch} was moved from {move.old} to {move.new}"
        elif move.old not in world.objects.history(move.new):
            yield f"the target lost {move.old[:8]}"
        elif any((world.objects.tree_id(move.new), check.run) not in world.passed for check in world.plan.checks):
            yield f"the target was moved to {move.new[:8]}, which was not checked"
    watch.moves = len(world.site.moves)


def p2_nobody_left(watch: Watch) -> Iterator[str]:
    """A run at rest has no living process."""
    if watch.state is not None and quiet(watch.state) and watch.world.supervisor is not None:
        for process in watch.world.living():
            if not watch.world.workers.waiting:
                yield f"{process.id} is alive, and the run is at rest"


def s_told_once(watch: Watch) -> Iterator[str]:
    """What a person told an agent arrives once, and is called delivered only when it has arrived."""
    yield from (f"{text} arrived {count} times" for text, count in watch.world.heard.items() if count > 1)
    if watch.state is None:
        return
    for ws in watch.state.workstreams.values():
        for message in ws.messages:
            said = message.text in watch.world.told and watch.world.speaks(ws.id)
            if said and message.delivered_at is not None and not watch.world.heard[message.text]:
                yield f"{message.text} is called delivered, and {ws.id} never heard it"


def r_memory(watch: Watch) -> Iterator[str]:
    """What the supervisor knows is what the log says (its turn is written at its end)."""
    supervisor = watch.world.supervisor
    known = supervisor.state if supervisor is not None else None
    if known is not None and watch.state is not None and known.number == watch.state.number and known != watch.state:
        yield "the supervisor's state is not the log's"


ALWAYS: Mapping[str, Callable[[Watch], Iterator[str]]] = {
    "P1": p1_one_each,
    "A1": a1_recorded,
    "D1": d1_kept,
    "L2": l2_checked,
    "L1": l1_trailers,
    "D4": d4_refs,
    "P2": p2_nobody_left,
    "steering": s_told_once,
    "memory": r_memory,
    "stages": lambda watch: known_needs(watch.state),
}


def at_rest(watch: Watch) -> Iterator[str]:
    """In the end: nothing a person said was forgotten, and every stage is one that only a person leaves."""
    state = watch.state
    assert state is not None
    for record in watch.world.log.records:
        event = record.event
        if not isinstance(event, e.TellRequested) or not watch.world.speaks(event.workstream):
            continue
        stage = state.workstreams[event.workstream].stage
        if stage in DONE and not watch.world.heard[event.text]:
            yield f"{event.workstream} is {stage} and was never told {event.text}"
    for ws in state.workstreams.values():
        said = [
            record.event.text
            for record in watch.world.log.records
            if isinstance(record.event, e.CommentRequested) and record.event.workstream == ws.id
        ]
        of_people = [comment for comment in ws.comments if not comment.by]
        if said != [comment.text for comment in of_people]:
            yield f"{ws.id} has the comments {[comment.text for comment in of_people]}, and was given {said}"
        for comment in of_people:
            unread = comment.sent_as and comment.text not in watch.world.read
            if unread and ws.stage in DONE and watch.world.speaks(ws.id):
                yield f"{ws.id} is {ws.stage} and never read comment {comment.id}"
