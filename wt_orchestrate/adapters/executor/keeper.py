"""The keeper: a small process that owns one other process and all that it starts, and outlives the supervisor.

Run by `command(FOLDER)` with the child's environment as its own and, as file descriptor 3, a pipe that gets one byte once
it is known whether the child runs. It is imported, so that it is compiled once, and it imports only what is written in C
(`_signal` and `_ctypes` instead of the modules around them, which load enum and struct): hundreds of keepers must be cheap.
What is known of the child lies in FOLDER; its secrets do not, for no environment is written down.

Files in FOLDER, in the order in which they come to be:
  launch        what to run: `key=value` entries ending in NUL; `first` and `ask` beside it hold lines for its input
  inbox/        messages, one line each, in order of their names; moved to inbox/sent/ right after they were written
  stop          a durable request to stop, also from before the start
  keeper.lock   locked from the first moment to the last: this lock, never a pid, is what says that a keeper lives
  reserve       a little space, given back for exit.json, so that a full disk does not keep it from being written
  stdin         a FIFO, the child's input; held open here, so that the child sees no end of it before `ask` is through
  control       a FIFO: a byte `m` means look into the inbox, `s` means stop; nobody reads it when no keeper lives
  started       keeper, child, boot: written when the child is forked, but before it may exec
  stream.jsonl, stderr.log   the child's output, straight from the child
  exit.json     how it ended: written by temp, fsync and rename after no descendant was left; then the lock is let go

What a kill -9 leaves behind:
  before `started`    nothing ran (the child waits for `started` and ends without us): absent, may be started
  after it            lock free, no exit.json: lost; descendants may live, and carry the mark WTO_PROCESS=FOLDER
  after exit.json     ended; nobody is left
A second keeper in the same folder exits silently, because it finds the lock held or `started` written.

Ending, each step with a limit: the `ask` lines and the end of its input; SIGTERM to its process group; SIGKILL. Then,
also after a normal end, every descendant: tools sit in sessions of their own, so a process group is not enough. We are
their subreaper: whoever loses its parent becomes our child, and no child left means no descendant left. Only own
children are signalled; their pids cannot be used again before we reap them. Where there is no subreaper (macOS) the
executor finds left-overs by the mark. A child that does not read, floods or fills the disk never holds us up.
"""

from __future__ import annotations

import _ctypes
import errno
import fcntl
import os
import select
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterator
else:
    import _signal as signal

READY = 3
LINUX = sys.platform == "linux"
LOOK_S = 10.0
"""How often an idle keeper checks for what no notification came for: a hundred of them must cost next to nothing."""
STEP_LIMIT_S = 4.0
LINGER_S = 0.5
"""What descendants get between SIGTERM and SIGKILL once the child has ended."""
NOT_IN_JSON = {ord(character): "?" for character in ("\\", '"', "\ufffd", *map(chr, range(32)))}
_PR_SET_CHILD_SUBREAPER = 36
_START = "import sys; sys.path.append(sys.argv[1]); import keeper; keeper.main(sys.argv[2])"


def command(folder: str) -> list[str]:
    """The words that start the keeper of this folder."""
    return [sys.executable, "-I", "-S", "-c", _START, os.path.dirname(__file__), folder]


