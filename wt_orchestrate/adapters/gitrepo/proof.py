"""The proof of a merge: nothing that either side did is missing from the result.

It does not ask how the merge was made. Sides are compared with the merge base, path by path:
  changed by one side only   the result has that side's content and mode (a rename counts as the removal and the addition)
  changed by neither         the result has the base's
  changed by both            lines that a side added are in the result at least as often as they are in either side; lines
                             that a side removed are there no more often than the other side left them; no conflict marker
                             is there that neither side had; binary content is one side's only where both agree
A path that a side moved away is followed to its new name on the other side's behalf.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wt_orchestrate.adapters.gitrepo.changes import merge_base
from wt_orchestrate.adapters.gitrepo.runner import Git
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.ports import Proof

_MARKERS = (b"<<<<<<< ", b"||||||| ", b">>>>>>> ")


@dataclass(frozen=True, slots=True)
class Entry:
    """A path's mode and object; the absent entry has neither."""

    mode: str
    oid: str


_ABSENT = Entry("000000", "")
_Tree = Mapping[str, Entry]


def prove(git: Git, *, merge: CommitId, ours: CommitId, theirs: CommitId) -> Proof:
    """Compare a merge with both sides; `lost` names each path with what is missing there."""
    base = merge_base(git, ours, theirs)
    from_ours, from_theirs = _changed(git, base, ours), _changed(git, base, theirs)
    in_result = _changed(git, base, merge)
    paths = sorted({*from_ours, *from_theirs, *in_result})
    moves = {**_moves(git, base, ours), **_moves(git, base, theirs)}
    both = [path for path in paths if path in from_ours and path in from_theirs]
    lost: list[str] = []
    for path in paths:
        if path in both:
            continue
        side = from_ours.get(path) or from_theirs.get(path)
        lost += _one_sided(path, side, in_result.get(path), moves, in_result, from_ours, from_theirs)
    blobs = Blobs(git)
    for path in both:
        lost += _two_sided(path, base, from_ours[path], from_theirs[path], in_result.get(path), git, blobs)
    lost += _moved_edits(moves, base, ours, theirs, merge, git, blobs)
    return Proof(merge=merge, ours=ours, theirs=theirs, base=base, checked_paths=len(paths), lost=tuple(lost))


def _changed(git: Git, base: CommitId, other: CommitId) -> dict[str, Entry]:
    """Paths in which a commit differs from the base, with what the commit has there."""
    output = git.run("diff-tree", "-r", "-z", "--raw", "--no-renames", "--end-of-options", base, other)
    parts = output.decode("utf-8", errors="surrogateescape").split("\0")
    found: dict[str, Entry] = {}
    for number in range(0, len(parts) - 1, 2):
        _, mode, _, oid, status = parts[number].split(" ")
        found[parts[number + 1]] = _ABSENT if status == "D" else Entry(mode, oid)
    return found


def _moves(git: Git, base: CommitId, side: CommitId) -> dict[str, str]:
    """Renames from the base to a side: old path to new."""
    output = git.run("diff-tree", "-r", "-z", "-M", "--name-status", "--diff-filter=R", "--end-of-options", base, side)
    parts = output.decode("utf-8", errors="surrogateescape").split("\0")
    return {parts[number + 1]: parts[number + 2] for number in range(0, len(parts) - 1, 3)}


def _one_sided(
    path: str,
    side: Entry | None,
    result: Entry | None,
    moves: Mapping[str, str],
    in_result: _Tree,
    from_ours: _Tree,
    from_theirs: _Tree,
) -> Sequence[str]:
    """A path that one side changed, or neither: the result must have exactly that."""
    if side == result:
        return ()
    if side is None:
        return (
            ()
            if _arrived(path, result, moves, from_ours, from_theirs)
            else (f"{path}: changed though no side changed it",)
        )
    if side is not _ABSENT and side.oid and _moved_to(path, side, moves, in_result):
        return ()
    return (f"{path}: the result is not what the side that changed it made of it",)


def _arrived(path: str, result: Entry | None, moves: Mapping[str, str], from_ours: _Tree, from_theirs: _Tree) -> bool:
    """Whether the path is new because a folder was renamed: a file one side added in the old folder came along."""
    added = {entry for side in (from_ours, from_theirs) for entry in side.values() if entry.oid}
    folders = {new.rpartition("/")[0] for new in moves.values()}
    return result in added and path.rpartition("/")[0] in folders


