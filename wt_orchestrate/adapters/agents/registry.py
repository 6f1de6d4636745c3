"""All agents: one line for each type."""

from __future__ import annotations

from collections.abc import Mapping

from wt_orchestrate.adapters.agents.claude_code import ClaudeCode
from wt_orchestrate.adapters.agents.command import CommandAgent
from wt_orchestrate.domain.plan.model import AgentType
from wt_orchestrate.ports.engine import Agent


def agents(
    environment: Mapping[str, str],
    *,
    passed: tuple[str, ...] = (),
    accounts: Mapping[str, Mapping[str, str]] | None = None,
    sandboxed: bool = False,
) -> Mapping[AgentType, Agent]:
    """Every type of agent, by its name in the plan. `passed`: names of additional variables for clients. `accounts`:
    the environment of each account. `sandboxed`: they run in a sandbox, which is their limit."""
    return {
        AgentType.CLAUDE_CODE: ClaudeCode(environment, passed=passed, accounts=accounts or {}, sandboxed=sandboxed),
        AgentType.COMMAND: CommandAgent(environment),
    }
