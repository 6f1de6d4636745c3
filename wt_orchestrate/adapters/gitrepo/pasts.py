"""The past of a branch as paths: what each of its newest commits touched, and which files it holds now."""

from __future__ import annotations

from wt_orchestrate.adapters.gitrepo.runner import LONG_S, Git, fields
from wt_orchestrate.domain.cochange import History
from wt_orchestrate.domain.ids import CommitId


def past(git: Git, *, head: CommitId, commits: int) -> History:
    """The newest commits of a head that are no merges, by the paths they touched (a renamed file is two), and its files. A first
    commit (also where a shallow clone ends) only says that there are files."""
    output = git.run(
        "log", "--no-merges", "--min-parents=1", "--name-only", "-z", "--no-renames", "--no-show-signature",
        f"--max-count={commits}", "--format=%x01", "--end-of-options", head, timeout_s=LONG_S,
    )  # fmt: skip
    told = output.decode("utf-8", "surrogateescape").split("\x01")[1:]
    touched = (tuple(path for path in part.lstrip("\0\n").split("\0") if path and path != "\n") for part in told)
    files = fields(git.run("ls-tree", "-r", "--name-only", "-z", head, timeout_s=LONG_S))
    return History(files=tuple(files), commits=tuple(paths for paths in touched if paths))
