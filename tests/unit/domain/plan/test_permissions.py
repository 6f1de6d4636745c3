"""What an agent may do by default."""

from __future__ import annotations

import json

import pytest

from wt_orchestrate.domain.plan.permissions import allow_rules, allows, decide_permission, deny_rules, reading_rules


def test_checks_are_allowed_as_they_are_written() -> None:
    """A plain check may have further words behind it; one with shell syntax may be run only as it is."""
    rules = allow_rules(("make test", "a && b", "echo $(id)"))
    assert "Bash(make test)" in rules and "Bash(make test *)" in rules
    assert "Bash(a && b)" in rules and "Bash(a && b *)" not in rules
    assert not any("id" in rule and "echo" in rule for rule in rules)


def test_the_runner_of_a_check_is_allowed_with_other_arguments() -> None:
    """One test file instead of all: what runs the tests may run others, an interpreter that runs anything may not."""
    rules = allow_rules(
        ("pytest tests", ".venv/bin/python -m pytest -q", "npm run test:unit", "sh check.sh", "python x.py")
    )
    assert {"Bash(pytest *)", "Bash(.venv/bin/python -m pytest *)", "Bash(npm run test:unit *)"} <= set(rules)
    assert not {"Bash(sh *)", "Bash(python *)", "Bash(npm run *)", "Bash(.venv/bin/python *)"} & set(rules)


def test_git_is_allowed_on_the_own_branch_and_denied_where_it_is_shared() -> None:
    """Committing is granted; the stash, pushing, configuration and refs are not, whatever a user allows."""
    allowed, denied = allow_rules((), ("Bash(npm *)",)), deny_rules()
    assert {"Bash(git commit *)", "Bash(git status)", "Bash(npm *)"} <= set(allowed)
    assert {"Bash(git stash)", "Bash(git push *)", "Bash(git config *)", "Bash(git update-ref *)"} <= set(denied)
    assert not any(rule in {"Bash(git *)", "Bash(git:*)"} for rule in allowed)


def test_whatever_is_asked_is_denied_with_the_way_on() -> None:
    """The answer names what was asked and how an agent goes on without it."""
    allowed, reason = decide_permission(tool="Bash", target="curl http://x")
    assert not allowed
    assert reason.startswith("Not allowed: Bash curl http://x.") and "status: blocked" in reason


def test_whoever_only_reads_is_granted_the_checks_and_its_handoff() -> None:
    """No command with options that write is granted as a whole; which of git's only read, the client knows."""
    assert reading_rules(("make test",)) == (
        "Bash(git describe)",
        "Bash(git describe *)",
        "Bash(git ls-tree)",
        "Bash(git ls-tree *)",
        "Bash(make test)",
        "Bash(make test *)",
        "Edit(HANDOFF.md)",
    )


@pytest.mark.parametrize(
    ("rule", "command", "right"),
    [
        ("Bash(npm test *)", "npm test", True),
        ("Bash(npm test *)", "npm test -- --watch=false", True),
        ("Bash(npm test:*)", "npm test src/a.test.js", True),
        ("Bash(npm test *)", "npm tests", False),
        ("Bash(npm test *)", "npm test && rm -rf ..", False),
        ("Bash(npm test *)", "npm test > ../x", False),
        ("Bash(npm test *)", "npm test $(rm x)", False),
        ("Bash(npm test *)", "npm test\nrm x", False),
        ("Bash(make)", "make", True),
        ("Bash(make)", "make install", False),
        ("Bash", "anything at all", True),
        ("Bash(*)", "anything at all", True),
        ("WebFetch", "curl x", False),
        ("Bash(make", "make", False),
    ],
)
def test_a_rule_allows_one_command_with_its_arguments(rule: str, command: str, right: bool) -> None:
    """A rule with a star allows arguments, never a second command or a file that is written."""
    assert allows(rule, tool="Bash", payload=json.dumps({"command": command})) is right


def test_what_a_person_allowed_is_no_right_to_write_for_an_agent_that_reads() -> None:
    """Rules that were added count for agents that may write, and an input that is none denies."""
    payload = json.dumps({"command": "make"})
    assert decide_permission(tool="Bash", target="make", payload=payload, allowed=("Bash(make)",))[0]
    assert not decide_permission(tool="Bash", target="make", payload=payload, allowed=("Bash(make)",), read_only=True)[
        0
    ]
    assert not decide_permission(tool="Bash", target="make", payload="[", allowed=("Bash(make)",))[0]
    assert not decide_permission(tool="WebFetch", target="x", payload="{}", allowed=("WebFetch(domain:x)",))[0]
