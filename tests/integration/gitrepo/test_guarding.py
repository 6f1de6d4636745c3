"""Hooks in agents' worktrees: what they refuse and say, what they leave alone, and that the repository's own still run."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.integration.gitrepo.conftest import Site
from tests.support.repos import TestRepository, digest, sealed_environment
from wt_orchestrate.domain.graph import scope_matches
from wt_orchestrate.domain.ids import Branch
from wt_orchestrate.ports import Guard

OWNED = (("db", "src/db/**"), ("web", "src/web/**"), ("web", "docs/*.md"))


def guarded(
    site: Site, name: str = "db", scope: Sequence[str] = ("src/db/**",), *, full: bool = True
) -> TestRepository:
    """A guarded worktree of ours, in which the caller plays the agent."""
    agent = site.agent(name)
    guard = Guard(
        run="r1",
        name=name,
        branch=Branch(f"wto/r1/{name}"),
        integration=Branch("wto/r1/integration"),
        scope=tuple(scope),
        folder=f"{site.folder}/state/hooks/r1/{name}",
        scopes=f"{site.folder}/state/hooks/r1/scopes",
        full=full,
    )
    assert site.repository.guard_worktree(path=agent.path, guard=guard, owned=OWNED)
    return agent


def said(agent: TestRepository, *arguments: str, env: dict[str, str] | None = None) -> tuple[int, list[str]]:
    """How a git command of the agent ends, and what our guard says."""
    ended = subprocess.run(
        ["git", *arguments],
        cwd=agent.path,
        env=sealed_environment(agent.home) | (env or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, [line for line in ended.stderr.splitlines() if line.startswith("wto: ")]


def test_a_commit_outside_the_scope_is_refused_with_the_owner(site: Site) -> None:
    """It says which path, whose it is and what to do; what is inside is committed with the run's trailers."""
    agent = guarded(site)
    agent.write({"src/db/a.py": "1\n", "src/web/b c.py": "1\n", "docs/x.md": "1\n"})
    agent.git("add", "-A")
    assert said(agent, "commit", "-qm", "Work") == (
        1,
        [
            "wto: docs/x.md (and 1 more) is outside of what db may write; it belongs to web.",
            "wto: Take it out of the commit: git restore --staged -- 'docs/x.md'. "
            "If the work needs it, say so in HANDOFF.md under ## Questions.",
        ],
    )
    agent.git("restore", "--staged", "--", "docs", "src/web")
    assert said(agent, "commit", "-qm", "Work", env={"WTO_ATTEMPT": "2"}) == (0, [])
    assert said(agent, "commit", "-q", "--amend", "--no-edit", env={"WTO_ATTEMPT": "3"}) == (0, [])
    assert agent.git("log", "-1", "--format=%B").splitlines() == [
        "Work",
        "",
        "Wto-Run: r1",
        "Wto-Workstream: db",
        "Wto-Attempt: 2",
    ]


def test_other_peoples_refs_are_not_moved(site: Site) -> None:
    """Its own branch and HEAD move; main, another stream's branch and tags do not, and it says whose they are not."""
    agent = guarded(site)
    other = site.agent("web")
    agent.commit({"src/db/a.py": "1\n"})
    words = [
        "wto: refs/heads/wto/r1/web is not db's to move; its own branch is wto/r1/db.",
        "wto: Commit on that branch and leave all others alone; what others integrated comes by: git merge wto/r1/integration",
    ]
    assert said(agent, "update-ref", "refs/heads/wto/r1/web", agent.head())[1] == words
    site.user.git("branch", "elsewhere")
    for arguments in (
        ("branch", "-f", "elsewhere", "HEAD"),
        ("branch", "-D", "elsewhere"),
        ("branch", "mine"),
        ("tag", "v1"),
        ("push", ".", "HEAD:elsewhere"),
    ):
        code, lines = said(agent, *arguments)
        assert code != 0 and lines, arguments
    assert (site.user.head("main"), other.head()) == (site.user.head(), site.user.head())
    assert said(agent, "reset", "-q", "--hard", "HEAD^") == (0, [])
    assert said(agent, "merge", "-q", "--no-edit", "main") == (0, [])


def test_D3_the_users_checkout_is_left_alone(site: Site) -> None:
    """Nothing but one key of the shared configuration changes, and the user commits as before."""
    before = digest(site.user, without=("refs/heads/wto/",))
    guarded(site)
    after = digest(site.user, without=("refs/heads/wto/",))
    assert {name for name in {*before, *after} if before.get(name) != after.get(name)} == {"git:config"}
    assert site.user.git("config", "--local", "--get", "extensions.worktreeConfig") == "true"
    assert "hookspath" not in site.user.git("config", "--list").lower()
    site.user.commit({"docs/x.md": "by hand\n"}, "By hand")
    assert "Wto-" not in site.user.git("log", "-1", "--format=%B")


