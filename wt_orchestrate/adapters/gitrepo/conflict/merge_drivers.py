"""Merge drivers that a repository configures, read once before any agent works there.

A driver is a command in git's configuration and a choice of paths in `.gitattributes`. Agents can write both later, so
what counts for a run is read here, from the user's configuration and the commit that the run starts at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from wt_orchestrate.adapters.gitrepo.configuration import configuration
from wt_orchestrate.adapters.gitrepo.objects.blobs import contents
from wt_orchestrate.adapters.gitrepo.runner import Git, fields
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.domain.plan.settings import MergeDriver
from wt_orchestrate.errors import GitFailed

_FILE = ".gitattributes"


def configured_drivers(common_dir: str, base: CommitId) -> Mapping[str, MergeDriver]:
    """The drivers that the configuration defines and the commit's attributes choose, by name."""
    commands = _commands(common_dir)
    if not commands:
        return {}
    paths: dict[str, list[str]] = {}
    for glob, name in _chosen(Git(common_dir), base):
        if name in commands:
            paths.setdefault(name, []).append(glob)
    return {name: MergeDriver(run=commands[name], paths=tuple(globs)) for name, globs in paths.items()}


def _commands(common_dir: str) -> Mapping[str, str]:
    try:
        listed = configuration(common_dir).settings()
    except GitFailed:
        return {}
    drivers = (each for each in listed if each.key.startswith("merge.") and each.key.endswith(".driver"))
    return {each.key.removeprefix("merge.").removesuffix(".driver"): each.value for each in drivers if each.value}


def _chosen(git: Git, base: CommitId) -> Iterator[tuple[str, str]]:
    """Each choice of a driver as a glob from the root and a name."""
    found: dict[str, str] = {}
    for entry in fields(git.run("ls-tree", "-r", "-z", base)):
        head, _, path = entry.partition("\t")
        mode, kind, blob = head.split()
        if path.rpartition("/")[2] == _FILE and kind == "blob" and mode != "120000":
            found[path] = blob
    stored = contents(git, sorted(set(found.values())))
    for path, blob in found.items():
        folder = path.removesuffix(_FILE)
        for line in stored.get(blob, b"").decode("utf-8", "replace").splitlines():
            pattern, *choices = line.split()[:20] or ("",)
            for choice in choices:
                if choice.startswith("merge=") and not pattern.startswith(("#", "!", '"', "[attr]")):
                    yield _glob(folder, pattern), choice.removeprefix("merge=")


def _glob(folder: str, pattern: str) -> str:
    """An attribute's pattern as a glob from the root: without a slash inside, it matches at any depth below its folder."""
    plain = pattern.strip("/")
    return f"{folder}{plain}" if "/" in plain or pattern.startswith("/") else f"{folder}**/{plain}"
