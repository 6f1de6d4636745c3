"""The server over streamable HTTP, for programs of this machine's user: loopback only, and only with the token.

Binding is refused for any address that is not loopback. Every request needs the token (compared in constant time) in its
`Authorization` header; requests that a browser was tricked into (DNS rebinding) are refused by their Host and Origin. The token
is in no log, line or argument. SIGTERM and ctrl-C end it: open calls are cut off, their wishes stay in the log.
"""

from __future__ import annotations

import hmac
import signal
import socket
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from wt_orchestrate.errors import Refused

PATH = "/mcp"
_ENDING_S = 2


class Guarded:
    """An application behind a token: whoever does not show it gets 401 and learns nothing else."""

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


def application(server: MCPServer[Any], *, host: str, port: int, token: str) -> ASGIApp:
    """What is served: exact about Host and Origin, behind the token."""
    names = {f"[{host}]" if ":" in host else host, "localhost"}
    hosts = sorted(f"{name}:{port}" for name in names)
    security = TransportSecuritySettings(allowed_hosts=hosts, allowed_origins=[f"http://{each}" for each in hosts])
    return Guarded(server.streamable_http_app(streamable_http_path=PATH, transport_security=security), token)


def bound(host: str, port: int) -> socket.socket:
    """A socket on this machine alone. Raises Refused for another address, and where the port is taken."""
    address = "127.0.0.1" if host == "localhost" else host
    try:
        loopback = ip_address(address).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        hint = "leave --address out; from another machine go through ssh -L"
        raise Refused(f"{host} is not an address of this machine alone", hint=hint)
    opened = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((address, port))
    except OSError as error:
        opened.close()
        raise Refused(
            f"{address}:{port} cannot be listened on: {error.strerror}", hint="--port 0 takes a free one"
        ) from (error)
    return opened


def serve(server: MCPServer[Any], opened: socket.socket, *, token: str, tell: Callable[[str], None]) -> None:
    """Serve on a socket until a signal ends it; `tell` gets the address when it is there to be called."""
    host, port = opened.getsockname()[:2]
    app = application(server, host=host, port=port, token=token)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=_ENDING_S,
        lifespan="on",
    )
    running = uvicorn.Server(config)
    # uvicorn gives a signal back to whoever had it before: for us it was the wish to end, and is fulfilled
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    opened.listen(128)
    tell(f"http://{f'[{host}]' if ':' in host else host}:{port}{PATH}")
    running.run(sockets=[opened])
