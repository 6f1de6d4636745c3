"""Our server, made by its own factory and served by its own transport, with the tools that the official conformance suite calls.

The suite can show no token, so that one is put into each request before ours looks for it. Everything else is what users get.

    python -m tests.support.conformance_server REPOSITORY
"""

from __future__ import annotations

import sys
from base64 import b64encode
from collections.abc import Callable
from typing import Any

from mcp import MCPError
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.prompts.base import UserMessage
from mcp.types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    Completion,
    CompletionArgument,
    CompletionContext,
    CreateMessageRequest,
    CreateMessageRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    EmbeddedResource,
    ImageContent,
    InputRequiredResult,
    ListRootsRequest,
    PromptReference,
    RequestParams,
    ResourceTemplateReference,
    SamplingMessage,
    TextContent,
    TextResourceContents,
)
from starlette.types import ASGIApp, Receive, Scope, Send

from wt_orchestrate.mcp_server import loopback
from wt_orchestrate.mcp_server.desk import Desk
from wt_orchestrate.mcp_server.server import build

TOKEN = "t" * 43
_PNG = b64encode(b"\x89PNG\r\n\x1a\n").decode()
_WAV = b64encode(b"RIFF").decode()


def _image() -> ImageContent:
    return ImageContent(type="image", data=_PNG, mime_type="image/png")


def _resource(uri: str) -> EmbeddedResource:
    return EmbeddedResource(
        type="resource", resource=TextResourceContents(uri=uri, text="here", mime_type="text/plain")
    )


def add_tools(server: MCPServer[Any]) -> None:
    @server.tool(structured_output=False)
    def test_simple_text() -> str:
        """A text."""
        return "a text"

    @server.tool(structured_output=False)
    def test_image_content() -> ImageContent:
        """An image."""
        return _image()

    @server.tool(structured_output=False)
    def test_audio_content() -> AudioContent:
        """A sound."""
        return AudioContent(type="audio", data=_WAV, mime_type="audio/wav")

    @server.tool(structured_output=False)
    def test_embedded_resource() -> EmbeddedResource:
        """A resource."""
        return _resource("test://embedded-resource")

    @server.tool(structured_output=False)
    def test_multiple_content_types() -> list[TextContent | ImageContent | EmbeddedResource]:
        """A text, an image and a resource."""
        return [TextContent(type="text", text="a text"), _image(), _resource("test://mixed-content-resource")]

    @server.tool(structured_output=False)
    def test_error_handling() -> str:
        """Always fails."""
        raise ToolError("it is meant to fail")

    @server.tool(structured_output=False)
    async def test_tool_with_progress(context: Context) -> str:
        """Tells its progress three times."""
        for done in (0, 50, 100):
            await context.report_progress(done, 100)
        return "done"

    @server.tool(structured_output=False)
    def test_logging_tool() -> str:
        """Logs nothing to the client."""
        return "nothing was logged"

    @server.tool(structured_output=False)
    async def test_trigger_tool_change(context: Context) -> str:
        """Says that the list of tools changed."""
        await context.notify_tools_changed()
        return "done"

    @server.tool(structured_output=False)
    async def test_trigger_prompt_change(context: Context) -> str:
        """Says that the list of prompts changed."""
        await context.notify_prompts_changed()
        return "done"


def _asks(field: str) -> ElicitRequest:
    schema: dict[str, Any] = {"type": "object", "properties": {field: {"type": "string"}}, "required": [field]}
    return ElicitRequest(params=ElicitRequestFormParams(message=f"{field}?", requested_schema=schema))


def _samples() -> CreateMessageRequest:
    said = SamplingMessage(role="user", content=TextContent(type="text", text="What is the capital of France?"))
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=[said], max_tokens=100))


def _roots() -> ListRootsRequest:
    return ListRootsRequest(params=RequestParams())


ASKING: dict[str, tuple[dict[str, Any], str | None]] = {
    "elicitation": ({"user_name": _asks("name")}, None),
    "sampling": ({"capital_question": _samples()}, None),
    "list_roots": ({"client_roots": _roots()}, None),
    "request_state": ({"confirm": _asks("ok")}, "first"),
    "tampered_state": ({"confirm": _asks("ok")}, "first"),
    "multiple_inputs": ({"user_name": _asks("name"), "greeting": _samples(), "client_roots": _roots()}, "first"),
}


