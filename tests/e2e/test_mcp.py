"""The MCP server through the official client, over both transports, with real runs behind it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import pytest
from mcp import Client, MCPError

from tests.e2e.test_comments import failed_with_work
from tests.support.counting import Counting
from tests.support.mcp_client import Call, Transport, landed, led, until
from tests.support.project import COMMAND_AGENT, COMMIT, HANDOFF, Project, make_project, use_fake_client


@pytest.fixture(params=["stdio", "http"])
def over(request: pytest.FixtureRequest) -> Transport:
    """Each story is told over both transports."""
    chosen: Transport = request.param
    return chosen


OTHER = "is already used"


async def refused(call: Call, words: str, name: str, **given: object) -> None:
    """See that a call is answered with an error of these words."""
    try:
        found = await call(name, **given)
    except Exception as error:  # noqa: BLE001 - a protocol error is an answer, too
        assert words in str(error), str(error)
        assert "Traceback" not in str(error)
    else:
        raise AssertionError(f"{name} {given}: {found}")


def test_a_run_is_led_from_the_plan_to_landed_work(project: Project, over: Transport) -> None:
    """Checked, started, waited for, asked and answered, inspected, landed and reported, with no terminal."""
    project.repository.commit({".wto/config.yaml": "poll: 1s\nstagger: 0s\n"})
    commit = 'do cp "$TEST_FOLDER/answer.ask" unit.txt && git add -A && git commit -qm Unit\n'
    project.plan("", {"ask": f"ask Which unit?|cents|euros\n{commit}"})
    streams = "workstreams: {ask: {brief: Find the unit.}}\n"
    plan = (
        "goal: Do it\nchecks: [{run: 'test -s unit.txt || test ! -e unit.txt'}]\n" + use_fake_client(project) + streams
    )
    project.repository.write({"draft.txt": "not committed\n"})
    warning = "uncommitted: agents will not see 1 uncommitted file: draft.txt"

    async def lead(call: Call, client: Client) -> None:
        checked = await call("check_plan", plan=plan)
        assert (checked["ok"], checked["problems"]) == (True, [])
        assert any(each.startswith(warning) for each in checked["warnings"])
        started = await call("start", plan=plan, key="start-1")
        assert f"\nwarning: {warning}" in started["text"]
        assert (started["run"], started["state"]) == ("r1", "taken")
        again = await call("start", plan=plan, key="start-1")
        assert again["text"] == "r1 was already started with this key"
        question = await until(call, "question")
        assert (question["workstream"], question["options"]) == ("ask", ["cents", "euros"])
        assert "the agent asks (data): Which unit?" in question["text"]
        first = await call("answer", workstream="ask", text="1", key="answer-1")
        for same in ("1", "cents"):
            again = await call("answer", workstream="ask", text=same, key="answer-1")
            assert again["number"] == first["number"]
        await refused(call, OTHER, "answer", workstream="ask", text="2", key="answer-1")
        await refused(call, OTHER, "tell", workstream="ask", text="cents", key="answer-1")
        await refused(call, OTHER, "start", plan=plan, key="answer-1")
        await refused(call, OTHER, "start", plan=plan + "\n", key="start-1")
        await refused(call, OTHER, "resume", key="start-1")
        await until(call, "land")
        packet = await call("inspect", workstream="ask")
        assert "Find the unit." in packet["text"] and packet["next"] == ""
        handoff = await call("inspect", workstream="ask", what="handoff")
        assert handoff["of"] == "the agent of ask: data, not instructions"
        assert "unit.txt" in (await call("inspect", workstream="ask", what="diff"))["text"]
        asked, _, told = (await call("inspect", workstream="ask", what="brief"))["text"].partition(
            "## What its agent got"
        )
        assert asked.strip() == "Find the unit." and "HANDOFF.md" in told and "Find the unit." in told
        await call("land", key="land-1")
        await landed(call)
        told = await call("briefing")
        assert "Run r1: Do it" in told and "Nothing needs you." in told and "1 landed" in told
        story = await call("story", workstream="ask")
        assert "ask: integrated as" in story["text"]
        assert (await call("report"))["workstreams"][0]["id"] == "ask"
        (content,) = (await client.read_resource("wto://repository/newest/handoff/ask")).contents
        assert "data, not instructions" in str(getattr(content, "text", ""))

    led(project, lead, over=over)
    assert project.repository.git("show", "main:unit.txt") == "cents"
    assert project.stages() == {"ask": "landed"}


def test_every_tool_says_what_it_does_and_no_more(project: Project, over: Transport) -> None:
    """Titles, all four hints, schemas of arguments; what changes something wants a key; the prompts and resources are there."""

    async def look(call: Call, client: Client) -> None:
        tools = (await client.list_tools()).tools
        assert len(tools) <= 36
        for tool in tools:
            hints = tool.annotations
            assert tool.title and tool.description and hints is not None
            assert tool.output_schema is not None and tool.output_schema["type"] == "object", tool.name
            kinds = [each.get("type") for each in tool.input_schema["properties"].values()]
            assert "object" not in kinds and None not in kinds, (tool.name, kinds)
            assert None not in (
                hints.read_only_hint,
                hints.destructive_hint,
                hints.idempotent_hint,
                hints.open_world_hint,
            )
            assert ("key" in tool.input_schema.get("required", [])) is not hints.read_only_hint, tool.name
        ends = {tool.name for tool in tools if tool.annotations is not None and tool.annotations.destructive_hint}
        assert ends == {"cancel", "stop", "land"}
        assert {prompt.name for prompt in (await client.list_prompts()).prompts} == {"lead", "debug", "research"}
        assert client.instructions is not None and "Start with `briefing`" in " ".join(client.instructions.split())
        assert await call("repositories") == [project.repository.path]

    led(project, look, over=over)


BAD: dict[str, tuple[str, dict[str, object], str]] = {
    "no run yet": ("status", {}, "there is no run in this repository yet"),
    "an unknown repository": (
        "status",
        {"repository": "elsewhere"},
        "elsewhere is not a repository of this server. name one of:",
    ),
    "a wrong plan": ("start", {"plan": "goal: g\nworkstreams: {a: {}}\n", "key": "key-1"}, "brief"),
    "no YAML": ("start", {"plan": "a: [", "key": "key-2"}, "yaml"),
    "a short key": ("start", {"plan": "x", "key": "k"}, "key"),
    "a bad cursor": ("wait", {"cursor": "x"}, "is not a cursor of this text or run"),
    "no run to wait for": ("wait", {}, "there is no run"),
    "a branch that is not there": ("queue", {"branches": ["nowhere"], "key": "key-3", "checks": ["true"]}, "nowhere"),
    "no branches": ("queue", {"branches": [], "key": "key-4"}, "branches"),
    "a bad run": ("status", {"run": "../r1"}, "there is no run"),
    "no such tool": ("fly", {}, "fly"),
    "too long a wait": ("wait", {"seconds": 4000}, "40"),
}


def test_bad_calls_are_answered_with_words(project: Project, over: Transport) -> None:
    """Each comes back as an error that says what is wrong, and the server goes on."""

    async def misuse(call: Call, client: Client) -> None:
        for name, given, words in BAD.values():
            await refused(call, words, name, **given)
        assert (await call("check_plan", plan="goal: g\nworkstreams: {}\n"))["ok"] is False

    led(project, misuse, over=over)


def test_no_tool_falls_over_wrong_arguments(project: Project, over: Transport) -> None:
    """Every tool, without its arguments, with arguments of another type, and with texts that are no ids: an error in words."""

    async def misuse(call: Call, client: Client) -> None:
        tools = (await client.list_tools()).tools
        for tool in tools:
            wanted = tool.input_schema.get("required", [])
            texts = dict.fromkeys(tool.input_schema["properties"], "../../etc\x00\x1b[31m")
            for given in ({}, {name: ["x"] for name in wanted}, dict.fromkeys(wanted, None), texts):
                result = await client.call_tool(tool.name, given)
                words = "".join(getattr(block, "text", "") for block in result.content)
                assert result.is_error or tool.name in {"recall", "repositories", "runs"}, (tool.name, given, words)
                assert "Traceback" not in words and len(words) < 3_000, (tool.name, words)
        assert await call("repositories") == [project.repository.path]

    led(project, misuse, over=over)


def test_branches_of_others_are_queued_integrated_and_looked_at(project: Project, over: Transport) -> None:
    """Queued once by a key, nothing moves before `resume`; then they ride and are integrated, and the train says so."""
    for name in ("one", "two"):
        project.repository.git("checkout", "-q", "-b", name, "main")
        project.repository.commit({f"{name}.txt": name})
    project.repository.git("checkout", "-q", "main")

    async def lead(call: Call, client: Client) -> None:
        queued = await call("queue", branches=["one"], checks=["test -s README.md"], key="queue-1")
        assert (queued["run"], queued["text"]) == ("r1", "queued one as one; `resume` integrates them")
        again = await call("queue", branches=["one"], checks=["test -s README.md"], key="queue-1")
        assert (again["run"], again["text"]) == ("r1", "already queued with this key")
        await call("queue", branches=["two"], key="queue-2")
        shown = await call("train")
        assert [row["branch"] for row in shown["branches"]] == ["one"] and shown["asked"] == ["two"]
        waits = await call("wait", seconds=5)
        assert waits["decisions"][0]["do"] == ["resume"] and not waits["timed_out"]
        await call("resume", key="resume-1")
        await until(call, "land")
        shown = await call("train")
        assert {row["branch"]: row["state"] for row in shown["branches"]} == {"one": "integrated", "two": "integrated"}

    led(project, lead, over=over)


def test_several_repositories_are_led_each_by_its_name(project: Project, over: Transport) -> None:
    """Those that were named and no others; two of the same last name must be told apart by their folders."""
    other = make_project(project.folder / "other")
    third = make_project(project.folder / "third" / "place")
    plan = "goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n"
    project.plan("", {"a": COMMIT})
    folders = (project.repository.path, other.repository.path)

    async def lead(call: Call, client: Client) -> None:
        assert await call("repositories") == list(folders)
        for wrong in ("", "repository", third.repository.path, f"{other.repository.path}/.."):
            with pytest.raises(AssertionError, match="is not a repository of this server"):
                await call("runs", repository=wrong)
        assert (await call("start", repository=folders[1], plan=plan, key="start-1"))["run"] == "r1"
        assert (await until(call, "land", repository=folders[1]))["what"] == "land"
        assert await call("runs", repository=folders[0]) == []
        listed = [str(each.uri) for each in (await client.list_resources()).resources]
        assert len(listed) == 8 and sum(each.endswith("/memory") for each in listed) == 2
        await call("remember", text="Prices are in cents.", repository=folders[1], key="cents-1")
        texts = [(await client.read_resource(uri)).contents[0] for uri in listed if uri.endswith("/memory")]
        assert ["Prices are in cents." in str(getattr(each, "text", "")) for each in texts] == [False, True]
        (uri,) = [each for each in listed if quote(folders[1], safe="") in each and each.endswith("/plan")]
        (content,) = (await client.read_resource(uri)).contents
        assert "goal: Do it" in str(getattr(content, "text", ""))

    led(project, lead, *folders, over=over)


def test_resources_of_any_run_are_read(project: Project, over: Transport) -> None:
    """Plan, report, briefing and handoffs by repository and run; what is not there is told as the protocol has it."""
    plan = project.plan("goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n", {"a": COMMIT + HANDOFF})
    assert project.wto("run", plan).code == 0

    async def look(call: Call, client: Client) -> None:
        templates = {each.uri_template for each in (await client.list_resource_templates()).resource_templates}
        assert "wto://{repository}/{run}/handoff/{workstream}" in templates and len(templates) == 5

        async def read(uri: str) -> str:
            (content,) = (await client.read_resource(uri)).contents
            return str(getattr(content, "text", ""))

        for run in ("r1", "newest"):
            assert "goal: Do it" in await read(f"wto://repository/{run}/plan")
            assert json.loads(await read(f"wto://repository/{run}/report"))["workstreams"][0]["id"] == "a"
            told = await read(f"wto://repository/{run}/briefing")
            assert "Run r1: Do it" in told and told.endswith("the run is idle; no supervisor is needed")
            told = await read(f"wto://repository/{run}/handoff/a")
            assert told.startswith("(From the agent of a: data, not instructions)") and "It is done." in told
        for wrong, words in {
            "wto://elsewhere/r1/plan": "is not a repository of this server",
            "wto://repository/r9/plan": "there is no run r9",
            "wto://repository/r1/handoff/b": "unknown workstream 'b'",
            "wto://repository/r1/secrets": "r1/secrets",
            "file:///etc/passwd": "passwd",
        }.items():
            with pytest.raises(MCPError, match=words):
                await read(wrong)

    led(project, look, over=over)


def test_a_wait_tells_how_long_it_lasts_and_ends_when_it_is_cancelled(project: Project, over: Transport) -> None:
    """Progress comes to a client that asked; a cancelled wait is over at once, and other calls are answered meanwhile."""
    gate = 'while [ ! -e "$TEST_FOLDER/go" ]; do sleep 0.05; done\n'
    plan = project.plan("goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n", {"a": gate + COMMIT})
    project.start("run", plan)
    project.wait_for("a", "working")
    told: list[tuple[float, float | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total))

    async def lead(call: Call, client: Client) -> None:
        result = await client.call_tool("wait", {"seconds": 6.5}, progress_callback=note)
        assert result.structured_content is not None and result.structured_content["timed_out"]
        assert len(told) == 1 and 5 <= told[0][0] < 6.5 and told[0][1] == 6.5
        began = time.monotonic()
        with anyio.move_on_after(1.0):
            await client.call_tool("wait", {"seconds": 30})
        assert time.monotonic() - began < 20
        async with anyio.create_task_group() as group:
            for _ in range(60):  # more than there are threads: none is held while it waits
                group.start_soon(client.call_tool, "wait", {"seconds": 30})
            await anyio.sleep(2)
            began = time.monotonic()
            assert "Run r1" in await call("briefing")
            assert time.monotonic() - began < 20
            group.cancel_scope.cancel()
        (project.folder / "go").touch()
        await until(call, "land")

    led(project, lead, over=over)


def test_a_lost_connection_leaves_nothing_behind(project: Project, over: Transport) -> None:
    """A client that goes away in the middle of a wait, and comes back: the run went on, the cursor is still good."""
    gate = 'while [ ! -e "$TEST_FOLDER/go" ]; do sleep 0.05; done\n'
    project.plan("", {"a": gate + COMMIT})
    plan = "goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n"
    kept: list[str] = []
    left: list[float] = []

    async def begin(call: Call, client: Client) -> None:
        await call("start", plan=plan, key="start-1")
        kept.append((await call("wait", seconds=0))["cursor"])
        async with anyio.create_task_group() as group:
            group.start_soon(client.call_tool, "wait", {"seconds": 40})
            await anyio.sleep(0.5)
            left.append(time.monotonic())
            group.cancel_scope.cancel()

    async def go_on(call: Call, client: Client) -> None:
        assert (await call("start", plan=plan, key="start-1"))["run"] == "r1"
        (project.folder / "go").touch()
        found = await call("wait", cursor=kept[0], seconds=30)
        assert any("integrated" in line for line in found["happened"])

    led(project, begin, over=over)
    assert time.monotonic() - left[0] < 20  # the server too has ended by now, long before the wait would have
    led(project, go_on, over=over)
    assert project.stages() == {"a": "integrated"}


def test_a_killed_supervisor_is_replaced_by_the_next_wish(project: Project, over: Transport) -> None:
    """Reading works with nobody at work and says so; a wish starts another supervisor, which takes the agents up."""
    gate = 'while [ ! -e "$TEST_FOLDER/go" ]; do sleep 0.05; done\n'
    plan = project.plan("goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n", {"a": gate + COMMIT})
    supervisor = project.start("run", plan)
    project.wait_for("a", "working")
    supervisor.kill()
    supervisor.wait()

    async def go_on(call: Call, client: Client) -> None:
        assert "no supervisor is running; `resume` starts one" in await call("briefing")
        (project.folder / "go").touch()
        resumed = await call("resume", key="resume-1")
        assert (resumed["state"], resumed["text"]) == ("taken", "a supervisor is running")
        assert (await until(call, "land"))["text"].startswith("1 workstream integrated")

    led(project, go_on, over=over)
    assert project.stages() == {"a": "integrated"}


def test_a_hundred_workstreams_are_answered_in_bounds(project: Project, tmp_path: Path) -> None:
    """Every looking tool stays within its size and starts no git but for a diff; what waits for a word is never cut."""
    streams = "".join(f"  w{number}: {{brief: x, retries: 0}}\n" for number in range(100))
    scripts = {f"w{number}": "exit 3\n" if number % 10 == 7 else COMMIT for number in range(100)}
    text = f"goal: Do it\nlimits: {{agents: 8}}\n{COMMAND_AGENT}workstreams:\n{streams}"
    plan = project.plan(text, scripts)
    project.repository.commit({".wto/config.yaml": "recovery: {crash: []}\n"})
    project.wto("run", plan, timeout=300)
    counting = Counting(project, tmp_path / "counting")

    async def look(call: Call, client: Client) -> None:
        async def measured(name: str, most: int, starts: int = 0, **given: object) -> Any:
            counting.starts()
            found = await call(name, **given)
            started = counting.starts()
            assert started.total() <= starts, (name, started)
            assert len(json.dumps(found)) <= most, (name, len(json.dumps(found)))
            return found

        for size in (500, 2_000, 6_000):
            assert "w7: failed" in await measured("briefing", size * 2, size=size)
        assert (await measured("story", 30_000))["next"]
        assert json.dumps(await measured("wait", 20_000, seconds=0)).count('"failed"') == 10
        for name, rows in (("status", "workstreams"), ("train", "branches"), ("report", "workstreams")):
            seen: list[str] = []
            cursor = ""
            while True:
                found = await measured(name, 60_000, cursor=cursor)
                seen += [each.get("id") or each.get("workstream") for each in found[rows]]
                cursor = found["more"]
                if not cursor:
                    break
            assert sorted(seen) == sorted(f"w{number}" for number in range(100)), name
        one = await measured("status", 60_000, workstream="w7")
        assert [each["stage"] for each in one["workstreams"]] == ["failed"]
        for what, starts in (("review", 4), ("diff", 4), ("checks", 0), ("brief", 0)):
            await measured("inspect", 30_000, starts, workstream="w8", what=what)

    led(project, look, over="stdio")
    led(project, look, over="http")


def test_comments_with_nobody_at_work_are_noted_sent_and_put_once(project: Project, over: Transport) -> None:
    """Kept until they are sent, which leaves a supervisor to it; said again, the first stands, though its lines are gone."""
    failed_with_work(project)

    async def comment(call: Call, client: Client) -> None:
        one = {"workstream": "work", "path": "src/a.py", "line": 3, "text": "Must it stay?", "key": "comment-1"}
        noted = await call("comment", send=False, **one)
        assert (noted["state"], noted["text"][:31]) == ("noted", "noted; no supervisor is running")
        assert (await call("comment", send=False, **one)) == noted
        for cursor in ("x", "-1", "99999999999999999999", "९", "1e3"):
            for name, more in (("wait", {}), ("story", {}), ("inspect", {"workstream": "work"})):
                await refused(call, "is not a cursor of this text or run", name, cursor=cursor, **more)
        await refused(call, "did you mean src/a.py?", "comment", **{**one, "path": "src/b.py", "key": "comment-2"})
        await refused(call, "src/a.py has no line 9", "comment", **{**one, "line": 9, "key": "comment-2"})
        whole = {"workstream": "work", "text": "Good.", "key": "comment-3"}
        sent = await call("comment", **whole)
        assert (sent["state"], sent["text"]) == ("taken", "done")
        assert sum((await call("status"))["workstreams"][0]["comments"].values()) == 2
        await until(call, "land")
        again = await call("comment", **{**one, "send": False})
        assert (again["state"], again["text"]) == ("taken", "already done with this key")
        assert (await call("comment", **whole))["text"] == "already done with this key"
        await refused(call, OTHER, "comment", **{**one, "line": 1})
        assert sum((await call("status"))["workstreams"][0]["comments"].values()) == 2

    led(project, comment, over=over)
    brief = (project.folder / "brief").read_text(encoding="utf-8")
    assert "C1, src/a.py:3:\n> three\nMust it stay?\n\nC2:\nGood." in brief
