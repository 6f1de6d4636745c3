"""An attempt's output as lines for people (`wto logs`), as it grows. What looks like a secret is masked, except with `raw`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec import Struct, field

from wt_orchestrate.domain.ids import ProcessId
from wt_orchestrate.domain.plan.model import AgentType
from wt_orchestrate.domain.state.attempt import Attempt
from wt_orchestrate.domain.state.workstream import WorkstreamState
from wt_orchestrate.domain.status.story import sign_line
from wt_orchestrate.domain.text.clean import clean
from wt_orchestrate.domain.text.secrets import without_secrets
from wt_orchestrate.errors import NotFound
from wt_orchestrate.ports.engine import Executor, SignReader

_STDERR_LIMIT = 1 << 16


class AttemptLines(Struct, kw_only=True):
    """Reads the output of an attempt (the newest by default); with `raw` as it is, else as sentences."""

    executor: Executor
    reader_of: Callable[[AgentType], SignReader]
    raw: bool = False
    wanted: int | None = None
    _offsets: dict[ProcessId, int] = field(default_factory=dict)
    _readers: dict[ProcessId, SignReader] = field(default_factory=dict)

    def more(self, workstream: WorkstreamState) -> Iterator[str]:
        """Lines written since the last call. Raises NotFound for an attempt that never existed."""
        attempt = self._chosen(workstream)
        if attempt is None:
            return
        process = ProcessId(attempt.id)
        while True:
            read = self.executor.read(process, offset=self._offsets.get(process, 0))
            if not read.lines:
                return
            self._offsets[process] = read.offset
            for line in read.lines:
                yield from self._told(attempt, line)

    def errors(self, workstream: WorkstreamState) -> Iterator[str]:
        """The end of the attempt's stderr, each line marked: for a command, and for any agent whose output is empty."""
        attempt = self._chosen(workstream)
        if attempt is None:
            return
        process = ProcessId(attempt.id)
        if attempt.agent_type is not AgentType.COMMAND and self._offsets.get(process, 0):
            return
        text = self.executor.tail(process, errors=True, limit=_STDERR_LIMIT)
        text = text if self.raw else without_secrets(text)
        lines = text.rstrip().split("\n") if text.strip() else []
        if len(text.encode(errors="replace")) >= _STDERR_LIMIT:
            lines.insert(0, "(at most its last 64 KiB)")
        yield from (f"stderr: {clean(line.rstrip())}" for line in lines)

    def _chosen(self, workstream: WorkstreamState) -> Attempt | None:
        if self.wanted is None:
            return workstream.attempts[-1] if workstream.attempts else None
        for attempt in workstream.attempts:
            if attempt.epoch == self.wanted:
                return attempt
        raise NotFound(f"{workstream.id} has no attempt {self.wanted}", hint=f"it has {len(workstream.attempts)}")

    def _told(self, attempt: Attempt, line: bytes) -> Iterator[str]:
        if self.raw or attempt.agent_type is AgentType.COMMAND:
            text = line.decode(errors="replace")
            yield clean(text if self.raw else without_secrets(text))
            return
        process = ProcessId(attempt.id)
        if process not in self._readers:
            self._readers[process] = self.reader_of(attempt.agent_type)
        told = (sign_line(sign) for sign in self._readers[process].read(line))
        yield from (without_secrets(each) for each in told if each)
