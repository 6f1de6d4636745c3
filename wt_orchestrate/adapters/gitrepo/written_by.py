"""Which versions of a folder someone else wrote: those of remote-tracking branches, and the one that is checked out unless
it was committed here.

Three git processes at most, and only where the folder is in one of these commits. What is asked can be answered wrongly by
nobody but the user: remote-tracking branches move by fetches, and that a commit was made here says the reflog of HEAD, which
no fetch writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wt_orchestrate.adapters.gitrepo.objects.blobs import FILES, contents
from wt_orchestrate.adapters.gitrepo.objects.refs import commits_at
from wt_orchestrate.adapters.gitrepo.objects.session import look_up
from wt_orchestrate.adapters.gitrepo.runner import Git, fields, text

_LARGEST = 1 << 20
_COMMITTED = "commit"
"""How reflog messages of `git commit` start: `commit: ...`, `commit (initial): ...`, `commit (amend): ...`."""


def foreign_versions(common_dir: str, folder: str, head: str | None) -> Sequence[Mapping[str, bytes]]:
    """The regular files below `folder`, as others wrote them: one mapping from path (below the folder) to content for each
    distinct version. `head`: the commit that is checked out, if there is one."""
    git = Git(common_dir)
    tips = dict.fromkeys(commits_at(git, ("refs/remotes/",), below=True).values())
    commits = [*tips, *((head,) if head is not None else ())]
    found = look_up(git, [f"{commit}:{folder}" for commit in commits])
    trees = [each.id if each is not None and each.kind == "tree" else "" for each in found]
    foreign = dict.fromkeys(tree for tree in trees[: len(tips)] if tree)
    if head is not None and trees[-1] and trees[-1] not in foreign and not _made_here(git, head, folder):
        foreign[trees[-1]] = None
    return tuple(_files(git, tree) for tree in foreign)


def _made_here(git: Git, head: str, folder: str) -> bool:
    """Whether the commit that wrote this folder's newest content was made by `git commit` in this checkout."""
    newest = text(git.run("rev-list", "-1", head, "--", folder)).strip()
    lines = text(git.run("log", "--walk-reflogs", "--format=%H %gs", "HEAD")).splitlines()
    return any(line.startswith(f"{newest} {_COMMITTED}") for line in lines)


def _files(git: Git, tree: str) -> Mapping[str, bytes]:
    listed: dict[str, str] = {}
    for entry in fields(git.run("ls-tree", "-r", "-z", "--full-tree", tree)):
        facts, _, path = entry.partition("\t")
        mode, _, name = facts.split()
        if mode in FILES:
            listed[path] = name
    sized = {each.id for each in look_up(git, list(listed.values())) if each is not None and each.size <= _LARGEST}
    found = contents(git, [name for name in listed.values() if name in sized])
    return {path: found.get(name, b"") for path, name in listed.items()}
