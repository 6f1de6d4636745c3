"""The live board of `wto run` and `wto watch` on a terminal: the table is redrawn in place, events scroll above it."""

from __future__ import annotations

import json
import time
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.text import Text

from wt_orchestrate.cli.screen.status_table import status_lines
from wt_orchestrate.domain.ids import RunId
from wt_orchestrate.wiring.site import Site, open_log


class Board:
    """A table that follows the run's view until it is closed; `tell` prints a line above it."""

    def __init__(self, site: Site, run: RunId) -> None:
        self._site = site
        self._run = run
        self._console = Console(highlight=False, markup=False, soft_wrap=True)
        self._log = open_log(site)
        self._live = Live(
            get_renderable=self._table, console=self._console, refresh_per_second=4, transient=False, auto_refresh=True
        )

    def tell(self, line: str | None) -> None:
        """Print a line above the table."""
        if line is not None:
            self._live.console.print(Text(line))

    def _table(self) -> Text:
        text = self._log.view(self._run)
        if text is None:
            return Text("")
        lines = status_lines(json.loads(text), now=time.time(), width=self._console.width)
        return Text("\n".join(lines[: max(4, self._console.height - 2)]))

    def __enter__(self) -> Board:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
        self._log.close()
