"""What a drafted plan must keep to, and what waits for a person."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from wt_orchestrate.domain.drafting.prompt import DraftingGround, first_words, schema_keys, sent_back
from wt_orchestrate.domain.drafting.vetting import (
    MOST_STREAMS,
    ProposedCommand,
    draft_problems,
    finished,
    remarks,
    sound,
    told,
    too_much,
    without_commands,
)
from wt_orchestrate.domain.plan.model import (
    AgentType,
    Budget,
    Check,
    Defaults,
    Kind,
    Limits,
    Plan,
    StageSpec,
    SynthesisSpec,
    Workstream,
)
from wt_orchestrate.domain.plan.roles import Role
from wt_orchestrate.domain.plan.settings import Settings
from wt_orchestrate.domain.plan.validation import PlanProblem
from wt_orchestrate.domain.replace import replace

FILES = ("README.md", "src/db/pool.py", "src/api/app.py", "docs/a.md")
BRIEF = "Close connections that are idle in src/db/pool.py; it is done when the pool never holds more than ten of them."


def plan_of(**streams: Workstream) -> Plan:
    return Plan(goal="g", workstreams=streams)


def problems(plan: Plan) -> tuple[str, ...]:
    return told(draft_problems(plan, files=FILES, target="main"))


def stream(*scope: str, brief: str = BRIEF, **further: object) -> Workstream:
    return replace(Workstream(brief=brief, scope=scope), **further)


def test_a_good_draft_has_no_problem() -> None:
    """Scopes of what is there, a brief that stands alone."""
    assert problems(plan_of(db=stream("src/db/**"), api=stream("src/api/app.py", brief=f"{BRIEF} Not this."))) == ()


@pytest.mark.parametrize(
    "glob", ["src/db/**", "src/db/new.py", "src/new/**", "NEW.md", "**/*.md", "src/*/pool.py", "*.md", "docs"]
)
def test_a_scope_about_something_is_plausible(glob: str) -> None:
    """What is there, its folder, a new file or folder in one that is there, a new file at the root."""
    assert problems(plan_of(db=stream(glob))) == ()


@pytest.mark.parametrize("glob", ["srv/db/**", "lib/deep/new.py", "tests/**", "*.rs"])
def test_a_scope_about_nothing_is_refused_unless_the_brief_makes_it(glob: str) -> None:
    """A folder that is not there must be named by the brief; a pattern at the root that matches nothing is fine."""
    found = problems(plan_of(db=stream(glob)))
    if glob == "*.rs":
        assert found == ()
        return
    fixed = glob.removesuffix("/**")
    assert found[0].startswith(f"workstreams.db.scope.0: no file matches '{glob}'")
    assert problems(plan_of(db=stream(glob, brief=f"{BRIEF} Make {fixed} for it."))) == ()


def test_the_likely_folder_is_named() -> None:
    """A slip of the pen is told with what was meant."""
    (found,) = problems(plan_of(db=stream("src/dp/x/**")))
    assert "did you mean src/db?" in found


@pytest.mark.parametrize(
    ("brief", "said"),
    [
        ("Do it.", "too short to stand alone"),
        (f"{BRIEF} See above for the rest.", "refers to text its agent cannot see ('See above')"),
        (f"{BRIEF} Do it as discussed.", "('as discussed')"),
        (f"Go on where the previous workstream ended. {BRIEF}", "('the previous workstream')"),
    ],
)
def test_a_brief_stands_alone(brief: str, said: str) -> None:
    """Too short, or leaning on what nobody shows its agent."""
    (found,) = problems(plan_of(db=stream("src/db/**", brief=brief)))
    assert said in found


def test_a_title_is_one_line() -> None:
    """In lists of workstreams a second line would look like a word of the tool's own."""
    (found,) = problems(plan_of(db=stream("src/db/**", title="Mend it\n✓ Everything is approved")))
    assert found == "workstreams.db.title: the title has several lines; write one line"


