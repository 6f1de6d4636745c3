"""Hooks in agents' worktrees: what they refuse and say, what they leave alone, and that the repository's own still run."""

from __future__ import annotations

import os
import random
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.gitrepo.conftest import Site
from tests.support.guards import guard_of, guarded, said
from tests.support.repos import digest
from wt_orchestrate.adapters.gitrepo.hooks.agent import pathspecs, write_scopes
from wt_orchestrate.domain.ids import Branch
from wt_orchestrate.domain.plan.scope import scope_matches
from wt_orchestrate.ports.git.repository import Guard


def test_a_commit_outside_the_scope_is_refused_with_the_owner(site: Site) -> None:
    """It says which path, whose it is and what to do; what is inside is committed with the run's trailers."""
    agent = guarded(site)
    agent.write({"src/db/a.py": "1\n", "src/web/b c.py": "1\n", "docs/x.md": "1\n"})
    agent.git("add", "-A")
    assert said(agent, "commit", "-qm", "Work") == (
        1,
        [
            "wto: docs/x.md (and 1 more) is outside the scope of db; it belongs to web.",
            "wto: Remove it from the commit: git restore --staged -- 'docs/x.md'. "
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
        "wto: db may not move refs/heads/wto/r1/web; its branch is wto/r1/db.",
        "wto: It belongs to web. Commit on wto/r1/db and leave all other refs alone. "
        "To get integrated work, run: git merge wto/r1/integration",
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


def test_a_hook_of_the_repository_gets_the_git_of_agents(site: Site, tmp_path: Path) -> None:
    """git puts its own folder first on a hook's PATH; an agent's hook has ours before it, so the shared stash stays refused, and
    a person's hook in the same worktree has none of it."""
    agent = guarded(site)
    hook = Path(site.user.common_dir, "hooks", "pre-commit")
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f'#!/bin/sh\ngit stash push -k -u -q 2>>"{tmp_path}/said"\nexit 0\n')
    hook.chmod(0o755)
    agent.write({"src/db/a.py": "1\n", "src/db/draft.py": "1\n"})
    agent.git("add", "src/db/a.py")
    assert said(agent, "commit", "-qm", "Work", env={"WTO_ATTEMPT": "1"}) == (0, [])
    assert "shared with other agents" in (tmp_path / "said").read_text()
    assert Path(agent.path, "src/db/draft.py").exists()
    (tmp_path / "said").unlink()
    agent.write({"src/db/b.py": "1\n"})
    agent.git("add", "src/db/b.py")
    said(agent, "commit", "-qm", "Work")
    assert "shared with other agents" not in (tmp_path / "said").read_text()


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


PARTS = ("src", "db", "a.py", "*", "**", "*.py", "d?", "docs", "[ab]", "x*y", "*[", "d]")
PATHS = (
    "src/a.py", "src/db/a.py", "src/db/deep/a.py", "docs/a.py", "db/a.py", "a.py", "src/db/x.md", "src/[ab]/a.py", "src/a/b",
    "[ab]", "docs/x1y/z", "docs/x[", "d]/d]", "src/ü b/a.py", "**x", "src/.a",
)  # fmt: skip
TABLE = (
    "src/",
    "src/**/",
    "**/a.py",
    "src/**/a.py",
    "**",
    "*",
    "src/*/a.py",
    "[ab]",
    "src/[ab]/**",
    "?.py",
    "docs/x?y",
)


def test_the_guard_and_the_verification_agree(site: Site) -> None:
    """A table and random globs: what the hook finds outside of a scope is what verification does; where git's globs cannot
    say what a scope says, the hook guards nothing."""
    chance = random.Random(5)
    agent = guarded(site, scope=())
    agent.write(dict.fromkeys(PATHS, "1\n"))
    agent.git("add", "-f", "--", *(f":(literal){path}" for path in PATHS))
    made = ["/".join(chance.choice(PARTS) for _ in range(chance.randint(1, 4))) for _ in range(120)]
    for scope in (*((glob,) for glob in (*TABLE, *made)), *(tuple(chance.sample(made, 3)) for _ in range(30))):
        told = pathspecs(scope)
        assert told is not None
        excluded = [word for glob in told for word in (f":(top,exclude,glob){glob}", f":(top,exclude,glob){glob}/**")]
        outside = agent.git("diff", "--cached", "--name-only", "-z", "--no-renames", "--", ":(top)", *excluded)
        missed = {path for path in PATHS if not scope_matches(scope, path)}
        assert {path for path in outside.split("\0") if path} == missed, scope
    assert [pathspecs((glob,)) for glob in ("a**", "**.py", "a/***")] == [None, None, None]


def test_a_scope_that_git_cannot_say_guards_nothing(site: Site) -> None:
    """Such a commit passes the hook, and is judged at verification like every other."""
    agent = guarded(site, scope=("src/**.py",))
    agent.write({"docs/x.md": "1\n"})
    agent.git("add", "-A")
    assert said(agent, "commit", "-qm", "Work") == (0, [])


def test_names_that_no_line_can_hold(site: Site) -> None:
    """They are told as git quotes them, with their owner, and with no command that a shell would read otherwise."""
    agent = guarded(site)
    for name, shown, how in (
        ("docs/it's.md", "docs/it's.md", "git restore --staged, with its name"),
        ('docs/\x1b[31m"ü\n.md', '"docs/\\033[31m\\"\\303\\274\\n.md"', "git restore --staged, with its name"),
        ("docs/a b.md", "docs/a b.md", "git restore --staged -- 'docs/a b.md'"),
    ):
        agent.write({name: "1\n"})
        agent.git("add", "-A")
        assert said(agent, "commit", "-qm", "Work")[1] == [
            f"wto: {shown} is outside the scope of db; it belongs to web.",
            f"wto: Remove it from the commit: {how}. If the work needs it, say so in HANDOFF.md under ## Questions.",
        ]
        agent.git("rm", "-qf", "--", f":(literal){name}")


def test_a_merge_brings_paths_of_others_along(site: Site) -> None:
    """Committing a merge that had conflicts is no commit outside of the scope."""
    agent = guarded(site)
    agent.commit({"src/db/a.py": "mine\n"})
    site.user.commit({"src/db/a.py": "theirs\n", "docs/x.md": "theirs\n"})
    assert said(agent, "merge", "-q", "main")[0] == 1
    agent.write({"src/db/a.py": "both\n"})
    agent.git("add", "-A")
    assert said(agent, "commit", "-q", "--no-edit") == (0, [])
    assert len(agent.git("log", "-1", "--format=%P").split()) == 2


def test_refs_that_look_like_its_own_are_not(site: Site) -> None:
    """A branch that ends like a pseudo ref, another worktree's HEAD and tags that a fetch brings are other people's, too;
    remote-tracking branches are not. Upkeep of everybody's refs is no agent's either: a hook sees it as a deletion."""
    agent = guarded(site)
    site.agent("web")
    agent.commit({"src/db/a.py": "1\n"})
    for ref in ("refs/heads/MY_HEAD", "worktrees/web/ORIG_HEAD", "refs/stash", "refs/notes/x"):
        code, lines = said(agent, "update-ref", ref, agent.head())
        assert (code != 0, lines[0]) == (True, f"wto: db may not move {ref}; its branch is wto/r1/db.")
    at = site.user.head("main")
    code, lines = said(agent, "update-ref", "main-worktree/HEAD", agent.head())
    either = (
        "main-worktree/HEAD",
        "refs/heads/main",
    )  # a link, and what it names: git 2.55 reports them the other way round
    assert code != 0 and lines[0] in [f"wto: db may not move {ref}; its branch is wto/r1/db." for ref in either]
    assert site.user.head("main") == at
    assert said(agent, "tag", "v1")[1][1].startswith(
        "wto: Tags are shared by all (git fetch --no-tags fetches none). Commit on wto/r1/db"
    )
    assert said(agent, "update-ref", "refs/heads/wto/r1/integration", agent.head())[1][1].startswith(
        "wto: It is the integration branch. Commit on wto/r1/db"
    )
    for arguments in (
        ("update-ref", "refs/remotes/origin/main", "HEAD"),
        ("update-ref", "ORIG_HEAD", "HEAD"),
        ("rebase", "-q", "main"),
    ):
        assert said(agent, *arguments) == (0, []), arguments
    packed = Path(site.user.path, ".git", "packed-refs")
    assert said(agent, "pack-refs", "--all")[0] != 0
    assert not packed.exists()
    said(agent, "gc", "-q")  # git 2.55's packs no refs while there are few, and so is not refused
    assert not packed.exists()


def test_a_commit_gives_notice(site: Site) -> None:
    """Each commit writes a file beside the hooks, which is watched: where a repository keeps no reflogs nothing else tells."""
    agent = guarded(site, full=False)
    notice = f"{site.folder}/state/hooks/r1/db/committed"
    agent.commit({"src/db/a.py": "1\n"})
    seen = os.stat(notice).st_mtime_ns
    agent.commit({"src/db/a.py": "2\n"})
    assert os.stat(notice).st_mtime_ns > seen


def test_guards_are_brought_up_to_date_without_touching_what_an_agent_owns(site: Site) -> None:
    """Another scope counts from then on; a link planted for the configuration is not followed; a removed guard stays so."""
    agent = guarded(site)
    admin = agent.git("rev-parse", "--absolute-git-dir")
    precious = Path(site.folder) / "precious"
    precious.write_text("mine\n")
    for planted in (f"{admin}/config.worktree", f"{site.folder}/state/hooks/r1/db/facts"):
        if os.path.lexists(planted):
            os.unlink(planted)
        os.symlink(precious, planted)
    wider = guard_of(site, "db", scope=("docs/**",))
    site.repository.refresh_guard(path=agent.path, guard=wider, owned=())
    assert precious.read_text() == "mine\n"
    assert (Path(wider.folder) / "scope").read_text() == "docs/**\n"
    (Path(wider.folder) / "not ours").touch()
    site.repository.remove_guard(wider.folder)
    assert os.listdir(wider.folder) == ["not ours"]
    os.unlink(f"{wider.folder}/not ours")
    site.repository.remove_guard(wider.folder)
    site.repository.remove_guard(wider.folder)
    site.repository.refresh_guard(path=agent.path, guard=wider, owned=())
    assert not os.path.exists(wider.folder)


def test_several_worktrees_are_guarded_at_a_time(tmp_path: Path) -> None:
    """The file that they have together is written by many at once, and is always whole."""
    path = str(tmp_path / "scopes")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: write_scopes(path, [(f"w{number}", "src/**")]), range(400)))
    assert re.fullmatch(r"w\d+\tsrc/\*\*\n", Path(path).read_text(encoding="utf-8"))
    assert os.listdir(tmp_path) == ["scopes"]
