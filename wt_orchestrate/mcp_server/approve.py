"""The MCP tool that approves a gate between stages: a person's decision, through a client that asked them.

The call says which round of the gate was looked at, so that what changed meanwhile is not approved unseen. Nothing that
an agent writes can be a call here.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wt_orchestrate.domain import events as e
from wt_orchestrate.mcp_server.desk import Desk, Wished
from wt_orchestrate.mcp_server.terms import WISHES, Key, Repository, Run, Toolbox, plainly


def add_to(tools: Toolbox, desk: Desk) -> None:
    """Give the server its tool."""

    @tools.tool(title="Approve a stage", annotations=WISHES)
    @plainly
    def approve(
        stage: Annotated[str, Field(description="The stage that needs approval, as named by wait and briefing.")],
        key: Key,
        round: Annotated[  # noqa: A002 - the word that wait and status use
            int,
            Field(ge=0, description="The round the person looked at, as given by wait; 0 for the current one."),
        ] = 0,
        no: Annotated[
            str,
            Field(
                description="The reason to reject it: the synthesis is sent back with this text.",
                max_length=20_000,
            ),
        ] = "",
        repository: Repository = "",
        run: Run = "",
    ) -> Wished:
        """Only when the person said so: start the next stage, or with `no` reject the synthesis. Inspect it first."""
        return desk.wish(repository, run, e.ApproveRequested(stage=stage, no=no, round=round), key=key)
