"""MCP tools for the train and for comments: queue branches, show the train, resolve comments."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from wt_orchestrate.domain import events as e
from wt_orchestrate.mcp_server.desk import Desk, Wished
from wt_orchestrate.mcp_server.terms import READS, WISHES, Cursor, Key, Repository, Run, Stream, Toolbox, plainly
from wt_orchestrate.wiring.branch_queue import QueueWish


def add_to(tools: Toolbox, desk: Desk) -> None:
    @tools.tool(title="Show the train", annotations=READS)
    @plainly
    def train(repository: Repository = "", run: Run = "", cursor: Cursor = "") -> dict[str, Any]:
        """The merge queue in order, what waits and why, and the results of the rest (schema wto.train/1).
        `more` is the cursor for the next branches."""
        return desk.train(repository, run, cursor)

    @tools.tool(title="Queue branches", annotations=WISHES)
    @plainly
    def queue(
        branches: Annotated[list[str], Field(description="Existing branches.", min_length=1, max_length=200)],
        key: Key,
        repository: Repository = "",
        checks: Annotated[
            list[str], Field(description="Checks to run on each merge; empty for the repository's own.")
        ] = [],  # noqa: B006 - the SDK copies a default into the schema and never changes it
        target: Annotated[str, Field(description="The branch to land on; empty for the current one.")] = "",
        workers: Annotated[int, Field(ge=1, le=64, description="How many merges to check at once.")] = 1,
        unchecked: Annotated[bool, Field(description="Queue the branches without any check.")] = False,
    ) -> Wished:
        """Queue existing branches: in the newest run while it is unfinished, otherwise in a new queue that `resume`
        integrates. Each is merged and checked with those before it. `train` shows the progress."""
        wish = QueueWish(
            branches=tuple(branches), target=target or None, checks=tuple(checks), workers=workers, unchecked=unchecked
        )
        return desk.queue(repository, wish, key=key)

    @tools.tool(title="Resolve a comment", annotations=WISHES)
    @plainly
    def settle(
        workstream: Stream,
        comment: Annotated[str, Field(description="Its name, such as C1, as shown by `inspect`.", max_length=20)],
        key: Key,
        reopen: Annotated[bool, Field(description="Reopen it; it is sent again.")] = False,
        repository: Repository = "",
        run: Run = "",
    ) -> Wished:
        """Mark a comment on a workstream's work as resolved, or reopen it."""
        name = desk.named(repository, run, workstream)
        kind = e.CommentReopenRequested if reopen else e.CommentResolveRequested
        return desk.wish(repository, run, kind(workstream=name, comment=comment.upper()), key=key, goes_on=False)
