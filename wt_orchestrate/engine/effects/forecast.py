"""The effect `Forecast`: who would conflict with whom, computed by the vault, logged only if it is news."""

from __future__ import annotations

from collections.abc import Sequence

from wt_orchestrate.domain import effects as f
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.train.forecast import bounded, news
from wt_orchestrate.engine.world import World, index_path


def forecast(effect: f.Forecast, state: RunState, world: World) -> Sequence[e.Event]:
    """Foresee what merging the sides would come to."""
    found = world.vault.forecasts.forecast(indexed(effect.sides, world.indexes), against=effect.against)
    made = news(state.forecast, [bounded(each) for each in found.conflicts], found.blind)
    return () if made is None else (made,)


def indexed(sides: Sequence[f.Side], indexes: str) -> tuple[f.Side, ...]:
    """The sides with the index files of their worktrees; `indexes` is our folder for them."""
    return tuple(replace(each, index=index_path(indexes, each.worktree)) if each.worktree else each for each in sides)
