"""What every forge promises, whichever it is and by whatever way it is asked: the same story on each, over real HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.forge_stub import TOKEN, ForgeStub
from tests.support.repos import TestRepository, make_repository
from wt_orchestrate.adapters.forge.api import RestApi
from wt_orchestrate.adapters.forge.gitea import Gitea
from wt_orchestrate.adapters.forge.github import GitHub
from wt_orchestrate.adapters.forge.gitlab import GitLab
from wt_orchestrate.adapters.forge.pagure import Pagure
from wt_orchestrate.domain.events.pull_requests import PullState
from wt_orchestrate.domain.ids import Branch, CommitId
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.errors import Refused, WtError
from wt_orchestrate.ports.forge import Forge, ForgeComment, Proposal, Ran

BRANCH, BASE, OTHER = Branch("wto/r1/a"), Branch("main"), Branch("wto/r1/b")
WANTED = Proposal(branch=BRANCH, base=BASE, title="A thing", body="What it *does*", labels=("agents",))


def _rest(stub: ForgeStub, path: str, header: str, value: str) -> RestApi:
    return RestApi(f"{stub.serve()}{path}", {header: value}, hint="set a token")


def _github(stub: ForgeStub) -> Forge:
    return GitHub(_rest(stub, "/api/v3", "Authorization", f"Bearer {TOKEN}"), owner="o", repository="r", name="GitHub")


def _gitlab(stub: ForgeStub) -> Forge:
    return GitLab(_rest(stub, "/api/v4", "PRIVATE-TOKEN", TOKEN), project="o/r", name="GitLab")


def _gitea(stub: ForgeStub) -> Forge:
    api = _rest(stub, "/api/v1", "Authorization", f"token {TOKEN}")
    return Gitea(api, owner="o", repository="r", name="Gitea")


def _pagure(stub: ForgeStub) -> Forge:
    return Pagure(_rest(stub, "/api/0", "Authorization", f"token {TOKEN}"), project="o/r", name="Pagure")


FORGES: dict[str, Callable[[ForgeStub], Forge]] = {
    "github": _github, "gitlab": _gitlab, "gitea": _gitea, "pagure": _pagure,
}  # fmt: skip


@pytest.fixture
def repository(tmp_path: Path) -> TestRepository:
    made = make_repository(str(tmp_path / "r"), {"a.txt": "1\n"})
    for branch in (BRANCH, OTHER):
        made.git("branch", branch)
    return made


@pytest.fixture
def stub(repository: TestRepository) -> Iterator[ForgeStub]:
    made = ForgeStub(repository.common_dir)
    yield made
    made.close()


@pytest.fixture(params=sorted(FORGES))
def forge(request: pytest.FixtureRequest, stub: ForgeStub) -> Forge:
    return FORGES[request.param](stub)


def _has(forge: Forge, what: str) -> bool:
    """Pagure has no drafts, no labels and no way to another base; what it cannot do it leaves."""
    return forge.name != "Pagure" or what not in {"draft", "labels", "base"}


def test_one_is_made_found_and_changed(forge: Forge, stub: ForgeStub) -> None:
    """What was made is found by its branch, and takes another title, body and base."""
    assert forge.find(BRANCH) is None
    made = forge.create(WANTED)
    assert (made.number, made.base, made.state, made.draft) == (1, BASE, PullState.OPEN, False)
    assert made.url.startswith("https://forge.example.org/o/r/")
    assert forge.find(BRANCH) == made and forge.find(OTHER) is None
    changed = forge.update(1, replace(WANTED, title="Another", body="New", base=OTHER))
    (pull,) = stub.pulls
    assert (pull.title, pull.body) == ("Another", "New")
    assert pull.labels == (["agents"] if _has(forge, "labels") else [])
    assert changed == replace(made, base=OTHER if _has(forge, "base") else BASE)


def test_a_draft_stays_one_when_it_is_changed(forge: Forge, stub: ForgeStub) -> None:
    """Whether it is a draft is said once, and is the people's from then on."""
    made = forge.create(replace(WANTED, draft=True))
    assert made.draft is _has(forge, "draft")
    assert forge.update(1, replace(WANTED, title="Another")).draft is made.draft
    assert stub.pulls[0].draft is made.draft


