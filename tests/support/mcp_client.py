"""The official client of the Model Context Protocol, led to a server of its own over either transport."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Literal

import anyio
import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from tests.support.project import Project, program
from tests.support.waiting import wait_until

Transport = Literal["stdio", "http"]
Call = Callable[..., Awaitable[Any]]
ANSWER_S = 45.0
_SERVING = re.compile(r"Serving (http://\S+);")


def led(
    project: Project, work: Callable[[Call, Client], Awaitable[None]], *folders: str, over: Transport = "stdio"
) -> None:
    """Let a client talk to a server of its own."""
    if over == "stdio":
        anyio.run(_talk, work, lambda: Client(stdio_client(stdio_server(project, *folders))))
        return
    with http_server(project, *folders) as url:
        anyio.run(_talk, work, lambda: _over_http(url, token(project)))


async def _talk(work: Callable[[Call, Client], Awaitable[None]], open_client: Callable[[], Any]) -> None:
    async with open_client() as client:
        await work(caller(client), client)


def stdio_server(project: Project, *folders: str) -> StdioServerParameters:
    """How a client starts the server."""
    command, *words = program(project.environment)
    words += ["-C", project.repository.path, "mcp", *_named(folders)]
    return StdioServerParameters(command=command, args=words, env=project.environment)


def _named(folders: tuple[str, ...]) -> list[str]:
    return [word for folder in folders for word in ("--repository", folder)]


@contextmanager
def http_server(project: Project, *folders: str, words: tuple[str, ...] = ()) -> Iterator[str]:
    """A server over HTTP on a free port; its address. It must end with 0 when it is asked to."""
    said = project.folder / f"out-{len(project.started)}.txt"
    child = project.start("mcp", "--http", *words, *_named(folders))
    wait_until(
        lambda: _SERVING.search(said.read_text()) is not None or child.poll() is not None,
        what="the server being there",
        timeout_s=60.0,
    )
    found = _SERVING.search(said.read_text())
    assert found is not None, said.read_text()
    try:
        yield found[1]
    finally:
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=20) == 0, said.read_text()
        assert "Traceback" not in said.read_text()


def token_file(project: Project) -> Path:
    return project.folder / "state" / "mcp-token"


def token(project: Project) -> str:
    return token_file(project).read_text(encoding="ascii").strip()


@asynccontextmanager
async def _over_http(url: str, shown: str) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {shown}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60.0) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        yield client


def caller(client: Client) -> Call:
    """Calls of tools: their values, or AssertionError with the words of an error."""

    async def call(name: str, **given: object) -> Any:
        began = time.monotonic()
        result = await client.call_tool(name, given)
        assert time.monotonic() - began < ANSWER_S
        text = "".join(getattr(block, "text", "") for block in result.content)
        if result.is_error:
            raise AssertionError(text)
        found = result.structured_content
        if found is None:
            return text
        return found["result"] if set(found) == {"result"} else found

    return call


async def until(call: Call, what: str, **given: object) -> Any:
    """Loop on `wait` until a decision of this kind is there."""
    cursor = ""
    for _ in range(20):
        found = await call("wait", cursor=cursor, seconds=10, **given)
        cursor = found["cursor"]
        chosen = [each for each in found["decisions"] if each["what"] == what]
        if chosen:
            return chosen[0]
    raise AssertionError(f"no decision {what}: {found}")


async def landed(call: Call) -> None:
    """Loop on `wait` until a landing that was asked for is over, whatever else happens meanwhile; a minute at most."""
    cursor = ""
    with anyio.fail_after(60):
        while (await call("status"))["workstreams"][0]["stage"] != "landed":
            cursor = (await call("wait", cursor=cursor, seconds=5))["cursor"]
