"""Turns of the model stand-in that do what an agent does: run a command, write a file, hand off."""

from __future__ import annotations

from tests.support.stub_model import Turn


def bash(command: str, **further: object) -> Turn:
    """A shell command by the client's own tool."""
    given = {"command": command, "description": "as the brief says"}
    return {"tools": [{"name": "Bash", "input": given}], **further}


def write(path: str, content: str, **further: object) -> Turn:
    """A file written by the client's own tool."""
    return {"tools": [{"name": "Write", "input": {"file_path": "{{cwd}}/" + path, "content": content}}], **further}


def handoff(summary: str, status: str = "done") -> Turn:
    """A handoff that claims done."""
    return write(
        "HANDOFF.md", f"---\nstatus: {status}\nprogress: 100\n---\n## Summary\n{summary}\n## Verification\nNone.\n"
    )


def work(name: str, content: str = "x = 1\n") -> list[Turn]:
    """Write one file, commit it, hand off."""
    return [
        write(f"{name}.py", content),
        bash(f"git add {name}.py && git commit -m 'Add {name}'"),
        handoff(f"Added {name}."),
        {"text": "It is done."},
    ]


def wait_for(path: str) -> Turn:
    """A command that ends once a file is there."""
    return bash(
        f"python3 -c \"import os, select\nwhile not os.path.exists('{path}'): select.select([], [], [], 0.05)\""
    )
