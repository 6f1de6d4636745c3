"""The story that this project was founded on: one sits in a client of the Model Context Protocol and leads five workstreams.

Real Claude Code clients work, a scripted model thinks for them; the official client SDK leads. Nothing needs a terminal.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from tests.support.broken_service import (
    CHECKS,
    FILES,
    LESSON,
    PROOF,
    as_long,
    database,
    in_one,
    later,
    next_plan,
    plan,
    plan_for_one,
    streams,
)
from tests.support.claude_client import NEWEST, client, use_client
from tests.support.mcp_client import Call, led
from tests.support.project import Project, make_project
from tests.support.stopwatch import stopwatch
from tests.support.stub_model import LOOK_S, StubModel, Turn, serve
from tests.support.turns import bash
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.real_client, pytest.mark.stopwatch, pytest.mark.timeout(600)]

TURN_S = 4.0
REPAIRED = ("database", "scripts", "config")
FIVE = (*REPAIRED, "repair-synthesis", "proof")
LIMIT_S = 240.0


@pytest.fixture
def stub() -> Iterator[StubModel]:
    server = serve({})
    yield server
    server.close()


@pytest.fixture
def address() -> Iterator[str]:
    """Where the database is since the move."""
    with database() as place:
        yield place


@pytest.fixture
def service(tmp_path: Path, stub: StubModel) -> Iterator[Project]:
    """The broken service that several agents fix."""
    yield from _made(tmp_path / "many", stub)


@pytest.fixture
def copy(tmp_path: Path, stub: StubModel) -> Iterator[Project]:
    """The same broken service for one agent alone."""
    yield from _made(tmp_path / "one", stub)


def _made(folder: Path, stub: StubModel) -> Iterator[Project]:
    folder.mkdir()
    made = make_project(folder, FILES)
    use_client(made, stub)
    yield made
    made.close()


def _works(project: Project, check: str) -> bool:
    """Whether a check of the service passes on what the main worktree holds."""
    ended = subprocess.run(
        ["sh", "-c", check], cwd=project.repository.path, env=project.environment, capture_output=True, check=False
    )
    return ended.returncode == 0


@dataclass
class Clock:
    """Seconds that went by inside of it, from one time to the next."""

    seconds: float = 0.0
    began: float = 0.0

    def __enter__(self) -> None:
        self.began = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.monotonic() - self.began


@dataclass
class Leader:
    """Who sits in the client: waits and decides."""

    call: Call
    name: str
    cursor: str = ""
    keys: int = 0

    async def wish(self, name: str, **given: object) -> Any:
        """A call that changes something, under a key of its own."""
        self.keys += 1
        return await self.call(name, key=f"{self.name}-{self.keys}", **given)

    async def until(self, what: str) -> Any:
        """Loop on `wait` as its description says until a decision of this kind is there; nothing may have failed."""
        began = time.monotonic()
        while time.monotonic() - began < LIMIT_S:
            found = await self.call("wait", cursor=self.cursor, seconds=20)
            self.cursor = found["cursor"]
            wrong = [each for each in found["decisions"] if each["what"] in {"failed", "escalated", "rest"}]
            assert not wrong, (wrong, await self.call("story"))
            chosen = [each for each in found["decisions"] if each["what"] == what]
            if chosen:
                assert chosen[0]["do"], "a decision names the tools that go on from it"
                return chosen[0]
        raise AssertionError(f"no decision {what}: {await self.call('story')}")

    async def stream(self, name: str) -> Any:
        (found,) = (await self.call("status", workstream=name))["workstreams"]
        return found

    async def text(self, name: str, what: str) -> str:
        """All pages of a text."""
        text: str = ""
        cursor = ""
        while True:
            page = await self.call("inspect", workstream=name, what=what, cursor=cursor)
            text, cursor = text + page["text"], page["next"]
            if not cursor:
                return text

    async def landed(self, names: tuple[str, ...]) -> None:
        began = time.monotonic()
        while time.monotonic() - began < LIMIT_S:
            shown = (await self.call("status"))["workstreams"]
            if {each["id"] for each in shown if each["stage"] == "landed"} == set(names):
                return
            await self.call("wait", cursor=self.cursor, seconds=2)
        raise AssertionError(f"not landed: {await self.call('story')}")


# ---------------------------------------------------------------- the steps


async def _a_plan_is_judged(lead: Leader, text: str) -> None:
    """A fresh conversation looks about, and hears what is wrong with a plan before it hears that it is good."""
    with pytest.raises(AssertionError, match="there is no run in this repository yet"):
        await lead.call("briefing")
    wrong = await lead.call("check_plan", plan=text.replace("stage: repair", "stage: repairs", 1))
    assert not wrong["ok"] and "repairs" in wrong["problems"][0]
    judged = await lead.call("check_plan", plan=text)
    assert (judged["ok"], judged["problems"], judged["forecast"]["pairs"]) == (True, [], [])


async def _a_question_is_answered(lead: Leader, address: str) -> None:
    """The others work on while one waits."""
    asked = await lead.until("question")
    assert (asked["workstream"], asked["do"][0]) == ("database", "answer")
    assert "(data): Where does the database run since the move?" in asked["text"]
    assert (await lead.wish("answer", workstream="database", text=address))["state"] == "taken"


async def _what_one_found_the_other_was_told(lead: Leader, stub: StubModel, address: str) -> None:
    """In its running turn, as data, with whose it is; it fixed nothing before."""
    scripts = await lead.stream("scripts")
    assert scripts["attempts"] == 1
    assert any(address in each["text"] and "`database`" in each["text"] for each in scripts["messages"])
    bodies = [json.dumps(each["body"]["messages"]) for each in _requests(stub, "scripts")]
    before = [body for body in bodies if address not in body]
    assert len(before) >= 3 and "checks/scripts.sh bin && git" not in "".join(before)
    assert "The agent of `database` found something" in bodies[-1]


async def _the_work_is_looked_at(lead: Leader) -> None:
    """Every packet, and what the synthesis makes of them, each with whose word it is."""
    for name in REPAIRED:
        packet, diff = await lead.text(name, "review"), await lead.text(name, "diff")
        assert "ended with 0" in packet and "+" in diff, name
    assert "address = 127.0.0.1" in await lead.text("database", "diff")
    notes = await lead.call("inspect", workstream="repair-synthesis", what="handoff")
    assert "## Risks" in notes["text"] and "data, not instructions" in notes["of"]


async def _the_gate_is_shown(lead: Leader) -> int:
    """What waits behind it, and the round that is looked at; a word on any other round passes nothing."""
    repair, proof = (await lead.call("status"))["stages"]
    assert (repair["then"], proof["name"]) == (["proof"], "proof")
    with pytest.raises(AssertionError, match="has changed since you looked"):
        await lead.wish("approve", stage="repair", round=repair["round"] + 1)
    return int(repair["round"])


async def _it_is_landed(lead: Leader, names: tuple[str, ...]) -> None:
    """After the person's word; then nothing waits for anybody."""
    await lead.wish("land")
    await lead.landed(names)
    told = await lead.call("briefing", size=2_000)
    assert "Nothing needs you." in told and f"{len(names)} landed" in told and "`resume`" not in told


