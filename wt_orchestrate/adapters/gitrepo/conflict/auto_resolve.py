"""Resolve a conflict by rules that people approved: earlier resolutions, merge drivers, union, lockfiles.

Git's own `merge` does it, in a throwaway tree that is a small repository of its own with our configuration and
attributes. A tree's `.gitattributes` cannot choose how anything is merged, drivers get only the paths in conflict
(`attributes`), and no filter runs. Resolutions are git's rerere, in a folder that all runs share and no agent reaches.
What is left may be tried by union (`union`). The result is fetched into the vault, hashed again, as a commit with both
parents. No side is ever preferred: what no rule resolves stays in conflict, with the reason where a rule was tried.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from wt_orchestrate.adapters.gitrepo.conflict.attributes import (
    chosen,
    drivers_of,
    exact,
    may_be_tried,
    named,
    structural,
    write_attributes,
)
from wt_orchestrate.adapters.gitrepo.conflict.union import union
from wt_orchestrate.adapters.gitrepo.objects.fetch import GitRefs
from wt_orchestrate.adapters.gitrepo.proof.resolution import conflicts, prove_resolution
from wt_orchestrate.adapters.gitrepo.proof.three_way import MARKER
from wt_orchestrate.adapters.gitrepo.runner import LONG_S, Git, authored, fields
from wt_orchestrate.adapters.gitrepo.worktree.check_slot import check_out, drop
from wt_orchestrate.domain.ids import CommitId, TreeId
from wt_orchestrate.domain.plan.model import seconds
from wt_orchestrate.domain.plan.scope import scope_matches
from wt_orchestrate.domain.plan.settings import TRY_UNION, Merging
from wt_orchestrate.domain.text.clean import some_of
from wt_orchestrate.errors import Overran
from wt_orchestrate.osfiles.no_follow import WRITTEN_OVER, below
from wt_orchestrate.ports.git.conflicts import Resolution, Settled, SettleSpec


def ran(command: str, *, cwd: str, env: Mapping[str, str], timeout: str) -> bool:
    """Whether it exited with 0 within its time; its process group is gone afterwards."""
    process = subprocess.Popen(
        ["/bin/sh", "-c", command],
        cwd=cwd,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return process.wait(timeout=seconds(timeout) or 600.0) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


_SETTLED = "refs/heads/settled"


class GitConflicts:
    """Conflicts in the vault. Throwaway trees are made below `scratch`; `memory` is the folder of earlier resolutions."""

    def __init__(self, git: Git, *, scratch: str, memory: str) -> None:
        self._git = git
        self._scratch = scratch
        self._memory = memory

    def settle(self, spec: SettleSpec) -> Settled:
        """The merge with its conflicts resolved, kept by the ref `pin`, or the paths that are still in conflict."""
        paths = tuple(sorted(conflicts(self._git, spec.ours, spec.theirs)))
        if not (_has_rules(spec.merging) or self._remembers(spec.merging)):
            return Settled(commit=None, tree=None, by={}, conflicts=paths)
        try:
            try:
                tree = self._merged(spec, paths)
            except Overran:
                why = dict.fromkeys(paths, f"merging it took longer than {spec.merging.timeout}")
                return Settled(commit=None, tree=None, by={}, conflicts=paths, why=why)
            left = tree.resolve_further(spec)
            by = {path: how for path, how in tree.by.items() if path not in left}
            if left:
                why = {path: why for path, why in tree.why.items() if path in left}
                return Settled(commit=None, tree=None, by=by, conflicts=left, why=why)
            return self._committed(tree.own, spec, by)
        finally:
            drop(scratch=self._scratch, slot=spec.slot)

    def remember(self, *, ours: CommitId, theirs: CommitId, resolved: CommitId, slot: str) -> int:
        """Record how a conflict was resolved, so that it is resolved the same way next time; in how many files."""
        spec = SettleSpec(ours=ours, theirs=theirs, message="", at=0, pin="", slot=slot, merging=Merging(), env={})
        own = self._merged(spec, (), replay=False).own
        try:
            learned = sum(_learn(self._git, own, path, resolved) for path in _both_files(own))
            own.run("rerere")
            return learned
        finally:
            drop(scratch=self._scratch, slot=slot)

    def prove_resolution(
        self, *, resolved: CommitId, ours: CommitId, theirs: CommitId, paths: Sequence[str] | None = None
    ) -> Resolution:
        """Compare a commit that resolves a conflict with both sides."""
        return prove_resolution(self._git, resolved=resolved, ours=ours, theirs=theirs, paths=paths)

    def _remembers(self, merging: Merging) -> bool:
        """Whether there is an earlier resolution at all."""
        if not merging.rerere:
            return False
        with suppress(FileNotFoundError), os.scandir(self._memory) as entries:
            return any(True for _ in entries)
        return False

    def _merged(self, spec: SettleSpec, paths: Sequence[str], *, replay: bool = True) -> _Tree:
        """A throwaway tree where both are merged as far as possible; never committed. Drivers get only these paths."""
        path = check_out(self._git, scratch=self._scratch, commit=spec.ours, slot=spec.slot, keep=False)
        own = Git(f"{path}/.git", {"GIT_WORK_TREE": path, "GIT_INDEX_FILE": f"{path}/.git/index", **spec.env})
        os.makedirs(self._memory, mode=0o700, exist_ok=True)
        with suppress(FileExistsError):
            os.symlink(self._memory, f"{path}/.git/rr-cache")
        with open(f"{path}/.git/config", "a", encoding="utf-8") as file:
            file.write(_configuration(spec.merging, replay=replay))
        write_attributes(own, chosen(spec.merging))
        drivers, tried = drivers_of(own, paths), may_be_tried(own, paths) if spec.merging.try_union else ()
        write_attributes(own, exact({path: name for path, name in drivers.items() if name != "union"}))
        own.outcome(
            "merge", "--no-commit", "--no-ff", "-q", "-s", "ort", "--end-of-options", spec.theirs,
            ok=(0, 1), timeout_s=seconds(spec.merging.timeout) or LONG_S,
        )  # fmt: skip
        return _Tree(own, paths, drivers, tried)

    def _committed(self, own: Git, spec: SettleSpec, by: Mapping[str, str]) -> Settled:
        """The merge as a commit, fetched into the vault."""
        date = f"@{int(spec.at)} +0000"
        tree = own.line("write-tree")
        made = own.run(
            "commit-tree", tree, "-p", spec.ours, "-p", spec.theirs, "-F", "-",
            stdin=spec.message.encode(), env={"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date, **authored(spec.author)},
        )  # fmt: skip
        commit = CommitId(made.decode().strip())
        own.run("update-ref", "--no-deref", _SETTLED, commit)
        GitRefs(self._git, own.git_dir).fetch({_SETTLED: spec.pin})
        return Settled(commit=commit, tree=TreeId(tree), by=by)


@dataclass(slots=True)
class _Tree:
    """A throwaway tree after git's merge: what became of each path of the conflict, and why not."""

    own: Git
    paths: Sequence[str]
    drivers: Mapping[str, str]
    tried: Sequence[str]
    by: dict[str, str] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)

    def resolve_further(self, spec: SettleSpec) -> tuple[str, ...]:
        """Keep the lines of both sides where that is wanted, try that elsewhere, then make lockfiles again; returns what is
        still in conflict."""
        left = _unmerged(self.own)
        drivers = {path: name for path, name in self.drivers.items() if name != "union"}
        for path in self.paths:
            if path in left and path in drivers:
                self.why[path] = f"{named(drivers[path])} left it in conflict"
            elif path not in left:
                self.by[path] = named(drivers[path]) if path in drivers else "rerere"
        wanted = [path for path in left if self.drivers.get(path) == "union"]
        failed = union(self.own, ours=spec.ours, theirs=spec.theirs, paths=wanted)
        self.by |= {path: "union" for path in wanted if path not in failed}
        guesses = [path for path in self.tried if path in left and path not in wanted]
        wrong = union(self.own, ours=spec.ours, theirs=spec.theirs, paths=guesses, guessing=True)
        self.by |= {path: TRY_UNION for path in guesses if path not in wrong}
        self.why |= {**failed, **wrong}
        done, failing = _regenerated(self.own, spec.merging, spec.env)
        self.by |= dict.fromkeys(done, "regenerated")
        self.why |= failing
        return _unmerged(self.own)


