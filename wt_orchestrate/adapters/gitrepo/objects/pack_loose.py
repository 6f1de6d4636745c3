"""A second copy of loose objects, in a pack: in a sandbox agents write loose objects, and cannot reach packs.

Nothing is removed or written over: git finds an object in a pack first, and `git gc` of the user's drops what is double.
"""

from __future__ import annotations

import os
import re

from wt_orchestrate.adapters.gitrepo.runner import LONG_S, Git, input_lines, text

_FOLDER = re.compile(r"[0-9a-f]{2}")
_FILE = re.compile(r"[0-9a-f]{38}|[0-9a-f]{62}")
_DOUBLE = re.compile(r"rm -f .*/([0-9a-f]{2})/([0-9a-f]+)$", re.MULTILINE)


def pack_loose(common_dir: str) -> int:
    """Put into a pack what is only loose; how many objects that were."""
    objects = f"{common_dir}/objects"
    loose = {
        folder + name
        for folder in sorted(os.listdir(objects))
        if _FOLDER.fullmatch(folder)
        for name in os.listdir(f"{objects}/{folder}")
        if _FILE.fullmatch(name)
    }
    if not loose:
        return 0
    git = Git(common_dir)
    double = {first + rest for first, rest in _DOUBLE.findall(text(git.run("prune-packed", "--dry-run", "--quiet")))}
    alone = sorted(loose - double)
    if alone:
        git.run("pack-objects", "-q", f"{objects}/pack/pack", stdin=input_lines(alone), timeout_s=LONG_S)
    return len(alone)
