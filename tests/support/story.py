"""A small world around the pure machine: effects are answered by chance, step by step, and any prefix can be replayed.

No file, process or clock: what effects cause comes back as events, as the engine would bring them. It serves properties
over many short histories; the real engine is tested end to end.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from wt_orchestrate.domain import effects as f
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.effects import EffectKey, EffectKind, effect_key, parse_key, pins
from wt_orchestrate.domain.fold.run import fold
from wt_orchestrate.domain.ids import AttemptId, Branch, CommitId, ProcessId, RunId, TreeId, WorkstreamId
from wt_orchestrate.domain.machine import decide, quiet
from wt_orchestrate.domain.plan.model import AgentSpec, AgentType, Check, Defaults, Limits, Plan, Workstream
from wt_orchestrate.domain.plan.settings import Settings
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.state.workstream import live_attempt

RUN = RunId("r1")
BASE = CommitId("0" * 39 + "1")


@dataclass(slots=True)
class World:
    """What is true outside, and the log so far."""

    chance: random.Random
    plan: Plan
    records: list[e.Record] = field(default_factory=list)
    state: RunState | None = None
    under_way: dict[EffectKey, f.Effect] = field(default_factory=dict)
    now: float = 1000.0
    commits: int = 1
    vault_head: CommitId = BASE
    moved_to: list[CommitId] = field(default_factory=list)
    """Every commit that the integration branch was moved to."""
    passed: set[CommitId] = field(default_factory=set)
    starts: list[AttemptId] = field(default_factory=list)

    def begin(
        self, *, base_checks: tuple[str, ...] = (), base_passed: Mapping[TreeId, tuple[str, ...]] | None = None
    ) -> None:
        """Write the start of the run down."""
        self.note(
            e.RunStarted(
                plan=self.plan,
                settings=Settings(),
                plan_path="plan.yaml",
                target=Branch("main"),
                base=BASE,
                seed="00000000-0000-0000-0000-000000000000",
                repository="/r",
                base_checks=base_checks,
                base_passed=base_passed or {},
            )
        )

    def note(self, event: e.Event) -> None:
        """Append an event and fold it."""
        record = e.Record(
            number=len(self.records) + 1, at=self.now, actor=e.Actor.SUPERVISOR, run=RUN, cause="", event=event
        )
        self.records.append(record)
        self.state = fold(self.state, record)

    def step(self) -> bool:
        """Decide, then let one thing happen; False when nothing can any more."""
        assert self.state is not None
        self.now += 1.0
        self._decide()
        happenings = [*(key.text for key in self.under_way), *self._living()]
        if happenings:
            self._happen(self.chance.choice(sorted(happenings)))
            return True
        return not quiet(self.state)

    def crash(self) -> None:
        """Forget everything but the log and the outside world."""
        self.under_way.clear()
        state = None
        for record in self.records:
            state = fold(state, record)
        assert state == self.state
        for key in sorted(self.state.effects.open if self.state is not None else ()):
            name = AttemptId(key.process)
            if key.kind == EffectKind.START and name in self.starts:
                self._started(name, key.workstream)

    def _decide(self) -> None:
        for _ in range(100):
            assert self.state is not None
            decision = decide(self.state, self.now, under_way=frozenset(self.under_way))
            if not decision.conclusions:
                break
            for event in decision.conclusions:
                self.note(event)
        wanted = {effect_key(effect): effect for effect in decision.effects}
        assert self.state is not None
        for key in sorted(self.state.effects.open - set(self.under_way) - set(wanted)):
            self.note(e.EffectConcluded(key=key.text))
        for key, effect in wanted.items():
            if key not in self.state.effects.open:
                self.note(e.EffectIntended(key=key.text, effect=type(effect).__name__, pins=pins(effect)))
            self.under_way[key] = effect

    def _living(self) -> list[str]:
        assert self.state is not None
        attempts = [live_attempt(ws) for ws in self.state.workstreams.values()]
        return [
            *(f"end {each.id}" for each in attempts if each is not None),
            *(f"done {name}" for name in self.state.commands),
        ]

    def _happen(self, what: str) -> None:
        if what.startswith("end "):
            self._attempt_ends(AttemptId(what[4:]))
        elif what.startswith("done "):
            self._command_ends(ProcessId(what[5:]))
        else:
            self._performed(what, self.under_way.pop(parse_key(what)))

    # ------------------------------------------------------------ outcomes

    def _started(self, name: AttemptId, workstream: str) -> None:
        assert self.state is not None
        ws = next(each for each in self.state.workstreams.values() if each.id == workstream)
        if any(attempt.id == name for attempt in ws.attempts):
            return
        self.note(
            e.AttemptStarted(
                workstream=ws.id,
                attempt=name,
                epoch=int(name.rpartition(".")[2]),
                session="s",
                resumed=False,
                agent="a",
                agent_type=AgentType.COMMAND,
                reason="first",
                started_at=self.now,
            )
        )

    def _performed(self, key: str, effect: f.Effect) -> None:
        if self.chance.random() < 0.1:
            self.note(e.EffectFailed(key=key, reason="the disk is full"))
            return
        for event in self._outcome(effect):
            self.note(event)
        self.note(e.EffectConcluded(key=key))

    def _outcome(self, effect: f.Effect) -> list[e.Event]:
        assert self.state is not None
        match effect:
            case f.VaultBase(base=base):
                return [e.BaseVaulted(base=base, tree=TreeId(base))]
            case f.CreateWorktree(workstream=name, path=path, branch=branch, base=base):
                return [e.WorktreeCreated(workstream=name, path=path, branch=branch, base=base)]
            case f.StartAttempt(workstream=name, attempt=attempt):
                if attempt not in self.starts:
                    self.starts.append(attempt)
                self._started(attempt, name)
                return []
            case f.StopAttempt(workstream=name, attempt=attempt, reason=reason):
                return [e.AttemptStopping(workstream=name, attempt=attempt, reason=reason)]
            case f.Verify(workstream=name):
                return [self._verified(name)]
            case f.Assemble():
                return self._assembled(effect)
            case f.MakeTrial(workstream=name, onto=onto):
                commit = self._commit()
                return [e.TrialMade(workstream=name, onto=onto, commit=commit, tree=TreeId(commit))]
            case f.RunCheck():
                return [self._check_started(effect)]
            case f.Recall(workstream=name):
                return [e.MemoryRecalled(workstream=name)]
            case f.Publish(commit=commit, order=order):
                return [e.IntegrationPublished(commit=commit, order=order)]
            case f.Advance():
                return self._advanced(effect)
            case _:
                return []

    def _verified(self, name: WorkstreamId) -> e.Event:
        assert self.state is not None
        ws = self.state.workstreams[name]
        head = ws.head
        if self.chance.random() < 0.3 or head is None or not ws.commits:
            return e.ClaimRejected(workstream=name, head=head, findings=("there is no commit",))
        return e.ClaimAccepted(workstream=name, head=head, files=1, added=1, deleted=0, paths=(f"{name}.txt",))

    def _assembled(self, effect: f.Assemble) -> list[e.Event]:
        found: list[e.Event] = []
        below = effect.onto
        for name, head in effect.riders:
            if self.chance.random() < 0.2:
                found.append(e.MergeConflicted(workstream=name, head=head, onto=effect.onto, paths=("f.txt",)))
                found.append(e.SettleFailed(workstream=name, head=head, onto=effect.onto, paths=("f.txt",)))
                continue
            commit = self._commit()
            found.append(
                e.MergeMade(workstream=name, head=head, onto=below, commit=commit, tree=TreeId(commit), proven_paths=1)
            )
            below = commit
        return found

    def _check_started(self, effect: f.RunCheck) -> e.Event:
        return e.CommandStarted(
            workstream=effect.workstream,
            process=effect.process,
            purpose="check",
            command=effect.check.run,
            commit=effect.commit,
            tree=effect.tree,
            slot=effect.slot,
            probe=effect.probe,
            ahead=effect.ahead,
        )

    def _advanced(self, effect: f.Advance) -> list[e.Event]:
        if self.vault_head not in {effect.onto, effect.commit}:
            return [
                e.IntegrationMoved(workstream=each.workstream, found=self.vault_head, tree=TreeId(self.vault_head))
                for each in effect.takes
            ]
        self.vault_head = effect.commit
        self.moved_to.append(effect.commit)
        return [
            e.Integrated(workstream=each.workstream, head=each.head, onto=each.onto, commit=each.commit)
            for each in effect.takes
        ]

    def _commit(self) -> CommitId:
        self.commits += 1
        return CommitId(f"{self.commits:040x}")

    def _attempt_ends(self, name: AttemptId) -> None:
        assert self.state is not None
        ws = next(ws for ws in self.state.workstreams.values() if any(a.id == name for a in ws.attempts))
        if self.chance.random() < 0.7:
            head = self._commit()
            self.note(e.CommitsSeen(workstream=ws.id, head=head, count=ws.commits + 1, commits=()))
        code = 0 if self.chance.random() < 0.7 else 1
        self.note(e.AttemptEnded(workstream=ws.id, attempt=name, exit_code=code, cause="exit", ended_at=self.now))

    def _command_ends(self, process: ProcessId) -> None:
        assert self.state is not None
        command = self.state.commands[process]
        if command.commit is None or command.tree is None:
            self.note(e.CommandDropped(process=process))
            return
        outcomes = (e.CheckOutcome.PASSED,) * 6 + (e.CheckOutcome.FAILED, e.CheckOutcome.LOST)
        outcome = self.chance.choice(outcomes)
        if outcome is e.CheckOutcome.PASSED:
            self.passed.add(command.commit)
        self.note(
            e.CheckFinished(
                workstream=command.workstream,
                commit=command.commit,
                tree=command.tree,
                command=command.command,
                outcome=outcome,
                exit_code=0,
                duration_s=1.0,
                log="",
                tail="",
                process=process,
                probe=command.probe,
                ahead=command.ahead,
            )
        )


def random_plan(chance: random.Random) -> Plan:
    """A plan of up to six workstreams with needs among them."""
    names = [f"w{number}" for number in range(chance.randint(1, 6))]
    streams = {
        name: Workstream(brief="x", needs=tuple(need for need in names[:number] if chance.random() < 0.3))
        for number, name in enumerate(names)
    }
    return Plan(
        goal="g",
        workstreams=streams,
        checks=(Check(run="check"),) if chance.random() < 0.8 else (),
        limits=Limits(agents=chance.randint(1, 3), checks=chance.randint(1, 3)),
        agents={"a": AgentSpec(type=AgentType.COMMAND, run="x")},
        defaults=Defaults(agent="a", retries=chance.randint(0, 2), idle="0s"),
    )
