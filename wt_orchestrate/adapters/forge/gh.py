"""GitHub through its own client: `gh api`, with the client's logins and the same paths as the REST interface."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Mapping, Sequence
from tempfile import TemporaryFile
from typing import Any

from wt_orchestrate.adapters.forge.api import LARGEST, parsed, refused
from wt_orchestrate.errors import WtError

_TIMEOUT_S = 60.0
_CODE = re.compile(r"\(HTTP (\d{3})\)")


def program() -> str | None:
    """The client's path, if it is installed."""
    return shutil.which("gh")


class GhApi:
    """The client, for one host."""

    def __init__(self, binary: str, host: str) -> None:
        self._binary = binary
        self._host = host

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The answer's JSON."""
        words = [self._binary, "api", "--hostname", self._host, "--method", method]
        words += ["--header", "Accept: application/vnd.github+json"]
        words += ["--input", "-"] if body is not None else []
        given = json.dumps(body).encode() if body is not None else b""
        code, answer, said = _ended([*words, path], given, _environment(self._host))
        if len(answer) > LARGEST:
            raise WtError(f"gh sent more than {LARGEST >> 20} MiB", hint="try again")
        if code != 0:
            raise self._failed(code, answer, said, f"{method} {path}")
        return parsed(answer, f"gh for {self._host}")

    def _failed(self, code: int, answer: bytes, said: str, what: str) -> WtError:
        status = _CODE.search(said)
        hint = f"gh auth status --hostname {self._host}"
        if status is not None:
            return refused(int(status[1]), answer, what=what, hint=hint)
        return WtError(f"gh could not query {self._host}: {said[-300:] or code}", hint=hint)


def _ended(words: Sequence[str], given: bytes, env: Mapping[str, str]) -> tuple[int, bytes, str]:
    """How the client ended: its code, its answer up to a little more than allowed, and its stderr."""
    with TemporaryFile() as taken, TemporaryFile() as told:
        taken.write(given)
        taken.seek(0)
        try:
            child = subprocess.Popen(words, env=env, stdin=taken, stdout=subprocess.PIPE, stderr=told)
        except OSError as error:
            raise WtError(f"gh cannot be started: {error.strerror}", hint="gh --version") from None
        late = threading.Event()

        def give_up() -> None:
            late.set()
            child.kill()

        timer = threading.Timer(_TIMEOUT_S, give_up)
        timer.start()
        with child:
            assert child.stdout is not None
            answer = child.stdout.read(LARGEST + 1)
            if len(answer) > LARGEST:
                child.kill()
        timer.cancel()
        if late.is_set():
            raise WtError(f"gh did not answer within {_TIMEOUT_S:.0f} s", hint="try again; nothing is lost")
        told.seek(0)
        return child.returncode, answer, told.read(1 << 16).decode("utf-8", "replace").strip()


def _environment(host: str) -> dict[str, str]:
    """The user's environment without what points git elsewhere or makes the client print more than the answer. The client
    sends a token for enterprises to any host that it is asked about: here it has it only for the one in GH_HOST."""
    dropped = {"GH_DEBUG", "GH_FORCE_TTY", "GH_REPO", "CLICOLOR_FORCE", "DEBUG"}
    if os.environ.get("GH_HOST") != host:
        dropped |= {"GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"}
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") and name not in dropped}
    return env | {"GH_PROMPT_DISABLED": "1", "GH_NO_UPDATE_NOTIFIER": "1", "NO_COLOR": "1"}
