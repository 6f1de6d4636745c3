"""One look at a repository before a run: what `domain/preflight.py` judges, by few git processes.

Three are started in every repository (the tree of the base, what is uncommitted, who commits), one more in a partial clone,
and one where the target and its upstream differ. They are the user's own git where it is about the user: what they have not
committed, and as whom agents would commit. The network is used by `fetch_missing` alone, which asks the clone's own promisor
remotes, as the user's git would. Where a configuration has conditions (`includeIf`), two more say what holds in a worktree of an
agent: a folder as git has one for each is made for them, and removed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from tempfile import mkdtemp

from wt_orchestrate.adapters.gitrepo.configuration import configuration
from wt_orchestrate.adapters.gitrepo.discovery import users_own
from wt_orchestrate.adapters.gitrepo.objects.refs import commits_at
from wt_orchestrate.adapters.gitrepo.runner import LONG_S, Git, execute, fields, input_lines, text, users_environment
from wt_orchestrate.adapters.gitrepo.worktree.submodules import modules_of
from wt_orchestrate.domain.agent.instructions import PLACES
from wt_orchestrate.domain.ids import Branch, CommitId, RunId, WorkstreamId, branch_ref, workstream_branch
from wt_orchestrate.domain.preflight import FOLDERS_NOT_PASSED_ON, HANDOFF, NOT_PASSED_ON, SETTINGS, Look, Tracked
from wt_orchestrate.domain.text.clean import counted
from wt_orchestrate.errors import GitFailed, Refused

_GITLINK = "160000"
_HOOKS = frozenset({
    "applypatch-msg", "commit-msg", "post-applypatch", "post-checkout", "post-commit", "post-merge", "post-rewrite",
    "pre-applypatch", "pre-commit", "pre-merge-commit", "pre-push", "pre-rebase", "prepare-commit-msg", "reference-transaction",
})  # fmt: skip
"""Hooks that run where people commit."""
_CONDITIONS = ("includeif.gitdir", "includeif.onbranch")
"""Includes that may hold in a linked worktree and not in the main one, or the other way round."""
_LISTED = 1000
"""Objects that one fetch asks for."""


def look_around(
    common_dir: str,
    *,
    main: str | None,
    checkout: str | None,
    target: Branch,
    base: CommitId | None,
    run: RunId,
    agents_environment: Mapping[str, str],
    trusted: bool = True,
) -> Look:
    """What there is to see. `checkout`: the user's worktree whose uncommitted work agents would miss. `base`: the commit that
    the target is at. `agents_environment`: what agents get; empty where there are none, who would miss what is uncommitted
    and need an identity. Without `trusted` no git runs under the repository's own settings: what is uncommitted stays
    unknown."""
    settings = configuration(common_dir)
    git = Git(common_dir)
    hooks_path = settings.value("core.hookspath") or ""
    relative = hooks_path if hooks_path and not os.path.isabs(os.path.expanduser(hooks_path)) else ""
    upstream, behind = _behind(git, target, base)
    promisors = _promisors(common_dir)
    identity, signing, unsignable = "", "", ""
    if agents_environment:
        identity, signing, unsignable = _commits_of(common_dir, main, run, agents_environment)
    tracked = _tracked(git, base, relative) if base is not None else Tracked()
    sparse = settings.own_is_true("core.sparsecheckout") and main is not None
    return Look(
        target=target,
        exists=base is not None,
        tracked=tracked,
        promisors=promisors,
        missing=len(_missing(git, (base,))) if promisors and base is not None else 0,
        shallow=os.path.exists(f"{common_dir}/shallow"),
        taken=_in_the_way(git, "refs/heads/", run),
        tags=_in_the_way(git, "refs/tags/", run),
        sparse=sparse,
        hidden=sparse and tracked.settings and not os.path.lexists(f"{main}/{SETTINGS}"),
        upstream=upstream,
        behind=behind,
        uncommitted=_uncommitted(checkout) if checkout is not None and agents_environment and trusted else (),
        checkout=checkout or "",
        identity=identity,
        signing=signing,
        unsignable=unsignable,
        hooks_path=relative,
        hooks=_installed(_hooks_folder(common_dir, main, relative, hooks_path)),
    )


def fetch_missing(common_dir: str, commits: Sequence[CommitId]) -> int:
    """Fetch what a partial clone (if it is one) lacks of these commits, with the user's own git and its promisor remotes; how
    many objects that were. Raises Refused if something is still missing then."""
    git, asked, remotes = Git(common_dir), 0, _promisors(common_dir)
    for _ in range(8):  # what comes may name more that is missing: trees name trees
        missing = _missing(git, commits) if remotes else ()
        if not missing:
            return asked
        asked += len(missing)
        for remote in remotes:
            _ask(common_dir, remote, missing)
    raise Refused(
        f"it is a partial clone and {counted(len(_missing(git, commits)), 'object')} could not be fetched",
        hint="git fetch --refetch --no-filter, once the remote can be reached; then start the run again",
    )


def _ask(common_dir: str, remote: str, objects: Sequence[str]) -> None:
    """Ask one remote for objects; what it does not have is found missing afterwards."""
    options = ("-c", "fetch.negotiationAlgorithm=noop", "fetch", "-q", remote, "--no-tags", "--no-write-fetch-head")
    more = ("--recurse-submodules=no", "--no-auto-maintenance", "--filter=blob:none", "--stdin")
    env = {**users_own(), "GIT_DIR": common_dir, "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1"}
    for start in range(0, len(objects), _LISTED):
        lines = input_lines(objects[start : start + _LISTED])
        execute((*options, *more), env, cwd=common_dir, ok=(0, 1, 128), stdin=lines, timeout_s=LONG_S)


def _promisors(common_dir: str) -> tuple[str, ...]:
    """The remotes that have promised what a partial clone lacks."""
    found = dict[str, None]()
    for each in configuration(common_dir).settings():
        if each.key.startswith("remote.") and each.key.endswith(".promisor") and each.value != "false":
            found[each.key.removeprefix("remote.").removesuffix(".promisor")] = None
        if each.key == "extensions.partialclone" and each.value:
            found[each.value] = None
    return tuple(found)


def _missing(git: Git, commits: Sequence[CommitId]) -> tuple[str, ...]:
    options = ("rev-list", "--objects", "--missing=print", "--stdin")
    code, output = git.outcome(*options, ok=(0, 128), stdin=input_lines(commits), timeout_s=LONG_S)
    if code:
        raise GitFailed(options, code=code, stderr="the history cannot be read")
    return tuple(line[1:] for line in output.decode("ascii", "replace").splitlines() if line.startswith("?"))


def _tracked(git: Git, base: CommitId, hooks_path: str) -> Tracked:
    entries = [
        line.split(" ", 1) for line in fields(git.run("ls-tree", "-r", "-z", "--format=%(objectmode) %(path)", base))
    ]
    paths = {path for _, path in entries}
    folder = os.path.normpath(hooks_path) + "/" if hooks_path else ""
    below = (name for name in FOLDERS_NOT_PASSED_ON if any(path.startswith(name) for path in paths))
    gitlinks = tuple(path for mode, path in entries if mode == _GITLINK)
    known = modules_of(git, base, git.git_dir) if gitlinks else {}
    return Tracked(
        settings=SETTINGS in paths,
        handoff=HANDOFF in paths,
        gitmodules=".gitmodules" in paths,
        gitlinks=gitlinks,
        absent=tuple(path for path in gitlinks if not known[path][1]),
        instructions=tuple(place for place in PLACES if place in paths),
        not_passed_on=(*(name for name in NOT_PASSED_ON if name in paths), *below),
        hooks=tuple(sorted(path for path in paths if path.startswith(folder))) if folder else (),
    )


def _in_the_way(git: Git, kind: str, run: RunId) -> tuple[str, ...]:
    """Refs where those of the run would be: below its name, or a file where git needs a folder."""
    above = commits_at(git, (f"{kind}wto", f"{kind}wto/{run}"))
    below = commits_at(git, (f"{kind}wto/{run}/",), below=True)
    return tuple(sorted(ref.removeprefix(kind) for ref in {**above, **below}))


def _behind(git: Git, target: Branch, base: CommitId | None) -> tuple[str, int]:
    """The upstream of the target, and how many commits it has more, as far as it was fetched. git is asked only where the two
    differ."""
    settings = configuration(git.git_dir)
    remote, merges = settings.own(f"branch.{target}.remote"), settings.own(f"branch.{target}.merge")
    if base is None or not remote or not merges or not merges.startswith("refs/heads/"):
        return "", 0
    ref = merges if remote == "." else f"refs/remotes/{remote}/{merges.removeprefix('refs/heads/')}"
    upstream = commits_at(git, (ref,)).get(ref)
    name = ref.removeprefix("refs/heads/").removeprefix("refs/remotes/")
    if upstream is None or upstream == base:
        return name, 0
    code, counted = git.outcome("rev-list", "--count", f"{base}..{upstream}", ok=(0, 128))
    return name, int(counted) if code == 0 else 0


def _uncommitted(main: str) -> tuple[str, ...]:
    """Paths that the user has changed or not added yet, as their own git says."""
    env = users_environment()
    arguments = ("status", "--porcelain", "-z", "--no-renames", "--ignore-submodules=all")
    code, output = execute(arguments, env, cwd=main, ok=(0, 128), timeout_s=LONG_S)
    return tuple(line[3:] for line in fields(output)) if code == 0 else ()


def _commits_of(common_dir: str, main: str | None, run: RunId, environment: Mapping[str, str]) -> tuple[str, str, str]:
    """Who commits in an agent's worktree (name, address, time), the format of signatures there, and why none can be made; each
    empty if there is none. An include may count for a folder or a branch alone, so it is asked as if in such a worktree."""
    settings = configuration(common_dir)
    place, env = main or common_dir, dict(environment)
    if not any(each.key.startswith(_CONDITIONS) for each in settings.settings()):
        signs = _signs([each.value for each in settings.settings() if each.key == "commit.gpgsign"])
        signing = (settings.value("gpg.format") or "openpgp") if signs else ""
        return _identity(place, env), signing, _unsignable(signing, lambda key: settings.value(key) or "", env)
    with _admin_folder(common_dir, run) as admin:
        there = {**env, "GIT_DIR": admin} if admin else env
        identity = _identity(place, there)
        signs = _signs([_value(place, there, "commit.gpgsign", "--bool")])
        signing = (_value(place, there, "gpg.format") or "openpgp") if signs else ""
        return identity, signing, _unsignable(signing, lambda key: _value(place, there, key), env)


@contextmanager
def _admin_folder(common_dir: str, run: RunId) -> Iterator[str]:
    """A folder as git has one for each linked worktree, on a branch of the run; empty where none can be made."""
    above = f"{common_dir}/worktrees"
    with suppress(OSError):
        os.mkdir(above)
    try:
        folder = mkdtemp(prefix="wto-look-", dir=above)
        head = branch_ref(workstream_branch(run, WorkstreamId("look")))
        for name, line in (("commondir", "../.."), ("HEAD", f"ref: {head}")):
            with open(f"{folder}/{name}", "x", encoding="utf-8") as file:
                file.write(f"{line}\n")
    except OSError:
        yield ""
        return
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            os.rmdir(above)


def _identity(place: str, environment: Mapping[str, str]) -> str:
    """Who commits, as git in that environment says."""
    code, output = execute(("var", "GIT_COMMITTER_IDENT"), environment, cwd=place, ok=(0, 1, 128, 129))
    return text(output).strip() if code == 0 else ""


def _value(place: str, environment: Mapping[str, str], key: str, *how: str) -> str:
    code, output = execute(("config", *how, "--get", key), environment, cwd=place, ok=(0, 1, 128))
    return text(output).strip() if code == 0 else ""


def _unsignable(signing: str, value: Callable[[str], str], environment: Mapping[str, str]) -> str:
    """Why no commit can be signed, as far as it is certain: no program, or for ssh no key. Empty if there is no reason."""
    if not signing:
        return ""
    usual = {"ssh": "ssh-keygen", "x509": "gpgsm"}.get(signing, "gpg")
    own = value("gpg.program") if signing == "openpgp" else ""
    program = value(f"gpg.{signing}.program") or own or usual
    if shutil.which(os.path.expanduser(program), path=environment.get("PATH")) is None:
        return f"{program} was not found"
    key = value("user.signingkey")
    if signing != "ssh" or value("gpg.ssh.defaultkeycommand"):
        return ""
    if not key:
        return "user.signingKey is not set"
    literal = key.startswith(("key::", "ssh-"))
    return "" if literal or os.path.exists(os.path.expanduser(key)) else f"the key {key} does not exist"


def _signs(said: Sequence[str | None]) -> bool:
    return bool(said) and (said[-1] is None or said[-1].lower() in {"true", "yes", "on", "1"})


def _hooks_folder(common_dir: str, main: str | None, relative: str, hooks_path: str) -> str:
    if relative:
        return os.path.join(main or common_dir, relative)
    return os.path.expanduser(hooks_path) if hooks_path else f"{common_dir}/hooks"


def _installed(folder: str) -> tuple[str, ...]:
    """The hooks in a folder that git would run."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return ()
    return tuple(name for name in names if name in _HOOKS and _runs(f"{folder}/{name}"))


def _runs(path: str) -> bool:
    """Whether git runs this hook, and it is none of git-lfs, which has nothing to prepare in a worktree."""
    if not os.path.isfile(path) or not os.access(path, os.X_OK):
        return False
    with open(path, "rb") as file:
        return b"git lfs" not in file.read(1 << 12)
