"""What an agent may do without asking, as rules of the Claude Code client, and the answers to its permission questions.

By default an agent edits in its worktree (the client's `acceptEdits` mode), runs the plan's checks, and uses git on its
own branch; nothing else. Rules give honest agents quick feedback; they are no security boundary: verification is. A
user widens them with `allow` of an agent, in the plan or in the settings.
"""

from __future__ import annotations

import json
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
"""The name under which clients know our tools for agents."""
_RUNNER = re.compile(
    r"(?:[\w./-]*/)?(?:python3?(?:\.\d+)? -m (?:pytest|unittest|mypy|ruff check)|pytest|mypy|pyright|ruff check|flake8|tox"
    r"|(?:npx )?(?:jest|vitest|mocha|eslint|tsc)|(?:npm|pnpm|yarn|dotnet|mix|mvn|gradle) test|cargo (?:test|check|clippy)"
    r"|go (?:test|vet)|rspec|phpunit|ctest)(?= |$)"
)
"""Programs that run tests or look at code and nothing else: one test file may be named instead of all."""
_PLAIN = re.compile(r"[\w./=:@+-]+(?: [\w./=:@+-]+)*")


def allow_rules(checks: Sequence[str], extra: Sequence[str] = ()) -> tuple[str, ...]:
    """Rules that allow: git on the own branch, the checks word for word, and what the user added."""
    git = [f"Bash(git {words}{suffix})" for words in _GIT_ALLOWED for suffix in ("", " *")]
    return tuple(dict.fromkeys([*git, *(rule for check in checks for rule in _check_rules(check)), *extra]))


def reading_rules(checks: Sequence[str]) -> tuple[str, ...]:
    """Rules for an agent that may only read: the checks and its own handoff. What the plan, the settings or the user's
    own client settings allow elsewhere does not count. The client knows which options of git's reading commands only
    read, and runs those unasked; a rule such as `Bash(git log *)` would also allow `--output=FILE`, and `git grep -O`
    would run a program."""
    git = [f"Bash(git {words}{suffix})" for words in ("describe", "ls-tree") for suffix in ("", " *")]
    return tuple(dict.fromkeys([*git, *(rule for check in checks for rule in _check_rules(check)), "Edit(HANDOFF.md)"]))


def own_rules(*, needs: str, tools: bool) -> tuple[str, ...]:
    """Rules for what we give every agent: reading the handoffs of what it builds on, and our tools."""
    read = (f"Read(/{needs}/**)",) if needs.startswith("/") else ()
    return (*read, *((f"mcp__{SERVER}__*",) if tools else ()))


def _check_rules(check: str) -> tuple[str, ...]:
    """A check may be run as it is written; if it is plain words, also with additional words, and its test runner with others."""
    if "\n" in check or "(" in check or ")" in check:
        return ()
    if _PLAIN.fullmatch(check) is None:
        return (f"Bash({check})",)
    runner = _RUNNER.match(check)
    others = (f"Bash({runner[0]})", f"Bash({runner[0]} *)") if runner is not None else ()
    return (f"Bash({check})", f"Bash({check} *)", *others)


WRITING = ("Edit", "Write", "NotebookEdit", "Edit(//**)")
"""Rules that deny every write, also by redirection, whatever a user's own settings allow. An agent with these gets no
rule that allows a command either: `git log --output=FILE` starts like a command that reads. The client itself runs
commands that it knows to be read-only, by their options.
"""


def deny_rules(extra: Sequence[str] = ()) -> tuple[str, ...]:
    """Rules that deny, whatever else allows: what worktrees share, and the agent's own settings."""
    git = [f"Bash(git {words}{suffix})" for words in _GIT_DENIED for suffix in ("", " *")]
    files = ("Edit(.git/**)", "Edit(.git)", "Edit(.claude/**)", "Edit(.mcp.json)")
    return tuple(dict.fromkeys([*git, "Bash(git -c *)", *files, *extra]))


# ---------------------------------------------------------------- what follows from a role

