"""Make and update pull requests. Whatever was half done is found and finished the next time: the forge is asked by
branch what exists, and a push says where it expects the branch to be.

Results are sent to the run as requests, like everything from outside; only requests change its state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from msgspec import Struct, field

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.events.pull_requests import PullRequest, PullState, base_branch, stacked_on
from wt_orchestrate.domain.ids import Branch, CommitId, RunId, WorkstreamId
from wt_orchestrate.domain.plan.model import Kind
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.state.lifecycle import DONE, Stage
from wt_orchestrate.domain.state.run import RunState, followers
from wt_orchestrate.domain.state.workstream import WorkstreamState, accepted, integrated_order, newest_of
from wt_orchestrate.engine.exposure import Allowance, missing_word
from wt_orchestrate.errors import Refused
from wt_orchestrate.ports.forge import Forge, ForgePullRequest, Proposal, Remote
from wt_orchestrate.ports.git.vault import Vault


class RunRequests(Protocol):
    """How results are sent to a run."""

    def put(self, state: RunState, request: e.Request) -> None:
        """Put one request. Raises Refused if it is not possible now."""
        ...

    def waiting(self, run: RunId) -> Sequence[e.Request]:
        """What the run was asked and nobody has taken yet."""
        ...


class PullRequestPorts(Struct, frozen=True, kw_only=True):
    """What pull requests are made with."""

    forge: Forge | None
    """None if the forge is only told by push options."""
    remote: Remote
    vault: Vault
    requests: RunRequests
    options: Callable[[Proposal], tuple[str, ...]] | None
    word: Allowance
    """What a person allowed to be pushed."""
    dry: bool = False
    """Only look: nothing is pushed, made, changed or sent; the result says what would be done."""
    held: dict[CommitId, frozenset[CommitId]] = field(default_factory=dict)
    """Answers of git so far: heads of others by the head that contains them."""


class Wording(Struct, frozen=True, kw_only=True):
    """The texts of one pull request; the body may say what it is stacked on."""

    title: str
    body: Callable[[str], str]


class Done(Struct, frozen=True, kw_only=True):
    """What was done for one workstream, for people."""

    workstream: WorkstreamId
    words: str
    pull_request: PullRequest | None = None
    warning: bool = False
    landed: bool = False


def tell(ports: PullRequestPorts, state: RunState, request: e.Request) -> None:
    """Send the run what was found out."""
    if not ports.dry:
        ports.requests.put(state, request)


# ---------------------------------------------------------------- whose, from where, onto what


def candidates(state: RunState) -> tuple[WorkstreamState, ...]:
    """Workstreams that may have a pull request, in the order of integration, then of the plan."""
    able = [
        ws
        for ws in state.workstreams.values()
        if ws.spec.kind is Kind.CHANGE and not ws.spec.serves and not ws.spec.continues and newest_of(ws) is not None
    ]
    return tuple(sorted(able, key=lambda ws: integrated_order(ws) or 1 << 60))


def head_of(state: RunState, ws: WorkstreamState) -> CommitId:
    """The head of its pull request: its accepted work, with that of integrated workstreams that continue it."""
    head = newest_of(ws)
    for after in followers(state, ws.id):
        if after.stage in DONE and accepted(after) is not None:
            head = accepted(after)
    assert head is not None
    return head


class _Onto(Struct, frozen=True, kw_only=True):
    """The branch it goes into; `marks`: the commit of a branch of its own. `on`: the workstream that it is stacked on."""

    branch: Branch
    marks: CommitId | None = None
    on: WorkstreamState | None = None


def _held(ports: PullRequestPorts, state: RunState, head: CommitId) -> frozenset[CommitId]:
    """Which heads of others a head contains; git is asked once for each."""
    if head not in ports.held:
        others = [other for each in candidates(state) if (other := newest_of(each))]
        ports.held[head] = ports.vault.commits.holds(head, beyond=state.base, others=others)
    return ports.held[head]


def onto_of(ports: PullRequestPorts, state: RunState, ws: WorkstreamState, opened: Sequence[str]) -> _Onto:
    heads = {
        each.id: head for each in candidates(state) if each.stage is not Stage.LANDED and (head := newest_of(each))
    }
    holds = {
        str(name): frozenset(
            str(other) for other, theirs in heads.items() if theirs != head and theirs in _held(ports, state, head)
        )
        for name, head in heads.items()
    }
    on = stacked_on(ws.id, holds, opened)
    if on == "":
        return _Onto(branch=state.target)
    if on is not None:
        below = state.workstreams[WorkstreamId(on)]
        assert below.branch is not None
        return _Onto(branch=below.branch, on=below)
    assert ws.branch is not None and ws.base is not None
    return _Onto(branch=base_branch(ws.branch), marks=ws.base)


# ---------------------------------------------------------------- opening


def open_pull_requests(
    ports: PullRequestPorts,
    state: RunState,
    names: Sequence[WorkstreamId],
    *,
    wording: Mapping[WorkstreamId, Wording],
    draft: bool,
    labels: tuple[str, ...],
) -> Iterator[Done]:
    """Push the branches and make their pull requests, or update existing ones."""
    wanted = set(names)
    opened = {str(ws.id) for ws in candidates(state) if ws.pull_request is not None and ws.pull_request.number}
    for ws in candidates(state):
        if ws.id not in wanted:
            continue
        withheld = withheld_words(ports.vault, state, ws, ports.word)
        if withheld:
            wanted.discard(ws.id)
            yield Done(workstream=ws.id, words=withheld, pull_request=ws.pull_request, warning=True)
            continue
        onto = onto_of(ports, state, ws, sorted(opened | wanted))
        done = proposed(ports, state, ws, onto, wording[ws.id], draft=draft, labels=labels)
        opened.add(ws.id)
        assert done.pull_request is not None
        note = e.PullRequestNoted(workstream=ws.id, pull_request=done.pull_request)
        if ws.pull_request != done.pull_request:
            tell(ports, state, note)
            state = with_workstream(state, replace(ws, pull_request=done.pull_request))
        yield done


def withheld_words(vault: Vault, state: RunState, ws: WorkstreamState, word: Allowance) -> str:
    """Why its work is not pushed without a person's approval; empty if it may be. What was pushed before was allowed."""
    head, known = head_of(state, ws), ws.pull_request
    base = known.head if known is not None and vault.commits.is_ancestor(known.head, head) else state.base
    missing = missing_word(vault, state, base=base, head=head, word=word, verb="be pushed")
    if missing is None:
        return ""
    return f"not pushed: {missing.reason}; to push it, run wto pr open {ws.id} {missing.options}"


