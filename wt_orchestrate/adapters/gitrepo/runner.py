"""Run git: argument lists, an environment made from scratch, bytes in and out. Every git command of the tool goes
through here.

git inherits nothing but PATH, HOME and the folder for temporary files. It reads no configuration but that of the pinned
git directory, and of that nothing that could start a program, hide a change or reach the network: each such key is
overridden through GIT_CONFIG_COUNT (`-c` cannot name every key), and hooks, fsmonitor, external diff, textconv, lazy
fetch, replace refs and grafts are off. Overrides are the second defence: commands that read what agents wrote run on a
git directory of ours (the vault, or a private one), whose configuration nobody else writes.

git runs in a session of its own, so that an interrupt at the terminal does not cut it off; one that exceeds its time is
asked to end first, because a killed git leaves its lock files behind.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from typing import IO

from wt_orchestrate.adapters.gitrepo.discovery import users_own
from wt_orchestrate.errors import GitFailed, Overran, WtError

QUIET = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.untrackedCache": "false",
    "core.splitIndex": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "advice.detachedHead": "false",
    "submodule.recurse": "false",
    "safe.directory": "*",  # `find_common_dir` has asked git, under the user's own configuration, whether to trust it
}
"""No hook, no program that watches files, and nothing that git does beside what it is asked for."""
_OVERRIDES = QUIET | {
    "core.commitGraph": "false",
    "core.sshCommand": "/bin/false",
    "core.gitProxy": "",
    "core.askPass": "/bin/false",
    "core.alternateRefsCommand": ":",
    "core.attributesFile": "/dev/null",
    "core.excludesFile": "/dev/null",
    "core.quotePath": "false",
    "core.pager": "cat",
    "credential.helper": "",
    "diff.external": "",
    "diff.ignoreSubmodules": "all",
    "diff.renames": "true",
    "diff.noPrefix": "false",
    "protocol.allow": "never",
    "protocol.file.allow": "always",
    "protocol.version": "2",
    "commit.gpgSign": "false",
    "tag.gpgSign": "false",
    "push.gpgSign": "false",
    "log.showSignature": "false",
    "gpg.program": "/bin/false",
    "fetch.recurseSubmodules": "false",
    "fetch.writeCommitGraph": "false",
    "merge.default": "text",
    "merge.renames": "true",
    "merge.directoryRenames": "conflict",
    "rebase.updateRefs": "false",
}
NAME, EMAIL = "wt-orchestrate", "wt-orchestrate@localhost"
"""Who makes the tool's commits, and moves refs in the eyes of a reflog."""
_FIXED = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": "/dev/null",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "/bin/false",
    "GIT_EDITOR": ":",
    "GIT_PAGER": "cat",
    "GIT_ALLOW_PROTOCOL": "file",
    "GIT_AUTHOR_NAME": NAME,
    "GIT_AUTHOR_EMAIL": EMAIL,
    "GIT_COMMITTER_NAME": NAME,
    "GIT_COMMITTER_EMAIL": EMAIL,
    "LC_ALL": "C",
}
_OF_THE_USER = ("GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_GLOBAL", "GIT_ATTR_NOSYSTEM", "GIT_ALLOW_PROTOCOL", "LC_ALL")
EXCLUDES = "core.excludesFile"
"""The one override that a command may set to another value: the user's own list of ignored names."""
NOTHING: Mapping[str, str] = {}
SHORT_S = 120.0
LONG_S = 3600.0
"""For commands whose time grows with the repository: fetches and checkouts."""
_GRACE_S = 5.0


def environment(extra: Mapping[str, str] = NOTHING) -> dict[str, str]:
    """The whole environment of a git command."""
    passed = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH") if name in os.environ}
    return {**passed, **_FIXED, **configured(_OVERRIDES), **extra}


def users_environment(extra: Mapping[str, str] = NOTHING, *, config: Mapping[str, str] = NOTHING) -> dict[str, str]:
    """An environment in which the user's own configuration counts (filters such as git-lfs, line ends, ignored names),
    but hooks and fsmonitor do not. `config` is added to it."""
    fixed = {name: value for name, value in _FIXED.items() if name not in _OF_THE_USER}
    return {**users_own(), **fixed, **configured({**config, **QUIET}), **extra}


def configured(config: Mapping[str, str]) -> dict[str, str]:
    """Configuration as environment variables."""
    env = {"GIT_CONFIG_COUNT": str(len(config))}
    for number, (key, value) in enumerate(config.items()):
        env[f"GIT_CONFIG_KEY_{number}"] = key
        env[f"GIT_CONFIG_VALUE_{number}"] = value
    return env


def authored(author: str) -> dict[str, str]:
    """Environment for a commit of somebody's (`Name <address>`; empty for our own)."""
    name, _, address = author.partition(" <")
    return {"GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": address.removesuffix(">")} if name else {}


def added_configuration(config: Mapping[str, str]) -> dict[str, str]:
    """Environment for one command that adds configuration to the overrides of every command."""
    return configured({**config, **_OVERRIDES, **{key: config[key] for key in config if key == EXCLUDES}})


def signing_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Environment for one command that signs: the user's agents and key folders, and the settings that name program and key."""
    users = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**users, "LC_ALL": "C", **configured({**_OVERRIDES, "gpg.program": "gpg", **settings})}


