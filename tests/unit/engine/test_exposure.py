"""What lands only with a person's approval, from the changes alone."""

from __future__ import annotations

from wt_orchestrate.domain.plan.settings import Settings
from wt_orchestrate.engine.exposure import GITLINK, protected_paths
from wt_orchestrate.ports.git.commits import ChangedPath


def test_a_changed_submodule_is_protected_whatever_its_path() -> None:
    """So are the paths of the setting, also under a path's old name; nothing else is."""
    changes = (
        ChangedPath(path="lib", status="M", mode=GITLINK),
        ChangedPath(path="moved.txt", status="R", old=".gitmodules"),
        ChangedPath(path="src/app.py", status="M"),
    )
    settings = Settings(protected=(".gitmodules",))
    assert protected_paths(settings, changes) == (".gitmodules", "lib")
