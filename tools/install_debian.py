"""Installs from Debian what some tests need, where this may: as root, with apt-get. Chromium for pages, gh for pull requests,
git-lfs and git-crypt for repositories with filters, bubblewrap for the sandbox, gnupg for signatures.

Used by `make test`. Safe to repeat. Where it cannot it says so and ends with 0 on a user's machine (the tests that need it
are skipped with that reason) and with 1 in CI.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence

WANTED: Mapping[str, tuple[Sequence[str], str]] = {
    "chromium": (("chromium", "chromium-browser", "google-chrome"), "tests of pages"),
    "gh": (("gh",), "tests with GitHub's own client"),
    "git-lfs": (("git-lfs",), "tests in repositories with git-lfs"),
    "git-crypt": (("git-crypt",), "tests in repositories with git-crypt"),
    "bubblewrap": (("bwrap",), "tests of the sandbox"),
    "gnupg": (("gpg",), "tests of signatures"),
}
"""Debian packages, with the programs any of which will do, and what they are for."""


def main() -> int:
    missing = [package for package, (programs, _) in WANTED.items() if not any(map(shutil.which, programs))]
    apt = shutil.which("apt-get")
    if missing and apt is not None and os.geteuid() == 0:
        print(f"installing {' '.join(missing)}", flush=True)
        for words in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", *missing]):
            subprocess.run([apt, *words], stdout=subprocess.DEVNULL, check=False)
        missing = [package for package in missing if not any(map(shutil.which, WANTED[package][0]))]
    for package in missing:
        print(
            f"{package} was not found (apt-get install {package}); {WANTED[package][1]} will not run", file=sys.stderr
        )
    return 1 if missing and os.environ.get("CI") else 0


if __name__ == "__main__":
    sys.exit(main())
