"""Builds real repositories for tests: fast, with fixed names and dates, in an environment without anybody's configuration.

Every command here acts as a person or an agent would in their checkout; nothing of the package under test is used.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from wt_orchestrate.domain.ids import CommitId

START = 1_700_000_000
"""The date of every commit that names no other, in seconds since the epoch."""


def sealed_environment(home: str) -> dict[str, str]:
    """An environment in which git finds no configuration but the repository's own."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": home,
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@example.org",
        "GIT_COMMITTER_NAME": "Ada",
        "GIT_COMMITTER_EMAIL": "ada@example.org",
        "GIT_EDITOR": "false",
        "GIT_TERMINAL_PROMPT": "0",
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class TestRepository:
    """A checkout (or a bare repository) at `path`, used as its owner would."""

    __test__ = False

    path: str
    home: str

    @property
    def common_dir(self) -> str:
        return self.git("rev-parse", "--path-format=absolute", "--git-common-dir")

    def git(self, *arguments: str, at: int = START, stdin: bytes | None = None) -> str:
        """The output of a git command run here, without its last newline."""
        return self.raw(*arguments, at=at, stdin=stdin).decode("utf-8", "surrogateescape").removesuffix("\n")

    def raw(self, *arguments: str, at: int = START, stdin: bytes | None = None) -> bytes:
        """The output of a git command run here; a failed one is an AssertionError with its stderr."""
        env = sealed_environment(self.home) | {"GIT_AUTHOR_DATE": f"{at} +0000", "GIT_COMMITTER_DATE": f"{at} +0000"}
        ended = subprocess.run(
            ["git", *arguments], cwd=self.path, env=env, input=stdin or b"", capture_output=True, check=False
        )
        assert ended.returncode == 0, f"git {arguments}: {ended.returncode}\n{ended.stderr.decode(errors='replace')}"
        return ended.stdout

    def write(self, files: Mapping[str, bytes | str | None]) -> None:
        """Write files here, links included as they are; None deletes."""
        for name, content in files.items():
            path = f"{self.path}/{name}"
            if content is None:
                os.unlink(path)
                continue
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)

    def commit(self, files: Mapping[str, bytes | str | None], message: str = "change", *, at: int = START) -> CommitId:
        """Write files, commit all that differs, and return the commit."""
        self.write(files)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message, at=at)
        return self.head()

    def head(self, name: str = "HEAD") -> CommitId:
        return CommitId(self.git("rev-parse", "--verify", f"{name}^{{commit}}"))

    def at(self, path: str) -> TestRepository:
        """The same owner in another worktree."""
        return TestRepository(path=path, home=self.home)


def make_repository(
    path: str,
    files: Mapping[str, bytes | str | None] | None = None,
    *,
    object_format: str = "sha1",
    bare: bool = False,
) -> TestRepository:
    """A repository on branch main, with one commit unless `files` is None."""
    home = f"{path}.home"
    os.makedirs(home, exist_ok=True)
    os.makedirs(path, exist_ok=True)
    made = TestRepository(path=path, home=home)
    made.git(
        "init", "-q", "-b", "main", "--template=", f"--object-format={object_format}", *(("--bare",) if bare else ())
    )
    if files is not None:
        made.commit(files, "begin")
    return made


def commit_in_bulk(repository: TestRepository, count: int, *, size: int = 200) -> CommitId:
    """Commit `count` small files on main at once and check them out."""
    parts = [b"commit refs/heads/main\ncommitter Ada <ada@example.org> %d +0000\ndata 4\nbulk\n" % START]
    if repository.git("for-each-ref", "refs/heads/main"):
        parts.append(b"from refs/heads/main^0\n")
    for number in range(count):
        content = (f"file {number}\n" * (size // 10))[:size].encode()
        parts.append(b"M 644 inline src/%03d/f%05d.txt\ndata %d\n%s\n" % (number // 100, number, len(content), content))
    repository.git("fast-import", "--quiet", stdin=b"".join(parts))
    repository.git("reset", "-q", "--hard", "main")
    return repository.head()


def digest(repository: TestRepository, *, without: tuple[str, ...] = ()) -> dict[str, str]:
    """What a person owns in their checkout: each file, the index, HEAD, every ref, configuration and hooks.

    `without` are ref prefixes (full names) that a command under test was told to change.
    """
    found = _tree_digest(repository.path, skip=".git")
    common = repository.common_dir
    for name in ("index", "HEAD", "config", "config.worktree", "info/attributes", "shallow", "FETCH_HEAD", "ORIG_HEAD"):
        if os.path.exists(f"{common}/{name}"):
            found[f"git:{name}"] = _file_digest(f"{common}/{name}")
    if os.path.isdir(f"{common}/hooks"):
        found |= {f"hook:{name}": value for name, value in _tree_digest(f"{common}/hooks").items()}
    for line in repository.git("for-each-ref", "--format=%(refname) %(objectname)").splitlines():
        ref, _, commit = line.partition(" ")
        if not ref.startswith(without or ("\0",)):
            found[f"ref:{ref}"] = commit
    return found


def _tree_digest(root: str, *, skip: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for folder, folders, names in os.walk(root):
        if skip in folders:
            folders.remove(skip)
        for name in names:
            path = f"{folder}/{name}"
            found[os.path.relpath(path, root)] = _file_digest(path)
    return found


def _file_digest(path: str) -> str:
    if os.path.islink(path):
        return f"-> {os.readlink(path)}"
    with open(path, "rb") as file:
        return f"{os.lstat(path).st_mode:o} {hashlib.sha256(file.read()).hexdigest()}"
