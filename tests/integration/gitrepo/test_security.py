"""Nothing that an agent can write makes code run when the tool looks, and nothing of the user's changes unasked.

A new method of a port, or a new git command, is to be added to `every_method`.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.gitrepo.conftest import FILES, Site, make_site
from tests.support.guards import guard_of
from tests.support.repos import START, TestRepository, digest, make_repository, sealed_environment
from wt_orchestrate.domain.effects import Side
from wt_orchestrate.domain.ids import Branch, CommitId
from wt_orchestrate.errors import WtError
from wt_orchestrate.ports.git.merges import ChainSpec, Rider

HOOKS = (
    "post-checkout", "post-merge", "pre-commit", "post-commit", "post-index-change", "reference-transaction", "pre-push",
    "post-rewrite", "pre-auto-gc", "update", "pre-receive", "post-receive", "proc-receive", "push-to-checkout",
    "fsmonitor-watchman", "pre-merge-commit", "commit-msg", "prepare-commit-msg", "applypatch-msg", "sendemail-validate",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Attack:
    """An agent in its worktree, and the command that writes the marker."""

    site: Site
    agent: TestRepository
    command: str

    def config(self, **values: str) -> None:
        """Write keys (their last dot as `__`) into the configuration that all worktrees share."""
        for key, value in values.items():
            self.agent.git("config", key.replace("__", "."), value)

    def script(self, path: str) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(f"#!/bin/sh\n{self.command}\ncat >/dev/null\nexit 1\n")
        Path(path).chmod(0o755)


def hooks(attack: Attack) -> None:
    for name in HOOKS:
        attack.script(f"{attack.site.user.common_dir}/hooks/{name}")


def hooks_path(attack: Attack) -> None:
    for name in HOOKS:
        attack.script(f"{attack.agent.path}/h/{name}")
    attack.config(core__hooksPath=f"{attack.agent.path}/h")


def included(attack: Attack) -> None:
    Path(attack.agent.path, "evil").write_text(f"[core]\n\tfsmonitor = {attack.command}\n\thooksPath = h\n")
    attack.config(include__path=f"{attack.agent.path}/evil")


def fsmonitor(attack: Attack) -> None:
    attack.script(f"{attack.agent.path}/monitor")
    attack.config(core__fsmonitor=f"{attack.agent.path}/monitor")


def worktree_config(attack: Attack) -> None:
    attack.script(f"{attack.agent.path}/monitor")
    attack.config(extensions__worktreeConfig="true")
    attack.agent.git("config", "--worktree", "core.fsmonitor", f"{attack.agent.path}/monitor")
    attack.site.user.git("config", "--worktree", "core.fsmonitor", f"{attack.agent.path}/monitor")


def filters(attack: Attack) -> None:
    for name in ("evil", "a=b"):
        for kind in ("clean", "smudge", "process"):
            attack.agent.git("config", f"filter.{name}.{kind}", attack.command)
    text = "* filter=evil diff=evil merge=evil\n*.md filter=a=b\n"
    Path(attack.agent.path, ".gitattributes").write_text(text)
    os.makedirs(f"{attack.site.user.common_dir}/info", exist_ok=True)
    Path(attack.site.user.common_dir, "info/attributes").write_text(text)


def diff_drivers(attack: Attack) -> None:
    filters(attack)
    attack.config(diff__external=attack.command)
    for kind in ("command", "textconv"):
        attack.agent.git("config", f"diff.evil.{kind}", attack.command)


def merge_drivers(attack: Attack) -> None:
    filters(attack)
    attack.agent.git("config", "merge.evil.driver", attack.command)
    attack.config(merge__default="evil")


def signatures(attack: Attack) -> None:
    attack.script(f"{attack.agent.path}/gpg")
    attack.config(
        gpg__program=f"{attack.agent.path}/gpg",
        commit__gpgSign="true",
        log__showSignature="true",
        merge__verifySignatures="true",
    )


def remotes(attack: Attack) -> None:
    source, vault = attack.site.user.common_dir, attack.site.vault.path
    for remote in (source, vault, "origin"):
        for key in ("uploadpack", "receivepack", "proxy"):
            attack.agent.git("config", f"remote.{remote}.{key}", attack.command)
        attack.agent.git("config", f"remote.{remote}.fetch", "+refs/heads/*:refs/heads/*")
    for url in (source, vault):
        attack.agent.git("config", f"url.ext::sh -c {attack.command}.pushInsteadOf", url)
    attack.config(
        core__sshCommand=attack.command, core__gitProxy=attack.command, uploadpack__packObjectsHook=attack.command
    )


def remote_helpers(attack: Attack) -> None:
    for remote in (attack.site.user.common_dir, attack.site.vault.path):
        attack.agent.git("config", f"remote.{remote}.vcs", "ext")
        attack.agent.git("config", f"remote.{remote}.url", f"sh -c '{attack.command}'")
    attack.config(protocol__ext__allow="always", protocol__allow="always")


def instead_of(attack: Attack) -> None:
    for url in (attack.site.user.common_dir, attack.site.vault.path):
        attack.agent.git("config", f"url.ext::sh -c '{attack.command}' .insteadOf", url)


def promisor(attack: Attack) -> None:
    attack.config(
        core__repositoryFormatVersion="1",
        extensions__partialClone="evil",
        remote__evil__url=f"ext::sh -c '{attack.command}'",
        remote__evil__promisor="true",
        protocol__ext__allow="always",
    )


def alternates(attack: Attack) -> None:
    attack.config(core__alternateRefsCommand=attack.command)
    Path(attack.site.user.common_dir, "objects/info/alternates").write_text(f"{attack.site.vault.path}/objects\n")


def others(attack: Attack) -> None:
    attack.config(
        core__pager=attack.command,
        core__editor=attack.command,
        core__askPass=attack.command,
        credential__helper=f"!{attack.command}",
        trailer__x__command=attack.command,
        trailer__wto_head__command=attack.command,
        alias__fetch=f"!{attack.command}",
        gc__auto="1",
        maintenance__auto="true",
        core__worktree="/",
        core__attributesFile=f"{attack.agent.path}/.gitattributes",
    )


def git_file(attack: Attack) -> None:
    """The worktree's own .git file led to a repository of the agent's."""
    own = attack.agent.at(f"{attack.agent.path}/own")
    attack.agent.git("init", "-q", "own")
    attack.script(f"{attack.agent.path}/monitor")
    own.git("config", "core.fsmonitor", f"{attack.agent.path}/monitor")
    Path(attack.agent.path, ".git").write_text(f"gitdir: {own.path}/.git\n")


def common_dir(attack: Attack) -> None:
    """The worktree's administrative folder led to a repository of the agent's."""
    own = attack.agent.at(f"{attack.agent.path}/own")
    attack.agent.git("init", "-q", "own")
    attack.script(f"{attack.agent.path}/monitor")
    own.git("config", "core.fsmonitor", f"{attack.agent.path}/monitor")
    Path(attack.site.user.common_dir, "worktrees/evil/commondir").write_text(f"{own.path}/.git\n")


def nested(attack: Attack) -> None:
    """A repository inside the tree, tracked as a submodule, with its own monitor and filter."""
    own = attack.agent.at(f"{attack.agent.path}/own")
    attack.agent.git("init", "-q", "own")
    head = own.commit({"x": "1"})
    attack.script(f"{attack.agent.path}/monitor")
    own.git("config", "core.fsmonitor", f"{attack.agent.path}/monitor")
    own.git("config", "filter.evil.clean", attack.command)
    own.write({".gitattributes": "* filter=evil\n", "x": "2"})
    attack.agent.git("update-index", "--add", "--cacheinfo", f"160000,{head},own")
    attack.agent.write({".gitmodules": '[submodule "own"]\n\tpath = own\n\turl = ./own\n'})
    attack.config(submodule__recurse="true", submodule__own__update=f"!{attack.command}")


PAYLOADS: tuple[Callable[[Attack], None], ...] = (
    hooks, hooks_path, included, fsmonitor, worktree_config, filters, diff_drivers, merge_drivers, signatures, remotes,
    remote_helpers, instead_of, promisor, alternates, others, git_file, common_dir, nested,
)  # fmt: skip


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
    attack = Attack(site, site.agent("evil"), f"touch {shlex.quote(str(marker))}")
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
    attack = Attack(plain_site, plain_site.agent("evil"), f"touch {shlex.quote(str(marker))}")
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
