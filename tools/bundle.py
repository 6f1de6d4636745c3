"""Builds the extension bundle for Claude Desktop, dist/wt-orchestrate.mcpb, from packaging/mcpb and this package's own sources.

    python -m tools.bundle [OUTPUT]

The bundle holds no dependency: the application's own uv builds the package and fetches what it needs when the extension is
started first, and keeps it. The official packer validates and packs; what it refuses is not built.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.install_mcp_tools import NODE, PACKER
from wt_orchestrate import __version__

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "hooks", "templates", "wt_orchestrate")
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".mypy_cache", ".ruff_cache", ".gitignore")
"""The packer leaves files such as the last out by itself."""


def stage(folder: Path) -> None:
    """Put everything that belongs into the bundle into a folder."""
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=_LEFT_OUT)
        else:
            shutil.copy2(source, folder / name)
    manifest = json.loads((ROOT / "packaging" / "mcpb" / "manifest.json").read_text(encoding="utf-8"))
    text = json.dumps({**manifest, "version": __version__}, indent=2, ensure_ascii=False)
    (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")


def build(output: Path, *, said: int | None = None) -> None:
    """Validate and pack. Raises CalledProcessError where the packer refuses."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "bundle"
        folder.mkdir()
        stage(folder)
        home = Path(made) / "home"
        home.mkdir()
        environment = {"PATH": os.environ["PATH"], "HOME": str(home), "CI": "1", "NO_COLOR": "1"}
        for words in (["validate", str(folder / "manifest.json")], ["pack", str(folder), str(output)]):
            packer = [str(NODE.binary), str(PACKER.binary.resolve()), *words]
            subprocess.run(packer, env=environment, stdin=subprocess.DEVNULL, stdout=said, check=True)


def main() -> int:
    output = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "dist" / "wt-orchestrate.mcpb").resolve()
    if not PACKER.binary.exists():
        print("the official packer is not there: make mcp-tools", file=sys.stderr)
        return 1
    try:
        build(output)
    except subprocess.CalledProcessError as error:
        print(f"the packer ended with {error.returncode}", file=sys.stderr)
        return 1
    print(f"{output} ({output.stat().st_size // 1000} kB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
