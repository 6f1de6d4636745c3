"""GitHub and GitHub Enterprise: pull requests, reviews, checks and statuses, through any `Api`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from wt_orchestrate.adapters.forge.api import Api, commit_in, listed, numbers, texts
from wt_orchestrate.domain.events.pull_requests import PullState
from wt_orchestrate.domain.ids import Branch, CommitId
from wt_orchestrate.errors import Refused
from wt_orchestrate.ports.forge import Feedback, ForgeComment, ForgePullRequest, Proposal, Ran

_TRUSTED = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})
_MAY_WRITE = frozenset({"admin", "write"})
_FAILED = frozenset({"failure", "timed_out", "action_required", "startup_failure"})


class GitHub:
    """One repository there."""

    def __init__(self, api: Api, *, owner: str, repository: str, name: str) -> None:
        self.api = api
        self._owner = owner
        self._at = f"repos/{quote(owner)}/{quote(repository)}"
        self._name = name
        self._known: dict[str, bool] = {}

    @property
    def name(self) -> str:
        return self._name

    def find(self, branch: Branch) -> ForgePullRequest | None:
        """The newest pull request from a branch."""
        head = quote(f"{self._owner}:{branch}", safe="")
        rows = self.api.call("GET", f"{self._at}/pulls?head={head}&state=all&sort=created&direction=desc&per_page=10")
        return _proposed(rows[0]) if isinstance(rows, list) and rows else None

    def create(self, wanted: Proposal) -> ForgePullRequest:
        """Make one."""
        body = {"head": wanted.branch, "draft": wanted.draft, **_texts_of(wanted)}
        try:
            made = _proposed(self.api.call("POST", f"{self._at}/pulls", body))
        except Refused as error:
            if not wanted.draft or "draft" not in str(error).lower():
                raise
            made = _proposed(self.api.call("POST", f"{self._at}/pulls", {**body, "draft": False}))
        self._label(made.number, wanted)
        return made

    def update(self, number: int, wanted: Proposal) -> ForgePullRequest:
        """Update it."""
        made = _proposed(self.api.call("PATCH", f"{self._at}/pulls/{number}", _texts_of(wanted)))
        self._label(number, wanted)
        return made

    def _label(self, number: int, wanted: Proposal) -> None:
        if wanted.labels:
            self.api.call("POST", f"{self._at}/issues/{number}/labels", {"labels": list(wanted.labels)})

    def feedback(self, number: int) -> Feedback:
        """Its comments, failed checks and state."""
        row = self.api.call("GET", f"{self._at}/pulls/{number}")
        head = commit_in(row, "head", "sha")
        proposed = _proposed(row)
        failed, running = self._checks(head) if head is not None else ([], 0)
        return Feedback(
            proposed=proposed,
            head=head,
            merge=commit_in(row, "merge_commit_sha") if proposed.state is PullState.MERGED else None,
            said=tuple(self._said(number)),
            failed=tuple(failed),
            running=running,
        )

    def _said(self, number: int) -> Iterator[ForgeComment]:
        for row in listed(self.api, f"{self._at}/pulls/{number}/comments"):
            line = numbers(row, "line") or numbers(row, "original_line")
            commit = commit_in(row, "commit_id" if numbers(row, "line") else "original_commit_id")
            yield self._words(row, "comment", path=texts(row, "path"), line=line, commit=commit)
        for row in listed(self.api, f"{self._at}/issues/{number}/comments"):
            yield self._words(row, "talk")
        for row in listed(self.api, f"{self._at}/pulls/{number}/reviews"):
            if texts(row, "body").strip():
                yield self._words(row, "review", commit=commit_in(row, "commit_id"))

    def _words(
        self, row: Mapping[str, Any], kind: str, *, path: str = "", line: int = 0, commit: CommitId | None = None
    ) -> ForgeComment:
        author = texts(row, "user", "login")
        return ForgeComment(
            id=f"{kind} {numbers(row, 'id')}",
            author=author,
            trusted=texts(row, "author_association") in _TRUSTED and self._may_write(author),
            text=texts(row, "body"),
            path=path,
            line=line,
            commit=commit,
        )

    def _may_write(self, user: str) -> bool:
        """Whether the author may write. The association is not enough: a member of the organisation may only be able to
        read."""
        if user not in self._known:
            try:
                found = self.api.call("GET", f"{self._at}/collaborators/{quote(user, safe='')}/permission")
            except Refused:
                found = None
            self._known[user] = texts(found, "permission") in _MAY_WRITE
        return self._known[user]

    def _checks(self, head: CommitId) -> tuple[list[Ran], int]:
        failed: list[Ran] = []
        running = 0
        runs = self.api.call("GET", f"{self._at}/commits/{head}/check-runs?per_page=100")
        for row in runs.get("check_runs", []) if isinstance(runs, dict) else []:
            running += texts(row, "status") != "completed"
            if texts(row, "conclusion") in _FAILED:
                summary = f"{texts(row, 'output', 'title')}\n{texts(row, 'output', 'summary')}".strip()
                name = f"check {numbers(row, 'id')}"
                failed.append(Ran(id=name, name=texts(row, "name"), url=texts(row, "html_url"), summary=summary))
        status = self.api.call("GET", f"{self._at}/commits/{head}/status")
        for row in status.get("statuses", []) if isinstance(status, dict) else []:
            running += texts(row, "state") == "pending"
            if texts(row, "state") in {"failure", "error"}:
                name = f"status {numbers(row, 'id')}"
                said, url = texts(row, "description"), texts(row, "target_url")
                failed.append(Ran(id=name, name=texts(row, "context"), url=url, summary=said))
        return failed, running


def _texts_of(wanted: Proposal) -> dict[str, Any]:
    return {"title": wanted.title, "body": wanted.body, "base": wanted.base}


def _proposed(row: Any) -> ForgePullRequest:
    merged = bool(texts(row, "merged_at")) or (isinstance(row, dict) and row.get("merged") is True)
    opened = texts(row, "state") == "open"
    return ForgePullRequest(
        number=numbers(row, "number"),
        url=texts(row, "html_url"),
        base=Branch(texts(row, "base", "ref")),
        state=PullState.MERGED if merged else PullState.OPEN if opened else PullState.CLOSED,
        draft=isinstance(row, dict) and row.get("draft") is True,
    )
