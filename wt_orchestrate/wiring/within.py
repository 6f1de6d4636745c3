"""Who may say what: from inside a run's own processes a repository can be looked at, and nothing of it be steered.

It is a matter of the process tree, not of a variable that could be unset. Without a sandbox an agent has the user's rights and
more ways than our commands; this keeps a careless or talked-into agent from landing, approving or cancelling by them.
"""

from __future__ import annotations

import os

from wt_orchestrate.errors import Refused, WtError
from wt_orchestrate.wiring.site import common_dir_around

_PLACE = "repository"


def refuse_within(start: str, command: str) -> None:
    """Raises Refused for a command that steers the repository around `start` if we run in an attempt, a check or a setup
    command of that repository, or of one that cannot be told."""
    from wt_orchestrate.adapters.executor.within import process_around

    folder = process_around()
    if not folder:
        return
    of = _repository_of(folder)
    if of and of != _common_dir(start):
        return
    raise Refused(
        f"wto {command} was called from inside {os.path.basename(folder)}, a process of a run in this repository",
        hint="from there you can look (wto status, diff, logs, ...) and tell the person: wto note",
    )


def _repository_of(folder: str) -> str:
    """The git directory of the repository that a kept process belongs to, as its state folder says; empty if unknown."""
    while len(folder) > 1:
        folder = os.path.dirname(folder)
        try:
            with open(f"{folder}/{_PLACE}", encoding="utf-8", errors="surrogateescape") as file:
                return os.path.realpath(file.read(1 << 13).removesuffix("\n"))
        except OSError:
            continue
    return ""


def _common_dir(start: str) -> str:
    """The git directory that the command would work on; empty where it would find none."""
    try:
        return os.path.realpath(common_dir_around(start))
    except WtError:
        return ""
