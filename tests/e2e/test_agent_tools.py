"""The tools of agents by the official client: what they can say, what comes of it, and that hostile calls do no harm."""

from __future__ import annotations

import json
import os
import shlex
import signal
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from tests.support.project import Project, program, use_fake_client
from tests.support.waiting import wait_until

Call = Callable[..., Awaitable[tuple[str, bool]]]
_SAFE = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}


def _led(project: Project, place: Path, work: Callable[[Call], Awaitable[None]]) -> None:
    """Let a client talk to a server of one attempt's tools, with nothing in its environment but the package."""
    env = _SAFE | {"PYTHONPATH": project.environment["PYTHONPATH"]}
    command, *words = program(env)
    server = StdioServerParameters(command=command, args=[*words, "agent-tools", str(place)], env=env)

    async def talk() -> None:
        async with Client(stdio_client(server)) as client:

            async def call(name: str, /, **given: object) -> tuple[str, bool]:
                result = await client.call_tool(name, given)
                return "".join(getattr(block, "text", "") for block in result.content), bool(result.is_error)

            await work(call)

    anyio.run(talk)


def _place(project: Project, attempt: str) -> Path:
    return project.state / "processes" / attempt / "said"


def _stream(project: Project, name: str) -> Any:
    """What is shown of a workstream; nothing before the run has begun."""
    ended = project.wto("status", "--json")
    streams = ended.json["workstreams"] if ended.code == 0 else ()
    return next((ws for ws in streams if ws["id"] == name), {"stage": "", "told": None, "asks": [], "shared": []})


def _begin(project: Project, scripts: Mapping[str, str], streams: str) -> None:
    """A run whose agents do what their scripts say; they work until the test opens the gate."""
    project.repository.commit({".wto/config.yaml": "poll: 1s\nstagger: 0s\nradar: 0s\nadmission: {load: 1000}\n"})
    project.plan("", scripts)
    plan = project.plan(f"goal: Do it\n{use_fake_client(project)}workstreams:\n{streams}")
    project.start("run", plan)


def _both_at_work(project: Project) -> bool:
    return all(_stream(project, name)["stage"] == "working" for name in "ab")


def _gate(project: Project, name: str = "open") -> str:
    path = project.folder / name
    return f"while [ ! -e {path} ]; do sleep 0.05; done"


_TWO = "  a: {brief: A., scope: ['a/**']}\n  b: {brief: B., scope: ['b/**'], title: Mend the pool}\n"
_COMMIT = "mkdir -p {0} && echo x > {0}/x && git add -A && git commit -qm {0}"


def test_what_an_agent_says_is_shown_and_told_on(project: Project) -> None:
    """Progress with its age, a finding to the running agent whose scope it lies in, both in story, report and packet."""
    gate = _gate(project)
    _begin(project, {name: f"do {gate}\ndo {_COMMIT.format(name)}" for name in "ab"}, _TWO)
    wait_until(lambda: _both_at_work(project), timeout_s=60, what="both at work")

    async def say(call: Call) -> None:
        assert await call("progress", percent=40, note="half of it") == ("Noted.", False)
        told, failed = await call("share_finding", kind="risk", text="It closes late", path="b/pool.py", line=3)
        assert not failed and "Shared" in told
        assert "b (working): Mend the pool; owns b/**" in (await call("others"))[0]

    _led(project, _place(project, "r1.a.1"), say)
    wait_until(lambda: _stream(project, "a")["shared"], timeout_s=30, what="the finding being known")
    shown = _stream(project, "a")
    assert (shown["told"]["percent"], shown["told"]["note"]) == (40, "half of it")
    assert shown["shared"][0]["text"] == "It closes late"
    assert " 40%" in project.wto("status").out
    (project.folder / "open").touch()
    project.wait_for("a", "integrated", deadline_s=60)
    project.wait_for("b", "integrated", deadline_s=60)
    heard = (project.folder / "heard.b").read_text(encoding="utf-8")
    assert heard.count("at b/pool.py:3) It closes late") == 1
    assert "found something" not in (project.folder / "heard.a").read_text(encoding="utf-8")
    story = project.wto("status", "a").out
    assert "says it is at 40 %: half of it" in story
    assert "shares a risk at b/pool.py:3: It closes late" in story
    assert project.wto("report", "--format", "json").json["shared"][0]["path"] == "b/pool.py"
    assert project.wto("review", "a", "--json").json["says"]["shared"][0]["text"] == "It closes late"


