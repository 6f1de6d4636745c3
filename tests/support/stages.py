"""What scripted agents of a pipeline do: research that hands over findings, a synthesis that plans the next stage."""

from __future__ import annotations

NOTES = """## Decisions
Mend the pool first (database).

## Contradictions
`database` says port 5432, `config` says 5433; the file says 5432.

## Risks
none

## Follow-ups
Rotate the password.

## Learned
The tests need a running server.
"""


VERIFIED = "## Verification\n`true` ended with 0\n"


def handed_over(sections: str, summary: str = "Found.") -> str:
    """A shell script that writes a handoff that claims done."""
    body = f"---\nstatus: done\nprogress: 100\n---\n## Summary\n{summary}\n\n{sections}\n"
    return f"cat > \"$WTO_HANDOFF\" <<'H'\n{body}H\n"


def found(summary: str) -> str:
    """An agent of a research stage."""
    return handed_over(f"## Findings\n- fact: src/pool.py:3 opens one connection a query\n\n{VERIFIED}", summary)


def built(path: str) -> str:
    """An agent that commits one file and hands it over."""
    commit = (
        f'mkdir -p $(dirname {path})\necho $WTO_WORKSTREAM > {path}\ngit add -A\ngit commit -qm "$WTO_WORKSTREAM"\n'
    )
    return commit + found("Built it.")


def drawn_together(streams: str = "none", notes: str = NOTES) -> str:
    """A synthesiser that plans these workstreams, as YAML."""
    planned = streams if streams == "none" else f"```yaml\n{streams}\n```"
    return handed_over(f"{notes}\n## Workstreams\n{planned}\n", "Drawn together.")
