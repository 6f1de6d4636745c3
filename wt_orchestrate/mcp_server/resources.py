"""What a client can attach to a conversation: plan, report, briefing and handoffs of any run of any repository it may lead, and
what each repository remembers.

    wto://REPOSITORY/RUN/plan          wto://REPOSITORY/RUN/report
    wto://REPOSITORY/RUN/briefing      wto://REPOSITORY/RUN/handoff/WORKSTREAM
    wto://REPOSITORY/memory            wto://memory, where there is one repository

REPOSITORY is a repository's last name (or its folder, percent-encoded, where two have the same), RUN an id or `newest`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from mcp.server.mcpserver.resources import DEFAULT_RESOURCE_SECURITY, FunctionResource

from wt_orchestrate import faults
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.errors import NotFound, WtError
from wt_orchestrate.mcp_server.desk import Desk, told
from wt_orchestrate.mcp_server.memory import memory_page

NEWEST = "newest"
_LONGEST = 200_000
"""How many characters of a plan are shown."""
_T = TypeVar("_T")
# what is looked up in a closed list of names may look like a path; no file is opened by it
_LOOKED_UP = replace(DEFAULT_RESOURCE_SECURITY, exempt_params=frozenset({"repository"}))


def add_to(server: MCPServer[Any], desk: Desk) -> None:
    @server.resource("wto://{repository}/{run}/plan", title="Plan of a run", mime_type="text/yaml", security=_LOOKED_UP)
    def plan(repository: str, run: str) -> str:
        return _read(lambda: _plan(desk, repository, _named(run)))

    @server.resource(
        "wto://{repository}/{run}/report", title="Report of a run", mime_type="application/json", security=_LOOKED_UP
    )
    def report(repository: str, run: str) -> str:
        return _read(lambda: json.dumps(desk.report(repository, _named(run), ""), ensure_ascii=False, indent=1))

    @server.resource(
        "wto://{repository}/{run}/briefing", title="The whole picture", mime_type="text/plain", security=_LOOKED_UP
    )
    def briefing(repository: str, run: str) -> str:
        return _read(lambda: desk.briefing(repository, _named(run), size=12_000))

    @server.resource(
        "wto://{repository}/{run}/handoff/{workstream}",
        title="A workstream's newest handoff",
        mime_type="text/markdown",
        security=_LOOKED_UP,
    )
    def handoff(repository: str, run: str, workstream: str) -> str:
        found = _read(lambda: desk.inspect(repository, _named(run), workstream, "handoff", ""))
        rest = f"\n\n(cut at {found.next} of {found.total} characters; the tool inspect pages on)" if found.next else ""
        return f"(From {found.of})\n\n{found.text}{rest}"

    _memory(server, desk)
    for name in desk.names():
        for kind, title, mime in (
            ("briefing", "The whole picture of the newest run", "text/plain"),
            ("report", "Report of the newest run", "application/json"),
            ("plan", "Plan of the newest run", "text/yaml"),
        ):
            server.add_resource(
                FunctionResource.from_function(
                    fn=_newest(desk, kind, name),
                    uri=f"wto://{quote(name, safe='')}/{NEWEST}/{kind}",
                    name=f"{name}: {kind}",
                    title=f"{title} in {name}",
                    mime_type=mime,
                )
            )


def _memory(server: MCPServer[Any], desk: Desk) -> None:
    """The memory of each repository; of the only one also without its name."""
    title, mime = "Memory of the repository", "text/markdown"

    @server.resource("wto://{repository}/memory", title=title, mime_type=mime, security=_LOOKED_UP)
    def memory(repository: str) -> str:
        return _read(lambda: memory_page(desk.site(repository)))

    if len(desk.names()) == 1:
        listed = {"wto://memory": ("memory", "")}
    else:
        listed = {f"wto://{quote(name, safe='')}/memory": (f"{name}: memory", name) for name in desk.names()}
    for uri, (short, name) in listed.items():
        resource = FunctionResource.from_function(
            fn=partial(memory, name), uri=uri, name=short, title=title, mime_type=mime
        )
        server.add_resource(resource)


def _newest(desk: Desk, kind: str, name: str) -> Callable[[], str]:
    """A listed resource of the newest run; without a run it says so."""

    def read() -> str:
        if not _read(lambda: desk.runs(name)):
            return {"briefing": "There is no run in this repository yet.", "report": "{}"}.get(kind, "# no run yet\n")
        match kind:
            case "briefing":
                return _read(lambda: desk.briefing(name, "", size=12_000))
            case "report":
                return _read(lambda: json.dumps(desk.report(name, "", ""), ensure_ascii=False, indent=1))
            case _:
                return _read(lambda: _plan(desk, name, ""))

    return read


def _plan(desk: Desk, repository: str, run: str) -> str:
    """A plan as far as an answer goes; a comment says what is missing, so that it stays YAML."""
    text = desk.plan(repository, run)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}\n# cut at {_LONGEST} of {len(text)} characters\n"


def _named(run: str) -> str:
    return "" if run == NEWEST else run


def _read(work: Callable[[], _T]) -> _T:
    """An expected failure in words, as the protocol has them for resources."""
    try:
        return work()
    except NotFound as error:
        raise ResourceNotFoundError(told(error)) from error
    except OSError as error:
        raise ResourceError(told(faults.in_words(error))) from error
    except (WtError, ValueError) as error:
        raise ResourceError(told(error) if isinstance(error, WtError) else str(error)) from error
