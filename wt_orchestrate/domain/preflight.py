"""What stands in the way of a run in this repository, from one look at it: each finding with its weight and its remedy.

`doctor`, `plan check`, `run` and `train add` say the same about the same repository. A finding that refuses would cost an
attempt, or end the run, whatever the agents do: so it stops the run before anything is written down. A warning is work that
somebody will miss; a note is what else is good to know. A queue of branches has no agents, and needs less.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from enum import StrEnum

from msgspec import Struct

from wt_orchestrate.domain.agent.instructions import PLACES
from wt_orchestrate.domain.text.clean import counted, some_of

HANDOFF = "HANDOFF.md"
SETTINGS = ".wto/config.yaml"
NOT_PASSED_ON = (".mcp.json", ".claude/settings.json", ".claude/settings.local.json")
"""What a client reads in the user's checkout, and not in an agent's worktree."""
FOLDERS_NOT_PASSED_ON = (".claude/skills/", ".claude/agents/", ".claude/commands/", ".claude/hooks/")
SIGNING_VARIABLES: Mapping[str, tuple[str, ...]] = {
    "ssh": ("SSH_AUTH_SOCK",),
    "openpgp": ("GNUPGHOME", "XDG_RUNTIME_DIR"),
    "x509": ("GNUPGHOME", "XDG_RUNTIME_DIR"),
}
"""What a program that signs needs from its environment, by the format of signatures."""
_INSTALLERS = ("pre-commit install", "husky", "lefthook install", "simple-git-hooks")


class FindingWeight(StrEnum):
    REFUSE = "refuse"
    WARN = "warn"
    NOTE = "note"


class PreflightFinding(Struct, frozen=True, kw_only=True):
    """One finding. `id` is stable; `what` names its subject in a word or two."""

    id: str
    weight: FindingWeight
    what: str
    found: str
    remedy: str = ""


def words(found: PreflightFinding) -> str:
    """A finding with its remedy as one line."""
    return f"{found.what}: {found.found}" + (f" ({found.remedy})" if found.remedy else "")


class Tracked(Struct, frozen=True, kw_only=True):
    """What the commit that agents start from has, as far as it matters here."""

    settings: bool = False
    handoff: bool = False
    gitmodules: bool = False
    gitlinks: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    """Those of them that the user has no files of."""
    instructions: tuple[str, ...] = ()
    not_passed_on: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()
    """Files in the folder that `core.hooksPath` names."""


class Look(Struct, frozen=True, kw_only=True):
    """What was seen of a repository. `missing`: objects that a partial clone does not have. `taken` and `tags`: refs where
    ours would be. `behind`: commits that the upstream has more, as far as it was fetched. `unborn`: paths of ours that cannot
    be made, with the reason. `withheld`: variables that setup commands and checks do not get."""

    target: str = ""
    exists: bool = True
    tracked: Tracked = Tracked()
    promisors: tuple[str, ...] = ()
    missing: int = 0
    shallow: bool = False
    taken: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    sparse: bool = False
    hidden: bool = False
    """The settings are in the repository, and the user's sparse checkout leaves them out."""
    upstream: str = ""
    behind: int = 0
    uncommitted: tuple[str, ...] = ()
    checkout: str = ""
    """Where they are: the worktree of the user's that is on the target."""
    identity: str = ""
    signing: str = ""
    """The format of signatures; empty if commits are not signed."""
    unsignable: str = ""
    """Why no commit can be signed; empty if there is no reason."""
    unsigned_for: tuple[str, ...] = ()
    """Variables of the user's that signing needs and agents do not get."""
    hooks_path: str = ""
    """`core.hooksPath` as it is written, if it is relative."""
    hooks: tuple[str, ...] = ()
    """The repository's own hooks that are installed in the main worktree."""
    guards: bool = True
    setup: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    unborn: Mapping[str, str] = {}
    withheld: tuple[str, ...] = ()
    lockless: str = ""
    """The state folder, if its file system gives no locks."""
    temporary: str = ""
    """The folder for temporary files that the environment names, if there is none."""
    untrusted: tuple[str, ...] = ()
    """Settings that someone else wrote and the user has not trusted."""
    changed: Mapping[str, str] = {}
    """What agents of a run changed in the repository's own settings and refs and nobody has trusted, each with what puts it
    back."""


