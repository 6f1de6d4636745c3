"""Prove a whole chain: every merge commit is read back by one git and compared with its rider's changes.

A merge is right if it changes what is below it exactly as its rider changed its base, path by path, by mode and object
id. If something else changed such a path too, both sides' edits must explain the content (`proof/merge`). What made the
commits is not trusted: what is below is added up from what git says each commit really changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from wt_orchestrate.adapters.gitrepo.merge.survey import Load, Survey
from wt_orchestrate.adapters.gitrepo.objects.ancestry import read
from wt_orchestrate.adapters.gitrepo.objects.blobs import trees_of
from wt_orchestrate.adapters.gitrepo.objects.raw_diff import Delta, TreeEntry, after, before, between
from wt_orchestrate.adapters.gitrepo.proof import merge
from wt_orchestrate.adapters.gitrepo.proof.merge import PARENTS, Lane
from wt_orchestrate.adapters.gitrepo.runner import Git
from wt_orchestrate.domain.ids import CommitId, TreeId
from wt_orchestrate.domain.replace import replace


@dataclass(frozen=True, slots=True)
class Made:
    """A merge commit of a chain before its proof: its rider (by number), and what it is on."""

    number: int
    onto: CommitId
    commit: CommitId


@dataclass(frozen=True, slots=True)
class CommitProof:
    """The result for a commit; `lost` as in a proof."""

    tree: TreeId
    proven_paths: int
    lost: tuple[str, ...] = ()


@dataclass(slots=True)
class _Below:
    """The entries at paths that the chain has changed so far: as they are now, and as at its start."""

    now: dict[str, TreeEntry] = field(default_factory=dict)
    begun: dict[str, TreeEntry] = field(default_factory=dict)

    def lay(self, delta: Delta) -> None:
        for path, line in delta.items():
            if path not in self.now:
                self.begun[path] = before(line)
            self.now[path] = after(line)


def judged(git: Git, survey: Survey, made: Sequence[Made]) -> Sequence[CommitProof]:
    """A verdict on each commit of a chain, lowest first."""
    commits = read(git, [each.commit for each in made])
    trees = trees_of(git, [each.onto for each in made])
    changes = between(git, [(trees[each.onto], commits[each.commit].tree) for each in made])
    below = _Below()
    verdicts: list[CommitProof] = []
    open_lanes: list[tuple[int, Lane]] = []
    for place, (each, delta) in enumerate(zip(made, changes, strict=True)):
        commit, load = commits[each.commit], survey.loads[each.number]
        lost: tuple[str, ...] = ()
        if list(commit.parents) != list(dict.fromkeys((each.onto, load.rider.head))):
            lost = (PARENTS,)
        verdict = CommitProof(TreeId(commit.tree), len({*load.delta, *delta}), lost)
        if load.base is None:
            verdict = _whole(git, each, load, verdict)
        elif delta != load.delta:
            since = survey.since[load.base].delta if load.base in survey.since else {}
            lanes = _lanes(since, load.delta, delta, below)
            if all(merge.explained(lane) for lane in lanes):
                open_lanes += [(place, lane) for lane in lanes]
            else:
                verdict = _whole(git, each, load, verdict)
        verdicts.append(verdict)
        below.lay(delta)
    return _with_contents(git, verdicts, open_lanes)


def _whole(git: Git, made: Made, load: Load, verdict: CommitProof) -> CommitProof:
    """The proof of one merge by itself, following renames."""
    found = merge.prove(git, merge=made.commit, ours=made.onto, theirs=load.rider.head)
    return CommitProof(verdict.tree, found.checked_paths, found.lost)


def _lanes(since: Delta, brought: Delta, changed: Delta, below: _Below) -> list[Lane]:
    """Each path that the rider or its merge changed, as all four have it."""
    found: list[Lane] = []
    for path in sorted({*brought, *changed}):
        if path in brought:
            base, theirs = before(brought[path]), after(brought[path])
        else:
            base = theirs = before(since[path]) if path in since else below.begun.get(path, before(changed[path]))
        begun = after(since[path]) if path in since else base
        ours = below.now.get(path, begun)
        found.append(Lane(path, base, ours, theirs, after(changed[path]) if path in changed else ours))
    return found


def _with_contents(git: Git, verdicts: list[CommitProof], lanes: Sequence[tuple[int, Lane]]) -> Sequence[CommitProof]:
    """Judge all content that two sides changed in one call."""
    wrong = frozenset(merge.unexplained(git, [lane for _, lane in lanes]))
    for place, lane in lanes:
        if lane in wrong:
            verdict = verdicts[place]
            verdicts[place] = replace(verdict, lost=tuple(sorted((*verdict.lost, lane.path))))
    return verdicts
