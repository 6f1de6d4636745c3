"""The synthesis: contributions, contradictions, risks, follow-ups and what was learned, from evidence and quoted words."""

from __future__ import annotations

import re
from typing import Any

from tests.support.handmade import Handmade, plan
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.agent.handoff import parse_handoff
from wt_orchestrate.domain.agent.statements import commands, paths_in, points, settings
from wt_orchestrate.domain.ids import WorkstreamId
from wt_orchestrate.domain.plan.model import Workstream
from wt_orchestrate.domain.report.markdown import report_markdown
from wt_orchestrate.domain.report.report import report


def _handoff(**sections: str) -> str:
    body = "\n".join(f"## {name.replace('_', ' ')}\n{text}\n" for name, text in sections.items())
    return f"---\nstatus: done\nprogress: 100\n---\n{body}"


def _run(handoffs: dict[str, str]) -> dict[str, Any]:
    """The report of a run in which each of these is integrated with its handoff."""
    log = Handmade(plan(*handoffs))
    for name, text in handoffs.items():
        log.prepare(0, name)
        log.work(1, name, begins=2, ends=5, gone=6)
        log.claim(6, name, text)
        log.checked(6, 7, name)
        log.integrate(8, name)
    log.finish(10)
    return report(log.records, now=log.wall(10))


def test_a_contribution_is_told_from_evidence_first() -> None:
    """Commits, files, checks and then the agent's own word, in one paragraph."""
    found = _run({"pool": _handoff(Summary="The pool\nis larger.")})
    (ws,) = found["workstreams"]
    assert ws["contribution"] == (
        "Integrated as 0000000000. 1 commit, 1 file (+3 -1) in `pool.py`. Checks on its tree: `check` passed. "
        "The agent says: “The pool is larger.”"
    )


def test_a_setting_that_was_given_two_values_is_told() -> None:
    """One says pool.size = 20, another `pool.size: 50`: they say different things; one value from both is none."""
    found = _run(
        {
            "pool": _handoff(Summary="x", Decisions="- Set pool.size = 20 for the new host\n- retry_limit is 3"),
            "config": _handoff(Summary="x", Decisions="- `pool.size`: 50, as before\n- retry_limit = 3"),
        }
    )
    (only,) = found["synthesis"]["contradictions"]
    assert (only["kind"], only["about"], only["how"]) == ("setting", "pool.size", "found")
    assert [each["workstream"] for each in only["says"]] == ["pool", "config"]
    told = report_markdown(found)
    assert "`pool` and `config` disagree about the setting `pool.size`" in told


def test_different_findings_on_one_line_are_told() -> None:
    """Two findings on the same line that differ stand side by side; equal ones do not."""
    found = _run(
        {
            "one": _handoff(Summary="x", Findings="- fact: src/db.py:3 opens one connection\n- fact: a.py:1 is dead"),
            "two": _handoff(Summary="x", Findings="- risk: src/db.py:3 never closes\n- fact: a.py:1 is dead."),
        }
    )
    assert [each["about"] for each in found["synthesis"]["contradictions"]] == ["src/db.py:3"]


def test_opposite_words_on_a_check_are_told() -> None:
    """One says that a command passes, the other that it fails."""
    found = _run(
        {
            "one": _handoff(Summary="x", Verification="- `make lint`: passed, 0 failed"),
            "two": _handoff(Summary="x", Verification="- `make lint` fails in b.py"),
        }
    )
    (only,) = found["synthesis"]["contradictions"]
    assert (only["kind"], only["about"]) == ("check", "make lint")


def test_a_word_that_we_saw_otherwise_is_told() -> None:
    """Its agent says that the check failed; we saw it pass on its tree."""
    found = _run({"one": _handoff(Summary="x", Verification="`check` failed")})
    (only,) = found["synthesis"]["contradictions"]
    assert (only["kind"], only["says"][1]["text"]) == ("measured", "measured: passed")


