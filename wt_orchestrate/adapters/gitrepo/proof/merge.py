"""Prove a merge: every change of both sides is in it, and nothing else, however the merge was made.

Each path is judged by itself. One that a single side changed must be exactly as that side has it; one that neither
changed must be as it was. If both changed it, the edits of each side are taken from diffs against the merge base and
applied together in our own three-way merge (`three_way`): they must not touch each other, and the result must be the
merge's content to the byte. Several diff algorithms are tried, since git may have matched lines another way: one
reading of the edits that explains the merge is enough. Renames of either side are followed. Binary files and links that
both sides changed cannot be explained. So a merge that dropped a side anywhere is caught.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wt_orchestrate.adapters.gitrepo.objects.ancestry import merge_bases, read
from wt_orchestrate.adapters.gitrepo.objects.blobs import contents
from wt_orchestrate.adapters.gitrepo.objects.history import Raw, follow, raw_changes
from wt_orchestrate.adapters.gitrepo.objects.raw_diff import NOTHING, TreeEntry
from wt_orchestrate.adapters.gitrepo.proof.three_way import ALGORITHMS, Triple, merged
from wt_orchestrate.adapters.gitrepo.runner import Git, fields
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.ports.git.merges import Proof

_FILES = ("100644", "100755")
PARENTS = "the merge's parents"


@dataclass(frozen=True, slots=True)
class Lane:
    """One file in the base, on each side and in the merge, under the path that it has in the merge."""

    path: str
    base: TreeEntry
    ours: TreeEntry
    theirs: TreeEntry
    merge: TreeEntry


@dataclass(frozen=True, slots=True)
class Changed:
    """The paths that each side, and the merge against ours, changed; each with its entries before and after."""

    ours: Mapping[str, tuple[TreeEntry, TreeEntry]]
    theirs: Mapping[str, tuple[TreeEntry, TreeEntry]]
    merge: Mapping[str, tuple[TreeEntry, TreeEntry]]

    def lane(self, path: str) -> Lane:
        """The file at a path, without following renames."""
        base = self._base(path)
        ours = self.ours[path][1] if path in self.ours else base
        theirs = self.theirs[path][1] if path in self.theirs else base
        merge = self.merge[path][1] if path in self.merge else ours
        return Lane(path, base, ours, theirs, merge)

    def _base(self, path: str) -> TreeEntry:
        for side in (self.ours, self.theirs):
            if path in side:
                return side[path][0]
        # neither side changed it: what the merge changed it from is what it was
        return self.merge[path][0] if path in self.merge else NOTHING


def prove(git: Git, *, merge: CommitId, ours: CommitId, theirs: CommitId) -> Proof:
    """Compare a merge with both sides; `lost` names each path whose content is not explained."""
    bases = merge_bases(git, ours, theirs)
    tree = _one_base(git, bases)
    changed = Changed(_entries(git, tree, ours), _entries(git, tree, theirs), _entries(git, ours, merge))
    paths = sorted({*changed.ours, *changed.theirs, *changed.merge})
    lanes = [changed.lane(path) for path in paths]
    if any(not _plain(lane) for lane in lanes):
        lanes = _renamed(git, tree, ours=ours, theirs=theirs, changed=changed, lanes=lanes)
    lost = [lane.path for lane in lanes if _settled(lane) is False]
    lost += _unexplained(git, [lane for lane in lanes if _settled(lane) is None])
    if list(read(git, (merge,))[merge].parents) != list(dict.fromkeys((ours, theirs))):
        lost.append(PARENTS)
    return Proof(
        merge=merge,
        ours=ours,
        theirs=theirs,
        base=CommitId(bases[0]),
        checked_paths=len(paths),
        lost=tuple(sorted(lost)),
    )


def explained(lane: Lane) -> bool:
    """Whether the path can be judged by itself, without renames: by ids, or because both sides changed its content."""
    return _plain(lane)


def unexplained(git: Git, lanes: Sequence[Lane]) -> Sequence[Lane]:
    """Those paths, of any number of merges, whose merged content is not that of both sides' edits; without renames."""
    wrong = [lane for lane in lanes if not _plain(lane)]
    both = [lane for lane in lanes if _plain(lane) and _settled(lane) is None]
    left: Sequence[Lane] = [lane for lane in both if _mergeable(lane)]
    wrong += [lane for lane in both if not _mergeable(lane)]
    for algorithm in ALGORITHMS:
        left = _still_open(git, left, algorithm)
    return [*wrong, *left]


def _one_base(git: Git, bases: Sequence[str]) -> str:
    """The merge base; several (after criss-cross merges) are merged first, as git does."""
    whole = bases[-1]
    for other in reversed(bases[:-1]):
        _, output = git.outcome(
            "merge-tree", "--write-tree", "-z", "--no-messages", other, _as_commit(git, whole), ok=(0, 1)
        )
        whole = fields(output)[0]
    return whole


