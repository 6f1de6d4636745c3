"""A worktree compared with a commit: what differs, told by an index of ours."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.gitrepo.conftest import Site
from tests.support.repos import TestRepository
from wt_orchestrate.adapters.gitrepo.worktree import dirty as comparing
from wt_orchestrate.domain.ids import CommitId


@pytest.fixture
def agent(site: Site) -> TestRepository:
    """An agent's fresh worktree, whose index ours was seeded from."""
    made = site.agent("a")
    site.vaulted("main", "wto/r1/a")
    site.vault.checkouts.seed_index(worktree=made.path, head=made.head(), index=f"{site.folder}/indexes/a")
    return made


def dirty(site: Site, agent: TestRepository, head: CommitId | None = None) -> tuple[str, ...]:
    return site.vault.checkouts.dirty(worktree=agent.path, head=head or agent.head(), index=f"{site.folder}/indexes/a")


def test_a_fresh_worktree_is_clean(site: Site, agent: TestRepository) -> None:
    """Nothing differs, neither with a seeded nor with a new nor with a damaged index."""
    assert dirty(site, agent) == ()
    index = Path(site.folder, "indexes/a")
    index.unlink()
    assert dirty(site, agent) == ()
    index.write_bytes(b"damaged")
    Path(f"{index}.head").unlink()
    Path(f"{index}.lock").write_bytes(b"")
    assert dirty(site, agent) == ()


def test_a_look_is_one_git_process(site: Site, agent: TestRepository, other_git: Callable[[str], Path]) -> None:
    """A worktree that was looked at before costs one git process, also where nothing was found and something may hide."""
    dirty(site, agent)
    folder = other_git('echo "$1" >> "${0%/*}/words"\nexec $GIT "$@"')
    index = f"{site.folder}/indexes/a"
    looks = [
        site.vault.checkouts.dirty(worktree=agent.path, head=agent.head(), index=index, hiding=False) for _ in range(2)
    ]
    assert looks == [(), ()]
    assert (folder / "words").read_text().split().count("ls-files") == 2
    dirty(site, agent)
    words = (folder / "words").read_text().split()
    assert words.count("ls-files") == 3 and not {"read-tree", "update-index"} & set(words)


def test_changes_are_told_by_path(site: Site, agent: TestRepository) -> None:
    """Changed, deleted, new, made executable: each path, whatever is in its name."""
    agent.write({"README.md": "work", "src/app.py": None, "new\nline": "n", "sub/deep": "d"})
    os.chmod(f"{agent.path}/.gitignore", 0o755)
    wanted = (".gitignore", "README.md", "new\nline", "src/app.py", "sub/deep")
    assert dirty(site, agent) == wanted
    agent.git("add", "-A")
    assert dirty(site, agent) == wanted


def test_a_new_commit_is_compared_with(site: Site, agent: TestRepository) -> None:
    """The index follows the branch; comparing with the older commit shows the difference again."""
    old = agent.head()
    new = agent.commit({"README.md": "work", "new": "n"})
    site.vaulted("wto/r1/a")
    assert dirty(site, agent) == ()
    assert dirty(site, agent, old) == ("README.md", "new")
    assert dirty(site, agent, new) == ()


def test_what_does_not_count(site: Site, agent: TestRepository) -> None:
    """The handoff, files the committed .gitignore names, tool caches and the client's empty files are no work."""
    (Path(os.environ["HOME"]) / ".gitconfig").write_text(f"[core]\n\texcludesFile = {site.folder}/mine\n")
    Path(site.folder, "mine").write_text(".idea/\n")
    agent.write(
        {
            "HANDOFF.md": "handoff",
            "x.log": "l",
            "build/out": "o",
            ".cache/.gitignore": "*\n",
            ".cache/entry": "e",
            ".claude/settings.json": "",
            ".idea/x": "x",
        }
    )
    assert dirty(site, agent) == ()
    agent.write({"sub/HANDOFF.md": "not the handoff", ".claude/skills/x": "x"})
    assert dirty(site, agent) == (".claude/skills/x", "sub/HANDOFF.md")


