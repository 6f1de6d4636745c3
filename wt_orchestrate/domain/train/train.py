"""The train: which claims join it and in which order, which prefixes to check, and what follows from the results.

Order: claims with the fewest forecast conflicts first, then the oldest (`waiting`). Claims are merged one on another. A
claim that conflicts with one in the train is resolved by the automatic rules at its place, or waits for it.
`limits.checks` slots check the prefixes that `bisect.py` chooses. The longest prefix that passes is verified, and the
integration branch moves to its last car at once, by compare-and-swap; what is behind it stays valid, because it was built
on it. A claim at which a check starts to fail is set aside (`culprit.py`), and the others go on without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.effects import (
    Advance,
    Assemble,
    Effect,
    EffectKey,
    EffectKind,
    MakeTrial,
    RunCheck,
    of_kind,
)
from wt_orchestrate.domain.events.train import MergeMade
from wt_orchestrate.domain.ids import CommitId, ProcessId, WorkstreamId
from wt_orchestrate.domain.plan.model import Check, Kind
from wt_orchestrate.domain.review.reviewers import reviews
from wt_orchestrate.domain.state.checks import (
    awaits_base,
    base_word,
    checks_of,
    confirmed,
    judgement,
    lost_too_often,
    word,
)
from wt_orchestrate.domain.state.lifecycle import Phase, Stage
from wt_orchestrate.domain.state.run import RunState, advancing
from wt_orchestrate.domain.state.stages import awaits_word
from wt_orchestrate.domain.state.train import Probe, Suspect
from wt_orchestrate.domain.state.workstream import acceptance, is_reviewer
from wt_orchestrate.domain.train.arbiter import arbitration
from wt_orchestrate.domain.train.bisect import probes, share_of_rejects
from wt_orchestrate.domain.train.culprit import CERTAIN, next_step
from wt_orchestrate.domain.train.order import LONGEST, only_answers, waiting

# ---------------------------------------------------------------- what is known of the train


class Prefixes(Struct, frozen=True):
    """How far the train passes: `green` cars may land (0: none), `red` is the shortest failing prefix above that."""

    green: int
    red: int | None


def _stretches(state: RunState) -> Iterator[tuple[int, MergeMade, tuple[Check, ...]]]:
    """Each prefix by its length, its last car, and the checks that judge its tree."""
    checks = {check.run: check for check in state.plan.checks}
    for length, car in enumerate(state.train.cars, 1):
        checks.update({check.run: check for check in state.workstreams[car.workstream].spec.checks})
        yield length, car, tuple(checks.values())


def prefixes(state: RunState) -> Prefixes:
    """What the checks have said about the train's prefixes; a longer one that passed overrules shorter ones that
    failed."""
    green, reds = 0, []
    for length, car, checks in _stretches(state):
        found = word(state, car.tree, checks)
        if found.green:
            green = length
        elif found.red is not None:
            reds.append(length)
    return Prefixes(green, next((length for length in reds if length > green), None))


def _names(cars: Iterable[MergeMade]) -> tuple[WorkstreamId, ...]:
    return tuple(car.workstream for car in cars)


# ---------------------------------------------------------------- conclusions


def train_conclusions(state: RunState) -> Sequence[e.Event]:
    """What follows from the results of checks so far."""
    return (
        *_base_judged(state),
        *_lost(state),
        *_verified(state),
        *_suspicions(state),
        *_about_suspects(state),
        *arbitration(state),
        *reviews(state),
        *_research(state),
    )


def _base_judged(state: RunState) -> Iterator[e.Event]:
    """Whether the base passes its checks, once that is certain."""
    tree = state.base_checks.tree
    if tree is None or not awaits_base(state) or state.phase is Phase.STOPPING:
        return
    found = base_word(state)
    if found.green:
        yield e.BaseJudged(target=state.target)
    red = found.red
    if red is None and found.open is not None and lost_too_often(state, tree, (found.open,)):
        yield e.BaseJudged(target=state.target, command=found.open.run, outcome=e.CheckOutcome.LOST)
    if red is not None and confirmed(judgement(state, tree, red.run)):
        last = judgement(state, tree, red.run).last
        assert last is not None
        yield e.BaseJudged(target=state.target, command=red.run, outcome=last.outcome, log=last.log)


def _lost(state: RunState) -> Iterator[e.Event]:
    """A tree whose check never gives a result cannot be judged: the last claim that joined it needs a person."""
    for _, car, checks in _stretches(state):
        if lost_too_often(state, car.tree, checks):
            yield _unjudged(car.workstream)
    for suspect in state.suspects:
        step = next_step(state, suspect)
        if isinstance(step, Probe) and lost_too_often(state, step.tree, (step.check,)):
            yield _unjudged(suspect.workstream)


def _unjudged(name: WorkstreamId) -> e.Event:
    reason = "a check on its work was lost several times (killed, or the machine went down)"
    return e.WorkstreamEscalated(workstream=name, reason=reason, commands=(f"wto continue {name}",))


def _verified(state: RunState) -> Iterator[e.Event]:
    green = prefixes(state).green
    if not green:
        return
    cars = state.train.cars[:green]
    count = len(checks_of(state, _names(cars)))
    for car in cars:
        if state.workstreams[car.workstream].stage is Stage.VERIFYING:
            yield e.Verified(workstream=car.workstream, commit=cars[-1].commit, tree=cars[-1].tree, checks=count)


def _suspicions(state: RunState) -> Iterator[e.Event]:
    found = prefixes(state)
    if found.green or found.red != 1 or advancing(state):
        return
    car = state.train.cars[0]
    red = word(state, car.tree, checks_of(state, (car.workstream,))).red
    assert red is not None
    yield e.RiderSuspected(
        workstream=car.workstream, head=car.head, onto=car.onto, commit=car.commit, tree=car.tree, command=red.run
    )


def _about_suspects(state: RunState) -> Iterator[e.Event]:
    for suspect in state.suspects:
        step = next_step(state, suspect)
        if step is not None and not isinstance(step, Probe | MakeTrial):
            yield step


def _research(state: RunState) -> Iterator[e.Event]:
    """Claims of research have no commits and need no train."""
    for ws in state.workstreams.values():
        if is_reviewer(ws) or awaits_word(state, ws):
            continue
        nothing = ws.spec.kind is Kind.RESEARCH or only_answers(ws)
        if ws.stage is Stage.VERIFYING and nothing and state.landing is None:
            yield e.Integrated(workstream=ws.id, head=ws.head, onto=state.integration.commit or state.base, commit=None)


# ---------------------------------------------------------------- effects


def train_effects(state: RunState) -> Sequence[Effect]:
    """The merges and the moves of the integration branch that should be under way."""
    return (*_assemble(state), *_trials(state), *_advance(state))


def _assemble(state: RunState) -> Iterator[Effect]:
    assert state.integration.commit is not None
    for key in of_kind(state.effects.open, EffectKind.ASSEMBLE):
        yield _pinned(state.effects.pins[key])
        return
    free = waiting(state)[:LONGEST]
    if of_kind(state.effects.open, EffectKind.VERIFY):
        return  # another claim is about to come: they join together, in their order
    ready = [(ws, found) for ws in free if (found := acceptance(ws)) is not None]
    if ready and not advancing(state) and state.candidate is None:
        yield Assemble(
            onto=state.train.tip or state.integration.commit,
            riders=tuple((ws.id, found.commit) for ws, found in ready),
            at=max(found.at for _, found in ready),
        )


def _pinned(pinned: Mapping[str, str]) -> Assemble:
    """The merge that was started: no other may build on the same car at the same time."""
    riders = (each.partition("=") for each in pinned["riders"].split())
    return Assemble(
        onto=CommitId(pinned["onto"]),
        riders=tuple((WorkstreamId(name), CommitId(head)) for name, _, head in riders),
        at=float(pinned["at"]),
    )


def _trials(state: RunState) -> Iterator[Effect]:
    for suspect in state.suspects:
        step = next_step(state, suspect)
        if isinstance(step, MakeTrial):
            yield step


def _advance(state: RunState) -> Iterator[Effect]:
    assert state.integration.commit is not None
    cars = state.train.cars
    length = len(advancing(state)) or prefixes(state).green
    if not length or any(state.workstreams[car.workstream].stage is not Stage.VERIFIED for car in cars[:length]):
        return
    yield Advance(commit=cars[length - 1].commit, onto=cars[0].onto, takes=tuple(cars[:length]))


# ---------------------------------------------------------------- checks


def wanted_checks(state: RunState) -> tuple[Probe, ...]:
    """Every check that is worth running now, the most urgent first."""
    steps = [step for suspect in state.suspects if isinstance(step := next_step(state, suspect), Probe)]
    urgent = (step for step in steps if step.purpose in CERTAIN)
    later = (step for step in steps if step.purpose not in CERTAIN)
    return (*_base(state), *_landing(state), *urgent, *_train_probes(state), *later)


def _base(state: RunState) -> Iterator[Probe]:
    tree = state.base_checks.tree
    if tree is None or not awaits_base(state):
        return
    found = base_word(state)
    check = found.open if found.red is None else found.red
    if check is not None and not confirmed(judgement(state, tree, check.run)):
        yield Probe(workstream=None, commit=state.base, tree=tree, check=check, purpose="base")


def _landing(state: RunState) -> Iterator[Probe]:
    made = state.candidate
    if made is None or made.checked:
        return
    checks = checks_of(state, landing_names(state))
    found = word(state, made.tree, checks)
    check = found.open if found.red is None else found.red
    if check is not None and not confirmed(judgement(state, made.tree, check.run)):
        yield Probe(workstream=None, commit=made.commit, tree=made.tree, check=check, purpose="landing")


def landing_names(state: RunState) -> tuple[WorkstreamId, ...]:
    """The workstreams whose work a landing carries."""
    return tuple(ws.id for ws in state.workstreams.values() if ws.stage in {Stage.INTEGRATED, Stage.LANDED})


def _train_probes(state: RunState) -> Iterator[Probe]:
    cars, found = state.train.cars, prefixes(state)
    for length in _lengths(state, found):
        names = _names(cars[:length])
        check = word(state, cars[length - 1].tree, checks_of(state, names)).open
        if check is not None:
            car = cars[length - 1]
            yield Probe(
                workstream=car.workstream,
                commit=car.commit,
                tree=car.tree,
                check=check,
                purpose="train",
                ahead=names[:-1],
            )


def _lengths(state: RunState, found: Prefixes) -> tuple[int, ...]:
    """The prefixes to check: those that run already and still matter, then new ones for the free slots."""
    cars, workers = state.train.cars, state.plan.limits.checks
    end = len(cars) + 1 if found.red is None else found.red
    begun = [length for length in range(found.green + 1, end) if _begun(state, cars[length - 1])][:workers]
    integrated, rejected = state.rides.integrated, state.rides.rejected
    chosen = probes(
        len(cars) - found.green,
        red=None if found.red is None else found.red - found.green,
        workers=workers,
        rejects=share_of_rejects(integrated=integrated, rejected=rejected),
    )
    new = [length + found.green for length in chosen if length + found.green not in begun]
    return tuple(sorted((*begun, *new[: workers - len(begun)])))


def _begun(state: RunState, car: MergeMade) -> bool:
    running = any(command.commit == car.commit and command.probe == "train" for command in state.commands.values())
    pinned = any(
        pins.get("commit") == car.commit and pins.get("probe") == "train" for pins in state.effects.pins.values()
    )
    return running or pinned or any(each.passed for each in state.checks.judged.get(car.tree, {}).values())


def check_effects(state: RunState) -> Sequence[Effect]:
    """The checks to start in the free slots."""
    started = {(command.commit, command.command) for command in state.commands.values() if command.purpose == "check"}
    intended = [(key, pins) for key, pins in state.effects.pins.items() if pins.get("purpose") == "check"]
    pinned = {(pins["commit"], pins["command"]): (key, pins) for key, pins in intended if key in state.effects.open}
    failed = {
        (pins["commit"], pins["command"]): key.process
        for key, pins in intended
        if key in state.effects.failures and key not in state.effects.open
    }
    busy = {command.slot for command in state.commands.values()} | {int(pins["slot"]) for _, pins in pinned.values()}
    free = [slot for slot in range(1, state.plan.limits.checks + 1) if slot not in busy]
    effects: list[Effect] = []
    number = state.checks.begun
    wanted = wanted_checks(state)
    under_way = {*started, *pinned}
    alone = any(_repeats(state, probe) and (probe.commit, probe.check.run) in under_way for probe in wanted)
    for probe in wanted:
        name = (probe.commit, probe.check.run)
        if name in started:
            continue
        if name in pinned:
            effects.append(_begun_already(probe, *pinned[name]))
            continue
        repeats = _repeats(state, probe)
        if alone or not free or (repeats and (under_way or effects)):
            alone = alone or (repeats and probe.purpose in _FIRST)  # nothing starts before it
        else:
            alone = repeats
            slot = next((each for each in free if state.checks.slots.get(each) == probe.commit), free[0])
            free.remove(slot)
            number += 1
            again = failed.get(name)  # under the same name, so that its tries are counted and pauses kept
            effects.append(_check(state, probe, slot, process=again or _new_process(state, probe, number)))
    return tuple(effects)


_FIRST = CERTAIN | {"landing", "base"}
"""Purposes of checks that nothing else that is new goes before when they have to run alone."""


def _repeats(state: RunState, probe: Probe) -> bool:
    """Whether it failed once already: a second failure is held against somebody, so it may share its time with no other
    check (they may want the same port, file or memory)."""
    found = judgement(state, probe.tree, probe.check.run)
    return bool(found.failed) and not found.passed


def _new_process(state: RunState, probe: Probe, number: int) -> ProcessId:
    return ProcessId(f"{state.id}.{probe.workstream or probe.purpose}.check.{probe.commit[:12]}.{number}")


def _check(state: RunState, probe: Probe, slot: int, *, process: ProcessId) -> RunCheck:
    return RunCheck(
        workstream=probe.workstream,
        commit=probe.commit,
        tree=probe.tree,
        process=process,
        check=probe.check,
        slot=slot,
        fresh=state.checks.slots.get(slot) != probe.commit,
        probe=probe.purpose,
        ahead=probe.ahead,
    )


def _begun_already(probe: Probe, key: EffectKey, pins: Mapping[str, str]) -> RunCheck:
    """The check that was to start before a restart, with its name and slot."""
    return RunCheck(
        workstream=probe.workstream,
        commit=probe.commit,
        tree=probe.tree,
        process=key.process,
        check=probe.check,
        slot=int(pins["slot"]),
        fresh=bool(pins["fresh"]),
        probe=pins["probe"],
        ahead=probe.ahead,
    )


def is_wanted(state: RunState, commit: CommitId | None, command: str) -> bool:
    """Whether the result of this check on this commit is still needed."""
    return any(probe.commit == commit and probe.check.run == command for probe in wanted_checks(state))


def without(state: RunState, name: WorkstreamId) -> tuple[tuple[MergeMade, ...], tuple[Suspect, ...]]:
    """The cars and suspects that are left when a claim is withdrawn: what was built on it goes too."""
    cars: list[MergeMade] = []
    for car in state.train.cars:
        if car.workstream == name:
            break
        cars.append(car)
    return tuple(cars), tuple(each for each in state.suspects if each.workstream != name)
