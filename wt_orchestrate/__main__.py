"""The program `wt-orchestrate`, short `wto`."""

from __future__ import annotations

import atexit
import gc
import io
import sys

from wt_orchestrate import __version__


def main() -> None:
    """Run the command line and end with its exit code."""
    try:
        _run()
    except (OSError, MemoryError, ImportError) as error:  # outside of the boundary, which could not be loaded
        _give_up(error)


def _give_up(error: Exception) -> None:
    """Say in one line that the machine does not let the program start: without descriptors, nothing can be loaded."""
    cause = error.__context__ if isinstance(error.__context__, OSError) else error
    try:
        from wt_orchestrate.faults import last_words

        told = last_words(cause)
    except (OSError, MemoryError, ImportError):
        told = f"{cause}; raise the limits of this shell (ulimit -a), or install wt-orchestrate again"
    sys.stderr.write(f"\u2717 wt-orchestrate cannot start: {told}\n")
    sys.exit(1)


def _run() -> None:
    """Text that a stream cannot hold is written as escapes, which JSON reads as they are."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    words = sys.argv[1:]
    if words in (["--version"], ["version"]):
        print(f"wt-orchestrate {__version__}")
        return
    atexit.register(gc.freeze)  # else Python looks for cycles among all that is given back with the process anyway
    from wt_orchestrate.cli.start import answer  # --version must not pay for what follows, nor status for click

    code = answer(words)
    if code is not None:
        sys.exit(code)
    from wt_orchestrate.cli.app import app
    from wt_orchestrate.cli.boundary import guarded

    sys.exit(guarded(lambda: app.main(words, prog_name="wto", standalone_mode=False), as_json="--json" in words))


if __name__ == "__main__":
    main()
