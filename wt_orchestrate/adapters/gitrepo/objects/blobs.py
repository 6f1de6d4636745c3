"""Objects read in one call, by their ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wt_orchestrate.adapters.gitrepo.runner import LONG_S, Git, input_lines
from wt_orchestrate.domain.ids import CommitId, TreeId


def sizes(git: Git, ids: Sequence[str]) -> dict[str, int]:
    """The size of each object that exists."""
    if not ids:
        return {}
    output = git.run("cat-file", "--batch-check=%(objectname) %(objectsize)", "--buffer", stdin=input_lines(ids))
    pairs = (line.split() for line in output.decode().splitlines())
    return {name: int(size) for name, size in pairs if size.isdigit()}


def contents(git: Git, ids: Sequence[str]) -> dict[str, bytes]:
    """The content of each object that exists."""
    if not ids:
        return {}
    output = git.run("cat-file", "--batch", "--buffer", stdin=input_lines(ids), timeout_s=LONG_S)
    return dict(_records(output))


def _records(output: bytes) -> Iterator[tuple[str, bytes]]:
    start = 0
    while start < len(output):
        end = output.index(b"\n", start)
        name, *rest = output[start:end].decode().split()
        start = end + 1
        if len(rest) == 2:
            size = int(rest[1])
            yield name, output[start : start + size]
            start += size + 1


def commits_among(git: Git, ids: Sequence[str]) -> frozenset[CommitId]:
    """Those of the ids that are commits here."""
    output = git.run("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=input_lines(ids))
    pairs = (line.split() for line in output.decode().splitlines())
    return frozenset(CommitId(name) for name, kind in pairs if kind == "commit")


class GitObjects:
    """Commits, trees and files of the vault."""

    def __init__(self, git: Git) -> None:
        self._git = git

    def contains(self, commit: CommitId) -> bool:
        return self._git.outcome("cat-file", "-e", f"{commit}^{{commit}}", ok=(0, 1, 128))[0] == 0

    def tree(self, commit: CommitId) -> TreeId:
        return TreeId(self._git.line("rev-parse", "--verify", "--end-of-options", f"{commit}^{{tree}}"))

    def blob(self, commit: CommitId, path: str, *, limit: int = 1 << 18) -> bytes | None:
        """The start of a regular file at a commit; None if it does not exist or is not a regular file."""
        if not path or path.startswith("/") or ".." in path.split("/"):
            return None
        entry = self._git.run("ls-tree", "-z", commit, "--", path)
        if not entry.startswith((b"100644 ", b"100755 ")):
            return None
        return self._git.start_of("cat-file", "blob", entry.split(None, 3)[2].decode(), limit=limit)

    def at(self, places: Sequence[tuple[CommitId, str]]) -> Sequence[str]:
        """The object at each path of a commit; empty if there is none."""
        if not places:
            return []
        asked = [f"{commit}:{path}" for commit, path in places]
        output = self._git.run("cat-file", "--batch-check=%(objectname)", "--buffer", stdin=input_lines(asked))
        found = output.decode("utf-8", "surrogateescape").split("\n")[: len(places)]
        return ["" if line.endswith((" missing", " ambiguous")) else line for line in found]
