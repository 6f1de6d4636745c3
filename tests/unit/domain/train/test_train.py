"""The train over the pure machine: who rides, what is checked next, what lands, who is blamed."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

import pytest

from tests.support.story import World
from wt_orchestrate.domain import effects as f
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.events.forecast import Clash
from wt_orchestrate.domain.ids import Branch, CommitId, TreeId, WorkstreamId
from wt_orchestrate.domain.machine import decide
from wt_orchestrate.domain.plan.model import Check, Limits, Plan, Workstream
from wt_orchestrate.domain.state.lifecycle import Stage
from wt_orchestrate.domain.state.run import Rides, RunState
from wt_orchestrate.domain.state.train import Blame
from wt_orchestrate.domain.status.view import view
from wt_orchestrate.errors import ExitCode

BASE = CommitId("0" * 39 + "1")
CHECK = "make test"


class Line:
    """A queue of branches, each claimed; `fails` says on which set of names the check fails."""

    def __init__(
        self,
        *names: str,
        workers: int = 1,
        fails: Callable[[frozenset[str]], bool],
        resolved: Mapping[str, str] | None = None,
    ) -> None:
        streams = {name: Workstream(brief=f"do {name}", branch=f"by-hand/{name}") for name in names}
        plan = Plan(goal="g", workstreams=streams, checks=(Check(run=CHECK),), limits=Limits(checks=workers))
        self.world = World(chance=random.Random(1), plan=plan)
        self.fails = fails
        self.resolved = resolved or {}
        """How the conflict of a name is resolved wherever it is merged onto others' work."""
        self.holds: dict[str, frozenset[str]] = {BASE: frozenset()}
        """What each commit has in it."""
        self.runs: list[tuple[str, ...]] = []
        self.advances: list[tuple[str, ...]] = []
        self.world.begin()
        self.world.note(e.BaseVaulted(base=BASE, tree=TreeId(BASE)))
        for name in names:
            self._claim(name)

    @property
    def state(self) -> RunState:
        assert self.world.state is not None
        return self.world.state

    def _claim(self, name: str) -> None:
        head = CommitId(f"head-{name}")
        self.holds[head] = frozenset({name})
        ws = WorkstreamId(name)
        self.world.note(e.ClaimMade(workstream=ws, by=e.Actor.PERSON))
        self.world.note(
            e.ClaimAccepted(workstream=ws, head=head, files=1, added=1, deleted=0, paths=("f",), tree=TreeId(head))
        )

    def turn(self, *, only: str = "") -> tuple[f.Effect, ...]:
        """Decide until only effects are left; perform them, or those of one kind."""
        decision = decide(self.state, self.world.now)
        while decision.conclusions:
            for event in decision.conclusions:
                self.world.note(event)
            decision = decide(self.state, self.world.now)
        for effect in decision.effects:
            if not only or type(effect).__name__ == only:
                self._perform(effect)
        return decision.effects

    def run(self) -> None:
        """Turn until nothing rides any more."""
        for _ in range(200):
            if not self.turn():
                return
        raise AssertionError("it does not come to rest")

    def _perform(self, effect: f.Effect) -> None:
        match effect:
            case f.Assemble(onto=onto, riders=riders):
                for name, head in riders:
                    onto = self._merged(name, head, onto)
            case f.MakeTrial(workstream=name, head=head, onto=onto):
                commit = CommitId(f"{onto}+{name}")
                self.holds[commit] = self.holds[onto] | self.holds[head]
                self.world.note(e.TrialMade(workstream=name, onto=onto, commit=commit, tree=TreeId(commit)))
            case f.RunCheck():
                self._checked(effect)
            case f.Advance(takes=takes):
                self.advances.append(tuple(each.workstream for each in takes))
                for each in takes:
                    self.world.note(
                        e.Integrated(workstream=each.workstream, head=each.head, onto=each.onto, commit=each.commit)
                    )
            case f.Publish(commit=commit, order=order):
                self.world.note(e.IntegrationPublished(commit=commit, order=order))
            case _:
                raise AssertionError(effect)

    def _merged(self, name: WorkstreamId, head: CommitId, onto: CommitId) -> CommitId:
        commit = CommitId(f"{onto}/{name}")
        self.holds[commit] = self.holds[onto] | self.holds[head]
        self.world.note(
            e.MergeMade(workstream=name, head=head, onto=onto, commit=commit, tree=TreeId(commit), proven_paths=1)
        )
        if name in self.resolved and self.holds[onto]:
            by = {"f": self.resolved[name]}
            self.world.note(e.ConflictSettled(workstream=name, head=head, onto=onto, commit=commit, by=by))
        return commit

    def _checked(self, effect: f.RunCheck) -> None:
        names = self.holds[effect.commit]
        self.runs.append((effect.probe, *sorted(names)))
        outcome = e.CheckOutcome.FAILED if self.fails(names) else e.CheckOutcome.PASSED
        self.world.note(
            e.CheckFinished(
                workstream=effect.workstream,
                commit=effect.commit,
                tree=effect.tree,
                command=effect.check.run,
                outcome=outcome,
                exit_code=int(outcome is e.CheckOutcome.FAILED),
                duration_s=1.0,
                log="log",
                tail="the end",
                process=effect.process,
                probe=effect.probe,
                ahead=effect.ahead,
            )
        )

    def stages(self) -> dict[str, Stage]:
        return {name: ws.stage for name, ws in self.state.workstreams.items()}


