"""What all MCP tools share: descriptions of their arguments, their hints, and how expected failures are reported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Annotated, ParamSpec, TypeVar

from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field

from wt_orchestrate.errors import WtError
from wt_orchestrate.mcp_server.desk import told

_P = ParamSpec("_P")
_R = TypeVar("_R")
Repository = Annotated[
    str, Field(description="Folder or last name of a repository; may be empty if there is only one.")
]
Run = Annotated[str, Field(description="The run, such as r3; empty for the newest.")]
Stream = Annotated[str, Field(description="A workstream's id, as listed by briefing.")]
Key = Annotated[
    str,
    Field(
        description="Your own name for this call; if you repeat the call with it, it is done only once.",
        min_length=4,
        max_length=200,
    ),
]
Cursor = Annotated[str, Field(description="Where to continue; empty for the start (for wait: now).")]

READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
WISHES = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
ENDS = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False)


@contextmanager
def in_words() -> Iterator[None]:
    """An expected failure as an error that the model reads; everything else is a bug and stays one."""
    try:
        yield
    except WtError as error:
        raise ToolError(told(error)) from error
    except ValueError as error:
        raise ToolError(str(error)) from error


def plainly(work: Callable[_P, _R]) -> Callable[_P, _R]:
    """A tool whose expected failures are reported by `in_words`."""

    @wraps(work)
    def done(*args: _P.args, **given: _P.kwargs) -> _R:
        with in_words():
            return work(*args, **given)

    return done
