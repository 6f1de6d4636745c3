"""The one place where errors become messages and exit codes.

An expected failure is two lines on stderr: what is wrong, and what to do; so is a fault of the machine (`faults.py`). Anything
else is our bug: a short message, a full report in a file, exit code 70. No traceback is ever printed.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable

import click

from wt_orchestrate import __version__
from wt_orchestrate.cli.screen.style import symbol
from wt_orchestrate.domain.text.clean import clean
from wt_orchestrate.errors import ExitCode, InvariantBroken, PlanInvalid, Untrusted, WtError
from wt_orchestrate.faults import in_words


def guarded(command: Callable[[], object], *, as_json: bool) -> int:
    """Run a command; returns its exit code."""
    try:
        command()
    except Untrusted as error:
        from wt_orchestrate.cli.screen.trusting import trusted_now

        if not as_json and trusted_now(error):
            return guarded(command, as_json=as_json)  # it had only looked so far
        _tell(error, as_json=as_json)
        return error.exit_code
    except WtError as error:
        _tell(error, as_json=as_json)
        return error.exit_code
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.ClickException as error:
        _tell_usage(error, as_json=as_json)
        return ExitCode.USAGE
    except (KeyboardInterrupt, click.Abort):
        click.echo("", err=True)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else ExitCode.OK
    except (OSError, MemoryError) as error:
        told = in_words(error)
        _tell(told, as_json=as_json)
        return told.exit_code
    except Exception as error:  # noqa: BLE001 - the boundary: whatever was not foreseen ends here
        return _tell_bug(error)
    return ExitCode.OK


def _tell(error: WtError, *, as_json: bool) -> None:
    if as_json:
        told = {"code": int(error.exit_code), "message": error.message, "hint": error.hint}
        click.echo(json.dumps({"error": told}, ensure_ascii=False), err=True)
        return
    if isinstance(error, PlanInvalid):
        for line in error.problems:
            click.echo(clean(line), err=True)  # as editors read them: the place comes first
        return
    click.echo(f"{symbol('error')} {clean(error.message)}", err=True)
    if error.hint:
        click.echo(f"  {symbol('hint')} {clean(error.hint)}", err=True)


def _tell_usage(error: click.ClickException, *, as_json: bool) -> None:
    if as_json:
        told = {"code": int(ExitCode.USAGE), "message": error.format_message(), "hint": "--help"}
        click.echo(json.dumps({"error": told}, ensure_ascii=False), err=True)
        return
    click.echo(f"{symbol('error')} {error.format_message()}", err=True)
    context = getattr(error, "ctx", None)
    if context is not None:
        click.echo(f"  {symbol('hint')} For usage, run {context.command_path} --help", err=True)


def _tell_bug(error: Exception) -> int:
    words = [
        f"wt-orchestrate {__version__}, Python {sys.version.split()[0]}, {sys.platform}",
        f"arguments: {sys.argv[1:]}",
    ]
    if isinstance(error, InvariantBroken):
        words += ["story:", *error.story]
    report = "\n".join([*words, "", traceback.format_exc()])
    try:
        descriptor, path = tempfile.mkstemp(prefix="wto-bug-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(report)
    except OSError:
        path = "no file: none could be written"
    click.echo(f"{symbol('error')} this is a bug in wt-orchestrate: {clean(str(error))[:300]}", err=True)
    click.echo(f"  {symbol('hint')} No work is lost. The report is in {path}. To continue, run wto resume", err=True)
    return ExitCode.BUG
