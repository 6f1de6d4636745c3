"""Stages as a pipeline: a synthesis plans the next one, a gate waits for a person, and what failed holds or is given up."""

from __future__ import annotations

import json
from typing import Any

from tests.support.project import COMMAND_AGENT, COMMIT, Project
from tests.support.stages import NOTES, drawn_together, found
from tests.support.waiting import wait_until

RESEARCH = """goal: Mend the service
stages:
  - {name: research, gate: approval, synthesis: true}
  - execution
"""
STREAMS = """workstreams:
  database: {brief: Look at the database, stage: research, kind: research}
  config: {brief: Look at the configuration, stage: research, kind: research}
"""
PLANNED = "pool: {title: Mend the pool, brief: Mend it, scope: [pool.txt]}\nport: {brief: One port, needs: [pool]}"
MEETING = "pool: {brief: Mend it, scope: ['src/**']}\nport: {brief: One port, scope: [src/port.py]}"
SCRIPTS = {"database": found("Found the pool."), "config": found("Found the port."), "pool": COMMIT, "port": COMMIT}


def _plan(project: Project, scripts: dict[str, str], text: str = RESEARCH, streams: str = STREAMS) -> str:
    return project.plan(text + COMMAND_AGENT + streams, {**SCRIPTS, **scripts})


def _gate(project: Project) -> Any:
    return project.wto("approve", "--json").json["gate"]


def test_a_stage_is_drawn_together_and_the_next_one_begins_after_a_persons_word(project: Project) -> None:
    """Both handoffs reach the synthesis as data; what it plans waits at the gate, shown everywhere, and begins with `approve`."""
    asked = 'grep -q "Found the pool" "$WTO_BRIEF" && grep -q "Found the port" "$WTO_BRIEF"\n'
    plan = _plan(project, {"research-synthesis": asked + drawn_together(PLANNED)})
    ended = project.wto("run", "--land", plan)
    assert ended.code == 8, ended.out + ended.err
    assert "the stage research is complete and needs approval: wto approve research; pool, port wait" in ended.out
    assert project.stages() == {
        "database": "integrated",
        "config": "integrated",
        "research-synthesis": "verifying",
        "pool": "queued",
        "port": "queued",
    }
    status = project.status()
    assert status["next"][0] == "wto approve research"
    (research, execution) = status["stages"]
    assert (research["standing"], execution["standing"]) == ("waiting for approval", "ahead")
    assert research["then"] == ["pool", "port"] and research["waits_since"]
    synthesis = next(ws for ws in status["workstreams"] if ws["id"] == "research-synthesis")
    assert (synthesis["condition"], synthesis["role"]) == ("waiting for approval", "synthesiser")
    assert "needs your approval" in project.wto("status").out
    shown = project.wto("approve")
    assert shown.code == 8 and "the file says 5432" in shown.out and "Mend the pool" in shown.out
    gate = _gate(project)
    assert gate["notes"]["follow-ups"] == "Rotate the password." and [ws["id"] for ws in gate["then"]] == [
        "pool",
        "port",
    ]
    assert project.wto("approve", "research", "-n").code == 0
    assert project.stages()["pool"] == "queued"
    approved = project.wto("approve", "research")
    assert approved.code == 0, approved.out + approved.err
    assert set(project.stages().values()) == {"landed"}
    report = project.wto("report", "--format", "json").json
    assert report["waiting_s"]["person"] > 0
    again = project.wto("approve", "research")
    assert again.code == 6 and "is already approved" in again.err
    assert project.processes() == []


def test_a_synthesis_that_is_sent_back_goes_on_with_the_persons_words(project: Project) -> None:
    """What it had planned leaves the run, the words reach its agent, and the new plan waits for another word."""
    plan = _plan(
        project,
        {
            "research-synthesis.1": drawn_together(MEETING),
            "research-synthesis.2": 'grep -q "Leave the pool alone" "$WTO_BRIEF"\n'
            + drawn_together("port: {brief: One port}"),
        },
    )
    assert project.wto("run", plan).code == 8
    before = _gate(project)["round"]
    doubt = "'pool' and 'port' may run at the same time and both may write 'src/port.py'"
    assert _gate(project)["warnings"] == [doubt] and doubt in project.wto("approve").out
    sent = project.wto("approve", "research", "--no", "Leave the pool alone")
    assert sent.code == 8, sent.out + sent.err
    assert "removed from the run, planned by research-synthesis: pool, port" in sent.out
    assert list(project.stages()) == ["database", "config", "research-synthesis", "port"]
    stale = project.wto("approve", "research", "--round", str(before))
    assert stale.code == 6 and "has changed since you looked" in stale.err
    assert project.wto("approve", "research", "--round", str(_gate(project)["round"])).code == 0
    assert project.stages()["port"] == "integrated"


