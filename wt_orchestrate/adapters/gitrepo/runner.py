"""The one door to git: argument lists, an environment made from scratch, bytes out.

Nothing inherited reaches git but PATH, HOME and the locale; no configuration but a repository's own, and of that nothing
that could run a program: each such key is overridden by GIT_CONFIG_COUNT (an override by `-c` loses to some keys and
cannot name others), and hooks, fsmonitor, external diff, textconv, lazy fetch and replace refs are off. Commands that read
what agents wrote run in the vault, whose configuration is ours.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence

from wt_orchestrate.errors import GitFailed, WtError

_OVERRIDES = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.untrackedCache": "false",
    "core.sshCommand": "/bin/false",
    "core.askPass": "/bin/false",
    "core.alternateRefsCommand": ":",
    "core.attributesFile": "/dev/null",
    "core.excludesFile": "/dev/null",
    "core.quotePath": "false",
    "core.pager": "cat",
    "credential.helper": "",
    "diff.external": "",
    "diff.ignoreSubmodules": "all",
    "protocol.allow": "never",
    "protocol.file.allow": "always",
    "commit.gpgSign": "false",
    "tag.gpgSign": "false",
    "push.gpgSign": "false",
    "log.showSignature": "false",
    "gpg.program": "/bin/false",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    "fetch.writeCommitGraph": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "merge.default": "text",
    "merge.conflictStyle": "zdiff3",
    "rebase.updateRefs": "false",
    "advice.detachedHead": "false",
    "safe.directory": "*",
}
"""Keys that could start a program, hide a change or reach the network, each with the value that does nothing."""

_FIXED = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "/bin/false",
    "GIT_EDITOR": ":",
    "GIT_PAGER": "cat",
    "GIT_ALLOW_PROTOCOL": "file",
    "LC_ALL": "C.UTF-8",
    "LANGUAGE": "C",
}
NOTHING: Mapping[str, str] = {}
_IDENTITY = "wt-orchestrate", "wt-orchestrate@localhost"


def environment(extra: Mapping[str, str] = NOTHING, *, overrides: Mapping[str, str] = _OVERRIDES) -> dict[str, str]:
    """The whole environment of a git command."""
    env = {"PATH": os.environ.get("PATH", os.defpath), "HOME": os.environ.get("HOME", "/"), **_FIXED}
    env["GIT_CONFIG_COUNT"] = str(len(overrides))
    for number, (key, value) in enumerate(overrides.items()):
        env[f"GIT_CONFIG_KEY_{number}"] = key
        env[f"GIT_CONFIG_VALUE_{number}"] = value
    return {**env, **extra}


def users_environment() -> dict[str, str]:
    """For filling a new worktree from a base nobody but the user has written: the user's own configuration and filters
    (such as git-lfs) count, as they do when the user checks out; hooks and fsmonitor still do not run."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    config = {"core.hooksPath": "/dev/null", "core.fsmonitor": "false", "gc.auto": "0", "advice.detachedHead": "false"}
    env = environment({}, overrides=config)
    for name in ("GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_GLOBAL", "GIT_ATTR_NOSYSTEM", "GIT_ALLOW_PROTOCOL"):
        env.pop(name)
    return {**kept, **env}


def identity(at: float) -> dict[str, str]:
    """The tool as author and committer at a fixed time, so that the same arguments give the same commit."""
    name, email = _IDENTITY
    when = f"@{int(at)} +0000"
    return {
        "GIT_AUTHOR_NAME": name,
        "GIT_AUTHOR_EMAIL": email,
        "GIT_AUTHOR_DATE": when,
        "GIT_COMMITTER_NAME": name,
        "GIT_COMMITTER_EMAIL": email,
        "GIT_COMMITTER_DATE": when,
    }


class Git:
    """Git commands on one repository. `git_dir` is pinned: nothing is discovered through what an agent could write."""

    def __init__(self, git_dir: str, *, env: Mapping[str, str] = NOTHING) -> None:
        self.git_dir = git_dir
        self._env = {"GIT_DIR": git_dir, **env}

    def run(
        self,
        *arguments: str,
        ok: Sequence[int] = (0,),
        stdin: bytes | None = None,
        env: Mapping[str, str] = NOTHING,
        cwd: str | None = None,
        timeout_s: float = 600.0,
    ) -> bytes:
        """Its output. Raises GitFailed on an exit code that is not expected."""
        return self.outcome(*arguments, ok=ok, stdin=stdin, env=env, cwd=cwd, timeout_s=timeout_s)[1]

    def outcome(
        self,
        *arguments: str,
        ok: Sequence[int] = (0,),
        stdin: bytes | None = None,
        env: Mapping[str, str] = NOTHING,
        cwd: str | None = None,
        timeout_s: float = 600.0,
    ) -> tuple[int, bytes]:
        """Its exit code, one of `ok`, and its output."""
        return execute(
            arguments,
            environment({**self._env, **env}),
            ok=ok,
            stdin=stdin,
            cwd=cwd or self.git_dir,
            timeout_s=timeout_s,
        )

    def line(self, *arguments: str, ok: Sequence[int] = (0,)) -> str:
        """Its output as one line of text."""
        return self.run(*arguments, ok=ok).decode(errors="surrogateescape").rstrip("\n")


def execute(
    arguments: Sequence[str],
    env: Mapping[str, str],
    *,
    ok: Sequence[int] = (0,),
    stdin: bytes | None = None,
    cwd: str,
    timeout_s: float = 600.0,
) -> tuple[int, bytes]:
    """Run git once. Raises GitFailed on an unexpected exit code, WtError when there is no git or it hangs."""
    try:
        ended = subprocess.run(
            ["git", *arguments],
            env=dict(env),
            cwd=cwd,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except FileNotFoundError as error:
        raise WtError("git was not found", hint="install git 2.38 or newer") from error
    except subprocess.TimeoutExpired as error:
        raise WtError(f"git {arguments[0]} did not end within {timeout_s:.0f} s", hint="wto doctor") from error
    if ended.returncode not in ok:
        raise GitFailed(arguments, code=ended.returncode, stderr=ended.stderr.decode(errors="replace"))
    return ended.returncode, ended.stdout


def fields(output: bytes) -> list[str]:
    """NUL-separated output as text; names keep bytes that are no UTF-8."""
    return [part.decode("utf-8", errors="surrogateescape") for part in output.split(b"\0") if part]
