"""What of a repository's settings needs trust."""

from __future__ import annotations

from dataclasses import fields

import pytest

from wt_orchestrate.domain.plan.model import AgentSpec, Check
from wt_orchestrate.domain.plan.roles import Role
from wt_orchestrate.domain.plan.settings import ForgeSettings, Hooks, Merging, Regenerate, Settings
from wt_orchestrate.domain.plan.trust import GUARDS, HARMLESS, Power, powers
from wt_orchestrate.domain.replace import replace


def _told(settings: Settings) -> list[str]:
    return [f"{each.key}: {each.value}" for each in powers(settings)]


def test_the_defaults_need_no_trust() -> None:
    """A repository without settings is asked for nothing."""
    assert powers(Settings()) == ()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            Settings(agents={"fast": AgentSpec(binary="tools/x", allow=("Bash",), env={"A": "b"})}),
            ["agents.fast.binary: tools/x", "agents.fast.allow[]: Bash", "agents.fast.env.A: b"],
        ),
        (Settings(setup=("make deps", "npm ci")), ["setup[]: make deps", "setup[]: npm ci"]),
        (Settings(checks=(Check(run="make test", timeout="1h"),)), ["checks[].run: make test"]),
        (Settings(pass_env=("AWS_KEY",)), ["pass_env[]: AWS_KEY"]),
        (Settings(hooks=Hooks.OFF), ["hooks: off"]),
        (Settings(largest_mb=900), ["largest_mb: 900"]),
        (Settings(worktrees="/etc/{run}/{workstream}"), ["worktrees: /etc/{run}/{workstream}"]),
        (Settings(forge=ForgeSettings(api="https://evil.example", rounds=9)), ["forge.api: https://evil.example"]),
        (
            Settings(merge=Merging(regenerate=(Regenerate(paths=("*.lock",), run="sh x"),), rerere=False)),
            ["merge.regenerate[].paths[]: *.lock", "merge.regenerate[].run: sh x"],
        ),
    ],
)
def test_what_starts_programs_or_widens_rights_needs_trust(settings: Settings, told: list[str]) -> None:
    """Each such value is one line, with the place where it stands; what is harmless beside it is not told."""
    assert _told(settings) == told


def test_a_guard_that_is_taken_away_needs_trust_and_one_that_is_added_does_not() -> None:
    """Fewer protected paths or trailers widen what agents may do; more of them do not."""
    usual = Settings()
    fewer = replace(usual, protected=(*usual.protected[1:], "docs/**"), human_trailers=usual.human_trailers[:-1])
    assert _told(fewer) == [
        f"protected: without {usual.protected[0]}",
        f"human_trailers: without {usual.human_trailers[-1]}",
    ]


def test_a_role_needs_trust_as_a_whole_and_a_built_in_one_does_not() -> None:
    """A changed word of its prompt is another role; the same file read again is the same."""
    role = Role(name="r", description="d", prompt="Be good.", tools=("Read",), source=".wto/roles/r.md")
    other = replace(role, prompt="Be bad.")
    assert powers(Settings(roles={"r": replace(role, source="")})) == ()
    one, again, changed = (powers(Settings(roles={"r": each})) for each in (role, replace(role), other))
    assert one == again != changed
    assert one[0].value.startswith(".wto/roles/r.md: Read (")


def test_a_value_is_remembered_by_its_place_and_its_content() -> None:
    """The same word at another place is another power."""
    digests = {
        Power(key=key, value=value).digest for key, value in (("setup[]", "x"), ("pass_env[]", "x"), ("setup[]", "y"))
    }
    assert len(digests) == 3


def test_every_setting_is_asked_for_unless_somebody_said_that_it_is_harmless() -> None:
    """The lists of harmless values and of guards name settings that there are, so that a renamed one is asked for again."""
    known = {each.name for each in fields(Settings)}
    assert {name.partition(".")[0].removesuffix("[]") for name in (*HARMLESS, *GUARDS)} <= known
