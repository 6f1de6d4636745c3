"""What an agent may do without asking, as the rules of the Claude Code client, and the answer to what it asks.

By default an agent edits in its worktree (the client's `acceptEdits` mode sees to that), runs the plan's checks, and works
with git on its own branch; no more. Rules are quick feedback for honest agents, never a control: verification is. A user
widens them knowingly, by `allow` of an agent in the plan or in the settings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from wt_orchestrate.domain.plan.roles import Role, tool_of

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
SERVER = "wto"
"""The name of our tools for agents, as their client knows it."""
_PLAIN = re.compile(r"[\w./=:@+-]+(?: [\w./=:@+-]+)*")


def allow_rules(checks: Sequence[str], extra: Sequence[str] = ()) -> tuple[str, ...]:
    """Rules that grant: git on the own branch, the checks word for word, and what the user added."""
    git = [f"Bash(git {words}{suffix})" for words in _GIT_ALLOWED for suffix in ("", " *")]
    return tuple(dict.fromkeys([*git, *(rule for check in checks for rule in _check_rules(check)), *extra]))


def reading_rules(checks: Sequence[str]) -> tuple[str, ...]:
    """Rules for an agent that may only read: the checks and its own handoff. What plan and settings allow an agent elsewhere does
    not count here, nor what a user allows the client everywhere, in its own settings. Of git's reading commands the client itself
    knows which options only read, and grants those unasked; a rule such as `Bash(git log *)` would also grant `--output=FILE`,
    or a program by `git grep -O`. It does not know these two."""
    git = [f"Bash(git {words}{suffix})" for words in ("describe", "ls-tree") for suffix in ("", " *")]
    return tuple(dict.fromkeys([*git, *(rule for check in checks for rule in _check_rules(check)), "Edit(HANDOFF.md)"]))


def own_rules(*, needs: str, tools: bool) -> tuple[str, ...]:
    """Rules for what we give every agent: the whole handoffs of what it builds on, to read, and our tools."""
    read = (f"Read(/{needs}/**)",) if needs.startswith("/") else ()
    return (*read, *((f"mcp__{SERVER}__*",) if tools else ()))


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


# ---------------------------------------------------------------- what follows from a role

_EDITS = frozenset({"Edit", "Write", "MultiEdit", "NotebookEdit"})
_LOOKS = ("Read", "Grep", "Glob", "Bash")
"""What a role that only reads has to look with, when it names no tools."""
_HANDS_OVER = ("Read", "Edit", "Write", "AskUserQuestion")
"""What every agent needs for its handoff and its questions. Whoever only reads can write nothing else with them."""
_ASKED_FOR = frozenset({"WebFetch", "WebSearch"})
"""Tools that change nothing here, but reach out: granted to a role that names them, and to no other."""
_GIT_READ = re.compile(rf"Bash\(git (?:{'|'.join(map(re.escape, _GIT_READS))})(?::\*|[ ].*)?\)")


def reads_only(role: Role | None) -> bool:
    """Whether a role cannot write: none of its tools edits, and of commands it has git's reading ones at most. So does one
    whose permission mode is `plan`."""
    if role is None:
        return False
    if role.permission_mode == "plan":
        return True
    if role.tools is None:
        return {"Edit", "Write", "NotebookEdit", "Bash"} <= set(role.disallowed_tools)
    held = [rule for rule in role.tools if tool_of(rule) not in role.disallowed_tools]
    return not any(
        tool_of(rule) in _EDITS or (tool_of(rule) == "Bash" and not _GIT_READ.fullmatch(rule)) for rule in held
    )


def offered_tools(role: Role | None, *, read_only: bool) -> tuple[str, ...] | None:
    """The tools that the client offers to an agent of a role; None is all of them."""
    if role is None or (role.tools is None and not read_only):
        return None
    named = [tool_of(rule) for rule in (_LOOKS if role.tools is None else role.tools)]
    kept = [name for name in named if name not in role.disallowed_tools and not (read_only and name in _EDITS)]
    return tuple(dict.fromkeys((*kept, *_HANDS_OVER)))


def granted_rules(role: Role | None, *, read_only: bool) -> tuple[str, ...]:
    """What a role adds to what its agent may do without asking."""
    if role is None or role.tools is None:
        return ()
    rules = [rule for rule in role.tools if "(" in rule or rule in _ASKED_FOR]
    return tuple(rule for rule in rules if not (read_only and tool_of(rule) in {"Bash", *_EDITS}))


def refused_rules(role: Role | None, *, read_only: bool) -> tuple[str, ...]:
    """What a role takes away, whatever else allows; but for the tools by which a handoff is written."""
    rules = role.disallowed_tools if role is not None else ()
    return tuple(rule for rule in rules if not (read_only and rule in {"Edit", "Write"}))


def widens(role: Role | None) -> bool:
    """Whether an agent of this role may do more unasked than one without a role."""
    if role is None:
        return False
    read_only = reads_only(role)
    return bool(granted_rules(role, read_only=read_only)) or (role.permission_mode == "auto" and not read_only)


def decide_permission(*, tool: str, target: str, read_only: bool = False) -> tuple[bool, str]:
    """The answer to a permission question: whatever no rule granted is denied, with the way on for the agent."""
    what = f"{tool} {target}".strip()[:200]
    may = (
        "You are read-only here: you may write only HANDOFF.md, read files and git history, and run the checks "
        "named in your brief."
        if read_only
        else "You may edit files in your worktree, run the checks named in your brief and use git on your own branch."
    )
    return False, (
        f"Not allowed: {what}. {may} Continue without this. If the work cannot be done without it, say so under "
        "Questions in HANDOFF.md with status: blocked."
    )
