"""The real Claude Code clients for tests: found where `make test` installs them, started with nothing of this machine's."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.missing import missing
from tests.support.project import ROOT, Project
from tests.support.stub_model import StubModel

OLDEST = "2.1.197"
NEWEST = "2.1.330"


def client(version: str) -> str:
    """The program of a version. Where it is missing: a failure in CI, elsewhere a skip with its reason."""
    path = ROOT / ".tools" / "claude" / version / "node_modules" / ".bin" / "claude"
    if not path.exists():
        missing(
            f"Claude Code {version} is not installed in .tools/claude (make clients; needs npm: {shutil.which('npm')})"
        )
    return str(path)


def use_client(project: Project, stub: StubModel) -> None:
    """Give the project's program a client environment of its own: a home, a configuration folder, a dummy key, loopback."""
    home = Path(project.repository.home)
    project.environment |= {
        "CLAUDE_CONFIG_DIR": str(home / "claude"),
        "ANTHROPIC_API_KEY": "sk-stub",
        "ANTHROPIC_BASE_URL": stub.url,
    }
