"""Nothing that an agent can write makes code run when the tool looks, and nothing of the user's changes unasked.

A new method of a port, or a new git command, is to be added to `every_method`.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.gitrepo.conftest import FILES, Site, make_site
from tests.support.attacks import (
    PAYLOADS,
    Attack,
    common_dir,
    diff_drivers,
    filters,
    fsmonitor,
    git_file,
    hooks,
    hooks_path,
    included,
    nested,
    remotes,
    signatures,
    worktree_config,
)  # fmt: skip
from tests.support.guards import guard_of
from tests.support.repos import START, TestRepository, digest, make_repository, sealed_environment
from wt_orchestrate.domain.effects import Side
from wt_orchestrate.domain.ids import Branch, CommitId
from wt_orchestrate.errors import WtError
from wt_orchestrate.ports.git.merges import ChainSpec, Rider


def every_method(site: Site, agent: TestRepository, *, land: bool) -> list[tuple[str, Callable[[], object]]]:
    """A call of every method of both ports, in an order that makes sense. The agent's branch is wto/r1/evil."""
    repository, vault = site.repository, site.vault
    main = site.user.head("refs/heads/main")
    head = CommitId(site.user.git("rev-parse", "refs/heads/wto/r1/evil"))
    made: dict[str, CommitId] = {}
    guard = guard_of(site, "evil", scope=("src/**",))
    repository.guard_worktree(path=agent.path, guard=guard, owned=())

    def merge() -> None:
        found = vault.merges.merge(ours=main, theirs=head, message="m\n", at=START, pin="refs/wto/pin")
        made["merge"] = found.commit or head

    calls: list[tuple[str, Callable[[], object]]] = [
        ("ensure", vault.ensure),
        ("facts", repository.facts),
        ("resolve", lambda: repository.resolve(Branch("main"))),
        ("heads", lambda: repository.heads("wto/")),
        ("worktrees", repository.worktrees),
        ("marks", repository.marks),
        ("reached", lambda: repository.reached({agent.path: Branch("wto/r1/evil")})),
        ("branch_with", lambda: repository.branch_with(head, besides=Branch("wto/r1/evil"))),
        ("keep", lambda: vault.refs.keep("r1/evil", (head,))),
        ("land dry", lambda: repository.land(target=Branch("main"), new=head, expected=main, dry=True)),
        ("finish_landing", lambda: repository.finish_landing(target=Branch("main"))),
        ("exclude", lambda: repository.exclude(("/HANDOFF.md",))),
        (
            "fetch",
            lambda: vault.refs.fetch({"refs/heads/main": "refs/wto/main", "refs/heads/wto/r1/evil": "refs/wto/evil"}),
        ),
        ("vault.refs.resolve", lambda: vault.refs.resolve("refs/wto/main")),
        ("contains", lambda: vault.objects.contains(head)),
        ("is_ancestor", lambda: vault.commits.is_ancestor(main, head)),
        ("tree", lambda: vault.objects.tree(head)),
        ("commits", lambda: vault.commits.between(base=main, head=head)),
        ("changes", lambda: vault.commits.changes(base=main, head=head)),
        ("diff", lambda: vault.commits.diff(base=main, head=head)),
        ("blob", lambda: vault.objects.blob(head, "README.md")),
        ("seed_index", lambda: vault.checkouts.seed_index(worktree=agent.path, head=head, index=f"{site.folder}/i/x")),
        ("dirty", lambda: vault.checkouts.dirty(worktree=agent.path, head=head, index=f"{site.folder}/i/x")),
        (
            "forecast",
            lambda: vault.forecasts.forecast(
                [
                    Side(name="evil", head=head, worktree=agent.path, index=f"{site.folder}/i/x"),
                    Side(name="other", head=main, worktree=site.user.path, index=f"{site.folder}/i/y"),
                ],
                against=main,
            ),
        ),
        ("merge", merge),
        ("prove", lambda: vault.merges.prove(merge=made["merge"], ours=main, theirs=head)),
        (
            "chain",
            lambda: vault.merges.chain(
                ChainSpec(
                    onto=main, riders=[Rider(name="evil", head=head, message="m\n")], at=START, pin="refs/wto/chained"
                )
            ),
        ),
        ("checkout", lambda: vault.checkouts.checkout(commit=head, slot="s")),
        ("checkout again", lambda: vault.checkouts.checkout(commit=main, slot="s")),
        ("advance", lambda: vault.refs.advance("refs/wto/x", new=main, old=None)),
        ("archive", lambda: vault.refs.archive("x", head)),
        ("archived", vault.refs.archived),
        ("trailers", lambda: vault.commits.trailers(base=main, head=head, key="Wto-Head")),
        (
            "publish",
            lambda: repository.publish(vault=vault.path, branch=Branch("wto/r1/i"), new=made["merge"], expected=None),
        ),
        (
            "add_worktree",
            lambda: repository.add_worktree(path=f"{site.folder}/trees/b", branch=Branch("wto/r1/b"), base=main),
        ),
        ("refresh_guard", lambda: repository.refresh_guard(path=agent.path, guard=guard, owned=())),
        ("copy_included", lambda: repository.copy_included(path=f"{site.folder}/trees/b")),
        (
            "remove_worktree",
            lambda: repository.remove_worktree(path=f"{site.folder}/trees/b", trash=f"{site.folder}/trash/b"),
        ),
        (
            "take_over",
            lambda: repository.take_over(
                path=agent.path, vault=vault.path, branch=Branch("wto/r1/evil"), new=head, expected=head
            ),
        ),
        ("delete_branch", lambda: repository.delete_branch(Branch("wto/r1/b"), expected=main)),
        (
            "remove agent's",
            lambda: repository.remove_worktree(path=agent.path, trash=f"{site.folder}/trash/a", force=True),
        ),
        (
            "add again",
            lambda: repository.add_worktree(path=f"{site.folder}/trees/c", branch=Branch("wto/r1/evil"), base=main),
        ),
    ]
    if land:
        calls.append(("land", lambda: repository.land(target=Branch("main"), new=head, expected=main)))
    return calls


