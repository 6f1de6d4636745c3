"""History as the project likes it: each style of landing, what it leaves behind, and what later work makes of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.support.missing import missing
from tests.support.project import COMMAND_AGENT, COMMIT, Project

TWICE = (
    'echo one > "$WTO_WORKSTREAM.txt"\ngit add -A\ngit commit -qm "First of $WTO_WORKSTREAM"\n'
    'echo two >> "$WTO_WORKSTREAM.txt"\ngit commit -qam "Second of $WTO_WORKSTREAM"\n'
    "printf -- '---\\nstatus: done\\n---\\n## Summary\\n\\nWrote two lines.\\n' > HANDOFF.md\n"
)


def _run(project: Project, settings: str, *names: str, script: str = TWICE, extra: str = "") -> None:
    project.repository.commit({".wto/config.yaml": settings}, "Settings")
    streams = ", ".join(f"{name}: {{title: Do {name}, brief: x}}" for name in names)
    text = f"goal: Do it\nchecks: [{{run: 'true'}}]\n{extra}{COMMAND_AGENT}workstreams: {{{streams}}}\n"
    ended = project.wto("run", project.plan(text, dict.fromkeys(names, script)))
    assert ended.code == 0, ended.out + ended.err


def _line(project: Project, before: str) -> list[str]:
    """Subjects of the commits on main since, oldest first, each with its number of parents."""
    said = project.repository.git("log", "--reverse", "--topo-order", "--format=%s|%P", f"{before}..main").splitlines()
    return [f"{subject} ({len(parents.split())})" for subject, _, parents in (line.partition("|") for line in said)]


def _tree(project: Project, name: str) -> str:
    return project.repository.git("rev-parse", f"{name}^{{tree}}").strip()


def test_L2_squash_lands_one_commit_a_workstream_with_the_tree_that_was_checked(project: Project) -> None:
    """Title and handoff make the message, the user is author and committer, the agent is named as asked; the tree is that
    of the integration branch, and the checkout follows."""
    _run(project, 'landing: squash\nco_author: "{agent} <agents@example.com>"\n', "a", "b")
    checked, before = _tree(project, "wto/r1/integration"), project.repository.head("main")
    told = project.wto("land", "-n")
    assert "as one commit a workstream" in told.out and project.repository.head("main") == before
    landed = project.wto("land")
    assert landed.code == 0, landed.err
    assert sorted(_line(project, before)) == ["Do a (1)", "Do b (1)"]
    assert _tree(project, "main") == checked
    message = project.repository.git("log", "-1", "--format=%B", "main")
    assert "Wrote two lines." in message and "Wto-Run: r1" in message
    assert "Co-authored-by: sh <agents@example.com>" in message or "<agents@example.com>" in message
    me = project.repository.git("config", "user.email").strip()
    assert project.repository.git("log", "-2", "--format=%ae %ce", "main").split() == [me] * 4
    assert project.repository.git("status", "--porcelain") == ""


def test_L2_rebase_lands_the_workstreams_own_commits_in_a_line(project: Project) -> None:
    """No merge commit is on the target, each commit has its author's message, and the tree is the one that was checked."""
    by_bea = TWICE.replace("git commit -qm", "git commit --author 'Bea <bea@example.org>' -qm", 1)
    _run(project, "landing: rebase\n", "a", "b", script=by_bea)
    checked, before = _tree(project, "wto/r1/integration"), project.repository.head("main")
    landed = project.wto("land")
    assert landed.code == 0, landed.err
    found = _line(project, before)
    assert sorted(found) == ["First of a (1)", "First of b (1)", "Second of a (1)", "Second of b (1)"]
    authors = project.repository.git("log", "--format=%ae", f"{before}..main").split()
    assert authors.count("bea@example.org") == 2
    assert _tree(project, "main") == checked


def test_L2_ff_lands_the_very_commits_where_it_can(project: Project) -> None:
    """No commit is made for a workstream that builds on the target as it is; the next one's are replayed on it."""
    _run(project, "landing: ff\n", "a", "b")
    before, checked = project.repository.head("main"), _tree(project, "wto/r1/integration")
    assert project.wto("land").code == 0
    found = project.repository.git("rev-list", "--reverse", f"{before}..main").split()
    own = [project.repository.git("rev-list", "--reverse", f"{before}..wto/r1/{name}").split() for name in ("a", "b")]
    assert found[:2] in own and len(found) == 4
    assert all(line.endswith("(1)") for line in _line(project, before))
    assert _tree(project, "main") == checked


