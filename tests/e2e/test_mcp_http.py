"""`wto mcp --http`: on this machine alone, only with the token, never at the word of a web page, ended by a signal."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
from pathlib import Path

import httpx2
import pytest

from tests.support.mcp_client import http_server, token, token_file
from tests.support.project import Project
from wt_orchestrate.adapters.tokenfile import token_at
from wt_orchestrate.errors import Refused
from wt_orchestrate.mcp_server.loopback import CONNECTIONS, bound

CALL = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
JSON = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


def test_without_the_token_nothing_is_answered(project: Project) -> None:
    """No token, a wrong one, a part of it, another scheme, two of them: 401 on every path, and no word of what is there."""
    with http_server(project) as url:
        shown = token(project)
        wrong: list[list[tuple[str, str]]] = [
            [],
            [("Authorization", "Bearer wrong")],
            [("Authorization", f"Bearer {shown[:-1]}")],
            [("Authorization", f"Bearer {shown}x")],
            [("Authorization", f"Basic {shown}")],
            [("Authorization", shown)],
            [("Authorization", f"Bearer {shown}"), ("Authorization", "Bearer x")],
            [("Cookie", f"Authorization=Bearer {shown}")],
        ]
        with httpx2.Client() as http:
            for headers in wrong:
                for method, where in (
                    ("POST", url),
                    ("GET", url),
                    ("DELETE", url),
                    ("OPTIONS", url),
                    ("GET", url + "/x"),
                ):
                    said = http.request(method, where, headers=[*JSON.items(), *headers], json=CALL)
                    assert (said.status_code, said.text) == (401, "the token is missing or wrong\n"), (method, headers)
                    assert said.headers["WWW-Authenticate"] == "Bearer" and "server" not in said.headers
            said = http.post(url, headers={**JSON, "Authorization": f"Bearer {shown}"}, json=CALL)
            assert said.status_code != 401


FOREIGN = {
    "another name": ("Host", "evil.example:80", 421),
    "another port": ("Host", "127.0.0.1:1", 421),
    "a longer name": ("Host", "127.0.0.1.evil.example:{port}", 421),
    "a page elsewhere": ("Origin", "https://evil.example", 403),
    "a page of another server here": ("Origin", "http://127.0.0.1:1", 403),
    "a page of nowhere": ("Origin", "null", 403),
}


def test_a_web_page_cannot_call_even_with_the_token(project: Project) -> None:
    """DNS rebinding and foreign pages: exact about the name and the port it is called by, and who calls."""
    with http_server(project) as url:
        port = url.split(":")[2].partition("/")[0]
        for case, (name, value, code) in FOREIGN.items():
            headers = {**JSON, "Authorization": f"Bearer {token(project)}", name: value.format(port=port)}
            said = httpx2.post(url, headers=headers, json=CALL)
            assert said.status_code == code, (case, said.text)
            assert "access-control-allow-origin" not in said.headers


def test_whoever_asks_nothing_is_cut_off(project: Project) -> None:
    """Connections that say nothing, or half a request, are closed, and there are only so many; whoever asks is answered."""
    with http_server(project) as url:
        port = int(url.split(":")[2].partition("/")[0])
        headers = {**JSON, "Authorization": f"Bearer {token(project)}"}
        silent = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(CONNECTIONS + 50)]
        try:
            silent[0].sendall(b"POST /mcp HTTP/1.1\r\nHost: x\r\n")
            assert [_ended(each) for each in silent] == [True] * len(silent)
            assert httpx2.post(url, headers=headers, json=CALL).status_code != 401
        finally:
            for each in silent:
                each.close()
        with httpx2.Client() as kept:
            for _ in range(2):
                assert kept.post(url, headers=headers, json=CALL).status_code != 401


def _ended(connection: socket.socket) -> bool:
    """Whether the other side ends a connection, waited for."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.1", "example.org", "127.0.0.1.example.org", ""])
def test_other_addresses_than_loopback_are_refused(address: str) -> None:
    """There is no way to be reached from another machine, not even by mistake."""
    with pytest.raises(Refused, match="is not an address of this machine alone"):
        bound(address, 0)


def test_a_taken_port_is_told(project: Project) -> None:
    """In words, with the way out."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused = project.wto("mcp", "--http", "--port", str(taken.getsockname()[1]))
    assert refused.code == 6 and "--port 0 picks a free one" in refused.err


def test_the_token_is_in_a_file_of_the_users_own_and_nowhere_else(project: Project) -> None:
    """Made once, readable by nobody else, kept for the next start; in no argument, output or other file."""
    with http_server(project):
        path = token_file(project)
        first = token(project)
        assert len(first) >= 43 and stat.S_IMODE(path.stat().st_mode) == 0o600
        child = project.started[-1]
        assert first.encode() not in Path(f"/proc/{child.pid}/cmdline").read_bytes()
        assert first.encode() not in Path(f"/proc/{child.pid}/environ").read_bytes()
    with http_server(project):
        assert token(project) == first
    others = [each for each in project.folder.rglob("*") if each.is_file() and not each.is_symlink() and each != path]
    assert not [each for each in others if first.encode() in each.read_bytes()]
    assert str(path) in (project.folder / "out-0.txt").read_text()


def test_a_token_that_others_could_know_is_refused(project: Project) -> None:
    """Readable by the group, a link to elsewhere, empty, or a pipe: refused with the file's name; nothing is served."""
    path = token_file(project)
    path.parent.mkdir(mode=0o700, exist_ok=True)

    def open_to_all() -> None:
        path.write_text("a" * 43)
        path.chmod(0o640)

    def link() -> None:
        (project.folder / "elsewhere").write_text("a" * 43)
        (project.folder / "elsewhere").chmod(0o600)
        path.symlink_to(project.folder / "elsewhere")

    def empty() -> None:
        path.touch(mode=0o600)

    for make in (open_to_all, link, empty, lambda: os.mkfifo(path, 0o600)):
        path.unlink(missing_ok=True)
        make()
        with pytest.raises(Refused, match=re.escape(str(path))):
            token_at(str(path))
    refused = project.wto("mcp", "--http", timeout=60)
    assert refused.code == 6 and str(path) in refused.err and "delete" in refused.err, refused.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_although_somebody_listens(project: Project, number: signal.Signals) -> None:
    """Also while a stream is open; it ends with 0 and says no more than where it was."""
    with http_server(project) as url:
        child = project.started[-1]
        headers = {**JSON, "Authorization": f"Bearer {token(project)}", "MCP-Protocol-Version": "2025-06-18"}
        params = {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        }
        with httpx2.Client(headers=headers, timeout=30.0) as http:
            began = http.post(url, json={"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params})
            session = {"Mcp-Session-Id": began.headers["mcp-session-id"]}
            with http.stream("GET", url, headers=session) as opened:
                assert opened.status_code == 200
                child.send_signal(number)
                assert child.wait(timeout=20) == 0
    said = (project.folder / "out-0.txt").read_text()
    assert said.count("\n") == 2 and "Serving" in said
