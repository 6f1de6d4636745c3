"""Installs the oldest and the newest supported Claude Code client from npm into `.tools/claude/VERSION/`.

Used by `make test`. Safe to repeat: a version that is there is left alone. Without npm it says so and ends with 0 on a
user's machine (the tests that need a client are skipped with that reason) and with 1 in CI.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

VERSIONS = {"oldest": "2.1.197", "newest": "2.1.330"}
PLACE = Path(__file__).resolve().parent.parent / ".tools" / "claude"


def binary(version: str) -> Path:
    """Where the client of a version lies once it is installed."""
    return PLACE / version / "node_modules" / ".bin" / "claude"


def main() -> int:
    missing = [version for version in VERSIONS.values() if not binary(version).exists()]
    npm = shutil.which("npm")
    if missing and npm is None:
        print(
            "npm was not found, so the real Claude Code client cannot be installed; its tests will not run",
            file=sys.stderr,
        )
        return 1 if os.environ.get("CI") else 0
    for version in missing:
        folder = PLACE / version
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true}\n', encoding="utf-8")
        print(f"installing Claude Code {version}", flush=True)
        words = [
            str(npm),
            "install",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
            f"@anthropic-ai/claude-code@{version}",
        ]
        ended = subprocess.run(words, cwd=folder, check=False)
        if ended.returncode or not binary(version).exists():
            print(f"npm could not install Claude Code {version}", file=sys.stderr)
            return 1 if os.environ.get("CI") else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
