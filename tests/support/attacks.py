"""What an agent can plant: settings, hooks, attributes, refs and objects that git would run or believe.

Each payload writes with the agent's own git into what its worktree shares with the user's checkout.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support.repos import TestRepository

HOOKS = (
    "post-checkout", "post-merge", "pre-commit", "post-commit", "post-index-change", "reference-transaction", "pre-push",
    "post-rewrite", "pre-auto-gc", "update", "pre-receive", "post-receive", "proc-receive", "push-to-checkout",
    "fsmonitor-watchman", "pre-merge-commit", "commit-msg", "prepare-commit-msg", "applypatch-msg", "sendemail-validate",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Attack:
    """An agent in its worktree, whose branch and name are `evil`, and the command that writes the marker."""

    user: TestRepository
    agent: TestRepository
    vault: str
    command: str

    def config(self, **values: str) -> None:
        """Write keys (their last dot as `__`) into the configuration that all worktrees share."""
        for key, value in values.items():
            self.agent.git("config", key.replace("__", "."), value)

    def script(self, path: str) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(f"#!/bin/sh\n{self.command}\ncat >/dev/null\nexit 1\n")
        Path(path).chmod(0o755)


def hooks(attack: Attack) -> None:
    for name in HOOKS:
        attack.script(f"{attack.user.common_dir}/hooks/{name}")


def hooks_path(attack: Attack) -> None:
    for name in HOOKS:
        attack.script(f"{attack.agent.path}/h/{name}")
    attack.config(core__hooksPath=f"{attack.agent.path}/h")


def included(attack: Attack) -> None:
    Path(attack.agent.path, "evil").write_text(f"[core]\n\tfsmonitor = {attack.command}\n\thooksPath = h\n")
    attack.config(include__path=f"{attack.agent.path}/evil")


def fsmonitor(attack: Attack) -> None:
    attack.script(f"{attack.agent.path}/monitor")
    attack.config(core__fsmonitor=f"{attack.agent.path}/monitor")


def worktree_config(attack: Attack) -> None:
    attack.script(f"{attack.agent.path}/monitor")
    attack.config(extensions__worktreeConfig="true")
    attack.agent.git("config", "--worktree", "core.fsmonitor", f"{attack.agent.path}/monitor")
    attack.user.git("config", "--worktree", "core.fsmonitor", f"{attack.agent.path}/monitor")


def filters(attack: Attack) -> None:
    for name in ("evil", "a=b"):
        for kind in ("clean", "smudge", "process"):
            attack.agent.git("config", f"filter.{name}.{kind}", attack.command)
    text = "* filter=evil diff=evil merge=evil\n*.md filter=a=b\n"
    Path(attack.agent.path, ".gitattributes").write_text(text)
    os.makedirs(f"{attack.user.common_dir}/info", exist_ok=True)
    Path(attack.user.common_dir, "info/attributes").write_text(text)


def diff_drivers(attack: Attack) -> None:
    filters(attack)
    attack.config(diff__external=attack.command)
    for kind in ("command", "textconv"):
        attack.agent.git("config", f"diff.evil.{kind}", attack.command)


def merge_drivers(attack: Attack) -> None:
    filters(attack)
    attack.agent.git("config", "merge.evil.driver", attack.command)
    attack.config(merge__default="evil")


def signatures(attack: Attack) -> None:
    attack.script(f"{attack.agent.path}/gpg")
    attack.config(
        gpg__program=f"{attack.agent.path}/gpg",
        commit__gpgSign="true",
        log__showSignature="true",
        merge__verifySignatures="true",
    )


def remotes(attack: Attack) -> None:
    source, vault = attack.user.common_dir, attack.vault
    for remote in (source, vault, "origin"):
        for key in ("uploadpack", "receivepack", "proxy"):
            attack.agent.git("config", f"remote.{remote}.{key}", attack.command)
        attack.agent.git("config", f"remote.{remote}.fetch", "+refs/heads/*:refs/heads/*")
    for url in (source, vault):
        attack.agent.git("config", f"url.ext::sh -c {attack.command}.pushInsteadOf", url)
    attack.config(
        core__sshCommand=attack.command, core__gitProxy=attack.command, uploadpack__packObjectsHook=attack.command
    )


def remote_helpers(attack: Attack) -> None:
    for remote in (attack.user.common_dir, attack.vault):
        attack.agent.git("config", f"remote.{remote}.vcs", "ext")
        attack.agent.git("config", f"remote.{remote}.url", f"sh -c '{attack.command}'")
    attack.config(protocol__ext__allow="always", protocol__allow="always")


def instead_of(attack: Attack) -> None:
    for url in (attack.user.common_dir, attack.vault):
        attack.agent.git("config", f"url.ext::sh -c '{attack.command}' .insteadOf", url)


def promisor(attack: Attack) -> None:
    attack.config(
        core__repositoryFormatVersion="1",
        extensions__partialClone="evil",
        remote__evil__url=f"ext::sh -c '{attack.command}'",
        remote__evil__promisor="true",
        protocol__ext__allow="always",
    )


def alternates(attack: Attack) -> None:
    attack.config(core__alternateRefsCommand=attack.command)
    Path(attack.user.common_dir, "objects/info/alternates").write_text(f"{attack.vault}/objects\n")


def others(attack: Attack) -> None:
    attack.config(
        core__pager=attack.command,
        core__editor=attack.command,
        core__askPass=attack.command,
        credential__helper=f"!{attack.command}",
        trailer__x__command=attack.command,
        trailer__wto_head__command=attack.command,
        alias__fetch=f"!{attack.command}",
        gc__auto="1",
        maintenance__auto="true",
        core__worktree="/",
        core__attributesFile=f"{attack.agent.path}/.gitattributes",
    )


def _own_repository(attack: Attack) -> str:
    """A repository of the agent's inside of its worktree, with a monitor."""
    own = attack.agent.at(f"{attack.agent.path}/own")
    attack.agent.git("init", "-q", "own")
    attack.script(f"{attack.agent.path}/monitor")
    own.git("config", "core.fsmonitor", f"{attack.agent.path}/monitor")
    return f"{own.path}/.git"


