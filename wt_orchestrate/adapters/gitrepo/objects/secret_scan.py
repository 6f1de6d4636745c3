"""What commits expose, read from one log with patches: added lines that look like secrets, and trailers of messages.

A merge counts with what is in none of its parents. Files that git takes for binary, and those above 5 MiB, are left
out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from wt_orchestrate.adapters.gitrepo.runner import LONG_S, Git, added_configuration, text, written
from wt_orchestrate.domain.agent.commit_scan import Exposed, Scan, Trailer
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.domain.text.secrets import hint, secrets_in

_NONE = CommitId("")
_LARGEST = "5m"
_HUNK = re.compile(rb"(@{2,}) .*?\+(\d+)(?:,\d+)? @")
_ESCAPE = re.compile(rb"\\([0-7]{3}|.)")
_PLAIN = {b"a": b"\a", b"b": b"\b", b"t": b"\t", b"n": b"\n", b"v": b"\v", b"f": b"\f", b"r": b"\r"}


def scan(git: Git, *, base: CommitId, head: CommitId, without: Sequence[CommitId] = ()) -> Scan:
    """What the commits of `base..head` expose."""
    output = git.run(
        "log", "-p", "-U0", "--reverse", "--diff-merges=combined", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color",
        "--encoding=UTF-8", "--no-show-signature", "--src-prefix=a/", "--dst-prefix=b/",
        "--format=%x00%H%x1f%(trailers:only,unfold,separator=%x1e)", "--end-of-options", f"{base}..{head}",
        *(f"^{other}" for other in without),
        env=added_configuration({"core.bigFileThreshold": _LARGEST}), timeout_s=LONG_S,
    )  # fmt: skip
    lines = output.split(b"\n")
    headers = [line[1:] for line in lines if line.startswith(b"\0")]
    trailers = tuple(trailer for header in headers for trailer in _trailers(header))
    exposed = tuple(_exposed(lines)) if hint().search(output) else ()
    return Scan(exposed=exposed, trailers=trailers)


def _trailers(header: bytes) -> Iterator[Trailer]:
    commit, _, rest = header.partition(b"\x1f")
    for part in rest.split(b"\x1e"):
        key, separator, value = written(part).partition(":")
        if separator:
            yield Trailer(commit=CommitId(commit.decode()), key=key.strip(), value=value.strip())


@dataclass(slots=True)
class LogPlace:
    """The current place in a log: a hunk's lines have as many signs as the commit has parents."""

    commit: CommitId
    path: str = ""
    signs: int = 0
    line: int = 0


def exposed_in(diff: bytes) -> tuple[Exposed, ...]:
    """What the added lines of one diff with `a/` and `b/` expose, outside of any commit."""
    return tuple(_exposed(diff.split(b"\n"))) if hint().search(diff) else ()


def _exposed(lines: list[bytes]) -> Iterator[Exposed]:
    for at, line in added_lines(lines):
        if hint().search(line):
            for secret in secrets_in(text(line)):
                yield Exposed(commit=at.commit, path=at.path, line=at.line, **secret._asdict())


def added_lines(lines: Iterable[bytes]) -> Iterator[tuple[LogPlace, bytes]]:
    """Each added line of a log with patches, or of a diff, without its signs; the place is valid until the next line."""
    at = LogPlace(_NONE)
    for line in lines:
        if line.startswith(b"\0"):
            at = LogPlace(CommitId(line[1:].partition(b"\x1f")[0].decode()))
        elif line.startswith(b"diff --"):
            at.path, at.signs = "", 0
        elif line.startswith(b"@@") and (hunk := _HUNK.match(line)) is not None:
            at.signs, at.line = len(hunk[1]) - 1, int(hunk[2])
        elif at.signs:
            signs = line[: at.signs]
            if b"-" in signs or line.startswith(b"\\") or not line:
                continue
            if b"+" in signs:
                yield at, line[at.signs :]
            at.line += 1
        elif line.startswith(b"+++ "):
            at.path = _path(line[4:])


def _path(name: bytes) -> str:
    """A path from a patch's header: without its prefix and git's quotes."""
    if name.startswith(b'"'):
        name = _ESCAPE.sub(_unescaped, name.strip().strip(b'"'))
    return text(name.removeprefix(b"b/").rstrip(b"\t"))


def _unescaped(match: re.Match[bytes]) -> bytes:
    escaped = match[1]
    return bytes([int(escaped, 8)]) if escaped.isdigit() else _PLAIN.get(escaped, escaped)
