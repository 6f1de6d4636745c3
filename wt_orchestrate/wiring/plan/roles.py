"""Roles from files: the built-in ones, and a repository's own in `.wto/roles/`, which replace them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from wt_orchestrate.errors import PlanInvalid, Refused
from wt_orchestrate.resources import resource

if TYPE_CHECKING:
    from wt_orchestrate.adapters.planfile import RoleText
    from wt_orchestrate.domain.plan.roles import Role

FOLDER = (".wto", "roles")
_MOST = 200


def roles_in_force(root: str | None) -> Mapping[str, Role]:
    """The roles of a repository by its root; the built-in ones outside of one. Raises PlanInvalid with every problem."""
    return read_roles(root)[0]


def read_roles(root: str | None) -> tuple[Mapping[str, Role], tuple[str, ...]]:
    """The same, with warnings, one rendered line each."""
    from wt_orchestrate.adapters.planfile import load_roles

    return load_roles([*_built_in(), *(_own(root) if root is not None else ())])


def built_in_text(name: str) -> str | None:
    """The file of a built-in role; None if there is none of that name."""
    return next((each.text for each in _built_in() if each.name == name), None)


def is_role(name: str) -> bool:
    """Whether a file of this name in the folder of roles is one; a file below a folder is none."""
    return name.endswith(".md") and name != "README.md" and not name.startswith(".") and "/" not in name


def _built_in() -> Iterator[RoleText]:
    from wt_orchestrate.adapters.planfile import RoleText

    folder = resource("templates", "roles")
    for name in sorted(os.listdir(folder)):
        if name.endswith(".md"):
            with open(f"{folder}/{name}", encoding="utf-8") as file:
                yield RoleText(name=name.removesuffix(".md"), path=f"{folder}/{name}", text=file.read())


def _own(root: str) -> Iterator[RoleText]:
    """The repository's own files, which may be anything; other files than roles are ignored."""
    from wt_orchestrate.adapters.planfile import MAX_ROLE, RoleText
    from wt_orchestrate.adapters.regular import names_in, regular_text

    try:
        names = names_in(root, FOLDER, most=_MOST)
    except Refused as error:
        raise PlanInvalid([f"{error.message}; {error.hint}"]) from error
    for name in names:
        if not is_role(name):
            continue
        source = "/".join((*FOLDER, name))
        path, word = f"{root}/{source}", name.removesuffix(".md")
        try:
            text = regular_text(root, (*FOLDER, name), limit=4 * MAX_ROLE + 4) or ""
        except Refused as error:
            problem = error.message.removeprefix(f"{path} ")
            yield RoleText(name=word, path=path, problem=f"it {problem}", hint=error.hint, source=source)
            continue
        yield RoleText(name=word, path=path, text=text, source=source)
