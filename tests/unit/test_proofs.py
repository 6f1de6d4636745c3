"""Where each module of the domain and of the git adapter is proved: by a test of its name, or by the one named here.

A test of its name lies in a folder of the same name: `domain/train/bisect.py` is proved by `train/test_bisect.py`. Whoever adds a
module writes such a test, or a line here; a line that is no longer needed, or names a test that is gone, fails as well.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE, TESTS = ROOT / "wt_orchestrate", ROOT / "tests"
DISTRICTS = ("domain", "adapters/gitrepo")

PROVED_BY = {
    "domain/agent/commit_scan": "integration/gitrepo/objects/test_secret_scan.py",
    "domain/agent/statements": "unit/domain/report/test_digest.py",
    "domain/agent/stream": "integration/agents/test_claude_stream.py",
    "domain/brief/brief": "unit/domain/brief/test_context.py",
    "domain/doctor": "e2e/test_faults.py",
    "domain/drafting/dry_run": "e2e/test_draft.py",
    "domain/drafting/progress": "unit/engine/test_drafting.py",
    "domain/drafting/prompt": "unit/domain/drafting/test_vetting.py",
    "domain/events": "integration/store/test_eventlog.py",
    "domain/fold/accounts": "simulation/test_walks.py",
    "domain/fold/attempt": "unit/domain/verdict/test_verdict.py",
    "domain/fold/comments": "unit/domain/state/test_comments.py",
    "domain/fold/findings": "unit/domain/agent/test_notes.py",
    "domain/fold/forecast": "unit/domain/state/test_forecast.py",
    "domain/fold/messages": "unit/domain/agent/test_notes.py",
    "domain/fold/stages": "unit/domain/state/test_stages.py",
    "domain/fold/train": "unit/domain/train/test_train.py",
    "domain/ids": "integration/planfile/test_plans.py",
    "domain/main_worktree": "e2e/test_own_hooks.py",
    "domain/memory/recall": "unit/engine/effects/test_recall.py",
    "domain/plan/branch_queue": "e2e/test_train.py",
    "domain/plan/model": "integration/planfile/test_plans.py",
    "domain/plan/scope": "unit/domain/plan/test_graph.py",
    "domain/plan/stages": "unit/domain/state/test_stages.py",
    "domain/plan/validation": "unit/domain/plan/test_graph.py",
    "domain/report/intervals": "unit/domain/report/test_timeline.py",
    "domain/report/markdown": "unit/domain/report/test_digest.py",
    "domain/report/report": "unit/domain/report/test_timeline.py",
    "domain/report/run_clock": "unit/domain/report/test_timeline.py",
    "domain/report/speedup": "unit/domain/report/test_timeline.py",
    "domain/report/telemetry": "unit/domain/report/test_stats.py",
    "domain/review/pr_feedback": "unit/adapters/forge/test_registry.py",
    "domain/review/reviewers": "e2e/test_reviewers.py",
    "domain/schedule/expansion": "unit/domain/state/test_stages.py",
    "domain/state/attempt": "unit/domain/agent/test_notes.py",
    "domain/state/contradictions": "unit/domain/agent/test_notes.py",
    "domain/state/findings": "unit/domain/agent/test_notes.py",
    "domain/state/lifecycle": "unit/domain/fold/test_run.py",
    "domain/state/run": "unit/domain/fold/test_run.py",
    "domain/state/train": "unit/domain/train/test_train.py",
    "domain/state/workstream": "unit/domain/fold/test_workstream.py",
    "domain/state/changes": "integration/gitrepo/test_landing_attacks.py",
    "domain/status/evidence": "unit/domain/agent/test_notes.py",
    "domain/status/search": "unit/domain/agent/test_notes.py",
    "domain/status/train": "unit/domain/train/test_train.py",
    "domain/steering": "unit/domain/state/test_stages.py",
    "domain/text/diff": "unit/domain/review/test_flags.py",
    "domain/text/injection": "unit/domain/memory/test_entries.py",
    "domain/train/arbiter": "e2e/test_conflicts.py",
    "domain/train/culprit": "unit/domain/train/test_train.py",
    "domain/train/forecast": "unit/domain/state/test_forecast.py",
    "domain/train/landing": "e2e/test_land.py",
    "domain/train/order": "unit/domain/train/test_train.py",
    "domain/verdict/stuck": "unit/domain/schedule/test_time.py",
    "adapters/gitrepo/conflict/attributes": "integration/gitrepo/conflict/test_auto_resolve.py",
    "adapters/gitrepo/conflict/union": "integration/gitrepo/conflict/test_auto_resolve.py",
    "adapters/gitrepo/conflict/merge_drivers": "integration/gitrepo/conflict/test_auto_resolve.py",
    "adapters/gitrepo/discovery": "integration/gitrepo/test_repository.py",
    "adapters/gitrepo/files/copy_tree": "integration/gitrepo/worktree/test_include_file.py",
    "adapters/gitrepo/files/git_locks": "e2e/test_faults.py",
    "adapters/gitrepo/worktree/uncommitted": "integration/gitrepo/forecast/test_radar.py",
    "adapters/gitrepo/written_by": "e2e/test_trust.py",
    "adapters/gitrepo/hooks/staged": "e2e/test_own_hooks.py",
    "adapters/gitrepo/merge/chain_proof": "integration/gitrepo/merge/test_chain.py",
    "adapters/gitrepo/merge/line": "e2e/test_landing_styles.py",
    "adapters/gitrepo/merge/merge_tree": "integration/gitrepo/proof/test_merge.py",
    "adapters/gitrepo/merge/pairwise": "integration/gitrepo/forecast/test_radar.py",
    "adapters/gitrepo/merge/path_index": "unit/adapters/gitrepo/merge/test_plan.py",
    "adapters/gitrepo/merge/survey": "integration/gitrepo/merge/test_chain.py",
    "adapters/gitrepo/objects/fast_import": "integration/gitrepo/merge/test_chain.py",
    "adapters/gitrepo/objects/fetch": "integration/gitrepo/test_vault.py",
    "adapters/gitrepo/objects/quarantine": "integration/gitrepo/forecast/test_radar.py",
    "adapters/gitrepo/objects/raw_diff": "unit/adapters/gitrepo/merge/test_plan.py",
    "adapters/gitrepo/objects/refs": "integration/gitrepo/objects/test_session.py",
    "adapters/gitrepo/proof/conflict_hunks": "integration/gitrepo/proof/test_resolution.py",
    "adapters/gitrepo/proof/explain": "integration/gitrepo/proof/test_merge.py",
    "adapters/gitrepo/proof/three_way": "integration/gitrepo/proof/test_merge.py",
    "adapters/gitrepo/remotes": "unit/adapters/forge/test_registry.py",
    "adapters/gitrepo/runner": "integration/gitrepo/test_repository.py",
    "adapters/gitrepo/target/checkout": "integration/gitrepo/test_landing_attacks.py",
    "adapters/gitrepo/target/land": "integration/gitrepo/test_target.py",
    "adapters/gitrepo/target/person": "e2e/test_landing_styles.py",
    "adapters/gitrepo/target/record": "integration/gitrepo/test_landing_attacks.py",
    "adapters/gitrepo/worktree/checkout": "integration/gitrepo/worktree/test_add.py",
    "adapters/gitrepo/worktree/checkouts": "integration/gitrepo/worktree/test_add.py",
    "adapters/gitrepo/worktree/listing": "integration/gitrepo/worktree/test_add.py",
    "adapters/gitrepo/worktree/private_gitdir": "integration/gitrepo/test_vault.py",
    "adapters/gitrepo/worktree/reached": "e2e/test_work_elsewhere.py",
}
"""A module, or a folder of modules, and the test file that proves it, from `tests/` on."""


def _modules() -> list[str]:
    found = (path for name in DISTRICTS for path in (PACKAGE / name).rglob("*.py") if path.name != "__init__.py")
    return sorted(str(path.relative_to(PACKAGE).with_suffix("")) for path in found)


def _has_its_own(module: str) -> bool:
    """Whether a test file of its name lies in a folder named as its own."""
    path = Path(module)
    return any(found.parent.name == path.parent.name for found in TESTS.rglob(f"test_{path.name}.py"))


def _named(module: str) -> bool:
    return any(module == name or module.startswith(f"{name}/") for name in PROVED_BY)


def test_every_module_is_proved_somewhere() -> None:
    """By a test of its name or by one that is named above."""
    assert [module for module in _modules() if not _has_its_own(module) and not _named(module)] == []


def test_every_line_is_needed_and_names_a_test_that_is_there() -> None:
    """No line for a module that is gone or has its own test, none that names a test that is gone."""
    modules = _modules()
    used = {name for name in PROVED_BY for module in modules if module == name or module.startswith(f"{name}/")}
    own = {name for name in PROVED_BY if name in modules and _has_its_own(name)}
    gone = {name for name, test in PROVED_BY.items() if not (TESTS / test).is_file()}
    assert (set(PROVED_BY) - used, own, gone) == (set(), set(), set())
