"""What is said of a repository before a run: each finding with its weight and its remedy, the gravest first."""

from __future__ import annotations

import pytest

from wt_orchestrate.domain.preflight import FindingWeight, Look, Tracked, findings, refusal

SOUND = Look(target="main", identity="Ada <ada@example.org> 1700000000 +0000")
REFUSED = (
    (Look(target="main", identity=""), "identity", "user.name and user.email are not set, so agents cannot commit"),
    (
        Look(target="nowhere", exists=False, identity=SOUND.identity),
        "target",
        "the target branch nowhere does not exist",
    ),
    (
        Look(taken=("wto/r1/a",), identity=SOUND.identity),
        "branches",
        "wto/r1/a would be in the way of the run's branches",
    ),
    (
        Look(unborn={"/trees": "/trees is a file"}, identity=SOUND.identity),
        "folders",
        "/trees cannot be made: /trees is a file",
    ),
    (
        Look(tracked=Tracked(handoff=True), identity=SOUND.identity),
        "handoff",
        "the repository tracks a HANDOFF.md, which is the file that each agent writes its report to",
    ),
    (
        Look(signing="ssh", unsignable="the key ~/k does not exist", identity=SOUND.identity),
        "signing",
        "commits are signed (ssh), and the key ~/k does not exist: agents cannot commit",
    ),
    (
        Look(sparse=True, hidden=True, identity=SOUND.identity),
        "settings",
        "your sparse checkout leaves out .wto/config.yaml, so its checks and limits would not count",
    ),
)
WARNED = (
    (Look(shallow=True), "shallow", "git fetch --unshallow"),
    (
        Look(promisors=("origin",), missing=3),
        "partial-clone",
        "git fetch --refetch --no-filter fetches all of them for good",
    ),
    (Look(tags=("wto/r1/a",)), "tags", "git tag -d wto/r1/a"),
    (
        Look(target="main", upstream="origin/main", behind=2),
        "target",
        "update main first (git pull), if the work builds on it",
    ),
    (Look(uncommitted=("a.py",), checkout="/r"), "uncommitted", "commit them in /r, if the work needs them"),
    (
        Look(tracked=Tracked(gitmodules=True, gitlinks=("lib", "own"), absent=("lib",))),
        "submodules",
        "git submodule update --init --recursive, if the work needs them",
    ),
    (
        Look(signing="ssh", unsigned_for=("SSH_AUTH_SOCK",)),
        "signing",
        "pass_env: [SSH_AUTH_SOCK] in .wto/config.yaml passes them on",
    ),
    (
        Look(hooks_path=".husky/_", hooks=("pre-commit",)),
        "hooks",
        "make them there by a command in setup:, in .wto/config.yaml",
    ),
    (
        Look(checks=('test -n "$NPM_TOKEN"',), withheld=("MY_SECRET", "NPM_TOKEN")),
        "variables",
        "pass_env: [NPM_TOKEN] in .wto/config.yaml passes them on",
    ),
    (Look(hooks=("post-checkout",)), "hooks", "what it prepares belongs into setup:, in .wto/config.yaml"),
    (
        Look(setup=("pre-commit install",)),
        "hook-installer",
        "hooks: off in .wto/config.yaml leaves core.hooksPath alone",
    ),
)
NOTED = (
    (Look(promisors=("origin",)), "partial-clone", "all that a run needs is here"),
    (Look(tracked=Tracked(gitmodules=True)), "submodules", "there is a .gitmodules and no submodule"),
    (
        Look(tracked=Tracked(gitmodules=True, gitlinks=("lib",))),
        "submodules",
        "agents and checks get the files of lib as you have them; changes in them are nobody's work",
    ),
    (Look(sparse=True), "sparse-checkout", "your checkout is sparse; agents' worktrees have every file"),
    (Look(signing="ssh"), "signing", "agents' commits are signed (ssh), as yours"),
    (Look(withheld=("NPM_TOKEN",)), "variables", "setup commands and checks do not get NPM_TOKEN"),
    (
        Look(tracked=Tracked(instructions=(".claude/CLAUDE.md", "AGENTS.md"))),
        "instructions",
        "agents get .claude/CLAUDE.md, with what it imports",
    ),
    (
        Look(tracked=Tracked(not_passed_on=(".mcp.json", ".claude/skills/"))),
        "client-settings",
        "agents do not get the repository's .mcp.json, .claude/skills/",
    ),
)


def test_a_sound_repository_has_nothing_but_who_commits() -> None:
    """One note, and no refusal."""
    found = findings(SOUND, agents=True)
    assert [(each.id, each.weight) for each in found] == [("identity", FindingWeight.NOTE)]
    assert refusal(found) is None
    assert findings(SOUND, agents=False) == ()


@pytest.mark.parametrize(("look", "name", "words"), REFUSED, ids=[name for _, name, _ in REFUSED])
def test_what_costs_attempts_whatever_agents_do_is_refused(look: Look, name: str, words: str) -> None:
    """It comes first, and says what to do."""
    found = findings(look, agents=True)
    refused = refusal(found)
    assert refused == found[0] and refused is not None
    assert (refused.id, refused.found) == (name, words) and refused.remedy


@pytest.mark.parametrize(
    ("look", "name", "remedy"), WARNED, ids=[f"{name} {number}" for number, (_, name, _) in enumerate(WARNED)]
)
def test_what_somebody_would_miss_is_a_warning_with_its_remedy(look: Look, name: str, remedy: str) -> None:
    """A run goes on, and its start says so."""
    warned = [each for each in findings(look, agents=True) if each.weight is FindingWeight.WARN]
    assert [(each.id, each.remedy) for each in warned] == [(name, remedy)]


@pytest.mark.parametrize(("look", "name", "words"), NOTED, ids=[name for _, name, _ in NOTED])
def test_what_is_good_to_know_is_a_note(look: Look, name: str, words: str) -> None:
    """It is told where somebody asks."""
    noted = {each.id: each.found for each in findings(look, agents=True) if each.weight is FindingWeight.NOTE}
    assert noted[name] == words


def test_hooks_off_and_tracked_hooks_leave_nothing_to_warn_of() -> None:
    """Where our guards do not set core.hooksPath an installer works, and hooks that are in the repository reach worktrees."""
    looks = (
        Look(setup=("pre-commit install",), guards=False, identity=SOUND.identity),
        Look(
            hooks_path=".githooks",
            hooks=("pre-commit",),
            tracked=Tracked(hooks=(".githooks/pre-commit",)),
            identity=SOUND.identity,
        ),
    )
    for look in looks:
        assert all(each.weight is FindingWeight.NOTE for each in findings(look, agents=True))


def test_a_queue_of_branches_needs_none_of_what_agents_need() -> None:
    """No identity, no submodules, no report file: only what git itself needs."""
    look = Look(tracked=Tracked(handoff=True, gitlinks=("lib",)), identity="", uncommitted=("a",), shallow=True)
    assert [each.id for each in findings(look, agents=False)] == ["shallow"]