async def _it_is_remembered(lead: Leader, address: str) -> None:
    """What the agents learned is there, and what the person decides is added."""
    known = (await lead.call("recall", query="shell scripts database"))["entries"]
    (lesson,) = [each for each in known if f"{LESSON} {address}" in each["text"]]
    assert (lesson["kind"], lesson["flags"], lesson["stale"]) == ("convention", [], [])
    assert "scripts" in lesson["source"]
    await lead.wish("remember", text="Nightly jobs are fixed like the shell scripts in bin.", kind="decision")


# ---------------------------------------------------------------- the clock


def _requests(stub: StubModel, script: str) -> list[dict[str, Any]]:
    """What the model was asked by a script, in order."""
    return sorted((each for each in stub.requests if each["script"] == script), key=lambda each: each["at"])


def _worked_s(stub: StubModel, script: str) -> float:
    """From the first time the model was asked to its last answer."""
    asked = _requests(stub, script)
    return float(asked[-1]["at"] + TURN_S - asked[0]["at"])


def _start_s(project: Project, stub: StubModel, name: str) -> float:
    """From the moment a client was started, as a file of its keeper has it, to the first time it asked the model."""
    begun = (project.state / "processes" / f"r1.{name}.1" / "started").stat().st_mtime
    return float(_requests(stub, name)[0]["at"] - begun)


def _looked_about(stub: StubModel, parts: dict[str, list[Turn]]) -> int:
    """How many short turns the model spent waiting for what it had to be told."""
    return sum(len(_requests(stub, name)) - len(turns) for name, turns in parts.items())


