"""Temporary objects: git on the vault's refs and objects whose new objects go to a folder that is deleted afterwards.

What is merged or written there leaves nothing behind in the vault, which never collects garbage. One at a time for each
folder: a second caller waits. What a killed process left is removed by the next.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from wt_orchestrate.adapters.gitrepo.objects.fast_import import forget_reports
from wt_orchestrate.adapters.gitrepo.runner import EMAIL, LONG_S, NAME, Git, added_configuration
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.errors import GitFailed
from wt_orchestrate.osfiles.locks import locked

_FLEETING = {"core.fsync": "none", "pack.compression": "0", "core.looseCompression": "0"}
_REF = "refs/wto/quarantine"
"""A ref name that fast-import needs; it is gone when it ends."""


@contextmanager
def quarantined(git: Git, folder: str) -> Iterator[Git]:
    """Git whose new objects go to `folder`, which is deleted afterwards."""
    os.makedirs(os.path.dirname(folder), mode=0o700, exist_ok=True)
    with locked(f"{folder}.lock"):
        shutil.rmtree(folder, ignore_errors=True)
        for name in ("info", "pack"):
            os.makedirs(f"{folder}/{name}", mode=0o700)
        try:
            yield git.at(
                {
                    "GIT_OBJECT_DIRECTORY": folder,
                    "GIT_ALTERNATE_OBJECT_DIRECTORIES": _quoted(f"{git.git_dir}/objects"),
                    **added_configuration(_FLEETING),
                }
            )
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _quoted(path: str) -> str:
    """A path as an entry of a colon-separated list."""
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


@dataclass(frozen=True, slots=True)
class CommitDraft:
    """A commit to write: its message, its first parent, and the fast-import commands for the rest."""

    word: str
    onto: CommitId
    body: bytes


def drafted(git: Git, drafts: Sequence[CommitDraft]) -> Sequence[CommitId]:
    """The commits; the same drafts give the same commits. No ref is left."""
    if not drafts:
        return ()
    who = f"{NAME} <{EMAIL}> 0 +0000"
    parts: list[bytes] = []
    for number, draft in enumerate(drafts, 1):
        parts.append(f"commit {_REF}\nmark :{number}\ncommitter {who}\ndata {len(draft.word)}\n{draft.word}\n".encode())
        parts += (f"from {draft.onto}\n".encode(), draft.body, b"\n")
    parts += (b"get-mark :%d\n" % number for number in range(1, len(drafts) + 1))
    parts.append(b"reset %s\nfrom %s\n" % (_REF.encode(), b"0" * len(drafts[0].onto)))
    try:
        options = ("--quiet", "--force", "--date-format=raw")
        output = git.run("fast-import", *options, stdin=b"".join(parts), whole=True, timeout_s=LONG_S)
    except GitFailed:
        forget_reports(git.git_dir)
        raise
    return tuple(CommitId(line) for line in output.decode().split())


def merge_commits(git: Git, onto: CommitId, merges: Sequence[tuple[CommitId, str]]) -> Sequence[CommitId]:
    """Commits with the trees from merging heads onto a commit, with both as parents."""
    return drafted(
        git, [CommitDraft("merged", onto, f'merge {head}\nM 040000 {tree} ""\n'.encode()) for head, tree in merges]
    )
