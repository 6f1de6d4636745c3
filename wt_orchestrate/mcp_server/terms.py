"""What all MCP tools share: descriptions of their arguments, their hints, how expected failures are reported, and schemas that
lie ready in a file, so that a server starts without building a model for each tool.

The SDK makes two pydantic models and three schemas for every tool before the first is listed: a third of what the server took to
start. `templates/mcp-tools.json` holds what it would make (`make schema` writes it, and a test compares both byte for byte); the
models of a tool are built when it is called first. A tool that is not in the file is built at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, wraps
from typing import Annotated, Any, ParamSpec, TypeVar

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp.types import ToolAnnotations
from pydantic import ConfigDict, Field

from wt_orchestrate import faults
from wt_orchestrate.errors import WtError
from wt_orchestrate.mcp_server.desk import told
from wt_orchestrate.resources import resource

_P = ParamSpec("_P")
_R = TypeVar("_R")
_Work = TypeVar("_Work", bound=Callable[..., Any])
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
    except OSError as error:
        raise ToolError(told(faults.in_words(error))) from error
    except ValueError as error:
        raise ToolError(str(error)) from error


def plainly(work: Callable[_P, _R]) -> Callable[_P, _R]:
    """A tool whose expected failures are reported by `in_words`."""

    @wraps(work)
    def done(*args: _P.args, **given: _P.kwargs) -> _R:
        with in_words():
            return work(*args, **given)

    return done


Schemas = Mapping[str, Mapping[str, Any]]
"""For each tool the schemas of its arguments (`input`) and of its result (`output`)."""


def prepared() -> Schemas:
    """What the file holds."""
    with open(resource("templates", "mcp-tools.json"), encoding="utf-8") as file:
        found: Schemas = json.load(file)
    return found


class Toolbox:
    """The tools of one server, in the order in which they are listed. Without schemas each is built at once."""

    def __init__(self, schemas: Schemas) -> None:
        self.tools: list[Tool] = []
        self._schemas = schemas

    def tool(self, *, title: str, annotations: ToolAnnotations) -> Callable[[_Work], _Work]:
        """Add a function as a tool: its name, docstring and arguments are the tool's."""

        def add(work: _Work) -> _Work:
            known = self._schemas.get(work.__name__)
            if known is None:
                self.tools.append(Tool.from_function(work, title=title, annotations=annotations))
            else:
                self.tools.append(_prepared_tool(work, title, annotations, known))
            return work

        return add


class _PreparedTool(Tool):
    """A tool that is built when it is called first."""

    model_config = ConfigDict(defer_build=True)

    @cached_property
    def whole(self) -> Tool:
        return Tool.from_function(self.fn, title=self.title, annotations=self.annotations)

    async def run(self, arguments: dict[str, Any], context: Context[Any, Any], convert_result: bool = False) -> Any:
        return await self.whole.run(arguments, context, convert_result)


def _prepared_tool(
    work: Callable[..., Any], title: str, annotations: ToolAnnotations, known: Mapping[str, Any]
) -> Tool:
    tool = _PreparedTool.model_construct(
        fn=work,
        name=work.__name__,
        title=title,
        description=work.__doc__ or "",
        parameters=known["input"],
        annotations=annotations,
    )
    tool.__dict__["output_schema"] = known["output"]  # the place of the SDK's own cached property
    return tool
