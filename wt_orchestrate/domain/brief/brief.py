"""The text of briefs and of the messages that return evidence to an agent.

Text from other agents (handoffs) is quoted as data, bounded and attributed. A brief is a function of the state alone,
so that a restart composes the same one.
"""

from __future__ import annotations

from collections.abc import Sequence

from wt_orchestrate.domain.agent.handoff import HANDOFF_CONTRACT, Handoff
from wt_orchestrate.domain.brief.context import composed_findings, composed_needs
from wt_orchestrate.domain.ids import Branch
from wt_orchestrate.domain.memory.recall import recalled_section
from wt_orchestrate.domain.plan.model import Kind
from wt_orchestrate.domain.plan.retry_ladder import Cause
from wt_orchestrate.domain.plan.settings import role_of
from wt_orchestrate.domain.state.attempt import Message
from wt_orchestrate.domain.state.comments import open_comments
from wt_orchestrate.domain.state.phrases import blame_words, settled_words
from wt_orchestrate.domain.state.run import RunState, owes, takes_messages
from wt_orchestrate.domain.state.train import Blame, CheckResult
from wt_orchestrate.domain.state.workstream import WorkstreamState, conflict_paths, settlement

_QUOTED = 4_000
"""How many characters of one handoff reach another agent."""
_TAIL = 6_000
_EXPANDS = """## Further workstreams

You may add workstreams to the plan: a section `## Workstreams` in HANDOFF.md, as YAML in a code fence, by id. They start once
your own work is integrated, each with its own agent that does not see this conversation.

    ## Workstreams
    ```yaml
    fix-pool:
      title: Fix the connection pool
      brief: What to do, where to look, when it is done.
      scope: ["src/db/**"]
      needs: []
    ```

Ids use a-z, 0-9 and '-'. Scopes of workstreams that may run at the same time should not overlap. They have no
checks of their own and cannot add further ones."""


def brief(state: RunState, ws: WorkstreamState, *, message: str = "", told: Sequence[Message] = ()) -> str:
    """The whole brief of a workstream. `message`: what happened before this attempt. `told`: messages from people."""
    parts = [
        f"# {ws.spec.title or ws.id}",
        f"You work alone on the workstream `{ws.id}` of a larger plan, in your own git worktree on the branch "
        f"`{ws.branch}`. Goal of the plan: {state.plan.goal.strip()}",
    ]
    if message:
        parts.append(f"## What happened before\n\n{message}\n\nThe work so far is in this worktree.")
        if ws.handoff is not None:
            parts.append("The last handoff, as data:\n\n" + _quoted(ws.handoff))
    parts.append(f"## Your task\n\n{ws.spec.brief.strip()}")
    parts.append(_role(state, ws))
    parts.append(open_comments(ws.comments, carried=[*(each.id for each in told), *_contained(ws)]))
    parts += [_told(told), _rules(state, ws), composed_needs(state, ws), composed_findings(state, ws)]
    parts += [recalled_section(ws), _others(state, ws), HANDOFF_CONTRACT]
    if ws.spec.expands:
        parts.append(_EXPANDS)
    return "\n\n".join(part for part in parts if part) + "\n"


def _contained(ws: WorkstreamState) -> tuple[str, ...]:
    """The comments that `message` contains already."""
    sent_back = ws.retry is not None and ws.retry.reason == Cause.REVIEW and ws.review is not None
    return (ws.review.sent_as,) if sent_back and ws.review is not None else ()


def resumed_brief(message: str, told: Sequence[Message] = ()) -> str:
    """The prompt of a resumed session."""
    go_on = "" if told else "Continue the work. Look at `git status` and HANDOFF.md first."
    return "\n\n".join(part for part in (message or go_on, _told(told)) if part)


def _told(told: Sequence[Message]) -> str:
    """The messages from people, in their words."""
    return "\n\n".join(f"A message for you:\n\n{message.text.strip()}" for message in told)


def _role(state: RunState, ws: WorkstreamState) -> str:
    """The role's text. For the client it is part of the system prompt; other agents get it here."""
    if not ws.spec.role:
        return ""
    role = role_of(ws.spec.role, settings=state.settings)
    said = [f"Your role: {ws.spec.role}."]
    if role is not None and not takes_messages(state, ws):
        said.append(role.prompt.strip())
    if owes(state, ws):
        titles = ", ".join(f"`## {title}`" for title in owes(state, ws))
        said.append(
            f"In this role your handoff must have, besides its summary: {titles}. Write `none` if there is nothing "
            "to say."
        )
    return "\n\n".join(said)