def test_a_green_train_lands_at_once_after_one_run() -> None:
    """Four good claims are merged together, checked once as a whole, and integrated by one move of the branch."""
    line = Line("a", "b", "c", "d", fails=lambda names: False)
    line.run()
    assert line.runs == [("train", "a", "b", "c", "d")]
    assert line.advances == [("a", "b", "c", "d")]
    assert set(line.stages().values()) == {Stage.INTEGRATED}


def test_the_longest_green_prefix_lands_and_the_bad_one_is_made_certain() -> None:
    """The bad one is found by halving, asked again on its tree, then blamed alone; the others are in."""
    line = Line("a", "b", "c", "d", fails=lambda names: "c" in names)
    line.run()
    assert line.runs == [
        ("train", "a", "b", "c", "d"),
        ("train", "a", "b"),
        ("train", "a", "b", "c"),
        ("confirm", "a", "b", "c"),
        ("train", "a", "b", "d"),
        ("alone", "c"),
        ("alone", "c"),
    ]
    assert line.stages() == {"a": Stage.INTEGRATED, "b": Stage.INTEGRATED, "c": Stage.FAILED, "d": Stage.INTEGRATED}
    assert line.state.workstreams[WorkstreamId("c")].outcome.reason == (
        f"the check `{CHECK}` failed on its work merged with the integration branch"
    )


def test_a_pair_that_fails_only_together_is_named() -> None:
    """The work passes alone; what it fails with is found among what was integrated before it, by halving."""
    line = Line("a", "b", "c", "d", "e", fails=lambda names: {"b", "e"} <= names)
    line.run()
    stream = line.state.workstreams[WorkstreamId("e")]
    assert stream.faults.blame is not None and (stream.faults.blame.partner, stream.faults.blame.alone) == ("b", False)
    assert stream.outcome.reason.endswith("; it passed on this work alone and failed together with b")
    assert [ws for ws, stage in line.stages().items() if stage is Stage.INTEGRATED] == ["a", "b", "c", "d"]
    assert [run for run in line.runs if run[0] in {"alone", "trial"}] == [
        ("alone", "e"),
        ("trial", "a", "b", "e"),
        ("trial", "a", "b", "e"),
        ("trial", "a", "e"),
    ]


def test_a_resolution_holds_only_where_it_was_made() -> None:
    """b is resolved on a, which is refused: b is merged again without a, has no conflict, and nothing is told of one."""
    line = Line("a", "b", fails=lambda names: "a" in names, resolved={"b": "union"})
    line.run()
    assert line.stages() == {"a": Stage.FAILED, "b": Stage.INTEGRATED}
    assert line.state.workstreams[WorkstreamId("b")].conflict is None


def test_a_refusal_says_how_the_conflict_was_resolved() -> None:
    """The check fails on b merged by union, and passes on b alone: both facts are in the reason."""
    line = Line("a", "b", fails=lambda names: {"a", "b"} <= names, resolved={"b": "union"})
    line.run()
    stream = line.state.workstreams[WorkstreamId("b")]
    assert stream.stage is Stage.FAILED
    assert (
        "failed together with a; its conflict in f was resolved by union, which may be the cause"
        in stream.outcome.reason
    )


