"""What pull requests must never do: publish what nobody allowed, lead the token astray, obey a file that agents can reach, or
let one workstream's trouble stop the others.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.test_pull_requests import ADD, ANSWERED, FAST, _say, run, use_rest
from tests.support.forge_stub import TOKEN, ForgeStub
from tests.support.project import COMMAND_AGENT, Project
from wt_orchestrate.adapters.store.eventlog import SqliteLog
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.ids import RunId, WorkstreamId

KEY = "ghp_" + "Ab1" * 12
WORKFLOW = (
    "mkdir -p .github/workflows\necho 'on: push' > .github/workflows/ci.yml\ngit add -A\ngit commit -qm Workflow\n"
)


@pytest.fixture
def forge(project: Project) -> Iterator[ForgeStub]:
    bare = project.folder / "forge.git"
    project.repository.git("init", "-q", "--bare", "-b", "main", str(bare))
    project.repository.git("push", "-q", str(bare), "main")
    stub = ForgeStub(str(bare))
    use_rest(project, stub, "github")
    yield stub
    stub.close()


# ---------------------------------------------------------------- what is published


def test_a_changed_workflow_is_pushed_only_at_a_persons_word(project: Project, forge: ForgeStub) -> None:
    """It would run on the forge at once, with the repository's secrets: its workstream is held back, the others are opened."""
    run(project, "workstreams: {a: {brief: x}, b: {brief: y}}\n", {"a": ADD + WORKFLOW, "b": ADD})
    looked = project.wto("pr", "open", "--run", "-n")
    assert "a: not pushed: protected paths were changed: .github/workflows/ci.yml" in looked.out
    opened = project.wto("pr", "open", "--run")
    assert opened.code == 8, opened.out + opened.err
    assert "a: not pushed: protected paths were changed: .github/workflows/ci.yml" in opened.out
    assert "to push it, run wto pr open a --allow-protected" in opened.out
    assert [each.branch for each in forge.pulls] == ["wto/r1/b"] and not forge.head("wto/r1/a")
    allowed = project.wto("pr", "open", "a", "--allow-protected")
    assert allowed.code == 0 and forge.head("wto/r1/a") == project.repository.head("wto/r1/a")
    assert project.wto("pr", "open", "--run").code == 0, "what was allowed once is not asked again"


def test_S11_a_secret_is_not_published_even_if_it_was_taken_out_again(project: Project, forge: ForgeStub) -> None:
    """Every commit is looked at, because the forge has all of them; a draft is published as well."""
    script = (
        f"echo 'token = \"{KEY}\"' > conf.py\ngit add -A\ngit commit -qm Conf\ngit rm -q conf.py\ngit commit -qm Gone\n"
    )
    text = "goal: Do it\nchecks: [{run: 'true'}]\n" + COMMAND_AGENT + "workstreams: {a: {brief: x, retries: 0}}\n"
    project.wto("run", project.plan(text, {"a": ADD + script}))
    refused = project.wto("pr", "open", "a", "--draft")
    assert refused.code == 8, refused.out + refused.err
    assert "possible secrets would be pushed: conf.py:1" in refused.out and KEY not in refused.out
    assert forge.pulls == [] and not forge.head("wto/r1/a")
    mark = refused.out.partition("--allow-secret ")[2].split()[0]
    assert project.wto("pr", "open", "a", "--draft", "--allow-secret", mark).code == 0
    assert [each.branch for each in forge.pulls] == ["wto/r1/a"]


def test_what_an_answer_changes_is_held_back_by_sync_too(project: Project, forge: ForgeStub) -> None:
    """A reviewer's word sends an agent on; what it does to a workflow then needs the person's word like before."""
    run(project, "workstreams: {a: {brief: x}}\n", {"a": ADD, "a-answer": ANSWERED + WORKFLOW})
    assert project.wto("pr", "open", "a").code == 0
    before = forge.head("wto/r1/a")
    _say(forge, "wto/r1/a", 1, "Better, and run it on the forge")
    assert project.wto("pr", "sync").code == 0
    assert project.wto("resume").code == 0
    held = project.wto("pr", "sync")
    assert held.code == 8 and "a: not pushed: protected paths were changed" in held.out, held.out + held.err
    assert forge.head("wto/r1/a") == before
    pushed = project.wto("pr", "sync", "--allow-protected")
    assert pushed.code == 0 and forge.head("wto/r1/a") == project.repository.head("wto/r1/a-answer")