STOPPED = {"instead_of": ["publish", "take_over"], "git_file": ["add again"]}
"""Calls that a payload makes fail (a worktree that is no longer recognised, a path led elsewhere): refused, nothing run."""


@pytest.fixture
def plain_site(tmp_path: Path) -> Site:
    """A site whose paths can stand in a configuration key."""
    return make_site(make_repository(str(tmp_path / "app"), FILES), tmp_path)


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload.__name__)
def test_S1_nothing_planted_runs(plain_site: Site, payload: Callable[[Attack], None]) -> None:
    """Whatever an agent plants, no method of the ports runs it, from looking to landing on a branch nobody has."""
    site, marker = plain_site, Path(plain_site.folder, "marker")
    attack = Attack(site.user, site.agent("evil"), site.vault.path, f"touch {shlex.quote(str(marker))}")
    site.user.write({".worktreeinclude": "*.log\n", "x.log": "x"})
    attack.agent.commit(
        {"README.md": "evil\n", "src/app.py": "changed\n", ".gitattributes": "* filter=evil merge=evil\n"}
    )
    site.user.git("checkout", "-q", "--detach")
    attack.agent.write({"README.md": "uncommitted", "x.md": "new"})
    calls = every_method(site, attack.agent, land=True)
    payload(attack)
    failed: list[str] = []
    for name, call in calls:
        try:
            call()
        except WtError:
            failed.append(name)
        assert not marker.exists(), f"{name} ran what the agent planted"
    assert failed == STOPPED.get(payload.__name__, [])


NAIVE: tuple[tuple[Callable[[Attack], None], tuple[str, ...]], ...] = (
    (hooks, ("branch", "x")),
    (hooks_path, ("branch", "x")),
    (included, ("status",)),
    (fsmonitor, ("status",)),
    (worktree_config, ("status",)),
    (filters, ("status",)),
    (diff_drivers, ("diff",)),
    (signatures, ("commit", "--allow-empty", "-m", "x")),
    (remotes, ("fetch", "origin")),
    (git_file, ("status",)),
    (common_dir, ("status",)),
    (nested, ("status",)),
)


@pytest.mark.parametrize(("payload", "command"), NAIVE, ids=lambda each: getattr(each, "__name__", ""))
def test_the_payloads_are_live(plain_site: Site, payload: Callable[[Attack], None], command: tuple[str, ...]) -> None:
    """The same payloads do run when git is called without care: the test above proves something."""
    marker = Path(plain_site.folder, "marker")
    attack = Attack(
        plain_site.user, plain_site.agent("evil"), plain_site.vault.path, f"touch {shlex.quote(str(marker))}"
    )
    payload(attack)
    attack.agent.write({"README.md": "uncommitted"})
    plain_site.user.git("config", "remote.origin.url", plain_site.user.path)
    subprocess.run(
        ["git", *command],
        cwd=attack.agent.path,
        env=sealed_environment(plain_site.folder),
        capture_output=True,
        check=False,
    )
    assert marker.exists()


def test_D3_no_method_changes_the_users_checkout(site: Site) -> None:
    """Files, index, HEAD, other branches, configuration and hooks are the same after every method but landing."""
    agent = site.agent("evil")
    agent.commit({"README.md": "work\n"})
    site.user.write({"README.md": "mine", "untracked": "u", ".worktreeinclude": "*.log\n", "x.log": "x"})
    site.user.git("add", "untracked")
    site.user.git("stash", "push", "-q", "--", "README.md")
    site.user.git("branch", "other")
    config = site.user.git("config", "--local", "--list")
    own = "extensions.worktreeconfig=true"  # there from the first guarded worktree to the last one
    for name, call in every_method(site, agent, land=False):
        before = digest(site.user, without=("refs/heads/wto/",))
        call()
        after = digest(site.user, without=("refs/heads/wto/",))
        assert {**after, "git:config": ""} == {**before, "git:config": ""}, name
        listed = site.user.git("config", "--local", "--list").splitlines()
        assert "\n".join(line for line in listed if line != own) == config, name


def test_D4_no_command_collects_garbage(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """gc, prune, repack, reflog and maintenance are never run."""
    log = tmp_path / "log"
    wrapper = tmp_path / "bin" / "git"
    wrapper.parent.mkdir()
    agent = site.agent("evil")
    agent.commit({"README.md": "work\n"})
    calls = every_method(site, agent, land=True)
    real = next(f"{part}/git" for part in os.environ["PATH"].split(":") if os.access(f"{part}/git", os.X_OK))
    wrapper.write_text(f'#!/bin/sh\necho "$1" >> "{log}"\nexec {real} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    for _, call in calls:
        call()
    used = set(log.read_text().split())
    assert used & {"fetch", "read-tree", "merge-tree"} == {"fetch", "read-tree", "merge-tree"}
    assert used & {"gc", "prune", "repack", "reflog", "maintenance", "pack-refs", "stash", "config=", "push"} == set()