def test_a_tried_union_that_fails_is_nobody_s_fault() -> None:
    """It was only a guess: the conflict is open again for a person, and no partner is searched for."""
    line = Line("a", "b", "c", fails=lambda names: {"a", "b"} <= names, resolved={"b": "try_union"})
    line.run()
    stream = line.state.workstreams[WorkstreamId("b")]
    assert line.stages() == {"a": Stage.INTEGRATED, "b": Stage.ESCALATED, "c": Stage.INTEGRATED}
    assert stream.outcome.reason.endswith(f" in f (f: union was tried, and `{CHECK}` failed)")
    assert stream.faults.failed_check is None
    assert not [run for run in line.runs if run[0] == "trial"]


def test_work_that_fails_alone_is_blamed_though_union_was_tried() -> None:
    """The guess has nothing to do with it."""
    line = Line("a", "b", fails=lambda names: "b" in names, resolved={"b": "try_union"})
    line.run()
    stream = line.state.workstreams[WorkstreamId("b")]
    assert stream.stage is Stage.FAILED and stream.faults.blame is not None and stream.faults.blame.alone


def test_nobody_is_blamed_for_a_red_target() -> None:
    """Where the check fails without the work too, that is what is said of it, it is no reject, and a person is asked."""
    line = Line("a", fails=lambda names: "mend" not in names)
    line.run()
    assert line.runs == [("train", "a"), ("confirm", "a"), ("target",), ("target",)]
    stream = line.state.workstreams[WorkstreamId("a")]
    assert stream.faults.blame is not None and stream.faults.blame.on_target
    assert line.state.rides == Rides()
    assert stream.stage is Stage.ESCALATED
    assert stream.outcome.reason.endswith("; the check failed on the target too, without this work")


def test_who_mends_a_red_target_lands_and_the_others_ride_again() -> None:
    """One that fails on a red target is aside until another has mended it; then it rides upon that, blamed for nothing."""
    line = Line("a", "mend", "bad", fails=lambda names: "mend" not in names or "bad" in names)
    line.run()
    assert line.runs == [
        ("train", "a", "bad", "mend"),
        ("train", "a"),
        ("confirm", "a"),
        ("target",),
        ("train", "bad", "mend"),
        ("train", "mend"),
        ("confirm", "bad", "mend"),
        ("train", "a", "mend"),
        ("alone", "bad"),
        ("alone", "bad"),
    ]
    assert line.stages() == {"a": Stage.INTEGRATED, "mend": Stage.INTEGRATED, "bad": Stage.FAILED}


def test_a_flaky_check_blames_nobody() -> None:
    """A check that fails once and passes on the very same tree lets its claim ride again, without another run of it."""
    failures = iter([True])
    line = Line("a", fails=lambda names: next(failures, False))
    line.run()
    assert line.runs == [("train", "a"), ("confirm", "a")]
    assert line.stages() == {"a": Stage.INTEGRATED}
    assert [each.flaky for of_tree in line.state.checks.judged.values() for each in of_tree.values()] == [True]


@pytest.mark.parametrize(
    ("bad", "flakes", "blame"),
    [
        ({"a"}, set(), Blame(alone=True)),
        ({"a", "b"}, {"b"}, Blame(alone=False, partner=WorkstreamId("a"))),
    ],
)
def test_one_failure_of_a_comparison_says_nothing(bad: set[str], flakes: set[str], blame: Blame) -> None:
    """A run on the target, or on the work alone, that fails once and passes when it is asked again turns no blame."""
    once = {frozenset(flakes)}

    def fails(names: frozenset[str]) -> bool:
        if names in once:
            once.remove(names)
            return True
        return bad <= names

    line = Line(*sorted(bad), fails=fails)
    line.run()
    stream = line.state.workstreams[WorkstreamId(max(bad))]
    assert stream.faults.blame == blame
    assert not once


def test_several_places_check_several_prefixes_at_once() -> None:
    """With three places three prefixes below the failing one are begun, each in a place of its own; none is begun twice."""
    line = Line(*"abcdefgh", workers=3, fails=lambda names: len(names) > 4)
    line.turn(only="Assemble")
    line.turn(only="RunCheck")
    begun = [effect for effect in line.turn(only="Nothing") if isinstance(effect, f.RunCheck)]
    assert ["".join(sorted(line.holds[effect.commit])) for effect in begun] == ["a", "abc", "abcd"]
    assert sorted(effect.slot for effect in begun) == [1, 2, 3]


