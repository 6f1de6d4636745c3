"""`draft_plan` through the official client: a plan is drafted beside the conversation, edited there and run."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
from mcp import Client

from tests.e2e.test_draft import SETTINGS, nothing_left, plan_of, prepared
from tests.support.mcp_client import Call, Transport, led
from tests.support.project import Project
from tests.support.waiting import wait_until

GOAL = {"goal": "Make it answer", "agent": "planner", "key": "draft-1"}


async def settled(call: Call, **given: object) -> Any:
    """Ask again until the drafting is over."""
    for _ in range(30):
        found = await call("draft_plan", key="draft-1", seconds=10, **given)
        if found["state"] != "drafting":
            return found
    raise AssertionError(found)


@pytest.mark.parametrize("over", ["stdio", "http"])
def test_a_plan_is_drafted_edited_and_started(project: Project, over: Transport) -> None:
    """The first call returns at once, the key names the drafting, problems are told on the way, the plan has forecast, advice
    and what is to be approved; its edited text is started."""
    shared = plan_of("api", "db")
    shared["workstreams"]["db"]["scope"] = ["db/**", "api/a.py"]
    good = plan_of("api", "db", defaults={"agent": "worker"}, checks=[{"run": "true"}, {"run": "make it"}])
    prepared(project, shared, good, script='while [ ! -e "$TEST_FOLDER/go" ]; do sleep 0.1; done\n')
    work = 'echo "$WTO_WORKSTREAM" > "$WTO_WORKSTREAM/a.py"; git commit -qam Answer'
    worker = f"  worker: {{type: command, run: '{work}'}}\n"
    project.repository.commit({".wto/config.yaml": SETTINGS.replace("checks", worker + "checks")}, "Worker")

    async def lead(call: Call, client: Client) -> None:
        begun = await call("draft_plan", seconds=0, **GOAL)
        assert (begun["state"], begun["round"], begun["plan"]) == ("drafting", 0, "")
        again = await call("draft_plan", seconds=0, **GOAL)
        assert again["handle"] == begun["handle"]
        (project.folder / "go").touch()
        found = await settled(call)
        assert (found["state"], found["round"], found["problems"]) == ("ready", 2, [])
        assert found["sent_back"] == ["round 1: 1 problem"] and found["forecast"] == []
        assert found["to_approve"] == ["checks: make it"] and found["notes"] == "Two folders, two streams."
        assert found["advice"][0].startswith(
            "parallel work pays off: about 20 min with 2 agents, 40 min with one alone"
        )
        checked = await call("check_plan", plan=found["plan"])
        assert checked["ok"], checked
        edited = found["plan"].replace("title: Do db", "title: Edited by the person")
        started = await call("start", plan=edited, key="start-1")
        assert started["state"] == "taken"
        for _ in range(30):
            if {each["stage"] for each in (await call("status"))["workstreams"]} == {"integrated"}:
                break
            await call("wait", seconds=2)
        assert "Edited by the person" in await call("briefing")

    led(project, lead, over=over)
    assert project.stages() == {"api": "integrated", "db": "integrated"}
    nothing_left_of_drafts(project)


def nothing_left_of_drafts(project: Project) -> None:
    assert not (project.state / "drafting").exists()


def test_a_drafting_can_be_cancelled_and_taken_up(project: Project) -> None:
    """Cancelled: its planner and its process are gone; another goal under its key is refused; with the number of its next try
    it goes on."""
    prepared(project, plan_of("api"), script='touch "$TEST_FOLDER/reading"\n[ -e "$TEST_FOLDER/go" ] || sleep 300\n')

    async def lead(call: Call, client: Client) -> None:
        await call("draft_plan", seconds=0, **GOAL)
        wait_until((project.folder / "reading").exists, what="the planner is at work", timeout_s=60)
        ended = await call("draft_plan", key="draft-1", cancel=True)
        assert (ended["state"], ended["next"]) == ("cancelled", "call once with go_on: 2 to resume it")
        nothing_left(project)
        assert (await call("draft_plan", seconds=0, **GOAL))["state"] == "cancelled"
        with pytest.raises(AssertionError, match="this key is already used for another goal"):
            await call("draft_plan", key="draft-1", goal="Another one")
        with pytest.raises(AssertionError, match="the goal is empty"):
            await call("draft_plan", key="draft-2")
        with pytest.raises(AssertionError, match="unknown agent 'nobody'"):
            await call("draft_plan", key="draft-2", goal="x", agent="nobody")
        (project.folder / "go").touch()
        assert (await settled(call, go_on=ended["next_try"]))["state"] == "ready"

    led(project, lead)
    nothing_left(project)


def test_asking_on_takes_up_a_drafting_once(project: Project) -> None:
    """A drafting whose plans are never good: the call that takes it up, said over and over, gets it one further round; the
    next one needs the number that was told meanwhile."""
    prepared(project, *[{**plan_of("api"), "workstreams": {}}] * 4)

    async def lead(call: Call, client: Client) -> None:
        await call("draft_plan", seconds=0, rounds=1, **GOAL)
        ended = await settled(call, rounds=1)
        assert (ended["state"], ended["round"]) == ("invalid", 1)
        assert f"go_on: {ended['next_try']}" in ended["next"]
        for _ in range(3):
            again = await settled(call, rounds=1, go_on=ended["next_try"])
            assert (again["state"], again["round"], again["rounds"]) == ("invalid", 2, 2)
        assert (await settled(call, rounds=1, go_on=1))["round"] == 2
        assert (await settled(call, rounds=1, go_on=again["next_try"]))["round"] == 3

    led(project, lead)
    nothing_left(project)


def test_a_drafting_outlives_the_server_and_a_killed_one_is_told(project: Project) -> None:
    """The server ends: the drafting goes on and another server finds it. The drafting is killed: told as cut off, swept, and
    taken up again by the same key."""
    prepared(project, plan_of("api"), script='touch "$TEST_FOLDER/reading"\n[ -e "$TEST_FOLDER/go" ] || sleep 300\n')

    async def begin(call: Call, client: Client) -> None:
        assert (await call("draft_plan", seconds=0, **GOAL))["state"] == "drafting"
        wait_until((project.folder / "reading").exists, what="the planner is at work", timeout_s=60)

    async def look(call: Call, client: Client) -> None:
        assert (await call("draft_plan", seconds=0, **GOAL))["state"] == "drafting"

    async def go_on(call: Call, client: Client) -> None:
        found = await call("draft_plan", seconds=0, **GOAL)
        assert found["state"] == "cut off"
        nothing_left(project)
        assert (await settled(call, go_on=found["next_try"]))["state"] == "ready"

    led(project, begin)
    led(project, look)
    (folder,) = (project.state / "drafts").iterdir()
    os.kill(int((folder / "draft.lock").read_text()), signal.SIGKILL)
    (project.folder / "go").touch()
    led(project, go_on)
    nothing_left(project)
