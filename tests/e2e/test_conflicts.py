"""Conflicts: settled by what was decided beforehand, else by an arbiter whose commit is proven, else by a person."""

from __future__ import annotations

from tests.e2e.test_train import make_branches
from tests.support.project import Project, use_fake_client

SHOWN = 'git -C "$TEST_FOLDER/repository" show wto/r1/integration:f.txt 2>/dev/null'
AFTER_FIRST = f"do while ! {SHOWN} | grep -q first; do sleep 0.05; done\n"
SECOND = AFTER_FIRST + 'do echo second > f.txt && git commit -qam "Second"\n'
BEGUN = "do git merge wto/r1/integration; true\n"


def _plan(project: Project, arbiter: dict[str, str], *, config: str = "", check: str = "test -s f.txt") -> str:
    """Two clients that write the same line, the second one once the first is integrated; and what the arbiter does."""
    project.repository.commit({"f.txt": "one\n", ".wto/config.yaml": f"poll: 1s\nstagger: 0s\n{config}"})
    scripts = {"first": 'do echo first > f.txt && git commit -qam "First"\n', "second": SECOND}
    return project.plan(
        f"goal: Do it\nchecks: [{{run: '{check}'}}]\n"
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


SLOWLY = "sleep 0.$(od -An -N1 -tu1 /dev/urandom | tr -d ' '); cat %A %B | sort -u > %A.new && mv %A.new %A"
QUEUE = {f"b{number}": {"list.txt": f"{number}\nz\n", f"{number}.txt": "x\n"} for number in range(1, 6)}


def test_a_queue_with_a_driver_lands_what_git_would_in_the_order_of_the_queue(project: Project) -> None:
    """Five branches conflict with each other, and a driver that takes now long, now short resolves each at its place: all
    land, in their order, with the tree of `git merge` one after another with the same driver."""
    project.repository.commit(
        {"list.txt": "z\n", ".wto/config.yaml": f'merge: {{drivers: {{s: {{run: "{SLOWLY}", paths: [list.txt]}}}}}}\n'}
    )
    make_branches(project, QUEUE)
    assert project.wto("train", "add", *QUEUE, "--check", "true").code == 0
    ended = project.wto("train", "run", "--land")
    assert ended.code == 0, ended.out + ended.err
    told = [line.split()[2] for line in ended.out.splitlines() if " integrated as " in line]
    assert told == list(QUEUE)
    assert project.repository.git("show", "main:list.txt").split() == ["1", "2", "3", "4", "5", "z"]
    assert "conflict resolved: list.txt by driver:s" in project.wto("status", "b5").out
    assert project.wto("proof", "main").code == 0
    assert ended.out.count("conflict resolved: list.txt") == len(QUEUE) - 1, "each conflict is resolved once"


def test_what_conflicts_only_with_a_branch_that_is_refused_lands_as_it_is(project: Project) -> None:
    """b1 is merged, b2 resolved on it; b1 fails its check: b2 lands without anything of b1 and without a resolution."""
    project.repository.commit({"list.txt": "z\n", ".wto/config.yaml": "merge: {union: [list.txt]}\n"})
    make_branches(project, {"b1": {"list.txt": "1\nz\n", "broken": "x"}, "b2": {"list.txt": "2\nz\n"}})
    assert project.wto("train", "add", "b1", "b2", "--check", "! test -e broken").code == 0
    ended = project.wto("train", "run", "--land")
    assert ended.code == 11, ended.out + ended.err
    assert project.repository.git("show", "main:list.txt").split() == ["2", "z"]
    assert project.repository.git("log", "--format=%s", "main").find("b1") == -1
    assert project.wto("review", "b2", "--json").json["conflict"]["settled_by"] == {}


def test_one_command_lands_the_good_ones_and_says_what_waits(project: Project) -> None:
    """Of three branches one conflicts and no rule is for it: `train run --land` lands the other two, ends with 8, and the
    next `train run` names who waits."""
    project.repository.commit({"f.txt": "1\n"})
    make_branches(project, {"a": {"f.txt": "a\n"}, "b": {"f.txt": "b\n"}, "c": {"c.txt": "c\n"}})
    assert project.wto("train", "add", "a", "b", "c", "--check", "true").code == 0
    ended = project.wto("train", "run", "--land")
    assert ended.code == 8, ended.out + ended.err
    stages = {ws["id"]: (ws["stage"], ws["reason"]) for ws in project.status()["workstreams"]}
    assert stages == {"a": ("landed", ""), "b": ("escalated", "it conflicts with a in f.txt"), "c": ("landed", "")}
    assert project.repository.git("show", "main:f.txt") == "a"
    again = project.wto("train", "run")
    assert again.code != 0 and "no branch is queued; b waits for you" in again.err
    assert "wto continue b" in again.err


def test_a_refusal_after_a_resolution_says_how_it_was_resolved(project: Project) -> None:
    """What was merged by union and fails its check together with the other is refused with both facts."""
    project.repository.commit({"f.txt": "1\n", ".wto/config.yaml": "merge: {union: [f.txt]}\n"})
    make_branches(project, {"a": {"f.txt": "a\n"}, "b": {"f.txt": "b\n"}})
    assert project.wto("train", "add", "a", "b", "--check", "test $(wc -l < f.txt) = 1").code == 0
    assert project.wto("train", "run", "--land").code == 11
    (b,) = (ws for ws in project.status()["workstreams"] if ws["id"] == "b")
    assert "it passed on this work alone and failed together with a" in b["reason"]
    assert "its conflict in f.txt was resolved by union, which may be the cause" in b["reason"]


def test_the_reason_given_is_the_true_one(project: Project) -> None:
    """A driver that fails, and one that keeps one side, are named with what they did."""
    project.repository.commit(
        {
            "f.txt": "1\n",
            "g.lock": "1\n",
            ".wto/config.yaml": "merge: {drivers: {x: {run: 'false', paths: [f.txt]}, y: {run: 'true', paths: [g.lock]}}}\n",
        }
    )
    make_branches(
        project, {"a": {"f.txt": "a\n"}, "b": {"f.txt": "b\n"}, "c": {"g.lock": "c\n"}, "d": {"g.lock": "d\n"}}
    )
    assert project.wto("train", "add", "a", "b", "c", "d", "--check", "true").code == 0
    assert project.wto("train", "run").code == 8
    reasons = {ws["id"]: ws["reason"] for ws in project.status()["workstreams"] if ws["reason"]}
    assert reasons == {
        "b": "it conflicts with a in f.txt (f.txt: driver:x left it in conflict)",
        "d": "it conflicts with c in g.lock (g.lock: driver:y took only one side)",
    }


def test_a_driver_that_leaves_markers_and_says_that_all_is_well_is_not_believed(project: Project) -> None:
    """Also the marker that only diff3 writes: the branch is held, and told what the driver did."""
    left = "printf '||||||| base\\n1\\n=======\\n' > %A; cat %B >> %A"
    config = f'merge: {{drivers: {{x: {{run: "{left}", paths: [f.txt]}}}}}}\n'.replace("\\n", "\\\\n")
    project.repository.commit({"f.txt": "1\n", ".wto/config.yaml": config})
    make_branches(project, {"a": {"f.txt": "a\n"}, "b": {"f.txt": "b\n"}})
    assert project.wto("train", "add", "a", "b", "--check", "true").code == 0
    assert project.wto("train", "run", "--land").code == 8
    (b,) = (ws for ws in project.status()["workstreams"] if ws["id"] == "b")
    assert b["reason"] == "it conflicts with a in f.txt (f.txt: driver:x left conflict markers)"
    assert project.repository.git("show", "main:f.txt") == "a"


def test_a_conflict_with_what_is_ahead_in_the_queue_waits_for_it(project: Project) -> None:
    """b is clean with main and conflicts with a only, which fails its check: b lands."""
    project.repository.commit({"f.txt": "1\n"})
    make_branches(project, {"a": {"f.txt": "a\n", "broken": "x"}, "b": {"f.txt": "b\n"}})
    assert project.wto("train", "add", "a", "b", "--check", "! test -e broken").code == 0
    assert project.wto("train", "run", "--land").code == 11
    assert project.repository.git("show", "main:f.txt") == "b"


CODE = "def one():\n    return 1\n"


def test_a_tried_union_lands_if_the_checks_pass(project: Project) -> None:
    """Two branches add a function at the same place: both are in the code that lands, and it is told how."""
    project.repository.commit({"m.py": CODE, ".wto/config.yaml": 'merge: {try_union: ["**/*.py"]}\n'})
    added = {name: {"m.py": f"{CODE}\n\ndef {name}():\n    return '{name}'\n"} for name in ("two", "three")}
    make_branches(project, added)
    check = "python3 -c 'import m; m.one()'"
    assert project.wto("train", "add", *added, "--check", check).code == 0
    ended = project.wto("train", "run", "--land")
    assert ended.code == 0, ended.out + ended.err
    landed = project.repository.git("show", "main:m.py")
    assert "def two()" in landed and "def three()" in landed
    assert "conflict resolved: m.py by try_union" in project.wto("status", "three").out
    assert project.wto("proof", "main").code == 0


def test_a_tried_union_that_fails_the_checks_leaves_the_conflict_to_a_person(project: Project) -> None:
    """It parses, and fails a check that passes on the work alone: the branch is held with what was tried, not blamed."""
    project.repository.commit({"m.py": "x = 1\n", ".wto/config.yaml": 'merge: {try_union: ["**/*.py"]}\n'})
    make_branches(project, {"a": {"m.py": "x = 2\n"}, "b": {"m.py": "x = 3\n"}})
    check = "test $(grep -c x m.py) = 1"
    assert project.wto("train", "add", "a", "b", "--check", check).code == 0
    ended = project.wto("train", "run", "--land")
    assert ended.code == 8, ended.out + ended.err
    (b,) = (ws for ws in project.status()["workstreams"] if ws["id"] == "b")
    assert b["reason"] == f"it conflicts with a in m.py (m.py: union was tried, and `{check}` failed)"
    assert project.repository.git("show", "main:m.py") == "x = 2"
    assert "where union was tried in m.py" in project.wto("status", "b").out


def test_an_arbiter_is_called_only_once_a_tried_union_has_failed(project: Project) -> None:
    """Union parses and fails the check; the arbiter then gets the conflict with integrated work, and its merge lands."""
    plan = _plan(
        project,
        {"": BEGUN + 'do echo "first and second" > f.txt && git commit -qam "Both"\n'},
        config="merge: {try_union: [f.txt]}\n",
        check="test $(wc -l < f.txt) = 1",
    )
    ended = project.wto("run", "--land", plan)
    assert ended.code == 0, ended.out + ended.err
    assert project.repository.git("show", "main:f.txt") == "first and second"
    story = project.wto("status", "second").out
    assert "conflict resolved: f.txt by try_union" in story and "conflict resolved: f.txt by arbiter" in story