def test_a_claim_that_is_called_back_takes_what_is_built_upon_it_along() -> None:
    """Whoever rides behind a cancelled one is merged anew without it; whoever rides ahead stays."""
    line = Line("a", "b", "c", fails=lambda names: False)
    line.turn(only="Assemble")
    assert [car.workstream for car in line.state.train.cars] == ["a", "b", "c"]
    line.world.note(e.CancelRequested(workstream=WorkstreamId("b"), reason="no"))
    line.turn(only="Nothing")
    assert [car.workstream for car in line.state.train.cars] == ["a"]
    line.run()
    assert line.stages() == {"a": Stage.INTEGRATED, "b": Stage.CANCELLED, "c": Stage.INTEGRATED}


def test_a_rider_waits_only_for_those_aboard() -> None:
    """A claim that conflicts with cars ahead is not tried again before they are in, or gone."""
    line = Line("a", "b", fails=lambda names: False)
    a, b = WorkstreamId("a"), WorkstreamId("b")
    line._merged(a, CommitId("head-a"), BASE)
    line.world.note(
        e.RiderWaits(workstream=b, head=CommitId("head-b"), onto=BASE, partners=(a,), paths=("f",)),
    )
    assert not any(isinstance(effect, f.Assemble) for effect in line.turn(only="RunCheck"))
    line.turn(only="Advance")
    assert line.state.train.waiting == {}
    assert [effect.riders for effect in line.turn(only="Nothing") if isinstance(effect, f.Assemble)] == [
        ((b, CommitId("head-b")),)
    ]


def test_a_refused_landing_is_told_until_work_is_integrated_or_landed() -> None:
    """That there was nothing to land is no warning any more once there is, whether its train or a forge brought it in."""
    line = Line("a", "b", fails=lambda names: False)
    refused = e.LandRefused(reason="there is nothing to land", code=ExitCode.CONFLICT, commands=("wto land",))
    line.world.note(refused)
    assert view(line.state)["run"]["reason"] == "there is nothing to land"
    line.run()
    assert line.state.workstreams[WorkstreamId("a")].stage is Stage.INTEGRATED
    assert view(line.state)["run"]["reason"] == ""
    a, b, there = WorkstreamId("a"), WorkstreamId("b"), CommitId("c" * 40)
    further = (
        e.Integrated(workstream=b, head=CommitId("head-b"), onto=there, commit=None),
        e.MergedElsewhere(workstream=b, commit=there),
        e.Landed(target=Branch("main"), commit=there, before=BASE, workstreams=(a,)),
    )
    for event in further:
        line.world.note(refused)
        assert line.state.land_refusal
        line.world.note(event)
        assert not line.state.land_refusal, event


def test_who_meets_fewest_others_rides_first() -> None:
    """Where the radar foresees that one conflicts with two, the two ride ahead of it, and each in its turn otherwise."""
    line = Line("a", "b", "c", fails=lambda names: False)
    clashes = tuple(Clash(one=WorkstreamId("a"), other=other, paths=("f",)) for other in "bc")
    line.world.note(e.ForecastMade(found=clashes))
    (assembly,) = [effect for effect in line.turn(only="Nothing") if isinstance(effect, f.Assemble)]
    assert [name for name, _ in assembly.riders] == ["b", "c", "a"]


def test_L4_a_check_that_failed_is_repeated_alone() -> None:
    """The second run of a failed check, which is held against somebody, starts beside no other check, and none beside it."""
    line = Line(*"abcdefgh", workers=3, fails=lambda names: "d" in names)
    failed: set[str] = set()
    repeats = 0
    for _ in range(200):
        effects = line.turn()
        started = [effect for effect in effects if isinstance(effect, f.RunCheck)]
        repeated = [effect for effect in started if effect.commit in failed]
        assert len(started) == 1 or not repeated, started
        repeats += len(repeated)
        failed |= {effect.commit for effect in started if line.fails(line.holds[effect.commit])}
        if not effects:
            break
    assert repeats > 0 and line.stages()["d"] is not Stage.INTEGRATED
    assert all(stage is Stage.INTEGRATED for name, stage in line.stages().items() if name != "d")
