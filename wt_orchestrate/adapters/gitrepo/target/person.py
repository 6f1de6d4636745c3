"""Who lands: name, address and signature as the user's own git would give them, and nothing that an agent wrote.

The user's own configuration counts as it is now. What the repository says (`user.email` in `.git/config`, a program that signs)
counts as it was recorded when the run started, because agents can write that file.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping

from wt_orchestrate.adapters.gitrepo.configuration import configuration
from wt_orchestrate.adapters.gitrepo.discovery import users_own
from wt_orchestrate.adapters.gitrepo.runner import configured, execute, text
from wt_orchestrate.adapters.gitrepo.target.record import recorded
from wt_orchestrate.errors import Refused
from wt_orchestrate.ports.git.merges import Person

_SIGNS = "commit.gpgsign"
_KEYS = ("user.", "author.", "committer.", "gpg.", _SIGNS)
_OWN = frozenset({"local", "worktree"})
_TRUE = frozenset({"true", "yes", "on", "1"})
_PROGRAMS = ("gpg.program", "gpg.openpgp.program", "gpg.x509.program", "gpg.ssh.program", "gpg.ssh.defaultkeycommand")


def person(common_dir: str, main: str | None, record: str) -> Person:
    """Who the user is to git, and the settings by which they sign. Raises Refused where a program that signs lies in the
    repository."""
    settings = _settings(common_dir, record)
    signs = settings.get(_SIGNS, "").lower() in _TRUE
    if signs:
        _require_outside(settings, (main or common_dir, common_dir))
    told = _told("committer", settings)
    if told is None:
        env = {**users_own(), **configured(settings), "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
        code, output = execute(("var", "GIT_COMMITTER_IDENT"), env, cwd="/", ok=(0, 1, 128, 129))
        name, _, rest = text(output).strip().rpartition(" <") if code == 0 else ("", "", "")
        told = (name, rest.partition(">")[0] if name else "")
    return Person(name=told[0], email=told[1], signing=settings if signs else {})


def author(common_dir: str) -> str:
    """Whose commits the user's are, as `Name <address>`; empty where git was not told both. No git runs for it beside the one
    that lists the configuration."""
    told = _told("author", {each.key: each.value or "" for each in configuration(common_dir).settings()})
    return f"{told[0]} <{told[1]}>" if told is not None else ""


def _told(role: str, settings: Mapping[str, str]) -> tuple[str, str] | None:
    """Name and address where both are said outright, by the environment or the settings; None where git has to be asked."""
    found = [
        os.environ.get(f"GIT_{role.upper()}_{part.upper()}")
        or settings.get(f"{role}.{part}")
        or settings.get(f"user.{part}")
        for part in ("name", "email")
    ]
    name, address = (" ".join("".join(char for char in part or "" if char not in "<>").split()) for part in found)
    return (name, address) if name and address else None


def _settings(common_dir: str, record: str) -> Mapping[str, str]:
    """What counts of the keys that name and sign."""
    found: dict[str, str] = {}
    own: dict[str, str] = {}
    for each in configuration(common_dir).settings():
        if each.key.startswith(_KEYS):
            (own if each.scope in _OWN else found)[each.key] = "true" if each.value is None else each.value
    marks = recorded(record) if record else None
    if marks is not None:
        named = {name.removeprefix("config "): value for name, value in marks.items() if name.startswith("config ")}
        own = {key: value.rpartition("\0")[2] for key, value in named.items() if key.startswith(_KEYS)}
    return {**found, **own}


def _require_outside(settings: Mapping[str, str], folders: tuple[str, ...]) -> None:
    """Agents can write what lies in the repository."""
    for key in _PROGRAMS:
        for word in shlex.split(settings.get(key, "")):
            path = os.path.realpath(os.path.expanduser(word))
            inside = any(path.startswith(f"{os.path.realpath(folder)}/") for folder in folders)
            if "/" in word and (inside or not os.path.isabs(os.path.expanduser(word))):
                raise Refused(
                    f"{key} is {word}, which lies in the repository, where agents can change it; nothing is signed with it",
                    hint=f"put the program elsewhere and set {key} to its whole path",
                )
