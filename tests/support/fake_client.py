"""A stand-in for the Claude Code client: an executable that speaks its stream, scripted line by line, and starts in an instant.

usage in a plan: `agents: {claude-code: {binary: <path of this file>}}`; it is run by the real adapter under a real keeper.

What a turn does is read from the first file that exists in $SCRIPTS: `WORKSTREAM.ATTEMPT.TURN`, `WORKSTREAM.ATTEMPT` (turn 1),
`WORKSTREAM` (turn 1); further turns only answer. One action a line:
  do COMMAND            run it by sh in the worktree, as a Bash call; its failure is a failed call
  edit PATH             tell of an edit
  ask QUESTION|A|B      ask the user and write the answer into $TEST_FOLDER/answer.WORKSTREAM
  cost USD              what this turn costs; tokens N, turns N likewise
  hang                  say nothing more until interrupted
  die CODE              end at once
  api STATUS            the turn fails with this API error; limit SECONDS: the account's limit, reset in so many seconds
  login, context, refuse    the turn fails so
  silent                end the turn without a handoff (by default one that says done is written)
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

Line = dict[str, Any]


class Client:
    """One process: turns of a session, each begun by a user message."""

    def __init__(self) -> None:
        self.scripts = Path(os.environ["SCRIPTS"])
        self.workstream, self.attempt = os.environ["WTO_WORKSTREAM"], os.environ["WTO_ATTEMPT"]
        self.folder = Path(os.environ["TEST_FOLDER"])
        self.turn = 0
        self.buffer = b""
        self.queue: list[Line] = []
        self.answers: dict[str, Line] = {}
        self.interrupted = False
        self.closed = False
        self.usage = {"costUSD": 0.0, "inputTokens": 0, "outputTokens": 0}
        self.num_turns = 1

    # ------------------------------------------------------------ lines

    def say(self, **line: Any) -> None:
        print(json.dumps({**line, "session_id": "s"}), flush=True)

    def listen(self, wait_s: float) -> None:
        """Take in what is on the input: messages are queued, answers noted, an interruption obeyed."""
        if self.closed or not select.select([0], [], [], wait_s)[0]:
            return
        chunk = os.read(0, 65536)
        self.closed = not chunk
        *lines, self.buffer = (self.buffer + chunk).split(b"\n")
        for text in lines:
            self.take(json.loads(text))

    def take(self, line: Line) -> None:
        if line["type"] == "user":
            self.queue.append(line)
        elif line["type"] == "control_response":
            self.answers[line["response"]["request_id"]] = line["response"]["response"]
        elif line["request"]["subtype"] == "interrupt":
            self.interrupted = True
            self.say(type="control_response", response={"subtype": "success", "request_id": line["request_id"]})
        elif line["request"]["subtype"] == "end_session":
            sys.exit(0)

    # ------------------------------------------------------------ turns

    def run(self) -> None:
        while not self.closed or self.queue:
            if not self.queue:
                self.interrupted = False
                self.listen(0.5)
                continue
            self.begin()
            outcome = self.act()
            self.end(**outcome)

    def begin(self) -> None:
        self.turn += 1
        self.interrupted = False
        message = self.queue.pop(0)
        with open(self.folder / f"heard.{self.workstream}", "a", encoding="utf-8") as heard:
            heard.write(message["message"]["content"] + "\n----\n")
        self.say(type="system", subtype="init", claude_code_version="0.0.0", model="fake")
        self.say(type="user", message=message["message"], isReplay=True, uuid=message["uuid"])

    def steps(self) -> list[str]:
        names = [f"{self.workstream}.{self.attempt}.{self.turn}"]
        if self.turn == 1:
            names += [f"{self.workstream}.{self.attempt}", self.workstream]
        path = next((self.scripts / name for name in names if (self.scripts / name).exists()), None)
        lines = path.read_text(encoding="utf-8").splitlines() if path is not None else []
        return [line for line in lines if line and not line.startswith("set -eu")]

    def act(self) -> Line:
        """Do the turn's actions; how the turn ended."""
        handoff = True
        for step in self.steps():
            verb, _, rest = step.partition(" ")
            if verb == "silent":
                handoff = False
                continue
            failure = self.do(verb, rest)
            if failure is not None:
                return failure
            if self.interrupted:
                return {"subtype": "error_during_execution", "is_error": True, "terminal_reason": "aborted_tools"}
            self.join()
        if handoff:
            text = "---\nstatus: done\nprogress: 100\n---\n## Summary\nIt is done.\n## Verification\nNone.\n"
            Path(os.environ["WTO_HANDOFF"]).write_text(text, encoding="utf-8")
        return {"subtype": "success", "is_error": False, "result": "done"}

    def join(self) -> None:
        """Messages that came while a tool ran join the running turn."""
        self.listen(0.0)
        while self.queue and not self.interrupted:
            message = self.queue.pop(0)
            with open(self.folder / f"heard.{self.workstream}", "a", encoding="utf-8") as heard:
                heard.write(message["message"]["content"] + "\n----\n")
            self.say(type="user", message=message["message"], isReplay=True, uuid=message["uuid"])

    def do(self, verb: str, rest: str) -> Line | None:
        match verb:
            case "do":
                self.command(rest)
            case "edit":
                self.tool("Edit", {"file_path": rest}, failed="")
            case "ask":
                self.ask(rest)
            case "cost":
                self.usage["costUSD"] += float(rest)
            case "tokens":
                self.usage["inputTokens"] += int(rest)
            case "turns":
                self.num_turns = int(rest)
            case "hang":
                while not self.interrupted:
                    self.listen(60.0)
            case "die":
                os._exit(int(rest))
            case _:
                return self.failure(verb, rest)
        return None

    def failure(self, verb: str, rest: str) -> Line:
        failed = {"subtype": "success", "is_error": True}
        match verb:
            case "api":
                self.say(
                    type="system", subtype="api_retry", error="overloaded", error_status=int(rest), retry_delay_ms=1
                )
                return {**failed, "api_error_status": int(rest), "result": f"API Error: {rest}"}
            case "limit":
                info = {"status": "rejected", "resetsAt": int(time.time() + float(rest)) + 1}
                self.say(type="rate_limit_event", rate_limit_info=info)
                return {**failed, "api_error_status": 429, "result": "You've hit your limit"}
            case "login":
                said = {"model": "<synthetic>", "content": [{"type": "text", "text": "Not logged in"}]}
                self.say(type="assistant", message=said, error="authentication_failed")
                return {**failed, "result": "Not logged in"}
            case "context":
                return {
                    **failed,
                    "api_error_status": 400,
                    "terminal_reason": "prompt_too_long",
                    "result": "Prompt is too long",
                }
            case "refuse":
                return {**failed, "stop_reason": "refusal", "result": "I cannot help with that"}
            case _:
                raise ValueError(verb)

    def end(self, **outcome: Any) -> None:
        usage, self.usage = self.usage, {"costUSD": 0.0, "inputTokens": 0, "outputTokens": 0}
        self.say(type="result", num_turns=self.num_turns, model_usage_since_last_result={"fake": usage}, **outcome)
        self.num_turns = 1
        if outcome["is_error"] and outcome["subtype"] == "success":
            sys.exit(1)
        self.listen(0.0)
        if not self.queue:
            self.say(type="system", subtype="session_state_changed", state="idle")

    # ------------------------------------------------------------ tools

    def tool(self, name: str, given: Line, *, failed: str) -> None:
        block = {"type": "tool_use", "id": f"t{time.monotonic_ns()}", "name": name, "input": given}
        self.say(type="assistant", message={"id": "m", "content": [block]})
        result = {
            "type": "tool_result",
            "tool_use_id": block["id"],
            "content": failed or "ok",
            "is_error": bool(failed),
        }
        self.say(type="user", message={"role": "user", "content": [result]})

    def command(self, text: str) -> None:
        block = {"type": "tool_use", "id": f"t{time.monotonic_ns()}", "name": "Bash", "input": {"command": text}}
        self.say(type="assistant", message={"id": "m", "content": [block]})
        child = subprocess.Popen(["sh", "-c", text], start_new_session=True, stdin=subprocess.DEVNULL)
        while child.poll() is None and not self.interrupted:
            self.listen(0.02)
        if child.poll() is None:
            child.kill()
        code = child.wait()
        said = f"Exit code {code}" if code else "ok"
        result = {"type": "tool_result", "tool_use_id": block["id"], "content": said, "is_error": code != 0}
        self.say(type="user", message={"role": "user", "content": [result]})

    def ask(self, text: str) -> None:
        """Ask `QUESTION|OPTION|...`; with `||` between them, several at once."""
        parts = [each.split("|") for each in text.split("||")]
        asked = [{"question": first, "options": [{"label": each} for each in rest]} for first, *rest in parts]
        request = {"subtype": "can_use_tool", "tool_name": "AskUserQuestion", "input": {"questions": asked}}
        name = f"u{time.monotonic_ns()}"
        self.say(type="control_request", request_id=name, request={**request, "tool_use_id": "t"})
        while name not in self.answers and not self.interrupted:
            self.listen(60.0)
        if name in self.answers:
            answers = self.answers[name]["updatedInput"]["answers"]
            told = "\n".join(answers[first] for first, *_ in parts)
            (self.folder / f"answer.{self.workstream}").write_text(told, encoding="utf-8")


if __name__ == "__main__":
    if "--version" in sys.argv:
        print("2.1.330 (a stand-in)")
    else:
        Client().run()