def test_a_branch_of_that_name_in_a_fork_is_none_of_ours(forge: Forge, stub: ForgeStub) -> None:
    """A stranger may name a branch of his own fork like ours and offer it: that is never taken for ours."""
    strange = stub.create(BRANCH, BASE, "Strange", "", draft=False)
    assert strange is not None
    strange.fork = True
    assert forge.find(BRANCH) is None
    ours = forge.create(WANTED)
    later = stub.create(BRANCH, BASE, "Stranger", "", draft=False)
    assert later is not None
    later.fork = True
    assert forge.find(BRANCH) == ours


def test_what_was_said_is_told_with_who_may_write(forge: Forge, stub: ForgeStub) -> None:
    """Words on lines and on the whole, each with whether its author may write to the repository."""
    forge.create(WANTED)
    stub.pulls[0].said += [
        {"id": 1, "user": "reviewer", "trusted": True, "body": "Better", "path": "a.txt", "line": 1},
        {"id": 2, "user": "stranger", "trusted": False, "body": "Run it"},
    ]
    head = CommitId(stub.head(BRANCH))
    feedback = forge.feedback(1)
    on_lines = [each for each in feedback.said if each.path]
    on_all = [each for each in feedback.said if not each.path]
    assert [(each.author, each.trusted, each.text, each.path, each.line, each.commit) for each in on_lines] == [
        ("reviewer", True, "Better", "a.txt", 1, head)
    ]
    assert [(each.author, each.trusted, each.text) for each in on_all] == [("stranger", False, "Run it")]
    assert len({each.id for each in feedback.said}) == 2
    assert (feedback.head, feedback.proposed.state, feedback.merge, feedback.failed) == (head, PullState.OPEN, None, ())


def test_failed_checks_are_told_with_their_words(forge: Forge, stub: ForgeStub) -> None:
    """A check that failed has a name of its own, so that it is told once."""
    forge.create(WANTED)
    stub.pulls[0].failed.append({"id": 5, "name": "ci/test", "summary": "1 failed"})
    (ran,) = forge.feedback(1).failed
    assert isinstance(ran, Ran) and ran.name == "ci/test" and "1 failed" in ran.summary and ran.id.endswith(" 5")


@pytest.mark.parametrize("merge", ["", "--output=/etc/passwd", "HEAD", "a" * 39, "../x"])
def test_S9_what_is_no_commit_is_none(forge: Forge, stub: ForgeStub, merge: str) -> None:
    """A forge's answer ends up on git's command line: only a whole id is taken for a commit."""
    forge.create(WANTED)
    stub.pulls[0].state, stub.pulls[0].merge = "merged", merge
    feedback = forge.feedback(1)
    assert feedback.proposed.state is PullState.MERGED
    assert feedback.merge in {None, CommitId(stub.head(BRANCH))}


def test_closed_is_not_merged(forge: Forge, stub: ForgeStub) -> None:
    """What somebody closed is closed, and tells no merge."""
    forge.create(WANTED)
    stub.pulls[0].state = "closed"
    found = forge.find(BRANCH)
    assert found is not None and found.state is PullState.CLOSED
    assert forge.feedback(1).merge is None


def test_what_cannot_be_made_is_refused(forge: Forge) -> None:
    """Without its branch there is none, and a number that is not there has nothing to tell."""
    with pytest.raises(Refused):
        forge.create(replace(WANTED, branch=Branch("wto/r1/missing")))
    with pytest.raises(Refused):
        forge.feedback(9)


def test_a_wrong_token_is_refused_and_not_told(stub: ForgeStub) -> None:
    """It says that the forge does not let us, and how to give a token."""
    api = RestApi(f"{stub.serve()}/api/v3", {"Authorization": "Bearer wr0ng-s3cret"}, hint="set GH_TOKEN")
    with pytest.raises(WtError) as caught:
        GitHub(api, owner="o", repository="r", name="GitHub").find(BRANCH)
    assert "(401)" in str(caught.value) and "wr0ng" not in str(caught.value) and caught.value.hint == "set GH_TOKEN"


def test_a_member_who_may_only_read_is_not_trusted(stub: ForgeStub) -> None:
    """GitHub's association names the organisation: whether he may write to this repository is asked for."""
    forge = _github(stub)
    forge.create(WANTED)
    stub.pulls[0].said.append({"id": 3, "user": "member", "trusted": False, "body": "Do as I say"})
    (said,) = forge.feedback(1).said
    assert said == ForgeComment(id="talk 3", author="member", trusted=False, text="Do as I say")
