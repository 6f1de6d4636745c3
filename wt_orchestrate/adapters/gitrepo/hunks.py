"""The hunks of a diff as values, read by unidiff.

The diff must have been made with the fixed options of `changes.diff`; names come from git's NUL-separated lists, in the
same order, because unidiff leaves quoted names as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

from unidiff.patch import PatchSet

from wt_orchestrate.errors import WtError
from wt_orchestrate.ports import Change, Hunk


def hunks(diff: bytes, changes: Sequence[Change]) -> Sequence[tuple[Change, tuple[Hunk, ...]]]:
    """Each changed file with its hunks. Raises WtError when the diff does not hold what the list of changes says."""
    patch = PatchSet(diff.decode("utf-8", errors="surrogateescape").splitlines(keepends=True))
    if len(patch) != len(changes):
        raise WtError(f"the diff holds {len(patch)} files, git lists {len(changes)}", hint="wto diff without --json")
    return tuple(
        (
            change,
            tuple(
                Hunk(
                    start=hunk.target_start,
                    length=hunk.target_length,
                    added=hunk.added,
                    deleted=hunk.removed,
                    section=hunk.section_header,
                )
                for hunk in file
            ),
        )
        for change, file in zip(changes, patch, strict=True)
    )
