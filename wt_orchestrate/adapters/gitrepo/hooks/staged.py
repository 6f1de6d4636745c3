"""What a person is about to commit, read in the environment that git gives to its hooks (with a possibly temporary
index)."""

from __future__ import annotations

import os
from collections.abc import Mapping

from wt_orchestrate.adapters.gitrepo.objects.secret_scan import added_lines, exposed_in
from wt_orchestrate.adapters.gitrepo.proof.three_way import MARKER
from wt_orchestrate.adapters.gitrepo.runner import QUIET, configured, execute, fields, text
from wt_orchestrate.ports.git.repository import Staged

_PLAIN = ("--no-renames", "--no-ext-diff", "--no-textconv", "--no-color", "--src-prefix=a/", "--dst-prefix=b/")


def staged(cwd: str) -> Staged:
    """The staged paths, and secrets and conflict markers in their added lines."""
    env: Mapping[str, str] = {**os.environ, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", **configured(QUIET)}
    _, names = execute(("diff", "--cached", "--name-only", "-z", *_PLAIN[:3]), env, cwd=cwd)
    _, diff = execute(("diff", "--cached", "-U0", *_PLAIN), env, cwd=cwd)
    markers = tuple((at.path, at.line) for at, line in added_lines(diff.split(b"\n")) if MARKER.match(line))
    return Staged(paths=tuple(fields(names)), exposed=exposed_in(diff), markers=markers)


def is_main_worktree(cwd: str) -> bool:
    """Whether a hook runs for the main worktree, not for a linked one such as an agent's."""
    env = {**os.environ, "LC_ALL": "C"}
    arguments = ("rev-parse", "--path-format=absolute", "--git-dir", "--git-common-dir")
    _, output = execute(arguments, env, cwd=cwd)
    git_dir, common_dir = text(output).splitlines()[:2]
    return os.path.realpath(git_dir) == os.path.realpath(common_dir)
