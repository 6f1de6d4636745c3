"""What is pushed or lands only with a person's approval: protected paths, what looks like a secret, very large files, and
what is held for its names or deletions (a workstream's own is held before it is integrated already).

Landing and pull requests apply the same rule. A push may be the more dangerous one: everybody who reads the forge has
the commits then, and a changed workflow runs there at once, with the repository's own secrets.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec import Struct

from wt_orchestrate.domain.agent.commit_scan import listed, not_allowed
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.domain.plan.scope import scope_matches
from wt_orchestrate.domain.plan.settings import Settings
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.text.clean import some_of
from wt_orchestrate.domain.verdict.holds import Hold, held, in_words
from wt_orchestrate.ports.git.commits import ChangedPath
from wt_orchestrate.ports.git.vault import Vault

GITLINK = "160000"
"""The mode of a submodule in a tree."""


class Allowance(Struct, frozen=True, kw_only=True):
    """What a person allowed; `secrets` are marks of findings that are not secrets."""

    protected: bool = False
    large: bool = False
    held: bool = False
    secrets: tuple[str, ...] = ()


class Missing(Struct, frozen=True, kw_only=True):
    """What a person has to allow first; `options` allow it (including those given already), and what to consider
    before."""

    reason: str
    options: str
    paths: tuple[str, ...]


def protected_paths(settings: Settings, changes: Sequence[ChangedPath]) -> tuple[str, ...]:
    """Changed paths that land only with a person's approval: those of the setting, and submodules, whose new commit nobody here
    has looked at."""
    touched = {path for change in changes for path in (change.path, change.old) if path}
    links = {change.path for change in changes if change.mode == GITLINK}
    return tuple(sorted(path for path in touched if path in links or scope_matches(settings.protected, path)))


def let_through(state: RunState) -> tuple[str, ...]:
    """What a person let through by name, of all workstreams: some build on the work of others."""
    return tuple(path for ws in state.workstreams.values() for path in ws.approval.given)


def held_in(
    vault: Vault,
    settings: Settings,
    *,
    base: CommitId,
    head: CommitId,
    changes: Sequence[ChangedPath],
    let_through: Collection[str],
    known: Sequence[CommitId] = (),
) -> tuple[Hold, ...]:
    """What `head` brings that a person has to let through before it is merged into `base`; nothing that commits of `known`
    have already."""
    if all(change.status == "M" and change.size for change in changes):
        return ()  # no name is new, and nothing is gone
    since = vault.commits.merge_base(base, head)
    before = vault.objects.paths(since) if since is not None else frozenset()
    left = {change.old or change.path for change in changes if change.status in {"D", "R"}}
    after = (before - left) | {change.path for change in changes if change.status != "D"}
    beside = vault.objects.paths(base) - before if since != base else frozenset()
    gone = {change.path for change in changes if change.status == "D" or (not change.size and change.deleted)}
    elsewhere = [vault.objects.paths(commit) for commit in known]
    return held(
        settings.hold,
        before=before,
        known=frozenset().union(*elsewhere),
        after=after,
        beside=beside,
        gone={path for path in gone if all(path in paths for paths in elsewhere)},
        let_through=let_through,
    )


def missing_word(
    vault: Vault, state: RunState, *, base: CommitId, head: CommitId, word: Allowance, verb: str
) -> Missing | None:
    """What in `base..head` nobody allowed, all of it at once; None if nothing. `verb`: what would happen to it. What landed
    before is not looked through for secrets again."""
    settings = state.settings
    landed = (state.landed.integration,) if state.landed.integration is not None else ()
    changes = vault.commits.changes(base=base, head=head)
    protected = protected_paths(settings, changes)
    large = tuple(change.path for change in changes if change.size > settings.largest_mb << 20)
    scan = vault.commits.scan(base=base, head=head, without=landed, messages=False)
    secrets = not_allowed(scan, {*settings.allow_secrets, *word.secrets})
    waits = held_in(vault, settings, base=base, head=head, changes=changes, let_through=let_through(state))
    reasons = []
    if protected and not word.protected:
        reasons.append(f"protected paths were changed: {some_of(protected, 10)}")
    if large and not word.large:
        reasons.append(f"files above {settings.largest_mb} MiB would {verb}: {some_of(large, 10)}")
    if waits and not word.held:
        reasons.append(in_words(waits))
    if secrets:
        reasons.append(f"possible secrets would {verb}: {listed(secrets)}")
    if not reasons:
        return None
    held_paths = tuple(path for each in waits for path in each.paths)
    options = [
        *(("--allow-protected",) if protected else ()),
        *(("--allow-large",) if large else ()),
        *(("--allow-held",) if waits else ()),
        *(f"--allow-secret {mark}" for mark in (*word.secrets, *(each.mark for each in secrets))),
        *(("(only if it is not a secret)",) if secrets else ()),
    ]
    return Missing(
        reason="; ".join(reasons),
        options=" ".join(options),
        paths=tuple(dict.fromkeys((*protected, *large, *held_paths, *(each.path for each in secrets)))),
    )
