"""Prove a merge whose conflicts somebody resolved: outside of them it is the plain merge, and inside them everything
that is gone is listed, line by line, for each side.

A resolution that drops a whole side (every line it added or changed is gone, and the other's are all there) is reported
as taking a side, for the file and for each conflict in it. Files that are not text, or that a side deleted, can only be
one side's or the other's, or new: that is reported too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wt_orchestrate.adapters.gitrepo.objects.blobs import contents
from wt_orchestrate.adapters.gitrepo.objects.raw_diff import NOTHING, TreeEntry
from wt_orchestrate.adapters.gitrepo.proof.conflict_hunks import Edits, hunks, side_of
from wt_orchestrate.adapters.gitrepo.proof.merge import prove
from wt_orchestrate.adapters.gitrepo.proof.three_way import ALGORITHMS, MARKER, edits_between, lines_of
from wt_orchestrate.adapters.gitrepo.runner import LONG_S, Git, fields, text
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.ports.git.conflicts import ConflictHunk, Resolution, ResolvedFile

_TEXTS = ("100644", "100755", "120000")
_LISTED = 200
"""How many lines of a side are listed for each file; the count is always complete."""
_SIZE = 1 << 20


def prove_resolution(
    git: Git, *, resolved: CommitId, ours: CommitId, theirs: CommitId, paths: Sequence[str] | None
) -> Resolution:
    """Compare a resolved merge with both sides; `paths` are those that were in conflict, by default git's own."""
    merge = as_merge(git, resolved, ours, theirs)
    proof = prove(git, merge=merge, ours=ours, theirs=theirs)
    found = conflicts(git, ours, theirs)
    paths = tuple(found) if paths is None else paths
    beyond = tuple(path for path in proof.lost if path not in paths)
    lanes = [found.get(path) or _lane(git, path, proof.base, ours, theirs) for path in sorted(paths)]
    files = tuple(_file(git, lane, _entry(git, merge, lane.path)) for lane in lanes)
    return Resolution(commit=resolved, ours=ours, theirs=theirs, beyond=beyond, files=files)


def as_merge(git: Git, resolved: CommitId, ours: CommitId, theirs: CommitId) -> CommitId:
    """The resolved tree as a merge of just these two, whatever commits led there."""
    date = {"GIT_AUTHOR_DATE": "@0 +0000", "GIT_COMMITTER_DATE": "@0 +0000"}
    tree = git.line("rev-parse", "--verify", f"{resolved}^{{tree}}")
    made = git.run("commit-tree", tree, "-p", ours, "-p", theirs, "-m", "resolved", env=date)
    return CommitId(made.decode().strip())


@dataclass(frozen=True, slots=True)
class Contested:
    """A path in conflict, with what git merges there: renames are followed, and several merge bases are merged into
    one."""

    path: str
    base: TreeEntry = NOTHING
    ours: TreeEntry = NOTHING
    theirs: TreeEntry = NOTHING


def conflicts(git: Git, ours: CommitId, theirs: CommitId) -> Mapping[str, Contested]:
    """The paths in conflict if only git's own merge decides."""
    arguments = ("merge-tree", "--write-tree", "-z", "--no-messages", "--end-of-options", ours, theirs)
    _, output = git.outcome(*arguments, ok=(0, 1), timeout_s=LONG_S)
    found: dict[str, Contested] = {}
    for record in fields(output)[1:]:
        head, _, path = record.partition("\t")
        mode, name, stage = head.split()
        lane, side = found.get(path, Contested(path)), TreeEntry(mode, name)
        match stage:
            case "1":
                found[path] = replace(lane, base=side)
            case "2":
                found[path] = replace(lane, ours=side)
            case _:
                found[path] = replace(lane, theirs=side)
    return found


def _lane(git: Git, path: str, base: CommitId, ours: CommitId, theirs: CommitId) -> Contested:
    """A path that git merges without a conflict, as each commit has it."""
    return Contested(path, *(_entry(git, commit, path) for commit in (base, ours, theirs)))


