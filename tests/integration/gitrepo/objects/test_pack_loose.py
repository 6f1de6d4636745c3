"""Loose objects get a second copy in a pack."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.repos import make_repository
from wt_orchestrate.adapters.gitrepo.objects.pack_loose import pack_loose


def test_D4_what_was_loose_survives_the_loss_of_all_loose_objects(tmp_path: Path) -> None:
    """Also what no branch reaches any more; a second time nothing is done, new objects alone are added."""
    repository = make_repository(str(tmp_path / "r"))
    repository.commit({"a.txt": "a"})
    lost = repository.commit({"b.txt": "b"})
    repository.git("reset", "-q", "--hard", "HEAD~1")
    objects = Path(repository.common_dir) / "objects"
    assert pack_loose(repository.common_dir) > 4
    assert pack_loose(repository.common_dir) == 0
    head = repository.commit({"c.txt": "c"})
    assert pack_loose(repository.common_dir) == 3
    for folder in objects.iterdir():
        if len(folder.name) == 2:
            shutil.rmtree(folder)
    repository.git("fsck", "--full")
    assert repository.git("cat-file", "-t", lost) == "commit" and repository.head() == head
    assert pack_loose(repository.common_dir) == 0
