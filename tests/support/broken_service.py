"""A small service that is broken in four places, with real checks, and what a scripted model does to fix each.

The database has moved: its configuration and the scripts name the old place, two files of configuration disagree, and the jobs
have the same fault as the scripts. A real server on loopback is the database.
"""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tests.support.stub_model import Turn
from tests.support.turns import bash, write

GONE = "127.0.0.9:9"
"""Where the database was: nothing listens there."""
GREETING = "the database is ready"
LESSON = "shell scripts find the service by their own folder and ask the database at"
"""What a run learns of it, before the address."""

_DATABASE_CHECK = f"""\
import configparser, subprocess, sys
config = configparser.ConfigParser()
config.read("config/database.ini")
address = config["database"]["address"]
ended = subprocess.run([sys.executable, "-I", "bin/ask.py", address], capture_output=True, text=True)
sys.exit(0 if "{GREETING}" in ended.stdout else "no database at " + address)
"""
_CONFIG_CHECK = """\
import configparser, sys
config = configparser.ConfigParser()
config.read("config/service.ini")
listens = config["service"]["port"]
told = dict(line.strip().split("=", 1) for line in open("config/service.env") if "=" in line)["SERVICE_PORT"]
sys.exit(0 if listens == told else "service.ini says " + listens + " and service.env says " + told)
"""
_SCRIPTS_CHECK = f"""\
for script in "$1"/*.sh; do
    sh "$script" | grep -q "{GREETING}" || {{ echo "$script does not reach the database"; exit 1; }}
done
"""
_ASK = """\
import socket, sys
host, port = sys.argv[1].split(":")
with socket.create_connection((host, int(port)), timeout=10) as line:
    print(line.recv(100).decode())
"""
_ACCEPTANCE = """\
import subprocess
import sys
import unittest


class TheWholeService(unittest.TestCase):
    def runTest(self) -> None:
        for words in ([sys.executable, "-B", "checks/database.py"], [sys.executable, "-B", "checks/config.py"],
                      ["sh", "checks/scripts.sh", "bin"]):
            self.assertEqual(subprocess.run(words).returncode, 0, words)


unittest.main()
"""
CHECKS = {
    "database": "python3 -B checks/database.py",
    "scripts": "sh checks/scripts.sh bin",
    "config": "python3 -B checks/config.py",
    "jobs": "sh checks/scripts.sh jobs",
}
PROOF = "python3 -B checks/whole.py"
"""The check that the last workstream brings along."""


def _script(address: str, folder: str) -> str:
    return f'cd "{folder}"\nexec python3 -B bin/ask.py {address}\n'


FILES: dict[str, bytes | str | None] = {
    "README.md": "A service.\n",
    "config/database.ini": f"[database]\naddress = {GONE}\n",
    "config/service.ini": "[service]\nport = 8080\n",
    "config/service.env": "SERVICE_PORT=9090\n",
    "bin/ask.py": _ASK,
    "bin/backup.sh": _script(GONE, "/opt/old-service/current"),
    "jobs/report.sh": _script(GONE, "/opt/old-service/current"),
    "checks/database.py": _DATABASE_CHECK,
    "checks/config.py": _CONFIG_CHECK,
    "checks/scripts.sh": _SCRIPTS_CHECK,
    "checks/parses.sh": 'for script in bin/*.sh jobs/*.sh; do sh -n "$script" || exit 1; done\n',
    ".wto/config.yaml": "poll: 1s\nstagger: 0s\nadmission: {load: 1000}\n",
}


