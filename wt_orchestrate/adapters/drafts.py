"""Draftings as folders in the state folder: what was asked for, how far each is, and who works on it.

`drafts/<id>` holds `wish.json`, `progress.json` (replaced as a whole), `draft.lock` (held by whoever drafts), `cancel`
(a durable request), `processes/` and, while it goes on, `tree`: the checkout that the agent reads. `drafting/<id>` is
an empty file from before the checkout is made until after it is gone, so that finding what a killed drafting left takes
one look into a folder that is mostly absent. Files that cannot be read count as absent.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from wt_orchestrate.domain.drafting.progress import DraftPhase, DraftProgress, DraftWish
from wt_orchestrate.domain.replace import plain
from wt_orchestrate.errors import WtError
from wt_orchestrate.osfiles.atomic import replace_file

_KEPT_S = 30 * 86_400.0
_LIMIT = 32 << 20
"""The longest file in characters: a returned text of a mebi of characters is twelve times as long once JSON has escaped
it."""


class DraftFolder:
    """One drafting's folder."""

    def __init__(self, state_dir: str, name: str) -> None:
        self.name = name
        self.path = f"{state_dir}/drafts/{name}"
        self._state_dir = state_dir

    @property
    def lock_path(self) -> str:
        return f"{self.path}/draft.lock"

    def begin(self, wish: DraftWish) -> DraftWish:
        """Write the request unless there is one; returns the one that counts."""
        _plainly(lambda: os.makedirs(self.path, mode=0o700, exist_ok=True))
        known = self.wish()
        if known is None:
            _replace(f"{self.path}/wish.json", json.dumps(plain(wish)))
        return known or wish

    def rewish(self, wish: DraftWish) -> None:
        """Replace the request; only while nobody works on it."""
        _replace(f"{self.path}/wish.json", json.dumps(plain(wish)))

    def wish(self) -> DraftWish | None:
        values = _load(f"{self.path}/wish.json")
        with suppress(TypeError):  # something of it is not there
            return DraftWish(**_known(DraftWish, values)) if values is not None else None
        return None

    def progress(self) -> DraftProgress:
        """How far it is; at its start if nothing is written yet."""
        values = _load(f"{self.path}/progress.json")
        if values is None:
            return DraftProgress()
        known = _known(DraftProgress, values)
        with suppress(TypeError, ValueError):  # a later release's words
            known["phase"] = DraftPhase(known.get("phase", DraftPhase.DRAFTING))
            known["problems"] = tuple(known.get("problems", ()))
            known["sent_back"] = tuple(tuple(each) for each in known.get("sent_back", ()))
            return DraftProgress(**known)
        return DraftProgress()

    def note(self, progress: DraftProgress) -> None:
        _replace(f"{self.path}/progress.json", json.dumps(plain(progress)))

    def cancel(self) -> None:
        """Ask that it ends; durable."""
        _plainly(lambda: os.close(os.open(f"{self.path}/cancel", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)))

    def cancelled(self) -> bool:
        return os.path.exists(f"{self.path}/cancel")

    def go_on(self) -> None:
        """Take back an earlier request to end."""
        with suppress(FileNotFoundError):
            os.unlink(f"{self.path}/cancel")

    def mark(self) -> None:
        """Record that there is something to clean up from now on."""

        def made() -> None:
            os.makedirs(f"{self._state_dir}/drafting", mode=0o700, exist_ok=True)
            os.close(os.open(f"{self._state_dir}/drafting/{self.name}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))

        _plainly(made)

    def unmark(self) -> None:
        with suppress(FileNotFoundError):
            os.unlink(f"{self._state_dir}/drafting/{self.name}")
        with suppress(OSError):
            os.rmdir(f"{self._state_dir}/drafting")

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def marked(state_dir: str) -> Iterator[DraftFolder]:
    """Draftings that may have left something."""
    with suppress(OSError):
        for name in sorted(os.listdir(f"{state_dir}/drafting")):
            yield DraftFolder(state_dir, name)


def old(state_dir: str, *, now: float) -> Iterator[DraftFolder]:
    """Draftings without a change for a month."""
    with suppress(OSError):
        for name in sorted(os.listdir(f"{state_dir}/drafts")):
            folder = DraftFolder(state_dir, name)
            with suppress(OSError):
                if now - os.stat(folder.path).st_mtime > _KEPT_S:
                    yield folder


def newest(state_dir: str) -> DraftFolder | None:
    """The drafting that was started last."""
    found: list[tuple[float, str]] = []
    with suppress(OSError):
        for name in os.listdir(f"{state_dir}/drafts"):
            wish = DraftFolder(state_dir, name).wish()
            if wish is not None:
                found.append((wish.begun_at, name))
    return DraftFolder(state_dir, max(found)[1]) if found else None


def _known(kind: type[DraftWish | DraftProgress], values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that this release knows; those of a later one are ignored."""
    names = kind.__struct_fields__
    return {name: value for name, value in values.items() if name in names}


def _load(path: str) -> dict[str, Any] | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            loaded = json.loads(file.read(_LIMIT))
    except (OSError, ValueError):
        return None
    return loaded if isinstance(loaded, dict) else None


def _replace(path: str, text: str) -> None:
    _plainly(lambda: replace_file(path, text.encode("utf-8", "replace")))


def _plainly(work: Any) -> None:
    try:
        work()
    except OSError as error:
        raise WtError(f"the draft cannot be saved: {error.strerror}", hint="wto doctor") from error
