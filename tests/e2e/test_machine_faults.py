"""What a machine can lack, against every command: a clear error or a right answer, never a traceback, and nothing lost.

docs/reliability.md lists the faults with what is expected.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import pytest

from tests.support.every_command import CODES, WORDS
from tests.support.project import COMMAND_AGENT, COMMIT, PROGRAM, Ended, Project, Running, begin, make_project
from tests.support.waiting import wait_until
from wt_orchestrate.cli.app import _COMMANDS
from wt_orchestrate.errors import ExitCode

PLAN = "goal: Do it\nchecks: [{run: 'true'}]\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n"


def test_every_command_is_tried() -> None:
    """A new command joins the list."""
    assert {words[0] for words in WORDS} == set(_COMMANDS)


# ---------------------------------------------------------------- faults that a command's own environment shows


@contextmanager
def _no_temporary_folder(project: Project) -> Iterator[dict[str, object]]:
    project.environment["TMPDIR"] = f"{project.folder}/nowhere"
    yield {}
    del project.environment["TMPDIR"]


@contextmanager
def _deleted_folder(project: Project) -> Iterator[dict[str, object]]:
    gone = project.folder / "gone"
    gone.mkdir()
    held = os.open(gone, os.O_RDONLY)
    gone.rmdir()
    yield {"cwd": f"/proc/{os.getpid()}/fd/{held}"}
    os.close(held)


@contextmanager
def _no_state_folder(project: Project) -> Iterator[dict[str, object]]:
    before = project.environment["WTO_STATE_DIR"]
    project.environment["WTO_STATE_DIR"] = f"{project.folder}/plan.yaml/state"
    yield {}
    project.environment["WTO_STATE_DIR"] = before


@contextmanager
def _no_git(project: Project) -> Iterator[dict[str, object]]:
    before = project.environment["PATH"]
    project.environment["PATH"] = str(project.folder)
    yield {}
    project.environment["PATH"] = before


@contextmanager
def _old_git(project: Project) -> Iterator[dict[str, object]]:
    before, folder = project.environment["PATH"], project.folder / "old"
    folder.mkdir()
    real = shutil.which("git")
    (folder / "git").write_text(
        f'#!/bin/sh\n[ "$1" = --version ] || [ "$1" = version ] || exec {real} "$@"\necho git version 2.20.1\n'
    )
    (folder / "git").chmod(0o755)
    project.environment["PATH"] = f"{folder}:{before}"
    yield {}
    project.environment["PATH"] = before


@contextmanager
def _no_home(project: Project) -> Iterator[dict[str, object]]:
    before = project.environment["HOME"]
    project.environment["HOME"] = "/proc/none"
    yield {}
    project.environment["HOME"] = before


@contextmanager
def _read_only_home(project: Project) -> Iterator[dict[str, object]]:
    with _mounted(Path(project.environment["HOME"]), "mode=755", then="remount,ro"):
        yield {}


@contextmanager
def _read_only_state(project: Project) -> Iterator[dict[str, object]]:
    state = project.folder / "state"
    subprocess.run(["mount", "--bind", str(state), str(state)], check=True)
    subprocess.run(["mount", "-o", "remount,ro,bind", str(state)], check=True)
    try:
        yield {}
    finally:
        subprocess.run(["umount", "-l", str(state)], check=True)


@contextmanager
def _full_temporary_folder(project: Project) -> Iterator[dict[str, object]]:
    folder = project.folder / "full"
    folder.mkdir()
    with _mounted(folder, "size=16k"):
        _fill(folder)
        project.environment["TMPDIR"] = str(folder)
        yield {}
        del project.environment["TMPDIR"]


def _few(descriptors: int) -> Callable[[Project], AbstractContextManager[dict[str, object]]]:
    return lambda project: nullcontext({"descriptors": descriptors})


@contextmanager
def _mounted(folder: Path, options: str, *, then: str = "") -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        if then:
            subprocess.run(["mount", "-o", then, str(folder)], check=True)
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def _fill(folder: Path) -> Path:
    filler = folder / "filler"
    descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT)
    try:
        while True:
            os.write(descriptor, b"\0" * 4096)
    except OSError:
        return filler
    finally:
        os.close(descriptor)


def _may_mount() -> bool:
    return os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0


FAULTS: dict[str, Callable[[Project], AbstractContextManager[dict[str, object]]]] = {
    "no-temporary-folder": _no_temporary_folder,
    "deleted-folder": _deleted_folder,
    "no-state-folder": _no_state_folder,
    "no-git": _no_git,
    "old-git": _old_git,
    "no-home": _no_home,
    "6-descriptors": _few(6),
    "10-descriptors": _few(10),
    "16-descriptors": _few(16),
    "32-descriptors": _few(32),
}
MOUNTED: dict[str, Callable[[Project], AbstractContextManager[dict[str, object]]]] = {
    "read-only-home": _read_only_home,
    "read-only-state": _read_only_state,
    "full-temporary-folder": _full_temporary_folder,
}


@pytest.fixture
def ran(project: Project) -> Project:
    """A project with a run that has ended, and a branch that waits."""
    _prepare(project)
    return project


def _prepare(project: Project) -> None:
    project.repository.commit({".wto/config.yaml": "admission: {disk_mb: 1}\n"})
    project.repository.git("branch", "topic")
    project.environment["EDITOR"] = "/bin/true"
    assert project.wto("run", project.plan(PLAN, {"a": COMMIT})).code == 0


@pytest.mark.parametrize("name", [*FAULTS, *MOUNTED])
def test_O2_no_command_calls_a_fault_of_the_machine_a_bug(ran: Project, name: str) -> None:
    """Whatever the machine lacks, each command ends with a documented code and words, and afterwards all is readable."""
    if name in MOUNTED and not _may_mount():
        pytest.skip("mounting needs root")
    with {**FAULTS, **MOUNTED}[name](ran) as how:
        wrong = [told for words in WORDS if (told := _wrong(_tried(ran, words, how), words))]
    assert not wrong, "\n".join(wrong)
    _require_readable(ran)


@pytest.mark.skipif(not _may_mount(), reason="mounting needs root")
def test_O1_doctor_says_what_it_finds_on_a_read_only_disk(ran: Project) -> None:
    """One thing that cannot be tried hides nothing of the others."""
    shutil.rmtree(ran.state / "sandbox-probe", ignore_errors=True)
    (ran.state / "sandbox").unlink(missing_ok=True)
    with _read_only_state(ran):
        found = ran.wto("doctor")
    assert "git: " in found.out and "sandbox: " in found.out, found.out + found.err


def _tried(project: Project, words: tuple[str, ...], how: dict[str, object]) -> Ended:
    plan, folder = project.folder / "plan.yaml", project.folder
    return project.wto(*(each.format(plan=plan, folder=folder) for each in words), stdin="", **how)  # type: ignore[arg-type]


def _wrong(ended: Ended, words: tuple[str, ...]) -> str:
    """What is wrong with how a command ended; empty if nothing is."""
    said = ended.out + ended.err
    bad = [sign for sign in ("Traceback", "[Errno", "a bug in", "Exception ignored") if sign in said]
    if ended.code not in CODES or bad or (ended.code and not said.strip()):
        return f"{' '.join(words)}: exit {ended.code}, {bad}: {said[-400:]}"
    return ""


def _require_readable(project: Project) -> None:
    first = project.wto("status", "--run", "r1", "--json").json
    assert [each["stage"] for each in first["workstreams"]] in (["integrated"], ["landed"])
    doctor = project.wto("doctor")
    assert "damaged" not in doctor.out and doctor.code != 70, doctor.out
    assert project.processes() == []


def test_O2_a_path_that_is_not_utf8_is_a_path(tmp_path: Path) -> None:
    """A repository below a folder with a name in Latin-1 works with every command."""
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    folder.mkdir()
    project = make_project(folder)
    try:
        _prepare(project)
        wrong = [told for words in WORDS if (told := _wrong(_tried(project, words, {}), words))]
        assert not wrong, "\n".join(wrong)
        _require_readable(project)
    finally:
        project.close()


def test_the_words_say_what_is_missing_and_what_to_do(ran: Project) -> None:
    """Each fault is named with its place and a remedy, and has the exit code of its kind."""
    plan = str(ran.folder / "plan.yaml")
    with _no_temporary_folder(ran):
        _require_told(ran.wto("run", plan), ExitCode.CONFLICT, f"{ran.folder}/nowhere", "TMPDIR")
        assert f"{ran.folder}/nowhere" in ran.wto("doctor").out
    with _deleted_folder(ran) as how:
        _require_told(ran.wto("status", **how), ExitCode.NOT_FOUND, "current folder", "cd into")  # type: ignore[arg-type]
    with _no_state_folder(ran):
        _require_told(ran.wto("status"), ExitCode.CONFLICT, "a file is where a folder should be", "WTO_STATE_DIR")
    with _no_git(ran):
        _require_told(ran.wto("run", plan), ExitCode.FAILED, "git was not found", "install git")
    with _old_git(ran):
        _require_told(ran.wto("run", plan), ExitCode.CONFLICT, "2.20.1", "2.38")
    _require_told(ran.wto("land", descriptors=10), ExitCode.FAILED, "the limit is 10", "ulimit -n")


def _require_told(ended: Ended, code: ExitCode, *words: str) -> None:
    assert ended.code == code, ended.err
    assert all(word in ended.err for word in words), ended.err


def test_a_program_that_cannot_be_loaded_says_so_in_one_line(project: Project) -> None:
    """With next to no descriptors not even our own files can be read: still words, and no traceback."""
    for limit in (5, 6, 7, 8):  # with fewer, the interpreter itself does not start
        ended = subprocess.run(
            ["sh", "-c", f'ulimit -n {limit}; exec "$0" "$@"', *PROGRAM, "doctor"],
            cwd=project.repository.path,
            env=project.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in ended.stderr and ended.returncode in CODES, ended.stderr
        assert ended.stderr or ended.stdout


def test_a_plan_comes_on_standard_input(project: Project) -> None:
    """`-` is a plan everywhere; its problems have a place, and a run of it needs no file."""
    project.plan("", {"a": COMMIT})
    assert project.wto("plan", "check", "-", stdin=PLAN).code == 0
    assert "standard input: 1 workstreams" in project.wto("plan", "check", "-", stdin=PLAN).out
    wrong = project.wto("plan", "check", "-", stdin="goal: x\nworkstreams: []\n")
    assert wrong.code == ExitCode.INVALID and wrong.err.startswith("standard input:2:"), wrong.err
    assert project.wto("run", "-", stdin="").code == ExitCode.INVALID
    assert project.wto("run", "-", stdin=PLAN).code == 0
    assert project.stages() == {"a": "integrated"}


NAMELESS = ("unshare", "--user", "--map-user=12345", "--map-group=12345")
NO_WATCH = ("unshare", "-Ur", "sh", "-c", 'echo 0 > /proc/sys/user/max_inotify_instances; exec "$0" "$@"')
NO_PROC = ("unshare", "-m", "sh", "-c", 'mount -t tmpfs none /proc; exec "$0" "$@"')


def _inside(project: Project, wrapper: tuple[str, ...], *words: str, without: frozenset[str] = frozenset()) -> Ended:
    """The program where the machine is another one; skips where that cannot be had."""
    if subprocess.run([*wrapper, "true"], capture_output=True).returncode != 0:
        pytest.skip("this system gives no namespaces")
    ended = subprocess.run(
        [*wrapper, *PROGRAM, *words],
        cwd=project.repository.path,
        env={name: value for name, value in project.environment.items() if name not in without},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def test_a_user_without_a_name_and_a_home_is_told_to_name_places(project: Project) -> None:
    """As in a container with `--user 12345`: without HOME the places must be named; then a run works."""
    plan = project.plan(PLAN, {"a": COMMIT})
    refused = _inside(project, NAMELESS, "status", without=frozenset({"HOME", "WTO_STATE_DIR"}))
    _require_told(refused, ExitCode.CONFLICT, "no home folder", "WTO_STATE_DIR")
    assert not (Path(project.repository.path) / "~").exists()
    project.environment["WTO_CONFIG_DIR"] = f"{project.folder}/config"
    ran = _inside(project, NAMELESS, "run", plan, without=frozenset({"HOME"}))
    assert ran.code == 0, ran.out + ran.err


def test_O3_a_run_needs_no_watch(project: Project) -> None:
    """Where the system gives not a single watch, a run polls and comes to the same end."""
    ran = _inside(project, NO_WATCH, "run", project.plan(PLAN, {"a": COMMIT}))
    assert ran.code == 0 and not _wrong(ran, ("run",)), ran.out + ran.err


def test_P3_without_proc_nothing_runs_and_everything_is_told(project: Project) -> None:
    """No process can be proven to be ours without /proc: that is said, with no traceback, and reading works."""
    assert project.wto("run", project.plan(PLAN, {"a": COMMIT})).code == 0
    tried = {
        words: _inside(project, NO_PROC, *words)
        for words in (("status",), ("doctor",), ("stop",), ("land",), ("run", f"{project.folder}/plan.yaml"))
    }
    assert not [told for words, ended in tried.items() if (told := _wrong(ended, words))]
    assert tried[("status",)].code == 0
    assert "git" in tried[("doctor",)].out, "it says what else it found"


@pytest.mark.skipif(shutil.which("strace") is None, reason="faults of system calls need strace")
@pytest.mark.parametrize(
    ("fault", "said"), [("flock:error=ENOLCK", "no locks"), ("fsync:error=EIO", ""), ("rename:error=EXDEV", "")]
)
def test_P7_what_a_network_file_system_refuses_is_told_before_a_run_is_written_down(
    project: Project, fault: str, said: str
) -> None:
    """Without locks, durable files or renames nothing is begun; looking works, and on a better disk the run works."""
    call = fault.partition(":")[0]
    wrapper = ("strace", "-f", "-o", "/dev/null", f"--trace={call}", f"--inject={fault}")
    plan = project.plan(PLAN, {"a": COMMIT})
    refused = _inside(project, wrapper, "run", plan)
    assert refused.code != 0 and not _wrong(refused, ("run",)) and said in refused.err, refused.err
    assert project.wto("status").code == 5, "there is no run"
    assert not _wrong(_inside(project, wrapper, "doctor"), ("doctor",))
    assert project.wto("run", plan).code == 0


def test_two_users_of_one_state_root_have_a_folder_each(project: Project) -> None:
    """Another user's state folder is closed to us: ours lies beside it, and neither sees the other's runs."""
    if os.geteuid() != 0:
        pytest.skip("becoming another user needs root")
    plan = project.plan(PLAN, {"a": COMMIT})
    assert project.wto("run", plan).code == 0
    theirs = project.state
    os.chown(theirs, 54321, 54321)
    unprivileged = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--")
    alone = _inside(project, unprivileged, "status")
    assert alone.code == 5 and "no run" in alone.err, alone.out + alone.err
    folders = sorted(each.name for each in (project.folder / "state").iterdir())
    assert folders == [theirs.name, f"{theirs.name}-u0"]


# ---------------------------------------------------------------- no space


@pytest.mark.skipif(not _may_mount(), reason="mounting needs root")
@pytest.mark.parametrize("free_kb", [0, 32, 64, 128, 192, 256, 320, 384, 448, 512, 640, 768, 1024])
def test_D7_a_full_disk_at_any_step_ends_in_words_and_resume_goes_on(tmp_path: Path, free_kb: int) -> None:
    """All is on one small disk that is full sooner or later in a run: words, no bug; with space the run ends well, once."""
    disk = tmp_path / "disk"
    disk.mkdir()
    with _mounted(disk, "size=24m"):
        project = make_project(disk)
        try:
            project.repository.commit({".wto/config.yaml": "admission: {disk_mb: 0}\npoll: 1s\n"})
            plan = project.plan(PLAN, {"a": COMMIT})
            filler = _fill(disk)
            os.truncate(filler, filler.stat().st_size - (free_kb << 10))
            said = tmp_path / "said.txt"
            child = _until_it_waits(project, plan, said)
            filler.unlink()
            code = child.wait(timeout=60)
            told = said.read_text(errors="replace")
            assert not [sign for sign in ("Traceback", "[Errno", "a bug in") if sign in told], told
            _require_goes_on(project, plan, code)
        finally:
            project.close()


@pytest.mark.skipif(not _may_mount(), reason="mounting needs root")
@pytest.mark.parametrize("free_kb", [0, 16, 32, 64, 96, 128, 192, 256])
def test_L5_a_landing_on_a_full_disk_is_finished_with_space(tmp_path: Path, free_kb: int) -> None:
    """Work of 100 KiB is landed and cleaned on a disk that is full: words, the target only ever has all of it, and it lands."""
    disk = tmp_path / "disk"
    disk.mkdir()
    with _mounted(disk, "size=24m"):
        project = make_project(disk)
        try:
            project.repository.commit({".wto/config.yaml": "admission: {disk_mb: 0}\npoll: 1s\n"})
            big = "head -c 100000 /dev/urandom > big\n"
            assert project.wto("run", project.plan(PLAN, {"a": big + COMMIT})).code == 0
            filler = _fill(disk)
            os.truncate(filler, filler.stat().st_size - (free_kb << 10))
            tried = [(words, _until_it_ends(project, words, filler)) for words in (("land",), ("clean",))]
            assert not [told for words, ended in tried if (told := _wrong(ended, words))]
            filler.unlink(missing_ok=True)
            if project.stages()["a"] != "landed":
                ended = project.wto("resume") if project.wto("land").code == 9 else project.wto("land")
                assert project.stages()["a"] == "landed", ended.out + ended.err
            assert project.repository.git("status", "--porcelain") == ""
            assert (Path(project.repository.path) / "big").stat().st_size == 100_000
            assert "damaged" not in project.wto("doctor").out
        finally:
            project.close()


def _until_it_ends(project: Project, words: tuple[str, ...], filler: Path) -> Ended:
    """Run a command; where it waits for space, it gets it."""
    said = filler.parent.parent / f"{words[0]}.txt"
    with said.open("w") as output, open(os.devnull) as nothing:
        child = begin(words, cwd=project.repository.path, env=project.environment, files=(nothing, output, output))
    project.started.append(child)
    wait_until(
        lambda: child.poll() is not None or "retrying" in said.read_text(errors="replace"),
        what=f"the end of {words[0]}, or its waiting for space",
        timeout_s=60,
    )
    if child.poll() is None:
        filler.unlink(missing_ok=True)
    return Ended(child.wait(timeout=60), said.read_text(errors="replace"), "")


def _until_it_waits(project: Project, plan: str, said: Path) -> Running:
    """Run a plan until it ends, or waits for space."""
    with said.open("w") as output, open(os.devnull) as nothing:
        child = begin(
            ("run", plan), cwd=project.repository.path, env=project.environment, files=(nothing, output, output)
        )
    project.started.append(child)
    wait_until(
        lambda: child.poll() is not None or "retrying" in said.read_text(errors="replace"),
        what="the run's end, or its waiting for space",
        timeout_s=60,
    )
    return child


def _require_goes_on(project: Project, plan: str, code: int) -> None:
    """With space the run, or a new one, comes to its end; its work is there once."""
    if code != 0 and project.wto("status").code == 0:
        retried = project.stages()["a"] in {"failed", "escalated"} and project.wto("retry", "a").code == 0
        again = project.wto("resume")
        assert again.code == 0, (retried, again.out + again.err)
    elif code != 0:
        again = project.wto("run", plan)
        assert again.code == 0, again.out + again.err
    assert project.stages() == {"a": "integrated"}
    work = ("log", "--format=%s", "--no-merges", "main..wto/r1/integration")
    assert project.repository.git(*work).split("\n").count("Add a") == 1
    assert "damaged" not in project.wto("doctor").out


def test_a_run_with_too_few_descriptors_goes_on_with_enough(project: Project) -> None:
    """At whichever step the limit is reached: words with the limit, and `resume` ends the run."""
    plan = project.plan(PLAN, {"a": COMMIT})
    for limit in (12, 16, 20, 24):
        ended = project.wto("run", plan, descriptors=limit)
        assert not _wrong(ended, ("run",)), ended.err
        if project.wto("status").code == 0:
            break
    if ended.code != 0:
        _require_goes_on(project, plan, ended.code)
