"""Worker threads for what would take too long for a turn: checkouts, merges, fetches, starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue

from wt_orchestrate.domain.effects import EffectKey
from wt_orchestrate.domain.events.log import Event
from wt_orchestrate.faults import in_words

Result = tuple[EffectKey, Sequence[Event] | BaseException]


class ThreadWorkers:
    """A few threads; every result goes through one queue that the turn empties. `wake` ends the turn's wait.
    A fault of the machine is a failure of the effect, which is tried again; it does not end the run."""

    def __init__(self, wake: Callable[[], None], *, threads: int = 4) -> None:
        self._wake = wake
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="wto")
        self._results: SimpleQueue[Result] = SimpleQueue()

    def submit(self, key: EffectKey, work: Callable[[], Sequence[Event]]) -> None:
        """Run it soon."""
        self._pool.submit(self._run, key, work)

    def done(self) -> Sequence[Result]:
        """The results since the last call."""
        results: list[Result] = []
        while True:
            try:
                results.append(self._results.get_nowait())
            except Empty:
                return results

    def close(self) -> None:
        """Wait for what is under way; what has not started is dropped, to be asked for again."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self, key: EffectKey, work: Callable[[], Sequence[Event]]) -> None:
        try:
            self._results.put((key, work()))
        except (OSError, MemoryError) as error:
            self._results.put((key, in_words(error)))
        except BaseException as error:  # noqa: BLE001 - the turn decides what an error means, in its own thread
            self._results.put((key, error))
        self._wake()