def _both_files(own: Git) -> tuple[str, ...]:
    """Paths in conflict that are regular files on both sides: the only ones whose resolution git can replay."""
    stages: dict[str, set[str]] = {}
    for record in fields(own.run("ls-files", "-u", "-z")):
        head, _, path = record.partition("\t")
        mode, _, stage = head.split()
        if mode in {"100644", "100755"}:
            stages.setdefault(path, set()).add(stage)
    return tuple(sorted(path for path, found in stages.items() if {"2", "3"} <= found))


def _learn(git: Git, own: Git, path: str, resolved: CommitId) -> bool:
    """Write a file into the throwaway tree as it was resolved; whether there was a resolution."""
    entry = git.run("ls-tree", "-z", resolved, "--", path)
    if not entry.startswith((b"100644 ", b"100755 ")):
        return False
    content = git.run("cat-file", "blob", entry.split(None, 3)[2].decode())
    if any(MARKER.match(line) for line in content.split(b"\n")):
        return False
    return _overwrite(own.env["GIT_WORK_TREE"], path, content)


def _overwrite(tree: str, path: str, content: bytes) -> bool:
    """Write a file of a tree whose links agents chose: none is followed, on the way to it or at its end."""
    *folders, name = path.split("/")
    try:
        with below(tree, *folders) as folder, open(os.open(name, WRITTEN_OVER, dir_fd=folder), "wb") as file:
            file.write(content)
    except OSError:
        return False
    return True


