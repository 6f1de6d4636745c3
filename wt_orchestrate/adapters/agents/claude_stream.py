"""Parse the Claude Code client's output: one JSON object a line, of which only known parts are used.

A release comes out almost daily, so every unknown type, subtype and field is normal. Exit codes do not matter here. A
turn counts as completed only if its `result` says success and no error; an API failure also says `success`, with
`is_error`. Cost and tokens of a turn are what the client reports since its last result, or, if it reports only totals,
the difference to the previous result of the same process; so a reader must see a process's output from its first line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from wt_orchestrate.domain.agent import stream as s
from wt_orchestrate.domain.text.json_edit import parse_line
from wt_orchestrate.domain.text.secrets import cut_without_secrets

_TARGET_KEYS = ("command", "file_path", "path", "pattern", "url", "query", "description", "prompt")
_LOGIN = frozenset({"authentication_failed", "billing_error"})
_PASSING = frozenset({"server_error", "overloaded"})
_TOO_LONG = "Prompt is too long"
_LONGEST_TURN_S = 1e7
_JSON = Mapping[str, Any]


class ClaudeStream:
    """Reads one process's stream."""

    def __init__(self) -> None:
        self._error = ""
        self._rejected = False
        self._totals: dict[str, float] = {}
        self._calls: dict[str, s.ToolUsed] = {}
        self._denied: set[str] = set()
        """Calls that were told to be denied before their turn ended."""

    def read(self, line: bytes) -> Sequence[s.Sign]:
        """The signs in a line; none if it is unknown or not a JSON object."""
        if b'"type":"stream_event"' in line[:400]:
            return ()
        try:
            value = parse_line(line)
        except (ValueError, RecursionError):
            return ()
        if not isinstance(value, dict):
            return ()
        return tuple(self._signs(value))

    def _signs(self, value: _JSON) -> Iterator[s.Sign]:
        match value.get("type"):
            case "system":
                yield from self._system(value)
            case "assistant":
                yield from self._assistant(value)
            case "user" if value.get("isReplay") is True:
                yield s.MessageTaken(message=_text(value.get("uuid")))
            case "user":
                yield from self._results(value)
            case "control_request":
                yield from _asked(value)
            case "rate_limit_event":
                yield from self._rate_limit(_dict(value.get("rate_limit_info")))
            case "result":
                yield from self._result(value)

    def _system(self, value: _JSON) -> Iterator[s.Sign]:
        match value.get("subtype"):
            case "init":
                yield s.Started(
                    session=_text(value.get("session_id")),
                    version=_text(value.get("claude_code_version")),
                    model=_text(value.get("model")),
                )
            case "api_retry":
                reason = f"{_text(value.get('error')) or 'error'} {value.get('error_status') or ''}".strip()
                yield s.RetryWaited(reason=reason, delay_s=_number(value.get("retry_delay_ms")) / 1000)
            case "session_state_changed" if value.get("state") == "idle":
                yield s.Idle()
            case "permission_denied":
                name = _text(value.get("tool_use_id"))
                call = self._calls.get(name)
                self._denied.add(name)
                target = call.target if call is not None else ""
                yield s.Denied(count=1, tools=(_named(_text(value.get("tool_name")), target),))

    def _assistant(self, value: _JSON) -> Iterator[s.Sign]:
        if value.get("error"):
            self._error = _text(value.get("error"))
        content = _dict(value.get("message")).get("content")
        for block in content if isinstance(content, list) else ():
            if not isinstance(block, dict):
                continue
            if block.get("type") == "text" and _text(block.get("text")).strip():
                yield s.Said(text=cut_without_secrets(_text(block.get("text")), 500))
            elif block.get("type") == "tool_use":
                target = cut_without_secrets(_target(_dict(block.get("input"))), 200)
                call = s.ToolUsed(tool=_text(block.get("name")), target=target)
                self._calls[_text(block.get("id"))] = call
                yield call

    def _results(self, value: _JSON) -> Iterator[s.Sign]:
        """Tool calls that failed, with what they were about."""
        content = _dict(value.get("message")).get("content")
        for block in content if isinstance(content, list) else ():
            if not isinstance(block, dict) or block.get("type") != "tool_result":
                continue
            call = self._calls.pop(_text(block.get("tool_use_id")), None)
            if block.get("is_error") is True and call is not None:
                error = cut_without_secrets(" ".join(_flat(block.get("content")).split()), 200)
                yield s.ToolFailed(tool=call.tool, target=call.target, error=error)

    def _rate_limit(self, info: _JSON) -> Iterator[s.Sign]:
        if info.get("status") == "rejected":
            self._rejected = True
            resets = info.get("resetsAt")
            yield s.UsageLimited(resets_at=float(resets) if isinstance(resets, int | float) else None)

    def _result(self, value: _JSON) -> Iterator[s.Sign]:
        yield self._spent(value)
        denials = value.get("permission_denials")
        denied = [_dict(each) for each in denials] if isinstance(denials, list) else []
        names = tuple(
            _named(_text(each.get("tool_name")), _target(_dict(each.get("tool_input"))))
            for each in denied
            if _text(each.get("tool_use_id")) not in self._denied or not each.get("tool_use_id")
        )
        if names:
            yield s.Denied(count=len(names), tools=names)
        if "structured_output" in value:  # if the model never returns the requested value, the key is missing
            yield s.Returned(value=json.dumps(value["structured_output"], ensure_ascii=False))
        errors = value.get("errors")
        text = _text(value.get("result")) or "; ".join(map(str, errors if isinstance(errors, list) else ()))
        length, lead = _seconds(value.get("duration_ms")), _seconds(value.get("time_to_request_ms"))
        text = cut_without_secrets(text, 2000)
        yield s.TurnEnded(outcome=self._outcome(value), text=text, seconds=length, lead_s=min(length, lead))
        self._error, self._rejected = "", False

    def _outcome(self, value: _JSON) -> s.TurnOutcome:
        """In order of certainty: the account's limit, the error's name, its status, then the subtype."""
        subtype, status = _text(value.get("subtype")), value.get("api_error_status")
        if subtype in {"error_max_turns", "error_max_budget_usd"}:
            return s.TurnOutcome.LIMIT_REACHED
        if subtype == "error_during_execution":
            aborted = _text(value.get("terminal_reason")).startswith("aborted")
            return s.TurnOutcome.INTERRUPTED if aborted else s.TurnOutcome.FAILED
        if subtype != "success":
            return s.TurnOutcome.FAILED
        if value.get("is_error") is not True:
            return s.TurnOutcome.COMPLETED
        if self._rejected or self._error == "rate_limit" or status == 429:
            return s.TurnOutcome.RATE_LIMITED
        if self._error in _LOGIN or status in {401, 403}:
            return s.TurnOutcome.LOGIN_FAILED
        if value.get("stop_reason") == "refusal":
            return s.TurnOutcome.REFUSED
        # the older client reports an exhausted context only by its text
        if "prompt_too_long" in _text(value.get("terminal_reason")) or _text(value.get("result")).startswith(_TOO_LONG):
            return s.TurnOutcome.CONTEXT_EXHAUSTED
        if self._error in _PASSING or (isinstance(status, int) and status >= 500):
            return s.TurnOutcome.OVERLOADED
        unreachable = (
            status is None and self._error in {"", "unknown"} and "prompt" not in _text(value.get("terminal_reason"))
        )
        return s.TurnOutcome.OVERLOADED if unreachable else s.TurnOutcome.FAILED

    def _spent(self, value: _JSON) -> s.Spent:
        since = value.get("model_usage_since_last_result")
        if isinstance(since, dict):
            step = _sums(since)
        else:
            totals = _sums(_dict(value.get("modelUsage")))
            step = {name: max(0.0, total - self._totals.get(name, 0.0)) for name, total in totals.items()}
            self._totals = totals
        return s.Spent(
            cost_usd=round(step["costUSD"], 6),
            input_tokens=int(step["inputTokens"]),
            output_tokens=int(step["outputTokens"]),
            cache_tokens=int(step["cacheReadInputTokens"] + step["cacheCreationInputTokens"]),
            turns=int(_number(value.get("num_turns"))),
        )


