"""A stand-in for GitHub, GitLab, Gitea and pagure on loopback, or on a unix socket for the gh client: pull requests over a
real bare repository, with comments and checks that a test puts there. Every request is kept, with its headers.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import threading
from base64 import b64encode
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import ThreadingUnixStreamServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "stub-token-0123456789"
Row = dict[str, Any]


@dataclass(slots=True)
class Pull:
    """One pull request as the forge keeps it."""

    number: int
    branch: str
    base: str
    title: str
    body: str
    draft: bool
    state: str = "open"
    merge: str = ""
    labels: list[str] = field(default_factory=list)
    said: list[Row] = field(default_factory=list)
    """`id`, `user`, `trusted`, `body`, and `path`, `line` for one on a line."""
    failed: list[Row] = field(default_factory=list)
    """`id`, `name`, `summary`."""
    fork: bool = False
    """It comes from a fork of a stranger's, where a branch may have any name."""


class ForgeStub:
    """The forge: its pull requests, and the bare repository that is pushed to."""

    def __init__(self, bare: str) -> None:
        self.bare = bare
        self.pulls: list[Pull] = []
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.servers: list[ThreadingHTTPServer] = []
        self.git_is_at = ""
        """Where requests of git are led to instead."""

    def serve(self, path: str = "") -> str:
        """Answer on a free port of loopback, or on a unix socket; where."""
        stub = self

        class Handler(_Handler):
            forge = stub

        server = _UnixServer(path, Handler) if path else ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return path or f"http://127.0.0.1:{server.server_address[1]}"

    def close(self) -> None:
        for server in self.servers:
            server.shutdown()
            server.server_close()
            if isinstance(server, _UnixServer):
                os.unlink(str(server.server_address))

    def head(self, branch: str) -> str:
        """Where a branch is in the bare repository; empty when it is not there."""
        ended = subprocess.run(
            ["git", "-C", self.bare, "rev-parse", "-q", "--verify", f"refs/heads/{branch}"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return ended.stdout.strip()

    def pull(self, branch: str) -> Pull:
        return next(each for each in reversed(self.pulls) if each.branch == branch)

    # ------------------------------------------------------------ what every dialect does

    def create(self, branch: str, base: str, title: str, body: str, *, draft: bool) -> Pull | None:
        if not self.head(branch) or not self.head(base):
            return None
        made = Pull(len(self.pulls) + 1, branch, base, title, body, draft)
        self.pulls.append(made)
        return made

    def answer(self, method: str, path: str, query: dict[str, str], body: Row) -> tuple[int, Any]:
        dialects = (
            (r"/api/v4/projects/[^/]+/(.*)", _gitlab),
            (r"/api/v1/repos/o/r/(.*)", _gitea),
            (r"/api/0/o/r/?(.*)", _pagure),
        )
        for pattern, dialect in dialects:
            match = re.fullmatch(pattern, path)
            if match is not None:
                return dialect(self, method, match[1], query, body)
        match = re.fullmatch(r"(?:/api/v3)?/repos/o/r/(.*)", path)
        return _github(self, method, match[1], query, body) if match is not None else (404, {"message": "Not Found"})


def _numbered(forge: ForgeStub, rest: str, pattern: str) -> Pull | None:
    match = re.fullmatch(pattern, rest)
    number = int(match[1]) if match is not None else 0
    return forge.pulls[number - 1] if 0 < number <= len(forge.pulls) else None


# ---------------------------------------------------------------- GitHub


def _github(forge: ForgeStub, method: str, rest: str, query: dict[str, str], body: Row) -> tuple[int, Any]:
    if rest == "pulls" and method == "GET":
        branch = query.get("head", "").partition(":")[2]
        return 200, [_hub(forge, each) for each in reversed(forge.pulls) if each.branch == branch and not each.fork]
    if rest == "pulls" and method == "POST":
        made = forge.create(body["head"], body["base"], body["title"], body["body"], draft=body["draft"])
        return (
            (201, _hub(forge, made)) if made else (422, {"message": "Validation Failed", "errors": [{"field": "head"}]})
        )
    pull = _numbered(forge, rest, r"(?:pulls|issues)/(\d+)(?:/.*)?")
    if pull is not None:
        return _hub_pull(forge, pull, method, rest, query, body)
    permission = re.fullmatch(r"collaborators/([\w-]+)/permission", rest)
    if permission is not None:
        return 200, {"permission": _permission(permission[1])}
    match = re.fullmatch(r"commits/(\w+)/(check-runs|status)", rest)
    if match is None:
        return 404, {"message": "Not Found"}
    failed = [row for each in forge.pulls if forge.head(each.branch) == match[1] for row in each.failed]
    if match[2] == "status":
        return 200, {"statuses": []}
    runs = [
        {"id": row["id"], "name": row["name"], "status": "completed", "conclusion": "failure",
         "html_url": "https://ci.example.org/1", "output": {"title": "Failed", "summary": row["summary"]}}
        for row in failed
    ]  # fmt: skip
    return 200, {"check_runs": runs}


def _hub_pull(
    forge: ForgeStub, pull: Pull, method: str, rest: str, query: dict[str, str], body: Row
) -> tuple[int, Any]:
    if rest.endswith("/labels"):
        pull.labels += [label for label in body["labels"] if label not in pull.labels]
        return 200, [{"name": label} for label in pull.labels]
    if method == "PATCH":
        pull.title, pull.body, pull.base = body["title"], body["body"], body["base"]
    if rest.startswith("pulls/") and rest.endswith("/comments"):
        return 200, [_hub_said(forge, pull, row) for row in pull.said if row.get("path")] if query[
            "page"
        ] == "1" else []
    if rest.endswith("/comments"):
        return 200, [_hub_said(forge, pull, row) for row in pull.said if not row.get("path")] if query[
            "page"
        ] == "1" else []
    return (200, []) if rest.endswith("/reviews") else (200, _hub(forge, pull))


def _hub(forge: ForgeStub, pull: Pull) -> Row:
    return {
        "number": pull.number, "html_url": f"https://forge.example.org/o/r/pull/{pull.number}", "title": pull.title,
        "state": "open" if pull.state == "open" else "closed", "draft": pull.draft, "merged": pull.state == "merged",
        "merged_at": "2026-01-01T00:00:00Z" if pull.state == "merged" else None, "merge_commit_sha": pull.merge or None,
        "head": {"ref": pull.branch, "sha": forge.head(pull.branch)}, "base": {"ref": pull.base},
    }  # fmt: skip


def _hub_said(forge: ForgeStub, pull: Pull, row: Row) -> Row:
    return {
        "id": row["id"], "body": row["body"], "user": {"login": row["user"]}, "path": row.get("path"), "line": row.get("line"),
        "commit_id": forge.head(pull.branch),
        "author_association": "MEMBER" if row["trusted"] or row["user"] == "member" else "NONE",
    }  # fmt: skip


# ---------------------------------------------------------------- GitLab


def _gitlab(forge: ForgeStub, method: str, rest: str, query: dict[str, str], body: Row) -> tuple[int, Any]:
    if rest == "merge_requests" and method == "GET":
        wanted = query.get("source_branch", "")
        return 200, [_lab(forge, each) for each in reversed(forge.pulls) if each.branch == wanted]
    if rest == "merge_requests":
        title = body["title"].removeprefix("Draft: ")
        made = forge.create(
            body["source_branch"], body["target_branch"], title, body["description"], draft=title != body["title"]
        )
        if made is None:
            return 409, {"message": ["source branch does not exist"]}
        made.labels = [label for label in body.get("labels", "").split(",") if label]
        return 201, _lab(forge, made)
    member = re.fullmatch(r"members/all/(\d+)", rest)
    if member is not None:
        return (200, {"access_level": 40}) if int(member[1]) < 100 else (404, {"message": "404 Not found"})
    jobs = re.fullmatch(r"pipelines/(\d+)/jobs", rest)
    if jobs is not None:
        failed = forge.pulls[int(jobs[1]) - 1].failed if query["page"] == "1" else []
        return 200, [
            {"id": row["id"], "name": row["name"], "status": "failed", "web_url": "", "failure_reason": row["summary"]}
            for row in failed
        ]
    pull = _numbered(forge, rest, r"merge_requests/(\d+)(?:/.*)?")
    if pull is None:
        return 404, {"message": "404 Not found"}
    if method == "PUT":
        pull.title, pull.body, pull.base = body["title"], body["description"], body["target_branch"]
        pull.labels += [label for label in body.get("add_labels", "").split(",") if label and label not in pull.labels]
    if rest.endswith("/notes"):
        return 200, [_lab_said(forge, pull, row) for row in pull.said] if query["page"] == "1" else []
    return 200, _lab(forge, pull)


def _lab(forge: ForgeStub, pull: Pull) -> Row:
    return {
        "iid": pull.number, "web_url": f"https://forge.example.org/o/r/-/merge_requests/{pull.number}", "title": pull.title,
        "target_branch": pull.base, "state": "opened" if pull.state == "open" else pull.state, "draft": pull.draft,
        "sha": forge.head(pull.branch), "merge_commit_sha": pull.merge or None, "squash_commit_sha": None,
        "source_project_id": 8 if pull.fork else 7, "target_project_id": 7,
        "head_pipeline": {"id": pull.number},
    }  # fmt: skip


def _lab_said(forge: ForgeStub, pull: Pull, row: Row) -> Row:
    position = {"new_path": row.get("path"), "new_line": row.get("line"), "head_sha": forge.head(pull.branch)}
    return {
        "id": row["id"], "body": row["body"], "author": {"username": row["user"], "id": 1 if row["trusted"] else 100},
        "position": position if row.get("path") else None, "system": False,
    }  # fmt: skip


# ---------------------------------------------------------------- Gitea


def _gitea(forge: ForgeStub, method: str, rest: str, query: dict[str, str], body: Row) -> tuple[int, Any]:
    if rest == "pulls" and method == "GET":
        return 200, [_tea(forge, each) for each in reversed(forge.pulls)] if query["page"] == "1" else []
    if rest == "pulls":
        title = body["title"].removeprefix("WIP: ")
        made = forge.create(body["head"], body["base"], title, body["body"], draft=title != body["title"])
        return (201, _tea(forge, made)) if made else (404, {"message": "branch does not exist"})
    if rest == "labels":
        return 200, [{"id": 7, "name": "agents"}] if query["page"] == "1" else []
    permission = re.fullmatch(r"collaborators/([\w-]+)/permission", rest)
    if permission is not None:
        return 200, {"permission": _permission(permission[1])}
    match = re.fullmatch(r"commits/(\w+)/status", rest)
    if match is not None:
        failed = [row for each in forge.pulls if forge.head(each.branch) == match[1] for row in each.failed]
        rows = [
            {"id": row["id"], "context": row["name"], "status": "failure", "description": row["summary"]}
            for row in failed
        ]
        return 200, {"statuses": rows}
    pull = _numbered(forge, rest, r"(?:pulls|issues)/(\d+)(?:/.*)?")
    if pull is None:
        return 404, {"message": "Not Found"}
    if rest.endswith("/labels"):
        pull.labels += ["agents" for number in body["labels"] if number == 7 and "agents" not in pull.labels]
        return 200, []
    if method == "PATCH":
        pull.title, pull.body, pull.base = body["title"], body["body"], body["base"]
    if query.get("page", "1") != "1":
        return 200, []
    if rest.startswith("issues/") and rest.endswith("/comments"):
        return 200, [_tea_said(forge, pull, row) for row in pull.said if not row.get("path")]
    if rest.endswith("/comments"):
        return 200, [_tea_said(forge, pull, row) for row in pull.said if row.get("path")]
    if rest.endswith("/reviews"):
        count = sum(bool(row.get("path")) for row in pull.said)
        return 200, [{"id": 1, "body": "", "comments_count": count, "user": {"login": "reviewer"}}] if count else []
    return 200, _tea(forge, pull)


def _tea(forge: ForgeStub, pull: Pull) -> Row:
    return {
        "number": pull.number, "html_url": f"https://forge.example.org/o/r/pulls/{pull.number}", "title": pull.title,
        "state": "open" if pull.state == "open" else "closed", "draft": pull.draft, "merged": pull.state == "merged",
        "merge_commit_sha": pull.merge or None, "base": {"ref": pull.base, "repo_id": 7},
        "head": {"ref": pull.branch, "sha": forge.head(pull.branch), "repo_id": 8 if pull.fork else 7},
    }  # fmt: skip


def _tea_said(forge: ForgeStub, pull: Pull, row: Row) -> Row:
    return {
        "id": row["id"], "body": row["body"], "user": {"login": row["user"]}, "path": row.get("path") or "",
        "position": row.get("line") or 0, "commit_id": forge.head(pull.branch) if row.get("path") else "",
    }  # fmt: skip


def _permission(user: str) -> str:
    return "read" if user in {"stranger", "member"} else "write"


# ---------------------------------------------------------------- pagure


def _pagure(forge: ForgeStub, method: str, rest: str, query: dict[str, str], body: Row) -> tuple[int, Any]:
    if not rest:
        return 200, {"fullname": "o/r", "access_users": {"owner": ["reviewer"], "commit": [], "ticket": ["stranger"]}}
    if rest == "pull-requests":
        return 200, {"requests": [_pag(forge, each) for each in reversed(forge.pulls)]}
    if rest == "pull-request/new":
        made = forge.create(body["branch_from"], body["branch_to"], body["title"], body["initial_comment"], draft=False)
        return (200, _pag(forge, made)) if made else (400, {"error": "Invalid input", "errors": {"branch_from": ["?"]}})
    pull = _numbered(forge, rest, r"pull-request/(\d+)(?:/flag)?")
    if pull is None:
        return 404, {"error": "Pull-Request not found"}
    if rest.endswith("/flag"):
        flags = [
            {"uid": str(row["id"]), "username": row["name"], "status": "failure", "comment": row["summary"], "url": ""}
            for row in pull.failed
        ]
        return 200, {"flags": flags}
    if method == "POST":
        pull.title, pull.body = body["title"], body["initial_comment"]
    return 200, _pag(forge, pull)


def _pag(forge: ForgeStub, pull: Pull) -> Row:
    states = {"open": "Open", "merged": "Merged", "closed": "Closed"}
    return {
        "id": pull.number, "full_url": f"https://forge.example.org/o/r/pull-request/{pull.number}", "title": pull.title,
        "status": states[pull.state], "branch": pull.base, "branch_from": pull.branch,
        "commit_stop": forge.head(pull.branch), "project": {"fullname": "o/r"},
        "repo_from": {"fullname": "forks/stranger/o/r" if pull.fork else "o/r"},
        "comments": [
            {"id": row["id"], "comment": row["body"], "user": {"name": row["user"]}, "filename": row.get("path"),
             "line": row.get("line"), "commit": forge.head(pull.branch) if row.get("path") else None, "notification": False}
            for row in pull.said
        ],
    }  # fmt: skip


# ---------------------------------------------------------------- HTTP


class _UnixServer(ThreadingUnixStreamServer, ThreadingHTTPServer):
    """The same server on a unix socket."""

    address_family = socket.AF_UNIX
    daemon_threads = True

    def server_bind(self) -> None:
        ThreadingUnixStreamServer.server_bind(self)
        self.server_name, self.server_port = "github.localhost", 0

    def get_request(self) -> tuple[Any, Any]:
        request, _ = super().get_request()
        return request, ("unix", 0)


class _Handler(BaseHTTPRequestHandler):
    forge: ForgeStub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        pass

    def _any(self) -> None:
        body = self._body()
        self.forge.seen.append((self.command, self.path, dict(self.headers)))
        if self.forge.git_is_at and self.path.startswith("/o/r.git/"):
            self._send(302, b"", {"Location": f"{self.forge.git_is_at}{self.path}"})
            return
        if urlsplit(self.path).path.startswith("/o/r.git/"):
            login = b64encode(f"x-access-token:{TOKEN}".encode()).decode()
            if self.headers.get("Authorization") == f"Basic {login}":
                self._git(body)
            else:
                self._send(401, b"", {"WWW-Authenticate": "Basic realm=forge"})
            return
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        code, value = self.forge.answer(self.command, _decoded(parts.path), query, json.loads(body or b"{}"))
        if TOKEN not in "".join(self.headers.values()):
            code, value = 401, {"message": "Bad credentials"}
        self._send(code, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _git(self, body: bytes) -> None:
        """A push or a fetch, by git's own server."""
        parts = urlsplit(self.path)
        env = {
            "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": os.path.dirname(self.forge.bare), "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": parts.path.replace("/o/r.git", f"/{os.path.basename(self.forge.bare)}", 1),
            "QUERY_STRING": parts.query, "REQUEST_METHOD": self.command, "REMOTE_USER": "pusher", "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_TYPE": self.headers.get("Content-Type") or "", "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding") or "", "GIT_CONFIG_NOSYSTEM": "1",
            "HTTP_GIT_PROTOCOL": self.headers.get("Git-Protocol") or "",
        }  # fmt: skip
        ended = subprocess.run(["git", "http-backend"], env=env, input=body, capture_output=True, check=False)
        head, _, content = ended.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        self._send(int(fields.pop("Status", "200").split()[0]), content, fields)

    def _send(self, code: int, content: bytes, fields: Row) -> None:
        self.send_response(code)
        for name, value in {**fields, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        self._any()

    def do_POST(self) -> None:
        self._any()

    def do_PATCH(self) -> None:
        self._any()

    def do_PUT(self) -> None:
        self._any()


def _decoded(path: str) -> str:
    """A path with its escapes undone, but for those of a project's name."""
    return "/".join(part if "%2F" in part.upper() else unquote(part) for part in path.split("/"))
