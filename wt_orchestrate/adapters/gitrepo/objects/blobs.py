"""Objects read in one call, by their ids."""

from __future__ import annotations

from collections.abc import Sequence

from wt_orchestrate.adapters.gitrepo.objects.raw_diff import between, empty_tree
from wt_orchestrate.adapters.gitrepo.objects.session import CAT_FILE, Served, look_up
from wt_orchestrate.adapters.gitrepo.runner import Git
from wt_orchestrate.domain.agent.instructions import TextAt
from wt_orchestrate.domain.ids import CommitId, TreeId
from wt_orchestrate.errors import GitFailed

_WHOLE = 1 << 20
"""Bytes up to which a file is read whole, though its start is wanted."""
_TREES = 4
"""Trees whose paths are remembered."""
FILES = ("100644", "100755")
"""Modes of regular files."""
LINK = "120000"
"""The mode of a symbolic link."""
SUBMODULE = "160000"
"""The mode of a submodule's commit."""


def sizes(git: Git, ids: Sequence[str]) -> dict[str, int]:
    """The size of each object that exists."""
    return {each.id: each.size for each in look_up(git, ids) if each is not None}


def contents(git: Git, ids: Sequence[str]) -> dict[str, bytes]:
    """The content of each object that exists."""
    found = zip(ids, look_up(git, ids, contents=True), strict=True)
    return {name: each.content for name, each in found if each is not None}


def commits_among(git: Git, ids: Sequence[str]) -> frozenset[CommitId]:
    """Those of the ids that are commits here."""
    return frozenset(CommitId(each.id) for each in look_up(git, ids) if each is not None and each.kind == "commit")


def tree_of(git: Git, name: str) -> str:
    """The tree of a commit, or the tree itself. Raises GitFailed when it is not there."""
    return trees_of(git, (name,))[name]


def trees_of(git: Git, commits: Sequence[str]) -> dict[str, str]:
    """The tree of each commit. Raises GitFailed when one is not there."""
    names = list(dict.fromkeys(commits))
    found = look_up(git, [f"{commit}^{{tree}}" for commit in names])
    missing = [name for name, each in zip(names, found, strict=True) if each is None]
    if missing:
        raise GitFailed(CAT_FILE, code=1, stderr=f"there is no commit {missing[0]}")
    return {name: each.id for name, each in zip(names, found, strict=True) if each is not None}


def paths_of(git: Git, tree: str) -> frozenset[str]:
    """All paths of a tree: what it has that an empty one has not. The last few are remembered."""
    known = git.sessions.paths if isinstance(git, Served) else {}
    found = known.get(tree)
    if found is None:
        found = frozenset(between(git, [(empty_tree(tree), tree)])[0])
        if len(known) >= _TREES:
            known.clear()
        known[tree] = found
    return found


def start_of_file(git: Git, commit: str, path: str, *, limit: int) -> bytes | None:
    """The first bytes of a regular file; None where there is none, or something else."""
    name = file_at(git, commit, path)
    size = sizes(git, (name,)).get(name) if name else None
    if size is None:
        return None
    if size > _WHOLE:
        return git.start_of("cat-file", "blob", name, limit=limit)
    return contents(git, (name,))[name][:limit]


def file_at(git: Git, commit: str, path: str) -> str:
    """The object of a regular file; empty where there is none, or something else."""
    return entry_at(git, commit, path, modes=FILES)


def entry_at(git: Git, commit: str, path: str, *, modes: Sequence[str]) -> str:
    """The object at a path that has one of these modes; empty where there is none, or something else."""
    folder, _, name = path.rpartition("/")
    tree = look_up(git, (f"{commit}:{folder}",), contents=True)[0]
    if tree is None or tree.kind != "tree":
        return ""
    return next(
        (oid for mode, each, oid in _entries(tree.content, len(tree.id) // 2) if each == name and mode in modes), ""
    )


def _entries(tree: bytes, length: int) -> list[tuple[str, str, str]]:
    """Mode, name and object of each entry of a tree object."""
    found: list[tuple[str, str, str]] = []
    start = 0
    while start < len(tree):
        end = tree.index(b"\0", start)
        mode, _, name = tree[start:end].partition(b" ")
        start = end + 1 + length
        found.append((mode.decode(), name.decode("utf-8", "surrogateescape"), tree[end + 1 : start].hex()))
    return found


class GitObjects:
    """Commits, trees and files of the vault."""

    def __init__(self, git: Git) -> None:
        self._git = git

    def contains(self, commit: CommitId) -> bool:
        return look_up(self._git, (f"{commit}^{{commit}}",))[0] is not None

    def tree(self, commit: CommitId) -> TreeId:
        return TreeId(tree_of(self._git, commit))

    def blob(self, commit: CommitId, path: str, *, limit: int = 1 << 18) -> bytes | None:
        """The start of a regular file at a commit; None if it does not exist or is not a regular file."""
        if not path or path.startswith("/") or ".." in path.split("/"):
            return None
        return start_of_file(self._git, commit, path, limit=limit)

    def text(self, commit: CommitId, path: str) -> TextAt | None:
        """A file's text, or where a symbolic link points; None if there is neither."""
        found = self.blob(commit, path)
        if found is not None:
            return TextAt(found.decode(errors="replace"))
        name = entry_at(self._git, commit, path, modes=(LINK,)) if path else ""
        link = contents(self._git, (name,)).get(name) if name else None
        return None if link is None else TextAt(link.decode(errors="surrogateescape"), link=True)

    def paths(self, commit: CommitId) -> frozenset[str]:
        """The paths of all files of a commit."""
        return paths_of(self._git, tree_of(self._git, commit))

    def at(self, places: Sequence[tuple[CommitId, str]]) -> Sequence[str]:
        """The object at each path of a commit; empty if there is none."""
        found = look_up(self._git, [f"{commit}:{path}" for commit, path in places])
        return [each.id if each is not None else "" for each in found]
