"""The `git` that comes first on agents' PATH."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.repos import make_repository
from wt_orchestrate.resources import resource

BEFORE = os.path.dirname(resource("hooks", "agent-bin", "git"))


def _git(*words: str, path: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [f"{BEFORE}/git", *words], env={"PATH": path, **environment}, capture_output=True, text=True, check=False
    )


def test_git_works_for_a_program_that_cleared_its_environment(tmp_path: Path) -> None:
    """A test runner that keeps nothing but PATH gets the git that comes next there, ours left out however often it is named."""
    (tmp_path / "link").symlink_to(BEFORE)
    found = _git("--version", path=f"{BEFORE}:{tmp_path}/link:{os.environ['PATH']}")
    assert (found.returncode, found.stdout[:12]) == (0, "git version ")
    missing = _git("--version", path=BEFORE)
    assert (missing.returncode, missing.stderr) == (127, "git: not found\n")


@pytest.mark.parametrize("environment", [{}, {"WTO_GIT": "/bin/true"}])
def test_stash_is_refused_with_words_either_way(environment: dict[str, str]) -> None:
    """What worktrees share is refused, wherever options stand before it; a file of that name is no command.
    So it is in hooks, unless a copy is meant by its name."""
    for words in (("stash",), ("-C", "/tmp", "stash", "pop"), ("-c", "a.b=c", "--no-pager", "stash")):
        refused = _git(*words, path=f"{BEFORE}:{os.environ['PATH']}", **environment)
        assert refused.returncode == 1 and "shared with other agents" in refused.stderr
    for told in ("-k", "pop", "drop", "apply --index", "push"):
        hook = {"path": f"{BEFORE}:{os.environ['PATH']}", "WTO_IN_HOOK": "1", **environment}
        assert _git("stash", *told.split(), **hook).returncode == 1
    assert "shared" not in _git("log", "stash", path=f"{BEFORE}:{os.environ['PATH']}", **environment).stderr


def test_a_hook_may_keep_a_copy_and_take_it_by_its_name(tmp_path: Path) -> None:
    """As lint-staged does: a copy is made, stored and dropped by name, which moves nobody else's work."""
    user = make_repository(str(tmp_path / "repository"), {"a.txt": "one\n"})
    user.write({"a.txt": "two\n"})
    where = {"path": f"{BEFORE}:{os.environ['PATH']}", "WTO_IN_HOOK": "1", "HOME": user.home}
    made = _git("-C", user.path, "stash", "create", **where)
    assert made.returncode == 0 and made.stdout
    for words in (("store", made.stdout.strip()), ("list",), ("drop", "-q", "stash@{0}")):
        ended = _git("-C", user.path, "stash", *words, **where)
        assert ended.returncode == 0, ended.stderr