def _configuration(merging: Merging, *, replay: bool) -> str:
    lines = ["[rerere]", f"\tenabled = {_word(merging.rerere)}", f"\tautoUpdate = {_word(replay)}"]
    lines += ["[merge]", "\tconflictStyle = zdiff3"]
    for name, driver in merging.drivers.items():
        lines += [f"[merge {_quoted(name)}]", f"\tname = {_quoted(name)}", f"\tdriver = {_quoted(driver.run)}"]
    if structural(merging):
        run = f"{merging.mergiraf} merge --git %O %A %B -s %S -x %X -y %Y -p %P -l %L"
        lines += ['[merge "mergiraf"]', f"\tdriver = {_quoted(run)}"]
    return "\n".join(lines) + "\n"


def _has_rules(merging: Merging) -> bool:
    """Whether any rule could resolve a conflict that nobody resolved before."""
    given = (merging.drivers, merging.union, merging.try_union, merging.regenerate)
    return any(given) or structural(merging)


def _word(yes: bool) -> str:
    return "true" if yes else "false"


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


# ---------------------------------------------------------------- what became of it


def _unmerged(own: Git) -> tuple[str, ...]:
    records = fields(own.run("ls-files", "-u", "-z"))
    return tuple(sorted({record.partition("\t")[2] for record in records}))


def _regenerated(own: Git, merging: Merging, env: Mapping[str, str]) -> tuple[Sequence[str], Mapping[str, str]]:
    """Lockfiles in conflict that their command made again from the merged tree; and why others were not."""
    done: list[str] = []
    why: dict[str, str] = {}
    folder = own.env["GIT_WORK_TREE"]
    for rule in merging.regenerate:
        paths = [path for path in _unmerged(own) if scope_matches(rule.paths, path)]
        others = [path for path in _unmerged(own) if not scope_matches(rule.paths, path)]
        if not paths:
            continue
        if others:  # it would be made from files that are still in conflict
            why |= dict.fromkeys(paths, f"it is regenerated once nothing else is in conflict: {some_of(others)}")
            continue
        own.run("checkout-index", "-f", "--stage=2", "--", *paths, ok=(0, 1, 128))
        if not ran(rule.run, cwd=folder, env=env, timeout=rule.timeout):
            why |= dict.fromkeys(paths, f"`{rule.run}` failed or took longer than {rule.timeout}")
            continue
        whole = [
            path for path in paths if os.path.isfile(f"{folder}/{path}") and not os.path.islink(f"{folder}/{path}")
        ]
        own.run("add", "--force", "--", *whole)
        done += whole
    return done, why
