"""Samples of earlier releases (`tests/samples/`), unpacked into a test's folder as if they had always lain there.

State is bound to its place: paths stand in its files, its log and its journal. So what names the old place is rewritten,
the journal's lines bound to one another again by the rule of that release, which is written down here a second time.
"""

from __future__ import annotations

import os
import re
import sqlite3
import tarfile
from contextlib import closing
from hashlib import blake2b, sha256
from pathlib import Path

from tests.support.project import Project, make_environment
from tests.support.repos import TestRepository

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
RELEASES = sorted(each.name for each in SAMPLES.iterdir() if re.fullmatch(r"[0-9.]+-[0-9a-f]{7}", each.name))


def unpack(release: str, name: str, folder: Path) -> Project:
    """A sample as a project in a folder; nothing of it runs."""
    with tarfile.open(SAMPLES / release / f"{name}.tar.gz") as archive:
        old = Path("/") / archive.getnames()[0].removesuffix("/repository")
        archive.extractall(folder / "unpacked", filter="tar")
    for part in (folder / "unpacked" / old.relative_to("/")).iterdir():
        part.rename(folder / part.name)
    repository = TestRepository(path=str(folder / "repository"), home=str(folder / "home"))
    (folder / "home").mkdir()
    state = next((folder / "state").iterdir())
    named = f"repository-{sha256(os.fsencode(folder / 'repository' / '.git')).hexdigest()[:12]}"
    _move(folder, {str(old): str(folder), state.name: named})
    state.rename(state.with_name(named))
    return Project(folder, repository, make_environment(folder, repository))


def journal_of(release: str, name: str, folder: Path) -> str:
    """The path of a sample's journal, every byte as it was."""
    with tarfile.open(SAMPLES / release / f"{name}.tar.gz") as archive:
        member = next(each for each in archive.getmembers() if each.name.endswith("/journal.jsonl"))
        archive.extract(member, folder, filter="data")
    return str(folder / member.name)


def _move(folder: Path, names: dict[str, str]) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_symlink() and str(path.readlink()) != _renamed(str(path.readlink()), names):
            target = _renamed(str(path.readlink()), names)
            path.unlink()
            path.symlink_to(target)
        elif path.name == "log.db":
            _move_log(path, names)
        elif path.is_file() and not path.is_symlink() and not path.name.startswith("log.db-"):
            text = path.read_bytes()
            moved = _chained(text, names) if path.name == "journal.jsonl" else _moved(text, names)
            if moved != text:
                path.write_bytes(moved)
        flat = {old.strip("/").replace("/", "%"): new.strip("/").replace("/", "%") for old, new in names.items()}
        if "%" in path.name:
            path.rename(path.with_name(_renamed(path.name, flat)))


def _move_log(path: Path, names: dict[str, str]) -> None:
    """Rewrite a log and how far it goes along the journal; opening it brings in what its write-ahead log holds."""
    journal = path.with_name("journal.jsonl").read_bytes()
    with closing(sqlite3.connect(path)) as connection, connection:
        for table in ("events", "requests", "views", "snapshots"):
            for row, body in connection.execute(f"SELECT rowid, body FROM {table}").fetchall():
                text = body.encode() if isinstance(body, str) else body
                moved = _moved(text, names)
                new = moved.decode() if isinstance(body, str) else moved
                connection.execute(f"UPDATE {table} SET body = ? WHERE rowid = ?", (new, row))
        (until,) = connection.execute("SELECT until FROM journal").fetchone()
        connection.execute("UPDATE journal SET until = ?", (len(_chained(journal[:until], names)),))
    connection.close()


def _chained(journal: bytes, names: dict[str, str]) -> bytes:
    last, lines = "0" * 32, []
    for line in journal.splitlines():
        body = _moved(line[33:], names)
        last = blake2b(last.encode() + body, digest_size=16).hexdigest()
        lines.append(f"{last} ".encode() + body + b"\n")
    return b"".join(lines)


def _moved(text: bytes, names: dict[str, str]) -> bytes:
    for old, new in names.items():
        text = text.replace(os.fsencode(old), os.fsencode(new))
    return text


def _renamed(text: str, names: dict[str, str]) -> str:
    return os.fsdecode(_moved(os.fsencode(text), names))
