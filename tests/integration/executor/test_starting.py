"""Starting: at most once, with exactly what was asked for, and a plain word when it is not possible."""

from __future__ import annotations

import os
import subprocess
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.support.processes import PYTHON, kill_keeper, launch, python
from tests.support.waiting import wait_until
from wt_orchestrate.adapters.executor import keeper
from wt_orchestrate.adapters.executor.local import LocalExecutor
from wt_orchestrate.domain.ids import ProcessId
from wt_orchestrate.errors import InvariantBroken, WtError
from wt_orchestrate.ports.engine import Launch, ProcessState

ID = ProcessId("r1.database.1")
COUNT = python("import os, signal; print(os.getpid(), flush=True); signal.pause()")


def _ended(executor: LocalExecutor) -> bool:
    return executor.poll(ID).state is ProcessState.EXITED


def _start(root: str, barrier: str) -> int | None:
    with open(barrier, "rb") as gate:
        gate.read()
    return LocalExecutor(root).start(launch(ID, COUNT)).pid


def test_P1_starting_at_once_from_eight_processes_gives_one_child(executor: LocalExecutor, tmp_path: Path) -> None:
    """However many start the same process at the same moment, it runs once, and all are told of the same one."""
    gate = str(tmp_path / "gate")
    os.mkfifo(gate)
    root = str(tmp_path / "processes")
    with get_context("spawn").Pool(8) as pool:
        answers = pool.starmap_async(_start, [(root, gate)] * 8, chunksize=1)
        with open(gate, "wb"):
            wait_until(lambda: len(_readers(gate)) >= 8, timeout_s=30.0)
        pids = set(answers.get(timeout=30))
    wait_until(lambda: executor.read(ID, offset=0).lines)
    printed = {int(line) for line in executor.read(ID, offset=0).lines}
    assert pids == printed and len(printed) == 1


def _readers(path: str) -> list[str]:
    """Processes that hold the FIFO open, apart from this one."""
    found = []
    for pid in (name for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()):
        try:
            links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        except OSError:
            continue
        found += [pid] if path in links else []
    return found


def test_P1_an_ended_process_is_never_started_again(executor: LocalExecutor) -> None:
    """The second start of what has ended changes nothing and tells how it ended."""
    executor.start(launch(ID, ("sh", "-c", "echo once; exit 3")))
    wait_until(lambda: _ended(executor))
    report = executor.start(launch(ID, ("sh", "-c", "echo twice")))
    assert (report.state, report.exit_code, report.cause) == (ProcessState.EXITED, 3, "exit")
    assert executor.read(ID, offset=0).lines == (b"once",)


def test_P1_a_lost_process_is_never_started_again(executor: LocalExecutor) -> None:
    """A process whose keeper was killed stays lost; a start does not make a second one."""
    executor.start(launch(ID, COUNT))
    kill_keeper(executor, ID)
    wait_until(lambda: executor.poll(ID).state is ProcessState.LOST)
    assert executor.start(launch(ID, COUNT)).state is ProcessState.LOST
    executor.end(ID)
    assert executor.start(launch(ID, COUNT)).state is ProcessState.LOST


def test_P1_a_second_keeper_of_the_same_folder_does_nothing(executor: LocalExecutor) -> None:
    """A keeper that finds the traces of another ends silently, so that two supervisors cannot start one agent twice."""
    executor.start(launch(ID, ("sh", "-c", "echo once")))
    wait_until(lambda: _ended(executor))
    by_hand = ["sh", "-c", 'exec "$@" 3>/dev/null', "sh", *keeper.command(executor.folder(ID))]
    second = subprocess.run(by_hand, capture_output=True, check=False)
    assert (second.returncode, second.stderr) == (0, b"")
    assert executor.read(ID, offset=0).lines == (b"once",)


