"""Which places a kept process gets: what it may write, what it must not change within that, and what it must not see.

Everything is read from our own side, before the process starts: a worktree's own `.git` file is believed only if the
repository's administrative folder names that worktree, so that an agent cannot have a sandbox opened somewhere else.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

SECRETS = (
    ".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".netrc", ".git-credentials", ".pypirc", ".password-store",
    ".config/gcloud", ".config/gh", ".config/glab-cli", ".config/git/credentials", ".config/op", ".config/sops",
    ".config/wt-orchestrate", ".local/share/keyrings", ".local/share/wt-orchestrate", ".mozilla", ".thunderbird",
    ".config/google-chrome", ".config/chromium", ".vault-token", ".terraform.d", ".config/hub", ".cargo/credentials",
    ".cargo/credentials.toml", ".m2/settings.xml", ".gradle/gradle.properties", ".gem/credentials", ".composer/auth.json",
    ".bash_history", ".zsh_history", ".python_history", ".psql_history", ".pgpass", ".my.cnf",
)  # fmt: skip
"""What is hidden of a home, where it is there."""
SPREAD = (".cargo", ".config", ".local", ".local/share", ".gradle", ".m2", "go")
"""Folders of a home in which tools write beside what they only read: like the home itself, each is a folder of the process's
own, in which what the user has there is shown read-only."""
CACHES = (
    ".cache", ".npm", ".yarn", ".pnpm-store", ".local/share/pnpm", ".cargo/registry", ".cargo/git", ".gradle/caches",
    ".m2/repository", "go/pkg", ".nuget", ".ivy2", ".sbt", ".composer/cache", ".deno", ".local/state",
)  # fmt: skip
"""Caches of tools: each process starts with an empty one of its own, unless the user lists the place as writable."""
CLIENT = (".claude",)
CLIENT_WRITES = (
    "projects", "todos", "tasks", "plans", "sessions", "session-env", "shell-snapshots", "file-history", "statsig", "debug",
    ".credentials.json",
)  # fmt: skip
"""What the client keeps of its sessions and its login. The rest of its folder steers the user's own sessions."""
CLIENT_STATE = ".claude.json"
_MOST = 400
"""Entries of a folder that are shown one by one."""
_LINE = 1 << 13


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The machine around a run. `hidden`: folders whose content nothing in a sandbox sees; `readable`: what is needed again
    below those; `writable`: places that the user lists, and the client's own."""

    common_dir: str
    state_dir: str
    main_worktree: str | None
    worktrees: str
    hidden: tuple[str, ...] = ()
    readable: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """What one process gets, in the order in which it is mounted. `own`: pairs of a folder of the process's own and the path at
    which it finds it."""

    hidden: tuple[str, ...]
    own: tuple[tuple[str, str], ...]
    shown: tuple[str, ...]
    others: tuple[str, ...]
    readable: tuple[str, ...]
    writable: tuple[str, ...]
    locked: tuple[str, ...]
    masked: tuple[str, ...]


def places(ground: Ground, *, cwd: str, folder: str, env: Mapping[str, str]) -> Places:
    """The places of a process that works in `cwd`, whose files of ours are in `folder`."""
    home = os.path.realpath(env["HOME"]) if os.path.isdir(env.get("HOME", "")) else ""
    home = "" if home in {"/", os.path.realpath(cwd)} else home
    client = os.path.realpath(env.get("CLAUDE_CONFIG_DIR") or f"{home}/.claude") if home else ""
    tmpdir = env.get("TMPDIR", "")
    writable = [cwd, f"{folder}/said", *((tmpdir,) if tmpdir not in {"", "/tmp"} else ()), *ground.writable]
    if client and os.path.isdir(client):
        for name in CLIENT_WRITES[:-1]:
            os.makedirs(f"{client}/{name}", mode=0o700, exist_ok=True)
        writable += [f"{client}/{name}" for name in CLIENT_WRITES]
    locked: list[str] = []
    admin = admin_folder(ground.common_dir, cwd)
    if admin:
        writable += [f"{ground.common_dir}/objects", admin, *_ref_folders(ground.common_dir, _branch_of(admin))]
        os.makedirs(f"{ground.common_dir}/objects/info", exist_ok=True)
        locked += [f"{cwd}/.git", f"{admin}/commondir", f"{admin}/gitdir", f"{admin}/config.worktree"]
        locked += [f"{ground.common_dir}/objects/pack", f"{ground.common_dir}/objects/info"]
    own, shown = _home(home, client, folder, ground.writable) if home else ((), ())
    masked = [f"{home}/{name}" for name in SECRETS] if home else []
    masked += [f"{ground.state_dir}/mcp-token"]
    return Places(
        hidden=tuple(_existing(ground.hidden)),
        others=tuple(_existing((ground.worktrees,))),
        readable=tuple(_existing((ground.main_worktree or "", ground.common_dir, ground.state_dir, *ground.readable))),
        own=own,
        shown=shown,
        writable=tuple(_existing(writable)),
        locked=tuple(_existing(locked)),
        masked=tuple(path for path in _existing(masked) if not _is_below(path, ground.writable)),
    )