def _as_commit(git: Git, name: str) -> str:
    """merge-tree takes commits only: a tree that was merged out of bases gets a commit that nothing refers to."""
    if git.line("cat-file", "-t", name) == "commit":
        return name
    date = {"GIT_AUTHOR_DATE": "@0 +0000", "GIT_COMMITTER_DATE": "@0 +0000"}
    return git.run("commit-tree", name, "-m", "base", env=date).decode().strip()


def _entries(git: Git, one: str, other: str) -> Mapping[str, tuple[TreeEntry, TreeEntry]]:
    return {raw.path: _both(raw) for raw in raw_changes(git, one, other)}


def _both(raw: Raw) -> tuple[TreeEntry, TreeEntry]:
    before, after = (
        TreeEntry(mode, name) if mode.strip("0") else NOTHING for mode, name in zip(raw.modes, raw.ids, strict=True)
    )
    return before, after


def _settled(lane: Lane) -> bool | None:
    """Whether the merge is right by comparing modes and ids alone; None if both sides changed the content."""
    if lane.base == lane.theirs or lane.ours == lane.theirs:
        return lane.merge == lane.ours
    if lane.base == lane.ours:
        return lane.merge == lane.theirs
    if any(entry.mode not in _FILES for entry in (lane.base, lane.ours, lane.theirs)):
        return None
    mode = _one_sided(lane.base.mode, lane.ours.mode, lane.theirs.mode)
    name = _one_sided(lane.base.id, lane.ours.id, lane.theirs.id)
    return None if mode is None or name is None else lane.merge == TreeEntry(mode, name)


def _one_sided(base: str, ours: str, theirs: str) -> str | None:
    """The value if at most one side changed it, or both changed it alike."""
    if base == theirs or ours == theirs:
        return ours
    return theirs if base == ours else None


def _plain(lane: Lane) -> bool:
    """Whether no rename is needed to explain the path."""
    settled = _settled(lane)
    return settled if settled is not None else NOTHING not in (lane.base, lane.ours, lane.theirs)


def _renamed(
    git: Git, tree: str, *, ours: CommitId, theirs: CommitId, changed: Changed, lanes: Sequence[Lane]
) -> list[Lane]:
    """The lanes with each renamed file in one: its old path is gone on the side that renamed it, its new one has both."""
    by_path = {lane.path: lane for lane in lanes}
    ours_moved = dict(follow(raw_changes(git, tree, ours, renames=True)))
    theirs_moved = dict(follow(raw_changes(git, tree, theirs, renames=True)))
    for old in sorted({*ours_moved, *theirs_moved}):
        new = ours_moved.get(old) or theirs_moved[old]
        there = theirs_moved.get(old) or old
        here = ours_moved.get(old) or old
        if (here != new and there != new) or (old in ours_moved and old in theirs_moved and here != there):
            continue
        was, now = by_path[old], by_path[new]
        taken = now.theirs if old not in theirs_moved else now.ours if old not in ours_moved else NOTHING
        if taken != NOTHING:
            continue
        source_ours = now.ours if old in ours_moved else was.ours
        source_theirs = now.theirs if old in theirs_moved else was.theirs
        if NOTHING in (source_ours, source_theirs):
            continue  # moved by one side and deleted by the other: only the side's own words, path by path, explain that
        by_path[new] = Lane(new, was.base, source_ours, source_theirs, now.merge)
        by_path[old] = Lane(old, NOTHING, NOTHING, NOTHING, was.merge)
    return list(by_path.values())


def _unexplained(git: Git, lanes: Sequence[Lane]) -> list[str]:
    """Paths whose merged content no reading of both sides' edits explains."""
    lost = [lane.path for lane in lanes if not _mergeable(lane)]
    left = [lane for lane in lanes if lane.path not in lost]
    for algorithm in ALGORITHMS:
        left = _still_open(git, left, algorithm)
    return lost + [lane.path for lane in left]


def _mergeable(lane: Lane) -> bool:
    modes = [entry.mode for entry in (lane.ours, lane.theirs, lane.merge)]
    if any(mode not in _FILES for mode in modes) or lane.base.mode not in (*_FILES, ""):
        return False
    before, one, other, after = lane.base.mode, *modes
    return after == (other if one == before else one) if before else one == other == after


def _still_open(git: Git, lanes: Sequence[Lane], algorithm: str) -> list[Lane]:
    if not lanes:
        return []
    found = merged(git, [Triple(lane.base.id, lane.ours.id, lane.theirs.id) for lane in lanes], algorithm=algorithm)
    stored = contents(git, sorted({lane.merge.id for lane in lanes}))
    return [
        lane for lane, content in zip(lanes, found, strict=True) if content is None or content != stored[lane.merge.id]
    ]