def add_asking(server: MCPServer[Any]) -> None:
    """Tools that want something of the client first: ours do not, the way there is the SDK's and our transport's."""
    for name, (asked, state) in ASKING.items():
        server.add_tool(
            _asking(asked, state),
            name=f"test_input_required_result_{name}",
            description="Asks the client first.",
            structured_output=False,
        )

    @server.tool(structured_output=False)
    def test_input_required_result_multi_round(context: Context) -> str | InputRequiredResult:
        """Asks the client twice."""
        if context.request_state == "second":
            return "done"
        step = "first" if context.input_responses is None else "second"
        return InputRequiredResult(input_requests={step: _asks(step)}, request_state=step)

    @server.tool(structured_output=False)
    def test_input_required_result_capabilities(context: Context) -> str | InputRequiredResult:
        """Asks only what the client can answer."""
        can = context.session.client_capabilities
        asked: dict[str, Any] = {}
        if can is not None and can.sampling is not None:
            asked["sampling"] = _samples()
        if can is not None and can.elicitation is not None:
            asked["elicitation"] = _asks("name")
        return InputRequiredResult(input_requests=asked) if context.input_responses is None else "done"

    @server.tool(structured_output=False)
    def test_missing_capability(context: Context) -> str:
        """Needs a client that samples."""
        can = context.session.client_capabilities
        if can is None or can.sampling is None:
            needed: dict[str, Any] = {"requiredCapabilities": {"sampling": {}}}
            raise MCPError(code=MISSING_REQUIRED_CLIENT_CAPABILITY, message="it needs sampling", data=needed)
        return "done"

    @server.tool(structured_output=False)
    def test_streaming_elicitation(context: Context) -> str | InputRequiredResult:
        """Asks on a stream."""
        return InputRequiredResult(input_requests={"name": _asks("name")}) if not context.input_responses else "done"

    @server.prompt()
    def test_input_required_result_prompt(context: Context) -> str | InputRequiredResult:
        """Asks the client first."""
        if context.input_responses is None:
            return InputRequiredResult(input_requests={"user_context": _asks("context")})
        return "a prompt"


def _asking(asked: dict[str, Any], state: str | None) -> Callable[..., str | InputRequiredResult]:
    def work(context: Context) -> str | InputRequiredResult:
        if not context.input_responses or not set(asked) <= set(context.input_responses):
            return InputRequiredResult(input_requests=asked, request_state=state)
        return "state-ok" if context.request_state == state else "another state"

    return work


def add_rest(server: MCPServer[Any]) -> None:
    @server.resource("test://static-text", mime_type="text/plain")
    def text() -> str:
        return "a text"

    @server.resource("test://static-binary", mime_type="image/png")
    def binary() -> bytes:
        return b"\x89PNG"

    @server.resource("test://template/{id}/data", mime_type="application/json")
    def template(id: str) -> str:  # noqa: A002 - the suite's own name
        return f'{{"id": "{id}"}}'

    @server.prompt()
    def test_simple_prompt() -> str:
        """A prompt."""
        return "a prompt"

    @server.prompt()
    def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
        """A prompt with two arguments."""
        return f"{arg1} and {arg2}"

    @server.prompt()
    def test_prompt_with_embedded_resource(resourceUri: str) -> list[UserMessage]:  # noqa: N803 - the suite's own name
        """A prompt with a resource."""
        return [UserMessage(content=_resource(resourceUri)), UserMessage(content="look at it")]

    @server.prompt()
    def test_prompt_with_image() -> list[UserMessage]:
        """A prompt with an image."""
        return [UserMessage(content=_image()), UserMessage(content="look at it")]

    @server.completion()  # type: ignore[no-untyped-call, untyped-decorator]  # so is the SDK here
    async def complete(
        ref: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        context: CompletionContext | None,
    ) -> Completion:
        return Completion(values=[f"{argument.value}-1"])


def shown(app: ASGIApp) -> ASGIApp:
    """The application, whose callers all show the token."""

    async def pass_on(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = {**scope, "headers": [*scope["headers"], (b"authorization", f"Bearer {TOKEN}".encode())]}
        await app(scope, receive, send)

    return pass_on


def main() -> None:
    server = build(Desk([sys.argv[1]]))
    add_tools(server)
    add_asking(server)
    add_rest(server)
    opened = loopback.bound("127.0.0.1", 0)
    app = loopback.application(server, opened, token=TOKEN)
    loopback.serve(shown(app), opened, tell=lambda url: print(f"Serving {url};", flush=True))


if __name__ == "__main__":
    main()
