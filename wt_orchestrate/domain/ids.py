"""Typed names. Each is made from text here and nowhere else.

An id that comes from a person or an agent passes through a `parse_` function, so that it is safe as a path component, a
ref component and a word on a command line.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NewType
from uuid import NAMESPACE_URL, uuid5

RunId = NewType("RunId", str)
WorkstreamId = NewType("WorkstreamId", str)
AttemptId = NewType("AttemptId", str)
"""`<run>.<workstream>.<epoch>`; the epoch is the fencing token of the attempt."""
ProcessId = NewType("ProcessId", str)
"""The name of a kept process and of its folder: an attempt's id, or `<run>.<workstream>.<what>.<n>`."""
Branch = NewType("Branch", str)
"""A branch's short name, without `refs/heads/`."""
CommitId = NewType("CommitId", str)
TreeId = NewType("TreeId", str)

LONGEST_ID = 41
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
_OBJECT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_HEX = re.compile(r"[0-9a-f]{7,}")
RESERVED_IDS = frozenset({"integration", "head", "target", "main-worktree", "all"})


def derived_id(name: str, ending: str, taken: Collection[str]) -> WorkstreamId:
    """The id of a workstream that serves another, such as `pool-review`; with a number if it is taken."""
    number = 0
    while True:
        number += 1
        suffix = f"-{ending}" + (f"-{number}" if number > 1 else "")
        found = name[: LONGEST_ID - len(suffix)].rstrip("-") + suffix
        if found not in taken:
            return WorkstreamId(found)


def unsafe_id(text: str) -> str | None:
    """Why `text` cannot be the id of a run or workstream; None if it can."""
    if not text:
        return "is empty"
    if not _ID.fullmatch(text):
        return "may hold only a-z, 0-9 and '-', starts with a letter or digit and has at most 41 characters"
    if text in RESERVED_IDS:
        return "is reserved"
    if _HEX.fullmatch(text):
        return "looks like a commit id"
    if text.endswith("-lock"):
        return "ends in .lock"
    return None


def parse_workstream_id(text: str) -> WorkstreamId:
    """The id. Raises ValueError with the reason."""
    reason = unsafe_id(text)
    if reason is not None:
        raise ValueError(f"{text!r} {reason}")
    return WorkstreamId(text)


def parse_run_id(text: str) -> RunId:
    """The id of a run, such as `r7`. Raises ValueError."""
    if not re.fullmatch(r"r[1-9][0-9]{0,8}", text):
        raise ValueError(f"{text!r} is not a run; runs are named r1, r2, ...")
    return RunId(text)


def parse_commit_id(text: str) -> CommitId:
    """A full object name (40 or 64 hexadecimal digits). Raises ValueError."""
    if not _OBJECT.fullmatch(text):
        raise ValueError(f"{text!r} is not a full commit id")
    return CommitId(text)


def attempt_id(run: RunId, workstream: WorkstreamId, epoch: int) -> AttemptId:
    return AttemptId(f"{run}.{workstream}.{epoch}")


def request_cause(number: int) -> str:
    """The cause of the records that come from a request."""
    return f"request:{number}"


def requested_as(cause: str) -> int | None:
    """The number of the request that a record comes from; None where it comes from something else."""
    kind, _, number = cause.partition(":")
    return int(number) if kind == "request" and number.isdecimal() else None


def receipt_of(attempt: AttemptId, message: str = "") -> str:
    """What an agent's stream echoes once it has taken a message (without a message: the prompt). It is computed, so
    that a restart knows it even if sending was not logged."""
    return str(uuid5(NAMESPACE_URL, f"{attempt}.{message}" if message else attempt))


def workstream_branch(run: RunId, workstream: WorkstreamId) -> Branch:
    return Branch(f"wto/{run}/{workstream}")


def integration_branch(run: RunId) -> Branch:
    return Branch(f"wto/{run}/integration")


def branch_ref(branch: Branch) -> str:
    """The full ref of a branch."""
    return f"refs/heads/{branch}"
