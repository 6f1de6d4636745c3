"""Measure landing on CooperBench: what git's merge does, what `wto` foresees and lands. No model takes part.

usage: python benchmarks/cooperbench/measure.py DATASET SUBJECT... [--only WORD] [--pairs N] [--tests PYTHON] [--minutes M]

DATASET is a clone of github.com/cooperbench/CooperBench, each SUBJECT one of a repository that its tasks are about; tasks
whose commit is in none are left out. Nothing of either is kept. The features' own tests are the checks of tasks named by
`--tested` (default: those that need no more than pytest), run by the interpreter PYTHON; other tasks are checked with
`true`. `--pairs` bounds what is drawn of each task for the parts that run tests, `--minutes` the whole: what is not
reached is told.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent)]

from measuring import cost_of  # noqa: E402

from cooperbench.dataset import Feature, Task, git, read_tasks  # noqa: E402
from cooperbench.subjects import environment, make_repository, run, subject_of, test_files  # noqa: E402

TESTED = "pallets_click pallets_jinja samuelcolvin_dirty_equals"
TRIED = 'merge: {try_union: ["**/*"]}\n'
Pair = tuple[str, str]


@dataclass(slots=True)
class Figures:
    """All counts, over all tasks measured."""

    tasks: int = 0
    features: int = 0
    pairs: int = 0
    conflicts: int = 0
    foreseen: int = 0
    false: int = 0
    same_paths: int = 0
    git_cpu: float = 0.0
    radar_cpu: float = 0.0
    queues: int = 0
    git_lands: int = 0
    train_lands: int = 0
    same_set: int = 0
    same_tree: int = 0
    loop_cpu: float = 0.0
    train_cpu: float = 0.0
    loop_checks: int = 0
    train_checks: int = 0
    tested: list[str] = field(default_factory=list)
    judged: int = 0
    semantic: int = 0
    semantic_refused: int = 0
    clean_tried: int = 0
    clean_landed: int = 0
    guesses: int = 0
    guesses_landed: int = 0
    guesses_unparsed: int = 0
    guesses_failed: int = 0
    tested_lands: int = 0
    union_lands: int = 0
    left_out: list[str] = field(default_factory=list)


class Bench:
    """One repository of a task in a folder of its own, made again for each measurement that changes it."""

    def __init__(self, task: Task, subject: str, folder: Path, python: str) -> None:
        self.task, self.folder, self.python = task, folder, python
        self._master = make_repository(task, subject, folder / "master")
        for feature in task.features if python else ():
            for name, content in test_files(self._master, feature).items():
                place = folder / "tests" / str(feature.number) / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
        self._number = 0

    def fresh(self, *, config: str = "") -> tuple[Path, dict[str, str]]:
        """A copy of the repository, and an environment with a state of its own."""
        self._number += 1
        place = self.folder / f"try{self._number}"
        shutil.copytree(self._master, place / "repository", symlinks=True)
        repository = place / "repository"
        if config:
            (repository / ".git" / "info" / "exclude").write_text(".wto/\n", encoding="utf-8")
            (repository / ".wto").mkdir()
            (repository / ".wto" / "config.yaml").write_text(config, encoding="utf-8")
        env = environment(place, PYTHONPATH=f"{HERE.parent.parent}", PYTHONDONTWRITEBYTECODE="1")
        return repository, env

    def drop(self, repository: Path) -> None:
        shutil.rmtree(repository.parent, ignore_errors=True)

    def check(self, costs: Path) -> list[str]:
        """The command that judges a tree: the features' tests, or nothing where they cannot run here."""
        if not self.python:
            return ["true"]
        tested = ["env", "PYTHONPATH=src:.", self.python, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
        return [sys.executable, str(HERE / "check.py"), str(self.folder / "tests"), str(costs), *tested]


# ---------------------------------------------------------------- radar


def radar(bench: Bench, seen: Figures) -> Mapping[Pair, frozenset[str]]:
    """What git says of each pair and what one forecast of all says; returns git's word: the paths in conflict."""
    repository, env = bench.fresh()
    told: dict[Pair, frozenset[str]] = {}

    def by_git() -> None:
        for one, other in bench.task.pairs():
            told[one.branch, other.branch] = _conflict(repository, one.branch, other.branch)

    found: dict[Pair, frozenset[str]] = {}

    def by_radar() -> None:
        names = [feature.branch for feature in bench.task.features]
        ended = run([*_wto(), "forecast", "--json", *names], cwd=repository, env=env)
        if not ended.stdout:
            raise RuntimeError(ended.stderr.decode(errors="replace"))
        for each in json.loads(ended.stdout)["conflicts"]:
            one, other = sorted((each["one"], each["other"]), key=lambda name: int(name[1:]))
            found[one, other] = frozenset(each["paths"])

    seen.git_cpu += cost_of(by_git).cpu
    seen.radar_cpu += cost_of(by_radar).cpu
    bench.drop(repository)
    real = {pair for pair, paths in told.items() if paths}
    seen.pairs += len(told)
    seen.conflicts += len(real)
    seen.foreseen += len(real & found.keys())
    seen.false += len(found.keys() - real)
    seen.same_paths += sum(found.get(pair, frozenset()) == paths for pair, paths in told.items())
    return told


def _conflict(repository: Path, one: str, other: str) -> frozenset[str]:
    merged = git(repository, "merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", one, other, ok=(0, 1))
    return frozenset(each for each in merged.decode(errors="surrogateescape").split("\0")[1:] if each)


# ---------------------------------------------------------------- the queue


def queue(bench: Bench, seen: Figures) -> None:
    """All features of a task in one queue: a loop of `git merge` and check, and the train."""
    names = [feature.branch for feature in bench.task.features]
    repository, env = bench.fresh()
    costs = bench.folder / "costs"
    landed: list[str] = []

    def loop() -> None:
        for name in names:
            if run(["git", "merge", "-q", "--no-edit", name], cwd=repository, env=env).returncode:
                git(repository, "merge", "--abort")
            elif run(bench.check(costs), cwd=repository, env=env).returncode:
                git(repository, "reset", "-q", "--hard", "HEAD^")
            else:
                landed.append(name)

    seen.loop_cpu += cost_of(loop).cpu
    seen.loop_checks += len(_spent(costs))
    tree = git(repository, "rev-parse", "main^{tree}")
    bench.drop(repository)
    repository, env = bench.fresh()
    ours: list[str] = []
    seen.train_cpu += cost_of(lambda: ours.extend(_landed(bench, repository, env, names, costs))).cpu
    spent = _spent(costs)
    seen.train_cpu += sum(spent)
    seen.train_checks += len(spent)
    seen.queues += 1
    seen.git_lands += len(landed)
    seen.train_lands += len(ours)
    seen.same_set += set(landed) == set(ours)
    seen.same_tree += tree == git(repository, "rev-parse", "main^{tree}")
    bench.drop(repository)
    if not bench.python:
        return  # whether a tried union is right, only tests say
    seen.tested_lands += len(ours)
    repository, env = bench.fresh(config=TRIED)
    seen.union_lands += len(_landed(bench, repository, env, names, costs))
    _spent(costs)
    bench.drop(repository)


def _landed(bench: Bench, repository: Path, env: Mapping[str, str], names: Sequence[str], costs: Path) -> list[str]:
    """What `train add` and `train run --land` land of these branches."""
    return [name for name, stage, _ in _rode(bench, repository, env, names, costs) if stage == "landed"]


def _rode(
    bench: Bench, repository: Path, env: Mapping[str, str], names: Sequence[str], costs: Path
) -> list[tuple[str, str, str]]:
    """The stage of each branch after the train, and the reason."""
    check = " ".join(f"'{word}'" for word in bench.check(costs))
    added = run([*_wto(), "train", "add", *names, "--check", check], cwd=repository, env=env)
    if added.returncode:
        raise RuntimeError(added.stderr.decode(errors="replace"))
    run([*_wto(), "train", "run", "--land"], cwd=repository, env=env)
    told = json.loads(run([*_wto(), "status", "--json"], cwd=repository, env=env).stdout)
    return [(each["id"], each["stage"], each["reason"]) for each in told["workstreams"]]


def _spent(costs: Path) -> list[float]:
    """The CPU seconds of each check since the last look."""
    if not costs.exists():
        return []
    found = [float(line.split()[0]) for line in costs.read_text().splitlines()]
    costs.unlink()
    return found


# ---------------------------------------------------------------- pairs, judged by tests


def semantic(bench: Bench, told: Mapping[Pair, frozenset[str]], seen: Figures, until: float, most: int) -> None:
    """Pairs that git merges and whose tests fail together, found outside of the train; what the train does with them, and
    with as many good ones."""
    broken, good = [], []
    for pair in [pair for pair, paths in told.items() if not paths]:
        if time.monotonic() > until:
            seen.left_out.append(f"{bench.task.name}: judging clean pairs")
            return
        seen.judged += 1
        (good if _merges_and_passes(bench, pair) else broken).append(pair)
    seen.semantic += len(broken)
    chance = random.Random(bench.task.name)
    for pair in (*broken, *chance.sample(good, min(most, len(good)))):
        if time.monotonic() > until:
            seen.left_out.append(f"{bench.task.name}: clean pairs through the train")
            return
        stages = _of_pair(bench, pair, config="")
        if pair in broken:
            seen.semantic_refused += [stage for stage, _ in stages] == ["landed", "failed"]
        else:
            seen.clean_tried += 1
            seen.clean_landed += all(stage == "landed" for stage, _ in stages)


def _merges_and_passes(bench: Bench, pair: Pair) -> bool:
    repository, env = bench.fresh()
    for name in pair:
        run(["git", "merge", "-q", "--no-edit", name], cwd=repository, env=env)
    passed = run(bench.check(bench.folder / "costs"), cwd=repository, env=env).returncode == 0
    _spent(bench.folder / "costs")
    bench.drop(repository)
    return passed


def guesses(bench: Bench, told: Mapping[Pair, frozenset[str]], seen: Figures, until: float, most: int) -> None:
    """Pairs that conflict, through the train with `try_union` on every file and both features' tests as the check."""
    conflicting = [pair for pair, paths in told.items() if paths]
    chance = random.Random(bench.task.name)
    for pair in sorted(chance.sample(conflicting, min(most, len(conflicting)))):
        if time.monotonic() > until:
            seen.left_out.append(f"{bench.task.name}: union")
            return
        _, (stage, reason) = _of_pair(bench, pair, config=TRIED)
        seen.guesses += 1
        seen.guesses_landed += stage == "landed"
        seen.guesses_unparsed += "does not parse" in reason
        seen.guesses_failed += "union was tried, and `" in reason


def _of_pair(bench: Bench, pair: Pair, *, config: str) -> list[tuple[str, str]]:
    repository, env = bench.fresh(config=config)
    rode = {
        name: (stage, reason) for name, stage, reason in _rode(bench, repository, env, pair, bench.folder / "costs")
    }
    _spent(bench.folder / "costs")
    bench.drop(repository)
    return [rode[name] for name in pair]


# ---------------------------------------------------------------- all of it


def _wto() -> list[str]:
    return [sys.executable, "-m", "wt_orchestrate"]


def sound(bench: Bench) -> tuple[Feature, ...]:
    """The features whose tests pass on them alone: others judge nothing here."""
    found = []
    for feature in bench.task.features:
        repository, env = bench.fresh()
        git(repository, "switch", "-q", feature.branch)
        if run(bench.check(bench.folder / "costs"), cwd=repository, env=env).returncode == 0:
            found.append(feature)
        bench.drop(repository)
    _spent(bench.folder / "costs")
    return tuple(found)


def measure(tasks: Sequence[tuple[Task, str]], wanted: argparse.Namespace) -> Figures:
    """Every task in turn, until the time is up."""
    seen, until = Figures(), time.monotonic() + wanted.minutes * 60
    tested = wanted.tested.split() if wanted.tests else []
    for task, subject in tasks:
        if time.monotonic() > until:
            seen.left_out.append(task.name)
            continue
        with tempfile.TemporaryDirectory(prefix="wto-cooper-") as folder:
            python = wanted.tests if any(task.name.startswith(each) for each in tested) else ""
            bench = Bench(task, subject, Path(folder), python)
            told = radar(bench, seen)
            seen.tasks += 1
            seen.features += len(task.features)
            if python and len(sound(bench)) == len(task.features):
                seen.tested.append(task.name)
                semantic(bench, told, seen, until, wanted.pairs)
                guesses(bench, told, seen, until, wanted.pairs)
            elif python:
                seen.left_out.append(f"{task.name}: its tests do not pass on its features alone, checked with true")
                bench.python = ""
            queue(bench, seen)
        print(f"{task.name}: {seen.pairs} pairs so far", file=sys.stderr, flush=True)
    return seen


def table(seen: Figures) -> Iterator[tuple[str, str]]:
    """The figures as rows."""
    foretold = seen.foreseen + seen.false
    yield "measured", f"{seen.tasks} tasks, {seen.features} features, {seen.pairs} pairs"
    yield "`git merge`", f"{seen.conflicts} pairs conflict, {seen.pairs - seen.conflicts} are clean"
    yield "radar: recall", f"{_share(seen.foreseen, seen.conflicts)} ({seen.foreseen} of {seen.conflicts})"
    yield "radar: precision", f"{_share(seen.foreseen, foretold)} ({seen.false} false)"
    yield "radar: the same paths as git", f"{seen.same_paths} of {seen.pairs} pairs"
    yield "radar: CPU / `git merge-tree` pair by pair", f"{seen.radar_cpu:.1f} s / {seen.git_cpu:.1f} s"
    yield (
        "all features of a task in one queue, nobody resolves: lands by a `git merge` loop / the train",
        f"{seen.git_lands} / {seen.train_lands}; the same branches {seen.same_set} of {seen.queues}, "
        f"the same tree {seen.same_tree} of {seen.queues}",
    )
    yield (
        "the same where the tests run here, without and with `try_union` for every file: the train lands",
        f"{seen.tested_lands} / {seen.union_lands}",
    )
    yield "CPU with checks: loop / train", f"{seen.loop_cpu:.0f} s / {seen.train_cpu:.0f} s"
    yield "runs of the tests: loop / train", f"{seen.loop_checks} / {seen.train_checks}"
    yield "tasks whose tests run here", ", ".join(seen.tested) or "none"
    yield "clean pairs whose tests fail together (semantic conflicts)", f"{seen.semantic} of {seen.judged}"
    yield "... the train refuses", f"{seen.semantic_refused} of {seen.semantic}"
    yield "... the train lands of good pairs drawn", f"{seen.clean_landed} of {seen.clean_tried}"
    yield (
        "conflicting pairs drawn, settled by `try_union` and both features' tests pass",
        f"{_share(seen.guesses_landed, seen.guesses)} ({seen.guesses_landed} of {seen.guesses}; "
        f"{seen.guesses_unparsed} did not parse, {seen.guesses_failed} failed a test)",
    )


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.3f}" if whole else "-"


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print the table, in Markdown."""
    parser = argparse.ArgumentParser(description="Landing on CooperBench; no model takes part.")
    parser.add_argument("dataset")
    parser.add_argument("subjects", nargs="+")
    parser.add_argument("--only", default="", help="only tasks whose name has this word")
    parser.add_argument("--pairs", type=int, default=6, help="pairs drawn of each task for the parts that run tests")
    parser.add_argument("--tests", default="", metavar="PYTHON", help="an interpreter that can run the tests")
    parser.add_argument("--tested", default=TESTED, help="tasks whose tests are run, by the start of their names")
    parser.add_argument("--minutes", type=float, default=30.0)
    wanted = parser.parse_args(words)
    tasks = [each for each in read_tasks(wanted.dataset) if wanted.only in each.name]
    placed = [(task, subject) for task in tasks if (subject := subject_of(task, wanted.subjects)) is not None]
    seen = measure(placed, wanted)
    absent = [task.name for task in tasks if task.name not in {task.name for task, _ in placed}]
    print("| | |\n|---|---|")
    for what, figure in table(seen):
        print(f"| {what} | {figure} |")
    for name in (*(f"{name}: its repository was not given" for name in absent), *seen.left_out):
        print(f"\nleft out: {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
