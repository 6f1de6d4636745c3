"""What always holds of measured time, asked of every walk: nothing adds up to more than there was."""

from __future__ import annotations

from collections.abc import Sequence

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.report.markdown import report_markdown
from wt_orchestrate.domain.report.report import report
from wt_orchestrate.domain.report.speedup import gain
from wt_orchestrate.domain.report.timeline import measured

_SLACK = 1e-6


def misfits(records: Sequence[e.Record], *, now: float) -> list[str]:
    """Where a run's times do not fit together; that its report can be made and told is asked as well."""
    report_markdown(report(records, now=now))
    found: list[str] = []
    time = measured(records, now=now)
    for name, times in time.streams.items():
        if sum(each.length for each in times.stretches) > time.wall_s + _SLACK:
            found.append(f"the stretches of {name} add up to more than the wall time")
        pairs = zip(times.stretches, times.stretches[1:], strict=False)
        if any(one.end > other.start + _SLACK for one, other in pairs):
            found.append(f"stretches of {name} overlap")
        if any(each.unsure_s > each.work_s + _SLACK or each.end < each.start for each in times.attempts):
            found.append(f"an attempt of {name} is unsure of more than it worked")
    gained = gain(time)
    if gained.critical_s > min(time.wall_s, gained.serial_s) + _SLACK:
        found.append("the critical path is longer than the wall time or the serial equivalent")
    return found