def test_L3_ff_refuses_a_target_that_moved(project: Project) -> None:
    """Beforehand and at the landing, in the same words; nothing is changed."""
    _run(project, "landing: ff\n", "a")
    mine = project.repository.commit({"mine.txt": "mine\n"}, "Mine")
    for words in (("land", "-n"), ("land",)):
        refused = project.wto(*words)
        assert refused.code != 0 and "`landing: ff`" in refused.err, refused.out + refused.err
    assert project.repository.head("main") == mine


@pytest.mark.parametrize("style", ["squash", "rebase"])
def test_L3_a_target_that_moved_is_under_the_line(project: Project, style: str) -> None:
    """A person's commit made meanwhile stays below what lands, and no merge commit is made on the target."""
    _run(project, f"landing: {style}\n", "a", "b")
    mine = project.repository.commit({"mine.txt": "mine\n"}, "Mine")
    landed = project.wto("land")
    assert landed.code == 0, landed.err
    found = _line(project, mine)
    assert len(found) == (2 if style == "squash" else 4) and all(line.endswith("(1)") for line in found)
    assert project.repository.git("ls-tree", "--name-only", "main").split() == [
        ".wto",
        "README.md",
        "a.txt",
        "b.txt",
        "mine.txt",
    ]


@pytest.mark.parametrize("style", ["squash", "rebase"])
def test_L1_later_work_and_tidying_understand_what_landed(project: Project, style: str) -> None:
    """After a landing: nothing lands twice, the report and the status say landed, worktrees and the integration branch are
    cleaned, and a later run changes the same lines on top."""
    _run(project, f"landing: {style}\n", "a")
    assert project.wto("land").code == 0
    head = project.repository.head("main")
    assert project.stages() == {"a": "landed"}
    assert project.wto("land").code != 0 and project.repository.head("main") == head
    assert "Landed on main" in project.wto("report").out
    cleaned = project.wto("clean")
    assert cleaned.code == 0, cleaned.err
    assert "wto/r1/integration" not in project.repository.git("branch", "--list", "wto/r1/integration"), cleaned.out
    text = "goal: More\nchecks: []\n" + COMMAND_AGENT + "workstreams: {a: {title: More of a, brief: x}}\n"
    more = 'echo three >> a.txt\ngit commit -qam "Third"\n'
    ended = project.wto("run", project.plan(text, {"a": more}, name="more.yaml"))
    assert ended.code == 0, ended.out + ended.err
    landed = project.wto("land")
    assert landed.code == 0, landed.err
    assert (Path(project.repository.path) / "a.txt").read_text() == "one\ntwo\nthree\n"


def test_L1_what_builds_on_squashed_work_lands_after_it(project: Project) -> None:
    """A workstream that changes the lines of one that landed squashed before it has a merge base with it: no conflict."""
    project.repository.commit({".wto/config.yaml": "landing: squash\n"}, "Settings")
    before = project.repository.head("main")
    go = project.folder / "go"
    text = (
        "goal: Do it\nchecks: []\n"
        + COMMAND_AGENT
        + "workstreams: {a: {title: Do a, brief: x}, b: {title: Do b, brief: x, needs: [a]}}\n"
    )
    waits = f'until [ -e {go} ]; do sleep 0.05; done\necho more > a.txt\ngit commit -qam "Do b"\n'
    running = project.start("run", project.plan(text, {"a": COMMIT, "b": waits}))
    project.wait_for("b", "working")
    assert project.wto("land").code == 0
    go.touch()
    running.wait(60)
    project.wait_for("b", "integrated")
    landed = project.wto("land")
    assert landed.code == 0, landed.err
    assert _line(project, before) == ["Do a (1)", "Do b (1)"]
    assert (Path(project.repository.path) / "a.txt").read_text() == "more\n"


def _signing_key(project: Project) -> str:
    """A key of the user's, without a passphrase, and what git needs to know whose it is; its private part."""
    key = project.folder / "keys" / "id"
    key.parent.mkdir()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    allowed = project.folder / "keys" / "allowed"
    allowed.write_text(f"* {key.with_suffix('.pub').read_text()}")
    for name, value in {
        "gpg.format": "ssh",
        "user.signingKey": str(key),
        "gpg.ssh.allowedSignersFile": str(allowed),
        "commit.gpgSign": "true",
    }.items():
        project.repository.git("config", name, value)
    return str(key)


