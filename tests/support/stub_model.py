"""A stand-in for the Messages API on 127.0.0.1, so that the real Claude Code client runs with no network and no account.

usage: python -m tests.support.stub_model PORT SCRIPTS.json [LOG.jsonl]     (PORT 0: any free one; it is printed)

A script is a list of turns. Which one: the marker `[[script:NAME]]` in the last text that has one and is not the model's
own (a prompt, a steering message; tool results not counted); which turn: the number of model messages after that text,
the last turn repeating. So a later message with a marker of its own begins another script, and a resumed session goes on
where it was. `[[script:NAME@N]]` begins at turn N. With no marker: the script `default`, or the text "ok".

A turn is an object; every key is optional:
  text        a text block                          thinking      a thinking block before it
  tools       [{"name", "input"}]: tool calls       stop          the stop reason
  usage       merged over the usage figures         headers       further response headers
  sleep       seconds before the answer             chunk_delay   seconds between stream events
  stall       seconds of silence inside the stream  error         {"status", "type", "message"}: an API error
  drop        "before" or "mid": the connection is closed without, or inside, an answer
  garbage     true: lines in the middle of the answer that are no events
  times       N: sleep, stall, error and drop only for the first N requests with this very conversation
  first       N: the same, for the first N requests of this turn whatever the conversation
  if_told     {"word", "turn"}: another turn in its place where some text of the conversation has the word
  until       "WORD": while no text or tool result of the conversation has the word, the model only looks about and comes
              back to this turn
In texts and tool inputs `{{cwd}}` is the client's working directory, `{{last_result}}` the newest tool result, `{{answer}}`
what the newest question was answered; in headers `{{soon}}` is the time `SOON_S` seconds after they are sent.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

SOON_S = 12
Turn = dict[str, Any]
Message = Mapping[str, Any]

_MARK = re.compile(r"\[\[script:([\w.-]+?)(?:@(\d+))?\]\]")
_CWD = re.compile(r"(?:Primary working directory|Working directory|cwd): *(/[^\n<]*)")
_GARBAGE = b'event: content_block_delta\ndata: {"type": "content_block_delta", "index": "so", "delta\n\n\x00\xff\n\n'
_ANSWER = re.compile(r"The answer(?: to your question)?:\s*(\S+)")
LOOK_S = 0.5
_LOOKS = "I look about while I wait."
_IDLE = frozenset({"No response requested.", _LOOKS})
"""What the model says in turns that do not count."""
_TROUBLE = ("error", "drop", "sleep", "stall", "garbage")


def blocks(message: Message) -> list[dict[str, Any]]:
    content = message.get("content")
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content or [])


def flat(content: Any) -> str:
    """All text in a message's content."""
    if isinstance(content, str):
        return content
    return "\n".join(block.get("text", "") for block in content or [] if isinstance(block, dict))


def pick(messages: Sequence[Message], scripts: Mapping[str, Sequence[Turn]]) -> tuple[str, int, Turn]:
    """The script's name, the turn's number and the turn for a conversation."""
    name, since, start = "default", 0, 0
    for number, message in enumerate(messages):
        if message["role"] == "assistant":
            continue
        for block in blocks(message):
            for hit in _MARK.finditer(block["text"]) if block.get("type") == "text" else ():
                name, since, start = hit.group(1), number, int(hit.group(2) or 0)
    turns = scripts.get(name) or [{"text": "ok"}]
    said = [m for m in messages[since:] if m["role"] == "assistant" and flat(blocks(m)).strip() not in _IDLE]
    index = min(start + len(said), len(turns) - 1)
    return name, index, _heard(dict(turns[index]), messages)


def _heard(turn: Turn, messages: Sequence[Message]) -> Turn:
    """The turn, or the one that is for those who were told something."""
    other = turn.pop("if_told", None)
    texts = (block.get("text", "") for m in messages if m["role"] != "assistant" for block in blocks(m))
    if other and any(other["word"] in text for text in texts):
        return dict(other["turn"])
    word = turn.pop("until", None)
    return turn if word is None or any(word in text for text in _told(messages)) else looking()


