"""A review as a text file: the diff quoted line by line, with a person's comments below the lines they are about.

Quoted lines look like `> 12 | text` (the number in the new file; removed lines have `-` instead). A comment below one
is about that line; of several quoted lines, the last one counts. Text below a file's name, before its first quoted
line, is about the file; text above the first file is about all of the work.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.domain.text.clean import clean
from wt_orchestrate.domain.text.diff import DiffLine, FileDiff
from wt_orchestrate.domain.text.secrets import without_secrets

_HEAD = re.compile(r"<!-- wto review of (\S+) at ([0-9a-f]{40,64}) -->")
_FILE = re.compile(r"## file (.+?)\s*$")
_QUOTED = re.compile(r">\s*(\d+|-)\s*\|")
_HOW = (
    "Write a comment below the line it is about, comments on a file below its name, and general comments\n"
    "about all of it. Keep or delete the lines that start with `>` and `## file`, but do not edit them; then run\n"
    "`wto comment {workstream} --from FILE`."
)


class Written(Struct, frozen=True, kw_only=True):
    """One comment, and the line of the review file that it starts on."""

    text: str
    path: str
    line: int
    at: int


class Misplaced(Struct, frozen=True, kw_only=True):
    """What cannot be read in a review file, with its line."""

    at: int
    text: str


class ReviewFile(Struct, frozen=True, kw_only=True):
    """A parsed review file. `head` is the reviewed commit; None if the file does not say."""

    head: CommitId | None
    written: tuple[Written, ...]
    problems: tuple[Misplaced, ...]


def render_review_file(workstream: str, head: CommitId, files: Sequence[FileDiff]) -> str:
    """The file to write comments in."""
    lines = [f"# Review of {workstream}", "", f"<!-- wto review of {workstream} at {head} -->"]
    lines += [f"<!-- {_HOW.format(workstream=workstream)} -->", ""]
    for file in files:
        lines += [f"## file {_name(file.path)}", ""]
        for hunk in file.hunks:
            lines += [*(_shown(line) for line in hunk.lines if line.old or line.new), ""]
    return "\n".join(lines) + "\n"


def _shown(line: DiffLine) -> str:
    sign = " " if line.old and line.new else "+" if line.new else "-"
    number = f"{line.new}" if line.new else "-"
    return f"> {number:>5} |{sign} {without_secrets(clean(line.text))}".rstrip()


def _name(path: str) -> str:
    """A path on one line: as it is, or as JSON if it could be misread."""
    plain = path.isprintable() and path == path.strip() and not path.startswith('"')
    return path if plain else json.dumps(path)


def parse_review_file(text: str, *, paths: Sequence[str]) -> ReviewFile:
    """The comments in a review file; `paths` are the files that can be commented on."""
    problems: list[Misplaced] = []
    head = _HEAD.search(text)
    written = tuple(_written(_without_remarks(text).split("\n"), paths, problems))
    return ReviewFile(head=CommitId(head[2]) if head else None, written=written, problems=tuple(problems))


def _without_remarks(text: str) -> str:
    """The text with its HTML comments blanked out, line by line."""
    return re.sub(r"<!--.*?-->", lambda match: "\n" * match[0].count("\n"), text, flags=re.DOTALL)


def _written(lines: Sequence[str], paths: Sequence[str], problems: list[Misplaced]) -> Iterator[Written]:
    path, line, body, begun = "", 0, list[str](), 0
    for at, each in enumerate([*lines, "## file "], 1):
        file, quoted = _FILE.match(each), _QUOTED.match(each)
        ends = file is not None or quoted is not None or at > len(lines)
        if not ends:
            if (each.strip() or body) and not (at == 1 and each.startswith("# ")):
                begun = begun or at
                body.append(each.rstrip())
            continue
        if begun:
            yield Written(text="\n".join(body).strip(), path=path, line=line, at=begun)
        body, begun = [], 0
        if file is not None:
            path, line = _known(file[1], paths, at, problems), 0
        elif quoted is not None and quoted[1] != "-":
            line = int(quoted[1])


def _known(name: str, paths: Sequence[str], at: int, problems: list[Misplaced]) -> str:
    path = name
    if name.startswith('"'):
        try:
            path = str(json.loads(name))
        except ValueError:
            path = name
    if path not in paths:
        problems.append(Misplaced(at=at, text=f"the diff has no file {clean(path)!r}"))
    return path