@pytest.mark.parametrize("where", ["plain", "hooksPath", "husky"])
def test_the_repositorys_own_hooks_run_behind_ours(site: Site, tmp_path: Path, where: str) -> None:
    """Also those that ours know nothing of, with their arguments and input, wherever the repository keeps them."""
    folder = {"plain": f"{site.user.common_dir}/hooks", "hooksPath": f"{tmp_path}/their hooks", "husky": ".husky/_"}[
        where
    ]
    if where != "plain":
        site.user.git("config", "core.hooksPath", folder)
    agent = guarded(site)
    placed = os.path.join(agent.path, folder)
    os.makedirs(placed, exist_ok=True)
    for name in ("pre-commit", "commit-msg", "post-commit", "post-checkout"):
        path = Path(placed) / name
        path.write_text(f'#!/bin/sh\necho "{name} $#" >> "{tmp_path}/ran"\n')
        path.chmod(0o755)
    agent.write({"src/db/a.py": "1\n"})
    agent.git("add", "src")
    assert said(agent, "commit", "-qm", "Work") == (0, [])
    assert (tmp_path / "ran").read_text().splitlines() == ["pre-commit 0", "commit-msg 1", "post-commit 0"]
    (Path(placed) / "pre-commit").write_text("#!/bin/sh\nexit 1\n")
    agent.write({"src/db/b.py": "1\n"})
    agent.git("add", "src")
    assert said(agent, "commit", "-qm", "Refused")[0] == 1


def test_light_guards_put_nothing_inside_of_a_commit(site: Site) -> None:
    """Scope and pushes are guarded; nothing of ours runs between a commit's objects and its ref, unless the repository does."""
    agent = guarded(site, full=False)
    agent.write({"docs/x.md": "1\n"})
    agent.git("add", "-A")
    assert said(agent, "commit", "-qm", "Outside")[0] == 1
    placed = set(os.listdir(f"{site.folder}/state/hooks/r1/db"))
    assert placed >= {"pre-commit", "pre-push", "post-commit"}
    assert placed.isdisjoint({"commit-msg", "prepare-commit-msg", "reference-transaction"})
    own = Path(site.user.common_dir) / "hooks" / "commit-msg"
    own.parent.mkdir(exist_ok=True)
    own.write_text("#!/bin/sh\nexit 0\n")
    own.chmod(0o755)
    guarded(site, full=False)
    assert "commit-msg" in os.listdir(f"{site.folder}/state/hooks/r1/db")


def test_guards_are_put_up_again_without_a_trace(site: Site) -> None:
    """Twice is like once, and a repository that the extension would change is left as it is."""
    agent = guarded(site)
    before = digest(agent)
    guarded(site)
    assert digest(agent) == before
    site.user.git("config", "core.worktree", site.user.path)
    other = site.agent("web")
    guard = Guard(
        run="r1",
        name="web",
        branch=Branch("b"),
        integration=Branch("i"),
        scope=(),
        folder=f"{site.folder}/h",
        scopes=f"{site.folder}/s",
    )
    assert site.repository.guard_worktree(path=other.path, guard=guard, owned=()) is False
    assert not os.path.exists(f"{site.folder}/h")


PARTS = ("src", "db", "a.py", "*", "**", "*.py", "d?", "docs")


def test_the_guard_and_the_verification_agree(site: Site) -> None:
    """Random globs and paths: what the hook lets pass is what verification finds within the scope."""
    chance = random.Random(5)
    paths = ["src/a.py", "src/db/a.py", "src/db/deep/a.py", "docs/a.py", "db/a.py", "a.py", "src/db/x.md"]
    agent = guarded(site, scope=())
    agent.write(dict.fromkeys(paths, "1\n"))
    agent.git("add", "-f", "--", *paths)
    folder = f"{site.folder}/state/hooks/r1/db"
    for _ in range(40):
        glob = "/".join(chance.choice(PARTS) for _ in range(chance.randint(1, 3)))
        excluded = (f":(top,exclude,glob){glob}", f":(top,exclude,glob){glob}/**")
        outside = agent.git("diff", "--cached", "--name-only", "--no-renames", "--", ":(top)", *excluded).split()
        assert sorted(outside) == sorted(path for path in paths if not scope_matches([glob], path)), glob
    assert os.path.exists(f"{folder}/pre-commit")