def _told(messages: Sequence[Message]) -> Iterator[str]:
    """Every text and tool result that came to the model."""
    for block in (block for m in messages if m["role"] != "assistant" for block in blocks(m)):
        yield block.get("text", "") or flat(block.get("content"))


def looking() -> Turn:
    """A short turn in which nothing is done."""
    look = {"command": "git status --short", "description": "look about"}
    return {"text": _LOOKS, "tools": [{"name": "Bash", "input": look}], "sleep": LOOK_S}


def filled(value: Any, facts: Mapping[str, str]) -> Any:
    """A value with the facts put in wherever `{{name}}` stands."""
    if isinstance(value, str):
        for name, fact in facts.items():
            value = value.replace("{{" + name + "}}", fact)
        return value
    if isinstance(value, list):
        return [filled(each, facts) for each in value]
    if isinstance(value, dict):
        return {name: filled(each, facts) for name, each in value.items()}
    return value


def facts_of(body: Mapping[str, Any]) -> dict[str, str]:
    """What a script may refer to in this request."""
    messages = body.get("messages", [])
    texts = [flat(body.get("system"))]
    results = [""]
    for message in messages:
        for block in blocks(message):
            if block.get("type") == "text":
                texts.append(block["text"])
            elif block.get("type") == "tool_result":
                results.append(flat(block.get("content")))
    cwd = _CWD.search("\n".join(texts))
    answers = [hit for text in _told(messages) for hit in _ANSWER.findall(text)]
    return {
        "cwd": cwd.group(1).strip() if cwd else "",
        "last_result": results[-1],
        "answer": answers[-1] if answers else "",
    }


def content_of(turn: Turn, salt: str, index: int) -> list[dict[str, Any]]:
    """The content blocks of a turn's answer."""
    found: list[dict[str, Any]] = []
    if turn.get("thinking"):
        found.append({"type": "thinking", "thinking": turn["thinking"], "signature": "stub"})
    if turn.get("text") is not None:
        found.append({"type": "text", "text": turn["text"]})
    for number, tool in enumerate(turn.get("tools", [])):
        identity = f"toolu_{salt}{index:03d}{number:02d}"
        found.append({"type": "tool_use", "id": identity, "name": tool["name"], "input": tool["input"]})
    return found


def events_of(
    message: dict[str, Any], content: Sequence[dict[str, Any]], stop: str, usage: Any
) -> Iterator[tuple[str, Any]]:
    """The stream events of an answer."""
    yield "message_start", {"message": {**message, "usage": {**usage, "output_tokens": 1}}}
    start: dict[str, Any]
    for number, block in enumerate(content):
        if block["type"] == "text":
            start, delta = {"type": "text", "text": ""}, {"type": "text_delta", "text": block["text"]}
        elif block["type"] == "thinking":
            start = {"type": "thinking", "thinking": "", "signature": ""}
            delta = {"type": "thinking_delta", "thinking": block["thinking"]}
        else:
            start, delta = (
                {**block, "input": {}},
                {"type": "input_json_delta", "partial_json": json.dumps(block["input"])},
            )
        yield "content_block_start", {"index": number, "content_block": start}
        yield "content_block_delta", {"index": number, "delta": delta}
        if block["type"] == "thinking":
            yield "content_block_delta", {"index": number, "delta": {"type": "signature_delta", "signature": "stub"}}
        yield "content_block_stop", {"index": number}
    yield "message_delta", {"delta": {"stop_reason": stop, "stop_sequence": None}, "usage": usage}
    yield "message_stop", {}


