"""The project's speed and memory, as ratios against plain git doing the least work in the same run.

usage: python benchmarks/run.py [NAME ...]
names: agents processes queueing worktree worktrees status start honesty watching memory landings sections hooks forecasts
       plans recalls conversation
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from conversing import conversing  # noqa: E402
from foreseeing import foreseeing  # noqa: E402
from landing import landing  # noqa: E402
from longlog import write_long_log  # noqa: E402
from measuring import Cost, cost_of, environment, in_turn, make_repository, run, scratch  # noqa: E402
from peer import peer_agents  # noqa: E402
from planning import planning  # noqa: E402
from queueing import processes, queueing  # noqa: E402
from remembering import remembering  # noqa: E402
from sections import sections  # noqa: E402

from wt_orchestrate.adapters.executor.keeper import command  # noqa: E402
from wt_orchestrate.adapters.gitrepo.repository import GitRepository  # noqa: E402
from wt_orchestrate.adapters.store.eventlog import SqliteLog  # noqa: E402
from wt_orchestrate.domain.fold.run import fold_all  # noqa: E402
from wt_orchestrate.domain.ids import Branch, RunId  # noqa: E402
from wt_orchestrate.engine.requests import load_state  # noqa: E402
from wt_orchestrate.ports.git.repository import Guard  # noqa: E402

PYTHON = sys.executable
NAMES = [f"w{number}" for number in range(8)]
WORK = "sleep 2; echo $NAME > $NAME.txt; git add $NAME.txt; git commit -qm $NAME"
Row = tuple[str, str]


def _wto(*words: str) -> list[str]:
    return [PYTHON, "-m", "wt_orchestrate", *words]


def _env(folder: Path) -> dict[str, str]:
    return {**environment(folder), "PYTHONPATH": str(HERE.parent)}


def _fresh(measure: Callable[[Path], Cost]) -> Callable[[], Cost]:
    def once() -> Cost:
        with scratch() as folder:
            return measure(folder)

    return once


# ---------------------------------------------------------------- eight agents


def _plain_agents(folder: Path) -> Cost:
    repository, env = folder / "repository", _env(folder)
    make_repository(repository, 200, env)

    def work() -> None:
        for name in NAMES:
            run(["git", "worktree", "add", "-q", "-b", name, str(folder / "w" / name)], cwd=repository, env=env)
        children = [subprocess.Popen(["sh", "-c", WORK], cwd=folder / "w" / n, env={**env, "NAME": n}) for n in NAMES]
        for name, child in zip(NAMES, children, strict=True):
            assert child.wait() == 0
            run(["git", "merge", "-q", "--no-ff", "-m", name, name], cwd=repository, env=env)

    return cost_of(work)


def _our_agents(folder: Path) -> Cost:
    """Keepers outlive the command and are no children of it; a subreaper around it makes their cost count too."""
    repository, env = folder / "repository", _env(folder)
    make_repository(repository, 200, env)
    streams = "\n".join(f"  {name}: {{brief: x}}" for name in NAMES)
    command = WORK.replace("$NAME", "$WTO_WORKSTREAM")
    plan = (
        f"goal: g\nlimits: {{agents: 8}}\nagents: {{a: {{type: command, run: '{command}'}}}}\ndefaults: {{agent: a}}\n"
    )
    (folder / "plan.yaml").write_text(f"{plan}workstreams:\n{streams}\n")
    words = [PYTHON, str(HERE / "reaping.py"), *_wto("run", "--land", str(folder / "plan.yaml"))]
    began = time.perf_counter()
    told = json.loads(run(words, cwd=repository, env=env).splitlines()[-1])
    wall = time.perf_counter() - began
    landed = run(["git", "ls-tree", "--name-only", "main"], cwd=repository, env=env).decode().split()
    assert sum(name.startswith("w") for name in landed) == len(NAMES), landed
    return Cost(min(wall, told["wall"]), told["cpu"])


def agents() -> Iterator[Row]:
    """8 agents (2 s and a commit each) landed."""
    mine, git, _, cpu = in_turn(_fresh(_our_agents), _fresh(_plain_agents), rounds=3)
    yield "8 agents landed: wall / ideal (2 s)", f"{mine.wall / 2:.2f} (plain git {git.wall / 2:.2f})"
    yield "8 agents landed: our CPU / plain git's", f"{cpu:.2f} ({mine.cpu:.2f} s against {git.cpu:.2f} s)"
    peer = os.environ.get("WTO_BENCH_PEER")
    if peer:
        theirs, git, _, cpu = in_turn(
            _fresh(lambda folder: peer_agents(folder, peer, NAMES)), _fresh(_plain_agents), rounds=3
        )
        yield "8 agents by parallel-orchestra: wall / ideal", f"{theirs.wall / 2:.2f} (plain git {git.wall / 2:.2f})"
        yield (
            "8 agents by parallel-orchestra: CPU / plain git's",
            f"{cpu:.2f} ({theirs.cpu:.2f} s against {git.cpu:.2f} s)",
        )


# ---------------------------------------------------------------- worktrees


def _adding(folder: Path, env: dict[str, str]) -> Callable[[str], None]:
    os.environ.update({key: env[key] for key in ("HOME", "GIT_CONFIG_NOSYSTEM")})
    repository = GitRepository(str(folder / "repository"), lock_path=str(folder / "lock"))
    base = repository.resolve(Branch("main"))
    assert base is not None

    def add(name: str) -> None:
        repository.add_worktree(path=str(folder / "ours" / name), branch=Branch(f"wto/{name}"), base=base)

    return add


def _git_add(folder: Path, env: dict[str, str], name: str) -> None:
    words = ["git", "worktree", "add", "-q", "-b", name, str(folder / "git" / name)]
    run(words, cwd=folder / "repository", env=env)


def worktree() -> Iterator[Row]:
    """One small worktree."""
    with scratch() as folder:
        env = _env(folder)
        make_repository(folder / "repository", 50, env)
        add = _adding(folder, env)
        number = iter(range(1000))
        ours, git, wall, cpu = in_turn(
            lambda: cost_of(lambda: add(f"o{next(number)}")),
            lambda: cost_of(lambda: _git_add(folder, env, f"p{next(number)}")),
            rounds=15,
        )
        told = f"{wall:.2f} (CPU {cpu:.2f}; {ours.wall * 1000:.1f} ms against {git.wall * 1000:.1f} ms)"
        yield "1 small worktree: wall / git worktree add", told


def worktrees() -> Iterator[Row]:
    """Ten worktrees of a repository with 20,000 files."""
    with scratch() as folder:
        env = _env(folder)
        make_repository(folder / "repository", 20_000, env)
        add = _adding(folder, env)
        number = iter(range(1000))

        def some() -> None:
            for _ in range(5):
                add(f"o{next(number)}")

        def ten() -> None:
            threads = [threading.Thread(target=some) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        def plain() -> None:
            for _ in range(10):
                _git_add(folder, env, f"p{next(number)}")

        def swept(work: Callable[[], None]) -> Cost:
            cost = cost_of(work)
            for name in ("ours", "git"):
                shutil.rmtree(folder / name, ignore_errors=True)
            return cost

        ours, git, wall, cpu = in_turn(lambda: swept(ten), lambda: swept(plain), rounds=3)
        told = f"{wall:.2f} (CPU {cpu:.2f}; {ours.wall:.2f} s against {git.wall:.2f} s)"
        yield "10 worktrees of 20,000 files: wall / git one by one", told


# ---------------------------------------------------------------- status and start


def _running(folder: Path, count: int, *, files: int = 200) -> subprocess.Popen[bytes]:
    """A run with this many agents at work, each with a commit, a handoff and a dirty file; returns its supervisor."""
    env = _env(folder)
    make_repository(folder / "repository", files, env)
    streams = "\n".join(f"  w{number}: {{brief: x}}" for number in range(count))
    script = folder / "agent.sh"
    handoff = 'printf -- "---\\nstatus: working\\n---\\n" > "$WTO_HANDOFF"'
    script.write_text(f"echo x > x.txt; git add x.txt; git commit -qm x; {handoff}; echo d > d.txt\nexec sleep 600\n")
    plan = f"goal: g\nlimits: {{agents: {count}}}\nagents: {{a: {{type: command, run: 'sh {script}'}}}}\n"
    (folder / "plan.yaml").write_text(f"{plan}defaults: {{agent: a, idle: 0s}}\nworkstreams:\n{streams}\n")
    words = _wto("run", str(folder / "plan.yaml"))
    child = subprocess.Popen(words, cwd=folder / "repository", env=env, stdout=subprocess.DEVNULL)
    end = time.monotonic() + 120
    while time.monotonic() < end:
        ended = subprocess.run(_wto("status", "--json"), cwd=folder / "repository", env=env, capture_output=True)
        if ended.returncode == 0 and _at_work(json.loads(ended.stdout)) == count:
            time.sleep(1)
            return child
        time.sleep(0.2)
    raise AssertionError("the agents did not begin in time")


def _at_work(view: dict[str, list[dict[str, object]]]) -> int:
    kinds = [{evidence["kind"] for evidence in ws["evidence"]} for ws in view["workstreams"]]  # type: ignore[index]
    return sum({"process", "commits", "handoff"} <= each for each in kinds)


def _stop(folder: Path, child: subprocess.Popen[bytes]) -> None:
    subprocess.run(_wto("stop"), cwd=folder / "repository", env=_env(folder), capture_output=True, check=True)
    child.wait()


def status() -> Iterator[Row]:
    """The status of 50 worktrees."""
    with scratch() as folder:
        child = _running(folder, 50)
        env = _env(folder)
        trees = sorted((folder / "repository.worktrees" / "r1").iterdir())

        def plain() -> None:
            for tree in trees:
                run(["git", "status", "--porcelain=v2", "-z"], cwd=tree, env=env)
                run(["git", "rev-list", "--left-right", "--count", "main...HEAD"], cwd=tree, env=env)

        for words in (["status"], ["status", "--dirty"]):
            ours, git, wall, cpu = in_turn(
                lambda words=words: cost_of(lambda: run(_wto(*words), cwd=folder / "repository", env=env)),  # type: ignore[misc]
                lambda: cost_of(plain),
                rounds=5,
            )
            told = f"{wall:.2f} / {cpu:.2f} ({ours.wall * 1000:.0f} ms against {git.wall * 1000:.0f} ms)"
            yield f"wto {' '.join(words)}, 50 worktrees: wall / CPU over 50 x (git status + rev-list)", told
        _stop(folder, child)


def start() -> Iterator[Row]:
    """The start of `wto status`."""
    with scratch() as folder:
        env = _env(folder)
        make_repository(folder / "repository", 10, env)
        plan = "goal: g\nagents: {a: {type: command, run: 'exit 1'}}\nworkstreams: {w: {brief: x, agent: a}}\n"
        (folder / "plan.yaml").write_text(plan)
        subprocess.run(_wto("run", str(folder / "plan.yaml")), cwd=folder / "repository", env=env, capture_output=True)
        bare = median(cost_of(lambda: run([PYTHON, "-c", "pass"], cwd=folder, env=env)).cpu for _ in range(15))
        for words in (["status"], ["--version"]):
            ours, git, _, cpu = in_turn(
                lambda words=words: cost_of(lambda: run(_wto(*words), cwd=folder / "repository", env=env)),  # type: ignore[misc]
                lambda: cost_of(lambda: run(["git", "--version"], cwd=folder, env=env)),
                rounds=15,
            )
            told = (
                f"{cpu:.1f} ({ours.cpu * 1000:.0f} ms; bare Python {bare * 1000:.0f} ms; git {git.cpu * 1000:.1f} ms)"
            )
            yield f"start of wto {words[0]}: CPU / git --version", told
        yield from _starts(folder, env)


def _starts(folder: Path, env: dict[str, str]) -> Iterator[Row]:
    """What other starts take beyond bare Python: a run up to its refusal, a keeper, a branch for the train, a hook."""
    repository, bare = folder / "repository", [PYTHON, "-c", "pass"]
    (folder / "scoped.yaml").write_text("goal: g\nworkstreams: {w: {brief: x, needs: [w]}}\n")
    for what, words in (
        ("wto run, up to a refused plan", _wto("run", str(folder / "scoped.yaml"))),
        ("a keeper", command("/none")),
        ("wto train status", _wto("train", "status")),
        ("a hook of the main worktree", _wto("hook", "run", "pre-commit")),
    ):
        ours, python, _, _ = in_turn(
            lambda words=words: cost_of(lambda: subprocess.run(words, cwd=repository, env=env, capture_output=True)),  # type: ignore[misc]
            lambda: cost_of(lambda: run(bare, cwd=folder, env=env)),
            rounds=9,
        )
        yield f"start of {what}: CPU beyond bare Python", f"{1000 * (ours.cpu - python.cpu):.0f} ms"


def honesty() -> Iterator[Row]:
    """One status of 100 workstreams from a log of 100,000 events, and what loading their state costs."""
    with scratch() as folder:
        env = _env(folder)
        make_repository(folder / "repository", 10, env)
        plan = "goal: g\nagents: {a: {type: command, run: 'exit 1'}}\nworkstreams: {w: {brief: x, agent: a}}\n"
        (folder / "plan.yaml").write_text(plan)
        subprocess.run(_wto("run", str(folder / "plan.yaml")), cwd=folder / "repository", env=env, capture_output=True)
        database = next(Path(env["WTO_STATE_DIR"]).iterdir()) / "log.db"
        write_long_log(str(database), streams=100, events=100_000)
        bare = [PYTHON, "-c", "pass"]
        for words in (["status"], ["status", "w7"]):
            ours, python, _, cpu = in_turn(
                lambda words=words: cost_of(lambda: run(_wto(*words), cwd=folder / "repository", env=env)),  # type: ignore[misc]
                lambda: cost_of(lambda: run(bare, cwd=folder, env=env)),
                rounds=9,
            )
            beyond = (ours.cpu - python.cpu) * 1000
            what = f"wto {' '.join(words)}, 100 workstreams, 100,000 events: CPU / bare Python"
            yield what, f"{cpu:.1f} ({beyond:.0f} ms more)"
        yield from _loading(str(database))


def _loading(database: str) -> Iterator[Row]:
    """The state of a long run with a snapshot, against folding all of it."""
    log = SqliteLog(database)
    whole = cost_of(lambda: fold_all(log.read(RunId("r2"))))
    log.keep(load_state(log, RunId("r2")))
    kept = cost_of(lambda: load_state(log, RunId("r2")))
    log.close()
    figure = f"{kept.cpu / whole.cpu:.4f} ({kept.cpu * 1000:.0f} ms against {whole.cpu * 1000:.0f} ms)"
    yield "loading the state of 100,000 events: with a snapshot / folding all", figure
    yield "reading and folding 100,000 events: CPU", f"{whole.cpu:.2f} s"


# ---------------------------------------------------------------- watching and memory


def watching() -> Iterator[Row]:
    """From a commit or a handoff to the log, and the cost of rest with 100 worktrees."""
    with scratch() as folder:
        child = _running(folder, 100, files=20)
        env = _env(folder)
        database = next(folder.glob("state/*/log.db"))
        tree = folder / "repository.worktrees" / "r1" / "w7"

        def commit(number: int) -> None:
            run(["git", "commit", "-q", "--allow-empty", "-m", f"c{number}"], cwd=tree, env=env)

        def handoff(number: int) -> None:
            (tree / "HANDOFF.md").write_text(f"---\nstatus: working\n---\n## Summary\n{number}\n")

        for what, change in (("commit", commit), ("handoff", handoff)):
            waits = [_until_logged(database, change, number) for number in range(8)]
            yield f"{what} until in the log", f"{median(waits) * 1000:.0f} ms (median of 8)"
        keepers = _keepers(folder)
        before, kept = _cpu_of(child.pid), sum(map(_cpu_of, keepers))
        time.sleep(30)
        supervisor, resting = 2 * (_cpu_of(child.pid) - before), 2 * (sum(map(_cpu_of, keepers)) - kept)
        yield "CPU a minute at rest with 100 worktrees", f"supervisor {supervisor:.2f} s, 100 keepers {resting:.2f} s"
        _stop(folder, child)


def _until_logged(database: Path, change: Callable[[int], None], number: int) -> float:
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    known = connection.execute("SELECT max(number) FROM events").fetchone()
    change(number)
    began = time.perf_counter()
    while connection.execute("SELECT max(number) FROM events").fetchone() == known:
        time.sleep(0.001)
        assert time.perf_counter() - began < 20
    waited = time.perf_counter() - began
    connection.close()
    time.sleep(0.3)
    return waited


def _keepers(folder: Path) -> list[int]:
    return [json.loads(path.read_text())["keeper"] for path in folder.glob("state/*/processes/*/started")]


def _cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory() -> Iterator[Row]:
    """Resident memory of a keeper and of the supervisor with 8 agents."""
    with scratch() as folder:
        child = _running(folder, 8)
        keeper = median(_resident(pid) for pid in _keepers(folder))
        yield "memory of a keeper", f"{keeper:.1f} MiB"
        yield "memory of the supervisor with 8 agents", f"{_resident(child.pid):.1f} MiB"
        _stop(folder, child)


def _resident(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def hooks() -> Iterator[Row]:
    """What our hooks add to `git commit` in an agent's worktree."""
    with scratch() as folder:
        repository, env = folder / "repository", _env(folder)
        make_repository(repository, 200, env)
        os.environ.update({key: env[key] for key in ("HOME", "GIT_CONFIG_NOSYSTEM")})
        ours = GitRepository(str(repository), lock_path=str(folder / "lock"))
        base = ours.facts().head
        assert base is not None
        paths = {name: str(folder / name) for name in ("plain", "guarded")}
        for name, path in paths.items():
            ours.add_worktree(path=path, branch=Branch(f"wto/r1/{name}"), base=base)
        guard = Guard(
            run="r1",
            name="guarded",
            branch=Branch("wto/r1/guarded"),
            integration=Branch("wto/r1/integration"),
            scope=("src/**", "tests/**", "docs/*.md"),
            folder=str(folder / "hooks"),
            scopes=str(folder / "scopes"),
        )
        assert ours.guard_worktree(path=paths["guarded"], guard=guard, owned=())
        guarded, plain, _, ratio = in_turn(
            lambda: _commit(paths["guarded"], env), lambda: _commit(paths["plain"], env), rounds=15
        )
    added = 1000 * (guarded.cpu - plain.cpu)
    yield (
        "`git commit` with our hooks / without, CPU",
        f"{ratio:.2f} ({1000 * plain.cpu:.0f} ms and {added:.0f} ms more)",
    )


