"""Reports of faults of ours that a run went on from, in the state folder: the newest ones."""

from __future__ import annotations

import os
import traceback
from contextlib import suppress

from wt_orchestrate import __version__
from wt_orchestrate.osfiles.atomic import replace_file
from wt_orchestrate.wiring.site import Site

_KEPT = 20
_FOLDER = "faults"


def keep_report(site: Site, error: BaseException) -> str:
    """Write down a fault with its traceback; the path, empty if it could not be written. The same fault is written once."""
    text = f"wt-orchestrate {__version__}\n\n{''.join(traceback.format_exception(error))}"
    folder = site.path(_FOLDER)
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        known = sorted(os.listdir(folder))
        for name in known:
            with open(f"{folder}/{name}", encoding="utf-8", errors="replace") as file:
                if file.read() == text:
                    return f"{folder}/{name}"
        for name in known[: max(0, len(known) - _KEPT + 1)]:
            with suppress(OSError):
                os.unlink(f"{folder}/{name}")
        number = int(known[-1].partition(".")[0]) + 1 if known else 1
        path = f"{folder}/{number:06d}.txt"
        replace_file(path, text.encode("utf-8", "replace"), mode=0o600)
    except (OSError, ValueError):
        return ""
    return path
