"""Conflicts: settled by what was decided beforehand, else by an arbiter whose commit is proven, else by a person."""

from __future__ import annotations

from tests.e2e.test_train import make_branches
from tests.support.project import Project, use_fake_client

SHOWN = 'git -C "$TEST_FOLDER/repository" show wto/r1/integration:f.txt 2>/dev/null'
AFTER_FIRST = f"do while ! {SHOWN} | grep -q first; do sleep 0.05; done\n"
SECOND = AFTER_FIRST + 'do echo second > f.txt && git commit -qam "Second"\n'
BEGUN = "do git merge wto/r1/integration; true\n"


def _plan(project: Project, arbiter: dict[str, str]) -> str:
    """Two clients that write the same line, the second one once the first is integrated; and what the arbiter does."""
    project.repository.commit({"f.txt": "one\n", ".wto/config.yaml": "poll: 1s\nstagger: 0s\n"})
    scripts = {"first": 'do echo first > f.txt && git commit -qam "First"\n', "second": SECOND}
    return project.plan(
        "goal: Do it\nchecks: [{run: 'test -s f.txt'}]\n"
        + use_fake_client(project)
        + "workstreams: {first: {brief: one way}, second: {brief: the other way}}\n",
        {**scripts, **{f"second-arbiter{key}": text for key, text in arbiter.items()}},
    )


def test_an_arbiter_resolves_in_a_worktree_of_its_own(project: Project) -> None:
    """It gets both intents, its merge is proven and checked, and lands for the stream; what was resolved is remembered."""
    plan = _plan(project, {"": BEGUN + 'do echo "first and second" > f.txt && git commit -qam "Both"\n'})
    ended = project.wto("run", "--land", plan)
    assert ended.code == 0, ended.out + ended.err
    stages = {ws["id"]: (ws["stage"], ws["attempts"], ws["role"]) for ws in project.status()["workstreams"]}
    assert stages == {
        "first": ("landed", 1, ""),
        "second": ("landed", 1, ""),
        "second-arbiter": ("landed", 1, "arbiter"),
    }
    assert project.repository.git("show", "main:f.txt") == "first and second"
    assert "conflict resolved: f.txt by arbiter" in project.wto("status", "second").out
    assert project.processes() == []


def test_an_arbiter_that_takes_a_side_is_sent_back_and_then_a_person_is_asked(project: Project) -> None:
    """Its commit is judged before it counts: one side whole is refused with the reason; when it never gets it right, a
    person is told what was tried and how to resolve it."""
    taken = "do git merge -q -X ours -m Merge wto/r1/integration\n"
    plan = _plan(project, {".1": taken, ".2": "silent\n", ".3": "silent\n", ".4": "silent\n"})
    ended = project.wto("run", plan)
    assert ended.code == 8, ended.out + ended.err
    story = project.wto("status", "second-arbiter").out
    assert "it takes only one side in f.txt; keep both sides' intent" in story
    second = next(ws for ws in project.status()["workstreams"] if ws["id"] == "second")
    assert second["stage"] == "escalated"
    assert second["reason"].startswith("it conflicts in f.txt, and second-arbiter could not resolve it")
    assert project.repository.git("show", "wto/r1/integration:f.txt") == "first"


def test_an_arbiter_says_why_one_side_goes_in_one_place_and_everybody_sees_it(project: Project) -> None:
    """Of two conflicts in a file one keeps both and one lets a side go: refused until HANDOFF.md names the file under
    Decisions; the review and the page show both conflicts with what is gone."""
    lines = "".join(f"line {number}\n" for number in range(1, 13))
    project.repository.commit({"f.txt": lines, ".wto/config.yaml": "poll: 1s\nstagger: 0s\n"})
    edit = "do sed -i -e 's/line 2$/line 2 WORD/' -e 's/line 10$/line 10 WORD/' f.txt && git commit -qam WORD\n"
    shown = 'git -C "$TEST_FOLDER/repository" show wto/r1/integration:f.txt 2>/dev/null'
    resolve = (
        "do git merge wto/r1/integration; git checkout -q --ours f.txt\n"
        "do sed -i -e '2a line 2 one' f.txt && git commit -qam Both\n"
    )
    explained = (
        "do printf -- '---\\nstatus: done\\n---\\n## Summary\\nBoth.\\n## Decisions\\nf.txt: line 10 was decided.\\n"
        "## Verification\\nNone.\\n'"
        " > HANDOFF.md\nsilent\n"
    )
    plan = project.plan(
        "goal: Do it\nchecks: [{run: 'test -s f.txt'}]\n"
        + use_fake_client(project)
        + "workstreams: {one: {brief: one way}, two: {brief: the other way}}\n",
        {
            "one": edit.replace("WORD", "one"),
            "two": f"do while ! {shown} | grep -q one; do sleep 0.05; done\n" + edit.replace("WORD", "two"),
            "two-arbiter.1": resolve,
            "two-arbiter.2": explained,
        },
    )
    ended = project.wto("run", "--land", plan)
    assert ended.code == 0, ended.out + ended.err
    heard = (project.folder / "heard.two-arbiter").read_text(encoding="utf-8")
    assert "it drops one side at f.txt:11; keep both sides' intent, or name the file under ## Decisions" in heard
    told = project.wto("review", "two").out
    assert "f.txt had a conflict; resolved by arbiter" in told
    assert "at line 11: ▲ one side was dropped" in told and "▲ removed by integrated: line 10 one" in told
    (file,) = project.wto("review", "two", "--json").json["conflict"]["resolution"]["files"]
    assert [(hunk["line"], hunk["took"], hunk["dropped_theirs"]) for hunk in file["hunks"]] == [
        (2, "", []),
        (11, "ours", ["line 10 one"]),
    ]
    page = project.folder / "page.html"
    assert project.wto("review", "two", "--html", str(page)).code == 0
    text = page.read_text(encoding="utf-8")
    assert "resolved by arbiter" in text and "At line 11: one side was dropped" in text
    proof = project.wto("proof", project.repository.git("rev-parse", "wto/r1/two-arbiter"))
    assert (proof.code, "f.txt had a conflict:" in proof.out) == (6, True)


