"""Landing under attack, and landing cut off: whatever an agent plants, the checkout of the user's gets the checked files.

The payloads are those of `test_security`, and those that only a landing on a checkout would have met.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.integration.gitrepo.conftest import FILES, Site, make_site
from tests.support.attacks import HOOKS, LANDING, Attack
from tests.support.repos import digest, make_repository, sealed_environment
from wt_orchestrate.adapters.gitrepo.repository import GitRepository, LandingFrom
from wt_orchestrate.adapters.gitrepo.target.record import Marks, recorded
from wt_orchestrate.domain.ids import Branch, CommitId
from wt_orchestrate.domain.state.changes import changes
from wt_orchestrate.ports.git.repository import LandOutcome

MAIN = Branch("main")
GOOD = {"README.md": "good\n", "src/new.py": "new\n", "src/app.py": None}


ACTED_ON = frozenset(each.__name__ for each in LANDING) - {
    "others", "git_file", "nested", "rewritten_object", "hooks_path", "included", "promisor",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ready:
    """A checkout of main, an agent's work in the vault, and our repository as a run has it: recorded before the agent."""

    site: Site
    attack: Attack
    old: CommitId
    new: CommitId
    marker: Path
    folder: str


@pytest.fixture
def ready(tmp_path: Path) -> Ready:
    site = make_site(make_repository(str(tmp_path / "app"), FILES), tmp_path)
    folder = str(tmp_path / "state" / "recorded")
    site.repository.record(folder)
    marker = tmp_path / "marker"
    attack = Attack(site.user, site.agent("evil"), site.vault.path, f"touch {shlex.quote(str(marker))}")
    new = attack.agent.commit(GOOD)
    site.vaulted("main", "wto/r1/evil")
    landing = LandingFrom(
        vault=site.vault.git, hooks=f"{folder}/hooks", attributes=f"{folder}/attributes", record=folder
    )
    repository = GitRepository(site.user.path, lock_path=str(tmp_path / "state" / "worktree.lock"), landing=landing)
    return Ready(replace(site, repository=repository), attack, site.user.head("main"), new, marker, folder)


def shown(ready: Ready) -> dict[str, str | None]:
    """The files of the checkout that the landing is about."""
    paths = {name: Path(ready.site.user.path, name) for name in GOOD}
    return {name: path.read_text() if path.exists() else None for name, path in paths.items()}