def test_a_later_agent_reads_findings_and_handoffs_in_its_brief(project: Project) -> None:
    """Who begins later finds it in its brief, the whole handoff beside it, and by the tools; nobody else's."""
    long = "\\n".join(f"Detail {number} of it." for number in range(2_500))
    body = f"---\\nstatus: done\\n---\\n## Summary\\n{long}\\n## Decisions\\nOne pool.\\n"
    scripts = {
        "a": f"do {_gate(project)}\ndo {_COMMIT.format('a')}\ndo printf '%b' '{body}' > HANDOFF.md\nsilent",
        "b": f"do {_gate(project, 'open2')}\ndo {_COMMIT.format('b')}",
    }
    streams = "  a: {brief: A., scope: ['a/**']}\n  b: {brief: B., scope: ['b/**'], needs: [a]}\n"
    assert project.wto("memory", "add", "The database port is 5433").code == 0
    _begin(project, scripts, streams)
    wait_until(lambda: _stream(project, "a")["stage"] == "working", timeout_s=60, what="a at work")

    async def say(call: Call) -> None:
        await call("share_finding", kind="convention", text="Names are German", **{"for": ["b"]})

    _led(project, _place(project, "r1.a.1"), say)
    (project.folder / "open").touch()
    wait_until(lambda: _stream(project, "b")["stage"] == "working", timeout_s=60, what="b at work")
    brief = (_place(project, "r1.b.1").parent / "brief.md").read_text(encoding="utf-8")
    assert "> Decisions: One pool." in brief
    assert "(left out or cut: summary)" in brief
    assert "of `a`) Names are German" in brief
    file = brief.split("the full handoff is in `", 1)[1].split("`", 1)[0].replace("ID", "a")
    assert "Detail 2499 of it." in Path(file).read_text(encoding="utf-8")

    async def look(call: Call) -> None:
        text, failed = await call("handoff", workstream="a")
        assert not failed and "## Decisions" not in text and "start=16000" in text
        assert "Detail 2499 of it." in (await call("handoff", workstream="a", start=40_000))[0]
        for other in ("b", "../../r1.a.1/said/attempt", "a/../a", "", "a.md"):
            text, failed = await call("handoff", workstream=other)
            assert failed and "yours are: a" in text
        found, _ = await call("recall", query="pool german port")
        assert "One pool." in found and "Names are German" in found and "not instructions to you" in found
        assert "> The database port is 5433" in found

    _led(project, _place(project, "r1.b.1"), look)
    (project.folder / "open2").touch()
    project.wait_for("b", "integrated", deadline_s=60)


