"""The repository's own hooks behind ours: wherever it keeps them, whatever makes them, also when they come later."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.gitrepo.conftest import FILES, Site, make_site
from tests.support.guards import guard_of, guarded, heard, said
from tests.support.repos import TestRepository, make_repository, sealed_environment
from wt_orchestrate.adapters.gitrepo.hooks.agent import HOOKS

HUSKY_H = r"""#!/usr/bin/env sh
[ "$HUSKY" = "2" ] && set -x
n=$(basename "$0")
s=$(dirname "$(dirname "$0")")/$n

[ ! -f "$s" ] && exit 0

if [ -f "$HOME/.huskyrc" ]; then
	echo "husky - '~/.huskyrc' is DEPRECATED, please move your code to ~/.config/husky/init.sh"
fi
i="${XDG_CONFIG_HOME:-$HOME/.config}/husky/init.sh"
[ -f "$i" ] && . "$i"

[ "${HUSKY-}" = "0" ] && exit 0

export PATH="node_modules/.bin:$PATH"
sh -e "$s" "$@"
c=$?

[ $c != 0 ] && echo "husky - $n script failed (code $c)"
[ $c = 127 ] && echo "husky - command not found in PATH=$PATH"
exit $c
"""
"""What husky 9.1.7 writes as `.husky/_/h`, to the letter."""
HUSKY_NAMES = (
    "pre-commit", "pre-merge-commit", "prepare-commit-msg", "commit-msg", "post-commit", "applypatch-msg", "pre-applypatch",
    "post-applypatch", "pre-rebase", "post-rewrite", "post-checkout", "post-merge", "pre-push", "pre-auto-gc",
)  # fmt: skip


def husky(checkout: TestRepository) -> None:
    """What husky 9.1.7 does in `npm install`."""
    checkout.git("config", "core.hooksPath", ".husky/_")
    folder = f"{checkout.path}/.husky/_"
    checkout.write({".husky/_/.gitignore": "*", ".husky/_/h": HUSKY_H})
    for name in HUSKY_NAMES:
        Path(folder, name).write_text('#!/usr/bin/env sh\n. "$(dirname "$0")/h"')
        Path(folder, name).chmod(0o755)


def hook(path: str | Path, body: str) -> None:
    """An executable hook of the repository's own."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    Path(path).write_text(f"#!/bin/sh\n{body}\n")
    Path(path).chmod(0o755)


def staged(agent: TestRepository, content: str = "1\n") -> None:
    agent.write({"src/db/a.py": content})
    agent.git("add", "-A")


def test_every_hook_that_git_knows_is_passed_on(site: Site) -> None:
    """Each name stands there when the repository has it, and calls that one with the same arguments, input and environment."""
    body = 'printf "%s|" "${0##*/}" "$@" "$EXTRA" >> "$SEEN"; cat >> "$SEEN"; printf "\\n" >> "$SEEN"; exit 7'
    for name in HOOKS:
        hook(f"{site.user.common_dir}/hooks/{name}", body)
    agent = guarded(site, full=False)
    seen = Path(site.folder) / "seen"
    env = sealed_environment(agent.home) | {"SEEN": str(seen), "EXTRA": "x y"}
    for name in HOOKS:
        if name == "pre-push":
            continue  # refused before the repository's own is asked
        message = Path(site.folder) / "message"
        message.write_text("Work\n")
        ended = subprocess.run(
            [f"{site.folder}/state/hooks/r1/db/{name}", str(message), "b c"],
            cwd=agent.path,
            env=env,
            input="one\ntwo \\n\n",
            text=True,
            check=False,
        )
        assert ended.returncode == 7, name
        assert seen.read_text() == f"{name}|{message}|b c|x y|one\ntwo \\n\n\n", name
        seen.unlink()


def test_a_hook_that_is_not_executable_is_left_out(site: Site) -> None:
    """As git leaves it out, and as it does with those that are not there."""
    hook(f"{site.user.common_dir}/hooks/pre-commit", "exit 1")
    os.chmod(f"{site.user.common_dir}/hooks/pre-commit", 0o644)
    agent = guarded(site)
    staged(agent)
    assert said(agent, "commit", "-qm", "Work") == (0, [])


def test_ours_come_first(site: Site) -> None:
    """The repository's own sees no commit that ours refuse, and a message that has its trailers."""
    hook(f"{site.user.common_dir}/hooks/pre-commit", "echo theirs")
    hook(f"{site.user.common_dir}/hooks/commit-msg", 'tail -n 1 "$1"')
    agent = guarded(site)
    agent.write({"docs/x.md": "1\n"})
    agent.git("add", "-A")
    code, lines = heard(agent, "commit", "-qm", "Outside")
    assert (code, [line.split()[0] for line in lines]) == (1, ["wto:", "wto:"])
    agent.git("rm", "-qf", "docs/x.md")
    staged(agent)
    assert heard(agent, "commit", "-qm", "Work") == (0, ["theirs", "Wto-Workstream: db"])