@dataclass(frozen=True, slots=True)
class Git:
    """git on one git directory, pinned: nothing is discovered through what an agent could write."""

    git_dir: str
    env: Mapping[str, str] = field(default_factory=dict)
    users: bool = False
    """Whether the user's own configuration counts: for what reads or writes files of theirs, with their filters."""

    def run(
        self,
        *arguments: str,
        ok: Sequence[int] = (0,),
        stdin: bytes = b"",
        whole: bool = False,
        env: Mapping[str, str] = NOTHING,
        timeout_s: float = SHORT_S,
    ) -> bytes:
        """Its output. Raises GitFailed on an exit code that is not expected."""
        return self.outcome(*arguments, ok=ok, stdin=stdin, whole=whole, env=env, timeout_s=timeout_s)[1]

    def outcome(
        self,
        *arguments: str,
        ok: Sequence[int] = (0,),
        stdin: bytes = b"",
        whole: bool = False,
        env: Mapping[str, str] = NOTHING,
        timeout_s: float = SHORT_S,
    ) -> tuple[int, bytes]:
        """Its exit code, one of `ok`, and its output."""
        own = users_environment if self.users else environment
        variables = own({"GIT_DIR": self.git_dir, **self.env, **env})
        return execute(arguments, variables, cwd=_cwd(variables), ok=ok, stdin=stdin, whole=whole, timeout_s=timeout_s)

    def line(self, *arguments: str, ok: Sequence[int] = (0,), stdin: bytes = b"") -> str:
        """Its output as one line of text."""
        return text(self.run(*arguments, ok=ok, stdin=stdin)).removesuffix("\n")

    def start_of(self, *arguments: str, limit: int) -> bytes:
        """The first bytes of its output, however long it is."""
        env = environment({"GIT_DIR": self.git_dir, **self.env})
        with _started(arguments, env, cwd=_cwd(env)) as process:
            assert process.stdout is not None and process.stderr is not None
            found: bytes = process.stdout.read(limit)
            process.stdout.close()
            said: bytes = process.stderr.read()
        if len(found) < limit and process.returncode != 0:
            raise GitFailed(arguments, code=process.returncode, stderr=said.decode(errors="replace"))
        return found

    def at(self, env: Mapping[str, str]) -> Git:
        """The same with more environment, such as a worktree and an index."""
        return Git(self.git_dir, {**self.env, **env}, self.users)

    def as_the_user(self, env: Mapping[str, str], settings: Mapping[str, str]) -> Git:
        """The same where files are read and written as the user's own git does, with these settings beside theirs."""
        return Git(self.git_dir, {**self.env, **env, **configured({**settings, **QUIET})}, users=True)


def execute(
    arguments: Sequence[str],
    env: Mapping[str, str],
    *,
    cwd: str,
    ok: Sequence[int] = (0,),
    stdin: bytes = b"",
    whole: bool = False,
    timeout_s: float = SHORT_S,
) -> tuple[int, bytes]:
    """Run git once. With `whole` its input is a file, which no end of ours can cut short. Raises GitFailed on an unexpected
    exit code, WtError if there is no git or it exceeds its time."""
    with ExitStack() as stack:
        given: int | IO[bytes] = subprocess.PIPE if stdin else subprocess.DEVNULL
        if whole:
            given = stack.enter_context(_file_with(stdin, arguments))
        process = stack.enter_context(_started(arguments, env, cwd=cwd, stdin=given))
        try:
            output, said = process.communicate(None if whole else stdin or None, timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            _end(process)
            raise Overran(f"git {arguments[0]} did not finish within {timeout_s:.0f} s", hint="try again") from error
        except BaseException:
            _end(process)
            raise
    if process.returncode not in ok:
        raise GitFailed(arguments, code=process.returncode, stderr=said.decode(errors="replace"))
    return process.returncode, output


def _file_with(content: bytes, arguments: Sequence[str]) -> IO[bytes]:
    try:
        file = TemporaryFile()
        file.write(content)
        file.seek(0)
    except OSError as error:
        raise WtError(f"git {arguments[0]} cannot get its input: {error.strerror}", hint="free disk space") from error
    return file


def start(git: Git, arguments: Sequence[str], *, stderr: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start git for a conversation: its input and output are pipes. Whoever starts it ends it."""
    env = environment({"GIT_DIR": git.git_dir, **git.env})
    return _started(arguments, env, cwd=_cwd(env), stdin=subprocess.PIPE, stderr=stderr)


def _started(
    arguments: Sequence[str],
    env: Mapping[str, str],
    *,
    cwd: str,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stderr: int | IO[bytes] = subprocess.PIPE,
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            ["git", *arguments],
            env=dict(env),
            cwd=cwd,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        if not os.path.isdir(cwd):
            raise WtError(f"there is no folder {cwd}", hint="wto doctor") from error
        raise WtError("git was not found", hint="install git 2.38 or newer") from error


def _end(process: subprocess.Popen[bytes]) -> None:
    """End git and what it started, such as a merge driver, which would otherwise hold its pipes open."""
    _signal(process, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=_GRACE_S)
    _signal(process, signal.SIGKILL)
    process.communicate()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to its whole session; git leads one."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _cwd(env: Mapping[str, str]) -> str:
    return env.get("GIT_WORK_TREE") or env["GIT_DIR"]


def text(output: bytes) -> str:
    """Output as text; bytes that are not UTF-8 survive the round trip."""
    return output.decode("utf-8", "surrogateescape")


def written(output: bytes) -> str:
    """A name or a message in a commit as text, without loss: UTF-8, else Latin-1, as git itself reads what is not UTF-8."""
    try:
        return output.decode()
    except UnicodeDecodeError:
        return output.decode("latin-1")


def fields(output: bytes) -> list[str]:
    """NUL-separated output as text, without empty parts."""
    return [part for part in text(output).split("\0") if part]


def input_lines(lines: Sequence[str]) -> bytes:
    """Lines for git's input."""
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