# ---------------------------------------------------------------- where the token goes


def test_S11_git_takes_the_token_to_no_other_server(project: Project, forge: ForgeStub) -> None:
    """A server that leads git elsewhere gets an error; the other one is not even asked."""
    run(project, "workstreams: {a: {brief: x}}\n", {"a": ADD})
    elsewhere = ForgeStub(forge.bare)
    try:
        forge.git_is_at = elsewhere.serve()
        refused = project.wto("pr", "open", "a")
        assert refused.code == 6, refused.out + refused.err
        assert elsewhere.seen == [] and TOKEN not in refused.out + refused.err
    finally:
        elsewhere.close()


def test_settings_that_were_changed_during_the_run_do_not_count(project: Project, forge: ForgeStub) -> None:
    """An agent that reaches the main worktree's settings names another place to ask: it gets no token. A person can name one."""
    elsewhere = ForgeStub(forge.bare)
    try:
        settings = f"{FAST}forge: {{kind: github, client: rest, api: '{elsewhere.serve()}/api/v3'}}"
        script = ADD + f'echo "{settings}" > "$TEST_FOLDER/repository/.wto/config.yaml"\n'
        run(project, "workstreams: {a: {brief: x}}\n", {"a": script})
        assert project.wto("pr", "open", "a").code == 0
        assert elsewhere.seen == [] and len(forge.pulls) == 1
        api = settings.partition("'")[2].partition("'")[0]
        assert project.wto("pr", "sync", "--api", api).code == 8
        assert elsewhere.seen != []
    finally:
        elsewhere.close()


def test_S11_a_token_is_not_sent_over_plain_http(project: Project, forge: ForgeStub) -> None:
    """A remote without encryption on another machine is refused before anything is asked."""
    project.repository.git("remote", "set-url", "origin", "http://forge.example.org/o/r.git")
    project.environment |= {"GH_HOST": "forge.example.org", "GH_ENTERPRISE_TOKEN": "secret-1234"}
    run(project, "workstreams: {a: {brief: x}}\n", {"a": ADD})
    refused = project.wto("pr", "open", "a")
    assert (refused.code, refused.err) == (
        6,
        "✗ origin is http://forge.example.org/o/r.git: the token would be sent unencrypted\n"
        "  ↳ git remote set-url origin https://forge.example.org/o/r\n",
    )


def test_S8_the_template_is_read_through_no_link(project: Project, forge: ForgeStub) -> None:
    """What it says is published: a link to somebody's own file is refused, the file itself is used."""
    private = project.folder / "private"
    private.write_text("machine example.org password 1234\n", encoding="utf-8")
    script = ADD + f'ln -s {private} "$TEST_FOLDER/repository/.wto/pull-request.md"\n'
    run(project, "workstreams: {a: {brief: x}}\n", {"a": script})
    refused = project.wto("pr", "open", "a")
    assert refused.code == 6 and ".wto/pull-request.md is not a regular file" in refused.err
    assert forge.pulls == []
    template = project.folder / "repository" / ".wto" / "pull-request.md"
    template.unlink()
    template.write_text("Of $workstream in $run, onto $target.\n", encoding="utf-8")
    assert project.wto("pr", "open", "a").code == 0
    assert [each.body for each in forge.pulls] == ["Of a in r1, onto main.\n"]


# ---------------------------------------------------------------- trouble


