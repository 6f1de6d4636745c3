"""The keeper: a small process that owns one other process and all that it starts.

Run as `python -I -S keeper.py FOLDER READY`, in a session of its own, with the child's environment as its own; READY is a
pipe that gets one byte once the child runs. It imports little, so that hundreds of keepers are cheap, and it outlives the
supervisor: whatever is known of the child is in FOLDER.

Files in FOLDER, and what a crash leaves:
  launch        what to run (JSON), written by the executor before this process exists
  keeper.lock   held from the first instant to the last; the lock is this process's identity, not its pid
  started       written before the child is forked (`child` null), and again with its pid: started without a held lock
                and without exit.json means the keeper was killed, and descendants may live
  stdin         a FIFO the child reads; held open here, so that it never sees the end of its input
  control       a FIFO: a byte `m` says look into the inbox, `s` says stop; no reader means no keeper
  stop          a durable wish to stop
  inbox/        messages, one line each, in order of their names; moved to inbox/sent/ right after they were written
  stream.jsonl, stderr.log   the child's output, straight from the child
  exit.json     how it ended, written by rename after no descendant was left

Ending: the `ask` lines if it takes input, then SIGTERM to its process group, then SIGKILL to every descendant; the last
step also after a normal end, because tool commands sit in sessions of their own. The keeper is their subreaper.
"""

import ctypes
import errno
import fcntl
import json
import os
import select
import signal
import sys
import time

LOOK_S = 5.0
TERMINATE_S = 3.0
FLOOD_BYTES = 512 << 20
RESERVE_BYTES = 1 << 16
PR_SET_CHILD_SUBREAPER = 36


def boottime() -> float:
    """Seconds on a clock that counts sleep and never jumps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def boot_id() -> str:
    """The id of this boot; empty where the system tells none."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def write_whole(path: str, text: str) -> None:
    """Replace a file in one step, durably."""
    beside = f"{path}.new"
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, text.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(beside, path)


def parents() -> dict[int, int]:
    """Every process with its parent, from /proc; empty where there is none."""
    found: dict[int, int] = {}
    try:
        names = os.listdir("/proc")
    except OSError:
        return found
    for name in names:
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    found[int(name)] = int(file.read().rpartition(b")")[2].split()[1])
            except OSError:
                continue
    return found


def descendants() -> list[int]:
    """All living descendants of this process."""
    by_parent: dict[int, list[int]] = {}
    for pid, parent in parents().items():
        by_parent.setdefault(parent, []).append(pid)
    found: list[int] = []
    waiting = [os.getpid()]
    while waiting:
        children = by_parent.get(waiting.pop(), [])
        found += children
        waiting += children
    return found


