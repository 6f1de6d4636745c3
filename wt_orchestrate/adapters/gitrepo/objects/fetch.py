"""Fetch commits into the vault: looked up in the source, fetched by id, and only then given to refs.

Fetching by commit id without writing a ref makes three things certain: the ref gets the very commit that was looked up,
a configuration planted in the source (`transfer.hideRefs`) hides nothing, and the old commit of a ref is archived in
the same transaction that moves it. `git upload-pack` is the only program that reads the source's configuration, and it
starts nothing from there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from wt_orchestrate.adapters.gitrepo.objects.ancestry import is_ancestor
from wt_orchestrate.adapters.gitrepo.objects.blobs import commits_among
from wt_orchestrate.adapters.gitrepo.objects.refs import commits_at, has_tables, moved, swap
from wt_orchestrate.adapters.gitrepo.runner import LONG_S, Git, input_lines, text
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.errors import GitFailed, NotFound

ARCHIVE = "refs/wto/archive/"
FETCH = (
    "fetch", "-q", "--no-write-fetch-head", "--no-tags", "--no-auto-maintenance", "--no-recurse-submodules",
    "--update-shallow", "--refmap=", "--upload-pack=git-upload-pack", "--stdin", "--end-of-options",
)  # fmt: skip
TAGS = "refs/wto/tags/"
TRUSTING = "upload-pack.config"
"""A global configuration for `git upload-pack`, which does not see our overrides: it trusts the source's owner."""
_TRIES = 5
_BROUGHT = ("refs/wto/target/", "refs/wto/queue/")
_NEWEST = 4
"""Archive refs that are looked at one by one; one git looks at all older ones."""


class GitRefs:
    """The refs of the vault, filled from `source`, the repository's common git directory."""

    def __init__(self, git: Git, source: str) -> None:
        self._git = git
        self._source = source
        self._kept: dict[str, set[CommitId]] = {}

    def fetch(self, refs: Mapping[str, str]) -> Mapping[str, CommitId]:
        """Fetch refs (source ref -> ref here) with one `git fetch`, or none if nothing is new; the commit of each here."""
        _deepen(self._git, self._source)
        for _ in range(_TRIES):
            offered = commits_at(Git(self._source), tuple(refs))
            known = commits_at(self._git, tuple(refs.values()))
            wanted = {here: offered[there] for there, here in refs.items() if there in offered}
            changed = {here: new for here, new in wanted.items() if known.get(here) != new}
            whole = frozenset(changed.values()) & self._whole()
            come = whole | bring(self._git, self._source, tuple(dict.fromkeys(set(changed.values()) - whole)))
            steps = [(here, new, known.get(here)) for here, new in changed.items() if new in come]
            if not steps or moved(self._git, [*steps, *_archiving(self._git, steps)]):
                return {here: new for here, new in wanted.items() if here not in changed or new in come}
        raise GitFailed(("update-ref", *refs.values()), code=1, stderr="refs in the vault kept changing")

    def _whole(self) -> frozenset[CommitId]:
        """Commits that were brought whole already, for the target and for a queue."""
        return frozenset(commits_at(self._git, _BROUGHT, below=True).values())

    def fetch_tags(self, commit: CommitId) -> None:
        """Fetch the tags that a commit holds. A tag that git does not take in is left out with the others: they are for
        questions, nothing lands by them."""
        if not _has_tags(self._source):
            return
        arguments = ("for-each-ref", "--format=%(refname)", f"--merged={commit}", "--", "refs/tags/")
        with suppress(GitFailed):
            names = text(Git(self._source).run(*arguments)).splitlines()
            wanted = [f"+{name}:{TAGS}{name.removeprefix('refs/tags/')}" for name in names]
            if wanted:
                trusting = {"GIT_CONFIG_GLOBAL": f"{self._git.git_dir}/{TRUSTING}"}
                self._git.run(*FETCH, self._source, stdin=input_lines(wanted), env=trusting, timeout_s=LONG_S)

    def resolve(self, ref: str) -> CommitId | None:
        return commits_at(self._git, (ref,)).get(ref)

    def advance(self, ref: str, *, new: CommitId, old: CommitId | None) -> bool:
        """Compare-and-swap a ref; True if it points at `new` afterwards. `old` is None if it must not exist."""
        return swap(self._git, ref, new=new, old=old)

    def archive(self, name: str, commit: CommitId) -> str:
        """Keep a commit for ever under `refs/wto/archive/<name>/<n>`; the ref that keeps it, maybe an older one."""
        for _ in range(_TRIES):
            ref = kept(self._git, name, commit)
            if ref:
                return ref
            ref = next_archive(self._git, name)
            if moved(self._git, ((ref, commit, None),)):
                return ref
        raise GitFailed(("update-ref", f"{ARCHIVE}{name}"), code=1, stderr="the archive kept changing")

    def keep(self, name: str, commits: Sequence[CommitId]) -> tuple[CommitId, ...]:
        """Fetch and archive commits of the user's repository; those that exist and could not be fetched."""
        known = self._kept.setdefault(name, set())
        new = tuple(commit for commit in commits if commit not in known)
        left = self._bring_and_archive(name, new) if new else ()
        known |= set(new) - set(left)
        return left

    def _bring_and_archive(self, name: str, commits: Sequence[CommitId]) -> tuple[CommitId, ...]:
        """Archive what no archive ref of that name reaches, newest first, so that one ref keeps a whole line."""
        present = commits_among(self._git, commits)
        missing = tuple(commit for commit in commits if commit not in present)
        with suppress(GitFailed):
            present |= bring(self._git, self._source, missing)
        here = [commit for commit in commits if commit in present]
        while here:
            loose = self._git.run(
                "rev-list", "--stdin", "--not", f"--glob={ARCHIVE}{name}/*", stdin=input_lines(here), timeout_s=LONG_S
            )
            unkept = set(loose.decode().split())
            here = [commit for commit in here if commit in unkept]
            if here:
                self.archive(name, here.pop())
        lost = tuple(commit for commit in missing if commit not in present)
        there = commits_among(Git(self._source), lost) if lost else frozenset()
        return tuple(commit for commit in lost if commit in there)

    def archived(self, prefix: str = "") -> Mapping[str, CommitId]:
        """Refs below `refs/wto/archive/`."""
        whole = f"{ARCHIVE}{prefix}"
        found = commits_at(self._git, (whole.rpartition("/")[0] + "/",), below=True)
        return {ref: commit for ref, commit in found.items() if ref.startswith(whole)}

    def find(self, name: str) -> CommitId:
        """The commit of that name in the vault, or in the user's repository: then it is fetched. Raises NotFound."""
        for place in (self._git, Git(self._source)):
            found = place.line("rev-parse", "--verify", "-q", "--end-of-options", f"{name}^{{commit}}", ok=(0, 1, 128))
            if found and (place is self._git or bring(self._git, self._source, (CommitId(found),))):
                return CommitId(found)
        raise NotFound(f"there is no commit {name!r}", hint="git log --merges, or wto report for the commits of a run")


