"""The tool that passes a gate between stages: a person's word, through a client that asked them.

It says which ending of the stage was looked at, so that what changed meanwhile is not approved unseen; it can never be called by
what an agent wrote, because nothing an agent writes is a call here.
"""

from __future__ import annotations

from typing import Annotated, Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field

from wt_orchestrate.domain import events as e
from wt_orchestrate.errors import WtError
from wt_orchestrate.mcp_server.desk import Desk, Wished, told

_WISHES = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)


def approving(server: MCPServer[Any], desk: Desk) -> None:
    """Give the server its tool."""

    @server.tool(title="Pass a gate", annotations=_WISHES)
    def approve(
        stage: Annotated[str, Field(description="The stage that waits, as wait and briefing name it.")],
        key: Annotated[
            str,
            Field(
                description="Your own name for this very call: said twice, it is done once.",
                min_length=4,
                max_length=200,
            ),
        ],
        round: Annotated[  # noqa: A002 - the word that wait and status use
            int,
            Field(ge=0, description="The round that the person looked at, as wait tells it; 0 is whatever there is."),
        ] = 0,
        no: Annotated[
            str,
            Field(
                description="What is wrong: the synthesis goes on with these words, and nothing passes.",
                max_length=20_000,
            ),
        ] = "",
        repository: str = "",
        run: str = "",
    ) -> Wished:
        """Only when the person said so: let the next stage begin, or with `no` send the synthesis back. Inspect it first."""
        try:
            return desk.wish(repository, run, e.ApproveRequested(stage=stage, no=no.strip(), round=round), key=key)
        except WtError as error:
            raise ToolError(told(error)) from error
