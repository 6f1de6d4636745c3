"""What an agent may do by default."""

from __future__ import annotations

from wt_orchestrate.domain.plan.permissions import allow_rules, decide_permission, deny_rules, reading_rules


def test_checks_are_allowed_as_they_are_written() -> None:
    """A plain check may have further words behind it; one with shell syntax may be run only as it is."""
    rules = allow_rules(("make test", "a && b", "echo $(id)"))
    assert "Bash(make test)" in rules and "Bash(make test *)" in rules
    assert "Bash(a && b)" in rules and "Bash(a && b *)" not in rules
    assert not any("id" in rule and "echo" in rule for rule in rules)


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
