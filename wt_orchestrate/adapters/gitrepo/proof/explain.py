"""Explain any merge: how the content of each path was made, whether all of each patch is there, and line by line what
is gone.

It is computed from the commit's own parents; nothing that was recorded is trusted.
"""

from __future__ import annotations

from wt_orchestrate.adapters.gitrepo.objects.history import GitCommits, raw_changes
from wt_orchestrate.adapters.gitrepo.proof.merge import PARENTS, prove
from wt_orchestrate.adapters.gitrepo.proof.resolution import conflicts, prove_resolution
from wt_orchestrate.adapters.gitrepo.runner import LONG_S, Git, text
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.errors import Refused
from wt_orchestrate.ports.git.merges import Explained, Patch

_PATCHES = 500


def explain(git: Git, merge: CommitId) -> Explained:
    """How a merge was made from its two parents. Raises Refused if it has not exactly two."""
    parents = git.line("rev-parse", f"{merge}^@").split()
    if len(parents) != 2:
        raise Refused(
            f"{merge[:12]} has {len(parents)} parent{'s' if len(parents) != 1 else ''}, so it is not a merge",
            hint="name a merge commit (git log --merges lists them)",
        )
    ours, theirs = map(CommitId, parents)
    proof = prove(git, merge=merge, ours=ours, theirs=theirs)
    lost = {path for path in proof.lost if path != PARENTS}
    contested = set(conflicts(git, ours, theirs)) if lost else set()
    compared = prove_resolution(git, resolved=merge, ours=ours, theirs=theirs, paths=sorted(lost)).files if lost else ()
    gone = tuple(file for file in compared if not (file.path in contested and file.whole))
    unexplained = frozenset(file.path for file in gone)
    return Explained(
        merge=merge,
        ours=ours,
        theirs=theirs,
        base=proof.base,
        tree=git.line("rev-parse", f"{merge}^{{tree}}"),
        trailers=_trailers(git, merge),
        paths=_paths(git, proof.base, ours, theirs, unexplained)
        | dict.fromkeys(sorted(lost - unexplained), "resolved"),
        gone=gone,
        patches=_patches(git, proof.base, theirs, unexplained),
        resolved=tuple(file for file in compared if file.path in contested),
    )


def _trailers(git: Git, merge: CommitId) -> dict[str, str]:
    """The commit's trailers; they are the words of whoever made it."""
    lines = text(git.run("log", "-1", "--format=%(trailers:only,unfold)", merge)).splitlines()
    pairs = (line.partition(": ") for line in lines)
    return {key: value for key, separator, value in pairs if separator}


def _paths(git: Git, base: CommitId, ours: CommitId, theirs: CommitId, lost: frozenset[str]) -> dict[str, str]:
    """Each path that a side changed, with how it is in the merge."""
    mine = {raw.path: raw.ids[1] for raw in raw_changes(git, base, ours)}
    other = {raw.path: raw.ids[1] for raw in raw_changes(git, base, theirs)}
    found: dict[str, str] = {}
    for path in sorted({*mine, *other}):
        if path in lost:
            found[path] = "not explained"
        elif path not in mine:
            found[path] = "as theirs"
        elif path not in other:
            found[path] = "as ours"
        else:
            found[path] = "the same in both" if mine[path] == other[path] else "both merged"
    return found | dict.fromkeys(sorted(lost - found.keys()), "not explained")


def _patches(git: Git, base: CommitId, theirs: CommitId, lost: frozenset[str]) -> tuple[Patch, ...]:
    """The patches of the side that was merged, oldest first, each with its identity."""
    made = GitCommits(git).between(base=base, head=theirs, limit=_PATCHES)
    shown = git.run(
        "log", "-p", "--no-merges", "--no-ext-diff", "--no-textconv", "--no-show-signature", "--format=commit %H",
        f"--max-count={_PATCHES}", "--end-of-options", f"{base}..{theirs}", timeout_s=LONG_S,
    )  # fmt: skip
    pairs = (line.split() for line in git.run("patch-id", "--stable", stdin=shown).decode().splitlines())
    ids = {commit: identity for identity, commit in pairs}
    return tuple(
        Patch(
            commit=each.id,
            subject=each.subject,
            identity=ids.get(each.id, ""),
            whole=not lost.intersection(each.paths),
        )
        for each in made
    )
