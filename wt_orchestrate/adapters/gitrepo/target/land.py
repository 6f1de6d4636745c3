"""Moving the target forward: what stands against it, and the ref itself.

A branch that nobody has checked out moves by compare-and-swap. One that is checked out takes its files along (`checkout`):
they are written from verified objects by a git directory of ours, so nothing that an agent put into the shared configuration,
hooks, attributes or replace refs has a part in it. Local changes in affected paths, ignored files that would be overwritten,
a rebase or merge under way, and a checkout that its branch was moved away from keep the target where it is.

The user's hooks that should see a landing (`reference-transaction`, `post-merge`) run from the folder they were recorded in,
under the user's own environment. GitPython serves as the runner of fixed argument lists for that and nowhere else; where
there is no such hook, git runs in the same environment without it, because importing GitPython starts git twice.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wt_orchestrate.adapters.gitrepo.discovery import users_own
from wt_orchestrate.adapters.gitrepo.objects.ancestry import is_ancestor
from wt_orchestrate.adapters.gitrepo.objects.refs import commits_at, has_tables, told_id, told_log
from wt_orchestrate.adapters.gitrepo.runner import LONG_S, Git, execute
from wt_orchestrate.adapters.gitrepo.target.checkout import Cut, InTheWay, TargetCheckout, cut_off, taken_along, undone
from wt_orchestrate.adapters.gitrepo.worktree.listing import entries, first_line, head_of, looks_checked_out, named_by
from wt_orchestrate.domain.ids import Branch, CommitId, branch_ref
from wt_orchestrate.errors import GitFailed
from wt_orchestrate.ports.git.repository import LandOutcome, LandResult, WorktreeFacts

_UNDER_WAY = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply", "BISECT_START")
_REMEMBERED = ("rebase-merge/head-name", "rebase-apply/head-name", "BISECT_START")
"""Files that name the branch which a rebase or a bisection will come back to."""
_ENVIRONMENT = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_REPLACE_OBJECTS": "1"}
_LIMIT = 300
_TAIL = 1 << 16


@dataclass(frozen=True, slots=True)
class Move:
    """One move of the target from `expected` to `new`."""

    target: Branch
    new: CommitId
    expected: CommitId


def land(
    git: Git,
    move: Move,
    *,
    objects: Git,
    worktrees: Sequence[WorktreeFacts],
    checkout: Callable[[WorktreeFacts], TargetCheckout],
    swap: Callable[[], bool],
    hooks: str,
    dry: bool = False,
) -> LandResult:
    """Move the target, or say why not; then nothing was changed. With `dry` nothing is changed either way. `objects` reads
    verified commits."""
    holders = [each for each in worktrees if each.branch == move.target]
    for holder in () if dry else holders:
        if cut_off(holder.path, holder.git_dir):
            undone(holder.path, holder.git_dir, at=_head(git, move.target))
    refused = _refused(git, move, holders, objects=objects)
    if refused is not None:
        return refused
    if not holders:
        return LandResult(outcome=LandOutcome.MOVED if dry or swap() else LandOutcome.STALE)
    return _land_there(git, move, checkout(holders[0]), hooks=hooks, dry=dry)


def _refused(git: Git, move: Move, holders: Sequence[WorktreeFacts], *, objects: Git) -> LandResult | None:
    """What stands against the move before any file is looked at."""
    now = _head(git, move.target)
    if now == move.new:
        return LandResult(outcome=LandOutcome.ALREADY)
    if now != move.expected:
        return LandResult(outcome=LandOutcome.STALE, detail=f"{move.target} is at {now[:12] or 'no commit'}")
    if not is_ancestor(objects, move.expected, move.new):
        return LandResult(
            outcome=LandOutcome.REFUSED, detail=f"{move.new[:12]} is not a descendant of {move.expected[:12]}"
        )
    held_up = _remembered(git.git_dir, move.target)
    if held_up:
        return _no(held_up, f"a rebase or bisection of {move.target} is under way")
    hidden = _hidden_checkout(git.git_dir, move.target, holders)
    if hidden:
        return _no(hidden, f"core.bare is set, but {hidden} is a checkout of {move.target}: git config core.bare false")
    if not holders:
        return None
    if len(holders) > 1 or not os.path.isdir(holders[0].path):
        return _no(holders[0].path, f"{move.target} is checked out more than once")
    return _not_there(move, holders[0])


def _not_there(move: Move, holder: WorktreeFacts) -> LandResult | None:
    """What stands against writing this checkout."""
    named = named_by(f"{holder.path}/.git") or f"{holder.path}/.git"
    if os.path.realpath(named) != os.path.realpath(holder.git_dir):
        return _no(holder.path, "its .git does not name the repository that it belongs to")
    under_way = [name for name in _UNDER_WAY if _has(holder.git_dir, name)]
    if under_way:
        return _no(holder.path, f"a merge, rebase or the like is under way there ({under_way[0]})")
    at = last_logged(holder.git_dir)
    if at in {"", move.expected}:
        return None
    return _no(
        holder.path,
        f"{move.target} was moved to {move.expected[:12]} without the checkout there, which is at {at[:12]}: "
        f"`git update-ref refs/heads/{move.target} {at[:12]}` puts it back, "
        f"`git read-tree -m -u {at[:12]} HEAD` takes the checkout along",
    )


def _has(git_dir: str, name: str) -> bool:
    return os.path.exists(f"{git_dir}/{name}") or (
        name.endswith("_HEAD") and has_tables(git_dir) and bool(told_id(git_dir, name))
    )


def last_logged(git_dir: str) -> str:
    """The commit that a checkout's own reflog last took it to; empty where git keeps none."""
    if has_tables(git_dir):
        return next(iter(told_log(git_dir, "HEAD", most=1)), "")
    try:
        with open(f"{git_dir}/logs/HEAD", "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _TAIL))
            lines = file.read(_TAIL).splitlines()
    except OSError:
        return ""
    parts = lines[-1].split(b" ", 2) if lines else []
    return parts[1].decode("ascii", "replace") if len(parts) == 3 else ""


def _no(where: str, detail: str) -> LandResult:
    return LandResult(outcome=LandOutcome.REFUSED, where=where, detail=detail)


def _land_there(git: Git, move: Move, there: TargetCheckout, *, hooks: str, dry: bool) -> LandResult:
    said: list[str] = []

    def moved() -> bool:
        why = f"wto land: {move.new[:12]}"
        ref = branch_ref(move.target)
        act = _with_hooks if os.access(f"{hooks}/reference-transaction", os.X_OK) else _without_hooks
        code, words = act(there.path, hooks, "update-ref", "-m", why, ref, move.new, move.expected)
        said.append(words[-_LIMIT:] or f"exit code {code}")
        return _head(git, move.target) == move.new

    try:
        done = taken_along(there, old=move.expected, new=move.new, move=moved, dry=dry)
    except InTheWay as error:
        return LandResult(outcome=LandOutcome.DIRTY, where=there.path, paths=error.paths)
    except Cut as error:
        return _no(there.path, str(error))
    if done and not dry and os.access(f"{hooks}/post-merge", os.X_OK):
        _with_hooks(there.path, hooks, "hook", "run", "--ignore-missing", "post-merge", "--", "0")
    if done:
        return LandResult(outcome=LandOutcome.MOVED, where=there.path)
    now = _head(git, move.target)
    if now != move.expected:
        return LandResult(outcome=LandOutcome.STALE, where=there.path, detail=f"{move.target} is at {now[:12]}")
    return _no(there.path, said[-1] if said else "its files could not be written")


def _head(git: Git, branch: Branch) -> str:
    return commits_at(git, (branch_ref(branch),)).get(branch_ref(branch)) or ""


def _remembered(common_dir: str, target: Branch) -> str:
    """The worktree in which a rebase or bisection of the target is under way; its HEAD does not name the branch then."""
    places = {common_dir: os.path.dirname(common_dir)} | {entry.admin: entry.path for entry in entries(common_dir)}
    for admin, path in places.items():
        if any(first_line(f"{admin}/{name}").removeprefix("refs/heads/") == target for name in _REMEMBERED):
            return path
    return ""


def _hidden_checkout(common_dir: str, target: Branch, holders: Sequence[WorktreeFacts]) -> str:
    """A checkout of the target that git does not list, because the configuration calls its repository bare."""
    above = os.path.dirname(common_dir)
    names_it = head_of(common_dir) == branch_ref(target)
    listed = any(os.path.realpath(each.path) == os.path.realpath(above) for each in holders)
    return above if looks_checked_out(common_dir) and names_it and not listed else ""


def _without_hooks(path: str, hooks: str, *arguments: str) -> tuple[int, str]:
    """What `_with_hooks` does, for a command that no hook of the user's waits for."""
    env = users_own() | _ENVIRONMENT | {"LANGUAGE": "C", "LC_ALL": "C"}
    try:
        execute([*_settings(hooks), *arguments], env, cwd=path, timeout_s=LONG_S)
    except GitFailed as error:
        return error.code, error.stderr.strip()
    return 0, ""


def _with_hooks(path: str, hooks: str, *arguments: str) -> tuple[int, str]:
    """A git command with the user's environment and the recorded hooks: its exit code and what it said.

    GitPython can only add to the environment, so `env` takes the variables out that would point git elsewhere.
    """
    from git import Git as AsTheUser

    dropped = [word for name in os.environ.keys() - users_own() for word in ("-u", name)]
    quiet = [f"{name}={value}" for name, value in _ENVIRONMENT.items()]
    code, output, said = AsTheUser(path).execute(
        ["env", *dropped, *quiet, "git", *_settings(hooks), *arguments],
        with_extended_output=True,
        with_exceptions=False,
        stdout_as_string=False,
        strip_newline_in_stdout=False,
    )
    words = bytes(output) + str(said).encode("utf-8", "surrogateescape")
    return int(code), words.decode("utf-8", "surrogateescape").strip()


def _settings(hooks: str) -> list[str]:
    return ["-c", f"core.hooksPath={hooks or '/dev/null'}", "-c", "core.fsmonitor=false"]
