"""What the program costs, counted: git processes of a run, of `status --dirty`, of a queue, and of a turn at rest.

Counts are exact on a busy machine, where times are not. Whoever adds a git process for each workstream makes one of these fail.
Every start is counted by a `git` of ours on PATH, whoever starts it; what agents start themselves is told apart by their
environment.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.counting import Counting
from tests.support.project import COMMAND_AGENT, Project

WORK = "echo $WTO_WORKSTREAM > $WTO_WORKSTREAM.txt\ngit add -A\ngit commit -qm $WTO_WORKSTREAM\n"


@pytest.fixture
def counting(project: Project, tmp_path: Path) -> Counting:
    """Counts from now on."""
    return Counting(project, tmp_path / "counting")


def _plan(project: Project, names: list[str]) -> str:
    streams = "".join(f"  {name}: {{brief: x}}\n" for name in names)
    limits = f"limits: {{agents: {len(names)}}}\n"
    return project.plan(f"goal: g\n{limits}{COMMAND_AGENT}workstreams:\n{streams}", dict.fromkeys(names, WORK))


RUN = """
import math, sys
from wt_orchestrate import __main__
from wt_orchestrate.engine import supervisor

supervisor._IDLE_S = math.inf  # how long a turn takes on a busy machine starts no git process once more
sys.argv = ["wto", "run", "--land", {plan!r}]
try:
    __main__.main()
except SystemExit as ended:
    assert not ended.code, ended
"""


def _run(project: Project, names: list[str]) -> None:
    project.python(RUN.format(plan=_plan(project, names)))


def test_git_processes_of_a_run_are_few(project: Project, counting: Counting) -> None:
    """One workstream from start to landed; and each further one costs little more than its own checkout, fetch and checks."""
    _run(project, ["a"])
    one = counting.starts()
    assert one.total() <= MOST_FOR_ONE, one
    more = [f"w{number}" for number in range(6)]
    _run(project, more)
    six = counting.starts()
    assert six.total() <= MOST_FOR_ONE + 5 * MOST_FOR_MORE, six
    assert not {"for-each-ref", "show-ref"} & six.keys()


AT_REST = """
import json, os, sys
from wt_orchestrate.domain.ids import RunId
from wt_orchestrate.engine import supervisor as engine
from wt_orchestrate.wiring.run.supervise import supervise
from wt_orchestrate.wiring.site import find_site

starts, folders, statements, decisions = [], [], [], []
decide = engine.decide
engine.decide = lambda *given, **named: decisions.append(1) or decide(*given, **named)
kinds = {"subprocess.Popen": starts, "os.posix_spawn": starts, "os.fork": starts, "os.mkdir": folders}
sys.addaudithook(lambda name, _: kinds[name].append(name) if name in kinds else None)
with supervise(find_site(os.getcwd()), RunId("r1"), show=lambda record: None, warn=print) as supervisor:
    quiet = 0
    while quiet < 5:  # what the start found is done, the first forecast too
        before = supervisor.state.number
        supervisor.turn(0.2)
        quiet = quiet + 1 if supervisor.state.number == before and not supervisor._under_way else 0
    supervisor._world.log._connection.set_trace_callback(statements.append)
    begun, made = len(starts), len(folders)
    starts.clear()
    folders.clear()
    decisions.clear()
    supervisor._happened_at, supervisor._decided_at = float("-inf"), float("inf")  # at rest, and just decided
    for _ in range(10):
        supervisor._polled_at = float("-inf")  # look at everything, as at each poll
        supervisor.turn(0.0)
    supervisor._world.log._connection.set_trace_callback(None)
    told = {"begun": begun, "made": made, "starts": starts[:], "folders": folders[:], "statements": statements[:]}
    told["decided"] = len(decisions)
    supervisor._decided_at = float("-inf")  # time has passed
    supervisor.turn(0.0)
    told["later"] = len(decisions)
print(json.dumps(told))
"""


def test_a_turn_at_rest_costs_one_read(project: Project) -> None:
    """While agents work and nothing happens, a poll starts no process, makes no folder, writes and decides nothing."""
    gate = 'while [ ! -e "$TEST_FOLDER/open" ]; do sleep 0.02; done\n' + WORK
    names = ["a", "b", "c"]
    streams = "".join(f"  {name}: {{brief: x}}\n" for name in names)
    plan = project.plan(f"goal: g\n{COMMAND_AGENT}workstreams:\n{streams}", dict.fromkeys(names, gate))
    first = project.start("run", plan)
    for name in names:
        project.wait_for(name, "working")
    first.kill()
    first.wait()
    told = json.loads(project.python(AT_REST).splitlines()[-1])
    (project.folder / "open").touch()
    assert project.wto("resume").code == 0
    assert told["begun"] > 0 and told["made"] > 0  # the counts count
    assert (told["starts"], told["folders"]) == ([], [])
    assert (told["decided"], told["later"]) == (0, 1)
    assert len(told["statements"]) == 10, told["statements"]
    assert all(each.lstrip().startswith("SELECT") for each in told["statements"]), told["statements"]


MOST_FOR_ONE = 25
MOST_FOR_MORE = 16
