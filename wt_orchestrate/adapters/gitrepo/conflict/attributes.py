"""How each path in conflict is merged: by which driver, chosen by the approved globs alone.

The globs are matched by git itself, in the throwaway tree's `info/attributes`, which come before the tree's own
`.gitattributes` and reset every choice there. Then the file is written again with just the paths in conflict: a driver
never sees a file that git merges by itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from wt_orchestrate.adapters.gitrepo.runner import Git, text
from wt_orchestrate.domain.plan.settings import Merging

_RESET = "* {} !filter !conflict-marker-size"
_GUESS = "wto-try-union"
"""The attribute that marks paths whose union may be tried; no merge knows it."""


def chosen(merging: Merging) -> Sequence[str]:
    """The approved globs as attributes; among them what may be tried is only marked."""
    lines = [_RESET.format("merge=mergiraf" if structural(merging) else "!merge") + f" !{_GUESS}"]
    for name, driver in merging.drivers.items():
        lines += [f"{_pattern(glob)} merge={name}" for glob in driver.paths]
    lines += [f"{_pattern(glob)} merge=union" for glob in merging.union]
    lines += [f"{_pattern(glob)} {_GUESS}" for glob in merging.try_union]
    return lines


def exact(drivers: Mapping[str, str]) -> Sequence[str]:
    """These paths with their drivers, and no others."""
    return [_RESET.format("!merge"), *(f"{_exact(path)} merge={name}" for path, name in drivers.items())]


def write_attributes(own: Git, lines: Sequence[str]) -> None:
    """Make these the attributes of a throwaway tree."""
    with open(f"{own.git_dir}/info/attributes", "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write("\n".join(lines) + "\n")


def drivers_of(own: Git, paths: Sequence[str]) -> Mapping[str, str]:
    """The driver of each path that is not merged by git's own text merge."""
    found = _asked(own, "merge", paths)
    return {path: name for path, name in found.items() if name not in {"unspecified", "set", "unset"}}


def may_be_tried(own: Git, paths: Sequence[str]) -> Sequence[str]:
    """Those of the paths whose union may be tried."""
    return [path for path, word in _asked(own, _GUESS, paths).items() if word == "set"]


def structural(merging: Merging) -> bool:
    """Whether mergiraf is installed: a run records the path of the program it found."""
    return merging.mergiraf not in {"", "auto", "off"}


def named(driver: str) -> str:
    """A driver as it is told: one of the settings by its name, those that come along as they are."""
    return driver if driver in {"union", "mergiraf"} else f"driver:{driver}"


def _asked(own: Git, attribute: str, paths: Sequence[str]) -> Mapping[str, str]:
    if not paths:
        return {}
    asked = "".join(f"{path}\0" for path in paths).encode("utf-8", "surrogateescape")
    parts = text(own.run("check-attr", "-z", "--stdin", attribute, stdin=asked)).split("\0")
    return dict(zip(parts[0::3], parts[2::3], strict=False))


def _pattern(glob: str) -> str:
    """A glob from the repository's root as a pattern of git's."""
    rooted = glob if glob.startswith("**/") else f"/{glob}"
    return f'"{rooted}"' if " " in rooted or rooted.startswith('"') else rooted


_SPECIAL = re.compile(r"([\\*?\[])")
_QUOTED = {
    "\\": "\\\\",
    '"': '\\"',
    "\n": "\\n",
    "\t": "\\t",
    "\r": "\\r",
    "\a": "\\a",
    "\b": "\\b",
    "\v": "\\v",
    "\f": "\\f",
}


def _exact(path: str) -> str:
    """A pattern that matches this path only: nothing in it is a wildcard, and it is quoted as git quotes names."""
    return '"' + "".join(_QUOTED.get(each, each) for each in _SPECIAL.sub(r"\\\1", f"/{path}")) + '"'