def send(pid: int, number: int) -> None:
    """Signal a process of ours; one that is gone already is fine."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


class Keeper:
    """One kept process, from fork to exit.json."""

    def __init__(self, folder: str, spec: dict) -> None:  # type: ignore[type-arg]
        self.folder = folder
        self.spec = spec
        self.child = 0
        self.status: int | None = None
        self.cause = "exit"
        self.detail = ""
        self.started_at = time.time()
        self.ended_at = 0.0
        self.survivors = 0
        self.stop_until = 0.0
        self.steps: list[str] = []
        self.deadline = boottime() + spec["deadline_s"] if spec["deadline_s"] is not None else None
        self.looked_at = 0.0
        self.queue = b"".join(line.encode() + b"\n" for line in spec["lines"])
        self.writing: list[tuple[int, str]] = []
        self.written = 0
        self.control = os.open(self.path("control"), os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self.stdin = -1
        if spec["input"]:
            self.stdin = os.open(self.path("stdin"), os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self.wake_read, self.wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def path(self, name: str) -> str:
        return f"{self.folder}/{name}"

    # ------------------------------------------------------------ start

    def start(self) -> None:
        """Fork and exec the child; an exec that fails is an end like any other."""
        self.note_started()
        error_read, error_write = os.pipe2(os.O_CLOEXEC)
        self.child = os.fork()
        if self.child == 0:
            try:
                self.become_child()
            except OSError as error:
                os.write(error_write, f"{error.strerror}: {error.filename or self.spec['argv'][0]}".encode())
            finally:
                os._exit(127)
        os.close(error_write)
        problem = os.read(error_read, 4096)
        os.close(error_read)
        if problem:
            self.cause, self.detail = "unstartable", problem.decode(errors="replace")
        self.note_started()

    def become_child(self) -> None:
        os.setsid()
        os.chdir(self.spec["cwd"])
        source = self.path("stdin") if self.spec["input"] else os.devnull
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        os.dup2(os.open(source, os.O_RDONLY), 0)
        os.dup2(os.open(self.path("stream.jsonl"), flags, 0o600), 1)
        os.dup2(os.open(self.path("stderr.log"), flags, 0o600), 2)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        os.execvpe(self.spec["argv"][0], self.spec["argv"], os.environ)

    def note_started(self) -> None:
        record = {"keeper": os.getpid(), "child": self.child or None, "started_at": self.started_at, "boot": boot_id()}
        write_whole(self.path("started"), json.dumps(record))

    # ------------------------------------------------------------ the loop

    def run(self) -> None:
        """Until the child has ended: pass on messages, obey wishes, keep the limits."""
        poller = select.poll()
        poller.register(self.control, select.POLLIN)
        poller.register(self.wake_read, select.POLLIN)
        self.look()
        while self.status is None:
            if self.stdin >= 0:
                if self.queue:
                    poller.register(self.stdin, select.POLLOUT)
                else:
                    self.unregister(poller)
            poller.poll(max(1, int(self.patience() * 1000)))
            self.drain()
            self.reap()
            self.look()

    def unregister(self, poller: "select.poll") -> None:
        try:
            poller.unregister(self.stdin)
        except KeyError:
            pass

    def patience(self) -> float:
        """Seconds until something is due."""
        now = boottime()
        due = [now + LOOK_S]
        if self.deadline is not None and self.cause == "exit":
            due.append(self.deadline)
        if self.stop_until:
            due.append(self.stop_until)
        return max(0.0, min(due) - now)

    def drain(self) -> None:
        """Empty the pipes that woke us; a byte `s` is a wish to stop."""
        for descriptor in (self.control, self.wake_read):
            try:
                if b"s" in os.read(descriptor, 4096) and descriptor == self.control:
                    self.stop("stopped")
            except BlockingIOError:
                continue

    def look(self) -> None:
        """See to whatever is due now."""
        now = boottime()
        if self.deadline is not None and now >= self.deadline:
            self.stop("deadline")
        if now - self.looked_at >= LOOK_S:
            self.looked_at = now
            if os.path.exists(self.path("stop")):
                self.stop("stopped")
            if self.output_size() > FLOOD_BYTES:
                self.stop("flood")
        if self.stop_until and now >= self.stop_until:
            self.next_step()
        self.feed()

    def output_size(self) -> int:
        try:
            return os.stat(self.path("stream.jsonl")).st_size
        except OSError:
            return 0

    def reap(self) -> None:
        """Take in every child that has ended, adopted ones too."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.child:
                self.status = os.waitstatus_to_exitcode(status)
                self.ended_at = time.time()

    # ------------------------------------------------------------ input

    def feed(self) -> None:
        """Write what is due to the child's input, never waiting for it."""
        if self.stdin < 0:
            return
        self.take_messages()
        while self.queue:
            try:
                count = os.write(self.stdin, self.queue[: 1 << 16])
            except BlockingIOError:
                return
            self.queue = self.queue[count:]
            self.written += count
            while self.writing and self.writing[0][0] <= self.written:
                name = self.writing.pop(0)[1]
                os.rename(self.path(f"inbox/{name}"), self.path(f"inbox/sent/{name}"))

    def take_messages(self) -> None:
        known = {name for _, name in self.writing}
        for name in sorted(os.listdir(self.path("inbox"))):
            if name == "sent" or name in known:
                continue
            with open(self.path(f"inbox/{name}"), "rb") as file:
                self.queue += file.read().rstrip(b"\n") + b"\n"
            self.writing.append((self.written + len(self.queue), name))

    # ------------------------------------------------------------ the end

    def stop(self, cause: str) -> None:
        """Begin to end the child, once."""
        if self.cause != "exit":
            return
        self.cause = cause
        self.steps = ["terminate", "kill"]
        if self.stdin >= 0 and self.spec["ask"]:
            self.queue += b"".join(line.encode() + b"\n" for line in self.spec["ask"])
            self.stop_until = boottime() + self.spec["grace_s"]
        else:
            self.next_step()

    def next_step(self) -> None:
        step = self.steps.pop(0) if self.steps else "kill"
        if step == "terminate":
            try:
                os.killpg(self.child, signal.SIGTERM)
            except (ProcessLookupError, PermissionError):
                send(self.child, signal.SIGTERM)
            self.stop_until = boottime() + min(TERMINATE_S, self.spec["grace_s"])
        else:
            for pid in descendants() or [self.child]:
                send(pid, signal.SIGKILL)
            self.stop_until = boottime() + 0.5

    def end_all(self) -> None:
        """Kill and reap until no descendant is left: first with a chance to finish, then without."""
        until = boottime() + 0.5
        asked: set[int] = set()
        while True:
            self.reap()
            left = descendants()
            if not left:
                return
            for pid in left:
                if boottime() >= until:
                    send(pid, signal.SIGKILL)
                elif pid not in asked:
                    send(pid, signal.SIGTERM)
            self.survivors = max(self.survivors, len(asked | set(left)))
            asked |= set(left)
            select.select([], [], [], 0.02)

    def finish(self) -> None:
        """Write exit.json; on a full disk first free the reserve, then keep trying."""
        record = {
            "exit_code": self.status,
            "started_at": self.started_at,
            "ended_at": self.ended_at or time.time(),
            "cause": self.cause,
            "detail": self.detail,
            "survivors": self.survivors,
            "boot": boot_id(),
        }
        for _ in range(600):
            try:
                write_whole(self.path("exit.json"), json.dumps(record))
                break
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                if os.path.exists(self.path("reserve")):
                    os.unlink(self.path("reserve"))
                time.sleep(1.0)
        if os.path.exists(self.path("reserve")):
            os.unlink(self.path("reserve"))


def become_subreaper() -> None:
    """Orphaned descendants become our children, where the system can do that."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def main() -> None:
    folder, ready = sys.argv[1], int(sys.argv[2])
    lock = os.open(f"{folder}/keeper.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.set_inheritable(ready, False)
    with open(f"{folder}/launch", encoding="utf-8") as file:
        keeper = Keeper(folder, json.load(file))
    with open(f"{folder}/reserve", "wb") as reserve:
        reserve.write(bytes(RESERVE_BYTES))
    become_subreaper()
    signal.set_wakeup_fd(keeper.wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: keeper.stop("stopped"))
    keeper.start()
    os.write(ready, b"1")
    os.close(ready)
    keeper.run()
    keeper.end_all()
    keeper.finish()


if __name__ == "__main__":
    main()