@pytest.mark.parametrize("style", ["merge", "squash", "rebase", "ff"])
def test_what_lands_is_signed_as_the_user_signs(project: Project, style: str) -> None:
    """With `commit.gpgsign`, every commit that comes to the target has a good signature and the user as its committer."""
    _signing_key(project)
    before = project.repository.head("main")
    _run(project, f"landing: {style}\n", "a", "b")
    checked = _tree(project, "wto/r1/integration")
    landed = project.wto("land")
    assert landed.code == 0, landed.err
    me = project.repository.git("config", "user.email").strip()
    said = project.repository.git("log", "--format=%G? %ce", f"{before}..main").splitlines()
    assert len(said) >= 3 and set(said) == {f"G {me}"}, said
    assert _tree(project, "main") == checked
    assert project.repository.git("status", "--porcelain") == ""
    assert project.wto("clean").code == 0


def test_a_key_that_cannot_sign_lands_nothing(project: Project) -> None:
    """Told beforehand and at the landing, in the same words; with the key back it lands."""
    key = _signing_key(project)
    _run(project, "landing: squash\n", "a")
    before = project.repository.head("main")
    os.rename(key, f"{key}.away")
    for words in (("land", "-n"), ("land",)):
        refused = project.wto(*words)
        assert refused.code == 8 and "cannot be signed as you" in refused.out + refused.err
    assert project.repository.head("main") == before
    os.rename(f"{key}.away", key)
    assert project.wto("land").code == 0
    assert project.repository.git("log", "-1", "--format=%G?", "main").strip() == "G"


def test_what_lands_is_signed_by_gpg_where_nothing_else_is_set(project: Project) -> None:
    """A signature by OpenPGP, git's default, with the program that git finds."""
    if shutil.which("gpg") is None:
        missing("gpg is not installed (apt-get install gnupg)")
    with tempfile.TemporaryDirectory(prefix="g") as home:  # gpg's socket needs a short path
        project.environment["GNUPGHOME"] = home
        env = {**os.environ, "GNUPGHOME": home}
        me = project.repository.git("config", "user.email").strip()
        made = ["gpg", "--batch", "-q", "--passphrase", "", "--quick-gen-key", f"Ada <{me}>", "ed25519", "sign"]
        subprocess.run(made, env=env, check=True, capture_output=True)
        try:
            project.repository.commit({".wto/config.yaml": "landing: squash\n"}, "Settings")
            project.repository.git("switch", "-qc", "feature")
            project.repository.commit({"g.txt": "g\n"}, "Add g")
            project.repository.git("switch", "-q", "main")
            project.repository.git("config", "commit.gpgSign", "true")
            assert project.wto("train", "add", "feature", "--check", "true").code == 0
            landed = project.wto("train", "run", "--land")
            assert landed.code == 0, landed.out + landed.err
            assert "-----BEGIN PGP SIGNATURE-----" in project.repository.git("cat-file", "-p", "main")
        finally:
            subprocess.run(["gpgconf", "--kill", "gpg-agent"], env=env, check=False)


def test_S1_a_program_that_an_agent_names_signs_nothing(project: Project) -> None:
    """Name, key and program are those of the start of the run, also where a person lets the changed repository land."""
    canary, evil = project.folder / "canary", project.folder / "evil"
    planted = (
        f'printf "#!/bin/sh\\ntouch {canary}\\n" > {evil}\nchmod +x {evil}\ngit config gpg.program {evil}\n'
        "git config commit.gpgSign true\ngit config user.email evil@example.com\n"
    )
    _run(project, "landing: squash\n", "a", script=TWICE + planted)
    assert project.wto("land").code == 8
    landed = project.wto("land", "--allow-changed")
    assert landed.code == 0, landed.err
    assert not canary.exists()
    assert "evil" not in project.repository.git("log", "-1", "--format=%ae %ce", "main")


