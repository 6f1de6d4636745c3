"""The vault: our own bare repository, out of agents' reach. It is made here; its ports are implemented by the
districts.

Commits come in by `git fetch`, which hashes every object again, so that an object an agent tampered with is noticed.
Everything is read, compared, merged and checked out here, with a configuration that is ours. Nothing in it is ever
collected, and a ref is never moved away from a commit that is not archived.
"""

from __future__ import annotations

import os
import shutil

from wt_orchestrate.adapters.gitrepo.configuration import configuration, quoted
from wt_orchestrate.adapters.gitrepo.conflict.auto_resolve import GitConflicts
from wt_orchestrate.adapters.gitrepo.files.git_locks import removed_when_old
from wt_orchestrate.adapters.gitrepo.forecast.radar import Radar
from wt_orchestrate.adapters.gitrepo.merge.chain import GitMerges
from wt_orchestrate.adapters.gitrepo.objects.blobs import GitObjects
from wt_orchestrate.adapters.gitrepo.objects.fetch import TRUSTING, GitRefs
from wt_orchestrate.adapters.gitrepo.objects.history import GitCommits
from wt_orchestrate.adapters.gitrepo.objects.session import served
from wt_orchestrate.adapters.gitrepo.worktree.checkouts import GitCheckouts
from wt_orchestrate.adapters.gitrepo.worktree.private_gitdir import init_bare
from wt_orchestrate.osfiles.locks import locked

_HARMLESS = (
    "badDate", "badDateOverflow", "badEmail", "badFilemode", "badName", "badTimezone", "duplicateEntries", "emptyName",
    "missingAuthor", "missingEmail", "missingNameBeforeEmail", "missingSpaceBeforeDate", "missingSpaceBeforeEmail",
    "missingTaggerEntry", "multipleAuthors", "nullSha1", "treeNotSorted", "zeroPaddedDate", "zeroPaddedFilemode",
    "gitmodulesParse", "gitmodulesUrl", "gitmodulesName", "gitmodulesPath", "gitmodulesMissing", "gitmodulesBlob",
    "gitmodulesSymlink", "gitmodulesUpdate", "gitmodulesLarge",
)  # fmt: skip
"""What fsck reports in honest old histories. The vault never reads `.gitmodules`; landing guards it as a protected
path."""
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
        git = served(path)
        self.git = git
        self.path = path
        self.refs = GitRefs(git, source)
        self.objects = GitObjects(git)
        self.commits = GitCommits(git)
        self.merges = GitMerges(git)
        self.conflicts = GitConflicts(git, scratch=scratch, memory=f"{os.path.dirname(path)}/resolutions")
        self.checkouts = GitCheckouts(git, source=source, scratch=scratch)
        self.forecasts = Radar(git, f"{scratch}/forecast", lambda: self.checkouts.settings)
        self._source = source

    def rest(self, idle_s: float = 0.0) -> None:
        """Stop the git processes that nobody has asked for so long."""
        self.git.sessions.rest(idle_s)

    def ensure(self) -> None:
        """Make it if it is missing. It is made elsewhere and moved to its place complete, by one of several callers."""
        if os.path.exists(f"{self.path}/wto-ready"):
            self._unlock()
            return
        folder = os.path.dirname(self.path)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        with locked(folder):
            if not os.path.exists(f"{self.path}/wto-ready"):
                self._make()

    def _make(self) -> None:
        beside = f"{self.path}.new"
        shutil.rmtree(beside, ignore_errors=True)
        init_bare(beside, object_format=configuration(self._source).object_format(), config=_CONFIG)
        with open(f"{beside}/{TRUSTING}", "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(f"[safe]\n\tdirectory = {quoted(self._source)}\n")
        os.rename(beside, self.path)

    def _unlock(self) -> None:
        """Remove lock files that a killed git left: nobody but us writes here, and our own commands are short."""
        removed_when_old(f"{self.path}/packed-refs.lock")
        for folder, _, names in os.walk(f"{self.path}/refs"):
            for name in names:
                if name.endswith(".lock"):
                    removed_when_old(f"{folder}/{name}")