def findings(look: Look, *, agents: bool) -> tuple[PreflightFinding, ...]:
    """Everything there is to say, what refuses first. Without `agents` it is a queue of branches."""
    found = [*_for_everybody(look), *(_for_agents(look) if agents else ())]
    order = list(FindingWeight)
    return tuple(sorted(found, key=lambda each: order.index(each.weight)))


def refusal(found: tuple[PreflightFinding, ...]) -> PreflightFinding | None:
    """The first finding that refuses."""
    return next((each for each in found if each.weight is FindingWeight.REFUSE), None)


def _for_everybody(look: Look) -> Iterator[PreflightFinding]:
    if not look.exists:
        yield _refuse("target", f"the target branch {look.target} does not exist", "name an existing branch as target:")
    if look.untrusted:
        yield _warn(
            "trust",
            f"someone else wrote {counted(len(look.untrusted), 'setting')} that start programs or widen rights: "
            f"{some_of(look.untrusted)}",
            "read them with wto trust --list, trust them with wto trust; nothing of them runs before",
        )
    if look.changed:
        first = next(iter(look.changed.values()))
        yield _refuse(
            "changes",
            f"agents changed what git does in this repository, so no git runs under its settings: {some_of(tuple(look.changed))}",
            f"{first}; or, if it is right so: wto trust",
        )
    if look.hidden:
        yield _refuse(
            "settings",
            f"your sparse checkout leaves out {SETTINGS}, so its checks and limits would not count",
            f"git sparse-checkout add {posixpath.dirname(SETTINGS)}",
        )
    yield from _missing(look)
    if look.shallow:
        yield _warn(
            "shallow",
            "it is a shallow clone: branches from before its cut have no common ancestor here",
            "git fetch --unshallow",
        )
    if look.taken:
        yield _refuse(
            "branches",
            f"{some_of(look.taken)} would be in the way of the run's branches",
            f"rename or delete: git branch -m {look.taken[0]} old/{look.taken[0].rpartition('/')[2]}",
        )
    if look.tags:
        yield _warn(
            "tags", f"tags have the names of the run's branches: {some_of(look.tags)}", f"git tag -d {look.tags[0]}"
        )
    if look.behind:
        yield _warn(
            "target",
            f"{look.target} is {counted(look.behind, 'commit')} behind {look.upstream}, as far as it was fetched",
            f"update {look.target} first (git pull), if the work builds on it",
        )
    for path, reason in look.unborn.items():
        yield _refuse(
            "folders",
            f"{path} cannot be made: {reason}",
            "move it, or set worktrees: in .wto/config.yaml (WTO_STATE_DIR for the state)",
        )

    if look.lockless:
        yield _refuse(
            "locks",
            f"the file system of {look.lockless} gives no locks, so two runs could work on it at once",
            "set WTO_STATE_DIR to a folder on a local disk",
        )
    if look.temporary:
        yield _refuse(
            "temporary-files",
            f"the folder for temporary files does not exist: {look.temporary}",
            "make it, or set TMPDIR to a folder that exists",
        )


def _missing(look: Look) -> Iterator[PreflightFinding]:
    if not look.promisors:
        return
    where = some_of(look.promisors)
    if look.missing:
        found = (
            f"it is a partial clone and lacks {counted(look.missing, 'object')}, which a run fetches once from {where}"
        )
        yield _warn("partial-clone", found, "git fetch --refetch --no-filter fetches all of them for good")
    else:
        yield PreflightFinding(
            id="partial-clone", weight=FindingWeight.NOTE, what="partial clone", found="all that a run needs is here"
        )


