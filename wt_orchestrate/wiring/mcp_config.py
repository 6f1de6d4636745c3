"""The MCP server in a client's configuration: the file's place, and the entry's content."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from wt_orchestrate.errors import Refused
from wt_orchestrate.wiring.site import Site, repository, state_root

if TYPE_CHECKING:
    from wt_orchestrate.adapters.clientconfig import FileEdit

NAME = "wt-orchestrate"
TOKEN_VARIABLE = "WTO_MCP_TOKEN"
"""The variable that a client's settings name instead of the token."""


def client_edit(
    site: Site,
    client: str,
    config: str | None,
    *,
    folders: tuple[str, ...],
    url: str | None = None,
    remove: bool = False,
) -> FileEdit:
    """The change of a client's configuration that adds the server for these repositories, or a running one at a `url`,
    or removes it. Raises Refused."""
    from wt_orchestrate.adapters.clientconfig import planned

    if url is not None:
        entry: dict[str, Any] | None = _remote(client, url)
    else:
        entry = None if remove else _entry(client, folders or (_root(site),))
    path = config or (_desktop() if client == "claude-desktop" else f"{_root(site)}/.mcp.json")
    return planned(path, NAME, entry)


def apply_edit(edit: FileEdit) -> str:
    """Write it; returns where the earlier file is kept."""
    from wt_orchestrate.adapters.clientconfig import write

    return write(edit)


def token_path() -> str:
    """The path of the token of servers over HTTP: one for each user, beside the repositories' state folders."""
    return f"{state_root()}/mcp-token"


def access_token() -> str:
    """The token that a client over HTTP must show; created the first time. Raises Refused if others could read it."""
    from wt_orchestrate.adapters.tokenfile import token_at

    return token_at(token_path())


def _entry(client: str, folders: tuple[str, ...]) -> dict[str, Any]:
    """Absolute paths: a desktop program starts its servers with a bare PATH and in any folder. The variables that
    decide where the state is are passed on, or the server would not see the runs of the terminal."""
    named = [word for folder in folders for word in ("--repository", os.path.abspath(folder))]
    first = os.path.abspath(folders[0])
    args = ["-P", "-m", "wt_orchestrate", "-C", first, "mcp", *named]
    passed = {key: os.environ[key] for key in ("PATH", "XDG_STATE_HOME") if key in os.environ}
    if os.environ.get("WTO_STATE_DIR"):
        passed["WTO_STATE_DIR"] = state_root()
    kind = {"type": "stdio"} if client == "claude-code" else {}
    return {**kind, "command": sys.executable, "args": args, "env": passed}


def _remote(client: str, url: str) -> dict[str, Any]:
    """A server over HTTP on this machine. The token is named and not written: the file may be committed."""
    if client != "claude-code":
        hint = "leave out --http: the client starts the server itself"
        raise Refused(f"the settings of {client} can only start programs, not call {url}", hint=hint)
    found = urlsplit(url)
    if found.scheme != "http" or found.hostname not in {"127.0.0.1", "localhost", "::1"} or not found.port:
        hint = "use the URL printed by wto mcp --http, such as http://127.0.0.1:8123/mcp"
        raise Refused(f"{url} is not the URL of a server on this machine", hint=hint)
    return {"type": "http", "url": url, "headers": {"Authorization": f"Bearer ${{{TOKEN_VARIABLE}}}"}}


def look_first(folders: str) -> None:
    """Search for programs in these folders first, for us and for what we start."""
    kept = [os.path.expanduser(each) for each in folders.split(os.pathsep) if each]
    os.environ["PATH"] = os.pathsep.join([*kept, os.environ.get("PATH", os.defpath)])


def _root(site: Site) -> str:
    facts = repository(site).facts()
    return facts.main_worktree or facts.common_dir


def _desktop() -> str:
    """The path of Claude Desktop's configuration."""
    home = os.path.expanduser("~")
    if sys.platform == "darwin":
        return f"{home}/Library/Application Support/Claude/claude_desktop_config.json"
    return f"{os.environ.get('XDG_CONFIG_HOME') or f'{home}/.config'}/Claude/claude_desktop_config.json"
