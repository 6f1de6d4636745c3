"""Loading plans and settings: every problem at once, each with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from wt_orchestrate.adapters.planfile import MAX_BYTES, load_plan, read_settings
from wt_orchestrate.domain.plan.model import AgentSpec, AgentType, Check, Defaults, Kind, Limits, Plan, Workstream
from wt_orchestrate.domain.plan.settings import Settings
from wt_orchestrate.errors import NotFound, PlanInvalid

GOOD = """goal: Fix it
target: main
checks:
  - run: true
    timeout: 10m
limits: {agents: 3, budget_usd: 2.5, wall: 2h}
defaults: {agent: mine, retries: 1, idle: 5m}
stages: [look, do]
agents:
  mine: {type: command, run: sh agent.sh, env: {LEVEL: 3}}
setup: [make deps]
workstreams:
  a:
    title: 22:22
    stage: look
    kind: research
    brief: no
  b: {stage: do, brief: |
      Two
      lines, expands: yes, scope: ["src/**"], checks: [{run: make test}]}
"""


def _problems(tmp_path: Path, content: str | bytes) -> list[str]:
    path = tmp_path / "plan.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(PlanInvalid) as invalid:
        load_plan(str(path), Settings())
    return [line.removeprefix(f"{path}:") for line in invalid.value.problems]


def test_a_whole_plan_becomes_its_value(tmp_path: Path) -> None:
    """Every key lands where it belongs; words such as `no`, `true` and `22:22` are text where text is meant."""
    path = tmp_path / "plan.yaml"
    path.write_text(GOOD.replace("brief: |\n      Two\n      lines, expands", "brief: Two lines, expands"))
    loaded = load_plan(str(path), Settings())
    assert loaded.warnings == ()
    assert loaded.plan == Plan(
        goal="Fix it",
        target="main",
        checks=(Check(run="true", timeout="10m"),),
        limits=Limits(agents=3, budget_usd=2.5, wall="2h"),
        defaults=Defaults(agent="mine", retries=1, idle="5m"),
        stages=("look", "do"),
        agents={"mine": AgentSpec(type=AgentType.COMMAND, run="sh agent.sh", env={"LEVEL": "3"})},
        setup=("make deps",),
        workstreams={
            "a": Workstream(brief="no", title="22:22", stage="look", kind=Kind.RESEARCH),
            "b": Workstream(
                brief="Two lines", stage="do", expands=True, scope=("src/**",), checks=(Check(run="make test"),)
            ),
        },
    )


def test_all_problems_come_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    """Unknown keys with the nearest known one, missing ones, wrong types, unknown needs and unsafe paths together."""
    assert _problems(
        tmp_path,
        "goal: x\nworkstreams:\n  a:\n    brief: hi\n    need: [b]\n"
        '  b: {brief: "", scope: [../x, /y], needs: [aa], checks: [{rn: x}]}\nlimits: {agents: few}\n',
    ) == [
        "5:5: 'need' is not a known key; did you mean 'needs'?",
        "6:7: the brief is empty; say what the agent should do",
        "6:26: '../x' leaves the repository or is not a plain path; write it without . and ..",
        "6:32: '/y' is absolute; write it from the repository's root",
        "6:45: unknown workstream 'aa'; did you mean 'a'?",
        "6:59: 'run' is missing; add run: here",
        "6:60: 'rn' is not a known key; did you mean 'run'?",
        "7:10: limits.agents must be a whole number, not 'few'; see wto plan schema",
    ]


@pytest.mark.parametrize(
    ("content", "problems"),
    [
        ("a: &x 1\nb: *x\n", ["1:4: anchors and aliases are not allowed; write the value where it is needed"]),
        ("goal: [\n", ["2:1: this is not valid YAML: did not find expected node content; fix the YAML there"]),
        (b"goal: \xff\n", ["1:7: the file is not UTF-8; save it as UTF-8"]),
        ("goal: x\ngoal: y\n", ["2:1: the key 'goal' appears twice; keep one of them"]),
        ("<<: {a: b}\n", ["1:1: merge keys are not allowed; write the keys directly"]),
        (
            "goal: !!python/object/apply:os.system [ls]\n",
            ["1:7: the tag tag:yaml.org,2002:python/object/apply:os.system is not allowed; write a plain value"],
        ),
        ("goal: " + "[" * 30 + "]" * 30 + "\n", ["1:27: it is nested too deeply or too large"]),
        ("x" * (MAX_BYTES + 1), ["1:1: the file is over 1 MiB; move long texts out of the plan"]),
        ("", ["1:1: the file must be a mapping, not None; see wto plan schema"]),
        (
            "goal: x\nworkstreams: {a: {brief: x, needs: [a]}}\n",
            ["2:29: needs form a cycle: a -> a; remove one of them"],
        ),
        (
            "goal: x\ntarget: ../main\nworkstreams: {HEAD: {brief: x}, a.lock: {brief: x}}\n",
            [
                "2:1: '../main' is not a valid branch name; name a branch",
                "3:15: the id 'HEAD' may hold only a-z, 0-9 and '-', starts with a letter or digit and has at most 41 characters;"
                " choose another id, such as db-pool",
                "3:33: the id 'a.lock' may hold only a-z, 0-9 and '-', starts with a letter or digit and has at most 41 "
                "characters;"
                " choose another id, such as db-pool",
            ],
        ),
    ],
)
def test_what_cannot_be_a_plan_says_why_and_where(tmp_path: Path, content: str | bytes, problems: list[str]) -> None:
    """YAML's own dangers, bombs and encodings are refused with place and remedy; nothing is run, nothing hangs."""
    assert _problems(tmp_path, content) == problems


def test_overlapping_scopes_are_a_warning_that_names_both(tmp_path: Path) -> None:
    """Workstreams that may run at the same time and may write the same paths can be run, with a warning."""
    path = tmp_path / "plan.yaml"
    path.write_text(
        'goal: x\nworkstreams:\n  a: {brief: x, scope: ["src/*.py"]}\n  b: {brief: x, scope: [docs, "src/**"]}\n'
    )
    assert load_plan(str(path), Settings()).warnings == (
        f"{path}:4:31: warning: 'a' and 'b' may run at the same time and both may write 'src/**'; "
        "narrow one scope, or let one need the other",
    )


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    """No such plan is no traceback."""
    with pytest.raises(NotFound, match="there is no file"):
        load_plan(str(tmp_path / "none.yaml"), Settings())


def test_settings_are_checked_like_plans() -> None:
    """An empty file is the defaults; a wrong key and a template without its names are refused."""
    assert read_settings("config.yaml", None) == read_settings("config.yaml", b"# nothing\n") == Settings()
    with pytest.raises(PlanInvalid, match=r"config\.yaml:1:1: 'worktree' is not a known key; did you mean 'worktrees'"):
        read_settings("config.yaml", b"worktree: x\n")
    with pytest.raises(PlanInvalid, match=r"does not contain \{run\}"):
        read_settings("config.yaml", b"worktrees: ../trees\n")
