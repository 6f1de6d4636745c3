"""Installs Debian's Chromium for the tests of pages, where this may: as root, with apt-get.

Used by `make test`. Safe to repeat. Where it cannot it says so and ends with 0 on a user's machine (the tests that need a
browser are skipped with that reason) and with 1 in CI.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome")


def main() -> int:
    if any(shutil.which(name) for name in NAMES):
        return 0
    apt = shutil.which("apt-get")
    if apt is not None and os.geteuid() == 0:
        print("installing chromium", flush=True)
        for words in ([apt, "update", "-q"], [apt, "install", "-q", "-y", "--no-install-recommends", "chromium"]):
            subprocess.run(words, stdout=subprocess.DEVNULL, check=False)
        if shutil.which("chromium"):
            return 0
    print("Chromium was not found (apt-get install chromium); tests of pages will not run", file=sys.stderr)
    return 1 if os.environ.get("CI") else 0


if __name__ == "__main__":
    sys.exit(main())