@pytest.mark.parametrize("payload", LANDING, ids=lambda each: each.__name__)
def test_S1_landing_on_a_checkout_runs_nothing_planted(ready: Ready, payload: Callable[[Attack], None]) -> None:
    """Nothing planted runs; what is landed is the checked commit with the checked files, or nothing changes at all."""
    before = shown(ready)
    payload(ready.attack)
    landed = ready.site.repository.land(target=MAIN, new=ready.new, expected=ready.old)
    assert not ready.marker.exists()
    git = "git -c core.bare=false -c core.fsmonitor=false -c core.hooksPath=/dev/null rev-parse refs/heads/main"
    at = subprocess.run(
        git.split(),
        cwd=ready.site.user.path,
        env=sealed_environment(ready.site.folder),
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    if landed.outcome is LandOutcome.MOVED:
        assert at in {ready.new, ""} and shown(ready) == GOOD
    else:
        assert at in {ready.old, ""} and shown(ready) == before


@pytest.mark.parametrize("payload", LANDING, ids=lambda each: each.__name__)
def test_S1_what_git_would_act_on_is_told(ready: Ready, payload: Callable[[Attack], None]) -> None:
    """A planted key, hook, attribute, replace ref or redirection is a named difference that stops, with a way back."""
    before = recorded(ready.folder)
    assert before is not None
    payload(ready.attack)
    now = Marks(ready.site.user.common_dir).now()
    found = changes(before, now, {}, target=MAIN, during=["evil"], since=1.0)
    if payload.__name__ in ACTED_ON:
        assert any(each.stops for each in found), found
    assert all(each.words and each.put_back for each in found)
    again = changes(before, now, {each.name: each for each in found}, target=MAIN, during=[], since=2.0)
    assert again == found


def test_a_persons_own_change_does_not_stop(ready: Ready) -> None:
    """What changed while no agent was at work is told and lands; keys that start nothing never stop."""
    before = recorded(ready.folder)
    assert before is not None
    ready.site.user.git("config", "core.sshCommand", "ssh -v")
    ready.site.user.git("config", "branch.wto/r1/evil.remote", "origin")
    now = Marks(ready.site.user.common_dir).now()
    own = changes(before, now, {}, target=MAIN, during=[], since=1.0)
    assert [(each.name, each.stops) for each in own] == [
        ("config branch.wto/r1/evil.remote", False),
        ("config core.sshcommand", False),
    ]
    theirs = changes(before, now, {}, target=MAIN, during=["evil"], since=1.0)
    assert [each.stops for each in theirs] == [False, True]
    assert theirs[1].words == "core.sshcommand is 'ssh -v' (was not set)"
    assert theirs[1].put_back == "git config --unset-all core.sshcommand"


def test_a_secret_in_the_configuration_is_not_shown(ready: Ready) -> None:
    """The value of a key that may hold a secret is in no event."""
    ready.site.user.git("config", "http.extraheader", "Authorization: Basic c2VjcmV0")
    now = Marks(ready.site.user.common_dir).now()
    (found,) = changes(recorded(ready.folder) or {}, now, {}, target=MAIN, during=["evil"], since=1.0)
    assert found.stops and "c2VjcmV0" not in repr(found)


def test_a_look_that_finds_nothing_new_asks_nobody(ready: Ready, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two looks without a change no git runs, and the very same marks come back."""
    marks = Marks(ready.site.user.common_dir)
    first = marks.now()
    monkeypatch.setenv("PATH", "/nowhere")
    assert marks.now() is first


def test_recorded_hooks_see_the_landing(ready: Ready, tmp_path: Path) -> None:
    """Hooks that stood there when the run started run from their copies; what an agent made of them since does not."""
    hooks = Path(ready.site.user.common_dir, "hooks")
    hooks.mkdir(exist_ok=True)
    for name in ("post-merge", "reference-transaction"):
        (hooks / name).write_text(f"#!/bin/sh\necho {name} $* >> {tmp_path}/ran\n")
        (hooks / name).chmod(0o755)
    ready.site.repository.record(f"{ready.folder}-2")
    for name in HOOKS:
        ready.attack.script(str(hooks / name))
    landing = LandingFrom(
        vault=ready.site.vault.git, hooks=f"{ready.folder}-2/hooks", attributes=f"{ready.folder}-2/attributes"
    )
    repository = GitRepository(ready.site.user.path, lock_path=f"{tmp_path}/state/worktree.lock", landing=landing)
    assert repository.land(target=MAIN, new=ready.new, expected=ready.old).outcome is LandOutcome.MOVED
    assert not ready.marker.exists()
    ran = (tmp_path / "ran").read_text().splitlines()
    assert ran[-1] == "post-merge 0" and "reference-transaction committed" in ran


def test_a_target_moved_beneath_its_checkout_stays(ready: Ready) -> None:
    """A branch that somebody moved by update-ref is told with both ways out; the checkout is not written."""
    ready.attack.agent.git("update-ref", "refs/heads/main", ready.new)
    later = ready.attack.agent.commit({"src/later.py": "later\n"})
    ready.site.vaulted("wto/r1/evil")
    landed = ready.site.repository.land(target=MAIN, new=later, expected=ready.new)
    assert landed.outcome is LandOutcome.REFUSED
    assert f"moved to {ready.new[:12]} without the checkout" in landed.detail
    assert f"git update-ref refs/heads/main {ready.old[:12]}" in landed.detail


class Killed(BaseException):
    """What a test ends a landing with."""


@pytest.mark.parametrize("point", ["files:staged", "files:written", "ref:moved"])
def test_L5_a_landing_cut_off_is_finished_or_undone(ready: Ready, tmp_path: Path, point: str) -> None:
    """Wherever it is cut, the next start leaves everything as before, or all of it landed; nothing of ours is left behind."""
    ready.site.user.write({".gitignore": "mine\n"})
    before = digest(ready.site.user)

    def cut(passed: str) -> None:
        if passed == point:
            raise Killed

    landing = LandingFrom(vault=ready.site.vault.git, reached=cut)
    lock = f"{tmp_path}/state/worktree.lock"
    with pytest.raises(Killed):
        GitRepository(ready.site.user.path, lock_path=lock, landing=landing).land(
            target=MAIN, new=ready.new, expected=ready.old
        )
    assert Path(ready.site.user.common_dir, "index.lock").exists()
    ready.site.repository.finish_landing(target=MAIN)
    assert not Path(ready.site.user.common_dir, "index.lock").exists()
    assert not Path(ready.site.user.common_dir, "wto-landing").exists()
    if point == "ref:moved":
        assert shown(ready) == GOOD
        assert ready.site.user.git("status", "--porcelain") == " M .gitignore"
    else:
        assert digest(ready.site.user) == before
    assert ready.site.repository.land(target=MAIN, new=ready.new, expected=ready.old).outcome in {
        LandOutcome.MOVED,
        LandOutcome.ALREADY,
    }
    assert shown(ready) == GOOD


def test_D2_a_file_changed_between_the_look_and_the_write_is_kept(ready: Ready, tmp_path: Path) -> None:
    """An edit that comes in at the last moment stops the landing, and is back where it was."""

    def edit(passed: str) -> None:
        if passed == "files:staged":
            ready.site.user.write({"README.md": "an edit of mine\n"})

    landing = LandingFrom(vault=ready.site.vault.git, reached=edit)
    repository = GitRepository(ready.site.user.path, lock_path=f"{tmp_path}/state/worktree.lock", landing=landing)
    landed = repository.land(target=MAIN, new=ready.new, expected=ready.old)
    assert (landed.outcome, landed.paths) == (LandOutcome.DIRTY, ("README.md",))
    assert ready.site.user.head("main") == ready.old
    assert shown(ready) == {"README.md": "an edit of mine\n", "src/new.py": None, "src/app.py": FILES["src/app.py"]}


def test_a_look_beforehand_changes_nothing(ready: Ready) -> None:
    """`dry` tells what landing would meet, and leaves every file, ref and lock as it was."""
    before = digest(ready.site.user)
    assert (
        ready.site.repository.land(target=MAIN, new=ready.new, expected=ready.old, dry=True).outcome
        is LandOutcome.MOVED
    )
    assert digest(ready.site.user) == before
    ready.site.user.write({"README.md": "mine\n"})
    found = ready.site.repository.land(target=MAIN, new=ready.new, expected=ready.old, dry=True)
    assert (found.outcome, found.paths) == (LandOutcome.DIRTY, ("README.md",))


def test_a_sparse_checkout_stays_sparse(ready: Ready) -> None:
    """Landed files outside of a sparse checkout are not written into it."""
    user = ready.site.user
    user.git("sparse-checkout", "set", "docs")
    landed = ready.site.repository.land(target=MAIN, new=ready.new, expected=ready.old)
    assert landed.outcome is LandOutcome.MOVED, landed
    assert not Path(user.path, "src").exists()
    assert Path(user.path, "README.md").read_text() == "good\n"
    assert user.git("status", "--porcelain") == ""


def test_a_split_index_is_taken_along(ready: Ready) -> None:
    """A user who keeps the index in two files lands as everybody else."""
    ready.site.user.git("update-index", "--split-index")
    assert ready.site.repository.land(target=MAIN, new=ready.new, expected=ready.old).outcome is LandOutcome.MOVED
    assert ready.site.user.git("status", "--porcelain") == "" and shown(ready) == GOOD


def test_a_folder_becomes_a_file_and_a_file_a_folder(ready: Ready) -> None:
    """Names that change their kind land on a clean checkout."""
    agent, user = ready.attack.agent, ready.site.user
    agent.git("rm", "-r", "-q", "src", "README.md")
    new = agent.commit({"src": "a file\n", "README.md/inside": "a folder\n"})
    ready.site.vaulted("wto/r1/evil")
    landed = ready.site.repository.land(target=MAIN, new=new, expected=ready.old)
    assert landed.outcome is LandOutcome.MOVED, landed
    assert Path(user.path, "src").read_text() == "a file\n"
    assert Path(user.path, "README.md", "inside").read_text() == "a folder\n"
    assert user.git("status", "--porcelain") == ""
