"""The checks of a person's own commits and pushes in the main worktree (`wto hook`): warnings and refusals."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from wt_orchestrate.domain.agent.commit_scan import Exposed
from wt_orchestrate.domain.plan.scope import scope_matches
from wt_orchestrate.domain.state.lifecycle import ENDED, Phase
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.text.clean import at_line
from wt_orchestrate.domain.text.status_words import shown

_LISTED = 10


def refused(exposed: Sequence[Exposed], markers: Sequence[tuple[str, int]], allowed: Collection[str]) -> Iterator[str]:
    """What must not be committed, one sentence each."""
    for each in [each for each in exposed if each.mark not in allowed][:_LISTED]:
        yield (
            f"{at_line(each.path, each.line)} looks like a secret ({each.kind} {each.shown}); remove it, or, if it "
            f"is not a secret, add its mark {each.mark} to allow_secrets: of .wto/config.yaml"
        )
    for path, line in markers[:_LISTED]:
        yield f"{at_line(path, line)} is a conflict marker; resolve the conflict first"


def belongs(state: RunState, paths: Sequence[str]) -> Iterator[str]:
    """Staged paths that a running workstream may write, one sentence for each workstream."""
    if state.phase in {Phase.FINISHED, Phase.STOPPED}:
        return
    for ws in state.workstreams.values():
        met = [path for path in paths if ws.spec.scope and scope_matches(ws.spec.scope, path)]
        if met and ws.stage not in ENDED:
            more = f" and {len(met) - 1} more" if len(met) > 1 else ""
            yield f"{met[0]}{more} belongs to {ws.id} of {state.id}, which is {shown(ws.stage)}: both changes must be merged"


def refused_pushes(refs: Sequence[str]) -> Iterator[str]:
    """Branches of runs, which are unverified or moved only by the tool."""
    for ref in refs:
        if ref.startswith("refs/heads/wto/"):
            yield f"{ref.removeprefix('refs/heads/')} is a branch of a run; land it, or push it under another name"