_EDITS = frozenset({"Edit", "Write", "MultiEdit", "NotebookEdit"})
_READING_TOOLS = ("Read", "Grep", "Glob", "Bash")
"""The tools of a role that only reads and names none."""
_HANDOFF_TOOLS = ("Read", "Edit", "Write", "AskUserQuestion")
"""Tools that every agent needs for its handoff and questions. A role that only reads can write nothing else with them.
"""
_NETWORK_TOOLS = frozenset({"WebFetch", "WebSearch"})
"""Tools that change nothing here but reach the network: allowed only for a role that names them."""
_GIT_READ = re.compile(rf"Bash\(git (?:{'|'.join(map(re.escape, _GIT_READS))})(?::\*|[ ].*)?\)")


def reads_only(role: Role | None) -> bool:
    """Whether a role cannot write: none of its tools edits, and its commands are git's reading ones at most. A role in
    permission mode `plan` only reads too."""
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
    """The tools that the client offers to an agent of a role; None for all."""
    if role is None or (role.tools is None and not read_only):
        return None
    named = [tool_of(rule) for rule in (_READING_TOOLS if role.tools is None else role.tools)]
    kept = [name for name in named if name not in role.disallowed_tools and not (read_only and name in _EDITS)]
    return tuple(dict.fromkeys((*kept, *_HANDOFF_TOOLS)))


def granted_rules(role: Role | None, *, read_only: bool) -> tuple[str, ...]:
    """What a role adds to the rules that allow."""
    if role is None or role.tools is None:
        return ()
    rules = [rule for rule in role.tools if "(" in rule or rule in _NETWORK_TOOLS]
    return tuple(rule for rule in rules if not (read_only and tool_of(rule) in {"Bash", *_EDITS}))


def refused_rules(role: Role | None, *, read_only: bool) -> tuple[str, ...]:
    """What a role denies, whatever else allows, except the tools needed for a handoff."""
    rules = role.disallowed_tools if role is not None else ()
    return tuple(rule for rule in rules if not (read_only and rule in {"Edit", "Write"}))


def widens(role: Role | None) -> bool:
    """Whether an agent of this role may do more without asking than one without a role."""
    if role is None:
        return False
    read_only = reads_only(role)
    return bool(granted_rules(role, read_only=read_only)) or (role.permission_mode == "auto" and not read_only)


_RULE = re.compile(r"([A-Za-z_][\w-]*)(?:\((.+)\))?", re.DOTALL)
_JOINED = re.compile(r"[;&|<>`\n]|\$\(")
"""What makes more than one command of a line, or writes a file."""


def is_rule(rule: str) -> bool:
    """Whether it has the form of a rule: a tool, and perhaps what of it."""
    return _RULE.fullmatch(rule) is not None and len(rule) <= 500


def allows(rule: str, *, tool: str, payload: str) -> bool:
    """Whether a rule allows a call of a tool with this input (JSON text). `Bash(npm test *)` and `Bash(npm test:*)` allow a
    single command that starts so, `Bash(make)` that command alone, a tool's bare name all of its calls."""
    found = _RULE.fullmatch(rule)
    if found is None or found[1] != tool:
        return False
    if found[2] in {None, "*", ":*"}:
        return True
    try:
        command = json.loads(payload).get("command")
    except (ValueError, AttributeError):
        return False
    if tool != "Bash" or not isinstance(command, str):
        return False
    wanted = found[2].removesuffix(":*").removesuffix(" *")
    if command == wanted:
        return True
    return wanted != found[2] and command.startswith(f"{wanted} ") and _JOINED.search(command) is None


def decide_permission(
    *, tool: str, target: str, payload: str = "", read_only: bool = False, allowed: Sequence[str] = ()
) -> tuple[bool, str]:
    """The answer to a permission question: what no rule allows is denied, with what the agent can do instead. `allowed`: rules
    that a person added while the agent runs."""
    if not read_only and any(allows(rule, tool=tool, payload=payload) for rule in allowed):
        return True, ""
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
