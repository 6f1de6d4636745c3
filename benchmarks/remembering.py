"""Recalling for a brief from a memory of 20,000 entries, against 200 entries, and against one `git status` of 2,000 files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random

from measuring import cost_of, in_turn, make_repository, run

from wt_orchestrate.adapters.gitrepo.vault import GitVault
from wt_orchestrate.adapters.store.memories import SqliteMemories
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.domain.memory.entries import MemoryLayer, Note, Source, note, query_terms
from wt_orchestrate.engine.effects.recall import recall

_MANY, _FEW, _FILES = 20_000, 200, 2_000
_WORDS = 3_000
_BRIEF = (
    "Mend the word17 of the word230 and word1100 when word5 times out; see word42, word99 and the word800 behind it"
)


def remembering(folder: Path, env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """CPU of a recall with its question to git, over the two."""
    os.environ.update({key: env[key] for key in ("HOME", "GIT_CONFIG_NOSYSTEM")})
    repository = folder / "repository"
    make_repository(repository, _FILES, env)
    vault = GitVault(str(folder / "vault"), source=str(repository / ".git"), scratch=str(folder / "scratch"))
    vault.ensure()
    head = CommitId(vault.refs.fetch({"refs/heads/main": "refs/wto/target/main"})["refs/wto/target/main"])
    many, few = (_filled(folder / f"{count}.db", count, head) for count in (_MANY, _FEW))
    terms = query_terms(_BRIEF)

    def asked(store: SqliteMemories) -> object:
        return recall(store, vault, terms=terms, paths=("src/003/**",), head=head, now=2e9, limit=12, briefing=True)

    ours, other, _, cpu = in_turn(lambda: cost_of(lambda: asked(many)), lambda: cost_of(lambda: asked(few)), rounds=9)
    figure = f"{cpu:.2f} ({1000 * ours.cpu:.0f} ms against {1000 * other.cpu:.0f} ms)"
    yield f"recall from {_MANY} entries, CPU over the same from {_FEW}", figure
    status = ["git", "status", "--porcelain"]
    ours, git, _, cpu = in_turn(
        lambda: cost_of(lambda: asked(many)), lambda: cost_of(lambda: run(status, cwd=repository, env=env)), rounds=9
    )
    yield f"recall from {_MANY} entries, CPU over git status", f"{cpu:.2f} (git: {1000 * git.cpu:.0f} ms)"


def _filled(path: Path, count: int, head: CommitId) -> SqliteMemories:
    store, random = SqliteMemories(str(path)), Random(1)
    for start in range(0, count, 2_000):
        store.add([_note(random, head) for _ in range(start, min(count, start + 2_000))], now=1e9)
    return store


def _note(random: Random, head: CommitId) -> Note:
    """A sentence of words of which some are frequent, about two files."""
    text = " ".join(f"word{int(random.paretovariate(0.3)) % _WORDS}" for _ in range(25))
    files = (random.randrange(_FILES) for _ in range(2))
    paths = tuple(f"src/{number // 100:03d}/f{number:05d}.txt" for number in files)
    source = Source(run="r1", workstream="w", commit=head, paths=paths, at=1e9 + random.random() * 1e9)
    return note(text, layer=MemoryLayer.SHARED, kind="fact", sources=(source,))