def _moved_to(path: str, side: Entry, moves: Mapping[str, str], in_result: _Tree) -> bool:
    """Whether a file that one side added or changed went along with a rename that the other side made."""
    if path in moves:
        return moves[path] in in_result  # its lines are compared by `_moved_edits`
    folders = {old.rpartition("/")[0]: new.rpartition("/")[0] for old, new in moves.items()}
    folder, _, name = path.rpartition("/")
    return folder in folders and in_result.get(f"{folders[folder]}/{name}".lstrip("/")) == side


def _two_sided(
    path: str, base: CommitId, ours: Entry, theirs: Entry, result: Entry | None, git: Git, blobs: Blobs
) -> Sequence[str]:
    """A path both sides changed."""
    before = _entry(git, base, path)
    end = before if result is None else result
    if ours == theirs:
        return () if end == ours else (f"{path}: both sides agree, the result does not",)
    if not ours.oid or not theirs.oid or not end.oid:
        kept = theirs if not ours.oid else ours
        moved = not end.oid and before.oid
        return () if moved else (f"{path}: removed by one side and changed by the other ({kept.mode})",)
    return [*_modes(path, before, ours, theirs, end), *_lines(path, before, ours, theirs, end, blobs)]


def _modes(path: str, before: Entry, ours: Entry, theirs: Entry, end: Entry) -> Sequence[str]:
    wanted = ours.mode if theirs.mode == before.mode else theirs.mode
    return (
        ()
        if end.mode in {wanted, ours.mode if ours.mode == theirs.mode else wanted}
        else (f"{path}: its mode was lost",)
    )


def _lines(path: str, before: Entry, ours: Entry, theirs: Entry, end: Entry, blobs: Blobs) -> Sequence[str]:
    old, one, other, new = (blobs.read(entry.oid) for entry in (before, ours, theirs, end))
    if any(b"\0" in text[:8000] for text in (one, other)):
        return (
            () if end.oid in {ours.oid, theirs.oid} and before.oid in {ours.oid, theirs.oid} else (f"{path}: binary",)
        )
    return missing_lines(path, old, one, other, new)


def missing_lines(path: str, old: bytes, one: bytes, other: bytes, new: bytes) -> Sequence[str]:
    """What a merged text lacks of both sides' changes to `old`: added lines gone, removed lines back, markers left."""
    before, mine, yours, end = (Counter(text.splitlines()) for text in (old, one, other, new))
    found: list[str] = []
    for line in {*mine, *yours, *end, *before}:
        least, most = _bounds(before[line], mine[line], yours[line])
        if end[line] < least:
            found.append(f"{path}: the line {_shown(line)} is gone")
        elif end[line] > most:
            found.append(f"{path}: the line {_shown(line)} is there though a side removed it")
    markers = [line for line in end if line.startswith(_MARKERS) and not (mine[line] or yours[line])]
    return [*found[:5], *(f"{path}: a conflict marker is left" for _ in markers[:1])]


def _bounds(before: int, mine: int, yours: int) -> tuple[int, int]:
    """How often a line may stand in the result. Where both sides changed its count the same way, once may be meant."""
    added = max(mine - before, 0), max(yours - before, 0)
    removed = max(before - mine, 0), max(before - yours, 0)
    least = before + max(added) - sum(removed)
    most = before + sum(added) - max(removed)
    return max(0, least), max(0, most)


def _shown(line: bytes) -> str:
    return repr(line[:60].decode("utf-8", errors="replace"))


def _moved_edits(
    moves: Mapping[str, str], base: CommitId, ours: CommitId, theirs: CommitId, merge: CommitId, git: Git, blobs: Blobs
) -> Sequence[str]:
    """Edits that one side made to a file the other side renamed: they must be in the file under its new name."""
    found: list[str] = []
    for old, new in moves.items():
        before, end = _entry(git, base, old), _entry(git, merge, new)
        one = [entry for entry in (_entry(git, ours, old), _entry(git, ours, new)) if entry.oid]
        other = [entry for entry in (_entry(git, theirs, old), _entry(git, theirs, new)) if entry.oid]
        if end.oid and one and other:
            found += _lines(new, before, one[0], other[0], end, blobs)
        elif not end.oid and one and other:
            found.append(f"{new}: renamed by one side, and not in the result")
    return found


def _entry(git: Git, commit: CommitId, path: str) -> Entry:
    output = git.run("ls-tree", "-z", "--full-tree", "--end-of-options", commit, path)
    if not output:
        return _ABSENT
    mode, _, oid = output.split(b"\t")[0].decode().split(" ")
    return Entry(mode, oid)


class Blobs:
    """Reads blobs, each once."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._known: dict[str, bytes] = {"": b""}

    def read(self, oid: str) -> bytes:
        """The content of a blob."""
        if oid not in self._known:
            self._known[oid] = self._git.run("cat-file", "blob", oid)
        return self._known[oid]
