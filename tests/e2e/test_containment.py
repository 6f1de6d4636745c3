"""A fault of ours that one workstream's content sets off stays with that workstream, and no resume fails by it for ever."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.support.project import COMMAND_AGENT, COMMIT, HANDOFF, Project

RUN = """
import sys
from wt_orchestrate.cli.app import app
from wt_orchestrate.cli.boundary import guarded
import wt_orchestrate.domain.machine as machine
from wt_orchestrate.engine import readings, supervisor
machine._PAUSE_S = 0.0
{plant}
print(guarded(lambda: app.main(sys.argv[1:] or {words!r}, prog_name="wto", standalone_mode=False), as_json=False))
"""
IN_AN_EFFECT = """
real = supervisor.perform
def perform(effect, state, world):
    if type(effect).__name__ == {name!r} and getattr(effect, "workstream", "a") == "a":
        raise KeyError("caf\\udce9")
    return real(effect, state, world)
supervisor.perform = perform
"""
IN_A_STREAM = """
from wt_orchestrate.adapters.agents import command
def read(self, line):
    if b"poison" in line:
        raise ValueError("what is this?")
    return ()
command._Lines.read = read
"""
IN_A_HANDOFF = """
real = supervisor.observe
def observe(state, reading, *, last_handoff):
    if "poison" in (getattr(reading, "text", "") or ""):
        raise IndexError("beyond the end")
    return real(state, reading, last_handoff=last_handoff)
