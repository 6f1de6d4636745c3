"""Ancestry and one-line histories told from commit objects: the same as git's own answers, without a process for each."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.support.repos import START, make_repository
from wt_orchestrate.adapters.gitrepo.objects import ancestry
from wt_orchestrate.adapters.gitrepo.objects.session import Served, served
from wt_orchestrate.adapters.gitrepo.runner import Git
from wt_orchestrate.errors import GitFailed


@pytest.fixture
def git(tmp_path: Path) -> Served:
    """An empty repository, with processes that stay."""
    return served(make_repository(str(tmp_path / "app"), {"a": "a\n"}).common_dir)


def _commit(git: Git, parents: list[str], *, at: int, message: str = "c") -> str:
    tree = git.line("rev-parse", "HEAD^{tree}")
    words = [word for parent in parents for word in ("-p", parent)]
    date = {"GIT_AUTHOR_DATE": f"@{at} +0000", "GIT_COMMITTER_DATE": f"@{at} +0000"}
    return git.run("commit-tree", tree, *words, "-m", message, env=date).decode().strip()


def _random_history(git: Git, seed: int) -> list[str]:
    """Commits with up to three parents, some of them with clocks that were wrong, some without any common past."""
    chance = random.Random(seed)
    made: list[str] = []
    for number in range(30):
        parents = (
            chance.sample(made, min(len(made), chance.choice((1, 1, 1, 2, 2, 3)))) if chance.random() > 0.08 else []
        )
        when = START + number if chance.random() > 0.2 else START + chance.randrange(-500, 500)
        made.append(_commit(git, parents, at=int(when), message=str(number)))
    return made


@pytest.mark.parametrize("seed", range(3))
def test_it_says_what_git_says(git: Served, seed: int) -> None:
    """In random histories with merges, several roots and wrong clocks: ancestors and best common ancestors are git's."""
    plain = Git(git.git_dir)
    commits = _random_history(git, seed)
    chance = random.Random(seed)
    for one, other in (chance.sample(commits, 2) for _ in range(60)):
        ancestor = plain.outcome("merge-base", "--is-ancestor", one, other, ok=(0, 1))[0] == 0
        bases = set(plain.outcome("merge-base", "--all", one, other, ok=(0, 1))[1].decode().split())
        assert ancestry.is_ancestor(git, one, other) == ancestor
        assert (
            (ancestry.merge_base(git, one, other) in bases) if bases else ancestry.merge_base(git, one, other) is None
        )
        own = plain.run("rev-list", other, f"^{one}").decode().split()
        straight = ancestry.line(git, base=one, head=other)
        assert straight is None or [name for name, _ in straight] == own
        beyond = ancestry.beyond(git, base=one, head=other)
        assert beyond is not None and {name for name, _ in beyond} >= set(own)
        assert sorted(each.at for _, each in beyond) == [each.at for _, each in beyond]


def test_a_long_past_is_asked_of_git(git: Served) -> None:
    """What lies behind more commits than are walked over is told all the same."""
    root = tip = _commit(git, [], at=int(START))
    for number in range(100):
        tip = _commit(git, [tip], at=int(START) + number)
    other = _commit(git, [root], at=int(START) + 500)
    assert ancestry.is_ancestor(git, root, tip)
    assert not ancestry.is_ancestor(git, other, tip)
    assert ancestry.merge_base(git, other, tip) == root
    assert ancestry.line(git, base=root, head=tip) is None


def test_a_shallow_repository_is_asked_of_git(git: Served) -> None:
    """Where a history was cut off, the cut counts and not what the last commit says of its parents."""
    root = _commit(git, [], at=int(START))
    tip = _commit(git, [root], at=int(START) + 1)
    Path(git.git_dir, "shallow").write_text(f"{tip}\n")
    assert not ancestry.is_ancestor(git, root, tip)


def test_a_commit_that_is_not_there_is_an_error(git: Served) -> None:
    """Nothing is said of a commit that does not exist."""
    with pytest.raises(GitFailed):
        ancestry.is_ancestor(git, "1" * 40, git.line("rev-parse", "HEAD"))


@pytest.mark.parametrize("message", ["one\ntwo\n\nthree", "  \n\n one  \n  two\n", "", "\n\n", "x\ty  z", "a\n \nb"])
def test_a_subject_is_what_git_says(git: Served, message: str) -> None:
    """The first paragraph, as one line."""
    tip = git.run("commit-tree", git.line("rev-parse", "HEAD^{tree}"), stdin=message.encode()).decode().strip()
    assert ancestry.read(git, (tip,))[tip].subject == git.run("log", "-1", "--format=%s", tip).decode().removesuffix(
        "\n"
    )
