"""GitLab: merge requests, their discussions and the jobs of their pipelines, by its REST interface (version 4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from wt_orchestrate.adapters.forge.api import Api, commit_in, listed, numbers, texts
from wt_orchestrate.domain.events.pull_requests import PullState
from wt_orchestrate.domain.ids import Branch
from wt_orchestrate.errors import Refused
from wt_orchestrate.ports.forge import Feedback, ForgeComment, ForgePullRequest, Proposal, Ran

_DEVELOPER = 30
"""The access level from which a member may push."""
_DRAFT = "Draft: "
_STATES = {"opened": PullState.OPEN, "locked": PullState.OPEN, "merged": PullState.MERGED}


class GitLab:
    """One project there."""

    def __init__(self, api: Api, *, project: str, name: str) -> None:
        self._api = api
        self._at = f"projects/{quote(project, safe='')}"
        self._name = name
        self._known: dict[int, bool] = {}

    @property
    def name(self) -> str:
        return self._name

    def find(self, branch: Branch) -> ForgePullRequest | None:
        """The newest merge request from a branch."""
        query = f"source_branch={quote(branch, safe='')}&order_by=created_at&sort=desc"
        rows = listed(self._api, f"{self._at}/merge_requests?{query}")
        return next((_proposed(row) for row in rows if _of_this_project(row)), None)

    def create(self, wanted: Proposal) -> ForgePullRequest:
        """Make one."""
        body = {"source_branch": wanted.branch, **_texts_of(wanted, draft=wanted.draft), **_labels(wanted, "labels")}
        return _proposed(self._api.call("POST", f"{self._at}/merge_requests", body))

    def update(self, number: int, wanted: Proposal) -> ForgePullRequest:
        """Update it; whether it is a draft stays as people left it."""
        now = _proposed(self._api.call("GET", f"{self._at}/merge_requests/{number}"))
        body = {**_texts_of(wanted, draft=now.draft), **_labels(wanted, "add_labels")}
        return _proposed(self._api.call("PUT", f"{self._at}/merge_requests/{number}", body))

    def feedback(self, number: int) -> Feedback:
        """Its comments, failed checks and state."""
        row = self._api.call("GET", f"{self._at}/merge_requests/{number}")
        proposed = _proposed(row)
        merge = commit_in(row, "squash_commit_sha") or commit_in(row, "merge_commit_sha") or commit_in(row, "sha")
        failed, running = self._jobs(numbers(row, "head_pipeline", "id"))
        return Feedback(
            proposed=proposed,
            head=commit_in(row, "sha"),
            merge=merge if proposed.state is PullState.MERGED else None,
            said=tuple(self._said(number)),
            failed=tuple(failed),
            running=running,
        )

    def _said(self, number: int) -> Iterator[ForgeComment]:
        for row in listed(self._api, f"{self._at}/merge_requests/{number}/notes?sort=asc"):
            if row.get("system") is True or row.get("resolved") is True:
                continue
            yield ForgeComment(
                id=f"note {numbers(row, 'id')}",
                author=texts(row, "author", "username"),
                trusted=self._trusted(numbers(row, "author", "id")),
                text=texts(row, "body"),
                path=texts(row, "position", "new_path"),
                line=numbers(row, "position", "new_line"),
                commit=commit_in(row, "position", "head_sha"),
            )

    def _trusted(self, user: int) -> bool:
        if user not in self._known:
            try:
                member = self._api.call("GET", f"{self._at}/members/all/{user}")
            except Refused:
                member = None
            self._known[user] = numbers(member, "access_level") >= _DEVELOPER
        return self._known[user]

    def _jobs(self, pipeline: int) -> tuple[list[Ran], int]:
        if not pipeline:
            return [], 0
        rows = listed(self._api, f"{self._at}/pipelines/{pipeline}/jobs")
        failed = [
            Ran(
                id=f"job {numbers(row, 'id')}",
                name=texts(row, "name"),
                url=texts(row, "web_url"),
                summary=texts(row, "failure_reason"),
            )
            for row in rows
            if texts(row, "status") == "failed" and row.get("allow_failure") is not True
        ]
        return failed, sum(texts(row, "status") in {"created", "pending", "running"} for row in rows)


def _texts_of(wanted: Proposal, *, draft: bool) -> dict[str, Any]:
    title = f"{_DRAFT}{wanted.title}" if draft else wanted.title
    return {"title": title, "description": wanted.body, "target_branch": wanted.base}


def _labels(wanted: Proposal, key: str) -> dict[str, str]:
    return {key: ",".join(wanted.labels)} if wanted.labels else {}


def _of_this_project(row: dict[str, Any]) -> bool:
    """Whether it is from this project and not from a fork, where a branch may have any name."""
    return numbers(row, "source_project_id") == numbers(row, "target_project_id")


def _proposed(row: Any) -> ForgePullRequest:
    return ForgePullRequest(
        number=numbers(row, "iid"),
        url=texts(row, "web_url"),
        base=Branch(texts(row, "target_branch")),
        state=_STATES.get(texts(row, "state"), PullState.CLOSED),
        draft=isinstance(row, dict) and row.get("draft") is True,
    )


def push_options(wanted: Proposal) -> tuple[str, ...]:
    """Push options that make GitLab create a merge request, without its interface. Options are single lines."""
    title = " ".join(wanted.title.split())
    options = ["merge_request.create", f"merge_request.target={wanted.base}", f"merge_request.title={title}"]
    options += ["merge_request.draft"] if wanted.draft else []
    return (*options, *(f"merge_request.label={' '.join(label.split())}" for label in wanted.labels))
