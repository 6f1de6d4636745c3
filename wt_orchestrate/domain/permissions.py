"""What an agent may do without asking, as the rules of the Claude Code client, and the answer to what it asks.

By default an agent edits in its worktree (the client's `acceptEdits` mode sees to that), runs the plan's checks, and works
with git on its own branch; no more. Rules are quick feedback for honest agents, never a control: verification is. A user
widens them knowingly, by `allow` of an agent in the plan or in the settings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_GIT_ALLOWED = (
    "add",
    "blame",
    "branch --show-current",
    "cat-file",
    "checkout --",
    "cherry-pick",
    "commit",
    "describe",
    "diff",
    "grep",
    "log",
    "ls-files",
    "ls-tree",
    "merge",
    "merge-base",
    "mv",
    "restore",
    "revert",
    "rev-list",
    "rev-parse",
    "rm",
    "shortlog",
    "show",
    "status",
)
_GIT_DENIED = (
    "stash",
    "push",
    "config",
    "worktree",
    "update-ref",
    "gc",
    "prune",
    "reflog",
    "remote",
    "filter-branch",
    "submodule",
    "replace",
)
_GIT_READS = (
    "blame",
    "branch --show-current",
    "cat-file",
    "describe",
    "diff",
    "grep",
    "log",
    "ls-files",
    "ls-tree",
    "merge-base",
    "rev-list",
    "rev-parse",
    "shortlog",
    "show",
    "status",
)
_PLAIN = re.compile(r"[\w./=:@+-]+(?: [\w./=:@+-]+)*")


def allow_rules(checks: Sequence[str], extra: Sequence[str] = ()) -> tuple[str, ...]:
    """Rules that grant: git on the own branch, the checks word for word, and what the user added."""
    git = [f"Bash(git {words}{suffix})" for words in _GIT_ALLOWED for suffix in ("", " *")]
    return tuple(dict.fromkeys([*git, *(rule for check in checks for rule in _check_rules(check)), *extra]))


def reading_rules(checks: Sequence[str]) -> tuple[str, ...]:
    """Rules for an agent that may only read: git's reading commands, the checks, and its own handoff. What a user allows an
    agent elsewhere does not count here."""
    git = [f"Bash(git {words}{suffix})" for words in _GIT_READS for suffix in ("", " *")]
    return tuple(dict.fromkeys([*git, *(rule for check in checks for rule in _check_rules(check)), "Edit(HANDOFF.md)"]))


def _check_rules(check: str) -> tuple[str, ...]:
    """A check may be run as it is written, and where it is plain words also with further ones."""
    if "\n" in check or "(" in check or ")" in check:
        return ()
    return (f"Bash({check})", f"Bash({check} *)") if _PLAIN.fullmatch(check) else (f"Bash({check})",)


WRITING = ("Edit", "Write", "NotebookEdit", "Edit(//**)")
"""Rules that forbid every write, also those by redirection, whatever a user's own settings allow. Who is held by them gets no
rule that grants a command either: `git log --output=FILE` begins like a command that reads. The client itself lets commands run
that it knows to read only, by their options, too."""


def deny_rules(extra: Sequence[str] = ()) -> tuple[str, ...]:
    """Rules that forbid, whatever else allows: what is shared between worktrees, and the agent's own settings."""
    git = [f"Bash(git {words}{suffix})" for words in _GIT_DENIED for suffix in ("", " *")]
    files = ("Edit(.git/**)", "Edit(.git)", "Edit(.claude/**)", "Edit(.mcp.json)")
    return tuple(dict.fromkeys([*git, "Bash(git -c *)", *files, *extra]))


def decide_permission(*, tool: str, target: str) -> tuple[bool, str]:
    """The answer to a permission question: whatever no rule granted is denied, with the way on for the agent."""
    what = f"{tool} {target}".strip()[:200]
    return False, (
        f"Not allowed: {what}. You may edit files in your worktree, run the checks named in your brief and use git on "
        "your own branch. Go on without this; if the work cannot be done without it, say so under Questions in "
        "HANDOFF.md with status: blocked."
    )