def test_the_users_own_hooks_folder_counts(site: Site) -> None:
    """One that their own configuration names, with ~ in it, is called as it is without us."""
    hook(f"{site.user.home}/my hooks/pre-commit", "echo mine")
    Path(site.user.home, ".gitconfig").write_text('[core]\n\thooksPath = "~/my hooks"\n')
    os.environ["HOME"] = site.user.home
    agent = guarded(site)
    staged(agent)
    assert heard(agent, "commit", "-qm", "Work") == (0, ["mine"])


def test_husky_runs_as_it_does_without_us(site: Site) -> None:
    """Its generated hooks find their scripts by their own names and folders; the light guards leave its commit-msg alone, too."""
    site.user.commit({".husky/pre-commit": "echo checked\n", ".husky/commit-msg": 'grep -q "^Work" "$1"\n'})
    site.user.git("config", "core.hooksPath", ".husky/_")
    agent = guarded(site, full=False)
    husky(agent)  # what a workstream's setup does, after the worktree was made
    staged(agent)
    assert heard(agent, "commit", "-qm", "Work") == (0, ["checked"])
    staged(agent, "2\n")
    assert heard(agent, "commit", "-qm", "Other") == (1, ["checked", "husky - commit-msg script failed (code 1)"])


def test_husky_that_comes_later_is_found(site: Site) -> None:
    """An agent that runs `npm install` for the first time sets a hooks folder for everybody: it counts at once, and
    for hooks inside of commits from the next attempt on."""
    site.user.commit({".husky/pre-commit": "echo checked\n", ".husky/commit-msg": "echo read\n"})
    agent = guarded(site, full=False)
    staged(agent)
    assert heard(agent, "commit", "-qm", "Work") == (0, [])
    husky(agent)
    staged(agent, "2\n")
    assert heard(agent, "commit", "-qm", "Work") == (0, ["checked"])
    site.repository.refresh_guard(path=agent.path, guard=guard_of(site, "db", scope=(), full=False), owned=())
    staged(agent, "3\n")
    assert heard(agent, "commit", "-qm", "Work") == (0, ["checked", "read"])


CONFIG = """repos:
  - repo: local
    hooks:
      - {id: no-tabs, name: no tabs, language: pygrep, entry: "\\t", files: "\\\\.py$"}
"""


def test_the_pre_commit_framework_runs_behind_ours(site: Site) -> None:
    """What `pre-commit install` generates judges an agent's commits as it judges everybody's."""
    site.user.commit({".pre-commit-config.yaml": CONFIG})
    env = sealed_environment(site.user.home) | {"PRE_COMMIT_HOME": f"{site.folder}/pre-commit"}
    command = [sys.executable, "-m", "pre_commit", "install"]
    subprocess.run(command, cwd=site.user.path, env=env, check=True, capture_output=True)
    agent = guarded(site)
    staged(agent, "\tx = 1\n")
    code, lines = heard(agent, "commit", "-qm", "Work", env=env)
    assert (code, lines[0].startswith("no tabs."), lines[0].endswith("Failed")) == (1, True, True)
    staged(agent, "x = 1\n")
    assert heard(agent, "commit", "-qm", "Work", env=env)[0] == 0


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_guards_know_both_kinds_of_ids(tmp_path: Path, object_format: str) -> None:
    """Moves of refs are judged the same with either."""
    site = make_site(make_repository(str(tmp_path / "app"), FILES, object_format=object_format), tmp_path)
    agent = guarded(site)
    staged(agent)
    assert said(agent, "commit", "-qm", "Work") == (0, [])
    site.user.git("branch", "other")
    assert said(agent, "branch", "-D", "other")[1][0] == (
        "wto: db may not move refs/heads/other; its branch is wto/r1/db."
    )


def test_a_bare_repository_gets_no_hooks(tmp_path: Path) -> None:
    """The extension would change what its `core.bare` means: its configuration stays to the letter."""
    user = make_repository(str(tmp_path / "app"), FILES)
    bare = f"{tmp_path}/bare.git"
    user.git("clone", "-q", "--bare", user.path, bare)
    site = make_site(user.at(bare), tmp_path)
    before = Path(bare, "config").read_bytes()
    agent = site.agent("db")
    assert site.repository.guard_worktree(path=agent.path, guard=guard_of(site, "db", scope=()), owned=()) is False
    assert Path(bare, "config").read_bytes() == before
    assert not os.path.exists(f"{site.folder}/state/hooks/r1/db")


def test_what_passes_the_guards(site: Site) -> None:
    """They are no wall: each of these passes, and verification sees it all the same. Nothing else relies on them."""
    agent = guarded(site)
    for number, words in enumerate((("commit", "--no-verify"), ("-c", "core.hooksPath=/dev/null", "commit"))):
        agent.write({"docs/x.md": f"{number}\n"})
        agent.git("add", "-A")
        assert said(agent, *words, "-qm", "Past the guard") == (0, [])
