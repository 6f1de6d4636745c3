"""One look at real repositories of many kinds, and what a partial clone lacks fetched once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.repos import TestRepository, make_repository, sealed_environment
from wt_orchestrate.adapters.gitrepo.look import fetch_missing, look_around
from wt_orchestrate.domain.ids import Branch, CommitId, RunId
from wt_orchestrate.domain.preflight import Look
from wt_orchestrate.errors import Refused


@pytest.fixture
def user(tmp_path: Path) -> TestRepository:
    """A user's checkout."""
    return make_repository(str(tmp_path / "repository"), {"a.txt": "one\n"})


def _look(user: TestRepository, run: str = "r1", environment: Mapping[str, str] | None = None) -> Look:
    main = user.path
    return look_around(
        user.common_dir,
        main=main,
        checkout=main,
        target=Branch("main"),
        base=user.head("main"),
        run=RunId(run),
        agents_environment=environment or sealed_environment(user.home),
    )


def _clone(user: TestRepository, tmp_path: Path, *options: str) -> TestRepository:
    """A clone whose origin answers as a server does."""
    user.git("config", "uploadpack.allowFilter", "true")
    user.git("config", "uploadpack.allowAnySHA1InWant", "true")
    path = str(tmp_path / "clone")
    user.git("clone", "-q", *options, f"file://{user.path}", path)
    return user.at(path)


def test_a_plain_repository_has_nothing_special(user: TestRepository) -> None:
    """Who commits, and where, is all there is to see."""
    seen = _look(user)
    assert seen.identity.startswith("Ada <ada@example.org> ")
    assert seen == Look(target="main", checkout=user.path, identity=seen.identity)


def test_what_the_base_tracks_is_seen(user: TestRepository) -> None:
    """The report file, submodules without and with .gitmodules, instructions, and settings that do not reach agents."""
    files = {
        "HANDOFF.md": "x",
        ".gitmodules": "",
        "AGENTS.md": "x",
        ".mcp.json": "{}",
        ".claude/skills/x/SKILL.md": "x",
    }
    user.commit(files)
    user.git("update-index", "--add", "--cacheinfo", f"160000,{user.head('main')},lib")
    user.git("commit", "-qm", "link")
    tracked = _look(user).tracked
    assert (tracked.handoff, tracked.gitmodules, tracked.gitlinks, tracked.absent) == (True, True, ("lib",), ("lib",))
    assert tracked.instructions == ("AGENTS.md",)
    assert tracked.not_passed_on == (".mcp.json", ".claude/skills/")


def test_refs_in_the_way_are_those_of_the_run_alone(user: TestRepository) -> None:
    """Branches and tags below the run's name, and names that git needs as a folder; other runs' are theirs."""
    for name in ("wto/r1/a", "wto/r2/b"):
        user.git("branch", name)
        user.git("tag", name)
    seen = _look(user)
    assert (seen.taken, seen.tags) == (("wto/r1/a",), ("wto/r1/a",))
    assert _look(user, "r3").taken == ()
    for name in ("wto/r1/a", "wto/r2/b"):
        user.git("branch", "-D", name)
    user.git("branch", "wto")
    assert _look(user).taken == ("wto",)


def test_a_target_behind_its_upstream_is_counted_without_network(user: TestRepository, tmp_path: Path) -> None:
    """By what was fetched last."""
    clone = _clone(user, tmp_path)
    user.commit({"b.txt": "two\n"})
    assert (_look(clone).upstream, _look(clone).behind) == ("origin/main", 0)
    clone.git("fetch", "-q")
    assert (_look(clone).upstream, _look(clone).behind) == ("origin/main", 1)


def test_hooks_sparseness_signing_and_uncommitted_work_are_seen(user: TestRepository) -> None:
    """As the user's own git would act on them; a hook that git does not run is none."""
    user.git("config", "core.hooksPath", ".husky/_")
    user.git("config", "commit.gpgsign", "true")
    user.git("config", "gpg.format", "ssh")
    user.git("config", "core.sparseCheckout", "true")
    user.write({".husky/_/pre-commit": "#!/bin/sh\n", ".husky/_/pre-push": "#!/bin/sh\n", ".husky/_/husky.sh": "x"})
    os.chmod(f"{user.path}/.husky/_/pre-commit", 0o755)
    seen = _look(user)
    assert (seen.hooks_path, seen.hooks, seen.tracked.hooks) == (".husky/_", ("pre-commit",), ())
    assert (seen.signing, seen.sparse, seen.uncommitted) == ("ssh", True, (".husky/",))