def test_L3_a_squashed_run_lands_on_a_renamed_target(project: Project) -> None:
    """By its new name, as the dry run said, as one commit a workstream."""
    named = TWICE.replace("Second of $WTO_WORKSTREAM", "Second\n\nCo-authored-by: Nobody <nobody@example.org>")
    _run(project, "landing: squash\n", "a", script=named)
    before = project.repository.head("main")
    project.repository.git("branch", "-m", "main", "trunk")
    assert project.wto("land", "-n", "--onto", "trunk").code == 0
    landed = project.wto("land", "--onto", "trunk")
    assert landed.code == 0, landed.err
    assert project.repository.git("log", "--format=%s", f"{before}..trunk").split("\n")[0] == "Do a"
    assert "Co-authored-by" not in project.repository.git("log", "--format=%B", f"{before}..trunk")
    assert project.wto("clean").code == 0


def test_L2_a_queued_branch_is_squashed_by_its_last_subject(project: Project) -> None:
    """As forges do: the last subject as the title, the subjects of all commits below."""
    project.repository.commit({".wto/config.yaml": "landing: squash\n"}, "Settings")
    before = project.repository.head("main")
    project.repository.git("switch", "-qc", "feature")
    project.repository.commit({"one.txt": "1\n"}, "Add one")
    project.repository.commit({"two.txt": "2\n"}, "Add two")
    project.repository.git("switch", "-q", "main")
    assert project.wto("train", "add", "feature", "--check", "true").code == 0
    landed = project.wto("train", "run", "--land")
    assert landed.code == 0, landed.out + landed.err
    assert _line(project, before) == ["Add two (1)"]
    message = project.repository.git("log", "-1", "--format=%B", "main")
    assert "- Add one" in message and "Wto-Run: r1" in message
    head = project.repository.head("main")
    project.wto("train", "add", "feature", "--check", "true")
    project.wto("train", "run", "--land")
    assert project.repository.head("main") == head


@pytest.mark.parametrize("seen", [True, False])
def test_hooks_of_the_user_see_a_landing_unless_told_otherwise(project: Project, seen: bool) -> None:
    """`landing_hooks: false` leaves out both hooks that see one otherwise."""
    hooks, ran = Path(project.repository.common_dir) / "hooks", project.folder / "hooks-ran"
    hooks.mkdir(exist_ok=True)
    for name in ("post-merge", "reference-transaction"):
        (hooks / name).write_text(f"#!/bin/sh\necho {name} >> {ran}\n")
        (hooks / name).chmod(0o755)
    _run(project, f"landing_hooks: {str(seen).lower()}\n", "a")
    ran.unlink(missing_ok=True)  # the agent's own commits ran one of them
    landed = project.wto("land")
    assert landed.code == 0, landed.err
    assert (set(ran.read_text().split()) if ran.exists() else set()) == (
        {"post-merge", "reference-transaction"} if seen else set()
    )


def test_doctor_says_how_and_as_whom_a_run_lands(project: Project) -> None:
    """Style, name, address, and by what it is signed."""
    project.repository.commit({".wto/config.yaml": "landing: squash\n"}, "Settings")
    me = project.repository.git("config", "user.email").strip()
    told = " ".join(project.wto("doctor").out.split())
    assert "squash: commits that land are by" in told and me in told and "not signed" in told, told
    _signing_key(project)
    assert "signed (ssh)" in " ".join(project.wto("doctor").out.split())


def test_co_author_is_an_address(project: Project) -> None:
    """What could not stand in a trailer is refused with its place."""
    project.repository.commit({".wto/config.yaml": "co_author: nobody\n"}, "Settings")
    text = "goal: Do it\nchecks: []\n" + COMMAND_AGENT + "workstreams: {a: {title: Do a, brief: x}}\n"
    refused = project.wto("run", project.plan(text, {"a": COMMIT}))
    assert refused.code == 3 and "co_author" in refused.err, refused.err


def test_merges_that_land_are_the_users(project: Project) -> None:
    """Without a signature too: the user is the author of each merge, ours and of a moved target, and we are the committer; a
    name from the environment counts, as for git."""
    project.environment |= {"GIT_AUTHOR_NAME": "Grace <H>", "GIT_AUTHOR_EMAIL": "grace@example.org"}
    plan = project.plan("goal: g\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n", {"a": COMMIT})
    assert project.wto("run", plan).code == 0
    project.repository.commit({"moved.txt": "x"})
    assert project.wto("land").code == 0
    merges = project.repository.git("log", "--merges", "--format=%an <%ae>|%cn <%ce>", "main").splitlines()
    assert len(merges) == 2
    assert set(merges) == {"Grace H <grace@example.org>|wt-orchestrate <wt-orchestrate@localhost>"}
