"""Whether a claim is true: rules over the evidence that was found in the vault and the worktree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from wt_orchestrate.domain.agent.commit_scan import Scan, exposure_findings
from wt_orchestrate.domain.agent.handoff import Handoff, complete, gaps, lacks, says_nothing
from wt_orchestrate.domain.agent.review_findings import is_given
from wt_orchestrate.domain.ids import CommitId, WorkstreamId
from wt_orchestrate.domain.plan.model import Kind, Workstream
from wt_orchestrate.domain.plan.scope import scope_matches
from wt_orchestrate.domain.schedule.expansion import SECTION, agents_misfits, placed, still_to_join
from wt_orchestrate.domain.state.run import RunState, owes
from wt_orchestrate.domain.state.workstream import WorkstreamState, claimed_by_person, is_reviewer
from wt_orchestrate.domain.text.clean import counted, some_of


class CommitsAt(Struct, frozen=True, kw_only=True):
    """Commits that the workstream's branch does not hold: at `head`, on the branch `where`, or on a detached HEAD."""

    where: str
    head: CommitId
    count: int


class Evidence(Struct, frozen=True, kw_only=True):
    """What was found in the vault and the worktree for one head. `dirty`: paths with uncommitted changes."""

    base: CommitId | None
    head: CommitId | None
    has_commits: bool
    """Whether the branch holds anything that the integration branch does not."""
    paths: tuple[str, ...]
    dirty: tuple[str, ...]
    handoff: Handoff | None
    missing_branch: bool = False
    elsewhere: CommitsAt | None = None
    nested: tuple[str, ...] = ()
    """Repositories inside the worktree of which only a commit id was committed."""
    dropped: tuple[str, ...] = ()
    """Paths of a resolved conflict in which the other side is missing entirely."""


def _no_handoff(ws: WorkstreamState, owed: Sequence[str]) -> str:
    """That there is no handoff, and why one is needed."""
    titles = ", ".join(f"'## {title}'" for title in owed)
    return "there is no HANDOFF.md" + (f", in which the role {ws.spec.role} requires {titles}" if owed else "")


def _not_on_the_branch(ws: WorkstreamState, at: CommitsAt) -> str:
    name = at.where or at.head[:12]
    place, verb = at.where or "a detached HEAD", "is" if at.count == 1 else "are"
    return (
        f"your {counted(at.count, 'commit')} {verb} on {place}, not on {ws.branch}; in the worktree run "
        f"`git switch {ws.branch}` and `git merge {name}` (a person can run `wto take-over {ws.id}`)"
    )


def findings(
    ws: WorkstreamState, evidence: Evidence, *, needs_handoff: bool, owed: Sequence[str] = ()
) -> tuple[str, ...]:
    """What is wrong with a claim, one sentence each; empty if all of it holds. `owed`: the sections that its role's
    handoff must have."""
    if evidence.missing_branch or evidence.head is None:
        return (f"the branch {ws.branch} is missing",)
    found: list[str] = []
    if ws.spec.continues and not evidence.has_commits:
        if evidence.handoff is None or not evidence.handoff.review:
            found.append("nothing was changed, and HANDOFF.md has no answers in a section '## Review'")
    elif evidence.elsewhere is not None:
        found.append(_not_on_the_branch(ws, evidence.elsewhere))
    elif ws.spec.kind is Kind.CHANGE and not evidence.has_commits:
        found.append("there is no commit on the branch; commit the work")
    if ws.spec.kind is Kind.RESEARCH and evidence.has_commits:
        found.append("this is research, which must not commit; undo the commits and put the findings in HANDOFF.md")
    if evidence.dirty:
        found.append(f"the worktree has uncommitted changes: {some_of(evidence.dirty)}; commit or remove them")
    for path in evidence.nested:
        found.append(
            f"{path} is a repository of its own: only its commit id was committed, none of its files; remove "
            f"{path}/.git, "
            f"then `git rm -q --cached {path}` and `git add {path}`, and commit"
        )
    if evidence.dropped and not claimed_by_person(ws):
        found.append(
            f"your merge kept only your side of {some_of(evidence.dropped)}; restore the other side's work there"
        )
    outside = out_of_scope(ws.spec.scope, evidence.paths)
    if outside:
        found.append(f"changed outside the scope ({', '.join(ws.spec.scope)}): {some_of(outside)}; undo these changes")
    if needs_handoff or owed or ws.spec.kind is Kind.RESEARCH:
        if evidence.handoff is None:
            found.append(_no_handoff(ws, owed))
        else:
            found.extend(f"HANDOFF.md: {missing}" for missing in complete(evidence.handoff))
            found.extend(
                f"HANDOFF.md: the role {ws.spec.role} requires the section '## {title}', which is missing or empty"
                for title in lacks(evidence.handoff, owed)
            )
    if is_reviewer(ws) and not (evidence.handoff is not None and is_given(evidence.handoff.review)):
        found.append("HANDOFF.md has no review: list your findings in the section '## Review', or write `none` there")
    if ws.spec.synthesises and evidence.handoff is not None:
        handoff = evidence.handoff
        missing = gaps(handoff.decisions, handoff.other, plans=ws.spec.expands)
        found.extend(f"HANDOFF.md: {text}" for text in missing)
    return tuple(found)