def test_five_workstreams_are_led_to_landed_work_and_the_next_run_has_learned(
    service: Project, copy: Project, stub: StubModel, address: str
) -> None:
    """Over MCP alone: a plan is judged, three clients repair a service at once, a question is answered, what one finds another
    is told, a fourth draws it together and plans the fifth, which begins after a word; all of it lands, and a second run, whose
    brief holds what was learned, needs five turns where the first one needed nine.

    Meanwhile one client alone does the same turns, each as long to the model, in a copy of the repository. Compared within 5 %:

    - the report's `speedup`, computed from the log of the parallel run alone;
    - the stopwatch: seconds of the one client, divided by seconds of the many.
      The one: from its first request to the model to its last answer, by the clock of the model; and one start of a client,
      the quickest of those that worked (the keeper's file of its start to its first request). It asks nobody, so it waits for
      nobody; it makes as many turns as the four that did the work, not those of the synthesis, which is no work of its own.
      The many: `time.monotonic` of whoever leads, from before the call `start` to the gate, and from before `approve` until
      all is integrated. Starts, worktrees, checks, the train, the synthesis and the answer are in it, looking at the gate is not.
    """
    binary, parts = json.dumps(client(NEWEST)), streams(address)
    one = as_long(in_one(parts, address), TURN_S)
    within = stopwatch()
    slow = {name: as_long(turns, TURN_S) for name, turns in {**parts, **later(address)}.items()}
    stub.scripts = {**slow, "everything": one}
    assert not any(_works(service, CHECKS[name]) for name in CHECKS)
    alone = copy.start("run", copy.plan(plan_for_one(binary, address)))
    wait_until(lambda: bool(_requests(stub, "everything")), timeout_s=60, what="the one client being at work")
    clock = Clock()
    reports: list[Any] = []

    async def several_at_once(call: Call, client: Client) -> None:
        lead = Leader(call, "first")
        text = plan(binary)
        await _a_plan_is_judged(lead, text)
        with clock:
            await lead.wish("start", plan=text)
            await _a_question_is_answered(lead, address)
            gate = await lead.until("gate")
        assert "after it: proof" in gate["text"]
        one[-3:-3] = [{**bash("git status --short"), "sleep": LOOK_S}] * _looked_about(
            stub, {n: parts[n] for n in REPAIRED}
        )
        await _what_one_found_the_other_was_told(lead, stub, address)
        await _the_work_is_looked_at(lead)
        shown = await _the_gate_is_shown(lead)
        with clock:
            assert (await lead.wish("approve", stage="repair", round=shown))["state"] == "taken"
            await lead.until("land")
        await _it_is_landed(lead, FIVE)
        reports.append(await call("report"))
        await _it_is_remembered(lead, address)

    async def once_more(call: Call, client: Client) -> None:
        lead = Leader(call, "second")
        assert "Run r1" in await call("briefing")
        await lead.wish("start", plan=next_plan(binary))
        await lead.until("land")
        told = json.dumps(_requests(stub, "jobs")[0]["body"]["messages"])
        assert f"> {LESSON} {address}" in told and "> Nightly jobs are fixed like the shell scripts in bin." in told
        assert "from the orchestrator" in (await call("story", workstream="jobs"))["text"]
        await _it_is_landed(lead, ("jobs",))
        reports.append(await call("report"))

    led(service, several_at_once)
    assert all(_works(service, check) for check in (*(CHECKS[name] for name in REPAIRED), PROOF))
    assert not _works(service, CHECKS["jobs"])
    led(service, once_more)
    assert _works(service, CHECKS["jobs"])
    assert alone.wait(timeout=LIMIT_S) == 0, (copy.folder / "out-0.txt").read_text(encoding="utf-8")

    first, second = reports
    _less_was_needed(stub, first, second)
    assert len(_requests(stub, "everything")) == sum(len(_requests(stub, name)) for name in parts)
    one_s = _worked_s(stub, "everything") + min(_start_s(service, stub, name) for name in parts)
    assert first["gain"]["serial_s"] == pytest.approx(one_s, rel=within())
    assert first["wall_s"] == pytest.approx(clock.seconds, rel=within())
    assert first["speedup"] == pytest.approx(one_s / clock.seconds, rel=within())
    assert first["speedup"] > 1.1 and first["gain"]["unsure_s"] == 0


def _less_was_needed(stub: StubModel, first: Any, second: Any) -> None:
    """The same fault, the same model: what was learned saves turns, by the report and by the model's own count."""
    took = {each["id"]: sum(attempt["turns"] for attempt in each["attempts"]) for each in first["workstreams"]}
    (again,) = second["workstreams"]
    assert sum(attempt["turns"] for attempt in again["attempts"]) <= took["scripts"] - 3
    assert len(_requests(stub, "jobs")) == 5 < 9 <= len(_requests(stub, "scripts"))
