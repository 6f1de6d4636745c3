"""Finding the repository around a folder; imports little, because every command starts with it."""

from __future__ import annotations

import os
import subprocess

from wt_orchestrate.errors import Refused, WtError


def find_common_dir(start: str) -> str:
    """The common git directory of the repository around a folder. Raises Refused where there is none."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    env |= {
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.fsmonitor",
        "GIT_CONFIG_VALUE_0": "false",
    }
    arguments = ["git", "rev-parse", "--path-format=absolute", "--git-common-dir"]
    try:
        ended = subprocess.run(arguments, cwd=start, env=env, capture_output=True, check=False)
    except FileNotFoundError as error:
        if not os.path.isdir(start):
            raise Refused(f"there is no folder {start}", hint="cd to a repository, or name one with -C") from error
        raise WtError("git was not found", hint="install git 2.38 or newer") from error
    if ended.returncode == 0:
        return os.fsdecode(ended.stdout.rstrip(b"\n"))
    said = ended.stderr.decode(errors="replace")
    # git has no exit code of its own for this: its message is the only sign
    if "dubious ownership" in said:
        raise Refused(
            f"git does not trust the repository at {start}: it belongs to another user",
            hint=f"git config --global --add safe.directory {os.path.realpath(start)}",
        )
    raise Refused(f"{os.path.realpath(start)} is in no git repository", hint="cd to one, or git init")
