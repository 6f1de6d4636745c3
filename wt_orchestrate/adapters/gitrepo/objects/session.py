"""Git processes that stay for more than one question: they read objects, compare trees and move refs.

A git process costs 2 ms of CPU, a question to one that runs 0.05 ms. So a git directory of ours keeps up to four of them
(the user's repository one, for its refs): `cat-file --batch-command`, two of `diff-tree --stdin`, and `update-ref --stdin`.
They start when they are first asked and stop when nobody has asked for a while. If we die they end by themselves, because
their input ends.

What they answer cannot grow stale: objects are named by ids, or by a path below one; trees are compared by their ids; and
each transaction reads its refs again. A question fits into the pipe whole, and its whole answer is read before the next, so
that neither side waits for the other. A reader that died is started once more. A transaction that failed raises GitFailed,
and whoever asked for it looks where the refs are. Safe from any thread.
"""

from __future__ import annotations

import os
import select
import subprocess
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from secrets import token_hex
from threading import Lock
from typing import IO, TypeVar

from wt_orchestrate.adapters.gitrepo.runner import LONG_S, Git, start
from wt_orchestrate.domain.agent.commit_scan import Scan
from wt_orchestrate.errors import GitFailed, Overran

CAT_FILE = ("cat-file", "--batch-command", "-z")
DIFF_TREE = (
    "diff-tree", "--stdin", "-r", "-z", "--raw", "--no-abbrev", "--no-renames", "--no-ext-diff", "--no-textconv",
    "--no-color", "--no-relative", "--ignore-submodules=none",
)  # fmt: skip
COUNTED = (
    "diff-tree", "--stdin", "-r", "-z", "--raw", "--numstat", "-M", "-l7000", "--no-ext-diff", "--no-textconv", "--no-color",
    "--no-relative", "--ignore-submodules=none",
)  # fmt: skip
"""With renames and counted lines."""
UPDATE_REF = ("update-ref", "--no-deref", "--stdin", "-z")
_ROOM = 4096
"""Bytes that an empty pipe takes at once on every system we know."""
_CHUNK = 1 << 16
_GRACE_S = 5.0
_MANY = 1000
"""For more objects at a time a process of their own is quicker: it need not answer one by one."""
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Object:
    """An object as git found it; `content` is empty where it was not asked for."""

    id: str
    kind: str
    size: int
    content: bytes = b""


@dataclass(slots=True)
class _Running:
    """A process, and what of its answer was read beyond what was asked for."""

    process: subprocess.Popen[bytes]
    said: IO[bytes]
    rest: bytes = b""


@dataclass(frozen=True, slots=True)
class CommitObject:
    """What a commit object says; `plain` is False where git itself must say who and what (another encoding than UTF-8)."""

    tree: str
    parents: tuple[str, ...]
    at: int
    """The committer's time."""
    author: str
    subject: str
    plain: bool