def test_a_changelog_that_everybody_writes_needs_nobody(project: Project) -> None:
    """With `merge: {union: [...]}` two branches that append to one file land together with both lines."""
    project.repository.commit({"CHANGES.md": "# Changes\n", ".wto/config.yaml": "merge: {union: [CHANGES.md]}\n"})
    make_branches(project, {"a": {"CHANGES.md": "# Changes\n- a\n"}, "b": {"CHANGES.md": "# Changes\n- b\n"}})
    assert project.wto("train", "add", "a", "b", "--check", "true").code == 0
    ended = project.wto("train", "run", "--land")
    assert ended.code == 0, ended.out + ended.err
    assert sorted(project.repository.git("show", "main:CHANGES.md").splitlines()) == ["# Changes", "- a", "- b"]
    assert "conflict resolved: CHANGES.md by union" in project.wto("status", "b").out


def test_what_was_resolved_once_is_settled_again(project: Project) -> None:
    """A person resolves a conflict on a branch; the same conflict of another branch is settled from memory."""
    project.repository.commit({"f.txt": "1\n2\n3\n"})
    make_branches(
        project, {"a": {"f.txt": "1\na\n3\n"}, "b": {"f.txt": "1\nb\n3\n"}, "c": {"f.txt": "1\nb\n3\n", "c": "c\n"}}
    )
    assert project.wto("train", "add", "a", "b", "--check", "true").code == 0
    assert project.wto("train", "run").code == 8
    project.repository.git("switch", "-q", "b")
    project.repository.git("merge", "-q", "-X", "ours", "-m", "Merge", "wto/r1/integration")
    project.repository.commit({"f.txt": "1\na and b\n3\n"}, "Both")
    project.repository.git("switch", "-q", "main")
    assert project.wto("continue", "b").code == 0
    project.repository.git("branch", "release", "a")
    assert project.wto("train", "add", "c", "--check", "true", "--target", "release").code == 0
    ended = project.wto("train", "run", "--land")
    assert ended.code == 0, ended.out + ended.err
    assert "conflict resolved: f.txt by rerere" in project.wto("status", "c").out
    assert project.repository.git("show", "release:f.txt") == "1\na and b\n3"


def test_a_driver_of_the_repository_counts_as_it_was_when_the_run_began(project: Project) -> None:
    """One that git's configuration defines and `.gitattributes` chooses merges its files, also those in folders."""
    project.repository.git("config", "merge.lines.driver", "cat %A %B | sort -u > %A.new && mv %A.new %A")
    project.repository.commit({".gitattributes": "*.list merge=lines\n", "src/words.list": "m\n"}, "begin")
    make_branches(project, {"a": {"src/words.list": "a\nm\n"}, "b": {"src/words.list": "b\nm\n"}})
    plan = project.plan("goal: x\nworkstreams: {a: {brief: x, branch: a}}\n", {})
    shown = project.wto("run", "--dry-run", plan).out.splitlines()
    assert shown[1:3] == [
        "where **/*.list conflict: run the merge driver lines, `cat %A %B | sort -u > %A.new && mv %A.new %A`",
        "use the branch a as the work of a",
    ]
    assert project.wto("train", "add", "a", "b", "--check", "true").code == 0
    project.repository.git("config", "merge.lines.driver", "false")
    ended = project.wto("train", "run", "--land")
    assert ended.code == 0, ended.out + ended.err
    assert "conflict resolved: src/words.list by driver:lines" in project.wto("status", "b").out
    assert project.repository.git("show", "main:src/words.list") == "a\nb\nm"