def git_file(attack: Attack) -> None:
    """The worktree's own .git file led to a repository of the agent's."""
    own = _own_repository(attack)
    Path(attack.agent.path, ".git").write_text(f"gitdir: {own}\n")


def common_dir(attack: Attack) -> None:
    """The worktree's administrative folder led to a repository of the agent's."""
    Path(attack.user.common_dir, "worktrees/evil/commondir").write_text(f"{_own_repository(attack)}\n")


def nested(attack: Attack) -> None:
    """A repository inside the tree, tracked as a submodule, with its own monitor and filter."""
    own = attack.agent.at(f"{attack.agent.path}/own")
    attack.agent.git("init", "-q", "own")
    head = own.commit({"x": "1"})
    attack.script(f"{attack.agent.path}/monitor")
    own.git("config", "core.fsmonitor", f"{attack.agent.path}/monitor")
    own.git("config", "filter.evil.clean", attack.command)
    own.write({".gitattributes": "* filter=evil\n", "x": "2"})
    attack.agent.git("update-index", "--add", "--cacheinfo", f"160000,{head},own")
    attack.agent.write({".gitmodules": '[submodule "own"]\n\tpath = own\n\turl = ./own\n'})
    attack.config(submodule__recurse="true", submodule__own__update=f"!{attack.command}")


PAYLOADS: tuple[Callable[[Attack], None], ...] = (
    hooks, hooks_path, included, fsmonitor, worktree_config, filters, diff_drivers, merge_drivers, signatures, remotes,
    remote_helpers, instead_of, promisor, alternates, others, git_file, common_dir, nested,
)  # fmt: skip


def merge_options(attack: Attack) -> None:
    attack.config(branch__main__mergeOptions="-s ours")


def bare(attack: Attack) -> None:
    attack.config(core__bare="true")


def attributes_everywhere(attack: Attack) -> None:
    attack.config(filter__evil__clean=attack.command, filter__evil__smudge=attack.command)
    info = Path(attack.user.common_dir, "info", "attributes")
    info.parent.mkdir(exist_ok=True)
    info.write_text("* filter=evil\n")


def replaced(attack: Attack) -> None:
    good = attack.agent.git("rev-parse", "HEAD:README.md")
    evil = attack.agent.git("hash-object", "-w", "--stdin", stdin=b"evil\n")
    attack.agent.git("replace", good, evil)


def rewritten_object(attack: Attack) -> None:
    """The loose object of a checked file, overwritten with another one's bytes."""
    objects = Path(attack.user.common_dir, "objects")
    good = attack.agent.git("rev-parse", "HEAD:README.md")
    other = attack.agent.git("rev-parse", "HEAD:src/new.py")
    victim = objects / good[:2] / good[2:]
    victim.chmod(0o644)
    victim.write_bytes((objects / other[:2] / other[2:]).read_bytes())


LANDING = (*PAYLOADS, merge_options, bare, attributes_everywhere, replaced, rewritten_object)