def _for_agents(look: Look) -> Iterator[PreflightFinding]:
    yield from _identity(look)
    tracked = look.tracked
    if tracked.handoff:
        yield _refuse(
            "handoff",
            f"the repository tracks a {HANDOFF}, which is the file that each agent writes its report to",
            f"git mv {HANDOFF} another name, or git rm --cached {HANDOFF}, and commit",
        )
    if tracked.absent:
        yield _warn(
            "submodules",
            f"submodules that you have not checked out are empty in agents' worktrees: {some_of(tracked.absent)}",
            "git submodule update --init --recursive, if the work needs them",
        )
    elif tracked.gitlinks:
        yield _note(
            "submodules",
            f"agents and checks get the files of {some_of(tracked.gitlinks)} as you have them; changes in them are nobody's work",
        )
    elif tracked.gitmodules:
        yield _note("submodules", "there is a .gitmodules and no submodule", "git rm .gitmodules, if it is a leftover")
    if look.sparse:
        yield _note("sparse-checkout", "your checkout is sparse; agents' worktrees have every file")
    if look.uncommitted:
        yield _warn(
            "uncommitted",
            f"agents will not see {counted(len(look.uncommitted), 'uncommitted file')}: {some_of(look.uncommitted)}",
            f"commit them in {look.checkout}, if the work needs them",
        )
    yield from _hooks(look)
    yield from _instructions(tracked)
    asked = tuple(name for name in look.withheld if any(name in each for each in (*look.setup, *look.checks)))
    if asked:
        names = ", ".join(asked)
        yield _warn("variables", f"a setup command or a check names {names}, which they do not get", _pass_env(asked))
    elif look.withheld:
        names = ", ".join(look.withheld)
        yield _note("variables", f"setup commands and checks do not get {names}", _pass_env(look.withheld))


def _identity(look: Look) -> Iterator[PreflightFinding]:
    who = look.identity.rpartition(" ")[0].rpartition(" ")[0]
    if not who:
        yield _refuse(
            "identity",
            "user.name and user.email are not set, so agents cannot commit",
            'git config --global user.name "..." and git config --global user.email "..."',
        )
    else:
        yield _note(
            "identity", f"commits are made as {who}; wt-orchestrate@localhost commits the merges of a run for you"
        )
    if look.unsignable:
        yield _refuse(
            "signing",
            f"commits are signed ({look.signing}), and {look.unsignable}: agents cannot commit",
            "git config --get-regexp 'gpg|sign' shows the settings; git config commit.gpgSign false signs none",
        )
    elif look.signing and look.unsigned_for:
        names = ", ".join(look.unsigned_for)
        yield _warn(
            "signing",
            f"commits are signed ({look.signing}), and agents do not get {names}: their commits may fail",
            _pass_env(look.unsigned_for),
        )
    elif look.signing:
        yield _note("signing", f"agents' commits are signed ({look.signing}), as yours")


def _pass_env(names: tuple[str, ...]) -> str:
    return f"pass_env: [{', '.join(names)}] in .wto/config.yaml passes them on"


def _hooks(look: Look) -> Iterator[PreflightFinding]:
    if look.hooks_path and look.hooks and not look.tracked.hooks:
        yield _warn(
            "hooks",
            f"the hooks in {look.hooks_path} are not in the repository: {some_of(look.hooks)} will not run in worktrees",
            "make them there by a command in setup:, in .wto/config.yaml",
        )
    elif "post-checkout" in look.hooks:
        yield _warn(
            "hooks",
            "the post-checkout hook does not run when a worktree is made for an agent",
            "what it prepares belongs into setup:, in .wto/config.yaml",
        )
    installers = [command for command in look.setup if any(name in command for name in _INSTALLERS)]
    if look.guards and installers:
        yield _warn(
            "hook-installer",
            f"setup: runs `{installers[0]}`, and our guards set core.hooksPath in worktrees, which it may refuse",
            "hooks: off in .wto/config.yaml leaves core.hooksPath alone",
        )


def _instructions(tracked: Tracked) -> Iterator[PreflightFinding]:
    if tracked.instructions:
        first = next(place for place in PLACES if place in tracked.instructions)
        yield _note("instructions", f"agents get {first}, with what it imports")
    if tracked.not_passed_on:
        yield _note(
            "client-settings",
            f"agents do not get the repository's {some_of(tracked.not_passed_on)}",
            "put what they need into CLAUDE.md, a role, or allow: of the agent",
        )


def _refuse(name: str, found: str, remedy: str) -> PreflightFinding:
    return PreflightFinding(
        id=name, weight=FindingWeight.REFUSE, what=name.replace("-", " "), found=found, remedy=remedy
    )


def _warn(name: str, found: str, remedy: str) -> PreflightFinding:
    return PreflightFinding(id=name, weight=FindingWeight.WARN, what=name.replace("-", " "), found=found, remedy=remedy)


def _note(name: str, found: str, remedy: str = "") -> PreflightFinding:
    return PreflightFinding(id=name, weight=FindingWeight.NOTE, what=name.replace("-", " "), found=found, remedy=remedy)