def test_nothing_of_what_would_begin_is_hidden_at_the_gate(project: Project) -> None:
    """Who does it and in which role is shown, and a brief that is cut says by how much and where all of it is."""
    brief = "\\n".join(f"step {number}" for number in range(1, 21))
    planned = f'pool: {{title: Mend it, role: debugger, agent: scripted, brief: "{brief}"}}'
    assert project.wto("run", _plan(project, {"research-synthesis": drawn_together(planned)})).code == 8
    shown = project.wto("approve").out
    assert "Mend it  (execution, debugger, agent scripted)" in shown
    assert "| step 12" in shown and "| step 13" not in shown and "8 more lines: see wto approve --json" in shown
    (pool,) = _gate(project)["then"]
    assert project.wto("cancel", "research-synthesis").code == 0
    alone = project.wto("approve").out
    assert "cancelled: research-synthesis" in alone and "--no" not in alone and "Decisions" not in alone
    assert _gate(project)["notes"] == {}
    assert (pool["role"], pool["agent"]) == ("debugger", "scripted") and pool["brief"].endswith("step 20")


def test_at_the_gate_a_person_edits_adds_and_cancels_what_comes_next(project: Project) -> None:
    """The verbs that a run has anyway change the next stage before any of it begins."""
    extra = project.folder / "more.yaml"
    extra.write_text("workstreams: {docs: {brief: Tell of it, stage: execution, needs: [pool]}}\n")
    edited = 'grep -q "Only the timeout" "$WTO_BRIEF"\n' + COMMIT
    plan = _plan(project, {"research-synthesis": drawn_together(PLANNED), "pool": edited, "docs": COMMIT})
    assert project.wto("run", plan).code == 8
    assert project.wto("edit", "pool", "--brief", "Only the timeout").code == 0
    assert project.wto("cancel", "port").code == 0
    assert project.wto("add", str(extra)).code == 8
    assert [ws["id"] for ws in _gate(project)["then"]] == ["pool", "docs"]
    ended = project.wto("approve", "research")
    assert ended.code == 11, ended.out
    stages = project.stages()
    assert (stages["pool"], stages["docs"], stages["port"]) == ("integrated", "integrated", "cancelled")


def test_a_round_is_not_approved_while_wishes_wait_that_it_does_not_show(project: Project) -> None:
    """An edit that nobody has taken is told at the gate and stands against `--round`; taken up and shown, it may begin."""
    edited = 'grep -q "Only the timeout" "$WTO_BRIEF"\n' + COMMIT
    plan = _plan(project, {"research-synthesis": drawn_together(PLANNED), "pool": edited})
    assert project.wto("run", plan).code == 8
    assert _gate(project)["untaken"] == "" and "to be handled" not in project.wto("approve").out
    number = _gate(project)["round"]
    assert project.wto("edit", "pool", "--brief", "Only the timeout").code == 0
    waits = "1 request waits to be handled, such as edit of pool"
    assert _gate(project)["untaken"] == waits
    assert waits in project.wto("approve").out and waits in project.wto("approve", "research", "-n").out
    refused = project.wto("approve", "research", "--round", str(number))
    assert refused.code != 0 and waits in refused.err and "wto resume" in refused.err
    assert project.stages()["pool"] == "queued"
    project.wto("resume")
    late = project.wto("approve", "research", "--round", str(number))
    assert late.code != 0 and "has changed since you looked" in late.err
    shown = _gate(project)
    assert shown["untaken"] == "" and shown["then"][0]["brief"].strip() == "Only the timeout"
    assert project.wto("approve", "research", "--round", str(shown["round"])).code == 0
    assert project.stages()["pool"] == "integrated"


def test_a_failed_workstream_holds_its_stage_until_a_person_gives_it_up(project: Project) -> None:
    """The other one goes on; after `cancel` the stage ends with what there is, and the synthesis is told what is missing."""
    told = 'grep -q "cancelled or failed" "$WTO_BRIEF" && grep -q "Look at the configuration" "$WTO_BRIEF"\n'
    plan = _plan(
        project,
        {"config": "exit 1\n", "research-synthesis": told + drawn_together("pool: {brief: Mend it}")},
        text=RESEARCH.replace("gate: approval, ", "").replace("goal: Mend the service", "goal: Mend the service"),
        streams=STREAMS.replace("kind: research}\n", "kind: research, retries: 0}\n"),
    )
    assert project.wto("run", plan).code == 11
    assert project.stages() == {"database": "integrated", "config": "failed"}
    assert project.wto("cancel", "config").code == 0
    ended = project.wto("resume")
    assert ended.code == 11, ended.out + ended.err
    assert project.stages() == {
        "database": "integrated",
        "config": "cancelled",
        "research-synthesis": "integrated",
        "pool": "integrated",
    }