def _sums(usage: _JSON) -> dict[str, float]:
    names = ("costUSD", "inputTokens", "outputTokens", "cacheReadInputTokens", "cacheCreationInputTokens")
    return {name: sum(_number(_dict(model).get(name)) for model in usage.values()) for name in names}


def _asked(value: _JSON) -> Iterator[s.Sign]:
    request = _dict(value.get("request"))
    if request.get("subtype") != "can_use_tool":
        return
    given = _dict(request.get("input"))
    tool, ask, payload = _text(request.get("tool_name")), _text(value.get("request_id")), json.dumps(given)
    if tool != "AskUserQuestion":
        yield s.PermissionAsked(ask=ask, tool=tool, target=_target(given)[:200], payload=payload)
        return
    questions = [_dict(each) for each in given.get("questions", []) if isinstance(each, dict)]
    for number, question in enumerate(questions or [{}], 1):
        yield s.QuestionAsked(
            ask=ask if len(questions) < 2 else f"{ask}#{number}",
            question=cut_without_secrets(_text(question.get("question")), 2000),
            options=_labels(question.get("options")),
            payload=payload,
            together=max(1, len(questions)),
        )


def _labels(options: object) -> tuple[str, ...]:
    return tuple(_text(_dict(each).get("label")) for each in options) if isinstance(options, list) else ()


_INTERPRETERS = frozenset(
    {"sh", "bash", "zsh", "python", "python3", "node", "ruby", "perl", "php", "env", "sudo", "xargs"}
)
"""Programs that run whatever they are given: one is not allowed by its name alone."""


def _named(tool: str, target: str) -> str:
    """What was denied, as short as a rule that would allow it: the tool, and of a command its program with what it does."""
    words = target.split()
    if tool != "Bash" or not words:
        return tool
    runs_anything = words[0].rpartition("/")[2] in _INTERPRETERS
    named = runs_anything or (len(words) > 1 and re.fullmatch(r"[a-z][\w:-]*|-[a-z]", words[1]))
    return f"{tool}({' '.join([words[0][:40], *(words[1:2] if named else ())])[:60]})"


def _target(given: _JSON) -> str:
    """What a tool call is about: its command, path or the like, in one line."""
    for key in _TARGET_KEYS:
        if isinstance(given.get(key), str):
            return " ".join(given[key].split())
    return ""


def _flat(content: object) -> str:
    """The text of a result, which is text or blocks."""
    if isinstance(content, list):
        return "\n".join(_text(_dict(block).get("text")) for block in content)
    return _text(content)


def _dict(value: object) -> _JSON:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _seconds(value: object) -> float:
    """Milliseconds as seconds, within what a turn can take."""
    return min(max(0.0, _number(value) / 1000), _LONGEST_TURN_S)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
