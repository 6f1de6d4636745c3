"""Ask a forge over HTTP: JSON both ways, a token in a header, bounded in time and size, without redirects.

A redirect is an error: the token is for the host that was named. No error message holds the token.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.client import HTTPException, HTTPMessage, HTTPResponse
from time import monotonic
from typing import IO, Any, Protocol
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from wt_orchestrate.domain.ids import CommitId, parse_commit_id
from wt_orchestrate.errors import Refused, WtError

LARGEST = 8 << 20
"""The largest answer in bytes."""
_TIMEOUT_S, _ANSWER_S = 30.0, 120.0
"""Seconds until something is heard, and until all of it is."""
_SAID = 300


class Api(Protocol):
    """One call to a forge. Raises Refused if it refuses, WtError if it cannot be reached."""

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The answer's JSON; None for an empty one. `path` is relative and has no leading slash."""


class _Stay(HTTPRedirectHandler):
    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


class RestApi:
    """The REST interface of a forge."""

    def __init__(self, base: str, headers: Mapping[str, str], *, hint: str) -> None:
        self.base = base.rstrip("/")
        self._headers = {"Accept": "application/json", "User-Agent": "wt-orchestrate", **headers}
        self._hint = hint
        self._opener = build_opener(_Stay())

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The answer's JSON."""
        content = None if body is None else json.dumps(body).encode()
        headers = {**self._headers, **({"Content-Type": "application/json"} if content is not None else {})}
        request = Request(f"{self.base}/{path}", data=content, headers=headers, method=method)
        try:
            with self._opener.open(request, timeout=_TIMEOUT_S) as answer:
                return parsed(_whole(answer, monotonic() + _ANSWER_S), self.base)
        except HTTPError as error:
            with error:
                code = 429 if _asked_too_often(error) else error.code
                raise refused(code, error.read(LARGEST), what=f"{method} {path}", hint=self._hint) from None
        except (URLError, HTTPException, TimeoutError, ConnectionError) as error:
            reason = getattr(error, "reason", None) or error
            raise WtError(f"{self.base} cannot be reached: {reason}", hint="try again; nothing is lost") from None


def _asked_too_often(error: HTTPError) -> bool:
    """GitHub uses 403 for rate limits too; only its headers tell them from a missing permission."""
    return error.code == 403 and (error.headers.get("X-RateLimit-Remaining") == "0" or "Retry-After" in error.headers)


def _whole(answer: HTTPResponse, until: float) -> bytes:
    """An answer's content, up to a little more than allowed; one that trickles is given up."""
    content = b""
    while len(content) <= LARGEST:
        part = answer.read1(1 << 16)
        if not part:
            break
        if monotonic() > until:
            raise TimeoutError(f"it had not finished its answer after {_ANSWER_S:.0f} s")
        content += part
    return content


def parsed(content: bytes, base: str) -> Any:
    if len(content) > LARGEST:
        raise WtError(f"{base} sent more than {LARGEST >> 20} MiB", hint="try again")
    if not content.strip():
        return None
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise WtError(
            f"{base} did not answer with JSON; is this the URL of a forge's API?", hint="forge: {api: ...}"
        ) from None


def refused(code: int, content: bytes, *, what: str, hint: str) -> WtError:
    """The error for an answer that is a refusal."""
    said = _words(content)
    asked = what.partition("?")[0]
    if code in {401, 403}:
        return Refused(f"the forge denied access ({code}) {asked}{said}", hint=hint)
    if code == 404:
        return Refused(f"the forge did not find it (404) {asked}{said}", hint=f"you may not have access to it: {hint}")
    if code == 429 or code >= 500:
        return WtError(f"the forge is not available ({code}) {asked}{said}", hint="try again later; nothing is lost")
    if 300 <= code < 400:
        return Refused(
            f"the forge redirects elsewhere ({code}) {asked}", hint="set the URL of its API: forge: {api: ...}"
        )
    return Refused(f"the forge refused ({code}) {asked}{said}", hint="read its message")


def _words(content: bytes) -> str:
    """The forge's own error message in one line."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(value, dict):
        return ""
    parts = [value.get("message"), value.get("error"), value.get("errors")]
    text = "; ".join(part if isinstance(part, str) else json.dumps(part) for part in parts if part)
    return f": {' '.join(text.split())[:_SAID]}" if text else ""


def texts(value: Any, *keys: str) -> str:
    """A text somewhere in an answer; empty if there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def numbers(value: Any, *keys: str) -> int:
    """A whole number somewhere in an answer; 0 if there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def commit_in(value: Any, *keys: str) -> CommitId | None:
    """A commit somewhere in an answer; None if it is not a full id."""
    try:
        return parse_commit_id(texts(value, *keys))
    except ValueError:
        return None


def listed(api: Api, path: str, *, most: int = 500) -> list[dict[str, Any]]:
    """All objects of a list, in pages of a hundred; `path` may have a query already."""
    found: list[dict[str, Any]] = []
    mark = "&" if "?" in path else "?"
    for page in range(1, most // 100 + 1):
        part = api.call("GET", f"{path}{mark}per_page=100&page={page}")
        rows = [row for row in part if isinstance(row, dict)] if isinstance(part, list) else []
        found += rows
        if len(rows) < 100:
            break
    return found
