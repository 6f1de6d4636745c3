"""Work that git can name and other machines cannot, or that deletes nearly everything: held until a person lets it through.

Only what the work itself brings counts: a repository that has such names already is nobody's fault.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence, Set

from msgspec import Struct

from wt_orchestrate.domain.plan.scope import scope_matches
from wt_orchestrate.domain.plan.settings import Holds
from wt_orchestrate.domain.text.clean import clean, some_of

EVERYTHING = "."
"""Stands for the whole tree where a person lets a deletion of nearly everything through; no path is called so."""
_LONGEST_NAME = 255
"""Bytes that usual file systems allow in one name."""
_NOT_ON_WINDOWS = frozenset('<>:"|?*\\')
_DEVICES = frozenset({
    "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$",
    *(f"{kind}{number}" for kind in ("COM", "LPT") for number in "123456789¹²³"),
})  # fmt: skip
_FEW, _SOME = 3, 10
"""Below the first number of files, deleting them is held only if nothing at all is left; below the second, only if all of
them are gone; from there on, if nine of ten are."""


class Hold(Struct, frozen=True, kw_only=True):
    """One reason to hold work: in words, and the paths that a person lets through (or `EVERYTHING`)."""

    words: str
    paths: tuple[str, ...]
    for_good: bool = False
    """Nobody can let it through: no tree can be made of it."""


def held(
    settings: Holds,
    *,
    before: Collection[str],
    after: Collection[str],
    known: Collection[str] = (),
    beside: Collection[str] = (),
    gone: Collection[str] = (),
    let_through: Collection[str] = (),
) -> tuple[Hold, ...]:
    """Why a person has to look at work first; empty if nobody has to. `before`: the paths it started from;
    `known`: further ones that it does not bring; `after`: its own; `beside`: those it will be merged with; `gone`: files
    of `before` that it deletes or empties; `let_through`: what a person let through."""
    brought = _with_folders(after) - _with_folders({*before, *known})
    free = frozenset(path for path in brought if path in let_through or scope_matches(settings.allow, path))
    found = list(_too_long(brought))
    if settings.twins:
        found.extend(_twins(brought - free, {*after, *beside}))
    if settings.names:
        found.extend(_unusable(brought - free))
    if (
        settings.deletions
        and EVERYTHING not in let_through
        and _nearly_all(len(gone), len(before), left=not set(gone).issuperset(after))
    ):
        words = f"it deletes or empties {len(gone)} of {len(before)} files"
        found.append(Hold(words=words, paths=(EVERYTHING,)))
    return tuple(found)


def in_words(found: Sequence[Hold]) -> str:
    """All reasons as one text, without what could act on a terminal."""
    return "; ".join(each.words for each in found)


def _with_folders(paths: Collection[str]) -> Set[str]:
    """The paths and all folders above them."""
    found = set(paths)
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found


def _alike(path: str) -> str:
    """What file systems that ignore case, or how letters are composed, take this path for."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())


def _twins(brought: Set[str], paths: Collection[str]) -> Iterator[Hold]:
    """Paths that are one and the same on some machines; of folders that are, only the uppermost."""
    keys = {_alike(path) for path in brought}
    spelled: dict[str, list[str]] = {}
    for path in sorted(_with_folders(paths)):
        key = _alike(path)
        if key in keys:
            spelled.setdefault(key, []).append(path)
    for key, twins in spelled.items():
        if len(twins) > 1 and not _within_twins(key, spelled):
            names = " and ".join(_name(path) for path in twins[:5])
            mine = tuple(path for path in twins if path in brought)
            yield Hold(words=f"{names} are one path where case, or how letters are composed, is ignored", paths=mine)


def _within_twins(path: str, spelled: Mapping[str, Sequence[str]]) -> bool:
    folder = path.rpartition("/")[0]
    while folder:
        if len(spelled.get(folder, ())) > 1:
            return True
        folder = folder.rpartition("/")[0]
    return False


def _too_long(brought: Set[str]) -> Iterator[Hold]:
    """Names that cannot be checked out here either, whatever a person says."""
    long = sorted(path for path in brought if len(_bytes(path.rpartition("/")[2])) > _LONGEST_NAME)
    if long:
        names = some_of([f"{_name(path)[:60]}..." for path in long])
        words = f"{names}: names of more than {_LONGEST_NAME} bytes, which no file system holds"
        yield Hold(words=words, paths=tuple(long), for_good=True)


def _unusable(brought: Set[str]) -> Iterator[Hold]:
    illegal = sorted(path for path in brought if _illegal(path.rpartition("/")[2]))
    if illegal:
        names = some_of([_name(path) for path in illegal])
        yield Hold(words=f"{names}: not a name that Windows allows", paths=tuple(illegal))


def _illegal(name: str) -> bool:
    """Whether Windows allows no file of this name."""
    device = name.split(".")[0].rstrip(" ").upper() in _DEVICES
    return device or name[-1] in ". " or any(letter in _NOT_ON_WINDOWS or letter < " " for letter in name)


def _nearly_all(gone: int, files: int, *, left: bool) -> bool:
    if files < _FEW:
        return gone > 0 and not left
    return gone == files if files < _SOME else gone * 10 >= files * 9


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _name(path: str) -> str:
    """A path as people can tell it from its twin: letters that are composed otherwise are written out."""
    shown = clean(path).replace("\n", "\\n").replace("\t", "\\t")
    return shown if unicodedata.is_normalized("NFC", shown) else f"{shown} ({shown!a})"
