"""Union: the lines of both sides, one after another, made by git's own merge for exactly these paths.

Where a person asked for it, it is what git's `merge=union` gives. As a guess it is only a resolution if the result is
well formed. A parser that refuses a side's own version too (an older dialect, a template) cannot judge, and is not asked.
Whether the guess is right only the checks can say: the train runs them before anybody is asked. A guess leaves the lines
of a conflict together that git would share out between both sides (zdiff3): of 42 conflicts in real code, whose tests
decide, it is right for 20 so and for 17 otherwise.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from wt_orchestrate.adapters.gitrepo.conflict.attributes import exact, write_attributes
from wt_orchestrate.adapters.gitrepo.objects.blobs import FILES
from wt_orchestrate.adapters.gitrepo.runner import LONG_S, Git, fields
from wt_orchestrate.domain.ids import CommitId

_PARSER = "wt_orchestrate.adapters.planfile.wellformed"
_PARSING_S = 60.0


def union(
    own: Git, *, ours: CommitId, theirs: CommitId, paths: Sequence[str], guessing: bool = False
) -> Mapping[str, str]:
    """Resolve these paths in the index and the tree of `own` by union. Returns why not, for those that stay as they are."""
    if not paths:
        return {}
    write_attributes(own, exact(dict.fromkeys(paths, "union")))
    style = ("-c", f"merge.conflictStyle={'zdiff3' if guessing else 'merge'}")
    arguments = (*style, "merge-tree", "--write-tree", "-z", "--no-messages", "--end-of-options", ours, theirs)
    tree, *conflicts = fields(own.outcome(*arguments, ok=(0, 1), timeout_s=LONG_S)[1])
    left = {record.partition("\t")[2] for record in conflicts}
    why: dict[str, str] = {}
    for path in paths:
        mode, blob = _entry(own, tree, path)
        if path in left or mode not in FILES:
            why[path] = "union only merges text files that both sides have"
            continue
        wrong = _wrong(own, path, blob, [_entry(own, side, path)[1] for side in (ours, theirs)]) if guessing else ""
        if wrong:
            why[path] = f"union was tried, and the result does not parse: {wrong}"
            continue
        own.run(
            "update-index", "-z", "--index-info", stdin=f"{mode} {blob} 0\t{path}\0".encode("utf-8", "surrogateescape")
        )
        own.run("checkout-index", "-f", "--", path)
    return why


def _entry(own: Git, tree: str, path: str) -> tuple[str, str]:
    """Mode and name of a blob; empty if there is none."""
    found = own.run("ls-tree", "-z", tree, "--", path).split(None, 3)
    return (found[0].decode(), found[2].decode()) if len(found) == 4 else ("", "")


def _wrong(own: Git, path: str, result: str, sides: Sequence[str]) -> str:
    """Why the result is not well formed; empty if it is, or if its parser refuses a side too."""
    suffix = PurePosixPath(path).suffix
    wrong = parsed(suffix, own.run("cat-file", "blob", result))
    if wrong and any(parsed(suffix, own.run("cat-file", "blob", side)) for side in sides if side):
        return ""
    return wrong


def parsed(suffix: str, text: bytes) -> str:
    """What a parser of this file type says against a text, in a process that it may bring down."""
    try:
        ended = subprocess.run(
            [sys.executable, "-P", "-m", _PARSER, suffix],
            input=text, capture_output=True, cwd="/", timeout=_PARSING_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "its parser does not end"
    if ended.returncode in {0, 1}:
        return ended.stdout.decode("utf-8", "replace").strip()
    return "its parser failed on it"
