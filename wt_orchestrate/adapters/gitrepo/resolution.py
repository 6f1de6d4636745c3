"""The proof of a merge whose conflicts somebody resolved: outside of them it is the plain merge, and inside them everything
that is not in the result is listed, line by line, side by side.

A resolution that lets a whole side go (every line one side added or changed is gone, and the other's are all there) is told
as taking a side. Files that are no text can only be one side's or the other's, or new: that is told, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from wt_orchestrate.adapters.gitrepo.objects import contents
from wt_orchestrate.adapters.gitrepo.proof import prove
from wt_orchestrate.adapters.gitrepo.runner import Git, text
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.git_ports import Resolution, ResolvedFile

_MARKERS = (b"<<<<<<< ", b"||||||| ", b">>>>>>> ")
_LISTED = 200
"""Lines of a side that are listed for each file; their number is always whole."""
_SIZE = 1 << 20


def prove_resolution(
    git: Git, *, resolved: CommitId, ours: CommitId, theirs: CommitId, paths: Sequence[str]
) -> Resolution:
    """Compare a resolved merge of both with them; `paths` are those that were in conflict."""
    merge = _as_merge(git, resolved, ours, theirs)
    proof = prove(git, merge=merge, ours=ours, theirs=theirs)
    beyond = tuple(path for path in proof.lost if path not in paths)
    files = tuple(_file(git, path, merge, ours, theirs, proof.base) for path in sorted(paths))
    return Resolution(commit=resolved, ours=ours, theirs=theirs, beyond=beyond, files=files)


def _as_merge(git: Git, resolved: CommitId, ours: CommitId, theirs: CommitId) -> CommitId:
    """The resolved tree as a merge of just these two, whatever commits led there."""
    date = {"GIT_AUTHOR_DATE": "@0 +0000", "GIT_COMMITTER_DATE": "@0 +0000"}
    tree = git.line("rev-parse", "--verify", f"{resolved}^{{tree}}")
    made = git.run("commit-tree", tree, "-p", ours, "-p", theirs, "-m", "resolved", env=date)
    return CommitId(made.decode().strip())


def _file(git: Git, path: str, merge: CommitId, ours: CommitId, theirs: CommitId, base: CommitId) -> ResolvedFile:
    commits = (base, ours, theirs, merge)
    blobs = [_blob(git, commit, path) for commit in commits]
    stored = contents(git, sorted({blob for blob in blobs if blob}))
    was, one, other, result = (stored.get(blob, b"") for blob in blobs)
    if any(b"\0" in each[:8000] or len(each) > _SIZE for each in (was, one, other, result)):
        return ResolvedFile(path=path, text=False, took=_took_whole(blobs[1], blobs[2], blobs[3]))
    marked = tuple(number for number, line in enumerate(result.split(b"\n"), 1) if line.startswith(_MARKERS))
    gone_ours, gone_theirs = _gone(was, one, result), _gone(was, other, result)
    return ResolvedFile(
        path=path,
        text=True,
        took=_took(_added(was, one), _added(was, other), gone_ours, gone_theirs) or _took_whole(*blobs[1:]),
        markers=marked,
        dropped_ours=tuple(text(line) for line in gone_ours[:_LISTED]),
        dropped_theirs=tuple(text(line) for line in gone_theirs[:_LISTED]),
        dropped=(len(gone_ours), len(gone_theirs)),
    )


def _blob(git: Git, commit: CommitId, path: str) -> str:
    entry = git.run("ls-tree", "-z", commit, "--", path)
    return entry.split(None, 3)[2].decode() if entry.startswith((b"100644 ", b"100755 ", b"120000 ")) else ""


def _added(base: bytes, side: bytes) -> Counter[bytes]:
    """Lines that a side has more often than the base; blank ones say nothing."""
    return Counter(
        line for line in (Counter(side.split(b"\n")) - Counter(base.split(b"\n"))).elements() if line.strip()
    )


def _gone(base: bytes, side: bytes, result: bytes) -> list[bytes]:
    """Lines that a side added or changed and the result has not, wherever in the file, in their order."""
    missing = _added(base, side) - Counter(result.split(b"\n"))
    found: list[bytes] = []
    for line in side.split(b"\n"):
        if missing[line] > 0:
            missing[line] -= 1
            found.append(line)
    return found


def _took(one: Counter[bytes], other: Counter[bytes], gone_one: Sequence[bytes], gone_other: Sequence[bytes]) -> str:
    """Whose side alone is left, where one side's lines are all gone and the other's are all there."""
    if other and len(gone_other) == other.total() and not gone_one:
        return "ours"
    if one and len(gone_one) == one.total() and not gone_other:
        return "theirs"
    return ""


def _took_whole(ours: str, theirs: str, result: str) -> str:
    if ours == theirs:
        return ""
    return "ours" if result == ours else "theirs" if result == theirs else ""
