"""What reviews show, all from the vault: diffs with their lines, files as they were, and where comments are now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wt_orchestrate.domain.replace import plain
from wt_orchestrate.wiring.site import Site, open_log, vault

if TYPE_CHECKING:
    from wt_orchestrate.domain.ids import CommitId
    from wt_orchestrate.domain.state.comments import Comment, CommentPlace
    from wt_orchestrate.domain.state.run import RunState
    from wt_orchestrate.domain.state.workstream import WorkstreamState
    from wt_orchestrate.domain.text.diff import FileDiff
    from wt_orchestrate.ports.git.conflicts import Resolution


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A packet with the diff behind it."""

    packet: dict[str, Any]
    files: tuple[FileDiff, ...]
    base: CommitId
    head: CommitId


def reviewed_state(site: Site, run_name: str | None) -> RunState:
    """The state of a run, with comments that no supervisor has taken yet."""
    from wt_orchestrate.engine import requests

    log = open_log(site)
    try:
        return requests.with_comments(log, requests.load_state(log, requests.find_run(log, run_name)))
    finally:
        log.close()


def reviewed(site: Site, state: RunState, ws: WorkstreamState, *, calls: bool = False) -> Reviewed:
    """The packet of a workstream. Raises NotFound while it has no work."""
    from wt_orchestrate.domain.review.packet import packet

    base, head = _ends(state, ws)
    files = file_diffs(site, base=base, head=head)
    resolution = resolution_of(site, ws)
    found = packet(
        state,
        ws,
        files,
        places=places(site, ws.comments, head=head),
        lockfiles=unchanged_lockfiles(site, files, head=head),
        calls=calls,
        resolution=plain(resolution) if resolution is not None else None,
    )
    return Reviewed(found, files, base, head)


def _ends(state: RunState, ws: WorkstreamState) -> tuple[CommitId, CommitId]:
    """The first and the last commit of its work. Raises NotFound while there is none."""
    from wt_orchestrate.domain.review.packet import reviewed_head
    from wt_orchestrate.errors import NotFound

    base, head = ws.base or state.base, reviewed_head(ws)
    if head is None or head == ws.base:
        raise NotFound(f"{ws.id} has no commits yet", hint=f"wto status {ws.id}")
    return base, head


_FILE_LIMIT = 4 << 20
"""Bytes of a file that are read for its lines."""


_READ_LINES = 200_000
"""A diff of more changed lines is not read line by line."""


def file_diffs(site: Site, *, base: CommitId, head: CommitId) -> tuple[FileDiff, ...]:
    """What a head changed since its merge base, file by file; a diff that is too long has only its numbers."""
    from wt_orchestrate.adapters.gitrepo.objects.patch import parse_diff
    from wt_orchestrate.domain.text.diff import FileDiff

    source = vault(site)
    changes = source.commits.changes(base=base, head=head)
    known = sum(change.added + change.deleted for change in changes) <= _READ_LINES
    read = parse_diff(source.commits.diff(base=base, head=head)) if known else ()
    known = known and len(read) == len(changes)  # both are in git's order
    return tuple(
        FileDiff(
            path=change.path,
            status=change.status,
            old=change.old,
            mode=change.mode,
            size=change.size,
            added=change.added,
            deleted=change.deleted,
            binary=change.binary,
            new=read[number].new if known else (),
            gone=read[number].gone if known else (),
            lines_known=known,
            hunks=read[number].hunks if known else (),
        )
        for number, change in enumerate(changes)
    )


def file_lines(site: Site, *, commit: CommitId, path: str) -> Sequence[str] | None:
    """The lines of a regular text file at a commit; None if it does not exist, is not text, or is too long."""
    found = vault(site).objects.blob(commit, path, limit=_FILE_LIMIT + 1)
    if found is None or len(found) > _FILE_LIMIT or b"\0" in found:
        return None
    text = found.decode("utf-8", "surrogateescape")
    return text.removesuffix("\n").split("\n") if text else ()


def places(site: Site, comments: Sequence[Comment], *, head: CommitId) -> Mapping[str, CommentPlace]:
    """Where the lines of each comment are at a head: through the diff, or by their text if history was rewritten."""
    from wt_orchestrate.domain.state.comments import CommentPlace, place_after, place_of_text

    source = vault(site)
    found: dict[str, CommentPlace] = {}
    between: dict[CommitId, tuple[FileDiff, ...] | None] = {}
    for comment in comments:
        made_on = comment.commit
        if made_on is None or made_on == head or not comment.path:
            found[comment.id] = CommentPlace(path=comment.path, line=comment.line, end=comment.end)
            continue
        if made_on not in between:
            follows = source.commits.is_ancestor(made_on, head)
            between[made_on] = file_diffs(site, base=made_on, head=head) if follows else None
        files = between[made_on]
        if files is not None:
            found[comment.id] = place_after(comment, files)
        else:
            lines = file_lines(site, commit=head, path=comment.path)
            found[comment.id] = place_of_text(comment, "\n".join(lines or ()))
    return found


def resolution_of(site: Site, ws: WorkstreamState) -> Resolution | None:
    """How the conflict of a workstream was resolved, hunk by hunk; None if it had none, or it is not resolved yet."""
    from wt_orchestrate.domain.state.workstream import accepted, settlement

    conflict = ws.conflict
    resolved = conflict.resolved if conflict is not None and settlement(ws) else accepted(ws) or ws.looked_at
    if resolved is None or conflict is None or conflict.open:
        return None
    ours, onto = conflict.head, conflict.onto
    source = vault(site)
    if not (source.commits.is_ancestor(onto, resolved) and source.commits.is_ancestor(ours, resolved)):
        return None
    return source.conflicts.prove_resolution(
        resolved=resolved, ours=ours, theirs=onto, paths=tuple(conflict.settled_by) or None
    )


def unchanged_lockfiles(site: Site, files: Sequence[FileDiff], *, head: CommitId) -> frozenset[str]:
    """Lockfiles beside changed manifests that exist at a head and did not change."""
    from wt_orchestrate.domain.review.flags import locks_beside

    changed = {file.path for file in files}
    beside = {lock for path in changed for lock in locks_beside(path)} - changed
    source = vault(site)
    return frozenset(lock for lock in beside if source.objects.blob(head, lock, limit=1) is not None)
