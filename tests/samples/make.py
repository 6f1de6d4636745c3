"""Makes the samples of one release: a finished run, an interrupted one, and a stored row of each kind of event.

usage: git worktree add --detach /tmp/earlier COMMIT
       python -m tests.samples.make /tmp/earlier

The release's own code runs (by `PYTHONPATH`), with scripted agents on a small repository, and what it leaves on disk is
packed into `tests/samples/VERSION-COMMIT/`. Once made, samples are never made again: they show what was on disk then.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tests.support.project import COMMAND_AGENT, COMMIT, HANDOFF, Project, make_project
from tests.support.waiting import wait_until

HERE = Path(__file__).resolve().parent
PLAN = "goal: Keep what a release leaves on disk\nchecks: [{run: 'true'}]\n" + COMMAND_AGENT
HOLD = 'echo draft > draft.txt\ntouch "$TEST_FOLDER/held"\nwhile :; do sleep 0.1; done\n'
WISH = """
from wt_orchestrate.adapters.store.eventlog import SqliteLog
from wt_orchestrate.domain import events as e
SqliteLog("{log}").ask("r1", e.TellRequested(workstream="later", text="be brief"), now=1700000000.0)
"""
PARTS = ("repository", "repository.worktrees", "state", "scripts", "plan.yaml")


def finish(project: Project) -> None:
    """A run of three workstreams, one of which failed its check at first and one of which reported findings; landed."""
    streams = (
        "workstreams: {one: {brief: x}, two: {brief: x, checks: [{run: 'test -e two.txt'}]},"
        " last: {brief: x, needs: [one, two]}}"
    )
    scripts = {
        "one": COMMIT + HANDOFF,
        "two.1": 'echo early > early.txt\ngit add -A\ngit commit -qm "Add early"\n',
        "two": COMMIT,
        "last": COMMIT,
    }
    plan = project.plan(PLAN + streams, scripts)
    for words in (("run", plan), ("land",)):
        ended = project.wto(*words)
        assert ended.code == 0, ended.out + ended.err


def interrupt(project: Project) -> None:
    """A run whose machine lost its power: one workstream is integrated, the agent of one died over uncommitted work, one waits
    for that, and a wish of a person was not heard any more."""
    streams = "workstreams: {done: {brief: x}, half: {brief: x}, later: {brief: x, needs: [half]}}"
    plan = project.plan(PLAN + streams, {"done": COMMIT, "half": HOLD, "later": COMMIT})
    supervisor = project.start("run", plan)
    project.wait_for("done", "integrated")
    wait_until(lambda: (project.folder / "held").exists(), what="the agent being at work")
    supervisor.kill()
    supervisor.wait()
    for pid in project.processes():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not project.processes(), what="no process being left")
    project.python(WISH.format(log=project.state / "log.db"))
    (project.folder / "scripts" / "half").write_text(f"set -eu\n{COMMIT}", encoding="utf-8")


def pack(project: Project, archive: Path) -> None:
    """The project's folders as an archive whose first member's name tells where they lay: state is bound to its place."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        return member

    with tarfile.open(archive, "w:gz") as tar:
        for part in PARTS:
            tar.add(project.folder / part, arcname=f"{project.folder.relative_to('/')}/{part}", filter=plain)


def main() -> None:
    """Make the samples of the release in a checkout."""
    release = Path(sys.argv[1]).resolve()
    commit = subprocess.check_output(["git", "rev-parse", "--short=7", "HEAD"], cwd=release, text=True).strip()
    sys.path.insert(0, str(release))
    environment = {**os.environ, "PYTHONPATH": str(release)}
    version = subprocess.check_output(
        [sys.executable, "-P", "-c", "import wt_orchestrate as w; print(w.__version__)"], env=environment, text=True
    ).strip()
    target = HERE / f"{version}-{commit}"
    target.mkdir()
    for name, story in {"finished": finish, "interrupted": interrupt}.items():
        with tempfile.TemporaryDirectory(prefix=f"wto-sample-{name}-") as folder:
            project = make_project(Path(folder).resolve())
            project.environment["PYTHONPATH"] = str(release)
            try:
                story(project)
            finally:
                for child in project.started:
                    child.kill()
            pack(project, target / f"{name}.tar.gz")
    rows = subprocess.check_output([sys.executable, "-P", str(HERE / "rows.py")], env=environment)
    (target / "events.jsonl").write_bytes(rows)


if __name__ == "__main__":
    main()