def test_included_files_do_not_count(site: Site, agent: TestRepository) -> None:
    """What .worktreeinclude brought along is no work of the agent's, also where only the user's excludes ignore it."""
    agent.commit({".worktreeinclude": "*.secret\n"})
    site.vaulted("wto/r1/a")
    agent.write({"a.secret": "s"})
    assert dirty(site, agent) == ()


def test_hiding_does_not_help(site: Site, agent: TestRepository) -> None:
    """Flags in the agent's index, excludes of theirs, and a .gitignore that hides itself beside tracked files hide nothing."""
    agent.git("update-index", "--skip-worktree", "README.md")
    agent.git("config", "core.excludesFile", f"{agent.path}/x.log")
    agent.git("config", "core.worktree", "/")
    os.makedirs(f"{site.user.common_dir}/info", exist_ok=True)
    Path(site.user.common_dir, "info/exclude").write_text("*\n")
    agent.write({"x.log": "hidden\n", "hidden": "h"})
    assert dirty(site, agent) == ("hidden",)
    agent.write({"README.md": "work", "src/.gitignore": "*\n", "src/new": "n"})
    assert dirty(site, agent) == ("README.md", "hidden")
    agent.write({"README.md": "read me\n", "hidden": None})
    assert dirty(site, agent) == ("src/.gitignore",)


def test_a_nested_repository_counts_whole(site: Site, agent: TestRepository) -> None:
    """A repository inside the worktree is told as one path and not looked into."""
    agent.git("init", "-q", "nested")
    agent.at(f"{agent.path}/nested").commit({"x": "1"})
    assert dirty(site, agent) == ("nested/",)


def test_line_ends_of_the_repository(site: Site) -> None:
    """Files written with the repository's line ends are clean, also when they must be read again."""
    site.user.git("config", "core.autocrlf", "true")
    agent = site.agent("a")
    head, _ = site.vaulted("main", "wto/r1/a")
    assert Path(agent.path, "README.md").read_bytes() == b"read me\r\n"
    assert dirty(site, agent, head) == ()


def test_large_files_kept_elsewhere(site: Site, agent: TestRepository) -> None:
    """A file whose stored form is a git-lfs pointer to just its content is clean; with other content it is not."""
    content = b"large\0" * 1000
    oid = hashlib.sha256(content).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(content)}\n"
    agent.commit({"big.bin": pointer})
    site.vaulted("wto/r1/a")
    agent.write({"big.bin": content})
    assert dirty(site, agent) == ()
    agent.write({"big.bin": content + b"!"})
    assert dirty(site, agent) == ("big.bin",)


def test_a_worktree_that_is_gone(site: Site, agent: TestRepository) -> None:
    """Without the folder, or with a link in its place, the whole of it differs."""
    head = agent.head()
    os.rename(agent.path, f"{agent.path}.away")
    assert dirty(site, agent, head) == (".",)
    os.symlink(f"{agent.path}.away", agent.path)
    assert dirty(site, agent, head) == (".",)


def test_a_seeded_index_is_not_taken_twice(site: Site, agent: TestRepository) -> None:
    """Once there, our index is not replaced by the worktree's, which the agent may have changed."""
    agent.git("update-index", "--skip-worktree", "README.md")
    agent.write({"README.md": "work"})
    site.vault.checkouts.seed_index(worktree=agent.path, head=agent.head(), index=f"{site.folder}/indexes/a")
    assert dirty(site, agent) == ("README.md",)


def test_a_gitignore_that_never_ends_is_a_change_and_holds_nobody_up(
    site: Site, agent: TestRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """git waits for ever on a pipe by that name: it is found instead, and named as what is uncommitted."""
    monkeypatch.setattr(comparing, "_SOON_S", 0.3)
    os.mkfifo(f"{agent.path}/src/.gitignore")
    assert dirty(site, agent) == ("src/.gitignore",)