def out_of_scope(scope: Sequence[str], paths: Sequence[str]) -> tuple[str, ...]:
    """The paths that no glob of the scope covers; an empty scope covers everything."""
    return tuple(path for path in paths if not scope_matches(scope, path)) if scope else ()


def owed(state: RunState, ws: WorkstreamState, *, needs_handoff: bool) -> Sequence[str]:
    """The sections that its role's handoff must have. A person's own claim needs none, nor does a command that arbitrates."""
    return () if claimed_by_person(ws) or (ws.spec.serves and not needs_handoff) else owes(state, ws)


def undeclared(links: Sequence[str], gitmodules: bytes | None) -> tuple[str, ...]:
    """Those of the paths at which only a commit id was committed that no `.gitmodules` explains."""
    lines = (gitmodules or b"").decode("utf-8", "surrogateescape").splitlines()
    parts = (line.partition("=") for line in lines)
    declared = {path.strip() for key, _, path in parts if key.strip() == "path"}
    return tuple(path for path in links if path not in declared)


# ---------------------------------------------------------------- what commits expose


def is_scanned(ws: WorkstreamState) -> bool:
    """Whether its commits are scanned. A person's own claim is a person's word; what lands is scanned once more."""
    return not claimed_by_person(ws) and ws.spec.kind is not Kind.RESEARCH


def exposed(state: RunState, ws: WorkstreamState, scan: Scan) -> tuple[str, ...]:
    """What is wrong with what its commits expose: secrets, and trailers that are not its own. A queued branch of a person
    may carry any trailer."""
    persons = bool(ws.spec.branch)
    return tuple(
        exposure_findings(
            scan,
            allowed=state.settings.allow_secrets,
            human=() if persons else state.settings.human_trailers,
            own=None if persons else _own_trailers(state, ws),
        )
    )


def _own_trailers(state: RunState, ws: WorkstreamState) -> frozenset[tuple[str, str]]:
    """The tool's trailers that its commits may have: its own, and those of the workstream it serves, whose work it
    builds on."""
    served = state.workstreams.get(WorkstreamId(ws.spec.serves))
    streams = [ws, *([served] if served is not None else [])]
    named = {("Wto-Workstream", str(each.id)) for each in streams}
    counted = {("Wto-Attempt", str(attempt.epoch)) for each in streams for attempt in each.attempts}
    return frozenset({("Wto-Run", str(state.id)), *named, *counted})


# ---------------------------------------------------------------- workstreams that a handoff adds


def added_text(ws: WorkstreamState) -> str:
    """The section of its handoff that adds workstreams; empty if it may not, or adds none."""
    text = ws.handoff.other.get(SECTION, "") if ws.handoff is not None and ws.spec.expands else ""
    return "" if not text.strip() or says_nothing(text) else text


def joining(
    state: RunState, ws: WorkstreamState, read: Mapping[str, Workstream], problems: Sequence[str]
) -> tuple[Mapping[str, Workstream], tuple[str, ...]]:
    """The workstreams as they join the run, or why they cannot; `problems`: why the section could not be read."""
    further = placed(state, ws, read)
    found = tuple(problems) or tuple(agents_misfits(state, ws, still_to_join(state, ws, further)))
    told = tuple(f"the workstreams in HANDOFF.md cannot be added: {problem}" for problem in found)
    return ({} if told else further), told
