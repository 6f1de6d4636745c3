"""Write many merge commits with one `git fast-import`. The tree of each is that of the commit below it with a rider's
raw changes applied by mode and object id.

No content is read, and nothing is merged here. The commits are byte for byte those that `merge_tree` makes of the same
parents, tree, message and time. Their objects are on the disk before the ref is moved. The changes must not touch what
is below in any way that needs a merge; the caller makes sure of that, and the proof checks it again. (One exception is
left as it was where merging would change it: file modes such as 100664, which git no longer writes, in a folder with
another change.)
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from wt_orchestrate.adapters.gitrepo.objects.raw_diff import Delta, deleted
from wt_orchestrate.adapters.gitrepo.runner import EMAIL, LONG_S, NAME, Git, added_configuration
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.errors import GitFailed

_FAST = {"pack.compression": "1"}
"""Trees are stored as small deltas, for which harder compression costs more than it saves."""


@dataclass(frozen=True, slots=True)
class NewCommit:
    """One commit to write. `onto` is None for the commit written before it. Without a head it has one parent."""

    deltas: Sequence[Delta]
    onto: CommitId | None = None
    head: CommitId | None = None
    message: str = ""


def write(
    git: Git, layers: Sequence[NewCommit], *, at: float, ref: str, keep: bool = True, author: str = ""
) -> Sequence[CommitId]:
    """Write the commits; `ref` points at the last one afterwards, or is deleted if it is not to be kept. `author`: whose they
    are (`Name <address>`; empty for our own)."""
    stream = b"".join(
        part
        for number, layer in enumerate(layers, 1)
        for part in commands(layer, number, at=at, ref=ref, author=author)
    )
    stream += b"".join(b"get-mark :%d\n" % number for number in range(1, len(layers) + 1))
    if not keep:
        stream += b"reset %s\nfrom %s\n" % (ref.encode(), b"0" * len(layers[0].onto or ""))
    try:
        output = git.run(
            "fast-import",
            "--quiet",
            "--force",
            "--date-format=raw",
            stdin=stream,
            whole=True,  # one that ends within a merge's parents would keep git busy for ever, and its memory growing
            env=added_configuration(_FAST),
            timeout_s=LONG_S,
        )
    except GitFailed:
        forget_reports(git.git_dir)
        raise
    return tuple(CommitId(line) for line in output.decode().split())


def forget_reports(git_dir: str) -> None:
    """Remove fast-import's own report of its failure: the error has the same text."""
    for path in glob.glob(f"{glob.escape(git_dir)}/fast_import_crash_*"):
        with suppress(OSError):
            os.unlink(path)


def commands(layer: NewCommit, number: int, *, at: float, ref: str, author: str = "") -> Iterator[bytes]:
    """The commands that make one commit."""
    who = f"{NAME} <{EMAIL}> {int(at)} +0000"
    whose = f"{author} {int(at)} +0000" if author else who
    message = layer.message.encode()
    yield f"commit {ref}\nmark :{number}\nauthor {whose}\ncommitter {who}\ndata {len(message)}\n".encode()
    yield message + b"\n"
    if layer.onto is not None:
        yield f"from {layer.onto}\n".encode()
    if layer.head is not None:
        yield f"merge {layer.head}\n".encode()
    for delta in layer.deltas:
        yield laid_on(delta).encode("utf-8", "surrogateescape")
    yield b"\n"


def laid_on(delta: Delta) -> str:
    """The commands for the changes of a raw diff. Deletions come first: a file may make room for a folder of its name,
    or the other way round."""
    gone = [f"D {quoted(path)}\n" for path in deleted(delta)]
    there = [
        f"M {line[8:14]} {line.split(' ', 4)[3]} {quoted(path)}\n"
        for path, line in delta.items()
        if not line.endswith("D")
    ]
    return "".join(gone + there)


def quoted(path: str) -> str:
    """A path as fast-import reads it."""
    if '"' not in path and "\n" not in path:
        return path
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