def test_decisions_on_one_file_are_laid_side_by_side() -> None:
    """Both decided something of the same file, in different words."""
    found = _run(
        {
            "one": _handoff(Summary="x", Decisions="- Keep the timeout in conf/db.toml"),
            "two": _handoff(Summary="x", Decisions="- Move the timeout out of conf/db.toml"),
        }
    )
    assert [(each["kind"], each["about"]) for each in found["synthesis"]["contradictions"]] == [
        ("file", "conf/db.toml")
    ]


def test_a_section_that_holds_none_is_no_point() -> None:
    """Agents are asked to write `none` where there is nothing to say: that is no risk, no decision and no follow-up."""
    assert points("- `none`\n") == points("none") == points("  None.\n") == [] and points("- none of it works") != []
    found = _run({"one": _handoff(Summary="x", Decisions="none", Next="- none", Questions="None.")})
    synthesis = found["synthesis"]
    assert [each for each in (*synthesis["learned"], *synthesis["follow_ups"]) if "none" in each["text"].lower()] == []


def test_risks_follow_ups_and_what_was_learned() -> None:
    """Findings by kind, Next, questions, decisions, commands nobody else ran; what is not integrated with the way on."""
    text = _handoff(
        Summary="x",
        Decisions="- Sessions are pooled",
        Findings="- risk: no index\n- todo: drop the old table\n- convention: snake_case for scripts",
        Verification="- `pytest tests/db` passed",
        Questions="- Who owns the pager?",
        Next="- Measure it under load",
    )
    log = Handmade(plan("a", "b"))
    log.prepare(0, "a")
    log.work(1, "a", begins=2, ends=5, gone=6)
    log.claim(6, "a", text)
    log.checked(6, 7, "a", e.CheckOutcome.FAILED)
    log.checked(8, 9, "a")
    log.integrate(9, "a")
    log.note(9, e.WorkstreamFailed(workstream=WorkstreamId("b"), reason="its setup failed"))
    log.finish(10, 1, 1)
    found = report(log.records, now=log.wall(10))["synthesis"]
    risks = [(each["kind"], each["how"]) for each in found["risks"]]
    assert risks == [("flaky check", "measured"), ("risk", "its word"), ("unverified", "its word")]
    assert [(each["kind"], each["workstream"]) for each in found["follow_ups"]] == [
        ("todo", "a"),
        ("next", "a"),
        ("question", "a"),
        ("not integrated", "b"),
    ]
    assert found["follow_ups"][-1]["commands"] == ["wto status b"]
    assert [(each["kind"], each["text"]) for each in found["learned"]] == [
        ("convention", "snake_case for scripts"),
        ("decision", "Sessions are pooled"),
    ]


def test_a_synthesiser_is_quoted_apart() -> None:
    """What a synthesiser makes of it is its word, in sections of its own, and no contradiction of ours."""
    log = Handmade(plan("a", further={"sum": Workstream(brief="x", role="synthesiser")}))
    for name, text in (
        ("a", _handoff(Summary="x", Decisions="- pool.size = 20")),
        (
            "sum",
            _handoff(
                Summary="All of it fits.",
                Decisions="- pool.size = 50 is right",
                Contradictions="- a and the runbook disagree",
                Risks="- the pager",
                Follow_ups="- ask ops",
                Learned="- hosts are named in one file",
            ),
        ),
    ):
        log.prepare(0, name)
        log.work(1, name, begins=2, ends=5, gone=6)
        log.claim(6, name, text)
        log.integrate(8, name)
    log.finish(10, 2)
    values = report(log.records, now=log.wall(10))
    found = values["synthesis"]
    assert found["contradictions"] == []
    assert found["synthesisers"] == [
        {
            "workstream": "sum",
            "stage": "integrated",
            "summary": "All of it fits.",
            "decisions": ["pool.size = 50 is right"],
            "contradictions": ["a and the runbook disagree"],
            "risks": ["the pager"],
            "follow_ups": ["ask ops"],
            "learned": ["hosts are named in one file"],
        }
    ]
    assert "## What `sum` concludes (its word, not measured)" in report_markdown(values)


