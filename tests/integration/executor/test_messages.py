"""Messages to a running process: whole, once, in order, and never at the price of its keeper."""

from __future__ import annotations

import os
import signal
from threading import Thread

import pytest

from tests.support.processes import kill_keeper, launch, python, started
from tests.support.waiting import wait_until
from wt_orchestrate.adapters.executor.local import LocalExecutor
from wt_orchestrate.domain.ids import ProcessId
from wt_orchestrate.errors import InvariantBroken
from wt_orchestrate.ports.engine import ProcessState

ID = ProcessId("r1.scripts.2")
ECHO = ("sh", "-c", "exec cat")
DEAF = python("import signal; print('up', flush=True); signal.pause()")


def _lines(executor: LocalExecutor) -> list[str]:
    return [line.decode() for line in executor.read(ID, offset=0, limit=1 << 25).lines]


def test_lines_and_messages_arrive_in_order(executor: LocalExecutor) -> None:
    """First the lines of the launch, then the messages in the order of the calls."""
    executor.start(launch(ID, ECHO, input=True, lines=("first", "zwölf")))
    for number in range(120):
        executor.send(ID, message=f"m{number}", line=f"line {number}")
    wanted = ["first", "zwölf", *(f"line {number}" for number in range(120))]
    wait_until(lambda: len(_lines(executor)) >= len(wanted))
    assert _lines(executor) == wanted


def test_messages_sent_before_the_start_are_delivered(executor: LocalExecutor) -> None:
    """The inbox is durable: what was put there early comes behind the lines of the launch."""
    executor.send(ID, message="early", line="early")
    executor.start(launch(ID, ECHO, input=True, lines=("first",)))
    wait_until(lambda: len(_lines(executor)) == 2)
    assert _lines(executor) == ["first", "early"]


def test_a_message_is_written_once_however_often_it_is_sent(executor: LocalExecutor) -> None:
    """The same message id is delivered once, before and after its delivery, also with odd characters in it."""
    executor.start(launch(ID, ECHO, input=True))
    for line in ("one", "again"):
        executor.send(ID, message="answer-../ä/1", line=line)
    wait_until(lambda: _lines(executor))
    executor.send(ID, message="answer-../ä/1", line="once more")
    executor.send(ID, message="answer-../ö/1", line="two")
    wait_until(lambda: len(_lines(executor)) > 1)
    assert _lines(executor) == ["one", "two"]


def test_messages_of_several_senders_are_all_delivered(executor: LocalExecutor) -> None:
    """Threads that send at once lose nothing, and each one's order is kept."""
    executor.start(launch(ID, ECHO, input=True))

    def send(sender: int) -> None:
        for number in range(20):
            executor.send(ID, message=f"{sender}-{number}", line=f"{sender} {number}")

    threads = [Thread(target=send, args=(sender,)) for sender in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until(lambda: len(_lines(executor)) >= 80)
    came = _lines(executor)
    for sender in range(4):
        own = [line for line in came if line.startswith(f"{sender} ")]
        assert own == [f"{sender} {number}" for number in range(20)]


def test_a_line_of_one_and_a_half_megabytes_arrives_whole(executor: LocalExecutor) -> None:
    """A long line, as from a pasted image, is passed on in pieces without a seam."""
    long = "".join(f"{number:07d}" for number in range(215_000))
    executor.start(launch(ID, ECHO, input=True, lines=(long,)))
    executor.send(ID, message="long", line=long[::-1])
    executor.send(ID, message="short", line="short")
    wait_until(lambda: executor.poll(ID).output_bytes >= 2 * len(long) + 8)
    assert _lines(executor) == [long, long[::-1], "short"]


def test_a_child_that_does_not_read_holds_up_nothing(executor: LocalExecutor) -> None:
    """With its input full, a deaf child's keeper still obeys: the wish to stop is carried out."""
    executor.start(launch(ID, DEAF, input=True, lines=("x" * 300_000,), ask=("please",), grace_s=0.1))
    executor.send(ID, message="more", line="y" * 1_500_000)
    wait_until(lambda: _lines(executor))
    report = executor.end(ID)
    assert (report.state, report.cause, report.exit_code) == (ProcessState.EXITED, "stopped", -signal.SIGTERM)
    assert os.listdir(f"{executor.folder(ID)}/inbox/sent") == []


def test_O4_a_deaf_childs_keeper_stays_small(executor: LocalExecutor) -> None:
    """Messages wait on the disk: a keeper holds one of them in memory, however many there are."""
    executor.start(launch(ID, DEAF, input=True))
    for number in range(30):
        executor.send(ID, message=f"m{number}", line="z" * 1_000_000)
    with open(f"/proc/{started(executor, ID)['keeper']}/status", encoding="ascii") as file:
        resident = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
    assert resident < 20 * 1024
    executor.end(ID)


def test_without_input_the_child_reads_nothing(executor: LocalExecutor) -> None:
    """A process without input reads an empty one and is not held up."""
    executor.start(launch(ID, ECHO))
    executor.send(ID, message="m", line="lost")
    wait_until(lambda: executor.poll(ID).state is ProcessState.EXITED)
    assert executor.poll(ID).output_bytes == 0


def test_a_message_of_two_lines_is_refused(executor: LocalExecutor) -> None:
    """One message is one line; anything else is a mistake of the caller."""
    with pytest.raises(InvariantBroken):
        executor.send(ID, message="m", line="a\nb")
    executor.folder(ID)


def test_messages_to_a_lost_process_are_kept_and_not_delivered(executor: LocalExecutor) -> None:
    """Without a keeper nobody delivers, and the sender is not held up."""
    executor.start(launch(ID, ECHO, input=True))
    kill_keeper(executor, ID)
    wait_until(lambda: executor.poll(ID).state is ProcessState.LOST)
    executor.send(ID, message="m", line="hello")
    assert _lines(executor) == []


def test_a_line_over_the_limit_comes_cut_and_the_next_one_whole(executor: LocalExecutor) -> None:
    """Reading is bounded by its limit, whatever was printed; half lines are not shown."""
    executor.start(launch(ID, ("sh", "-c", "head -c 200000 /dev/zero | tr '\\0' a; echo; echo next; printf half")))
    wait_until(lambda: executor.poll(ID).state is ProcessState.EXITED)
    first = executor.read(ID, offset=0, limit=1000)
    second = executor.read(ID, offset=first.offset, limit=1000)
    assert (first.lines, first.offset) == ((b"a" * 1000,), 200_001)
    assert (second.lines, second.offset) == ((b"next",), 200_006)
    assert executor.read(ID, offset=second.offset, limit=1000).lines == ()
    assert executor.tail(ID, limit=9) == "next\nhalf"
