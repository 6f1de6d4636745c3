"""What the user's configuration says for a repository, listed by git once and again only when one of its files changed.

`git config --list` runs nothing. The user's own configuration counts, the repository's does, and each value is known with the
place it comes from, because most readers trust only one of them. A configuration that includes other files is listed again each
time: nobody tells when those change.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock

from wt_orchestrate.adapters.gitrepo.discovery import users_own
from wt_orchestrate.adapters.gitrepo.runner import Git, execute, text

LIST = ("config", "-z", "--list", "--show-scope", "--show-origin")
_OWN = frozenset({"local", "worktree"})
_TRUE = frozenset({"true", "yes", "on", "1", None})
_Stamp = tuple[tuple[int, int, int] | str | None, ...]


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of a configuration; `value` is None where the key stands alone, which means true."""

    scope: str
    origin: str
    key: str
    value: str | None


class Configuration:
    """The configuration around one common git directory. Safe from any thread."""

    def __init__(self, common_dir: str) -> None:
        self.common_dir = common_dir
        self._listed: Sequence[Setting] = ()
        self._stamp: _Stamp | None = None
        self._lock = Lock()

    def settings(self) -> Sequence[Setting]:
        """All of it, what counts most last. Raises GitFailed when git cannot read it."""
        with self._lock:
            stamp = self._stamp_now()
            if stamp != self._stamp:
                self._listed = _listed(self.common_dir)
                included = any(each.key.startswith(("include.", "includeif.")) for each in self._listed)
                self._stamp = None if included else stamp
            return self._listed

    def switch_on(self, section: str, name: str) -> None:
        """Have git write `section.name = true` into the shared configuration. It need not list everything again for that, if
        what stands in the file now is what stood there before, and this."""
        path = f"{self.common_dir}/config"
        with self._lock:
            known = self._stamp is not None and self._stamp == self._stamp_now()
            old = _content(path)
            Git(self.common_dir).run("config", f"{section}.{name}", "true")
            stamp = self._stamp_now()
            grown = _content(path) == old + f"[{section}]\n\t{name} = true\n".encode()
            if known and grown and stamp == self._stamp_now() and not os.path.lexists(f"{path}.worktree"):
                self._listed = [*self._listed, Setting("local", f"file:{path}", f"{section}.{name}".lower(), "true")]
                self._stamp = stamp

    def value(self, key: str) -> str | None:
        """What counts, wherever it stands; None when it stands nowhere, or alone."""
        return next((each.value for each in reversed(self.settings()) if each.key == key), None)

    def path(self, key: str, *, scope: str = "") -> str | None:
        """The same as a path, maybe as one scope has it; `~` stands for a home folder. git is asked where only it knows."""
        found = [each.value for each in self.settings() if each.key == key and each.scope.startswith(scope)]
        if not found or not found[-1]:
            return None
        if found[-1].startswith("%("):
            where = (f"--{scope}",) if scope else ()
            env = {**users_own(), "GIT_DIR": self.common_dir, "GIT_OPTIONAL_LOCKS": "0"}
            words = ("config", *where, "--type=path", "--get", key)
            return text(execute(words, env, cwd=self.common_dir)[1]).removesuffix("\n")
        return os.path.expanduser(found[-1])

    def own(self, key: str) -> str | None:
        """What the repository itself says."""
        return next((each.value for each in reversed(self._of_repository()) if each.key == key), None)

    def own_is_true(self, key: str) -> bool:
        """Whether the repository itself says yes."""
        said = [each.value for each in self._of_repository() if each.key == key]
        return bool(said) and (said[-1].lower() if said[-1] is not None else None) in _TRUE

    def in_file(self) -> Mapping[str, str]:
        """The shared configuration file alone, nothing that it includes."""
        origin = f"file:{self.common_dir}/config"
        return {
            each.key: each.value or "" for each in self.settings() if each.scope == "local" and each.origin == origin
        }

    def object_format(self) -> str:
        """The hash of the repository's objects."""
        return (self.own("extensions.objectformat") or "sha1").lower()

    def bare(self) -> bool:
        return self.own_is_true("core.bare")

    def _of_repository(self) -> Sequence[Setting]:
        return [each for each in self.settings() if each.scope in _OWN]

    def _stamp_now(self) -> _Stamp:
        files = self._files()
        return (os.environ.get("GIT_CONFIG_NOSYSTEM"), *files, *map(_stamp_of, files))

    def _files(self) -> Sequence[str]:
        env = users_own()
        home = os.path.expanduser("~")
        above = env.get("XDG_CONFIG_HOME") or f"{home}/.config"
        users = (
            (env["GIT_CONFIG_GLOBAL"],) if "GIT_CONFIG_GLOBAL" in env else (f"{home}/.gitconfig", f"{above}/git/config")
        )
        machine = env.get("GIT_CONFIG_SYSTEM", "/etc/gitconfig")
        return (f"{self.common_dir}/config", f"{self.common_dir}/config.worktree", *users, machine)


def _listed(common_dir: str) -> Sequence[Setting]:
    env = {**users_own(), "GIT_DIR": common_dir, "GIT_OPTIONAL_LOCKS": "0"}
    parts = iter(text(execute(LIST, env, cwd=common_dir)[1]).split("\0"))
    found: list[Setting] = []
    for scope in parts:
        if scope:
            origin, (key, alone, value) = next(parts), next(parts).partition("\n")
            found.append(Setting(scope, _whole(origin, common_dir), key, value if alone else None))
    return found


def _whole(origin: str, common_dir: str) -> str:
    """Where a line stands, with the whole path of the file."""
    kind, _, path = origin.partition(":")
    return f"{kind}:{os.path.normpath(os.path.join(common_dir, path))}" if kind == "file" else origin


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def _stamp_of(path: str) -> tuple[int, int, int] | None:
    try:
        facts = os.stat(path)
    except OSError:
        return None
    return (facts.st_mtime_ns, facts.st_size, facts.st_ino)


def quoted(value: str) -> str:
    """A value as it stands in a configuration file."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


@lru_cache(maxsize=32)
def configuration(common_dir: str) -> Configuration:
    """The configuration around a common git directory; the same one for everybody who asks."""
    return Configuration(common_dir)