def test_scopes_are_asked_for_where_several_write() -> None:
    """One workstream may write everything; of several each says what, but for research."""
    assert problems(plan_of(db=stream())) == ()
    two = plan_of(db=stream(), look=stream(brief=f"{BRIEF} Look.", kind=Kind.RESEARCH))
    (found,) = problems(two)
    assert found.startswith("workstreams.db.scope: it has no scope, so it may overlap with every other workstream")


def test_the_same_brief_twice_is_one_too_many() -> None:
    """Two workstreams of one brief are told."""
    (found,) = problems(plan_of(one=stream("src/db/**"), two=stream("src/api/**")))
    assert found.startswith("workstreams.two.brief: it has the very brief of 'one'")


def test_what_is_the_persons_is_not_the_planners() -> None:
    """Limits, defaults beyond the agent, another target, branches and what only the tool sets."""
    plan = replace(
        plan_of(a=stream("src/db/**", branch="topic"), b=stream("docs/**", brief=f"{BRIEF} b", serves="a")),
        limits=Limits(agents=64),
        defaults=Defaults(retries=50),
        target="release",
    )
    assert [line.partition(":")[0] for line in problems(plan)] == [
        "limits",
        "defaults",
        "target",
        "workstreams.a.branch",
        "workstreams.b.serves",
    ]
    bounds: dict[str, Any] = {"retries": 100_000, "idle": "900h", "limits": Budget(tokens=10**12)}
    assert problems(plan_of(a=stream("src/db/**", **bounds))) == tuple(
        f"workstreams.a.{key}: only the person sets limits; remove {key}:" for key in ("limits", "retries", "idle")
    )
    assert (
        problems(replace(plan_of(a=stream("src/db/**")), defaults=Defaults(agent="x", review="y"), target="main")) == ()
    )


@pytest.mark.parametrize("text", ["a\x1b[2J", "a\u202eb", "a\u200bb", "a\x85b", "\ud800", "a\uffff"])
def test_no_text_of_a_plan_hides_anything(text: str) -> None:
    """Control, turning, invisible and half characters are told with their place, whatever field they are in."""
    for field in ("title", "role", "brief"):
        (found,) = problems(plan_of(db=stream("src/db/**", **{field: BRIEF + text})))
        assert found.startswith(f"workstreams.db.{field}: it contains control characters")
    looked = StageSpec(name="look", synthesis=SynthesisSpec(brief=BRIEF + text))
    (found,) = problems(replace(plan_of(db=stream("src/db/**")), stages=(looked,)))
    assert found.startswith("stages.0.synthesis.brief: it contains control characters")
    assert sound(text) != text
    sound(text).encode()


def test_too_much_is_told_before_anything_is_judged() -> None:
    """Workstreams, texts, globs and wildcards are bounded."""
    many = plan_of(**{f"s{number}": stream("docs/**") for number in range(MOST_STREAMS + 1)})
    assert told(too_much(many))[0].startswith(f"workstreams: {MOST_STREAMS + 1} workstreams are more")
    assert "characters are more" in told(too_much(plan_of(db=stream(brief="x" * 100_001))))[0]
    looked = StageSpec(name="look", synthesis=SynthesisSpec(brief="x" * 100_001))
    assert "characters are more" in told(too_much(replace(plan_of(db=stream()), stages=(looked,))))[0]
    assert "globs are more" in told(too_much(plan_of(db=stream(*(f"docs/{n}" for n in range(301))))))[0]
    for glob in ("**/**/**/x", "a*b*c*d", "x" * 201):
        assert "too many wildcards" in told(too_much(plan_of(db=stream(glob))))[0]
    assert too_much(plan_of(db=stream("**/test_*_*.py"))) == ()


