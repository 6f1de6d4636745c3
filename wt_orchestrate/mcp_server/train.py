"""Tools of the train and of comments that are settled: work that others made, and what was said of work."""

from __future__ import annotations

from typing import Annotated, Any

from mcp.server.mcpserver import MCPServer
from pydantic import Field

from wt_orchestrate.domain import events as e
from wt_orchestrate.mcp_server.desk import Desk, Wished
from wt_orchestrate.mcp_server.terms import READS, WISHES, Cursor, Key, Repository, Run, Stream, plainly
from wt_orchestrate.wiring.branch_queue import QueueWish


def add_to(server: MCPServer[Any], desk: Desk) -> None:
    @server.tool(title="Look at the train", annotations=READS)
    @plainly
    def train(repository: Repository = "", run: Run = "", cursor: Cursor = "") -> dict[str, Any]:
        """What rides to integration, in order, what waits and why, and what became of the rest (schema wto.train/1).
        `more` is the cursor of further branches."""
        return desk.train(repository, run, cursor)

    @server.tool(title="Queue branches", annotations=WISHES)
    @plainly
    def queue(
        branches: Annotated[
            list[str], Field(description="Branches that are there already.", min_length=1, max_length=200)
        ],
        key: Key,
        repository: Repository = "",
        checks: Annotated[
            list[str], Field(description="Commands that judge each combined tree; empty takes the repository's own.")
        ] = [],  # noqa: B006 - the SDK copies a default into the schema and never changes it
        target: Annotated[str, Field(description="The branch to land on; empty is the one that is checked out.")] = "",
        workers: Annotated[int, Field(ge=1, le=64, description="Trees checked at a time.")] = 1,
        unchecked: Annotated[bool, Field(description="Queue them although nothing judges them.")] = False,
    ) -> Wished:
        """Queue branches that people or other tools made, into the newest run while that is unfinished, else into a queue of
        their own, which `resume` integrates: merged, checked on the combined tree, proven. `train` tells how far it is."""
        wish = QueueWish(
            branches=tuple(branches), target=target or None, checks=tuple(checks), workers=workers, unchecked=unchecked
        )
        return desk.queue(repository, wish, key=key)

    @server.tool(title="Settle a comment", annotations=WISHES)
    @plainly
    def settle(
        workstream: Stream,
        comment: Annotated[str, Field(description="Its name, such as C1, as `inspect` shows it.", max_length=20)],
        key: Key,
        reopen: Annotated[bool, Field(description="It is not settled; it goes out again.")] = False,
        repository: Repository = "",
        run: Run = "",
    ) -> Wished:
        """Say that a comment on a workstream's work is settled, or open it again."""
        name = desk.named(repository, run, workstream)
        kind = e.CommentReopenRequested if reopen else e.CommentResolveRequested
        return desk.wish(repository, run, kind(workstream=name, comment=comment.upper()), key=key, goes_on=False)