supervisor.observe = observe
"""


AGAIN = 'echo "$WTO_ATTEMPT" >> a.txt\ngit add -A\ngit commit -qm "Attempt $WTO_ATTEMPT"\n'


def _ran(project: Project, plant: str, *words: str) -> str:
    return project.python(RUN.format(plant=plant, words=list(words)))


def _plan(project: Project, agent: str) -> str:
    text = f"goal: g\n{COMMAND_AGENT}workstreams: {{a: {{brief: x, retries: 0}}, b: {{brief: x}}}}\n"
    return project.plan(text, {"a": agent, "b": COMMIT})


@pytest.mark.parametrize("effect", ["CreateWorktree", "StartAttempt", "Verify"])
def test_a_fault_in_an_effect_fails_its_workstream_alone(project: Project, effect: str) -> None:
    """The other one is integrated; the failed one says what happened and where the report is; without the fault a retry ends
    whole."""
    out = _ran(project, IN_AN_EFFECT.format(name=effect), "run", _plan(project, AGAIN))
    assert project.stages() == {"a": "failed", "b": "integrated"}, out
    shown = project.wto("status", "a").out
    assert "a fault in wt-orchestrate: KeyError" in shown and "/faults/000001.txt" in shown
    report = next((project.state / "faults").iterdir()).read_text()
    assert "Traceback" in report and len(list((project.state / "faults").iterdir())) <= 3
    assert project.wto("retry", "a").code == 0
    ended = project.wto("resume")
    assert (ended.code, project.stages()) == (0, {"a": "integrated", "b": "integrated"}), ended


@pytest.mark.parametrize(
    ("plant", "agent"), [(IN_A_STREAM, "echo poison\n"), (IN_A_HANDOFF, HANDOFF + "echo poison >> $WTO_HANDOFF\n")]
)
def test_content_that_cannot_be_taken_counts_as_unreadable(project: Project, plant: str, agent: str) -> None:
    """A line of output or a handoff on which our own code fails costs that content: what was committed is judged as ever."""
    out = _ran(project, plant, "run", _plan(project, agent + COMMIT))
    assert project.stages() == {"a": "integrated", "b": "integrated"}, out
    assert project.wto("resume").code in {0, 5, 6}


def test_a_broken_rule_still_ends_the_run(project: Project) -> None:
    """Where our own rules are broken nothing more is done: the run ends with the report of a bug, and can be resumed."""
    plant = IN_AN_EFFECT.format(name="Verify").replace('KeyError("caf\\udce9")', 'AssertionError("broken")')
    out = _ran(project, plant, "run", _plan(project, COMMIT))
    assert out.splitlines()[-1].strip().endswith("70"), out
    ended = project.wto("resume")
    assert (ended.code, project.stages()) == (0, {"a": "integrated", "b": "integrated"}), ended


BLOB = "b=$(echo odd | git hash-object -w --stdin)\n"
TREE = "t=$({ git ls-tree HEAD; %s; } | git mktree --missing)\n"
POINT = 'git reset -q --soft "$c"\n'
MADE = 'c=$(git commit-tree -p HEAD -m odd "$t")\n' + POINT
ODD = {
    "long": BLOB + TREE % 'printf "100644 blob $b\\t%0300d\\n" 1' + MADE,
    "dotgit": BLOB + TREE % 'printf "100644 blob $b\\t.GIT\\n"' + MADE,
    "twice": BLOB + TREE % 'printf "100644 blob $b\\tz\\n100644 blob $b\\tz\\n"' + MADE,
    "nobody": (
        "t=$(git rev-parse HEAD^{tree})\n"
        'c=$(printf "tree $t\\nparent $(git rev-parse HEAD)\\nauthor x\\ncommitter y\\n\\nz\\n"'
        " | git hash-object -t commit -w --stdin --literally)\n" + POINT
    ),
    "missing": TREE % 'printf "100644 blob 1234567890123456789012345678901234567890\\tgone\\n"' + MADE,
    "links": 'ln -s loop loop\nln -s /etc/passwd p\nln -s ../../.. up\ngit add -A\ngit commit -qm "links"\n',
    "dashes": 'printf x > ./-rf\nprintf x > "./--help"\nprintf x > "\\$(touch pwned)"\ngit add -A\ngit commit -qm "--help"\n',
    "attributes": (
        "printf '* filter=\\377 diff=x\\n[attr]binary !\\n\"\\\\400 x\\n' > .gitattributes\n"
        "printf '[submodule \"../x\"]\\n\\tpath = -x\\n\\turl = -u./x\\n' > .gitmodules\ngit add -A\ngit commit -qm odd\n"
    ),
    "bytes": (
        'mkdir "$(printf "d\\351")"\nprintf x > "$(printf "d\\351/\\377\\376")"\ngit add -A\n'
        'printf "\\377\\376\\033]52;c;x\\007" > m\ngit commit -qF m\nrm m\n'
        'printf -- "---\\nstatus: done\\n---\\n## Summary\\n\\377\\376\\000 \\033[2J\\n" > "$WTO_HANDOFF"\n'
        "head -c 6000000 /dev/zero | tr '\\\\0' 'x'\nprintf '\\377'\n"
    ),
    "nothing": "git rm -rq .\ngit commit -qm gone\n",
}


def test_odd_contents_at_once_stay_with_their_workstreams(project: Project) -> None:
    """What git takes and other things cannot: each ends as integrated work, or with words for a person; the usual workstream is
    integrated and lands, nothing is a bug, and every later command answers."""
    streams = ", ".join(f"{name}: {{brief: x, retries: 0}}" for name in (*ODD, "usual"))
    text = f"goal: g\nlimits: {{agents: 4}}\n{COMMAND_AGENT}workstreams: {{{streams}}}\n"
    ended = project.wto("run", project.plan(text, {**ODD, "usual": COMMIT}))
    stages = project.stages()
    assert stages["usual"] == "integrated" and set(stages.values()) <= {"integrated", "failed", "escalated"}, stages
    assert ended.code in {8, 11}
    assert not (project.state / "faults").exists()
    for words in (
        "resume",
        "status --json",
        "report",
        "status bytes",
        "logs bytes",
        "diff dashes",
        "logs nobody",
        "clean -n",
    ):
        answered = project.wto(*words.split())
        assert answered.code in {0, 8, 11}, (words, answered)
    landed = project.wto("land", "--allow-protected")
    assert landed.code == 0, landed.err
    assert project.repository.git("show", "main:usual.txt") == "usual"


def test_a_queued_branch_that_no_file_system_holds_stays_out_alone(project: Project) -> None:
    """No tree could be made for its checks, and no word of a person changes that: it waits for a fix, the next branch lands."""
    git = project.repository.git
    made = (
        "{ git ls-tree HEAD; printf '100644 blob %s\\t%0300d\\n' $(git rev-parse HEAD:README.md) 1; } | git mktree > tree\n"
        "git branch long $(git commit-tree -p HEAD -m long $(cat tree))\nrm tree\n"
    )
    environment = {**os.environ, **project.environment}
    subprocess.run(["sh", "-c", made], cwd=project.repository.path, env=environment, check=True)
    git("switch", "-qc", "usual")
    project.repository.commit({"usual.txt": "x"}, "usual")
    git("switch", "-q", "main")
    assert project.wto("train", "add", "long", "usual", "--check", "true").code == 0
    assert project.wto("train", "run").code == 11
    assert project.stages() == {"long": "failed", "usual": "integrated"}
    shown = project.wto("status", "long").out
    assert "names of more than 255 bytes" in shown and "commit a fix on long, then run wto continue long" in shown
    assert project.wto("continue", "long").code == 11
    assert project.wto("land").code == 0
    assert git("status", "--porcelain") == ""


def test_a_tree_that_cannot_be_written_is_the_fault_of_who_brought_it(project: Project) -> None:
    """A path longer than the system allows: its branch needs a person, the other one is checked and landed, and the queue
    comes to its end."""
    repository = project.repository
    path = "/".join(["d" * 200] * 25)
    blob = repository.git("hash-object", "-w", "--stdin", stdin=b"x\n")
    tree = repository.git("mktree", stdin=f"100644 blob {blob}\tfile\n".encode())
    for name in reversed(path.split("/")):
        tree = repository.git("mktree", stdin=f"040000 tree {tree}\t{name}\n".encode())
    inner = repository.git("ls-tree", "HEAD") + "\n" + repository.git("ls-tree", tree) + "\n"
    tree = repository.git("mktree", stdin=inner.encode())
    repository.git("branch", "long", repository.git("commit-tree", "-p", "HEAD", "-m", "Long", tree))
    repository.git("checkout", "-q", "-b", "good")
    repository.commit({"good.txt": "x"})
    repository.git("checkout", "-q", "main")
    assert project.wto("train", "add", "long", "good", "--check", "true").code == 0
    ended = project.wto("train", "run", "--land")
    assert project.stages() == {"good": "landed", "long": "failed"}, ended.out + ended.err
    told = project.wto("train", "status").out
    assert "cannot be written" in ended.out + told, ended.out + told
