"""What every agent's environment has, whatever its type: git's automatic clean-up off, the stash disabled, a name.

It is done by environment alone; the user's configuration is never written.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from tempfile import mkdtemp

from wt_orchestrate.resources import resource

IDENTITY = ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL")
"""Variables that say who commits: an agent commits as the user would."""
_CONFIG = {"gc.auto": "0", "maintenance.auto": "false"}


def own_tmpdir(folder: str, environment: Mapping[str, str]) -> str:
    """A temporary folder for one attempt, made where the user's are and named in its own folder, so that it can be
    removed when the attempt is over. Its path is short, because tools make sockets in it, and nobody else can have made
    it before."""
    note = f"{folder}/tmpdir"
    if os.path.exists(note):
        with open(note, encoding="utf-8", errors="surrogateescape") as file:
            path = file.read()
        if os.path.isdir(path):
            return path
    path = mkdtemp(prefix="wto-", dir=environment.get("TMPDIR") or "/tmp")
    with open(note, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(path)
    return path


def guarded(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment with git's guards, and without the git and client variables of our own caller, but for those
    that say who commits."""
    env = {
        name: value
        for name, value in environment.items()
        if name in IDENTITY or not name.startswith(("GIT_", "CLAUDECODE", "WTO_"))
    }
    path = env.get("PATH", os.defpath)
    env["PATH"] = f"{resource('hooks', 'agent-bin')}{os.pathsep}{path}"
    env["WTO_GIT"] = shutil.which("git", path=path) or "/usr/bin/git"
    env["GIT_TERMINAL_PROMPT"] = "0"
    env["GIT_EDITOR"] = "true"
    env["GIT_CONFIG_COUNT"] = str(len(_CONFIG))
    for number, (key, value) in enumerate(_CONFIG.items()):
        env[f"GIT_CONFIG_KEY_{number}"] = key
        env[f"GIT_CONFIG_VALUE_{number}"] = value
    return env
