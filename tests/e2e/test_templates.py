"""The ready plans: valid as they are, and each led to landed work by scripted agents, stage by stage."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from tests.support.project import COMMAND_AGENT, Project
from tests.support.stages import built, drawn_together, found

NAMES = ("audit", "debug", "feature", "migrate", "refactor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What the agents of one ready plan do: what each synthesis plans, the file of each change, the gates in order."""

    syntheses: dict[str, str]
    changes: dict[str, str]
    gates: tuple[str, ...]
    research: tuple[str, ...]


STORIES = {
    "debug": Story(
        research=("reproduce", "trace", "history"),
        syntheses={
            "research": "pool: {title: Close what is opened, brief: Close it, scope: [src/pool.py], role: debugger}"
        },
        changes={"pool": "src/pool.py", "regression": "tests/pool.txt"},
        gates=("research",),
    ),
    "feature": Story(
        research=("surroundings", "behaviour", "dangers"),
        syntheses={
            "research": "types: {brief: The types, scope: [src/types.py]}\n"
            "reader: {brief: Read, scope: [src/reader.py], needs: [types]}\n"
            "writer: {brief: Write, scope: [src/writer.py], needs: [types]}"
        },
        changes={
            "types": "src/types.py",
            "reader": "src/reader.py",
            "writer": "src/writer.py",
            "acceptance": "tests/feature.txt",
            "documentation": "docs/feature.md",
        },
        gates=("research",),
    ),
    "refactor": Story(
        research=("callers", "contracts"),
        syntheses={
            "prepare": "room: {brief: Make room, scope: [src/new.py]}\n"
            "api: {brief: Move, scope: [api/**], needs: [room]}\njobs: {brief: Move, scope: [jobs/**], needs: [room]}"
        },
        changes={
            "safety-net": "tests/net.txt",
            "room": "src/new.py",
            "api": "api/a.py",
            "jobs": "jobs/j.py",
            "leftovers": "src/old.txt",
        },
        gates=("prepare",),
    ),
    "audit": Story(
        research=("security", "correctness", "performance", "dependencies", "tests", "verify"),
        syntheses={"audit": "quoting: {brief: Quote it, scope: [src/query.py]}"},
        changes={"quoting": "src/query.py"},
        gates=("audit",),
    ),
    "migrate": Story(
        research=("inventory", "differences", "way-back"),
        syntheses={
            "survey": "beside: {brief: Both, scope: [src/both.py]}\n"
            "first: {brief: Pilot, scope: [src/first.py], needs: [beside]}",
            "pilot": "second: {brief: The rest, scope: [src/second.py]}\nthird: {brief: The rest, scope: [src/third.py]}",
        },
        changes={
            "beside": "src/both.py",
            "first": "src/first.py",
            "second": "src/second.py",
            "third": "src/third.py",
            "old-goes": "src/old.txt",
            "documentation": "docs/new.md",
        },
        gates=("pilot",),
    ),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_ready_plan_is_led_to_landed_work(project: Project, name: str) -> None:
    """Several agents in its first stage, a synthesis that plans the next one, gates that wait, and everything lands."""
    story = STORIES[name]
    written = project.folder / "ready.yaml"
    goal = 'It is "mended": # for good'
    assert project.wto("plan", "new", str(written), "--template", name, "--goal", goal).code == 0
    assert project.wto("plan", "check", str(written)).out.endswith("no problems\n")
    text = (
        written.read_text(encoding="utf-8")
        .replace("make test", "true")
        .replace("  agent: claude-code\n", "  agent: scripted\n")
    )
    agents = COMMAND_AGENT.replace("defaults: {agent: scripted}\n", "")
    scripts = {each: found(f"{each} found something.") for each in story.research}
    scripts |= {each: built(path) for each, path in story.changes.items()}
    scripts |= {f"{stage}-synthesis": drawn_together(planned) for stage, planned in story.syntheses.items()}
    ended = project.wto("run", "--land", project.plan(text + agents, scripts), timeout=300)
    for gate in story.gates:
        assert ended.code == 8, ended.out + ended.err
        waiting = project.wto("approve", "--json").json["gate"]
        assert waiting["stage"] == gate and waiting["notes"]["risks"] and waiting["then"]
        ended = project.wto("approve", gate, timeout=300)
    assert ended.code == 0, ended.out + ended.err
    names = {*story.research, *story.changes, *(f"{stage}-synthesis" for stage in story.syntheses)}
    assert project.stages() == dict.fromkeys(names, "landed")
    assert json.loads(project.wto("status", "--json").out)["run"]["goal"] == goal
    for path in story.changes.values():
        assert project.repository.git("show", f"main:{path}")


def test_the_ready_plans_are_listed_and_never_written_over_a_file(project: Project) -> None:
    """Each has a name and a purpose; an unknown name offers the nearest; what is there stays."""
    listed = project.wto("plan", "new", "--list", "--json").json
    assert [each["name"] for each in listed["templates"]] == list(NAMES)
    assert all(each["purpose"] for each in listed["templates"])
    assert "did you mean 'debug'?" in project.wto("plan", "new", "--template", "debgu").err
    mine = project.folder / "mine.yaml"
    mine.write_text("mine")
    assert project.wto("plan", "new", str(mine), "--template", "audit").code == 2
    assert mine.read_text() == "mine"


def test_the_stages_of_a_plan_are_shown_in_three_forms(project: Project) -> None:
    """What is in each stage, how it ends and what a synthesis will plan, as text, JSON and mermaid."""
    written = project.folder / "ready.yaml"
    assert project.wto("plan", "new", str(written), "--template", "migrate").code == 0
    text = project.wto("plan", "show", str(written)).out
    assert "stage pilot        planned by the synthesis before it, then a synthesis, then needs wto approve" in text
    stages = project.wto("plan", "show", "--json", str(written)).json["stages"]
    assert [(each["name"], each["gate"], each["synthesis"]) for each in stages] == [
        ("survey", "auto", True),
        ("pilot", "approval", True),
        ("migrate", "auto", False),
        ("finish", "auto", False),
    ]
    drawn = project.wto("plan", "show", "--mermaid", str(written)).out
    assert (
        '  gate_1{"wto approve pilot"}' in drawn
        and "  synthesis_1 --> gate_1" in drawn
        and "  gate_1 --> stage_2" in drawn
    )
