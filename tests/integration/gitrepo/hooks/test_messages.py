"""Trailers that the hooks write into commits: what messages look like before and after."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration.gitrepo.conftest import Site
from tests.support.guards import guarded, said

OURS = "Wto-Run: r1\nWto-Workstream: db\nWto-Attempt: 2\n"
ATTEMPT = {"WTO_ATTEMPT": "2"}
MESSAGES = {
    "a subject": ("Add it\n", f"Add it\n\n{OURS}"),
    "a subject like a trailer": ("fix: it\n", f"fix: it\n\n{OURS}"),
    "no last newline": ("fix: it", f"fix: it\n\n{OURS}"),
    "a body": ("Add it\n\nBecause.\n", f"Add it\n\nBecause.\n\n{OURS}"),
    "a body that ends like a trailer": (
        "Add it\n\nMany words, and a\nNote: this\n",
        f"Add it\n\nMany words, and a\nNote: this\n\n{OURS}",
    ),
    "trailers": (
        "Add it\n\nBecause.\n\nSigned-off-by: Ada <a@b>\nReviewed-by: Bo <b@c>\n",
        f"Add it\n\nBecause.\n\nSigned-off-by: Ada <a@b>\nReviewed-by: Bo <b@c>\n{OURS}",
    ),
    "ours already": (f"Add it\n\n{OURS}", f"Add it\n\n{OURS}"),
    "some of ours": (
        "Add it\n\nWto-Run: r1\nSigned-off-by: Ada <a@b>\n",
        "Add it\n\nWto-Run: r1\nSigned-off-by: Ada <a@b>\nWto-Workstream: db\nWto-Attempt: 2\n",
    ),
    "no ASCII": ("Grüße\n", f"Grüße\n\n{OURS}"),
    "percent signs and backslashes": ("100% \\n %s\n", f"100% \\n %s\n\n{OURS}"),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_trailers_go_where_git_reads_them(site: Site, name: str) -> None:
    """After the last words, joined to trailers that are there, never twice; git reads them as trailers; nothing is signed off."""
    agent = guarded(site)
    before, after = MESSAGES[name]
    agent.write({"src/db/a.py": "1\n"})
    agent.git("add", "-A")
    path = Path(site.folder) / "message"
    path.write_bytes(os.fsencode(before))
    assert said(agent, "commit", "-q", "-F", str(path), env=ATTEMPT) == (0, [])
    assert agent.raw("log", "-1", "--format=%B").removesuffix(b"\n") == os.fsencode(after)
    read = agent.git("log", "-1", "--format=%(trailers:key=Wto-Run,key=Wto-Workstream,key=Wto-Attempt,unfold)")
    assert sorted(read.split("\n")[:-1]) == sorted(OURS.splitlines())
    assert said(agent, "commit", "-q", "--amend", "--no-edit", env=ATTEMPT) == (0, [])
    assert agent.raw("log", "-1", "--format=%B").removesuffix(b"\n") == os.fsencode(after)


def test_an_edited_message_gets_its_trailers_too(site: Site) -> None:
    """Also with comments below it, and with the diff that `git commit -v` shows."""
    agent = guarded(site)
    editor = Path(site.folder) / "editor"
    editor.write_text('#!/bin/sh\nsed -i "1s/.*/Edited/" "$1"\n')
    editor.chmod(0o755)
    for number, options in enumerate(((), ("-v",), ("--cleanup=scissors",))):
        agent.write({"src/db/a.py": f"{number}\n"})
        agent.git("add", "-A")
        env = ATTEMPT | {"GIT_EDITOR": f"'{editor}'"}
        assert said(agent, "commit", "-q", *options, env=env) == (0, [])
        assert agent.git("log", "-1", "--format=%B") == f"Edited\n\n{OURS}", options


def test_an_empty_message_still_calls_a_commit_off(site: Site) -> None:
    """Who leaves the message empty gets no commit that holds nothing but trailers."""
    agent = guarded(site)
    head = agent.head()
    agent.write({"src/db/a.py": "1\n"})
    agent.git("add", "-A")
    assert said(agent, "commit", "-q", env=ATTEMPT | {"GIT_EDITOR": "true"})[0] != 0
    assert agent.head() == head


def test_merges_and_what_is_picked_have_trailers_once(site: Site) -> None:
    """A merge commit gets them; a commit that is picked, reworded or rebased keeps those it has."""
    agent = guarded(site)
    agent.commit({"src/db/a.py": "1\n"}, "One")
    site.user.commit({"docs/x.md": "1\n"}, "Theirs")
    assert said(agent, "merge", "-q", "--no-edit", "main", env=ATTEMPT) == (0, [])
    assert agent.git("log", "-1", "--format=%B") == f"Merge branch 'main' into wto/r1/db\n\n{OURS}"
    assert said(agent, "reset", "-q", "--hard", "HEAD^") == (0, [])
    assert said(agent, "rebase", "-q", "main", env=ATTEMPT) == (0, [])
    assert agent.git("log", "-1", "--format=%B") == "One\n\nWto-Run: r1\nWto-Workstream: db\n"