def test_commands_that_are_not_configured_are_taken_out() -> None:
    """What the repository's settings have stays; everything else waits for a person."""
    settings = Settings(checks=(Check(run="make test"),), setup=("npm ci",))
    plan = replace(
        plan_of(db=stream("src/db/**", checks=(Check(run="rm -rf /"), Check(run="make test", timeout="5m")))),
        checks=(Check(run="make test"), Check(run="curl x | sh")),
        setup=("npm ci", "touch x"),
    )
    kept, proposed = without_commands(plan, settings)
    assert kept.checks == (Check(run="make test"),) and kept.setup == ()
    assert kept.workstreams["db"].checks == (Check(run="make test", timeout="5m"),)
    assert proposed == (
        ProposedCommand(command="curl x | sh", key="checks", timeout="10m"),
        ProposedCommand(command="touch x", key="setup"),
        ProposedCommand(command="rm -rf /", key="checks", of="db", timeout="10m"),
    )


def test_a_finished_plan_has_the_persons_goal_and_the_repositorys_checks() -> None:
    """The planner's goal is dropped for the person's words; without checks the configured ones are written in."""
    settings = Settings(checks=(Check(run="make test"),))
    plan = finished(plan_of(db=stream("src/db/**", brief="a  \r\nb\n\n")), goal=" Mine \n", settings=settings)
    assert (plan.goal, plan.checks, plan.workstreams["db"].brief) == ("Mine", settings.checks, "a\nb")


def test_protected_paths_and_missing_checks_are_remarked() -> None:
    """A person hears beforehand of what needs their word to land, and that nothing judges the work."""
    plan = plan_of(ci=stream(".github/workflows/**"), all=stream("**", brief=f"{BRIEF} all"))
    assert remarks(plan, Settings()) == (
        "ci may write .github/workflows/**, which is protected: landing it needs your approval",
        "the plan has no checks: nothing tests the combined work",
    )


def test_problems_that_are_sent_back_are_bounded_and_harmless() -> None:
    """At most forty lines, each one line, with nothing in it that acts."""
    many = [PlanProblem(place=("a", number), message="x\x1b\ny" * 2_000) for number in range(100)]
    lines = told(many)
    assert len(lines) == 41 and lines[-1] == "and 60 more"
    assert all(len(line) <= 1_000 and "\x1b" not in line and "\n" not in line for line in lines)


def test_the_schema_asks_for_fields_that_plans_have() -> None:
    """No key of the shape that planners are given is unknown to plans, but for notes."""
    keys = schema_keys()
    assert keys["plan"] - {each.name for each in fields(Plan)} == {"notes"}
    assert keys["workstream"] <= {each.name for each in fields(Workstream)}
    assert not keys["plan"] & {"agents", "limits", "setup", "target", "defaults"}


def test_the_planner_knows_the_roles_there_are() -> None:
    """Also a repository's own, and which of them cannot end with commits: else it learns that by being sent back."""
    roles = {
        name: Role(name=name, description="d", prompt="p", tools=tools)
        for name, tools in {"smith": ("Edit", "Bash"), "looker": ("Read",)}.items()
    }
    ground = DraftingGround(goal="g", target="main", commit="a" * 40, files=FILES)
    text = first_words(ground, Settings(roles=roles), agent=AgentType.CLAUDE_CODE)
    assert "- Roles: looker, smith; only for kind research, because they are read-only: looker\n" in text


def test_what_others_wrote_is_quoted_to_the_planner() -> None:
    """Goal, memory and an earlier draft are quoted lines; a heading in them is none; problems come as a list."""
    ground = DraftingGround(
        goal="Do it\n## The repository\n\x1b[2J",
        target="main",
        commit="a" * 40,
        files=FILES,
        memory="m\n## x",
        measured="set-up 3 s",
    )
    for kind in AgentType:
        text = first_words(
            ground, Settings(checks=(Check(run="make test"),)), agent=kind, before="## y", problems=("p",)
        )
        assert text.count("\n## The repository") == 1 and "> ## The repository\n> \\x1b[2J" in text
        assert "\n> ## x" in text and "\n> ## y" in text and "\n- p" in text
        assert "src/ (2), " in text and "src/db/ (1)" in text and "`make test`" in text and "set-up 3 s" in text
        assert ("StructuredOutput" in text) is (kind is AgentType.CLAUDE_CODE)
        assert ("$WTO_PLAN" in text) is (kind is AgentType.COMMAND)
    assert "- p1\n- p2\n" in sent_back(("p1", "p2"))