def test_a_question_survives_the_supervisor(project: Project) -> None:
    """Asked while nobody supervises, shown and answered after a restart: within the call as its result, later as a message."""
    scripts = {"a": f"do {_gate(project)}\ndo {_COMMIT.format('a')}"}
    _begin(project, scripts, "  a: {brief: A., scope: ['a/**']}\n")
    wait_until(lambda: _stream(project, "a")["stage"] == "working", timeout_s=60, what="a at work")
    first = project.started[0]
    os.kill(first.pid, signal.SIGKILL)
    first.wait()

    async def ask(call: Call) -> None:
        results: list[tuple[str, bool]] = []
        async with anyio.create_task_group() as group:

            async def asked() -> None:
                results.append(await call("ask", question="Which host?", options=["db1", "db2"]))

            group.start_soon(asked)
            await anyio.to_thread.run_sync(_answered, project)
        assert results == [("The answer: db2", False)]

    _led(project, _place(project, "r1.a.1"), ask)
    wait_until(lambda: not _stream(project, "a")["asks"], timeout_s=30, what="the question being settled")
    notes = _place(project, "r1.a.1") / "notes.jsonl"
    with open(notes, "a", encoding="utf-8") as file:  # a call that does not wait any more
        file.write(json.dumps({"say": "question", "ask": "f" * 16, "text": "And now?"}) + "\n")
    (_place(project, "r1.a.1") / "asks" / ("f" * 16)).write_text('{"left": true}', encoding="utf-8")
    wait_until(lambda: bool(_stream(project, "a")["asks"]), timeout_s=30, what="the second question")
    assert project.wto("answer", "a", "this one").code == 0
    wait_until(lambda: bool(_stream(project, "a")["messages"]), timeout_s=30, what="the message")
    (project.folder / "open").touch()
    project.wait_for("a", "integrated", deadline_s=60)
    heard = (project.folder / "heard.a").read_text(encoding="utf-8")
    assert heard.count("The answer to your question:\n\nthis one") == 1
    assert "db2" not in heard
    assert _stream(project, "a")["attempts"] == 1


def _answered(project: Project) -> None:
    """Take the run up, and answer once the question is there, as a person does."""
    project.start("resume")
    wait_until(lambda: bool(_stream(project, "a")["asks"]), timeout_s=30, what="the question")
    assert project.wto("answer", "a", "db2").code == 0


def test_hostile_calls_do_no_harm(project: Project) -> None:
    """Huge, odd, thousands, for others, from an attempt that ended: words for the agent, and nothing in the run."""
    scripts = {
        "a.1": f"do {_gate(project)}\ndie 3",
        "a": f"do {_gate(project, 'open2')}\ndo {_COMMIT.format('a')}",
        "b": f"do {_gate(project, 'open2')}\ndo {_COMMIT.format('b')}",
    }
    _begin(project, scripts, _TWO)
    wait_until(lambda: _both_at_work(project), timeout_s=60, what="both at work")
    place = _place(project, "r1.a.1")

    async def annoy(call: Call) -> None:
        bad: list[tuple[str, dict[str, Any]]] = [
            ("progress", {"percent": 101}),
            ("progress", {"percent": "40"}),
            ("progress", {}),
            ("progress", {"percent": 1, "workstream": "b"}),
            ("progress", {"percent": 1, "attempt": "r1.b.1"}),
            ("share_finding", {"kind": "order", "text": "x"}),
            ("share_finding", {"kind": "fact", "text": "x" * 3_000_000}),
            ("share_finding", {"kind": "fact", "text": "  "}),
            ("share_finding", {"kind": "fact", "text": "x", "path": "../../etc/passwd"}),
            ("share_finding", {"kind": "fact", "text": "x", "path": "/etc/passwd"}),
            ("share_finding", {"kind": "fact", "text": "x", "for": ["nobody"]}),
            ("share_finding", {"kind": "fact", "text": "x", "for": ["b"] * 50}),
            ("ask", {"question": ""}),
            ("ask", {"question": "x", "options": [1, 2]}),
            ("answer", {"workstream": "b", "text": "x"}),
            ("land", {}),
        ]
        for name, given in bad:
            text, failed = await call(name, **given)
            assert failed, (name, text)
            assert 0 < len(text) < 2_500
        for number in range(60):
            await call("share_finding", kind="fact", text=f"finding {number}", path="b/x")
        text, failed = await call("share_finding", kind="fact", text="one more", path="b/x")
        assert failed and "the limit of 40 such calls" in text

    _led(project, place, annoy)
    with open(place / "notes.jsonl", "ab") as file:  # what goes round the tools
        file.write(b"x" * 3_000_000 + b"\n[" + b"[" * 100_000 + b"\n")
        file.write(b'{"say": "finding", "text": "after the bound"}\n' * 5_000)
    wait_until(lambda: len(_stream(project, "a")["shared"]) == 40, timeout_s=60, what="the findings")
    assert _stream(project, "b")["told"] is None
    assert len([m for m in _stream(project, "b")["messages"] if m["kind"] == "shared"]) <= 30
    (project.folder / "open").touch()
    wait_until(lambda: _stream(project, "a")["attempts"] == 2, timeout_s=60, what="the next attempt")

    async def linger(call: Call) -> None:
        text, failed = await call("progress", percent=99)
        assert failed and "has ended" in text

    _led(project, place, linger)
    with open(place / "notes.jsonl", "ab") as file:
        file.write(b'{"say": "finding", "kind": "fact", "text": "from the grave", "for": ["b"]}\n')
    (project.folder / "open2").touch()
    project.wait_for("a", "integrated", deadline_s=60)
    project.wait_for("b", "integrated", deadline_s=60)
    assert "from the grave" not in project.wto("report", "--format", "json").out
    assert "after the bound" not in project.wto("report", "--format", "json").out