class Session:
    """One git process that is asked again and again."""

    def __init__(self, git: Git, arguments: tuple[str, ...]) -> None:
        self._git = git
        self._arguments = arguments
        self._running: _Running | None = None
        self._stopped: Callable[[], object] | None = None
        self._asked_at = 0.0
        self._until = 0.0
        self._lock = Lock()

    def ask(self, question: Callable[[Session], _Answer], *, again: bool = False) -> _Answer:
        """Have a whole conversation with it, alone. With `again`, one that died is started and asked a second time. Raises
        GitFailed when it dies, Overran when it does not answer; it is started again the next time."""
        with self._lock:
            known = self._running is not None
            try:
                return self._asked(question)
            except GitFailed:
                if not (again and known):
                    raise
            return self._asked(question)

    def rest(self, idle_s: float) -> None:
        """Stop it if nobody has asked for so long."""
        with self._lock:
            if time.monotonic() - self._asked_at >= idle_s:
                self._stop()

    def _asked(self, question: Callable[[Session], _Answer]) -> _Answer:
        self._asked_at = time.monotonic()
        self._until = self._asked_at + LONG_S
        try:
            return question(self)
        except BaseException:
            self._stop()
            raise

    # ------------------------------------------------------------ for the conversation

    def tell(self, words: bytes) -> None:
        """Write a part of a question, one that the pipe takes at once."""
        process = self._started().process
        assert process.stdin is not None
        try:
            process.stdin.write(words)
            process.stdin.flush()
        except OSError:
            raise self._failure() from None

    def until(self, mark: bytes) -> bytes:
        """The answer up to a mark, which is read over."""
        running = self._started()
        found = bytearray(running.rest)
        looked = 0
        while (at := found.find(mark, looked)) < 0:
            looked = max(0, len(found) - len(mark) + 1)
            found += self._more()
        running.rest = bytes(found[at + len(mark) :])
        return bytes(found[:at])

    def exactly(self, count: int) -> bytes:
        """So many bytes of the answer."""
        running = self._started()
        found = bytearray(running.rest)
        while len(found) < count:
            found += self._more()
        running.rest = bytes(found[count:])
        return bytes(found[:count])

    def _more(self) -> bytes:
        process = self._started().process
        assert process.stdout is not None
        waiting = select.poll()
        waiting.register(process.stdout, select.POLLIN)
        if not waiting.poll(max(0.0, self._until - time.monotonic()) * 1000):
            raise Overran(f"git {self._arguments[0]} did not answer within {LONG_S:.0f} s", hint="try again")
        came = os.read(process.stdout.fileno(), _CHUNK)
        if not came:
            raise self._failure()
        return came

    # ------------------------------------------------------------ the process

    def _started(self) -> _Running:
        if self._running is None:
            said = tempfile.TemporaryFile()
            process = start(self._git, self._arguments, stderr=said)
            self._running = _Running(process, said)
            self._stopped = weakref.finalize(self, _ended, process, said)
        return self._running

    def _stop(self) -> None:
        if self._stopped is not None:
            self._stopped()
        self._running, self._stopped = None, None

    def _failure(self) -> GitFailed:
        """Why it ended; what it said stands in a file, because nobody reads along."""
        running = self._running
        assert running is not None
        try:
            code = running.process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            code = -1
        running.said.seek(0)
        return GitFailed(self._arguments, code=code, stderr=running.said.read(_CHUNK).decode(errors="replace"))


def _ended(process: subprocess.Popen[bytes], said: IO[bytes]) -> None:
    """End a process: the end of its input is its end, and undoes a transaction that was not concluded."""
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        with suppress(OSError):
            pipe.close()
    try:
        process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    said.close()


# ---------------------------------------------------------------- a git directory with its sessions


@dataclass(frozen=True, slots=True)
class Sessions:
    """The processes of one git directory."""

    objects: Session
    trees: Session
    counted: Session
    refs: Session
    commits: dict[str, CommitObject] = field(default_factory=dict)
    """Commits that were read, by their ids: what they say never changes."""
    scans: dict[str, Scan] = field(default_factory=dict)
    """What commits that were read whole expose, by their ids."""
    paths: dict[str, frozenset[str]] = field(default_factory=dict)
    """All paths of trees, by their ids."""

    def rest(self, idle_s: float = 0.0) -> None:
        """Stop those that nobody has asked for so long."""
        for each in (self.objects, self.trees, self.counted, self.refs):
            each.rest(idle_s)


@dataclass(frozen=True, slots=True)
class Served(Git):
    """Git on one git directory, with processes that stay. `at` gives a plain one: another index, worktree or place of objects
    is not theirs."""

    sessions: Sessions = field(kw_only=True, compare=False)


def served(git_dir: str) -> Served:
    """Git on a git directory, with processes that stay."""
    plain = Git(git_dir)
    found = Sessions(
        objects=Session(plain, CAT_FILE),
        trees=Session(plain, DIFF_TREE),
        counted=Session(plain, COUNTED),
        refs=Session(plain, UPDATE_REF),
    )
    return Served(git_dir, sessions=found)


# ---------------------------------------------------------------- what they are asked


def look_up(git: Git, names: Sequence[str], *, contents: bool = False) -> list[Object | None]:
    """Each object by its name, in order, by the process that stays or, for many or elsewhere, by one of its own; None where
    there is none."""
    if isinstance(git, Served) and len(names) <= _MANY:
        return objects(git.sessions, names, contents=contents)
    return _by_one(git, names, contents=contents)