def test_P1_nothing_runs_before_it_is_on_record(executor: LocalExecutor, tmp_path: Path) -> None:
    """Where `started` cannot be written the child never runs, and the start may be tried again."""
    in_the_way = f"{executor.folder(ID)}/started.new"
    os.mkdir(in_the_way)
    with pytest.raises(WtError, match="did not start"):
        executor.start(launch(ID, ("touch", str(tmp_path / "ran"))))
    assert executor.poll(ID).state is ProcessState.ABSENT
    assert not (tmp_path / "ran").exists()
    os.rmdir(in_the_way)
    executor.start(launch(ID, ("touch", str(tmp_path / "ran"))))
    wait_until(lambda: _ended(executor))
    assert (tmp_path / "ran").exists()


def test_environment_is_exactly_what_was_given(executor: LocalExecutor) -> None:
    """The child's environment is the given one and the mark: nothing inherited, nothing added."""
    dump = python("import sys; sys.stdout.write(open('/proc/self/environ').read().replace(chr(0), chr(10)))")
    executor.start(Launch(id=ID, argv=dump, cwd="/", env={"LANG": "C", "SECRET": "a=b c"}))
    wait_until(lambda: _ended(executor))
    mark = f"WTO_PROCESS={executor.folder(ID)}".encode()
    assert sorted(executor.read(ID, offset=0).lines) == [b"LANG=C", b"SECRET=a=b c", mark]


def test_S_secrets_are_never_written_to_disk(executor: LocalExecutor) -> None:
    """No file in the process's folder holds a value of its environment."""
    executor.start(launch(ID, ("true",), env={"PATH": os.environ["PATH"], "TOKEN": "sesame-4711"}))
    wait_until(lambda: _ended(executor))
    folder = Path(executor.folder(ID))
    held = [path.name for path in folder.rglob("*") if path.is_file() and b"sesame" in path.read_bytes()]
    assert held == []


def test_child_starts_with_default_signals_and_nothing_open(executor: LocalExecutor) -> None:
    """The child leads its own session, has only its three standard files open, and ignores no signal."""
    look = (
        "import os, re; status = open('/proc/self/status').read();"
        "print(sorted(os.listdir('/proc/self/fd'))[:3], len(os.listdir('/proc/self/fd')), os.getsid(0) == os.getpid());"
        "print(re.findall('Sig(?:Blk):\\\\s*(.*)', status))"
    )
    executor.start(launch(ID, (PYTHON, "-c", look), input=True))
    wait_until(lambda: _ended(executor))
    # The fourth open file is the listing itself.
    assert executor.read(ID, offset=0).lines == (b"['0', '1', '2'] 4 True", b"['0000000000000000']")


@pytest.mark.parametrize(
    ("argv", "cwd", "detail"),
    [
        (("no-such-command",), "/", "command not found: no-such-command"),
        (("/etc/passwd",), "/", "cannot run /etc/passwd: Permission denied"),
        (("true",), "/no/such/folder", "cannot change to /no/such/folder: No such file or directory"),
    ],
)
def test_unstartable_command_is_an_end_with_its_reason(
    executor: LocalExecutor, argv: tuple[str, ...], cwd: str, detail: str
) -> None:
    """What cannot be executed ends at once with the cause `unstartable` and says why."""
    executor.start(launch(ID, argv, cwd=cwd))
    report = wait_until(lambda: _ended(executor) and executor.poll(ID))
    assert (report.state, report.cause, report.detail, report.survivors) == ("exited", "unstartable", detail, 0)


@pytest.mark.parametrize("name", ["", "..", ".", "a/b", "../x", "a..b", "A", "-a", "a.", "a\n", "a" * 202])
def test_unsafe_id_is_refused(executor: LocalExecutor, name: str) -> None:
    """An id that is no plain path component never reaches the file system."""
    with pytest.raises(InvariantBroken):
        executor.poll(ProcessId(name))
    executor.folder(ID)


def test_keeper_is_small(executor: LocalExecutor, capsys: pytest.CaptureFixture[str]) -> None:
    """A keeper at rest stays under 15 MiB of resident memory."""
    executor.start(launch(ID, COUNT))
    with open(f"{executor.folder(ID)}/started", encoding="ascii") as file:
        number = file.read().split('"keeper": ')[1].split(",")[0]
    with open(f"/proc/{number}/status", encoding="ascii") as file:
        resident = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
    with capsys.disabled():
        print(f" keeper: {resident / 1024:.1f} MiB ", end="")
    assert resident < 15 * 1024
