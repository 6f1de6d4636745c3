"""Short phrases about single values, the same in briefs, in evidence and in the story of a workstream.

Nothing here needs the state of a run: who only tells a story (`wto status WS`) does not load it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wt_orchestrate.domain.events.forecast import Clash
from wt_orchestrate.domain.events.memory import RecalledEntry
from wt_orchestrate.domain.events.train import RiderBlamed
from wt_orchestrate.domain.state.train import Blame
from wt_orchestrate.domain.text.clean import clean, some_of

_PATHS, _LONGEST = 3, 100
"""How many paths of an entry are named, and how much of each."""
LONGEST_PATH = 200


def blame_words(blame: RiderBlamed | Blame) -> str:
    """The cause of a failed check, as far as it is certain."""
    if blame.on_target:
        return "the check failed on the target too, without this work"
    if blame.partner is not None:
        return f"it passed on this work alone and failed together with {blame.partner}"
    if blame.alone:
        return "it failed on this work alone"
    return "it passed without this work and failed with it"


def settled_words(by: Mapping[str, str]) -> str:
    """That a check judged work whose conflict was resolved by rules or an arbiter; empty if it had none."""
    if not by:
        return ""
    ways = ", ".join(dict.fromkeys(by.values()))
    return f"its conflict in {some_of([clean(path) for path in by])} was resolved by {ways}, which may be the cause"


def not_resolved(paths: Sequence[str], why: Mapping[str, str]) -> str:
    """Why paths are still in conflict: what was tried, or that no rule is for them."""
    untried = [path for path in paths if path not in why]
    told = [f"{path}: {why[path]}" for path in paths if path in why]
    return "; ".join([*told, *([f"no merge rule resolves {', '.join(untried)}"] if untried else ())])


def tried_words(why: Mapping[str, str]) -> str:
    """What was tried on a conflict, in words that follow its paths; empty if nothing was."""
    told = [f"{clean(path)}: {clean(reason)}" for path, reason in why.items()]
    return (
        f" ({'; '.join(told[:_PATHS])}{f'; and {len(told) - _PATHS} more' if len(told) > _PATHS else ''})"
        if told
        else ""
    )


def progress_words(percent: int | None, note: str) -> str:
    """The agent's progress in words."""
    return ": ".join(part for part in (f"at {percent} %" if percent is not None else "", note) if part)


def doubt(entry: RecalledEntry) -> str:
    """What makes an entry of the memory doubtful, in words that follow its source."""
    if entry.stale:
        return f"; may be out of date, these changed since: {named_paths(entry.stale)}"
    return "; unknown whether its files changed since" if entry.unknown else ""


def named_paths(paths: Sequence[str]) -> str:
    """Paths as code spans: some, none of them long, because an agent may have named them."""
    shown = [clean(path).replace("`", "'") for path in paths[:_PATHS]]
    short = [path if len(path) <= _LONGEST else f"…{path[-_LONGEST:]}" for path in shown]
    return some_of([f"`{path}`" for path in short], more=len(paths) - len(shown))


def listed(each: Clash, limit: int = 3) -> str:
    """The paths of a conflict in a few words."""
    paths = [one_line(path, LONGEST_PATH) for path in each.paths] or ["what git cannot merge at all"]
    return some_of(paths, limit, more=each.more)


def one_line(text: str, limit: int) -> str:
    """Text as one harmless line of at most so many characters."""
    return " ".join(clean(text).split())[:limit].replace("`", "'")
