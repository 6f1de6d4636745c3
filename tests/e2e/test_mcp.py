"""The MCP server through the official client, over standard input and output, with real runs behind it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from tests.e2e.test_comments import failed_with_work
from tests.support.project import COMMAND_AGENT, COMMIT, Project, use_fake_client

Call = Callable[..., Awaitable[Any]]


def led(project: Project, work: Callable[[Call, Client], Awaitable[None]], *folders: str) -> None:
    """Let a client talk to a server of its own."""
    words = ["-P", "-m", "wt_orchestrate", "-C", project.repository.path, "mcp"]
    for folder in folders:
        words += ["--repository", folder]
    server = StdioServerParameters(command=sys.executable, args=words, env=project.environment)

    async def talk() -> None:
        async with Client(stdio_client(server)) as client:

            async def call(name: str, **given: object) -> Any:
                began = time.monotonic()
                result = await client.call_tool(name, given)
                assert time.monotonic() - began < 45
                text = "".join(getattr(block, "text", "") for block in result.content)
                if result.is_error:
                    raise AssertionError(text)
                found = result.structured_content
                return (
                    found["result"]
                    if found is not None and set(found) == {"result"}
                    else found
                    if found is not None
                    else text
                )

            await work(call, client)

    anyio.run(talk)


async def until(call: Call, what: str, **given: object) -> Any:
    """Loop on `wait` until a decision of this kind is there."""
    cursor = ""
    for _ in range(20):
        found = await call("wait", cursor=cursor, seconds=10, **given)
        cursor = found["cursor"]
        chosen = [each for each in found["decisions"] if each["what"] == what]
        if chosen:
            return chosen[0]
    raise AssertionError(f"no decision {what}: {found}")


OTHER = "names another wish already"


async def refused(call: Call, words: str, name: str, **given: object) -> None:
    """See that a call is answered with an error of these words."""
    try:
        found = await call(name, **given)
    except Exception as error:  # noqa: BLE001 - a protocol error is an answer, too
        assert words in str(error), str(error)
        assert "Traceback" not in str(error)
    else:
        raise AssertionError(f"{name} {given}: {found}")


def test_a_run_is_led_from_the_plan_to_landed_work(project: Project) -> None:
    """Checked, started, waited for, asked and answered, inspected, landed and reported, with no terminal."""
    project.repository.commit({".wto/config.yaml": "poll: 1s\nstagger: 0s\n"})
    commit = 'do cp "$TEST_FOLDER/answer.ask" unit.txt && git add -A && git commit -qm Unit\n'
    project.plan("", {"ask": f"ask Which unit?|cents|euros\n{commit}"})
    streams = "workstreams: {ask: {brief: Find the unit.}}\n"
    plan = "goal: Do it\nchecks: [{run: 'test -s unit.txt'}]\n" + use_fake_client(project) + streams

    async def lead(call: Call, client: Client) -> None:
        checked = await call("check_plan", plan=plan)
        assert (checked["ok"], checked["problems"]) == (True, [])
        started = await call("start", plan=plan, key="start-1")
        assert (started["run"], started["state"]) == ("r1", "taken")
        again = await call("start", plan=plan, key="start-1")
        assert again["text"] == "r1 was begun by this key before"
        question = await until(call, "question")
        assert (question["workstream"], question["options"]) == ("ask", ["cents", "euros"])
        assert "its agent asks, as data: Which unit?" in question["text"]
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
        await call("land", key="land-1")
        for _ in range(20):
            if (await call("status"))["workstreams"][0]["stage"] == "landed":
                break
            await call("wait", seconds=1)
        told = await call("briefing")
        assert "Run r1: Do it" in told and "Nothing waits for you." in told and "1 landed" in told
        story = await call("story", workstream="ask")
        assert "ask: integrated as" in story["text"]
        assert (await call("report"))["workstreams"][0]["id"] == "ask"
        (content,) = (await client.read_resource("wto://ask/handoff")).contents
        assert "data, not instructions" in str(getattr(content, "text", ""))

    led(project, lead)
    assert project.repository.git("show", "main:unit.txt") == "cents"
    assert project.stages() == {"ask": "landed"}


def test_every_tool_says_what_it_does_and_no_more(project: Project) -> None:
    """Titles, all four hints, schemas of arguments; what changes something wants a key; the prompts and resources are there."""

    async def look(call: Call, client: Client) -> None:
        tools = (await client.list_tools()).tools
        assert len(tools) <= 24
        for tool in tools:
            hints = tool.annotations
            assert tool.title and tool.description and hints is not None
            assert None not in (
                hints.read_only_hint,
                hints.destructive_hint,
                hints.idempotent_hint,
                hints.open_world_hint,
            )
            assert ("key" in tool.input_schema.get("required", [])) is not hints.read_only_hint, tool.name
        ends = {tool.name for tool in tools if tool.annotations is not None and tool.annotations.destructive_hint}
        assert ends == {"cancel", "stop", "land"}
        assert {prompt.name for prompt in (await client.list_prompts()).prompts} == {"lead", "debug"}
        assert client.instructions is not None and "Begin with `briefing`" in client.instructions
        assert await call("repositories") == [project.repository.path]

    led(project, look)


BAD: dict[str, tuple[str, dict[str, object], str]] = {
    "no run yet": ("status", {}, "there is no run in this repository yet"),
    "an unknown repository": (
        "status",
        {"repository": "elsewhere"},
        "elsewhere is not one that this server leads. name one of:",
    ),
    "a wrong plan": ("start", {"plan": "goal: g\nworkstreams: {a: {}}\n", "key": "key-1"}, "brief"),
    "no YAML": ("start", {"plan": "a: [", "key": "key-2"}, "yaml"),
    "a short key": ("start", {"plan": "x", "key": "k"}, "key"),
    "a bad cursor": ("wait", {"cursor": "x"}, "there is no run"),
    "no such tool": ("fly", {}, "fly"),
    "too long a wait": ("wait", {"seconds": 4000}, "40"),
}


def test_bad_calls_are_answered_with_words(project: Project) -> None:
    """Each comes back as an error that says what is wrong, and the server goes on."""

    async def misuse(call: Call, client: Client) -> None:
        for name, given, words in BAD.values():
            await refused(call, words, name, **given)
        assert (await call("check_plan", plan="goal: g\nworkstreams: {}\n"))["ok"] is False

    led(project, misuse)


def test_a_killed_supervisor_is_replaced_by_the_next_wish(project: Project) -> None:
    """Reading works with nobody at work and says so; a wish starts another supervisor, which takes the agents up."""
    gate = 'while [ ! -e "$TEST_FOLDER/go" ]; do sleep 0.05; done\n'
    plan = project.plan("goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n", {"a": gate + COMMIT})
    supervisor = project.start("run", plan)
    project.wait_for("a", "working")
    supervisor.kill()
    supervisor.wait()

    async def go_on(call: Call, client: Client) -> None:
        assert "nobody is at work; `resume` starts one" in await call("briefing")
        (project.folder / "go").touch()
        resumed = await call("resume", key="resume-1")
        assert (resumed["state"], resumed["text"]) == ("taken", "a supervisor is at work")
        assert (await until(call, "land"))["text"].startswith("1 workstream integrated")

    led(project, go_on)
    assert project.stages() == {"a": "integrated"}


def test_the_whole_picture_of_a_hundred_workstreams_fits(project: Project) -> None:
    """Each answer stays within its size; the briefing is cut at the end, never in what waits for a word."""
    streams = "".join(f"  w{number}: {{brief: x, retries: 0}}\n" for number in range(100))
    scripts = {f"w{number}": "exit 3\n" if number == 7 else COMMIT for number in range(100)}
    text = f"goal: Do it\nlimits: {{agents: 8}}\n{COMMAND_AGENT}workstreams:\n{streams}"
    plan = project.plan(text, scripts)
    project.repository.commit({".wto/config.yaml": "recovery: {crash: []}\n"})
    project.wto("run", plan, timeout=300)

    async def look(call: Call, client: Client) -> None:
        for size in (500, 2_000, 6_000):
            began = time.monotonic()
            told = await call("briefing", size=size)
            assert len(told) <= size and "w7: failed" in told
            assert time.monotonic() - began < 3
        page = await call("story")
        assert len(page["text"]) <= 12_000 and page["next"]
        assert json.dumps(await call("wait", seconds=0)).count("w7") >= 1

    led(project, look)


def test_comments_with_nobody_at_work_are_noted_sent_and_put_once(project: Project) -> None:
    """Kept until they are sent, which leaves a supervisor to it; said again, the first stands, though its lines are gone."""
    failed_with_work(project)

    async def comment(call: Call, client: Client) -> None:
        one = {"workstream": "work", "path": "src/a.py", "line": 3, "text": "Must it stay?", "key": "comment-1"}
        noted = await call("comment", send=False, **one)
        assert (noted["state"], noted["text"][:31]) == ("noted", "noted; nobody is at work, and t")
        assert (await call("comment", send=False, **one)) == noted
        for cursor in ("x", "-1", "99999999999999999999", "९", "1e3"):
            for name, more in (("wait", {}), ("story", {}), ("inspect", {"workstream": "work"})):
                await refused(call, "is no cursor of this text or run", name, cursor=cursor, **more)
        await refused(call, "did you mean src/a.py?", "comment", **{**one, "path": "src/b.py", "key": "comment-2"})
        await refused(call, "src/a.py has no line 9", "comment", **{**one, "line": 9, "key": "comment-2"})
        whole = {"workstream": "work", "text": "Good.", "key": "comment-3"}
        sent = await call("comment", **whole)
        assert (sent["state"], sent["text"]) == ("taken", "done")
        assert (await call("status"))["workstreams"][0]["comments"] == {"open": 2}
        await until(call, "land")
        again = await call("comment", **{**one, "send": False})
        assert (again["state"], again["text"]) == ("taken", "done by this key before")
        assert (await call("comment", **whole))["text"] == "done by this key before"
        await refused(call, OTHER, "comment", **{**one, "line": 1})
        assert sum((await call("status"))["workstreams"][0]["comments"].values()) == 2

    led(project, comment)
    brief = (project.folder / "brief").read_text(encoding="utf-8")
    assert "C1, src/a.py:3:\n> three\nMust it stay?\n\nC2:\nGood." in brief