class _Greets(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.sendall(GREETING.encode())


@contextmanager
def database() -> Iterator[str]:
    """A database on loopback; its address."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Greets) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


# ---------------------------------------------------------------- plans


def _agents(binary: str) -> str:
    allowed = "['Bash(python3 *)', 'Bash(sh *)', 'Bash(grep *)']"
    return f"agents: {{claude-code: {{binary: {binary}, allow: {allowed}}}}}\n"


def plan(binary: str) -> str:
    """Three workstreams at once, drawn together by a fourth, which plans the fifth."""
    return f"""\
goal: Get the service running again after the database has moved
limits: {{agents: 3}}
checks: [{{run: sh checks/parses.sh}}]
{_agents(binary)}stages:
  - {{name: repair, gate: approval, synthesis: {{brief: 'Plan the proof that it is whole. [[script:synthesis]]'}}}}
  - proof
workstreams:
  database:
    title: Reach the database
    brief: 'The service does not reach its database. [[script:database]]'
    stage: repair
    scope: [config/database.ini]
    checks: [{{run: {CHECKS["database"]}}}]
  scripts:
    title: Fix the scripts
    brief: 'The shell scripts in bin name folders and a host that are gone. [[script:scripts]]'
    stage: repair
    scope: ['bin/**']
    checks: [{{run: {CHECKS["scripts"]}}}]
  config:
    title: One configuration
    brief: 'Two files of configuration disagree. [[script:config]]'
    stage: repair
    scope: ['config/service.*']
    checks: [{{run: {CHECKS["config"]}}}]
"""


def next_plan(binary: str) -> str:
    """What a later run has to do: the fault of the scripts once more, in another folder."""
    return f"""\
goal: Get the nightly jobs running again
{_agents(binary)}workstreams:
  jobs:
    title: Fix the shell scripts of the jobs
    brief: 'The shell scripts in jobs name folders and a host that are gone. [[script:jobs]]'
    scope: ['jobs/**']
    checks: [{{run: {CHECKS["jobs"]}}}]
"""


def plan_for_one(binary: str, address: str) -> str:
    """The same work for one agent, whose brief answers what the others had to ask."""
    checks = ", ".join(f"{{run: {CHECKS[name]}}}" for name in ("database", "scripts", "config"))
    return f"""\
goal: Get the service running again after the database has moved
{_agents(binary)}workstreams:
  everything:
    brief: 'Fix the database, the scripts, the configuration. The database is at {address}. [[script:everything]]'
    checks: [{checks}]
"""


# ---------------------------------------------------------------- what the model does


def _tool(name: str, **given: Any) -> Turn:
    return {"tools": [{"name": f"mcp__wto__{name}", "input": given}]}


def _read(*paths: str) -> Turn:
    return {"tools": [{"name": "Read", "input": {"file_path": "{{cwd}}/" + path}} for path in paths]}


def _tried(check: str, path: str, words: str) -> Turn:
    return bash(f"{check} && git add {path} && git commit -q -m '{words}'")


def _handed_over(summary: str, finding: str, check: str, more: str = "") -> Turn:
    text = f"## Summary\n{summary}\n\n## Findings\n- {finding}\n\n## Verification\n`{check}` ended with 0\n{more}"
    return write("HANDOFF.md", f"---\nstatus: done\nprogress: 100\n---\n{text}")


_DONE: Turn = {"text": "It is done."}


def _database(address: str) -> list[Turn]:
    """It asks where the database is, tells who needs to know it, and fixes its own part."""
    found = {"kind": "fact", "text": "The database is at {{answer}} since the move.", "for": ["scripts"]}
    finding = "fact: config/database.ini:2 is the one place that names the database"
    return [
        bash(CHECKS["database"]),
        _tool("ask", question="Where does the database run since the move? Its old place refuses connections."),
        {**_tool("share_finding", **found), "until": address},
        _read("config/database.ini"),
        write("config/database.ini", "[database]\naddress = {{answer}}\n"),
        _tried(CHECKS["database"], "config/database.ini", "Name the new place of the database"),
        _handed_over("The service reaches its database again.", finding, CHECKS["database"]),
        _DONE,
    ]


def _scripts(address: str, folder: str, name: str) -> list[Turn]:
    """It looks for what is wrong and cannot go on before it is told where the database is. Whoever is told all of it at the
    beginning fixes it at once."""
    lesson = f"{LESSON} {address}"
    path, check = f"{folder}/{name}.sh", f"sh checks/scripts.sh {folder}"
    mended = write(path, _script(address, "$(dirname $0)/.."))
    end = [
        _tried(check, path, f"Fix the scripts in {folder}"),
        _handed_over(f"The scripts in {folder} run again.", f"convention: {lesson}", check),
        _DONE,
    ]
    long = [
        bash(check),
        _read(path),
        bash(f"grep -rn /opt/old-service {folder}"),
        _tool("progress", percent=40, note="the old folder is found; where the database is now is not known here"),
        _tool("recall", query="where the database is"),
        {**mended, "until": address},
    ]
    short = [_read(path), mended, *end]
    shorter = [{**turn, "if_told": {"word": lesson, "turn": short[at]}} for at, turn in enumerate(long[: len(short)])]
    return [*shorter, *long[len(short) :], *end]


def _config() -> list[Turn]:
    return [
        bash(CHECKS["config"]),
        _read("config/service.ini", "config/service.env"),
        _tool("others"),
        bash("git log --oneline -- config"),
        write("config/service.env", "SERVICE_PORT=8080\n"),
        _tried(CHECKS["config"], "config/service.env", "Let both files name one port"),
        _handed_over(
            "Both files name one port.",
            "todo: two files for one setting invite the next difference",
            CHECKS["config"],
            "\n## Decisions\nconfig/service.ini is right: clients know its port\n",
        ),
        _DONE,
    ]


def _proof() -> list[Turn]:
    return [
        write("checks/whole.py", _ACCEPTANCE),
        _tried(PROOF, "checks/whole.py", "Prove that the service is whole"),
        _handed_over("One test proves the whole service.", "fact: checks/whole.py:6 runs every check", PROOF),
        _DONE,
    ]


_DRAWN_TOGETHER = """\
---
status: done
progress: 100
---
## Summary
Three faults with one cause: the database moved, and its place was written down in several files.

## Decisions
Only config/database.ini names the database for the service; scripts are told by hand (database, scripts).

## Contradictions
none

## Risks
The place of the database stands in the scripts, too, and will be forgotten at the next move.

## Follow-ups
Let the scripts read config/database.ini.

## Learned
The checks need the database to run.

## Workstreams
```yaml
proof:
  title: Prove that it is whole
  brief: 'One test that runs every check of the service. [[script:proof]]'
  scope: [checks/whole.py]
```
"""


def streams(address: str) -> dict[str, list[Turn]]:
    """What the model does in each workstream that one agent alone would have had to do, too."""
    return {
        "database": _database(address),
        "scripts": _scripts(address, "bin", "backup"),
        "config": _config(),
        "proof": _proof(),
    }


def later(address: str) -> dict[str, list[Turn]]:
    """The scripts of what only several agents need, and of the next run."""
    return {
        "synthesis": [write("HANDOFF.md", _DRAWN_TOGETHER), _DONE],
        "jobs": _scripts(address, "jobs", "report"),
    }


def in_one(parts: Mapping[str, Sequence[Turn]], address: str) -> list[Turn]:
    """The same turns one after another for one agent: where the others talk to one another or end, it looks about; it knows
    from its brief what they ask; its handoff claims the end with the last part."""
    *first, last = parts.values()
    before = [_alone(turn, address, over=False) for part in first for turn in part]
    return [*before, *(_alone(turn, address, over=True) for turn in last[:-1]), _DONE]


def _alone(turn: Turn, address: str, *, over: bool) -> Turn:
    calls = [tool["name"] for tool in turn.get("tools", ())]
    if not calls or any(name.startswith("mcp__wto__") for name in calls):
        return bash("git status --short")
    return {"tools": [{**tool, "input": _said(tool["input"], address, over=over)} for tool in turn["tools"]]}


def _said(given: Mapping[str, str], address: str, *, over: bool) -> dict[str, str]:
    known = {name: text.replace("{{answer}}", address) for name, text in given.items()}
    return known if over else {name: text.replace("status: done", "status: working") for name, text in known.items()}


def as_long(turns: Sequence[Turn], seconds: float) -> list[Turn]:
    """The turns, each as long to the model."""
    return [_slow(turn, seconds) for turn in turns]


def _slow(turn: Turn, seconds: float) -> Turn:
    told = turn.get("if_told")
    other = {"if_told": {**told, "turn": {**told["turn"], "sleep": seconds}}} if told else {}
    return {**turn, **other, "sleep": seconds}
