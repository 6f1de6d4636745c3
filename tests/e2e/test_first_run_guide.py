"""docs/guide/first-run.md shows what is printed: its commands are run in order, and what they print is compared.

Ids, times, counts and paths differ from machine to machine and are left out of the comparison. The client is a scripted
stand-in.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.support.project import ROOT, Project, make_project, program, use_fake_client

GUIDE = (ROOT / "docs" / "guide" / "first-run.md").read_text(encoding="utf-8")
BUSY = {
    "wto doctor": ("agent claude-code", "file watching", "space for", "copies", "runs"),
    "wto run plan.yaml": ("price ", "docs ", "r1 "),
}
"""Lines that say what this machine or a model is like, by how they start or the workstream they name."""
OTHER = {
    "wto report": "another run, as the guide says; tests/unit/domain/report",
    "wto logs price": "what the model did; tests/e2e/test_run.py",
    "wto status price": "what the model did, in the order of its seconds; tests/e2e/test_status_forms.py",
    "git log --oneline --graph": "git's own output",
}
PRICE = """def gross(net):
    return int(net * 119) / 100
"""
TEST = """import unittest
class Prices(unittest.TestCase):
    def testGross(self):
        from shop.price import gross
        self.assertEqual(gross(100), 119)
"""
SCRIPTS = {
    "price": "do sed -i 's/int(net [*] 119)/round(net * 119)/' shop/price.py && sed -i 's/gross(100)/gross(200)/; s/119)/238)/'"
    " tests/test_price.py && git commit -qam 'Round gross prices to the cent'\ncost 0.004\n",
    "docs": "do mkdir docs && echo Prices > docs/prices.md && git add -A && git commit -qm 'Say how prices are given'\n"
    "cost 0.004\n",
}


def _shown() -> list[tuple[str, list[str]]]:
    """Each command of the guide with the lines it shows."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"(?:^    .*\n(?:\n(?=    ))?)+", GUIDE, flags=re.MULTILINE):
        if block.startswith("    $ "):
            for line in block.splitlines():
                if line.startswith("    $ "):
                    found.append((line[6:], []))
                elif line.strip():
                    found[-1][1].append(line[4:])
    return found


def _plan() -> str:
    (block,) = re.findall(r"^    goal: (?:.*\n(?:\n(?=    ))?)+?(?=^\S|\n\S)", GUIDE, flags=re.MULTILINE)
    return "".join(f"{line[4:]}\n" for line in block.splitlines())


def _alike(lines: Sequence[str]) -> list[str]:
    """The lines without what differs: paths, ids, numbers, the width of columns."""
    found = []
    for line in lines:
        line = re.sub(r"/[^\s,)]+", "PATH", line)
        line = re.sub(r"\b[0-9a-f]{7,10}\b", "ID", line)
        line = re.sub(r"\d+(?:[.:]\d+)*", "N", line)
        found.append(" ".join(line.split()))
    return found


def test_the_first_run_prints_what_the_guide_shows(tmp_path: Path) -> None:
    """Every command succeeds, and each line that the guide shows for it is printed."""
    project = make_project(tmp_path, {"shop/price.py": PRICE, "tests/test_price.py": TEST, "tests/__init__.py": ""})
    try:
        missing = _missing(project)
    finally:
        project.close()
    assert missing == {}
    assert set(BUSY) | set(OTHER) <= {command for command, _ in _shown()}


def _missing(project: Project) -> dict[str, list[str]]:
    wto = project.folder / "bin" / "wto"
    wto.parent.mkdir()
    wto.write_text(f'#!/bin/sh\nexec {" ".join(program(project.environment))} "$@"\n', encoding="utf-8")
    wto.chmod(0o755)
    project.environment["PATH"] = f"{wto.parent}{os.pathsep}{project.environment['PATH']}"
    project.plan("", SCRIPTS, "unused.yaml")
    client = use_fake_client(project)
    missing: dict[str, list[str]] = {}
    for command, lines in _shown():
        ended = subprocess.run(
            ["sh", "-ec", command],
            cwd=project.repository.path,
            env=project.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ended.returncode == 0, f"{command}: {ended.returncode}\n{ended.stdout}{ended.stderr}"
        printed = set(_alike((ended.stdout + ended.stderr).splitlines()))
        left = [] if command in OTHER else [line for line in _alike(lines) if line not in printed]
        left = [line for line in left if not any(each in line for each in BUSY.get(command, ()))]
        if left:
            missing[command] = left
        if command == "wto init":
            settings = Path(project.repository.path, ".wto", "config.yaml")
            settings.write_text(settings.read_text(encoding="utf-8") + client, encoding="utf-8")
            Path(project.repository.path, "plan.yaml").write_text(_plan(), encoding="utf-8")
    return missing