class StubModel(ThreadingHTTPServer):
    """The server; `requests` holds every request to the Messages API with the script and turn it was answered by."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, scripts: Mapping[str, Sequence[Turn]], port: int = 0, log: str | None = None) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.scripts = scripts
        self.log = log
        self.requests: list[dict[str, Any]] = []
        self.seen: dict[str, int] = {}
        self.lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def note(self, entry: dict[str, Any]) -> None:
        """Remember a request."""
        with self.lock:
            self.requests.append(entry)
            if self.log:
                with open(self.log, "a", encoding="utf-8") as file:
                    file.write(json.dumps(entry) + "\n")

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is an ordinary event here."""

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def stub(self) -> StubModel:
        return cast("StubModel", self.server)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Nothing is printed."""

    def do_HEAD(self) -> None:
        self._json({})

    def do_GET(self) -> None:
        self._json({"data": []})

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        body = json.loads(raw or b"{}")
        if "count_tokens" in self.path:
            self._json({"input_tokens": max(1, len(raw) // 4)})
        elif self.path.startswith("/v1/messages"):
            self._answer(body)
        else:
            self._json({})

    def _json(self, value: Any, status: int = 200, headers: Mapping[str, Any] | None = None) -> None:
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        for name, header in (headers or {}).items():
            self.send_header(name, str(header).replace("{{soon}}", str(int(time.time()) + SOON_S)))
        self.end_headers()
        self.wfile.write(text)

    def _answer(self, body: dict[str, Any]) -> None:
        messages = body.get("messages", [])
        name, index, turn = pick(messages, self.stub.scripts)
        salt = hashlib.sha256(json.dumps(messages, sort_keys=True).encode()).hexdigest()[:16]
        with self.stub.lock:
            attempt = self.stub.seen[salt] = self.stub.seen.get(salt, 0) + 1
            asked = self.stub.seen[f"{name}@{index}"] = self.stub.seen.get(f"{name}@{index}", 0) + 1
        self.stub.note({"at": time.time(), "script": name, "turn": index, "attempt": attempt, "body": body})
        if attempt > turn.get("times", attempt) or asked > turn.get("first", asked):
            turn = {key: value for key, value in turn.items() if key not in _TROUBLE}
        time.sleep(turn.get("sleep", 0))
        if turn.get("drop") == "before":
            self.close_connection = True
        elif turn.get("error"):
            error = turn["error"]
            told = {"type": error.get("type", "api_error"), "message": error.get("message", "scripted")}
            self._json({"type": "error", "error": told}, error.get("status", 500), turn.get("headers"))
        else:
            self._speak(turn, index, body, salt)

    def _speak(self, turn: Turn, index: int, body: dict[str, Any], salt: str) -> None:
        content = content_of(filled(turn, facts_of(body)), salt, index)
        stop = turn.get("stop") or ("tool_use" if turn.get("tools") else "end_turn")
        usage = {
            "input_tokens": 100,
            "output_tokens": 20,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
        }
        usage |= turn.get("usage") or {}
        message: dict[str, Any] = {
            "id": f"msg_{salt}{index:03d}",
            "type": "message",
            "role": "assistant",
            "content": [],
        }
        message.update(model=body.get("model", "stub"), stop_reason=None, stop_sequence=None)
        if not body.get("stream"):
            self._json({**message, "content": content, "stop_reason": stop, "usage": usage}, 200, turn.get("headers"))
            return
        events = list(events_of(message, content, stop, usage))
        if turn.get("drop") == "mid":
            events = events[: max(2, len(events) // 2)]
        with suppress(BrokenPipeError, ConnectionResetError):
            self._stream(events, turn)
        self.close_connection = self.close_connection or turn.get("drop") == "mid"

    def _stream(self, events: Sequence[tuple[str, Any]], turn: Turn) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        for name, header in (turn.get("headers") or {}).items():
            self.send_header(name, str(header))
        self.end_headers()
        for number, (kind, value) in enumerate(events):
            if turn.get("stall") and number == 2:
                time.sleep(turn["stall"])
            if turn.get("garbage") and number == 2:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(_GARBAGE), _GARBAGE))
            part = f"event: {kind}\ndata: {json.dumps({'type': kind, **value})}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.flush()
            time.sleep(turn.get("chunk_delay", 0))
        if turn.get("drop") != "mid":
            self.wfile.write(b"0\r\n\r\n")


def serve(scripts: Mapping[str, Sequence[Turn]], *, port: int = 0, log: str | None = None) -> StubModel:
    """Start the stand-in in a thread."""
    server = StubModel(scripts, port, log)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main() -> None:
    scripts = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    server = StubModel(scripts, int(sys.argv[1]), sys.argv[3] if len(sys.argv) > 3 else None)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
