"""What a repository tells agents, put together as their client would: links, imports, and each place it may be in."""

from __future__ import annotations

from wt_orchestrate.domain.agent.instructions import TextAt, instructions


def _of(files: dict[str, str], links: dict[str, str] | None = None) -> str:
    """The instructions of a repository with these files and links."""
    known = {path: TextAt(text) for path, text in files.items()}
    known |= {path: TextAt(target, link=True) for path, target in (links or {}).items()}
    return instructions(known.get)


def test_the_first_place_that_has_instructions_counts() -> None:
    """CLAUDE.md, else .claude/CLAUDE.md, else AGENTS.md; a repository with none of them says nothing."""
    files = {"CLAUDE.md": "one\n", ".claude/CLAUDE.md": "two\n", "AGENTS.md": "three\n"}
    assert _of(files) == "one\n"
    del files["CLAUDE.md"]
    assert _of(files) == "two\n"
    del files[".claude/CLAUDE.md"]
    assert _of(files) == "three\n"
    assert _of({"README.md": "x"}) == ""


def test_links_and_imports_are_followed_within_the_repository() -> None:
    """A link leads to its file, `@path` stands for that file from where it is named, and an import may import in turn."""
    files = {"AGENTS.md": "Use tabs.\n", "docs/rules.md": "Rules.\n@more.md\n", "docs/more.md": "More."}
    assert _of(files, {"CLAUDE.md": "AGENTS.md"}) == "Use tabs.\n"
    assert _of(files, {".claude/CLAUDE.md": "../AGENTS.md"}) == "Use tabs.\n"
    assert (
        _of({**files, "CLAUDE.md": "See @AGENTS.md and\n@docs/rules.md\n"}) == "See Use tabs.\n and\nRules.\nMore.\n\n"
    )


def test_nothing_outside_is_read_and_no_import_goes_in_circles() -> None:
    """Homes, absolute paths and paths above the top stay as they are written, as do code, addresses and circles."""
    kept = "@~/mine.md @/etc/passwd @../up.md me@example.org `@AGENTS.md` @CLAUDE.md\n```\n@AGENTS.md\n```\n"
    assert _of({"CLAUDE.md": kept, "AGENTS.md": "x", "etc/passwd": "y", "up.md": "z"}) == kept
    assert _of({"AGENTS.md": "mine"}, {"CLAUDE.md": "../outside.md"}) == "mine"
    assert _of({}, {"CLAUDE.md": "AGENTS.md", "AGENTS.md": "CLAUDE.md"}) == ""
