"""Gitea and Forgejo: pull requests, reviews and commit statuses, by their REST interface (version 1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from wt_orchestrate.adapters.forge.api import Api, commit_in, numbers, texts
from wt_orchestrate.domain.events.pull_requests import PullState
from wt_orchestrate.domain.ids import Branch, CommitId
from wt_orchestrate.errors import Refused
from wt_orchestrate.ports.forge import Feedback, ForgeComment, ForgePullRequest, Proposal, Ran

_MAY_WRITE = frozenset({"owner", "admin", "write"})
_DRAFT = "WIP: "
_PAGE, _PAGES = 50, 10


class Gitea:
    """One repository there."""

    def __init__(self, api: Api, *, owner: str, repository: str, name: str) -> None:
        self._api = api
        self._at = f"repos/{quote(owner)}/{quote(repository)}"
        self._name = name
        self._known: dict[str, bool] = {}

    @property
    def name(self) -> str:
        return self._name

    def find(self, branch: Branch) -> ForgePullRequest | None:
        """The newest pull request from a branch; the interface has no filter for that, so the newest are searched."""
        for row in self._rows(f"{self._at}/pulls?state=all&sort=recentupdate"):
            ours = numbers(row, "head", "repo_id") == numbers(row, "base", "repo_id")
            if ours and texts(row, "head", "ref") == branch:  # not from a fork
                return _proposed(row)
        return None

    def create(self, wanted: Proposal) -> ForgePullRequest:
        """Make one."""
        body = {"head": wanted.branch, **_texts_of(wanted, draft=wanted.draft)}
        made = _proposed(self._api.call("POST", f"{self._at}/pulls", body))
        self._label(made.number, wanted)
        return made

    def update(self, number: int, wanted: Proposal) -> ForgePullRequest:
        """Update it; whether it is a draft stays as people left it."""
        now = _proposed(self._api.call("GET", f"{self._at}/pulls/{number}"))
        made = _proposed(self._api.call("PATCH", f"{self._at}/pulls/{number}", _texts_of(wanted, draft=now.draft)))
        self._label(number, wanted)
        return made

    def _label(self, number: int, wanted: Proposal) -> None:
        """Labels have numbers here; those that the repository does not have are left out."""
        if not wanted.labels:
            return
        known = {texts(row, "name"): numbers(row, "id") for row in self._rows(f"{self._at}/labels")}
        ids = [known[label] for label in wanted.labels if label in known]
        if ids:
            self._api.call("POST", f"{self._at}/issues/{number}/labels", {"labels": ids})

    def feedback(self, number: int) -> Feedback:
        """Its comments, failed checks and state."""
        row = self._api.call("GET", f"{self._at}/pulls/{number}")
        proposed = _proposed(row)
        head = commit_in(row, "head", "sha")
        failed, running = self._statuses(head) if head is not None else ([], 0)
        return Feedback(
            proposed=proposed,
            head=head,
            merge=commit_in(row, "merge_commit_sha") if proposed.state is PullState.MERGED else None,
            said=tuple(self._said(number)),
            failed=tuple(failed),
            running=running,
        )

    def _said(self, number: int) -> Iterator[ForgeComment]:
        for row in self._rows(f"{self._at}/issues/{number}/comments"):
            yield self._words(row, "talk")
        for review in self._rows(f"{self._at}/pulls/{number}/reviews"):
            if texts(review, "body").strip():
                yield self._words(review, "review")
            if numbers(review, "comments_count"):
                for row in self._rows(f"{self._at}/pulls/{number}/reviews/{numbers(review, 'id')}/comments"):
                    yield self._words(row, "comment")

    def _words(self, row: dict[str, Any], kind: str) -> ForgeComment:
        author = texts(row, "user", "login")
        return ForgeComment(
            id=f"{kind} {numbers(row, 'id')}",
            author=author,
            trusted=self._trusted(author),
            text=texts(row, "body"),
            path=texts(row, "path"),
            line=numbers(row, "position"),
            commit=commit_in(row, "commit_id"),
        )

    def _trusted(self, user: str) -> bool:
        if user not in self._known:
            try:
                found = self._api.call("GET", f"{self._at}/collaborators/{quote(user, safe='')}/permission")
            except Refused:
                found = None
            self._known[user] = texts(found, "permission") in _MAY_WRITE
        return self._known[user]

    def _statuses(self, head: CommitId) -> tuple[list[Ran], int]:
        status = self._api.call("GET", f"{self._at}/commits/{head}/status")
        rows = (status.get("statuses") or []) if isinstance(status, dict) else []
        failed = [
            Ran(
                id=f"status {numbers(row, 'id')}",
                name=texts(row, "context"),
                url=texts(row, "target_url"),
                summary=texts(row, "description"),
            )
            for row in rows
            if texts(row, "status") in {"failure", "error"}
        ]
        return failed, sum(texts(row, "status") == "pending" for row in rows)

    def _rows(self, path: str) -> Iterator[dict[str, Any]]:
        mark = "&" if "?" in path else "?"
        for page in range(1, _PAGES + 1):
            part = self._api.call("GET", f"{path}{mark}limit={_PAGE}&page={page}")
            rows = [row for row in part if isinstance(row, dict)] if isinstance(part, list) else []
            yield from rows
            if len(rows) < _PAGE:
                return


def _texts_of(wanted: Proposal, *, draft: bool) -> dict[str, Any]:
    title = f"{_DRAFT}{wanted.title}" if draft else wanted.title
    return {"title": title, "body": wanted.body, "base": wanted.base}


def _proposed(row: Any) -> ForgePullRequest:
    merged = isinstance(row, dict) and row.get("merged") is True
    opened = texts(row, "state") == "open"
    return ForgePullRequest(
        number=numbers(row, "number"),
        url=texts(row, "html_url"),
        base=Branch(texts(row, "base", "ref")),
        state=PullState.MERGED if merged else PullState.OPEN if opened else PullState.CLOSED,
        draft=(isinstance(row, dict) and row.get("draft") is True) or texts(row, "title").startswith(_DRAFT),
    )
