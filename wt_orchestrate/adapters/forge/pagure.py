"""Pagure: pull requests, comments and flags, by its REST interface (version 0).

It has no drafts, and the base of a pull request cannot change: both are left as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from wt_orchestrate.adapters.forge.api import Api, commit_in, numbers, texts
from wt_orchestrate.domain.events.pull_requests import PullState
from wt_orchestrate.domain.ids import Branch
from wt_orchestrate.ports.forge import Feedback, ForgeComment, ForgePullRequest, Proposal, Ran

_STATES = {"Open": PullState.OPEN, "Merged": PullState.MERGED}
_PAGES = 10


class Pagure:
    """One project there."""

    def __init__(self, api: Api, *, project: str, name: str) -> None:
        self._api = api
        self._at = quote(project)
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    def find(self, branch: Branch) -> ForgePullRequest | None:
        """The newest pull request from a branch."""
        for page in range(1, _PAGES + 1):
            found = self._api.call("GET", f"{self._at}/pull-requests?status=all&per_page=100&page={page}")
            rows = found.get("requests", []) if isinstance(found, dict) else []
            for row in rows:
                ours = texts(row, "repo_from", "fullname") == texts(row, "project", "fullname")
                if ours and texts(row, "branch_from") == branch:  # not from a fork
                    return _proposed(row)
            if len(rows) < 100:
                break
        return None

    def create(self, wanted: Proposal) -> ForgePullRequest:
        """Make one."""
        body = {"branch_from": wanted.branch, "branch_to": wanted.base, **_texts_of(wanted)}
        return _proposed(self._api.call("POST", f"{self._at}/pull-request/new", body))

    def update(self, number: int, wanted: Proposal) -> ForgePullRequest:
        """Set its title and body."""
        return _proposed(self._api.call("POST", f"{self._at}/pull-request/{number}", _texts_of(wanted)))

    def feedback(self, number: int) -> Feedback:
        """Its comments, failed checks and state."""
        row = self._api.call("GET", f"{self._at}/pull-request/{number}")
        flags = self._api.call("GET", f"{self._at}/pull-request/{number}/flag")
        flags = flags.get("flags", []) if isinstance(flags, dict) else []
        project = self._api.call("GET", self._at)
        return Feedback(
            proposed=_proposed(row),
            head=commit_in(row, "commit_stop"),
            said=tuple(_said(row, _writers(project))),
            failed=tuple(
                Ran(
                    id=f"flag {texts(flag, 'uid')}",
                    name=texts(flag, "username"),
                    url=texts(flag, "url"),
                    summary=texts(flag, "comment"),
                )
                for flag in flags
                if texts(flag, "status") in {"failure", "error"}
            ),
            running=sum(texts(flag, "status") == "pending" for flag in flags),
        )


def _writers(project: Any) -> frozenset[str]:
    users = project.get("access_users") if isinstance(project, dict) else None
    levels = (users or {}).items()
    return frozenset(name for level, names in levels if level in {"owner", "admin", "commit"} for name in names)


def _said(row: Any, writers: frozenset[str]) -> Iterator[ForgeComment]:
    for each in row.get("comments", []) if isinstance(row, dict) else []:
        author = texts(each, "user", "name")
        if not each.get("notification"):
            yield ForgeComment(
                id=f"comment {numbers(each, 'id')}",
                author=author,
                trusted=author in writers,
                text=texts(each, "comment"),
                path=texts(each, "filename"),
                line=numbers(each, "line"),
                commit=commit_in(each, "commit"),
            )


def _texts_of(wanted: Proposal) -> dict[str, Any]:
    return {"title": wanted.title, "initial_comment": wanted.body}


def _proposed(row: Any) -> ForgePullRequest:
    return ForgePullRequest(
        number=numbers(row, "id"),
        url=texts(row, "full_url"),
        base=Branch(texts(row, "branch")),
        state=_STATES.get(texts(row, "status"), PullState.CLOSED),
    )