def test_a_synthesis_is_not_believed_before_its_notes_and_its_plan_hold(project: Project) -> None:
    """Missing sections, a stage that is over, and what only the tool may say go back to its agent, one sentence each."""
    wrong = "pool: {brief: x, stage: research}\nx-review: {brief: x, serves: pool, review: ''}\nb: {brief: x, branch: main2}"
    plan = _plan(
        project,
        {
            "research-synthesis.1": drawn_together(
                wrong, NOTES.replace("## Learned\nThe tests need a running server.\n", "")
            ),
            "research-synthesis.2": 'cp "$WTO_BRIEF" "$SCRIPTS/told"\n' + drawn_together("none"),
        },
    )
    assert project.wto("run", plan).code == 8
    told = (project.folder / "scripts" / "told").read_text()
    assert "the section '## Learned' is missing or empty" in told
    assert "pool is in the stage 'research'; a synthesis plans only stages behind its own: execution" in told
    assert "x-review has serves: only a person may set that" in told
    assert "x-review has review:" in told and "b has branch:" in told
    assert list(project.stages()) == ["database", "config", "research-synthesis"]
    assert project.wto("approve", "research").code == 0


def test_a_gate_without_a_synthesis_holds_and_cannot_be_sent_back(project: Project) -> None:
    """A plain gate waits for the word; there is nobody to send anything back to."""
    text = "goal: Do it\nstages: [{name: build, gate: approval}, {name: ship, gate: approval}]\n"
    streams = "workstreams:\n  a: {brief: x, stage: build}\n  b: {brief: x, stage: ship}\n"
    plan = _plan(project, {"a": COMMIT, "b": COMMIT}, text, streams)
    ended = project.wto("run", "--land", plan)
    assert ended.code == 8 and project.stages() == {"a": "integrated", "b": "queued"}
    assert "wto approve build" in project.wto("status").out
    waited = project.wto("wait", "b")
    assert waited.code == 8 and "the stage build needs approval" in waited.err
    back = project.wto("approve", "build", "--no", "why")
    assert back.code == 6 and "has no synthesis to send back" in back.err
    for nothing in ("", " "):  # an empty variable of a script is no yes
        blank = project.wto("approve", "build", "--no", nothing)
        assert blank.code == 2 and "--no needs a reason" in blank.err
    assert project.stages()["b"] == "queued"
    early = project.wto("approve", "ship")
    assert early.code == 6 and "is not started, not at its gate" in early.err
    nowhere = project.wto("approve", "shop")
    assert nowhere.code == 6 and "stages with a gate: build, ship" in nowhere.err
    ended = project.wto("approve", "build")
    assert ended.code == 8 and project.stages() == {"a": "integrated", "b": "integrated"}
    landed = project.wto("approve", "ship", "--json")
    assert landed.code == 0, landed.out + landed.err
    assert json.loads(landed.out.splitlines()[0])["approved"] is True
    assert set(project.stages().values()) == {"landed"}
    assert project.wto("approve").code == 5


def test_a_supervisor_at_work_takes_the_word_at_once(project: Project) -> None:
    """While other work goes on beside the gate, `approve` is taken by the supervisor that is at work."""
    text = "goal: Do it\nlimits: {agents: 3}\nstages: [{name: build, gate: approval}, ship]\n"
    streams = "workstreams:\n  a: {brief: x, stage: build}\n  b: {brief: x, stage: ship}\n  aside: {brief: x}\n"
    wait = 'while [ ! -e "$TEST_FOLDER/open" ]; do sleep 0.05; done\n'
    plan = _plan(project, {"a": COMMIT, "b": COMMIT, "aside": wait + COMMIT}, text, streams)
    child = project.start("run", "--land", plan)
    wait_until(
        lambda: bool(project.stages()) and project.status()["next"] == ["wto approve build"],
        timeout_s=60,
        what="the gate",
    )
    assert project.stages()["aside"] == "working"
    said = project.wto("approve", "build")
    assert said.code == 0 and "Approved the stage build" in said.out
    (project.folder / "open").touch()
    assert child.wait(timeout=120) == 0
    assert set(project.stages().values()) == {"landed"}
