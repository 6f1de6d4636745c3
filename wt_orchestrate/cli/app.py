"""The command line's table: which command lives in which module. A module is imported only when its command is called."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module

import click

from wt_orchestrate import __version__

_SECTIONS: dict[str, dict[str, str]] = {
    "Plan": {"plan": "plan.group:plan", "roles": "roles:roles", "init": "setup.init:init"},
    "Run": {
        "run": "run:run",
        "resume": "run:resume",
        "stop": "run:stop",
        "continue": "run:continue_",
        "wait": "run:wait",
        "supervise": "run:supervise",
        "agent-tools": "setup.agent_tools:agent_tools",
        "note": "setup.agent_tools:note",
        "drafting": "plan.draft:drafting",
    },
    "Steer": {
        "answer": "run:answer",
        "tell": "steer:tell",
        "interrupt": "steer:interrupt",
        "redirect": "steer:redirect",
        "allow": "steer:allow",
        "retry": "steer:retry",
        "cancel": "steer:cancel",
        "hold": "steer:hold",
        "release": "steer:release",
        "limit": "steer:limit",
        "add": "steer:add",
        "edit": "steer:edit",
        "approve": "approve:approve",
    },
    "Inspect": {
        "status": "status:status",
        "watch": "look:watch",
        "logs": "look:logs",
        "diff": "look:diff",
        "report": "report:report",
        "stats": "report:stats",
        "review": "review.packet:review",
        "comment": "review.comment:comment",
        "proof": "review.proof:proof",
        "forecast": "forecast:forecast",
    },
    "Land": {
        "train": "train:train",
        "land": "land:land",
        "pr": "pr:pr",
        "clean": "land:clean",
        "restore": "land:restore",
        "take-over": "take_over:take_over",
    },
    "Memory": {"memory": "memory:memory"},
    "Set up": {
        "doctor": "setup.init:doctor",
        "trust": "setup.trust:trust",
        "hook": "setup.hook:hook",
        "mcp": "setup.mcp:mcp",
    },
}
_COMMANDS = {name: where for section in _SECTIONS.values() for name, where in section.items()}
_ANYWHERE = frozenset({
    "agent-tools", "note", "status", "watch", "logs", "diff", "report", "stats", "review", "proof", "forecast",
    "roles", "wait", "doctor", "plan check", "plan show", "plan forecast", "plan schema", "plan new", "train status", "pr status",
    "memory list", "memory search", "memory show", "hook run", "hook status",
})  # fmt: skip
"""Commands that only look, or are for agents: they work from inside a run's own processes too. All others steer."""
_HELP_WIDTH = 63
"""What is left beside the longest name on a terminal of 80 columns: a line of help that needs more is cut."""
_HIDDEN = frozenset({"supervise", "agent-tools", "drafting"})


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name in _COMMANDS if name not in _HIDDEN]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        where = _COMMANDS.get(cmd_name)
        if where is None:
            return None
        module, _, attribute = where.partition(":")
        command = getattr(import_module(f"wt_orchestrate.cli.commands.{module}"), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            near = get_close_matches(args[0], self.list_commands(ctx), n=2, cutoff=0.7)
            hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
            raise click.UsageError(f"unknown command {args[0]!r}{hint}", ctx)
        if args and not _only_looks(args):
            from wt_orchestrate.wiring.within import refuse_within

            refuse_within(ctx.params.get("folder", "."), args[0])
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, names in _SECTIONS.items():
            with formatter.section(title):
                commands = [(name, self.get_command(ctx, name)) for name in names if name not in _HIDDEN]
                formatter.write_dl(
                    [(name, command.get_short_help_str(_HELP_WIDTH)) for name, command in commands if command]
                )


def _only_looks(words: list[str]) -> bool:
    """Whether these words only ask: a command that does, or the help of any."""
    return words[0] in _ANYWHERE or " ".join(words[:2]) in _ANYWHERE or words[1:] in (["--help"], ["-h"])


_TERMS = (
    "\b\n"
    "Terms (more in docs/glossary.md):\n"
    "  workstream  one piece of planned work: an agent, a branch and a worktree\n"
    "  handoff     the report an agent leaves in HANDOFF.md\n"
    "  train       the queue in which finished work is checked and merged\n"
    "  vault       wto's own git repository, which keeps every commit of a run"
)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]}, epilog=_TERMS)
@click.option("-C", "folder", default=".", metavar="DIR", help="Use the repository at DIR.")
@click.version_option(version=__version__, prog_name="wt-orchestrate")
@click.pass_context
def app(context: click.Context, folder: str) -> None:
    """Run many coding agents on one git repository. Each gets its own worktree and branch; what they finish is
    checked, merged and landed."""
    context.obj = folder