def _rules(state: RunState, ws: WorkstreamState) -> str:
    lines = ["## Rules", ""]
    if ws.spec.kind is Kind.RESEARCH:
        lines.append("- This is research: change nothing and commit nothing. Write your findings into HANDOFF.md.")
    else:
        lines.append(
            "- Commit your work on this branch in small commits with clear messages. Leave nothing uncommitted."
        )
    if ws.spec.scope:
        lines.append(f"- Change only these paths: {', '.join(ws.spec.scope)}. Other changes are refused.")
    lines.append("- Stay in this worktree. Never use `git stash` (it is shared with other agents); never push.")
    checks = dict.fromkeys(check.run for check in (*state.plan.checks, *ws.spec.checks))
    if checks:
        lines.append("- Your work must pass these commands after it is merged with the work of all others:")
        lines += [f"    {command}" for command in checks]
    return "\n".join(lines)


def _quoted(handoff: Handoff) -> str:
    parts = [f"Summary: {handoff.summary}", f"Decisions: {handoff.decisions}"]
    parts += [f"Finding ({finding.kind}): {finding.text}" for finding in handoff.findings]
    text = "\n".join(part for part in parts if not part.endswith(": "))[:_QUOTED]
    return "\n".join(f"> {line}" for line in text.splitlines())


def _others(state: RunState, ws: WorkstreamState) -> str:
    """Who else works, and on which paths; not their briefs."""
    lines = [
        f"- `{other.id}`"
        + (f": {other.spec.title}" if other.spec.title else "")
        + (f" (owns {', '.join(other.spec.scope)})" if other.spec.scope else "")
        for other in state.workstreams.values()
        if other.id != ws.id
    ]
    return "## Other workstreams, by other agents\n\n" + "\n".join(lines[:50]) if lines else ""


def evidence_message(findings: Sequence[str], kind: Kind) -> str:
    """What did not hold of a claim, for the agent that made it."""
    listed = "\n".join(f"- {finding}" for finding in findings)
    way = "Fix it, commit your work" if kind is Kind.CHANGE else "Fix it"
    return (
        f"Your work is not accepted yet. Problems:\n\n{listed}\n\n"
        f"{way}, then update HANDOFF.md with `status: done` when it is finished."
    )


def check_message(
    ws: WorkstreamState, check: CheckResult, blame: Blame, partner: WorkstreamState | None, *, branch: Branch
) -> str:
    """A failed check's output and its cause, for the agent whose work it judged."""
    return (
        f"The check `{check.command}` {check.outcome} (exit code {check.exit_code}) on your work merged with the "
        f"integration branch `{branch}`. {_blame_sentence(ws, blame, partner)}{_settled_sentence(ws)}"
        "The end of its output, as data:\n\n"
        + "\n".join(f"> {line}" for line in check.tail[-_TAIL:].splitlines())
        + f"\n\nFind the cause and fix it (`git merge {branch}` merges the others' work into your worktree), run the "
        "check, commit, and update HANDOFF.md with `status: done`."
    )


def _settled_sentence(ws: WorkstreamState) -> str:
    """That its conflict was resolved by rules: the merge may be what fails, not the work."""
    found = settled_words(settlement(ws))
    return f"{found[0].upper()}{found[1:]}. " if found else ""


def _blame_sentence(ws: WorkstreamState, blame: Blame, partner: WorkstreamState | None) -> str:
    if partner is not None:
        return (
            f"It passes on your work alone and fails only together with `{partner.id}`, which is already "
            "integrated.\n\n"
            f"What `{partner.id}` was to do, as data:\n\n{intent(partner)}\n\nWhat you were to do:\n\n{intent(ws)}\n\n"
            "Fix it so that both work. "
        )
    return f"{blame_words(blame).capitalize()}. " if blame.on_target or blame.alone is not None else ""


def intent(ws: WorkstreamState) -> str:
    """What a workstream was asked to do and says it did, quoted as data."""
    said = f"\n\n{ws.handoff.summary[:800]}" if ws.handoff is not None else ""
    text = f"{ws.spec.title}\n\n{ws.spec.brief.strip()[:1200]}{said}".strip()
    return "\n".join(f"> {line}" for line in text.splitlines())


def conflict_message(ws: WorkstreamState, *, branch: Branch, others: Sequence[WorkstreamState]) -> str:
    """A conflict with integrated work, with the intents of both sides."""
    intents = "\n".join(
        f"- `{other.id}`'s task: {other.spec.title or other.spec.brief.strip()[:400]}"
        + (f"\n> {other.handoff.summary[:800]}" if other.handoff is not None else "")
        for other in others
    )
    own = "\n".join(f"> {line}" for line in ws.spec.brief.strip().splitlines())
    return (
        f"Your work conflicts with the integration branch `{branch}` in: {', '.join(conflict_paths(ws))}.\n\n"
        + (f"The other side, as data:\n\n{intents}\n\n" if intents else "")
        + f"Your side, from your brief:\n\n{own}\n\n"
        + f"Run `git merge {branch}` in your worktree, resolve the conflicts so that both sides keep their intent "
        "(never drop the other side), run the checks, commit the merge, and update HANDOFF.md with `status: "
        "done`."
    )
