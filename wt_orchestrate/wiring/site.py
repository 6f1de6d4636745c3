"""One repository and its state folder, and the adapters that most commands need."""

from __future__ import annotations

import os
import re
from contextlib import suppress

from wt_orchestrate.errors import Refused
from wt_orchestrate.wiring.draft_cleanup import sweep_drafts

TYPE_CHECKING = False  # mypy knows the name; importing typing takes as long as half of Python's own start
if TYPE_CHECKING:
    from collections.abc import Callable

    from wt_orchestrate.adapters.gitrepo.repository import GitRepository
    from wt_orchestrate.adapters.gitrepo.vault import GitVault
    from wt_orchestrate.domain.ids import CommitId
    from wt_orchestrate.ports.engine import Clock, Log
    from wt_orchestrate.ports.git.vault import Vault


class Site:
    """One repository and its state folder. Written out, because `wto status` has no time to import dataclasses."""

    __slots__ = ("common_dir", "repositories", "start", "state_dir", "vaults")

    def __init__(self, *, start: str, common_dir: str, state_dir: str) -> None:
        self.start = start
        self.common_dir = common_dir
        self.state_dir = state_dir
        self.repositories: list[GitRepository] = []
        self.vaults: list[GitVault] = []
        """Made once, when they are first asked for: they have looked at what does not change, and keep git processes
        running."""

    def path(self, name: str) -> str:
        return f"{self.state_dir}/{name}"


def find_site(start: str) -> Site:
    """The repository around a folder, and its state folder (made if missing). Raises Refused if there is none."""
    common_dir = common_dir_around(start)
    state_dir = _of_this_user(_state_dir(state_root(), common_dir))
    try:
        os.makedirs(state_dir, mode=0o700, exist_ok=True)
    except OSError as error:
        from wt_orchestrate.faults import in_words

        told = in_words(error).message
        raise Refused(
            f"cannot make the state folder {state_dir}: {told}", hint="set WTO_STATE_DIR to another place"
        ) from error
    if os.path.isdir(f"{state_dir}/drafting"):
        sweep_drafts(state_dir)
    return Site(start=start, common_dir=common_dir, state_dir=state_dir)


def common_dir_around(start: str) -> str:
    """The common git directory of the repository around a folder. Raises Refused if there is none."""
    from wt_orchestrate.adapters.gitrepo.layout import usual_common_dir

    found = usual_common_dir(start)
    if found is None:
        from wt_orchestrate.adapters.gitrepo.discovery import find_common_dir

        found = find_common_dir(start)
    return found


def state_root() -> str:
    """The folder that holds one state folder for each repository: WTO_STATE_DIR, else the user's state folder."""
    override = os.environ.get("WTO_STATE_DIR")
    if override:
        return os.path.abspath(override)
    from platformdirs import user_state_dir

    return users_folder(user_state_dir)


def users_folder(named: Callable[[str], str]) -> str:
    """A folder of ours in this user's home. Raises Refused where neither HOME nor the system names a home: some releases of
    platformdirs raise then, others leave the `~` in, which would make a folder of that name."""
    try:
        found = named("wt-orchestrate")
    except RuntimeError:
        found = "~"
    if found.startswith("~"):
        from wt_orchestrate.faults import no_home

        raise no_home()
    return found


def _folder_name(common_dir: str) -> str:
    try:  # as `random` does: hashlib loads OpenSSL, which takes longer than all else here
        from _sha2 import sha256  # type: ignore[import-not-found]  # Python 3.12 and later
    except ImportError:
        from _sha256 import sha256  # type: ignore[import-not-found]  # Python 3.11

    real = os.path.realpath(common_dir)
    name = os.path.basename(os.path.dirname(real) if real.endswith("/.git") else real)
    readable = re.sub(r"[^A-Za-z0-9._-]", "-", name).strip(".-")[:40] or "repository"
    return f"{readable}-{sha256(os.fsencode(real)).hexdigest()[:12]}"


# ---------------------------------------------------------------- a repository that was moved
#
# A state folder is named by the repository's path. `init` and a run's start write that name into the common directory, and the
# path into the state folder: so a repository that was moved finds its runs and its memory, and a copy of it does not take them.

_MARK, _PLACE = "wto-state", "repository"


def mark(site: Site) -> None:
    """Have the repository and its state folder name each other. Where the repository cannot be written, only a path finds it."""
    name = os.path.basename(site.state_dir)
    if _line(f"{site.common_dir}/{_MARK}") == name and _line(site.path(_PLACE)) == site.common_dir:
        return
    with suppress(OSError):
        _write(site.path(_PLACE), site.common_dir)
        _write(f"{site.common_dir}/{_MARK}", name)


