"""The MCP server over streamable HTTP, for programs of this machine's user: loopback only, and only with the token.

Binding is refused for any address that is not loopback. Every request needs the token (compared in constant time) in
its `Authorization` header; requests that a browser was tricked into (DNS rebinding) are refused by their Host and
Origin. The token is in no log, output or argument. A connection that asks nothing is closed, so that the machine's
other users cannot use up the limit of open files. SIGTERM and Ctrl-C end it: open calls are cut off, their requests
stay in the log.
"""

from __future__ import annotations

import hmac
import logging
import signal
import socket
from asyncio import Transport
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from wt_orchestrate.errors import Refused

PATH = "/mcp"
ASKED_S = 5.0
"""How long a connection may take for the head of its first request."""
CONNECTIONS = 400
"""The most connections at a time: each takes a file, of which a program has a thousand."""
_ENDING_S = 2


class Bounded(H11Protocol):
    """A connection that has to ask something soon, one of a limited number."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as the class itself has it
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS:
            transport.abort()
        else:
            self.loop.call_later(ASKED_S, self._end_if_silent)

    def _end_if_silent(self) -> None:
        asked: object = self.cycle  # None while no request is whole
        if asked is None:
            self.transport.close()


class Guarded:
    """An application behind a token: without it, the answer is 401 and nothing else."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._wanted = f"Bearer {token}".encode("ascii")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        shown = [value for name, value in scope["headers"] if name == b"authorization"]
        if scope["type"] != "http" or len(shown) != 1 or not hmac.compare_digest(shown[0], self._wanted):
            refused = PlainTextResponse("the token is missing or wrong\n", 401, {"WWW-Authenticate": "Bearer"})
            await refused(scope, receive, send)
            return
        await self._app(scope, receive, send)


def application(server: MCPServer[Any], opened: socket.socket, *, token: str) -> ASGIApp:
    """The application on a socket: exact about Host and Origin, behind the token."""
    host, port = opened.getsockname()[:2]
    names = {f"[{host}]" if ":" in host else host, "localhost"}
    hosts = sorted(f"{name}:{port}" for name in names)
    security = TransportSecuritySettings(allowed_hosts=hosts, allowed_origins=[f"http://{each}" for each in hosts])
    return Guarded(server.streamable_http_app(streamable_http_path=PATH, transport_security=security), token)


def bound(host: str, port: int) -> socket.socket:
    """A socket on this machine alone. Raises Refused for another address, and if the port is taken."""
    address = "127.0.0.1" if host == "localhost" else host
    try:
        loopback = ip_address(address).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        hint = "leave out --address; from another machine use ssh -L"
        raise Refused(f"{host} is not an address of this machine alone", hint=hint)
    opened = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((address, port))
    except OSError as error:
        opened.close()
        raise Refused(f"{address}:{port} cannot be used: {error.strerror}", hint="--port 0 picks a free one") from (
            error
        )
    return opened


def serve(app: ASGIApp, opened: socket.socket, *, tell: Callable[[str], None]) -> None:
    """Serve on a socket until a signal ends it; `tell` gets the address once it is ready."""
    host, port = opened.getsockname()[:2]
    config = uvicorn.Config(
        app,
        http=Bounded,
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=_ENDING_S,
        lifespan="on",
    )
    running = uvicorn.Server(config)
    # what is cut off by the end is no error
    logging.getLogger("uvicorn.error").addFilter(lambda record: not running.should_exit)

    def end(*_: object) -> None:
        running.should_exit = True

    # before uvicorn has handlers of its own; and when it ends, it gives the signal back to whoever had it before
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    opened.listen(128)
    tell(f"http://{f'[{host}]' if ':' in host else host}:{port}{PATH}")
    running.run(sockets=[opened])