def _entry(git: Git, commit: CommitId, path: str) -> TreeEntry:
    found = git.run("ls-tree", "-z", commit, "--", path).split(None, 3)
    return TreeEntry(found[0].decode(), found[2].decode()) if len(found) == 4 and found[1] != b"tree" else NOTHING


def _file(git: Git, lane: Contested, result: TreeEntry) -> ResolvedFile:
    entries = (lane.base, lane.ours, lane.theirs, result)
    took = _took_whole(*entries)
    mode = "" if _mode_follows(*(entry.mode for entry in entries)) else result.mode
    stored = contents(git, sorted({entry.id for entry in entries if entry.mode in _TEXTS}))
    was, one, other, now = texts = [stored.get(entry.id, b"") for entry in entries]
    if any(entry.mode not in {*_TEXTS, ""} for entry in entries) or any(not _is_text(each) for each in texts):
        return ResolvedFile(path=lane.path, text=False, took=took, mode=mode)
    gone_ours, gone_theirs = _gone(was, one, now), _gone(was, other, now)
    there = all(entry.id for entry in entries[1:])
    return ResolvedFile(
        path=lane.path,
        text=True,
        took=side_of(*map(lines_of, texts)) if there else took,
        markers=_markers(now, one, other),
        dropped_ours=tuple(text(line) for line in gone_ours[:_LISTED]),
        dropped_theirs=tuple(text(line) for line in gone_theirs[:_LISTED]),
        dropped=(len(gone_ours), len(gone_theirs)),
        hunks=_hunks(git, entries, stored) if there else (),
        mode=mode,
    )


def _hunks(git: Git, entries: Sequence[TreeEntry], stored: Mapping[str, bytes]) -> tuple[ConflictHunk, ...]:
    empty = git.run("hash-object", "-w", "--stdin").decode().strip()
    base, *sides = (entry.id or empty for entry in entries)
    found = edits_between(git, [base] * 3, sides, ALGORITHMS[0])
    edits = Edits(*(found.get(number, ()) for number in range(3)))
    return hunks(lines_of(stored.get(base, b"")), edits, lines_of(stored[sides[2]]))


def _is_text(content: bytes) -> bool:
    return b"\0" not in content[:8000] and len(content) <= _SIZE


def _markers(result: bytes, *sides: bytes) -> tuple[int, ...]:
    """Lines that are conflict markers and that neither side had (a file about conflicts may have some)."""
    known = {line for side in sides for line in side.split(b"\n")}
    numbered = enumerate(result.split(b"\n"), 1)
    return tuple(number for number, line in numbered if MARKER.match(line) and line not in known)


def _mode_follows(base: str, ours: str, theirs: str, result: str) -> bool:
    """Whether a mode is the merge of both sides' modes; if both changed it, either side's."""
    if not result:
        return True  # that it is gone is told by its content
    changed = {mode for mode in (ours, theirs) if mode and mode != base}
    return result in (changed or {ours or theirs})


def _added(base: bytes, side: bytes) -> Counter[bytes]:
    """Lines that a side has more often than the base; blank ones do not count."""
    return Counter(
        line for line in (Counter(side.split(b"\n")) - Counter(base.split(b"\n"))).elements() if line.strip()
    )


def _gone(base: bytes, side: bytes, result: bytes) -> list[bytes]:
    """Lines that a side added or changed and that are nowhere in the result, in their order."""
    missing = _added(base, side) - Counter(result.split(b"\n"))
    found: list[bytes] = []
    for line in side.split(b"\n"):
        if missing[line] > 0:
            missing[line] -= 1
            found.append(line)
    return found


def _took_whole(base: TreeEntry, ours: TreeEntry, theirs: TreeEntry, result: TreeEntry) -> str:
    """Whose side the file is, to the byte, if the other one changed its type. Deleted counts as a side too."""
    if ours.id == theirs.id:
        return ""
    if result.id == ours.id and theirs.id != base.id:
        return "ours"
    return "theirs" if result.id == theirs.id and ours.id != base.id else ""
