"""Keys of effects: the text that logs have is stored for good, and reading it gives the key again."""

from __future__ import annotations

from typing import get_args

from wt_orchestrate.domain import effects as f
from wt_orchestrate.domain.ids import AttemptId, Branch, CommitId, ProcessId, TreeId, WorkstreamId
from wt_orchestrate.domain.plan.model import Check

A = WorkstreamId("a")
ATTEMPT = AttemptId("r1.a.2")
ONE, TWO = CommitId("1" * 40), CommitId("2" * 40)
STORED: dict[str, f.Effect] = {
    f"vault:{ONE}": f.VaultBase(base=ONE),
    "worktree:a": f.CreateWorktree(workstream=A, path="/w/a", branch=Branch("wto/r1/a"), base=ONE),
    "command:r1.a.setup.1": f.RunSetup(workstream=A, process=ProcessId("r1.a.setup.1"), command="x", worktree="/w/a"),
    "start:r1.a.2": f.StartAttempt(
        workstream=A, attempt=ATTEMPT, epoch=2, session="s", resume=False, reason="first", prompt="x", budget_usd=None
    ),
    "stop:r1.a.2": f.StopAttempt(workstream=A, attempt=ATTEMPT, reason="x"),
    "stop:r1.a.setup.1": f.StopCommand(process=ProcessId("r1.a.setup.1")),
    "answer:r1.a.2:q:1": f.AnswerAsk(
        workstream=A, attempt=ATTEMPT, ask="q:1", question=True, payload="", allow=True, text="x"
    ),
    "tell:r1.a.2:m": f.SendMessage(workstream=A, attempt=ATTEMPT, message="m", text="x", interrupts=False),
    "verify:a:3": f.Verify(workstream=A, round=3),
    f"assemble:{ONE}:bbb0d61bc2705451": f.Assemble(onto=ONE, riders=((A, TWO),), at=1.0),
    f"trial:a:{ONE}:{TWO}": f.MakeTrial(workstream=A, head=ONE, onto=TWO, at=1.0),
    "command:r1.a.check.1": f.RunCheck(
        workstream=A,
        commit=ONE,
        tree=TreeId(ONE),
        process=ProcessId("r1.a.check.1"),
        check=Check(run="x"),
        slot=1,
        fresh=True,
        probe="train",
    ),
    f"advance:{ONE}": f.Advance(commit=ONE, onto=TWO),
    "publish:integration": f.Publish(commit=ONE, order=1),
    f"landing:{ONE}": f.PrepareLanding(target=Branch("main"), integration=ONE, allow_protected=False, at=1.0),
    f"land:{ONE}:{TWO}": f.Land(target=Branch("main"), commit=ONE, expected=TWO),
    "clean:a": f.CleanWorktree(workstream=A, force=False),
    "takeover:a": f.TakeOver(workstream=A, branch="theirs"),
    "restore:a": f.RestoreWorktree(workstream=A),
    "forecast:": f.Forecast(against=ONE, sides=()),
    "recall:a": f.Recall(workstream=A, terms=(), paths=()),
}
"""Each effect under the text that logs have for its key."""


def test_A2_the_stored_form_of_each_key_never_changes() -> None:
    """Every kind of effect has the key that earlier versions wrote, so that a restart knows what was under way."""
    assert {f.effect_key(effect).text: effect for effect in STORED.values()} == STORED
    assert {type(effect) for effect in STORED.values()} == set(get_args(f.Effect))


def test_a_key_that_is_read_is_the_key_that_was_written() -> None:
    """Reading a key from a log gives the very value that names the effect; so does one of a kind that is not known any more."""
    assert {f.parse_key(text) for text in STORED} == {f.effect_key(effect) for effect in STORED.values()}
    assert f.parse_key("merge:a:1").text == "merge:a:1"
    assert {key.kind for key in map(f.parse_key, STORED)} == {kind.value for kind in f.EffectKind}


def test_a_key_names_the_workstream_that_it_is_about() -> None:
    """Directly, or by one of its processes; an effect of the whole run names none of the run's."""
    named = {text for text in STORED if f.parse_key(text).workstream == A}
    of_the_run = ("vault:", "assemble:", "advance:", "publish:", "landing:", "land:", "forecast:")
    assert named == {text for text in STORED if not text.startswith(of_the_run)}