class Keeper:
    """One kept process, from fork to exit.json."""

    def __init__(self, folder: str) -> None:
        fields = launch_fields(folder)
        self.folder = folder
        self.argv, self.cwd = fields["argv"], fields["cwd"][0]
        self.env = {name: os.environ[name] for name in fields.get("env", ()) if name in os.environ}
        self.deadline = boottime() + float(fields["deadline_s"][0]) if "deadline_s" in fields else None
        self.grace_s = min(float(fields["grace_s"][0]), STEP_LIMIT_S)
        self.output_limit = int(fields["output_limit"][0])
        self.child = 0
        self.status: int | None = None
        self.cause, self.detail, self.survivors = "exit", "", 0
        self.started_at, self.ended_at = time.time(), 0.0
        self.steps: list[Callable[[], float]] = [self.kill, self.terminate, self.ask]
        self.step_due: float | None = None
        self.look_due, self.look_pause, self.seen_bytes = boottime(), 0.25, 0
        self.pending = memoryview(read_file(f"{folder}/first") if "input" in fields else b"")
        self.pending_name = ""
        self.last_words: memoryview | None = None
        self.control = os.open(f"{folder}/control", os.O_RDWR | os.O_NONBLOCK)
        self.stdin = os.open(f"{folder}/stdin", os.O_RDWR | os.O_NONBLOCK) if "input" in fields else -1
        self.signals = signal_pipe()

    # ------------------------------------------------------------ start

    def start(self) -> None:
        """Fork, write `started`, let the child exec. A child that cannot be executed has ended like any other."""
        go_read, go_write = os.pipe()
        problem_read, problem_write = os.pipe()
        self.child = os.fork()
        if self.child == 0:
            os.close(go_write)
            self.become_child(go_read, problem_write)
        os.close(go_read)
        os.close(problem_write)
        us = f'"keeper": {os.getpid()}, "ticks": {stat_fields(os.getpid())[19].decode() if LINUX else 0}'
        record = f'{{{us}, "boot": "{boot_id()}", "child": {self.child}, "started_at": {self.started_at}}}'
        if not write_whole(f"{self.folder}/started", record):
            sys.exit("no space left on device")
        os.write(go_write, b"1")
        os.close(go_write)
        with open(problem_read, "rb") as problem:
            self.detail = problem.read().decode("ascii", "replace").translate(NOT_IN_JSON)
        self.cause = "unstartable" if self.detail else "exit"

    def become_child(self, go: int, problem: int) -> None:
        """Exec the command; never returns. Reports on `problem` why it could not."""
        step = ""
        try:
            if not os.read(go, 1):
                return
            os.setsid()
            signal.set_wakeup_fd(-1)
            step = f"cannot change to {self.cwd}"
            os.chdir(self.cwd)
            step = "cannot open its output"
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            os.dup2(os.open(f"{self.folder}/stdin" if self.stdin >= 0 else os.devnull, os.O_RDONLY), 0)
            os.dup2(os.open(f"{self.folder}/stream.jsonl", flags, 0o600), 1)
            os.dup2(os.open(f"{self.folder}/stderr.log", flags, 0o600), 2)
            for name in ("SIGHUP", "SIGINT", "SIGTERM", "SIGCHLD", "SIGPIPE", "SIGXFSZ"):
                signal.signal(getattr(signal, name), signal.SIG_DFL)
            step = f"cannot run {self.argv[0]}"
            os.execvpe(self.argv[0], self.argv, self.env)
        except OSError as error:
            found = error.errno != errno.ENOENT or not step.startswith("cannot run")
            why = f"{step}: {error.strerror}" if found else f"command not found: {self.argv[0]}"
            os.write(problem, why.encode(errors="replace"))
        finally:
            os._exit(127)

    # ------------------------------------------------------------ the loop

    def keep(self) -> None:
        """Until the child has ended: pass on messages, obey requests to stop, keep the limits."""
        self.reap()
        while self.status is None:
            self.look()
            self.feed()
            due = self.deadline if self.step_due is None else self.step_due
            pause = (self.look_due if due is None else min(due, self.look_due)) - boottime()
            select.select([self.control, self.signals], [self.stdin] if self.pending else [], [], max(0.001, pause))
            signals = drain(self.signals)
            if b"s" in drain(self.control) or signal.SIGTERM in signals or signal.SIGINT in signals:
                self.end("stopped")
            self.reap()

    def look(self) -> None:
        """Do whatever is due now."""
        now = boottime()
        if self.deadline is not None and now >= self.deadline:
            self.end("deadline")
        if now >= self.look_due:
            self.look_around()
            self.look_due = now + self.look_pause
        if self.step_due is not None and boottime() >= self.step_due:
            self.next_step()

    def look_around(self) -> None:
        """Check for a request to stop whose notification was lost, and the output: often while it grows fast."""
        if os.path.exists(f"{self.folder}/stop") or not os.path.exists(self.folder):
            self.end("stopped")
        outputs = (f"{self.folder}/stream.jsonl", f"{self.folder}/stderr.log")
        size = sum(os.path.getsize(path) for path in outputs if os.path.exists(path))
        if size > self.output_limit:
            self.end("flood")
        self.look_pause = min(LOOK_S, self.look_pause * 2) if size - self.seen_bytes < self.output_limit // 100 else 0.1
        self.seen_bytes = size

    def reap(self) -> bool:
        """Reap every child that has ended, adopted ones too; whether none is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if pid == 0:
                return False
            if pid == self.child:
                self.status = os.waitstatus_to_exitcode(status)
                self.ended_at = time.time()

    # ------------------------------------------------------------ input

    def feed(self) -> None:
        """Write what is due to the child's input, whole messages in order, as far as it accepts them now."""
        while self.stdin >= 0 and (self.pending or self.next_message()):
            try:
                count = os.write(self.stdin, self.pending[: 1 << 16])
            except BlockingIOError:
                return
            self.pending = self.pending[count:]
            if not self.pending and self.pending_name:
                os.rename(f"{self.folder}/inbox/{self.pending_name}", f"{self.folder}/inbox/sent/{self.pending_name}")
                self.pending_name = ""

    def next_message(self) -> bool:
        """Take the next message to write; False if there is none. After the last lines its input is closed."""
        if self.step_due is None:
            names = [name for name in os.listdir(f"{self.folder}/inbox") if name[0].isdigit()]
            self.pending_name = min(names, default="")
            self.pending = memoryview(read_file(f"{self.folder}/inbox/{self.pending_name}") if names else b"")
        elif self.last_words:
            self.pending, self.last_words = self.last_words, memoryview(b"")
        elif self.last_words is not None:
            os.close(self.stdin)
            self.stdin = -1
        return bool(self.pending)

    # ------------------------------------------------------------ the end

    def end(self, cause: str) -> None:
        """Start ending the child, unless that has started already."""
        if self.cause == "exit":
            self.cause = cause
            self.step_due = boottime()

    def next_step(self) -> None:
        """Take the next step of ending; the last one is repeated."""
        step = self.steps.pop() if len(self.steps) > 1 else self.steps[0]
        self.step_due = boottime() + step()

    def ask(self) -> float:
        """Its last lines, and the end of its input; without any we do not wait."""
        words = read_file(f"{self.folder}/ask") if self.stdin >= 0 else b""
        self.last_words = memoryview(words) if words else None
        return self.grace_s if words else 0.0

    def terminate(self) -> float:
        """SIGTERM to its process group, which was made at its start; SIGCONT lets a stopped one see it."""
        send(-self.child, signal.SIGTERM)
        send(-self.child, signal.SIGCONT)
        return self.grace_s

    def kill(self) -> float:
        send(self.child, signal.SIGKILL)
        return LINGER_S

    def end_descendants(self) -> None:
        """Signal and reap until none is left; gently first, then without limit."""
        if self.status is None:
            self.kill()
        found: set[int] = set()
        until = boottime() + LINGER_S
        pause = 0.002
        while not self.reap():
            gentle = boottime() < until
            for pid in children():
                if not gentle:
                    send(pid, signal.SIGKILL)
                elif pid not in found:
                    send(pid, signal.SIGTERM)
                    send(pid, signal.SIGCONT)
                found.add(pid)
            self.survivors = len(found)
            select.select([self.signals], [], [], pause)
            drain(self.signals)
            pause = min(pause * 1.5, 0.05 if gentle else LINGER_S)

    def finish(self) -> None:
        """Write exit.json in the reserved space; if that space is taken too, try for ten minutes."""
        record = (
            f'{{"exit_code": {self.status}, "cause": "{self.cause}", "detail": "{self.detail}", '
            f'"started_at": {self.started_at}, "ended_at": {self.ended_at}, '
            f'"survivors": {self.survivors}, "boot": "{boot_id()}"}}'
        )
        if os.path.exists(f"{self.folder}/reserve"):
            os.unlink(f"{self.folder}/reserve")
        until = boottime() + 600
        while not write_whole(f"{self.folder}/exit.json", record) and boottime() < until:
            time.sleep(1.0)