def _state_dir(root: str, common_dir: str) -> str:
    """The state folder of a repository: the one that it names, unless another living repository has it; else its path's."""
    own, named = _folder_name(common_dir), _line(f"{common_dir}/{_MARK}")
    if named in ("", own) or os.path.basename(named) != named or named.startswith("."):
        return f"{root}/{own if _is_free(root, own, common_dir) else f'{own}-2'}"
    if not _is_free(root, named, common_dir):
        return f"{root}/{own}"  # it is a copy
    place = f"{root}/{named}/{_PLACE}"
    if not _line(place):
        return f"{root}/{own}"
    if _line(place) != common_dir:
        with suppress(OSError):
            _write(place, common_dir)
    return f"{root}/{named}"


def _of_this_user(state_dir: str) -> str:
    """The folder, or where another user of a shared root keeps it closed, one beside it for this user alone."""
    try:
        owner = os.stat(state_dir).st_uid
    except OSError:
        return state_dir
    if owner == os.geteuid() or os.access(state_dir, os.R_OK | os.X_OK):
        return state_dir
    return f"{state_dir}-u{os.geteuid()}"


def _is_free(root: str, name: str, common_dir: str) -> bool:
    """Whether no other repository that is still there has this state folder."""
    place = _line(f"{root}/{name}/{_PLACE}")
    return place in ("", common_dir) or _line(f"{place}/{_MARK}") != name


def _line(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read(1 << 13).removesuffix("\n")
    except OSError:
        return ""


def _write(path: str, line: str) -> None:
    from wt_orchestrate.osfiles.atomic import replace_file

    replace_file(path, f"{line}\n")


def clock() -> Clock:
    from wt_orchestrate.adapters.clock import SystemClock

    return SystemClock()


def open_log(site: Site) -> Log:
    from wt_orchestrate.adapters.store.eventlog import SqliteLog

    return SqliteLog(site.path("log.db"))


def repository(site: Site, *, run: str = "", reached: Callable[[str], None] = lambda point: None) -> GitRepository:
    """The user's repository; with the seed of a run, landings go by what was recorded when that started."""
    from wt_orchestrate.adapters.gitrepo.repository import GitRepository, LandingFrom

    if not site.repositories:
        lock_path = site.path("worktree.lock")
        site.repositories.append(GitRepository(site.start, lock_path=lock_path, common_dir=site.common_dir))
    found = site.repositories[0]
    if run:
        folder = record_folder(site, run)
        found.landing = LandingFrom(
            vault=_vault(site).git,
            hooks=f"{folder}/hooks",
            attributes=f"{folder}/attributes",
            record=folder,
            reached=reached,
        )
    return found


def record_folder(site: Site, run: str) -> str:
    """Where it is written down how the repository was when a run started; `run` is its seed."""
    return site.path(f"recorded/{run or 'none'}")


def vault(site: Site, *, run: str = "") -> Vault:
    """The vault; with the seed of a run, files are read and written by what was recorded when that started."""
    found = _vault(site)
    if run:
        found.checkouts.go_by(record_folder(site, run))
    return found


def _vault(site: Site) -> GitVault:
    from wt_orchestrate.adapters.gitrepo.vault import GitVault

    if not site.vaults:
        site.vaults.append(GitVault(site.path("vault.git"), source=site.common_dir, scratch=site.path("checks")))
    return site.vaults[0]


def require_common(site: Site, *, onto: CommitId, head: CommitId, name: str) -> None:
    """Refuse a branch that shares no commit with its target, as far as a shallow clone can tell."""
    if repository(site).facts().shallow and vault(site).commits.merge_base(onto, head) is None:
        raise Refused(
            f"{name} and its target have no common ancestor in this shallow clone", hint="git fetch --unshallow"
        )


def supervised(site: Site) -> bool:
    """Whether a supervisor runs on this repository."""
    from wt_orchestrate.osfiles.locks import FileLock

    return FileLock(site.path("supervisor.lock")).held()


def supervisor_pid(site: Site) -> int | None:
    """The process that supervises this repository, as it recorded itself: for people, never for signals."""
    from wt_orchestrate.osfiles.locks import FileLock

    holder = FileLock(site.path("supervisor.lock")).holder()
    return int(holder) if holder.isdigit() else None
