"""The commands that must start fast, before click is imported.

`wto status` is asked for all the time, by people, prompts and scripts. Words that are exactly one of its usual forms are
answered here; all else (help, an abbreviated or unknown option, `--dirty`) goes the usual way, so that there is one place that
says what is wrong. Whatever fails ends at the same boundary as everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence


def answer(words: Sequence[str]) -> int | None:
    """The exit code of a command that was answered here; None for one that was not."""
    if words[:1] != ["status"]:
        return None
    workstream: str | None = None
    run: str | None = None
    as_json = False
    rest = list(words[1:])
    while rest:
        word = rest.pop(0)
        if word == "--json":
            as_json = True
        elif word == "--run" and rest and not rest[0].startswith("-"):
            run = rest.pop(0)
        elif workstream is None and word and not word.startswith("-"):
            workstream = word
        else:
            return None
    return _status(workstream, run, as_json=as_json)


def _status(workstream: str | None, run: str | None, *, as_json: bool) -> int:
    from wt_orchestrate.cli.screen.status_answer import show_status

    try:
        show_status(".", workstream, run=run, as_json=as_json)
    except BaseException as error:  # noqa: BLE001 - raised again inside the boundary, which is too heavy to be imported before
        from wt_orchestrate.cli.boundary import guarded

        failed = error

        def again() -> None:
            raise failed

        return guarded(again, as_json=as_json)
    return 0
