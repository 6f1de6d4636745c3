"""Which agent and which role a name stands for."""

from __future__ import annotations

import pytest

from wt_orchestrate.domain.plan.model import AgentSpec, AgentType
from wt_orchestrate.domain.plan.roles import Role
from wt_orchestrate.domain.plan.settings import Settings, agent_spec, role_of

OF_PLAN = AgentSpec(type=AgentType.COMMAND, run="plan")
OF_REPOSITORY = AgentSpec(type=AgentType.COMMAND, run="repository")


@pytest.mark.parametrize(
    ("name", "found"),
    [("both", OF_PLAN), ("mine", OF_REPOSITORY), ("claude-code", AgentSpec()), ("command", None), ("", None)],
)
def test_a_plans_agent_goes_before_the_repositorys_and_both_before_the_built_in(
    name: str, found: AgentSpec | None
) -> None:
    """One built-in agent is there without a word; every other name must be defined."""
    settings = Settings(agents={"both": OF_REPOSITORY, "mine": OF_REPOSITORY})
    assert agent_spec(name, plan_agents={"both": OF_PLAN}, settings=settings) == found


def test_a_defined_agent_replaces_the_built_in_one() -> None:
    """Whoever defines `claude-code` gets theirs."""
    assert agent_spec("claude-code", plan_agents={}, settings=Settings(agents={"claude-code": OF_PLAN})) == OF_PLAN


def test_a_role_is_found_by_name_and_an_unknown_one_is_none() -> None:
    """Logs from before roles were files name roles that are recorded nowhere."""
    role = Role(name="builder", description="builds", prompt="Build.")
    settings = Settings(roles={"builder": role})
    assert (role_of("builder", settings=settings), role_of("debugger", settings=settings)) == (role, None)
