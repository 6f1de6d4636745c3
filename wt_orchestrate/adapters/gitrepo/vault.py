"""The vault: our own bare repository, out of agents' reach.

Commits come in by `git fetch`, which hashes every object anew, so that one an agent tampered with is noticed on the way.
Everything is read, compared, merged and checked out here, under a configuration that is ours. Nothing in it is ever
collected, and a ref is never moved away from a commit that is not archived.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from wt_orchestrate.adapters.gitrepo.conflict import auto_resolve
from wt_orchestrate.adapters.gitrepo.files.locks import locked, removed_when_old
from wt_orchestrate.adapters.gitrepo.forecast.radar import Radar
from wt_orchestrate.adapters.gitrepo.merge import chain
from wt_orchestrate.adapters.gitrepo.merge import merge_tree as merging
from wt_orchestrate.adapters.gitrepo.objects import already_merged, blobs, history, secret_scan
from wt_orchestrate.adapters.gitrepo.objects import fetch as fetching
from wt_orchestrate.adapters.gitrepo.objects import history as pasts
from wt_orchestrate.adapters.gitrepo.objects.refs import commits_at, swap
from wt_orchestrate.adapters.gitrepo.proof import explain as explaining
from wt_orchestrate.adapters.gitrepo.proof import merge as proof
from wt_orchestrate.adapters.gitrepo.proof import resolution
from wt_orchestrate.adapters.gitrepo.runner import NOTHING, Git
from wt_orchestrate.adapters.gitrepo.worktree import check_slot
from wt_orchestrate.adapters.gitrepo.worktree import dirty as comparing
from wt_orchestrate.adapters.gitrepo.worktree.checkout import reading_settings
from wt_orchestrate.adapters.gitrepo.worktree.private_gitdir import init_bare
from wt_orchestrate.domain.agent.commit_scan import Scan
from wt_orchestrate.domain.drafting.cochange import History
from wt_orchestrate.domain.ids import CommitId, TreeId
from wt_orchestrate.domain.plan.settings import Merging
from wt_orchestrate.ports.engine import (
    Chain,
    Change,
    Commit,
    Explained,
    Forecast,
    Merge,
    Proof,
    Resolution,
    Rider,
    Settled,
    Side,
)

_HARMLESS = (
    "badDate", "badDateOverflow", "badEmail", "badFilemode", "badName", "badTimezone", "duplicateEntries", "emptyName",
    "missingAuthor", "missingEmail", "missingNameBeforeEmail", "missingSpaceBeforeDate", "missingSpaceBeforeEmail",
    "missingTaggerEntry", "multipleAuthors", "nullSha1", "treeNotSorted", "zeroPaddedDate", "zeroPaddedFilemode",
    "gitmodulesParse", "gitmodulesUrl", "gitmodulesName", "gitmodulesPath", "gitmodulesMissing", "gitmodulesBlob",
    "gitmodulesSymlink", "gitmodulesUpdate", "gitmodulesLarge",
)  # fmt: skip
"""What fsck finds in honest old histories. The vault never reads `.gitmodules`; landing guards it as a protected path."""
_CONFIG = """\
[core]
\tlogAllRefUpdates = false
\tfsync = committed,loose-object,reference
\tfsyncMethod = batch
[gc]
\tauto = 0
[maintenance]
\tauto = false
[uploadpack]
\tallowAnySHA1InWant = true
[fetch]
\tfsckObjects = true
[fetch "fsck"]
""" + "".join(f"\t{name} = ignore\n" for name in _HARMLESS)


class GitVault:
    """The vault at `path`, filled from `source` (a common git directory); `scratch` holds its throwaway trees."""

    def __init__(self, path: str, *, source: str, scratch: str) -> None:
        self._path = path
        self._source = source
        self._scratch = scratch
        self._memory = f"{os.path.dirname(path)}/resolutions"
        self._git = Git(path)
        self._radar = Radar(self._git, f"{scratch}/forecast")

    def path(self) -> str:
        return self._path

    def ensure(self) -> None:
        """Make it if it is missing. It is made beside its place and moved there whole, by one of those who need it at once."""
        if os.path.exists(f"{self._path}/wto-ready"):
            self._unlock()
            return
        folder = os.path.dirname(self._path)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        with locked(folder):
            if not os.path.exists(f"{self._path}/wto-ready"):
                self._make()

    def _make(self) -> None:
        beside = f"{self._path}.new"
        shutil.rmtree(beside, ignore_errors=True)
        init_bare(beside, object_format=Git(self._source).line("rev-parse", "--show-object-format"), config=_CONFIG)
        quoted = self._source.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        with open(f"{beside}/{fetching.TRUSTING}", "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(f'[safe]\n\tdirectory = "{quoted}"\n')
        os.rename(beside, self._path)

    def _unlock(self) -> None:
        """Remove lock files that a killed git left: nobody but us writes here, and our own commands are short."""
        removed_when_old(f"{self._path}/packed-refs.lock")
        for folder, _, names in os.walk(f"{self._path}/refs"):
            for name in names:
                if name.endswith(".lock"):
                    removed_when_old(f"{folder}/{name}")

    # ------------------------------------------------------------ refs

    def fetch(self, refs: Mapping[str, str]) -> Mapping[str, CommitId]:
        """Fetch refs (source -> ref here), hashing everything anew; what each ref here points at now."""
        return fetching.fetch(self._git, self._source, refs)

    def resolve(self, ref: str) -> CommitId | None:
        return commits_at(self._git, (ref,)).get(ref)

    def contains(self, commit: CommitId) -> bool:
        return blobs.present(self._git, commit)

    def is_ancestor(self, old: CommitId, new: CommitId) -> bool:
        return old == new or self._git.outcome("merge-base", "--is-ancestor", old, new, ok=(0, 1))[0] == 0

    def advance(self, ref: str, *, new: CommitId, old: CommitId | None) -> bool:
        """Compare-and-swap a ref; True if it points at `new` afterwards. `old` None: it must not exist."""
        return swap(self._git, ref, new=new, old=old)

    def archive(self, name: str, commit: CommitId) -> str:
        """Keep a commit for good under `refs/wto/archive/<name>/<n>`; the ref that keeps it, maybe an older one."""
        return fetching.archive(self._git, name, commit)

    def archived(self, prefix: str = "") -> Mapping[str, CommitId]:
        """Refs below `refs/wto/archive/`."""
        whole = f"{fetching.ARCHIVE}{prefix}"
        found = commits_at(self._git, (whole.rpartition("/")[0] + "/",), below=True)
        return {ref: commit for ref, commit in found.items() if ref.startswith(whole)}

    # ------------------------------------------------------------ reading

    def tree(self, commit: CommitId) -> TreeId:
        return TreeId(self._git.line("rev-parse", "--verify", "--end-of-options", f"{commit}^{{tree}}"))

    def commits(self, *, base: CommitId, head: CommitId, limit: int = 500) -> Sequence[Commit]:
        """Commits in `base..head`, oldest first."""
        return history.commits(self._git, base=base, head=head, limit=limit)

    def changes(self, *, base: CommitId, head: CommitId) -> Sequence[Change]:
        """Changed paths from the merge base to head."""
        return history.changes(self._git, base=base, head=head)

    def diff(self, *, base: CommitId, head: CommitId, paths: Sequence[str] = ()) -> bytes:
        """A unified diff from the merge base to head, in fixed options."""
        return history.diff(self._git, base=base, head=head, paths=paths)

    def blob(self, commit: CommitId, path: str, *, limit: int = 1 << 18) -> bytes | None:
        """The start of a regular file at a commit; None when it is not there or is no regular file."""
        if not path or path.startswith("/") or ".." in path.split("/"):
            return None
        entry = self._git.run("ls-tree", "-z", commit, "--", path)
        if not entry.startswith((b"100644 ", b"100755 ")):
            return None
        return self._git.start_of("cat-file", "blob", entry.split(None, 3)[2].decode(), limit=limit)

    def merge_base(self, one: CommitId, other: CommitId) -> CommitId | None:
        """The best common ancestor of two commits."""
        return history.merge_base(self._git, one, other)

    def holds(self, head: CommitId, *, beyond: CommitId, others: Iterable[CommitId]) -> frozenset[CommitId]:
        """Which of the other commits a head holds."""
        lines = self._git.run("rev-list", "--end-of-options", head, f"^{beyond}").decode().split()
        return frozenset(others) & frozenset(map(CommitId, lines))

    def absorbed(self, *, head: CommitId, into: CommitId, hints: Sequence[CommitId] = ()) -> CommitId | None:
        """The commit of a branch that holds all of a head's work."""
        return already_merged.absorbed(self._git, head=head, into=into, hints=hints)

    def past(self, *, head: CommitId, commits: int) -> History:
        """The files of a head, and what each of its newest commits touched."""
        return pasts.past(self._git, head=head, commits=commits)

    def scan(self, *, base: CommitId, head: CommitId, without: Sequence[CommitId] = ()) -> Scan:
        """What the commits of a stretch expose."""
        return secret_scan.scan(self._git, base=base, head=head, without=without)

    def trailers(self, *, base: CommitId, head: CommitId, key: str) -> Mapping[str, CommitId]:
        """Values of a trailer on the first-parent line of `base..head`, in commits of the tool."""
        return history.trailers(self._git, base=base, head=head, key=key)

    # ------------------------------------------------------------ trees on the disk

    @cached_property
    def _reading(self) -> Mapping[str, str]:
        return reading_settings(self._source)

    def seed_index(self, *, worktree: str, head: CommitId, index: str) -> None:
        """Make the index that `dirty` compares with warm, right after a worktree was made, before anybody is in it."""
        comparing.seed(worktree=worktree, index=index)

    def objects_at(self, places: Sequence[tuple[CommitId, str]]) -> Sequence[str]:
        """The object at each path of a commit; empty where there is none."""
        return blobs.at_paths(self._git, places)

    def dirty(self, *, worktree: str, head: CommitId, index: str) -> tuple[str, ...]:
        """Paths in a worktree that differ from a commit: changed, deleted, or neither known nor ignored."""
        return comparing.differing(self._git, worktree=worktree, head=head, index=index, settings=self._reading)

    def checkout(self, *, commit: CommitId, slot: str, keep: bool = False) -> str:
        """A throwaway tree with exactly that commit's files."""
        return check_slot.check_out(self._git, scratch=self._scratch, commit=commit, slot=slot, keep=keep)

    # ------------------------------------------------------------ merging

    def merge(self, *, ours: CommitId, theirs: CommitId, message: str, at: float, pin: str) -> Merge:
        """Merge in memory into a commit with both parents, pinned at the ref `pin`."""
        return merging.merge(self._git, ours=ours, theirs=theirs, message=message, at=at, pin=pin)

    def prove(self, *, merge: CommitId, ours: CommitId, theirs: CommitId) -> Proof:
        """Compare a merge with both sides."""
        return proof.prove(self._git, merge=merge, ours=ours, theirs=theirs)

    def chain(self, *, onto: CommitId, riders: Sequence[Rider], at: float, pin: str) -> Chain:
        """Merge many in memory, one upon another, each proven; the tip pinned at the ref `pin`."""
        return chain.chain(self._git, onto=onto, riders=riders, at=at, pin=pin)

    # ------------------------------------------------------------ conflicts

    def settle(
        self,
        *,
        ours: CommitId,
        theirs: CommitId,
        message: str,
        at: float,
        pin: str,
        slot: str,
        merging: Merging,
        env: Mapping[str, str],
    ) -> Settled:
        """Merge two commits that conflict by what was approved beforehand."""
        return auto_resolve.settle(
            self._git,
            scratch=self._scratch,
            memory=self._memory,
            slot=slot,
            ours=ours,
            theirs=theirs,
            message=message,
            at=at,
            pin=pin,
            merging=merging,
            env=env,
        )

    def remember(self, *, ours: CommitId, theirs: CommitId, resolved: CommitId, slot: str) -> int:
        """Keep how a conflict was resolved; how many files it was in."""
        return auto_resolve.remember(
            self._git,
            scratch=self._scratch,
            memory=self._memory,
            slot=slot,
            ours=ours,
            theirs=theirs,
            resolved=resolved,
        )

    def prove_resolution(
        self, *, resolved: CommitId, ours: CommitId, theirs: CommitId, paths: Sequence[str] | None = None
    ) -> Resolution:
        """Compare a resolved merge with both sides."""
        return resolution.prove_resolution(self._git, resolved=resolved, ours=ours, theirs=theirs, paths=paths)

    def find(self, name: str) -> CommitId:
        """The commit of that name in the vault, else brought from the user's repository."""
        return explaining.find(self._git, self._source, name)

    def explain(self, merge: CommitId) -> Explained:
        """How a merge comes about, from its parents alone."""
        return explaining.explain(self._git, merge)

    # ------------------------------------------------------------ forecast

    def forecast(self, sides: Sequence[Side], *, against: CommitId) -> Forecast:
        """Foresee what merging each side with `against`, and any two with each other, would come to."""
        settings = self._reading if any(side.worktree for side in sides) else NOTHING
        return self._radar.forecast(sides, against=against, settings=settings)
