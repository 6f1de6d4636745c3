"""What commits expose, read from one log with patches: added lines that look like secrets, and trailers of messages.

A merge counts with what is in none of its parents. Files that git takes for binary, and those above 5 MiB, are left
out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from wt_orchestrate.adapters.gitrepo.objects import ancestry
from wt_orchestrate.adapters.gitrepo.objects.raw_diff import between
from wt_orchestrate.adapters.gitrepo.objects.session import CommitObject, Served, Sessions
from wt_orchestrate.adapters.gitrepo.runner import LONG_S, Git, added_configuration, text, written
from wt_orchestrate.domain.agent.commit_scan import Exposed, Scan, Trailer
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.domain.text.secrets import hint, secrets_in

_KEPT = 20_000
"""Commits whose scans are remembered."""
_NONE = CommitId("")
_LARGEST = "5m"
_HUNK = re.compile(rb"(@{2,}) .*?\+(\d+)(?:,\d+)? @")
_ESCAPE = re.compile(rb"\\([0-7]{3}|.)")
_PLAIN = {b"a": b"\a", b"b": b"\b", b"t": b"\t", b"n": b"\n", b"v": b"\v", b"f": b"\f", b"r": b"\r"}


def scan(git: Git, *, base: CommitId, head: CommitId, without: Sequence[CommitId] = (), messages: bool = True) -> Scan:
    """What the commits of `base..head` expose; trailers for certain only with `messages`."""
    found = _remembered(git, base, head, messages=messages) if not without else None
    return found or _read(git, base, head, without)


def _remembered(git: Git, base: CommitId, head: CommitId, *, messages: bool) -> Scan | None:
    """The same from commits that were read before, for what they say never changes; None if one was not. A merge is known to
    add nothing where no path differs from all of its parents: it has no combined patch then."""
    commits = ancestry.beyond(git, base=base, head=head) if isinstance(git, Served) else None
    if commits is None or not isinstance(git, Served):
        return None
    known = git.sessions.scans
    unknown = [commit for name, commit in commits if name not in known]
    if unknown and (messages or not _add_nothing(git, unknown)):
        return None
    scans = [known[name] for name, _ in commits if name in known]
    return Scan(
        exposed=tuple(found for each in scans for found in each.exposed),
        trailers=tuple(trailer for each in scans for trailer in each.trailers),
    )


def _add_nothing(git: Git, merges: Sequence[CommitObject]) -> bool:
    if any(len(each.parents) < 2 for each in merges):
        return False
    parents = ancestry.read(git, [name for each in merges for name in each.parents])
    pairs = [[(parents[name].tree, each.tree) for name in each.parents] for each in merges]
    deltas = iter(between(git, [pair for some in pairs for pair in some]))
    return not any(set.intersection(*(set(next(deltas)) for _ in some)) for some in pairs)


def _read(git: Git, base: CommitId, head: CommitId, without: Sequence[CommitId]) -> Scan:
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
    if isinstance(git, Served):
        _remember(git.sessions, [header.partition(b"\x1f")[0].decode() for header in headers], exposed, trailers)
    return Scan(exposed=exposed, trailers=trailers)


def _remember(
    sessions: Sessions, commits: Sequence[str], exposed: Sequence[Exposed], trailers: Sequence[Trailer]
) -> None:
    if len(sessions.scans) > _KEPT:
        sessions.scans.clear()
    sessions.scans.update(dict.fromkeys(commits, Scan()))
    for name in {each.commit for each in exposed} | {each.commit for each in trailers}:
        sessions.scans[name] = Scan(
            exposed=tuple(each for each in exposed if each.commit == name),
            trailers=tuple(each for each in trailers if each.commit == name),
        )


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