def _home(
    home: str, client: str, folder: str, writable: Sequence[str]
) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """A home of the process's own, with what the user has there: pairs of own folders and their places, and what is shown."""
    spread = [home, *(f"{home}/{name}" for name in SPREAD), *((client,) if client != home else ())]
    spread = [path for path in dict.fromkeys(spread) if os.path.isdir(path) and not _is_below(path, writable)]
    caches = [f"{home}/{name}" for name in CACHES if not _is_below(f"{home}/{name}", writable)]
    own: list[tuple[str, str]] = []
    shown: list[str] = []
    for number, path in enumerate(spread):
        beside = f"{folder}/home/{number}"
        os.makedirs(beside, mode=0o700, exist_ok=True)
        own.append((beside, path))
        names = sorted(os.listdir(path))[:_MOST]
        if CLIENT_STATE in names:
            _copy_once(f"{path}/{CLIENT_STATE}", f"{beside}/{CLIENT_STATE}")
        entries = [f"{path}/{name}" for name in names if name != CLIENT_STATE]
        shown += [each for each in entries if each not in spread and each not in caches]
    return tuple(own), tuple(each for each in shown if not os.path.islink(each) or os.path.exists(each))


def _copy_once(path: str, copy: str) -> None:
    """A copy that the process may write: changes of it stay with the process."""
    with suppress(OSError):
        if not os.path.exists(copy):
            shutil.copyfile(path, copy)


def admin_folder(common_dir: str, worktree: str) -> str:
    """The administrative folder of a linked worktree of this repository; empty for any other folder."""
    text = _line(f"{worktree}/.git")
    if not text.startswith("gitdir: "):
        return ""
    found = os.path.realpath(text.removeprefix("gitdir: "))
    if os.path.dirname(found) != os.path.realpath(f"{common_dir}/worktrees"):
        return ""
    named = os.path.dirname(_line(f"{found}/gitdir"))
    return found if named and os.path.realpath(named) == os.path.realpath(worktree) else ""


def _branch_of(admin: str) -> str:
    """The ref that its HEAD names; empty for a detached one."""
    text = _line(f"{admin}/HEAD")
    return text.removeprefix("ref: ") if text.startswith("ref: refs/heads/") and ".." not in text else ""


def _ref_folders(common_dir: str, branch: str) -> Iterator[str]:
    """Where git writes when this branch moves: a lock is made beside the ref, so it is the folder. A reftable holds every ref,
    and so is writable as a whole."""
    if os.path.isdir(f"{common_dir}/reftable"):
        yield f"{common_dir}/reftable"
        return
    above = os.path.dirname(branch)
    if above.startswith("refs/heads/"):  # a branch of its own folder, never all of refs/heads
        for root in (common_dir, f"{common_dir}/logs"):
            os.makedirs(f"{root}/{above}", exist_ok=True)
            yield f"{root}/{above}"


def _is_below(path: str, folders: Sequence[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def _existing(paths: Sequence[str]) -> Iterator[str]:
    """Those that are there, each once, those above before those below."""
    yield from sorted(
        {os.path.realpath(path) for path in paths if path and os.path.lexists(path)},
        key=lambda path: (path.count("/"), path),
    )


def _line(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read(_LINE).removesuffix("\n")
    except OSError:
        return ""
