"""The vault: our own bare repository, out of agents' reach.

Commits come in by `git fetch`, which hashes every object anew, so that an object an agent tampered with is noticed on the
way. Everything is read, diffed, merged and checked out here, under a configuration that is ours. Nothing in it is ever
collected; a ref that would be moved away from a commit is archived first.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence

from wt_orchestrate.adapters.gitrepo import changes, merging, proof
from wt_orchestrate.adapters.gitrepo.runner import Git
from wt_orchestrate.adapters.gitrepo.slots import Slots
from wt_orchestrate.domain.ids import CommitId, TreeId
from wt_orchestrate.errors import GitFailed
from wt_orchestrate.ports import Change, Commit, Merge, Proof

_CONFIG = {
    "core.logAllRefUpdates": "false",
    "core.bare": "true",
    "gc.auto": "0",
    "uploadpack.allowAnySHA1InWant": "true",
    "fetch.fsckObjects": "true",
    # what old histories carry without harm; all else that fsck finds is refused
    "fetch.fsck.zeroPaddedFilemode": "ignore",
    "fetch.fsck.missingSpaceBeforeEmail": "ignore",
    "fetch.fsck.badTimezone": "ignore",
    "fetch.fsck.missingSpaceBeforeDate": "ignore",
    "fetch.fsck.badDate": "ignore",
    "fetch.fsck.badDateOverflow": "ignore",
    "fetch.fsck.missingNameBeforeEmail": "ignore",
    "fetch.fsck.badEmail": "ignore",
    "fetch.fsck.nullSha1": "ignore",
    "fetch.fsck.missingTaggerEntry": "ignore",
    "fetch.fsck.badFilemode": "ignore",
}
_ARCHIVE = "refs/wto/archive/"
_EXCLUDED = "HANDOFF.md\n"


class GitVault:
    """The vault at `path`, filled from `source` (a common git directory); `scratch` holds its throwaway worktrees."""

    def __init__(self, path: str, *, source: str, scratch: str) -> None:
        self._path = path
        self._source = source
        self._git = Git(path)
        self._from = Git(source)
        self._slots = Slots(self._git, scratch)

    def path(self) -> str:
        return self._path

    def ensure(self) -> None:
        """Make it if it is missing; one cut off in the making is made again."""
        if os.path.exists(f"{self._path}/wto-ready"):
            return
        beside = f"{self._path}.new"
        for old in (beside, self._path):
            shutil.rmtree(old, ignore_errors=True)
        os.makedirs(beside, mode=0o700)
        form = self._from.line("rev-parse", "--show-object-format")
        Git(beside).run("init", "-q", "--bare", f"--object-format={form}", "--template=", beside)
        with open(f"{beside}/config", "a", encoding="utf-8") as file:
            for key, value in _CONFIG.items():
                section, _, name = key.rpartition(".")
                first, _, second = section.partition(".")
                heading = f'{first} "{second}"' if second else first
                file.write(f"[{heading}]\n\t{name} = {value}\n")
        os.makedirs(f"{beside}/info", exist_ok=True)
        for name, text in (("info/exclude", _EXCLUDED), ("wto-ready", "")):
            with open(f"{beside}/{name}", "w", encoding="utf-8") as file:
                file.write(text)
        os.rename(beside, self._path)

    # ------------------------------------------------------------ refs

    def fetch(self, refs: Mapping[str, str]) -> Mapping[str, CommitId]:
        """Fetch refs (source -> ref here), hashing everything anew; what each ref here points at now."""
        offered = self._offered(tuple(refs))
        known = self._all(tuple(refs.values()))
        wanted = {here: offered[there] for there, here in refs.items() if there in offered}
        moved = {here: new for here, new in wanted.items() if known.get(here) != new}
        if moved:
            specs = [f"+{there}:{here}" for there, here in refs.items() if here in moved]
            for here in moved:
                if here in known:
                    self.archive(here.removeprefix("refs/wto/"), known[here])
            self._git.run(
                "fetch", "-q", "--no-write-fetch-head", "--no-tags", "--no-auto-maintenance", "--no-recurse-submodules",
                "--refmap=", "--upload-pack=git-upload-pack", "--end-of-options", self._source, *specs,
            )  # fmt: skip
            known = self._all(tuple(wanted))
        return {here: known[here] for here in wanted if here in known}

    def _offered(self, refs: Sequence[str]) -> Mapping[str, CommitId]:
        return _refs(self._from.run("for-each-ref", "--format=%(objectname) %(refname)", *refs), exactly=refs)

    def _all(self, refs: Sequence[str]) -> dict[str, CommitId]:
        return _refs(self._git.run("for-each-ref", "--format=%(objectname) %(refname)", *refs), exactly=refs)

    def resolve(self, ref: str) -> CommitId | None:
        return self._all((ref,)).get(ref)

    def contains(self, commit: CommitId) -> bool:
        return self._git.outcome("cat-file", "-e", f"{commit}^{{commit}}", ok=(0, 1, 128))[0] == 0

    def is_ancestor(self, old: CommitId, new: CommitId) -> bool:
        return old == new or self._git.outcome("merge-base", "--is-ancestor", old, new, ok=(0, 1))[0] == 0

    def advance(self, ref: str, *, new: CommitId, old: CommitId | None) -> bool:
        """Compare-and-swap a ref; True if it points at `new` afterwards."""
        instruction = f"update {ref}\0{new}\0{old or '0' * len(new)}\0"
        try:
            self._git.run("update-ref", "--stdin", "-z", stdin=instruction.encode())
        except GitFailed:
            return self.resolve(ref) == new
        return True

    def archive(self, name: str, commit: CommitId) -> str:
        """Keep a commit for good; an archived ref that it descends from moves on to it, one that holds it is kept."""
        prefix = f"{_ARCHIVE}{name}/"
        kept = _refs(self._git.run("for-each-ref", "--format=%(objectname) %(refname)", prefix))
        for ref, held in kept.items():
            if self.is_ancestor(commit, held):
                return ref
        for ref, held in kept.items():
            if self.is_ancestor(held, commit):
                self.advance(ref, new=commit, old=held)
                return ref
        number = max((int(ref.removeprefix(prefix)) for ref in kept), default=0) + 1
        self.advance(f"{prefix}{number}", new=commit, old=None)
        return f"{prefix}{number}"

    def archived(self, prefix: str = "") -> Mapping[str, CommitId]:
        """Refs below `refs/wto/archive/`."""
        return _refs(self._git.run("for-each-ref", "--format=%(objectname) %(refname)", f"{_ARCHIVE}{prefix}"))

    # ------------------------------------------------------------ reading

    def tree(self, commit: CommitId) -> TreeId:
        return TreeId(self._git.line("rev-parse", "--verify", "--end-of-options", f"{commit}^{{tree}}"))

    def commits(self, *, base: CommitId, head: CommitId, limit: int = 500) -> Sequence[Commit]:
        """Commits in `base..head`, oldest first."""
        return changes.commits(self._git, base, head, limit)

    def changes(self, *, base: CommitId, head: CommitId) -> Sequence[Change]:
        """Changed paths from the merge base to head."""
        return changes.changes(self._git, base, head)

    def diff(self, *, base: CommitId, head: CommitId, paths: Sequence[str] = ()) -> bytes:
        """A unified diff from the merge base to head, in fixed options."""
        return changes.diff(self._git, base, head, paths)

    def blob(self, commit: CommitId, path: str, *, limit: int = 1 << 18) -> bytes | None:
        """The start of a regular file at a commit; None when it is not there or is no regular file."""
        entry = self._git.run("ls-tree", "-z", "--end-of-options", commit, path)
        if not entry.startswith((b"100644 ", b"100755 ")):
            return None
        return self._git.run("cat-file", "blob", entry.split()[2].decode())[:limit]

    def trailers(self, *, base: CommitId, head: CommitId, key: str) -> Mapping[str, CommitId]:
        """Values of a trailer on the first-parent line of `base..head`, in commits of ours."""
        return changes.trailers(self._git, base, head, key)

    # ------------------------------------------------------------ worktrees that agents write

    def seed_index(self, *, worktree: str, head: CommitId, index: str) -> None:
        """Make the index that `dirty` compares with warm, right after a worktree was made and before anybody works in it."""
        self._slots.seed_index(worktree, head, index)

    def dirty(self, *, worktree: str, head: CommitId, index: str) -> tuple[str, ...]:
        """Paths in a worktree that differ from a commit: changed, deleted, or neither known nor ignored."""
        return self._slots.dirty(worktree, head, index)

    def checkout(self, *, commit: CommitId, slot: str, keep: bool = False) -> str:
        """A throwaway worktree with exactly that commit's tree."""
        return self._slots.checkout(commit, slot, keep=keep)

    # ------------------------------------------------------------ merging

    def merge(self, *, ours: CommitId, theirs: CommitId, message: str, at: float, pin: str) -> Merge:
        """Merge in memory into a commit with both parents, pinned at the ref `pin`."""
        merged = merging.merge(self._git, ours=ours, theirs=theirs, message=message, at=at)
        if merged.commit is not None:
            self._git.run("update-ref", pin, merged.commit)
        return merged

    def prove(self, *, merge: CommitId, ours: CommitId, theirs: CommitId) -> Proof:
        """Compare a merge with both sides."""
        return proof.prove(self._git, merge=merge, ours=ours, theirs=theirs)


def _refs(output: bytes, exactly: Sequence[str] | None = None) -> dict[str, CommitId]:
    """for-each-ref takes a name for itself and for all below it; `exactly` keeps only the names themselves."""
    pairs = (line.partition(" ")[::2] for line in output.decode(errors="surrogateescape").splitlines())
    return {ref: CommitId(commit) for commit, ref in pairs if exactly is None or ref in exactly}
