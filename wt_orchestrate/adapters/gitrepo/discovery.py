"""Find the repository around a folder; imports little, because every command starts with it."""

from __future__ import annotations

import os
import subprocess

from wt_orchestrate.errors import Refused, WtError

_CONFIGURATION = ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM")
"""git's variables that say who the user is, and not which repository a hook runs in."""


def users_own() -> dict[str, str]:
    """The user's environment without the variables that point git at a repository."""
    return {name: value for name, value in os.environ.items() if name in _CONFIGURATION or not name.startswith("GIT_")}


def find_common_dir(start: str) -> str:
    """The common git directory of the repository around a folder. Raises Refused if there is none. `rev-parse` runs
    nothing of the repository. The user's own configuration counts: it says which owners git trusts."""
    env = users_own()
    arguments = ["git", "rev-parse", "--path-format=absolute", "--git-common-dir"]
    try:
        ended = subprocess.run(arguments, cwd=start, env=env | {"LC_ALL": "C"}, capture_output=True, check=False)
    except (FileNotFoundError, NotADirectoryError) as error:
        if not os.path.isdir(start):
            raise Refused(f"there is no folder {start}", hint="cd into a repository, or name one with -C") from error
        raise WtError("git was not found", hint="install git 2.38 or newer") from error
    if ended.returncode == 0:
        return os.path.realpath(os.fsdecode(ended.stdout.removesuffix(b"\n")))
    said = ended.stderr.decode(errors="replace")
    # git has no exit code of its own for this: its message is the only sign
    if "dubious ownership" in said:
        raise Refused(
            f"git does not trust the repository at {os.path.realpath(start)}: it belongs to another user",
            hint=f"git config --global --add safe.directory {os.path.realpath(start)}",
        )
    raise Refused(f"{os.path.realpath(start)} is not in a git repository", hint="cd into one, or run git init")