def with_workstream(state: RunState, ws: WorkstreamState) -> RunState:
    return replace(state, workstreams={**state.workstreams, ws.id: ws})


def proposed(
    ports: PullRequestPorts,
    state: RunState,
    ws: WorkstreamState,
    onto: _Onto,
    wording: Wording,
    *,
    draft: bool,
    labels: tuple[str, ...],
) -> Done:
    assert ws.branch is not None
    head, known = head_of(state, ws), ws.pull_request
    if onto.marks is not None:
        _push(ports, onto.marks, onto.branch, None)
    wanted = Proposal(
        branch=ws.branch,
        base=onto.branch,
        title=wording.title,
        body=wording.body(_stack_words(onto)),
        draft=draft,
        labels=labels,
    )
    if ports.forge is None:
        options = ports.options(wanted) if ports.options is not None and known is None else ()
        pushed = _push(ports, head, ws.branch, known.head if known is not None else None, options)
        made = PullRequest(number=0, url="", branch=ws.branch, base=onto.branch, head=head, draft=draft)
        return Done(workstream=ws.id, words=f"{pushed}; the forge creates the merge request from it", pull_request=made)
    pushed = _push(ports, head, ws.branch, known.head if known is not None else None)
    there = ports.forge.find(ws.branch)
    if there is None or there.state is PullState.CLOSED:
        found, how = (_not_made(wanted) if ports.dry else ports.forge.create(wanted)), "opened"
    elif there.state is PullState.MERGED:
        found, how = there, "is already merged; run wto pr sync to record it"
    else:
        changed = replace(there, base=wanted.base) if ports.dry else ports.forge.update(there.number, wanted)
        found, how = changed, "brought up to date"
    words = f"#{found.number} {how}, {pushed}, into {found.base}"
    return Done(workstream=ws.id, words=words, pull_request=noted_as(found, ws.branch, head))


def _not_made(wanted: Proposal) -> ForgePullRequest:
    return ForgePullRequest(number=0, url="", base=wanted.base, state=PullState.OPEN, draft=wanted.draft)


def noted_as(found: ForgePullRequest, branch: Branch, head: CommitId) -> PullRequest:
    return PullRequest(
        number=found.number,
        url=found.url,
        branch=branch,
        base=found.base,
        head=head,
        draft=found.draft,
        state=found.state,
    )


def _stack_words(onto: _Onto) -> str:
    if onto.on is not None:
        number = onto.on.pull_request.number if onto.on.pull_request is not None else 0
        return f"It builds on {f'#{number}' if number else onto.on.id}, which comes first."
    return "It builds on several others of this run, which come first." if onto.marks is not None else ""


def _push(
    ports: PullRequestPorts, commit: CommitId, branch: Branch, expected: CommitId | None, options: tuple[str, ...] = ()
) -> str:
    """Push a branch to where it should be; what was done, in words. Raises Refused if somebody else moved it."""
    there = ports.remote.head(branch)
    if there == commit:
        return f"{branch} exists already"
    if there is not None and there != expected and not _ours(ports, there, commit):
        raise Refused(
            f"{branch} is at {there[:10]} on {ports.remote.url}, but we did not push it there",
            hint=f"inspect it first: git fetch {ports.remote.url} {branch}; delete it there if it is not needed",
        )
    if not ports.dry and not ports.remote.push(commit=commit, branch=branch, expected=there, options=options):
        raise Refused(f"{branch} was just moved on {ports.remote.url} by someone else", hint="try again")
    return f"{branch} pushed at {commit[:10]}"


def _ours(ports: PullRequestPorts, there: CommitId, commit: CommitId) -> bool:
    """Whether we pushed it and the record of that is gone: an earlier state of the same work."""
    return ports.vault.objects.contains(there) and ports.vault.commits.is_ancestor(there, commit)