def test_a_partial_clone_gets_what_it_lacks_once(user: TestRepository, tmp_path: Path) -> None:
    """Blobs of the history, from the remote that promised them; the next look finds nothing missing."""
    for number in range(3):
        user.commit({"a.txt": f"{number}\n"})
    clone = _clone(user, tmp_path, "--filter=blob:none")
    seen = _look(clone)
    assert (seen.promisors, seen.missing) == (("origin",), 3)
    assert fetch_missing(clone.common_dir, [clone.head("main")]) == 3
    assert _look(clone).missing == 0
    assert fetch_missing(user.common_dir, [user.head("main")]) == 0


def test_a_partial_clone_whose_remote_is_gone_is_refused(user: TestRepository, tmp_path: Path) -> None:
    """In words that say what is missing and what to do; nothing is lost."""
    user.commit({"a.txt": "two\n"})
    clone = _clone(user, tmp_path, "--filter=blob:none")
    os.rename(user.path, f"{user.path}.away")
    with pytest.raises(Refused, match="partial clone and 1 object could not be fetched") as refused:
        fetch_missing(clone.common_dir, [CommitId(clone.head("main"))])
    assert "git fetch --refetch" in refused.value.hint


def test_who_commits_is_asked_where_agents_commit(user: TestRepository) -> None:
    """An include that counts for the main worktree alone gives agents no name and no signature, and one for linked worktrees or
    branches of a run does; the folder that is made to ask is gone afterwards."""
    nobody = {
        name: value
        for name, value in sealed_environment(user.home).items()
        if "_NAME" not in name and "_EMAIL" not in name
    }
    user.git("config", "user.useConfigOnly", "true")
    ours = Path(user.home, "ours")
    ours.write_text("[user]\n\tname = Eve\n\temail = eve@example.org\n[commit]\n\tgpgSign\n[gpg]\n\tformat = ssh\n")
    conditions = {
        f"gitdir:{user.common_dir}": ("", ""),
        f"gitdir:{user.common_dir}/worktrees/": ("Eve <eve@example.org>", "ssh"),
        "onbranch:wto/**": ("Eve <eve@example.org>", "ssh"),
    }
    settings = Path(user.common_dir, "config").read_bytes()
    for condition, (name, signing) in conditions.items():
        user.git("config", f"includeIf.{condition}.path", str(ours))
        seen = _look(user, environment=nobody)
        assert (seen.identity.rpartition(" ")[0].rpartition(" ")[0], seen.signing) == (name, signing), condition
        Path(user.common_dir, "config").write_bytes(settings)
    assert not Path(user.common_dir, "worktrees").exists()


def test_settings_that_a_sparse_checkout_leaves_out_are_missed(user: TestRepository) -> None:
    """They are in the repository and would not count."""
    user.commit({".wto/config.yaml": "checks: []\n", "kept/a.txt": "a\n"})
    assert not _look(user).hidden
    user.git("sparse-checkout", "set", "--cone", "kept")
    assert _look(user).hidden
    user.git("sparse-checkout", "add", ".wto")
    seen = _look(user)
    assert seen.sparse and not seen.hidden


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"gpg.format": "ssh"}, "user.signingKey is not set"),
        ({"gpg.format": "ssh", "user.signingKey": "/nowhere/key"}, "the key /nowhere/key does not exist"),
        ({"gpg.format": "ssh", "user.signingKey": "key::ssh-ed25519 AAAA"}, ""),
        ({"gpg.format": "ssh", "gpg.ssh.defaultKeyCommand": "ssh-add -L"}, ""),
        ({"gpg.format": "ssh", "gpg.ssh.program": "no-such-program"}, "no-such-program was not found"),
        ({"gpg.program": "/no/such/gpg"}, "/no/such/gpg was not found"),
    ],
)
def test_a_signature_that_cannot_be_made_is_seen(user: TestRepository, settings: dict[str, str], reason: str) -> None:
    """A program or a key that is not there lets each commit of an agent fail; without signatures neither is looked for."""
    for key, value in settings.items():
        user.git("config", key, value)
    assert _look(user).unsignable == ""
    user.git("config", "commit.gpgSign", "true")
    assert _look(user).unsignable == reason