def test_trouble_with_one_stops_nothing_of_the_others(project: Project, forge: ForgeStub) -> None:
    """Somebody pushed to one branch: that is told with what to look at, and the other's remarks still go to its agent."""
    handoff = ANSWERED.partition("git commit -qam Better\n")[2]
    answered = (
        f"echo better > $WTO_WORKSTREAM\ngit add -A\ngit commit -qm Better\n{handoff}"  # whoever of both comes first
    )
    scripts = {"a": ADD, "a-answer": answered, "b": ADD, "b-answer": answered}
    run(project, "workstreams: {a: {brief: x}, b: {brief: y}}\n", scripts)
    assert project.wto("pr", "open", "--run").code == 0
    first, second = (each.branch.rpartition("/")[2] for each in forge.pulls)
    _say(forge, f"wto/r1/{first}", 1, "Better")
    assert project.wto("pr", "sync").code == 0
    assert project.wto("resume").code == 0
    project.repository.commit({"theirs.txt": "x\n"}, "Of a reviewer")
    project.repository.git("push", "-q", "-f", forge.bare, f"main:refs/heads/wto/r1/{first}")
    theirs = forge.head(f"wto/r1/{first}")
    _say(forge, f"wto/r1/{second}", 2, "Better, too")
    synced = project.wto("pr", "sync")
    assert synced.code == 8, synced.out + synced.err
    assert f"{first}: wto/r1/{first} is at {theirs[:10]}" in synced.out and "but we did not push it there" in synced.out
    assert f"{second}: #2: 1 remark sent to {second}-answer" in synced.out
    assert forge.head(f"wto/r1/{first}") == theirs


def test_looking_changes_nothing(project: Project, forge: ForgeStub) -> None:
    """`sync -n` says what a sync would do, and neither the forge nor the run has changed then."""
    run(project, "workstreams: {a: {brief: x}}\n", {"a": ADD, "a-answer": ANSWERED})
    assert project.wto("pr", "open", "a").code == 0
    _say(forge, "wto/r1/a", 1, "Better")
    forge.seen.clear()
    looked = project.wto("pr", "sync", "-n")
    assert (looked.code, looked.out) == (0, "✓ a: #1: 1 remark sent to a-answer\n")
    assert {method for method, path, _ in forge.seen if "/repos/" in path} == {"GET"}
    assert set(project.stages()) == {"a"}
    assert project.wto("pr", "sync").out.startswith(looked.out)


def test_what_was_collected_when_the_command_died_is_sent_by_the_next(project: Project, forge: ForgeStub) -> None:
    """Remarks that lie there unsent go to the agent once, however often it is called."""
    text = (
        "goal: Do it\nchecks: [{run: 'test ! -e a.txt'}]\n"
        + COMMAND_AGENT
        + "workstreams: {a: {brief: x, retries: 0}}\n"
    )
    project.wto("run", project.plan(text, {"a": ADD}))
    assert project.wto("pr", "open", "a", "--draft").code == 0
    log = SqliteLog(str(project.state / "log.db"))
    name = WorkstreamId("a")
    log.ask(RunId("r1"), e.RetryRequested(workstream=name), now=1.0)
    said = e.CommentRequested(workstream=name, text="reviewer wrote", origin="#1 talk 1")
    log.ask(RunId("r1"), said, now=2.0)
    _say(forge, "wto/r1/a", 1, "Better")
    project.plan(text, {"a": "sleep 600\n", "a.2": "sleep 600\n"})
    project.start("resume")
    project.wait_for("a", "working")
    sent = project.wto("pr", "sync")
    assert "a: #1: earlier remarks were sent to a" in sent.out, sent.out + sent.err
    again = project.wto("pr", "sync")
    assert "earlier remarks" not in again.out and "nothing new" in again.out
    (comment,) = project.wto("comment", "a", "--list", "--json").json["comments"]
    assert (comment["text"], comment["status"]) == ("reviewer wrote", "open")
    log.close()


def test_S12_a_token_is_not_sent_to_a_host_that_a_clone_names(project: Project, forge: ForgeStub) -> None:
    """A public forge's token goes neither to a host that only sounds like it, nor to one that settings call by its kind."""
    project.repository.git("remote", "set-url", "origin", "https://github.evil.invalid/o/r.git")
    run(project, "workstreams: {a: {brief: x}}\n", {"a": ADD})
    project.environment["GITEA_TOKEN"] = "secret-1234"
    for words in (("pr", "open", "a"), ("pr", "open", "a", "--forge", "gitea")):
        refused = project.wto(*words)
        assert refused.code != 0 and forge.seen == [], refused
        assert "there is no token for" in refused.err, refused