def bring(git: Git, source: str, commits: Sequence[CommitId]) -> frozenset[CommitId]:
    """Fetch commits; which of them are here now. One that cannot be read, or is not a commit (an agent may have broken
    its branch), is left out. Raises GitFailed if none could be fetched."""
    if not commits:
        return frozenset()
    try:
        _fetch(git, source, commits)
    except GitFailed:
        come = frozenset(commit for commit in commits if len(commits) > 1 and _comes(git, source, commit))
        if not come:
            raise
        return come
    return commits_among(git, commits)


def _comes(git: Git, source: str, commit: CommitId) -> bool:
    try:
        return bool(bring(git, source, (commit,)))
    except GitFailed:
        return False


def _fetch(git: Git, source: str, commits: Sequence[CommitId]) -> None:
    trusting = {"GIT_CONFIG_GLOBAL": f"{git.git_dir}/{TRUSTING}"}
    git.run(*FETCH, source, stdin=input_lines(commits), env=trusting, timeout_s=LONG_S)


def _deepen(git: Git, source: str) -> None:
    """Fetch what lies before commits whose past was cut off when they came, and is in a shallow clone by now."""
    if not os.path.exists(f"{git.git_dir}/shallow"):
        return
    cut = _cut(git.git_dir) - _cut(source)
    if cut:
        trusting = {"GIT_CONFIG_GLOBAL": f"{git.git_dir}/{TRUSTING}"}
        wanted = input_lines(sorted(cut & commits_among(Git(source), sorted(cut))))
        git.run(FETCH[0], "--unshallow", *FETCH[1:], source, stdin=wanted, env=trusting, timeout_s=LONG_S)


def _cut(git_dir: str) -> frozenset[CommitId]:
    """The commits of a shallow clone whose parents are not there."""
    try:
        with open(f"{git_dir}/shallow", encoding="ascii") as file:
            return frozenset(CommitId(line) for line in file.read().split())
    except FileNotFoundError:
        return frozenset()


def _archiving(
    git: Git, steps: Sequence[tuple[str, CommitId, CommitId | None]]
) -> Iterator[tuple[str, CommitId, CommitId | None]]:
    """A new archive ref for each commit that a ref would be moved away from."""
    for here, new, old in steps:
        if old is not None and not is_ancestor(git, old, new):
            name = here.removeprefix("refs/wto/").removeprefix("refs/")
            if not kept(git, name, old):
                yield next_archive(git, name), old, None


def kept(git: Git, name: str, commit: CommitId) -> str:
    """The newest archive ref of that name that reaches the commit; empty if there is none."""
    refs = commits_at(git, (f"{ARCHIVE}{name}/",), below=True)
    newest_first = sorted((ref for ref in refs if _number(ref, name)), key=lambda ref: -_number(ref, name))
    for ref in newest_first[:_NEWEST]:
        if is_ancestor(git, commit, refs[ref]):
            return ref
    older = newest_first[_NEWEST:]
    if not older:
        return ""
    arguments = ("for-each-ref", "--format=%(refname)", f"--contains={commit}", "--", f"{ARCHIVE}{name}/")
    holding = set(git.run(*arguments).decode().splitlines())
    return next((ref for ref in older if ref in holding), "")


def next_archive(git: Git, name: str) -> str:
    """The next free archive ref of that name."""
    taken = commits_at(git, (f"{ARCHIVE}{name}/",), below=True)
    return f"{ARCHIVE}{name}/{max((_number(ref, name) for ref in taken), default=0) + 1}"


def _number(ref: str, name: str) -> int:
    """The number of an archive ref; 0 when it belongs to a longer name."""
    number = ref.removeprefix(f"{ARCHIVE}{name}/")
    return int(number) if number.isdigit() else 0


def _has_tags(source: str) -> bool:
    """Whether there may be tags, by looks at the disk."""
    if has_tables(source):
        return True
    with suppress(OSError):
        if os.listdir(f"{source}/refs/tags"):
            return True
    with suppress(OSError), open(f"{source}/packed-refs", "rb") as file:
        return b" refs/tags/" in file.read()
    return False
