"""What git can name, we carry: names that are not UTF-8, as long as a file system allows, or alike but for their bytes."""

from __future__ import annotations

import json
import os
import pty
import subprocess

import pytest

from tests.support.project import COMMAND_AGENT, PROGRAM, Project

AGENT = COMMAND_AGENT.replace("{agent: scripted}", "{agent: scripted, retries: 0}")
PLAN = "goal: Do it\n" + AGENT + "workstreams: {odd: {brief: x}, good: {brief: x}}\n"
GOOD = "echo good > good.txt\ngit add good.txt\ngit commit -qm good\n"
LATIN = 'printf x > "$(printf "caf\\351.txt")"\n'
COMMIT = "git add -A\ngit commit -qm odd\n"
ODD = {
    "a name that is not UTF-8": LATIN + COMMIT,
    "a message and an author that are not UTF-8": (
        "echo x > x.txt\ngit add -A\n"
        'printf "caf\\351\\n" > "$TEST_FOLDER/message"\n'
        'GIT_AUTHOR_NAME="$(printf "Andr\\351")" git commit -qF "$TEST_FOLDER/message"\n'
    ),
    "a name of 255 bytes": "echo x > $(printf 'n%.0s' $(seq 255))\n" + COMMIT,
    "huge binary output": (
        "echo x > x.txt\n" + COMMIT + "head -c 3000000 /dev/urandom\nprintf '\\377\\376 the last word'\n"
    ),
    "a branch that is not UTF-8": "echo x > x.txt\n" + COMMIT + 'git branch "$(printf "odd\\351")"\n',
}
HELD = {
    "twins in case": ("echo x > readme.md\n" + COMMIT, "README.md and readme.md are one path"),
    "folders that are twins": ("mkdir Src src\necho x > Src/a\necho x > src/b\n" + COMMIT, "Src and src are one path"),
    "twins in NFC and NFD": (
        'echo x > "$(printf "\\303\\251.txt")"\necho y > "$(printf "e\\314\\201.txt")"\n' + COMMIT,
        "are one path where case, or how letters are composed, is ignored",
    ),
    "a folder and a line end in a name": (
        'mkdir -p "a b"\necho x > "a b/$(printf "one\\ntwo\\t\\"\\\\")"\n' + COMMIT,
        "not a name that Windows allows",
    ),
    "a device of Windows": ("mkdir src\necho x > src/aux.c\n" + COMMIT, "src/aux.c: not a name that Windows allows"),
    "everything deleted": ("git rm -rq .\ngit commit -qm odd\n", "it deletes or empties"),
    "everything emptied": ('for each in $(git ls-files); do : > "$each"; done\n' + COMMIT, "it deletes or empties"),
}


@pytest.mark.parametrize(("script", "words"), HELD.values(), ids=HELD.keys())
def test_L8_what_other_machines_cannot_hold_needs_a_persons_word(project: Project, script: str, words: str) -> None:
    """It is held with the paths and the command that lets it through; the other workstream is integrated meanwhile, and
    what was let through once lands without another word."""
    ended = project.wto("run", project.plan(PLAN, {"odd": script, "good": GOOD}))
    assert ended.code == 8 and words in ended.out, ended.out + ended.err
    assert project.stages() == {"odd": "escalated", "good": "integrated"}
    shown = json.loads(project.wto("status", "--json").out)["workstreams"][0]
    assert "wto continue odd, if this is intended" in str(shown)
    assert words in project.wto("report").out
    assert project.wto("continue", "odd").code == 0
    assert project.stages() == {"odd": "integrated", "good": "integrated"}
    landed = project.wto("land")
    assert landed.code == 0, landed.err
    assert project.repository.git("status", "--porcelain") == ""


def test_L8_a_queued_branch_is_held(project: Project) -> None:
    """Until `wto continue`, which lets through what was named; what the branch brought meanwhile is named then."""
    git = project.repository.git
    git("switch", "-qc", "odd")
    project.repository.commit({"readme.md": "x"}, "twin")
    git("switch", "-q", "main")
    assert project.wto("train", "add", "odd", "--check", "true").code == 0
    assert project.wto("train", "run").code == 8
    assert project.status()["next"][0].startswith("wto continue odd")
    assert project.wto("status", "odd").out.startswith("odd needs you: ")
    git("switch", "-q", "odd")
    project.repository.commit({"aux.txt": "x"}, "more")
    git("switch", "-q", "main")
    again = project.wto("continue", "odd")
    assert again.code == 8 and "aux.txt: not a name" in again.out and "one path" not in again.out, again.out + again.err
    assert project.wto("continue", "odd").code == 0
    assert project.stages() == {"odd": "integrated"}


def test_L8_twins_of_two_workstreams_are_held_at_the_landing(project: Project) -> None:
    """Each alone is no twin; whichever is looked at last is held, or else the landing is, by the same rule."""
    twins = {"odd": "echo x > Notes.txt\n" + COMMIT, "good": "echo y > notes.txt\n" + COMMIT}
    ended = project.wto("run", project.plan(PLAN, twins))
    refused = project.wto("land") if ended.code == 0 else ended
    assert refused.code == 8 and "Notes.txt and notes.txt are one path" in refused.out + refused.err
    if ended.code == 0:
        assert "--allow-held" in refused.err
        assert project.wto("land", "--allow-held").code == 0


@pytest.mark.parametrize("script", ODD.values(), ids=ODD.keys())
def test_D1_odd_names_are_carried_and_landed(project: Project, script: str) -> None:
    """Both workstreams are integrated and land; every screen and every JSON form can be read."""
    ended = project.wto("run", project.plan(PLAN, {"odd": script, "good": GOOD}))
    assert ended.code == 0, ended.out + ended.err
    for words in (
        ("status",),
        ("status", "odd"),
        ("diff", "odd"),
        ("logs", "odd"),
        ("report",),
        ("review", "odd"),
    ):
        shown = project.wto(*words)
        assert shown.code == 0, (words, shown.err)
    for json_words in ("status", "status odd", "diff odd", "report"):
        shown = project.wto(*json_words.split(), "--json")
        assert shown.code == 0 and json.loads(shown.out), (json_words, shown.err)
    landed = project.wto("land")
    assert landed.code == 0, landed.err
    work = project.repository.git("rev-parse", "wto/r1/odd^{tree}", "wto/r1/good^{tree}")
    assert work and project.repository.git("status", "--porcelain") == ""
    assert project.repository.git("diff", "--name-only", "wto/r1/odd", "main").split() == ["good.txt"]
    assert project.wto("resume").code == 0


def test_S5_a_diff_on_a_terminal_shows_what_would_act_on_it(project: Project) -> None:
    """On a terminal an agent's control characters are written out; a pipe gets the bytes as they are."""
    script = 'printf "x \\033]52;c;eA==\\007 \\033[2J \\342\\200\\256 b\\n" > t.txt\n' + COMMIT
    assert project.wto("run", project.plan(PLAN, {"odd": script, "good": GOOD})).code == 0
    assert "\x1b]52" in project.wto("diff", "odd").out
    leader, follower = pty.openpty()
    try:
        ended = subprocess.run(
            [*PROGRAM, "diff", "odd"],
            cwd=project.repository.path,
            env={**os.environ, **project.environment},
            stdout=follower,
            check=True,
        )
        os.close(follower)
        shown = os.read(leader, 65_536).decode()
    finally:
        os.close(leader)
    assert ended.returncode == 0 and "t.txt" in shown
    assert not {"\x1b", "\x07", "\u202e"} & set(shown) and "\\x1b]52" in shown