def _by_one(git: Git, names: Sequence[str], *, contents: bool) -> list[Object | None]:
    if not names:
        return []
    asked = [name.encode("utf-8", "surrogateescape") for name in names]
    words = ("cat-file", "--batch" if contents else "--batch-check", "-z", "--buffer")
    answer = _Read(git.run(*words, stdin=b"".join(name + b"\0" for name in asked), timeout_s=LONG_S))
    return [_object(answer, name, contents=contents) for name in asked]


class _Read:
    """An answer that is there whole."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._at = 0

    def until(self, mark: bytes) -> bytes:
        end = self._answer.index(mark, self._at)
        return self.exactly(end + len(mark) - self._at)[: -len(mark)]

    def exactly(self, count: int) -> bytes:
        self._at += count
        return self._answer[self._at - count : self._at]


def objects(sessions: Sessions, names: Sequence[str], *, contents: bool) -> list[Object | None]:
    """Each object by its name, in order; None where there is none."""
    word = b"contents " if contents else b"info "
    asked = [name.encode("utf-8", "surrogateescape") for name in names]

    def talk(session: Session) -> list[Object | None]:
        found: list[Object | None] = []
        for some in _portions([word + name + b"\0" for name in asked]):
            session.tell(b"".join(some))
            for line in some:
                found.append(_object(session, line[len(word) : -1], contents=contents))
        return found

    return sessions.objects.ask(talk, again=True) if asked else []


def _object(session: Session | _Read, name: bytes, *, contents: bool) -> Object | None:
    """The next answer. A name that is not found comes back as it was asked for, maybe with newlines of its own."""
    head = session.until(b"\n")
    while head.count(b"\n") < name.count(b"\n") and name.startswith(head):
        head += b"\n" + session.until(b"\n")
    words = head.split(b" ")
    if head in (name + b" missing", name + b" ambiguous") or len(words) != 3:
        return None
    oid, kind, size = words[0].decode(), words[1].decode(), int(words[2])
    return Object(oid, kind, size, session.exactly(size + 1)[:-1] if contents else b"")


def compared(trees: Session, pairs: Sequence[tuple[str, str]]) -> str:
    """What `diff-tree --stdin` says of these pairs of trees, with a header for each. A line that is no object id comes back as
    it is, behind the answers to all lines before it: nobody can guess ours, so that no path can pretend to be it."""
    mark = f"end {token_hex(16)}\n".encode()
    lines = [f"{one} {other}\n".encode() for one, other in pairs]

    def talk(session: Session) -> bytes:
        found: list[bytes] = []
        for some in _portions(lines):
            session.tell(b"".join(some) + mark)
            found.append(session.until(mark))
        return b"".join(found)

    return trees.ask(talk, again=True).decode("utf-8", "surrogateescape")


def transaction(sessions: Sessions, steps: Sequence[bytes]) -> None:
    """Move refs all at once. Raises GitFailed when one is not where it should be; then none was moved, or (killed between
    deciding and telling) all were."""

    def talk(session: Session) -> None:
        session.tell(b"start\0")
        _expect(session, b"start: ok")
        for some in _portions(steps):
            session.tell(b"".join(some))
        session.tell(b"prepare\0")
        _expect(session, b"prepare: ok")
        session.tell(b"commit\0")
        _expect(session, b"commit: ok")

    sessions.refs.ask(talk)


def _expect(session: Session, answer: bytes) -> None:
    said = session.until(b"\n")
    if said != answer:
        raise GitFailed(UPDATE_REF, code=1, stderr=said.decode(errors="replace"))


def _portions(lines: Sequence[bytes]) -> Iterator[list[bytes]]:
    """The lines in order, as many at a time as a pipe takes at once; one that is longer goes alone."""
    some: list[bytes] = []
    room = _ROOM
    for line in lines:
        if some and len(line) > room:
            yield some
            some, room = [], _ROOM
        some.append(line)
        room -= len(line)
    if some:
        yield some
