"""Trust in a repository's settings: asked for once, remembered by content in the repository's state folder.

What the user wrote here himself speaks for itself: a value that no version of `.wto/` had that someone else wrote (see
`adapters/gitrepo/written_by.py`) when it was first used. Everything else waits for the user's word, and nothing of it runs
before. `WTO_TRUST=1` says it for one command, where nobody can be asked. What agents changed in `.git` waits, too.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from wt_orchestrate.domain.plan.trust import Power, powers
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.text.clean import clean, counted
from wt_orchestrate.errors import PlanInvalid, Untrusted
from wt_orchestrate.wiring.site import Site, repository

if TYPE_CHECKING:
    from wt_orchestrate.domain.plan.settings import Settings
    from wt_orchestrate.ports.git.repository import RepositoryFacts

VARIABLE = "WTO_TRUST"
_LIST = "trusted"
_LONGEST = 200


def require_trust(site: Site, facts: RepositoryFacts, settings: Settings) -> None:
    """Raises Untrusted for what the user neither wrote nor trusted."""
    asked = untrusted(site, facts, settings)
    if asked:
        raise Untrusted(
            f"{place(facts)} has {counted(len(asked), 'setting')} from someone else that you have not trusted",
            hint=f"read them with wto trust --list; trust them with wto trust (or {VARIABLE}=1 for one command)",
            asked=lines(asked),
            trust=lambda: remember(site, asked),
        )


def untrusted(site: Site, facts: RepositoryFacts, settings: Settings) -> tuple[Power, ...]:
    """The values that wait for the user's word. What is his own is remembered on the way, so that it stays his when others
    have it too."""
    new = unknown(site, powers(settings))
    if not new:
        return ()
    foreign = _foreign(facts)
    asked = tuple(each for each in new if foreign is None or each.digest in foreign)
    remember(site, [each for each in new if each not in asked])
    return asked


def unknown(site: Site, wanted: Sequence[Power]) -> tuple[Power, ...]:
    """Those that nobody has trusted yet; none where the user trusts all for this command."""
    if not wanted or os.environ.get(VARIABLE) == "1":
        return ()
    known = _known(site)
    return tuple(each for each in wanted if each.digest not in known)


def agent_changes(site: Site, run: str = "") -> dict[Power, str]:
    """What agents (of one run, or of all) changed in the repository's own settings and refs, and left, with what puts it back.

    A run's supervisor notes each such change, and its landing stops (`domain/state/changes.py`). The next run must not take it
    for the user's own, and nothing of ours may run git under it, until the user trusts it.
    """
    import json

    from wt_orchestrate.adapters.store.views import views_with
    from wt_orchestrate.domain.state.changes import mark_of

    noted = [
        (name, each)
        for name, body in views_with(site.path("log.db"), '"stops":true')
        for each in json.loads(body)["run"].get("repository_changes", ())
        if each["stops"] and "mark" in each and name == (run or name)
    ]
    if not noted:
        return {}
    now = repository(site).marks()
    found = {
        Power(
            key=f"workstream {', '.join(each['during'])} of {name}", value=each["what"], mark=each["mark"] or "gone"
        ): str(each["put_back"])
        for name, each in noted
        if mark_of(now.get(each["name"])) == each["mark"]
    }
    asked = unknown(site, tuple(found))
    return {each: found[each] for each in asked}


def remember(site: Site, trusted: Sequence[Power]) -> None:
    """Trust these values from now on."""
    from wt_orchestrate.osfiles.atomic import replace_file

    known = _known(site)
    new = [each for each in trusted if each.digest not in known]
    if new:
        text = "".join(f"{digest} {words}\n" for digest, words in known.items())
        text += "".join(f"{each.digest} {line}\n" for each, line in zip(new, lines(new), strict=True))
        replace_file(site.path(_LIST), text, mode=0o600)


def forget(site: Site) -> int:
    """Trust nothing any more, the user's own values included; how many values that were."""
    from contextlib import suppress

    known = _known(site)
    with suppress(FileNotFoundError):
        os.unlink(site.path(_LIST))
    return len(known)


def lines(asked: Sequence[Power]) -> tuple[str, ...]:
    """One line for each value, fit for a terminal."""
    return tuple(clean(f"{each.key}: {each.value}".replace("\n", " "))[:_LONGEST] for each in asked)


def place(facts: RepositoryFacts) -> str:
    """Where a repository's settings are."""
    return f"{facts.main_worktree or facts.common_dir}/.wto"


def _known(site: Site) -> dict[str, str]:
    """What is trusted: the digest of each value, and its line."""
    try:
        with open(site.path(_LIST), encoding="utf-8", errors="replace") as file:
            entries = [line.rstrip("\n").partition(" ") for line in file]
    except FileNotFoundError:
        return {}
    return {digest: words for digest, _, words in entries}


def _foreign(facts: RepositoryFacts) -> frozenset[str] | None:
    """The values that someone else wrote; None where that cannot be told, because a version of theirs cannot be read."""
    from wt_orchestrate.adapters.gitrepo.written_by import foreign_versions

    head = facts.main_head if facts.main_worktree is not None else None
    found: set[str] = set()
    for files in foreign_versions(facts.common_dir, ".wto", head):
        try:
            found |= {each.digest for each in powers(_settings_of(files))}
        except PlanInvalid:
            return None
    return frozenset(found)


def _settings_of(files: Mapping[str, bytes]) -> Settings:
    """The settings in a version of `.wto/`."""
    from wt_orchestrate.adapters.planfile import RoleText, load_roles, read_settings
    from wt_orchestrate.wiring.plan.roles import is_role

    texts = [
        RoleText(
            name=path.removeprefix("roles/").removesuffix(".md"),
            path=f".wto/{path}",
            text=content.decode("utf-8", "replace"),
            source=f".wto/{path}",
        )
        for path, content in sorted(files.items())
        if path.startswith("roles/") and is_role(path.removeprefix("roles/"))
    ]
    settings = read_settings(".wto/config.yaml", files.get("config.yaml"))
    return replace(settings, roles=load_roles(texts)[0])
