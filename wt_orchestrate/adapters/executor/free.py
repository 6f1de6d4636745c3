"""Free what an ended process said: its output, its inbox and its instructions. What tells that it ran and how it ended stays,
so that nobody takes it for one that never started; where its output was, a line says that it is gone.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress

from wt_orchestrate.adapters.executor.liveness import keeper_lives
from wt_orchestrate.osfiles.atomic import replace_file

_STAYS = frozenset({"launch", "started", "exit.json", "keeper.lock", "stderr.log"})
_WORDS = "wto clean deleted its output\n"


def of_run(root: str, run: str, *, kind: str = "") -> Sequence[str]:
    """The folders of a run's ended processes whose output is still there; with `kind`, of its checks or setup commands only."""
    with suppress(OSError):
        named = sorted(name for name in os.listdir(root) if name.startswith(f"{run}.") and f".{kind}" in name)
        return tuple(folder for name in named if not _is_free(folder := f"{root}/{name}") and not keeper_lives(folder))
    return ()


def free(folder: str) -> None:
    """Delete all that it said. Safe twice."""
    for name in os.listdir(folder):
        path = f"{folder}/{name}"
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, ignore_errors=True)
        elif name not in _STAYS:
            os.unlink(path)
    replace_file(f"{folder}/stderr.log", _WORDS)


def _is_free(folder: str) -> bool:
    try:
        with open(f"{folder}/stderr.log", "rb") as file:
            said = file.read(len(_WORDS) + 1)
    except OSError:
        return False
    return said == _WORDS.encode() and not os.path.exists(f"{folder}/stream.jsonl")
