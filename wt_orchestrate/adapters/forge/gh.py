"""GitHub asked by its own client: `gh api`, with the logins that the client keeps, and the same paths as the REST interface."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

from wt_orchestrate.adapters.forge.api import LARGEST, refused
from wt_orchestrate.errors import WtError

_TIMEOUT_S = 60.0
_CODE = re.compile(r"\(HTTP (\d{3})\)")


def program() -> str | None:
    """Where the client is, if it is installed."""
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
        env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        env |= {"GH_PROMPT_DISABLED": "1", "GH_NO_UPDATE_NOTIFIER": "1", "NO_COLOR": "1"}
        try:
            ended = subprocess.run(
                [*words, path], input=given, env=env, capture_output=True, timeout=_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise WtError(f"gh did not answer within {_TIMEOUT_S:.0f} s", hint="try again; nothing is lost") from None
        except OSError as error:
            raise WtError(f"gh cannot be started: {error.strerror}", hint="gh --version") from None
        if ended.returncode != 0:
            raise self._failed(ended, f"{method} {path}")
        if len(ended.stdout) > LARGEST:
            raise WtError(f"gh answered more than {LARGEST >> 20} MiB", hint="try again")
        return json.loads(ended.stdout) if ended.stdout.strip() else None

    def _failed(self, ended: subprocess.CompletedProcess[bytes], what: str) -> WtError:
        said = ended.stderr.decode("utf-8", "replace").strip()
        code = _CODE.search(said)
        hint = f"gh auth status --hostname {self._host}"
        if code is not None:
            return refused(int(code[1]), ended.stdout, what=what, hint=hint)
        return WtError(f"gh could not ask {self._host}: {said[-300:] or ended.returncode}", hint=hint)
