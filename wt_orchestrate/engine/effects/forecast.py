"""The effect `Forecast`: who would conflict with whom, computed by the vault, logged only if it is news."""

from __future__ import annotations

from collections.abc import Sequence

from wt_orchestrate.domain import effects as f
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.events.forecast import BlindSpot
from wt_orchestrate.domain.ids import WorkstreamId
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.train.forecast import clash, news
from wt_orchestrate.engine.world import World, index_path
from wt_orchestrate.ports.git.forecast import Side


def forecast(effect: f.Forecast, state: RunState, world: World) -> Sequence[e.Event]:
    """Foresee what merging the sides would come to."""
    sides = [side_of(each, world.indexes) for each in effect.sides]
    found = world.vault.forecasts.forecast(sides, against=effect.against)
    made = news(
        state.forecast,
        [clash(each.one, each.other, each.paths) for each in found.conflicts],
        [BlindSpot(workstream=WorkstreamId(each.name), reason=each.reason) for each in found.untold],
    )
    return () if made is None else (made,)


def side_of(glance: f.Glance, indexes: str) -> Side:
    """A workstream as a side of the forecast; `indexes` is our folder for index files."""
    index = index_path(indexes, glance.worktree) if glance.worktree else ""
    return Side(name=glance.workstream, head=glance.head, worktree=glance.worktree, index=index)