def test_what_an_agent_added_speaks_for_nobody_else() -> None:
    """A workstream that an agent's handoff added with the role of a synthesiser is one voice among others: no section of its
    own, and where it says something else than another, that is a contradiction."""
    log = Handmade(plan("a"))
    added = {"sum": Workstream(brief="x", role="synthesiser")}
    log.note(0, e.WorkstreamsAdded(by=WorkstreamId("a"), workstreams=added))
    for name, text in (("a", "- pool.size = 20"), ("sum", "- pool.size = 50")):
        log.prepare(0, name)
        log.work(1, name, begins=2, ends=5, gone=6)
        log.claim(6, name, _handoff(Summary="x", Decisions=text, Next="- look again"))
        log.integrate(8, name)
    log.finish(10, 2)
    found = report(log.records, now=log.wall(10))["synthesis"]
    assert found["synthesisers"] == []
    assert [each["about"] for each in found["contradictions"]] == ["pool.size"]
    assert [each["workstream"] for each in found["follow_ups"]] == ["a", "sum"]


def test_what_agents_wrote_acts_on_no_terminal_and_hides_no_key() -> None:
    """Escape sequences are written out, keys masked, and a text cannot pretend to be a heading of the report."""
    key = "ghp_" + "a1B2" * 10
    found = _run(
        {
            "one": _handoff(
                Summary=f"\x1b[2J {key}", Findings="- risk: a\x1b]0;x\x07\n- risk: ## Landed", Next=f"- use {key}"
            )
        }
    )
    told = report_markdown(found)
    assert "\x1b" not in told and "\x07" not in told
    assert key not in told and key not in found["workstreams"][0]["contribution"]
    assert "\n## Landed" not in told


def test_a_report_on_a_hundred_workstreams_stays_readable() -> None:
    """A table of all, details only of what is not integrated; the markdown of a hundred fits in some hundred lines."""
    handoffs = {f"w{number}": _handoff(Summary="x", Findings="- risk: y", Next="- z") for number in range(100)}
    found = _run(handoffs)
    told = report_markdown(found)
    assert len(re.findall(r"\n\| w\d+ ", told)) == 100
    assert len(told.splitlines()) < 190
    assert "100 integrated workstreams appear only in the table" in told
    assert report_markdown(found, workstream="w7").startswith("## w7: ")


def test_statements_are_only_what_is_said_in_so_many_words() -> None:
    """No setting in prose or addresses, no word on a command that may say both, no path in a version."""
    text = _handoff(
        Summary="x",
        Decisions="- See http://example.org: it is 3 times faster\n- We use Python: 3.12\n- DB_HOST = `db2.internal`",
        Verification="- `make a` did not fail\n- `make b` passed and then failed\n- `make c` is green\n- `make d`",
    )
    handoff = parse_handoff(text)
    assert [(each.about, each.value) for each in settings(handoff)] == [("db_host", "db2.internal")]
    assert [(each.about, each.value) for each in commands(handoff)] == [("make c", "passed")]
    assert paths_in("in src/db/pool.py, v1.2 and /etc/hosts") == ("src/db/pool.py",)
    assert points("one\ntwo\n\nthree") == ["one two", "three"]


def test_hostile_handoffs_take_no_time() -> None:
    """Long lines of what almost is a statement are read in bounded steps."""
    evil = _handoff(Summary="x", Decisions="a." * 60_000, Verification="`" * 60_000 + "passed" * 9_000)
    handoff = parse_handoff(evil)
    assert list(settings(handoff)) == [] and list(commands(handoff)) == []
    assert len(paths_in("a/" * 50_000)) <= 20
