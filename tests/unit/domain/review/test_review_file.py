"""A review as a file that people write in."""

from __future__ import annotations

from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.domain.review.review_file import (
    Misplaced,
    ReviewFile,
    Written,
    parse_review_file,
    render_review_file,
)
from wt_orchestrate.domain.text.diff import DiffLine, FileDiff, Hunk

HEAD = CommitId("b" * 40)
ODD = 'odd "\nname.py'
FILES = (
    FileDiff(
        path="src/a.py",
        status="M",
        hunks=(
            Hunk(
                heading="def f():",
                lines=(
                    DiffLine(1, 1, "one"),
                    DiffLine(2, 0, "two"),
                    DiffLine(0, 2, "> 2"),
                    DiffLine(0, 3, "## file x"),
                ),
            ),
        ),
    ),
    FileDiff(path=ODD, status="A", hunks=(Hunk(heading="", lines=(DiffLine(0, 1, "AKIAABCDEFGHIJKLMNOP"),)),)),
)
PATHS = [file.path for file in FILES]


def test_a_file_nobody_wrote_in_holds_no_comment() -> None:
    """It knows what it is of, masks secrets, and quotes what could be misread."""
    text = render_review_file("work", HEAD, FILES)
    assert parse_review_file(text, paths=PATHS) == ReviewFile(head=HEAD, written=(), problems=())
    assert "AKIAABCDEFGHIJKLMNOP" not in text
    assert text.splitlines()[7:] == [
        "## file src/a.py",
        "",
        ">     1 |  one",
        ">     - |- two",
        ">     2 |+ > 2",
        ">     3 |+ ## file x",
        "",
        '## file "odd \\"\\nname.py"',
        "",
        ">     1 |+ AKIA… (20 characters)",
        "",
    ]


def test_what_is_written_belongs_to_the_line_above_it() -> None:
    """Under a line, under a file's name, or above all files; a removed line stands for the line before it."""
    lines = render_review_file("work", HEAD, FILES).splitlines()
    lines.insert(12, "Two paragraphs.\n\n> quoted by hand\nEnd.  ")  # under the third quoted line
    lines.insert(11, "Why is it gone?")
    lines.insert(8, "About the file")
    lines.insert(7, "All of it is fine.")
    read = parse_review_file("\n".join(lines), paths=PATHS)
    assert [(each.text, each.path, each.line) for each in read.written] == [
        ("All of it is fine.", "", 0),
        ("About the file", "src/a.py", 0),
        ("Why is it gone?", "src/a.py", 1),
        ("Two paragraphs.\n\n> quoted by hand\nEnd.", "src/a.py", 2),
    ]
    assert read.problems == ()


def test_a_file_that_was_cut_down_is_read_all_the_same() -> None:
    """Only a name and a line are needed; what is told of another file is an error with its line."""
    text = "## file src/a.py\n> 3 |\nHere\n## file gone.py\nThere\n"
    assert parse_review_file(text, paths=PATHS) == ReviewFile(
        head=None,
        written=(
            Written(text="Here", path="src/a.py", line=3, at=3),
            Written(text="There", path="gone.py", line=0, at=5),
        ),
        problems=(Misplaced(at=4, text="the diff has no file 'gone.py'"),),
    )
