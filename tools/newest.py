"""The tests with another Debian's git and Python, in a folder of its own: unit, integration and the core stories.

    python -m tools.newest FOLDER [SUITE [PATH ...]]      (as root; needs debootstrap and a Debian mirror the first time)

SUITE is `sid` where nothing is said. FOLDER/SUITE is made once (about two minutes, 900 MB) and then kept; the files of this
checkout are copied into it anew each time. DEBIAN_MIRROR names another mirror. It ends with 0 if all tests passed, 1 if one
failed, and 77 with words for what is missing if the tests could not be run here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MIRROR = os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian")
PACKAGES = (
    "git",
    "python3",
    "python3-venv",
    "make",
    "procps",
    "ca-certificates",
    "openssh-client",
    "git-lfs",
    "git-crypt",
)
CORE = (
    "tests/unit", "tests/integration", "tests/e2e/test_founding_story.py", "tests/e2e/test_run.py",
    "tests/e2e/test_train.py", "tests/e2e/test_land.py", "tests/e2e/test_crash.py", "tests/e2e/test_hooks.py",
    "tests/e2e/test_worlds.py",
)  # fmt: skip
CANNOT = 77


def main(words: Sequence[str]) -> int:
    if not words:
        print(__doc__, file=sys.stderr)
        return 2
    suite = words[1] if len(words) > 1 else "sid"
    lacking = missing()
    if lacking:
        return _cannot(lacking)
    root = Path(words[0]).absolute() / suite
    trouble = make_root(root, suite)
    if trouble:
        return _cannot(trouble)
    _copy(root / "project")
    mounted = [name for name in ("proc", "dev") if _mount(root, name)]
    try:
        trouble = _install(root)
        if trouble:
            return _cannot(trouble)
        said = "git --version; .venv/bin/python --version"
        subprocess.run(_inside(root, "sh", "-c", f"cd /project && {said}"), check=False)
        tests = " ".join(words[2:] or CORE)
        command = (
            f"cd /project && exec .venv/bin/python -m pytest -q -n 2 --dist loadgroup --basetemp=/tmp/tests {tests}"
        )
        ended = subprocess.run(_inside(root, "sh", "-c", command), check=False).returncode
        return 1 if ended else 0
    finally:
        for name in mounted:
            subprocess.run(["umount", "--recursive", str(root / name)], check=False)


def missing() -> str:
    """What this machine lacks, in words; nothing if it can."""
    if os.geteuid() != 0:
        return "only root may make another Debian: run it as root (sudo make newest)"
    if shutil.which("debootstrap") is None:
        return "debootstrap was not found: apt-get install debootstrap"
    return ""


def make_root(root: Path, suite: str) -> str:
    """The Debian that they run in, made once; what went wrong, in words."""
    if (root / "made").exists():
        return ""
    shutil.rmtree(root, ignore_errors=True)
    root.parent.mkdir(parents=True, exist_ok=True)
    print(f"making a Debian {suite} in {root} (once)", file=sys.stderr, flush=True)
    wanted = f"--include={','.join(PACKAGES)}"
    trouble = _quiet(["debootstrap", "--variant=minbase", wanted, suite, str(root), MIRROR])
    if not trouble:
        (root / "made").touch()
    return trouble


def _copy(project: Path) -> None:
    """The files of this checkout, committed or not, as a repository of their own; the environment there stays."""
    for each in project.iterdir() if project.is_dir() else ():
        if each.name != ".venv":
            shutil.rmtree(each) if each.is_dir() and not each.is_symlink() else each.unlink()
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    for name in filter(None, os.fsdecode(listed.stdout).split("\0")):
        if (ROOT / name).exists():
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, project / name, follow_symlinks=False)


def _install(root: Path) -> str:
    """The environment, from the same package index as outside."""
    for name in ("/etc/resolv.conf", "/etc/pip.conf", os.environ.get("PIP_CERT", "")):
        if name and os.path.isfile(name):
            (root / name[1:]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(name, root / name[1:])
    bundle = "/etc/ssl/certs/ca-certificates.crt"
    if os.path.isfile(bundle):
        shutil.copyfile(bundle, root / bundle[1:])
    make = "[ -x .venv/bin/python ] || python3 -m venv .venv"
    pip = ".venv/bin/python -m pip install --quiet --disable-pip-version-check -e '.[demo,dev]'"
    return _quiet(_inside(root, "sh", "-c", f"cd /project && ({make}) && {pip}"))


def _inside(root: Path, *words: str) -> list[str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.startswith("PIP_") or name.endswith(("_proxy", "_PROXY"))
    }
    kept.pop("PIP_FIND_LINKS", None)
    fixed = ["HOME=/root", "LANG=C.UTF-8", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    return ["chroot", str(root), "env", "-i", *fixed, *(f"{name}={value}" for name, value in kept.items()), *words]


def _mount(root: Path, name: str) -> bool:
    if os.path.ismount(root / name):
        return True
    words = ["mount", "-t", "proc", "proc"] if name == "proc" else ["mount", "--rbind", "--make-rslave", f"/{name}"]
    return subprocess.run([*words, str(root / name)], stderr=subprocess.DEVNULL, check=False).returncode == 0


def _quiet(words: list[str]) -> str:
    ended = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    told = ended.stdout.decode(errors="replace").strip()
    return f"{' '.join(words[:3])} failed:\n{told[-1500:]}" if ended.returncode else ""


def _cannot(why: str) -> int:
    print(f"the tests with another git and Python were not run: {why}", file=sys.stderr)
    return CANNOT


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
