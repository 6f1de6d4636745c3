"""Reports of runs, and summaries of all runs. Summaries of runs at rest are kept beside the log: they change only with
a new event or new rules.

The kept summaries are a file that can be deleted at any time: a run's counts if no event came after it was made, and
only for the very code that made it. A run whose log cannot be read is reported, and the others are still counted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Any

from wt_orchestrate.errors import InvariantBroken, NotFound, WtError
from wt_orchestrate.osfiles.atomic import replace_file
from wt_orchestrate.wiring.memory import learned_from
from wt_orchestrate.wiring.site import Site, open_log, supervised

if TYPE_CHECKING:
    from wt_orchestrate.domain.events.log import Record
    from wt_orchestrate.domain.report.report import Ledger
    from wt_orchestrate.ports.engine import Log, RunLine

_LEDGERS = 8

UNREADABLE = (
    WtError,
    InvariantBroken,
    LookupError,
    StopIteration,
    ValueError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
)
"""Exceptions that rules may raise for a log that was damaged, or written by another release."""
_AT_REST = frozenset({"finished", "stopped"})


class Ledgers:
    """The basis of reports of some runs, kept while a program lives: the next report of a run costs only what came
    since. For use from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: dict[tuple[str, str], tuple[Ledger, Record]] = {}

    def read(self, site: Site, run: str | None) -> tuple[Ledger, bool]:
        """A run's ledger up to its newest event, and whether a supervisor is at work on it. Raises NotFound."""
        with self._lock:
            return self._read(site, run)

    def report(self, site: Site, run: str | None, *, now: float) -> dict[str, Any]:
        """A run's report. Raises NotFound."""
        with self._lock:
            ledger, watched = self._read(site, run)
            return ledger.report(now=now, watched=watched, learned=learned_from(site, ledger.run))

    def _read(self, site: Site, run: str | None) -> tuple[Ledger, bool]:
        from wt_orchestrate.domain.report.report import Ledger
        from wt_orchestrate.engine import requests

        log = open_log(site)
        try:
            name = requests.find_run(log, run)
            newest = log.last_number() if supervised(site) else None
            # taken out while it grows: what fails half way is not kept
            ledger, last = self._kept.pop((site.state_dir, name), (None, None))
            if ledger is None or last is None or [*log.read(name, after=last.number - 1, limit=1)] != [last]:
                ledger, last = Ledger(), None  # none, or of a log that was made again
            for record in log.read(name, after=last.number if last is not None else 0):
                ledger.take(record)
                last = record
        finally:
            log.close()
        if last is None:
            raise NotFound(f"the log has no events of {name}", hint="wto doctor")
        self._kept[site.state_dir, name] = (ledger, last)
        while len(self._kept) > _LEDGERS:
            del self._kept[next(iter(self._kept))]
        return ledger, newest is not None and last.number >= newest


def all_stats(site: Site, *, now: float) -> dict[str, Any]:
    """The numbers of every run of the repository (schema wto.stats/1)."""
    from wt_orchestrate.domain.report.stats import stats

    known = _kept(site)
    summaries: list[dict[str, Any]] = []
    unreadable: list[tuple[str, str]] = []
    fresh: dict[str, Any] = {}
    log = open_log(site)
    try:
        newest = log.last_number()
        at_work = supervised(site)
        for line in log.runs():
            try:
                number, summary = _summary(log, line, known.get(line.id), now=now, newest=newest if at_work else 0)
            except UNREADABLE as error:  # an old or damaged log must not hide all others
                unreadable.append((line.id, str(error) or type(error).__name__))
                continue
            summaries.append(summary)
            if summary["phase"] in _AT_REST:
                fresh[line.id] = {"number": number, "summary": summary}
    finally:  # also after Ctrl-C: what was counted is kept
        log.close()
        if fresh != known:
            _keep(site, {**known, **fresh})
    return stats(summaries, unreadable)


def keep_summary(site: Site, report: Mapping[str, Any], *, number: int) -> None:
    """Save the summary of a run, up to this event, so that it need not be computed again."""
    from wt_orchestrate.domain.report.stats import summary

    if report["phase"] in _AT_REST:
        known, run = _kept(site), {"number": number, "summary": summary(report)}
        if known.get(report["run"]) != run:
            _keep(site, {**known, report["run"]: run})


def _summary(
    log: Log, line: RunLine, known: Mapping[str, Any] | None, *, now: float, newest: int
) -> tuple[int, dict[str, Any]]:
    """The summary of one run with the event it was made at. A running supervisor has written the `newest` one."""
    from wt_orchestrate.domain.report.report import report
    from wt_orchestrate.domain.report.stats import summary

    if known is not None and not log.read(line.id, after=known["number"]):
        return known["number"], known["summary"]
    records = log.read(line.id)
    if not records:
        raise LookupError("it has no events")
    watched = 0 < newest <= records[-1].number
    return records[-1].number, summary(report(records, now=now, watched=watched))


def _kept(site: Site) -> dict[str, Any]:
    """What was saved by this very code; empty if there is none that can be read."""
    from wt_orchestrate.adapters.store.snapshots import made_by

    try:
        with open(site.path("stats.json"), encoding="utf-8") as file:
            found = json.load(file)
        if found["made_by"] != made_by():
            return {}
        return {run: each for run, each in found["runs"].items() if isinstance(each["number"], int) and each["summary"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _keep(site: Site, fresh: Mapping[str, Any]) -> None:
    """Save it; a failure does not matter."""
    from wt_orchestrate.adapters.store.snapshots import made_by

    with suppress(OSError):
        replace_file(site.path("stats.json"), json.dumps({"made_by": made_by(), "runs": fresh}))
