"""The MCP server in a client's configuration: where the file is, and what its entry says."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from wt_orchestrate.wiring.site import Site, repository, state_root

if TYPE_CHECKING:
    from wt_orchestrate.adapters.clientconfig import Edit

NAME = "wt-orchestrate"


def client_edit(site: Site, client: str, config: str | None, *, folders: tuple[str, ...], remove: bool) -> Edit:
    """The change of a client's configuration that adds the server for these repositories, or takes it out."""
    from wt_orchestrate.adapters.clientconfig import planned

    path = config or (_desktop() if client == "claude-desktop" else f"{_root(site)}/.mcp.json")
    return planned(path, NAME, None if remove else _entry(client, folders or (_root(site),)))


def apply_edit(edit: Edit) -> str:
    """Write it; where the file as it was is kept."""
    from wt_orchestrate.adapters.clientconfig import write

    return write(edit)


def token_path() -> str:
    """Where the token of servers over HTTP lies: one for each user, beside the repositories' state folders."""
    return f"{state_root()}/mcp-token"


def access_token() -> str:
    """The token that a client over HTTP must show; made the first time. Raises Refused where others could read it."""
    from wt_orchestrate.adapters.tokenfile import token_at

    return token_at(token_path())


def _entry(client: str, folders: tuple[str, ...]) -> dict[str, Any]:
    """Absolute paths: a desktop program starts its servers with a bare PATH and anywhere."""
    named = [word for folder in folders for word in ("--repository", os.path.abspath(folder))]
    first = os.path.abspath(folders[0])
    args = ["-P", "-m", "wt_orchestrate", "-C", first, "mcp", *named]
    passed = {key: os.environ[key] for key in ("PATH", "WTO_STATE_DIR") if key in os.environ}
    kind = {"type": "stdio"} if client == "claude-code" else {}
    return {**kind, "command": sys.executable, "args": args, "env": passed}


def _root(site: Site) -> str:
    facts = repository(site).facts()
    return facts.main_worktree or facts.common_dir


def _desktop() -> str:
    """Where Claude Desktop keeps it."""
    home = os.path.expanduser("~")
    if sys.platform == "darwin":
        return f"{home}/Library/Application Support/Claude/claude_desktop_config.json"
    return f"{os.environ.get('XDG_CONFIG_HOME') or f'{home}/.config'}/Claude/claude_desktop_config.json"