def _commit(path: str, env: dict[str, str]) -> Cost:
    name = f"{path}/src/{time.monotonic_ns()}.txt"
    os.makedirs(os.path.dirname(name), exist_ok=True)
    Path(name).write_text("x\n")
    run(["git", "add", "-A"], cwd=Path(path), env=env)
    return cost_of(lambda: run(["git", "commit", "-qm", "x"], cwd=Path(path), env=env))


def landings() -> Iterator[Row]:
    """Many branches landed at once."""
    with scratch() as folder:
        yield from landing(folder, _env(folder))


def forecasts() -> Iterator[Row]:
    """The conflicts of many branches foreseen."""
    with scratch() as folder:
        yield from foreseeing(folder, _env(folder))


def plans() -> Iterator[Row]:
    """A plan's conflicts foreseen from history."""
    with scratch() as folder:
        yield from planning(folder, _env(folder))


def recalls() -> Iterator[Row]:
    """What is remembered found again."""
    with scratch() as folder:
        yield from remembering(folder, _env(folder))


def conversation() -> Iterator[Row]:
    """The MCP server."""
    with scratch() as folder:
        yield from conversing(folder, _env(folder))


ALL = {
    each.__name__: each
    for each in (
        agents,
        processes,
        queueing,
        worktree,
        worktrees,
        status,
        start,
        honesty,
        watching,
        memory,
        landings,
        sections,
        hooks,
        forecasts,
        plans,
        recalls,
        conversation,
    )
}


def main() -> None:
    chosen = sys.argv[1:] or list(ALL)
    version = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    print(
        f"{platform.system()} {platform.release()}, {os.cpu_count()} cores, Python {platform.python_version()}, {version}\n"
    )
    print("| what | figure |\n|---|---|")
    for name in chosen:
        for what, figure in ALL[name]():
            print(f"| {what} | {figure} |", flush=True)


if __name__ == "__main__":
    main()
