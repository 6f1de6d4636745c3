"""Differences between many pairs of commits or trees, read by one git: raw lines, kept as git wrote them.

A raw line is compared as text, and parsed only if one side of it is needed, so a thousand paths cost next to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha1, sha256

from wt_orchestrate.adapters.gitrepo.objects.session import DIFF_TREE, Served, compared
from wt_orchestrate.adapters.gitrepo.runner import LONG_S, Git, input_lines, text
from wt_orchestrate.errors import GitFailed


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """What is at a path: mode and object id, both empty if there is nothing."""

    mode: str = ""
    id: str = ""


NOTHING = TreeEntry()

Delta = Mapping[str, str]
"""Changed paths, each with its raw line: both modes, both ids (zeros if there is nothing) and git's letter."""
_FIXED = (
    "-r",
    "-z",
    "--raw",
    "--no-abbrev",
    "--no-renames",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--no-relative",
    "--ignore-submodules=none",
)


def between(git: Git, pairs: Sequence[tuple[str, str]]) -> list[Delta]:
    """What each second tree has otherwise than the first one, in order. Raises GitFailed when a tree is not there."""
    asked = list(dict.fromkeys(pair for pair in pairs if pair[0] != pair[1]))
    found: Mapping[str, Delta] = {}
    if asked and isinstance(git, Served):
        found = parsed(compared(git.sessions.trees, asked))
    elif asked:
        lines = input_lines([f"{one} {other}" for one, other in asked])
        found = parsed(text(git.run(*DIFF_TREE, stdin=lines, timeout_s=LONG_S)))
    missing = [f"{one} {other}" for one, other in asked if f"{one} {other}" not in found]
    if missing:
        raise GitFailed(DIFF_TREE, code=1, stderr=f"cannot compare {missing[0]}")
    return [found.get(f"{one} {other}", {}) for one, other in pairs]


def empty_tree(commit: str) -> str:
    """The tree with nothing in it, in the hash of a repository that has this commit."""
    return (sha256 if len(commit) == 64 else sha1)(b"tree 0\0").hexdigest()


def deltas(git: Git, lines: Sequence[str], *options: str) -> Mapping[str, Delta]:
    """One difference for each line of `diff-tree --stdin`, under the header that git prints for it."""
    if not lines:
        return {}
    return parsed(text(git.run("diff-tree", "--stdin", *_FIXED, *options, stdin=input_lines(lines), timeout_s=LONG_S)))


def parsed(output: str) -> Mapping[str, Delta]:
    """The differences in output of `diff-tree --stdin -z`, by their headers. A header ends with NUL or with a newline;
    a pair of trees without a difference is a header with nothing after it."""
    found: dict[str, dict[str, str]] = {}
    delta: dict[str, str] = {}
    parts = iter(output.split("\0"))
    for part in parts:
        *headers, last = part.split("\n")
        if not last.startswith(":"):
            headers.append(last)
        for header in headers:
            if header:
                delta = found.setdefault(header, {})
        if last.startswith(":"):
            delta[next(parts)] = last
    return found


def before(line: str) -> TreeEntry:
    """The entry at the path before."""
    return _entry(line[1:7], line.split(" ", 4)[2])


def after(line: str) -> TreeEntry:
    """The entry at the path after."""
    return _entry(line[8:14], line.split(" ", 4)[3])


def _entry(mode: str, name: str) -> TreeEntry:
    return TreeEntry(mode, name) if mode != "000000" else NOTHING


def turned(line: str) -> str:
    """The raw line of the reverse difference."""
    old_mode, new_mode, old_id, new_id, letter = line[1:].split(" ")
    return f":{new_mode} {old_mode} {new_id} {old_id} {_TURNED.get(letter, letter)}"


_TURNED = {"A": "D", "D": "A"}


def added(delta: Delta) -> list[str]:
    """Paths that did not exist before."""
    return [path for path, line in delta.items() if line.endswith("A")]


def deleted(delta: Delta) -> list[str]:
    """Paths that do not exist any more."""
    return [path for path, line in delta.items() if line.endswith("D")]
