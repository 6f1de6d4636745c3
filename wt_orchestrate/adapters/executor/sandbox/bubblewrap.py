"""bubblewrap: a process in namespaces of its own, with a view of the file system that is put together for it.

It sees the machine read-only, writes its own places, and finds nothing in the hidden ones. It has its own process namespace,
so that nobody outlives it, and on request no network. The order of mounts is what makes it right: what hides comes before what
is shown again below it, what may be written after that, and what is locked or masked last.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence

from wt_orchestrate.adapters.executor.sandbox.places import Ground, Places, places
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.ports.engine import Launch

NAME = "bubblewrap"


def program() -> str | None:
    """Its path, if it is installed."""
    return shutil.which("bwrap")


class Bubblewrap:
    """The sandbox port by bubblewrap. Without `network` a process reaches nothing, not even this machine's loopback."""

    name = NAME

    def __init__(self, binary: str, ground: Ground, *, network: bool) -> None:
        self._binary = binary
        self._ground = ground
        self._network = network

    def confined(self, launch: Launch, *, folder: str) -> Launch:
        """The same process in the sandbox; `folder` is where its keeper keeps what is known of it."""
        os.makedirs(f"{folder}/said", mode=0o700, exist_ok=True)
        found = places(self._ground, cwd=launch.cwd, folder=folder, env=launch.env)
        words = arguments(found, cwd=launch.cwd, network=self._network)
        return replace(launch, argv=(self._binary, *words, "--", *launch.argv), env={**launch.env, "IS_SANDBOX": "1"})


def arguments(found: Places, *, cwd: str, network: bool) -> list[str]:
    """The words that make this view."""
    words = [
        "--unshare-user-try",
        "--unshare-pid",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup-try",
        "--die-with-parent",
    ]
    words += [] if network else ["--unshare-net"]
    words += ["--cap-drop", "ALL", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    words += ["--ro-bind", "/proc/sys", "/proc/sys"]  # a user 0 without capabilities owns these files all the same
    words += [word for path in found.hidden for word in ("--tmpfs", path)]
    words += _resolver()
    for own, path in found.own:
        words += ["--bind", own, path]
        words += _bound("--ro-bind", [each for each in found.shown if os.path.dirname(each) == path])
    words += [word for path in found.others for word in ("--tmpfs", path)]
    words += _bound("--ro-bind", found.readable)
    words += _bound("--bind", found.writable)
    words += _bound("--ro-bind", found.locked)
    for path in found.masked:
        words += ["--tmpfs", path] if os.path.isdir(path) else ["--ro-bind", os.devnull, path]
    return [*words, "--chdir", cwd]


def _bound(how: str, paths: Sequence[str]) -> list[str]:
    return [word for path in paths for word in (how, path, path)]


def _resolver() -> list[str]:
    """How names are resolved, where that lies below what is hidden."""
    real = os.path.realpath("/etc/resolv.conf")
    return ["--ro-bind", real, real] if real.startswith("/run/") and os.path.isfile(real) else []