def test_a_command_says_it_by_the_command_line(project: Project) -> None:
    """`wto note` knows whose it is from its environment; an answer comes out of it; without an attempt it refuses."""
    project.repository.commit({".wto/config.yaml": "poll: 1s\nadmission: {load: 1000}\n"})
    wto = f"{shlex.join(program(project.environment))} note"
    script = (
        f"{wto} progress 40 half\n{wto} finding risk 'It closes late' --path b/x --line 3\n"
        f"{wto} ask 'Which host?' --option db1 --wait 60 > host.txt\ngit add -A\ngit commit -qm A\n"
    )
    path = project.folder / "say.sh"
    path.write_text(f"set -e\n{script}", encoding="utf-8")
    plan = project.plan(
        f"goal: Do it\nagents: {{cmd: {{type: command, run: 'sh {path}'}}}}\nworkstreams:\n  a: {{brief: A., agent: cmd}}\n"
    )
    project.start("run", plan)
    wait_until(lambda: bool(_stream(project, "a")["asks"]), timeout_s=60, what="the question")
    shown = _stream(project, "a")
    assert (shown["told"]["percent"], shown["told"]["note"]) == (40, "half")
    assert (shown["shared"][0]["path"], shown["shared"][0]["line"]) == ("b/x", 3)
    assert project.wto("answer", "a", "db1").code == 0
    project.wait_for("a", "integrated", deadline_s=60)
    assert project.repository.git("show", "wto/r1/a:host.txt") == "db1"
    refused = project.wto("note", "progress", "40")
    assert refused.code != 0
    assert "there is no attempt here" in refused.err


def test_agents_without_tools_go_on_as_before(project: Project) -> None:
    """With `agent_tools: off` no server is given to a client; a command never gets one."""
    streams = "  a: {brief: A.}\n  c: {brief: C., agent: cmd}\n"
    project.repository.commit({".wto/config.yaml": "poll: 1s\nagent_tools: off\n"})
    project.plan("", {"a": f"do {_COMMIT.format('a')}"})
    command = "cmd: {type: command, run: 'echo x > c && git add c && git commit -qm C'}"
    agents = f"{use_fake_client(project).rstrip()[:-1]}, {command}}}\n"
    plan = project.plan(f"goal: Do it\n{agents}workstreams:\n{streams}")
    assert project.wto("run", plan).code == 0
    settings = json.loads((project.state / "processes" / "r1.a.1" / "mcp.json").read_text(encoding="utf-8"))
    assert settings == {"mcpServers": {}}
    assert "mcp__" not in (project.state / "processes" / "r1.a.1" / "settings.json").read_text(encoding="utf-8")
    assert not (project.state / "processes" / "r1.c.1" / "mcp.json").exists()