# ---------------------------------------------------------------- processes and signals


def children() -> Iterator[int]:
    """Our living children. Newest first: one that forks and exits all the time is caught only in the instant it is
    seen."""
    ours = str(os.getpid()).encode()
    for pid in sorted((int(name) for name in os.listdir("/proc") if name.isdigit()), reverse=True) if LINUX else ():
        fields = stat_fields(pid)
        if fields[1:2] == [ours] and fields[0] not in (b"Z", b"X"):
            yield pid


def stat_fields(pid: int) -> list[bytes]:
    """The fields of /proc/PID/stat after the name: state, parent and so on; none for a process that is gone."""
    try:
        return read_file(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    except OSError:
        return []


def send(pid: int, number: int) -> None:
    """Signal a child, or its group if negative. A process that became another user's cannot be signalled, only waited
    for."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def signal_pipe() -> int:
    """A pipe that delivers the number of each signal, so that no code of ours runs in a handler; no signal ends us."""
    numbers, wake = os.pipe()
    os.set_blocking(numbers, False)
    os.set_blocking(wake, False)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: None)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return numbers


def boottime() -> float:
    """Seconds on a clock that never jumps and counts sleep (on macOS the monotonic one does)."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def boot_id() -> str:
    """The id of this boot; empty if there is no /proc."""
    return read_file("/proc/sys/kernel/random/boot_id").decode().strip() if LINUX else ""


# ---------------------------------------------------------------- files


def launch_fields(folder: str) -> dict[str, list[str]]:
    """What to run, as the executor wrote it; a key may come more than once."""
    fields: dict[str, list[str]] = {}
    for entry in os.fsdecode(read_file(f"{folder}/launch")).split("\0")[:-1]:
        key, _, value = entry.partition("=")
        fields.setdefault(key, []).append(value)
    return fields


def read_file(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.readall()


def write_whole(path: str, text: str) -> bool:
    """Replace a file in one step, durably: there is the old one or the new one, never a part. False on a full disk."""
    try:
        with open(f"{path}.new", "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        os.rename(f"{path}.new", path)
        return True
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        return False


def drain(descriptor: int) -> bytes:
    """Read everything that waits in a pipe."""
    try:
        return os.read(descriptor, 1 << 16)
    except BlockingIOError:
        return b""


def take_lock(folder: str) -> bool:
    """Take the keeper's lock for life; False if this folder has, or had, a keeper already."""
    descriptor = os.open(f"{folder}/keeper.lock", os.O_RDWR | os.O_CREAT, 0o600)
    for _ in range(2000):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return not os.path.exists(f"{folder}/started")
        except BlockingIOError:
            if os.path.exists(f"{folder}/started"):
                return False
            time.sleep(0.001)  # a check whether a keeper lives takes the lock for an instant
    return False


def main(folder: str) -> None:
    os.setsid()
    os.chdir("/")
    os.closerange(READY + 1, 1 << 16)
    os.set_inheritable(READY, False)
    if not take_lock(folder):
        return
    if LINUX:
        itself = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]  # None is the program itself, as in dlopen(3)
        _ctypes.call_function(_ctypes.dlsym(itself, "prctl"), (_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
    write_whole(f"{folder}/reserve", "." * 65_536)
    keeper = Keeper(folder)
    keeper.start()
    try:
        os.write(READY, b"1")
    except BrokenPipeError:
        pass  # our caller is gone; that is what we are for
    try:
        keeper.keep()
    finally:  # also after a bug of ours, or if somebody removed our folder: no process is left behind
        keeper.end_descendants()
    keeper.finish()
