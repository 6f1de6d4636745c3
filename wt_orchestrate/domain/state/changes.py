"""What changed in the user's repository since the run started, compared with what was recorded then.

Agents can write the shared configuration, hooks and refs. A change that git would act on, made while an agent was running,
stops the landing until it is put back or a person allows it; one that was made while no agent was running is the person's own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from shlex import quote

from wt_orchestrate.domain.events.run import RepositoryChange
from wt_orchestrate.domain.ids import Branch

_HARMLESS = re.compile(
    r"(branch\..*\.(remote|merge|rebase|pushremote|description)|remote\..*\.fetch|user\..*|author\..*|committer\..*"
    r"|color\..*|column\..*|advice\..*|gc\..*|maintenance\..*|pull\..*|push\.(default|autosetupremote)|rerere\..*|init\..*"
    r"|log\..*|wto\..*|status\..*|fetch\.prune|core\.(commentchar|abbrev|logallrefupdates))"
)
"""Keys that start nothing, hide nothing, and send nothing elsewhere."""
_PRIVATE = re.compile(r"://[^/@\s]+@|extraheader|token|password|secret", re.IGNORECASE)


def changes(
    before: Mapping[str, str],
    now: Mapping[str, str],
    known: Mapping[str, RepositoryChange],
    *,
    target: Branch,
    during: Sequence[str],
    since: float,
) -> tuple[RepositoryChange, ...]:
    """All that differs; what was known already stays as it was told."""
    found: list[RepositoryChange] = []
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if old == new:
            continue
        mark = mark_of(new)
        seen = known.get(name)
        if seen is not None and seen.mark == mark:
            found.append(seen)
            continue
        found.append(
            RepositoryChange(
                name=name,
                mark=mark,
                words=_words(name, old, new),
                put_back=_put_back(name, old),
                stops=bool(during) and acts(name, target),
                during=tuple(during),
                since=since,
            )
        )
    return tuple(found)


def mark_of(value: str | None) -> str:
    """What stands for a value; empty for none."""
    return "" if value is None else hashlib.sha256(value.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def acts(name: str, target: Branch) -> bool:
    """Whether git does something else because of it."""
    kind, _, rest = name.partition(" ")
    if kind == "config":
        return rest.startswith(f"branch.{target}.") or _HARMLESS.fullmatch(rest) is None
    return name != "file info/exclude"


def _words(name: str, old: str | None, new: str | None) -> str:
    kind, _, rest = name.partition(" ")
    if kind == "config":
        now = "is not set any more" if new is None else f"is {_shown(rest, new)}"
        return f"{rest} {now}" + (f" (was {_shown(rest, old)})" if old is not None else " (was not set)")
    verb = "is new" if old is None else "is gone" if new is None else "was changed"
    if kind == "replace":
        return f"the replace ref of {rest[:12]} {verb}"
    if kind == "worktree":
        return f"the worktree {rest} names another repository (its commondir)"
    return f"the hook {rest} {verb}" if kind == "hook" else f".git/{rest} {verb}"


def _shown(key: str, value: str) -> str:
    if _PRIVATE.search(key) or _PRIVATE.search(value):
        return "something else (not shown: it may hold a secret)"
    shown = value.replace("\0", ", ")
    return repr(shown if len(shown) <= 80 else f"{shown[:80]}...")


def _put_back(name: str, old: str | None) -> str:
    """The command that puts it back, or where the old one can be found. Agents chose the names: a person may paste it."""
    kind, _, rest = name.partition(" ")
    if kind == "config" and old is None:
        return f"git config --unset-all {quote(rest)}"
    if kind == "config" and "\0" not in (old or "") and not _PRIVATE.search(f"{rest} {old}"):
        return f"git config {quote(rest)} {quote(old or '')}"
    if kind == "replace" and old is None:
        return f"git replace -d {quote(rest)}"
    if kind == "hook" and old is None:
        return f"remove .git/hooks/{rest}"
    if kind == "worktree":
        return f"write ../.. into the commondir of {rest} again"
    return f"look at .git/{rest if kind == 'file' else kind}"
