"""Whether a sandbox holds on this machine: it is told to work, and to break out, in a repository made for that.

A program that is installed proves nothing: namespaces may be forbidden, or a mount be refused in silence. So a process in it
does what agents must be able to do and tries what none may; both are looked at from outside too. It takes some hundredths of a
second, once in each boot.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from shlex import quote

from wt_orchestrate.adapters.executor.detached import said
from wt_orchestrate.adapters.executor.keeper import boot_id
from wt_orchestrate.adapters.executor.sandbox.places import Ground
from wt_orchestrate.domain.ids import ProcessId
from wt_orchestrate.osfiles.atomic import replace_file
from wt_orchestrate.ports.engine import Launch, Sandbox

WORK = {
    "writing in the worktree": "echo x > file",
    "writing an object": 'echo x > "$COMMON/objects/new"',
    "moving its branch": 'echo x > "$COMMON/refs/heads/wto/r1/a.lock"',
    "a temporary file": 'echo x > "$TMPDIR/file"',
    "a file in its home": "echo x > ~/new",
    "starting a program": "true",
}
"""What must succeed: its name, and a line of shell."""
ATTACKS = {
    "the user's checkout": 'echo x > "$MAIN/file"',
    "the repository's configuration": 'echo x > "$COMMON/config"',
    "a hook": 'echo x > "$COMMON/hooks/post-merge"',
    "another branch": 'echo x > "$COMMON/refs/heads/main"',
    "packed history": 'echo x > "$COMMON/objects/pack/new"',
    "alternates": 'echo x > "$COMMON/objects/info/alternates"',
    "its own .git file": "echo x > .git || rm -f .git || mv .git other",
    "its commondir": 'echo x > "$COMMON/worktrees/a/commondir"',
    "the state folder": 'echo x > "$STATE/journal.jsonl"',
    "another worktree": 'cat "$TREES/b/secret" || echo x > "$TREES/b/secret"',
    "a key in the home": "cat ~/.ssh/key",
    "the user's shell": "echo x > ~/.profile",
    "another process": "kill -0 $OUTSIDE",
    "the kernel's settings": ": >> /proc/sys/kernel/core_uses_pid",
    "mounts": 'mount -t tmpfs none "$TREES/mount" && umount "$TREES/mount"',
}
"""What must fail. Where it does not, it harms nothing but the repository that was made for it."""
Make = Callable[[Ground], Sandbox]


def weakness(make: Make, *, scratch: str) -> str:
    """What does not hold, in words; empty if all does. `make` makes the sandbox for a ground; `scratch` is a folder of ours,
    which is made and removed."""
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        return _tried(make, os.path.realpath(scratch))
    except OSError as error:
        return f"it cannot be tried: {error.strerror}"
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def known_weakness(make: Make, *, state_dir: str, binary: str) -> str:
    """The same, tried once in each boot for each version of the program."""
    facts = os.stat(binary)
    key = f"{boot_id()} {binary} {facts.st_mtime_ns} {len(WORK) + len(ATTACKS)}"
    note = f"{state_dir}/sandbox"
    try:
        with open(note, encoding="utf-8", errors="replace") as file:
            known, _, words = file.read().partition("\n")
    except OSError:
        known = words = ""
    if known != key:
        words = weakness(make, scratch=f"{state_dir}/sandbox-probe")
        replace_file(note, f"{key}\n{words}")
    return words


def _tried(make: Make, root: str) -> str:
    ground, worktree, home = _laid_out(root)
    folder = f"{root}/process"
    os.makedirs(folder)
    env = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": home,
        "TMPDIR": f"{root}/tmp",
        "COMMON": ground.common_dir,
        "MAIN": f"{root}/main",
        "STATE": ground.state_dir,
        "TREES": ground.worktrees,
        "OUTSIDE": str(os.getpid()),
    }
    lines = [
        f"( {line} ) >/dev/null 2>&1 && echo {number}"
        for number, line in enumerate((*WORK.values(), *ATTACKS.values()))
    ]
    launch = Launch(
        id=ProcessId("probe"),
        argv=("/bin/sh", "-c", "; ".join([f"cd {quote(worktree)} || exit 1", *lines, "echo end"])),
        cwd=worktree,
        env=env,
    )
    inside = make(ground).confined(launch, folder=folder)
    told = said(inside.argv, inside.env).split()
    if told[-1:] != ["end"]:
        return "nothing can be started in it"
    done = [name for number, name in enumerate((*WORK, *ATTACKS)) if str(number) in told[:-1]]
    missing = [name for name in WORK if name not in done]
    broken = [name for name in ATTACKS if name in done]
    if missing:
        return f"inside it this does not work: {missing[0]}"
    return f"it does not protect {broken[0]}" if broken else ""


def _laid_out(root: str) -> tuple[Ground, str, str]:
    """A repository with two worktrees, a state folder and a home, as files alone; its ground, the worktree and the home."""
    common, trees = f"{root}/main/.git", f"{root}/trees"
    for path in (
        f"{common}/objects/pack", f"{common}/hooks", f"{common}/refs/heads/wto/r1", f"{common}/worktrees/a", f"{trees}/a",
        f"{trees}/b", f"{trees}/mount", f"{root}/state", f"{root}/home/.ssh", f"{root}/tmp",
    ):  # fmt: skip
        os.makedirs(path)
    for path, text in (
        (f"{common}/config", ""), (f"{common}/refs/heads/main", "x"), (f"{common}/refs/heads/wto/r1/a", "x"),
        (f"{common}/worktrees/a/gitdir", f"{trees}/a/.git"), (f"{common}/worktrees/a/commondir", "../.."),
        (f"{common}/worktrees/a/HEAD", "ref: refs/heads/wto/r1/a"), (f"{trees}/a/.git", f"gitdir: {common}/worktrees/a"),
        (f"{trees}/b/secret", "x"), (f"{root}/main/file", "x"), (f"{root}/state/journal.jsonl", "x"),
        (f"{root}/home/.ssh/key", "x"), (f"{root}/home/.profile", "x"),
    ):  # fmt: skip
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(f"{text}\n")
    ground = Ground(common_dir=common, state_dir=f"{root}/state", main_worktree=f"{root}/main", worktrees=trees)
    return ground, f"{trees}/a", f"{root}/home"
