"""The work of a run as the history that lands, with exactly the tree that was checked.

`squash`: each workstream is one commit. `rebase` and `ff`: each one's own commits, one after another; those that are in place
already stay the very commits, and where replayed ones do not end in the tree that the train made (conflicts were resolved), the
workstream is one commit. `merge`: the train's merge commits made again, where they are to be signed. What the last commit of a
workstream holds is the target merged with the train as it was after that workstream, so the last of all is what was checked;
a workstream that cannot be told apart from the next one shares its commit. Beside the line one merge commit of it and the train
is made, for the integration branch: later work of the run keeps its merge bases.

Signatures can differ from one time to the next. So a line that was made for the same landing is found again by its pin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wt_orchestrate.adapters.gitrepo.merge.pairwise import merges
from wt_orchestrate.adapters.gitrepo.objects import ancestry
from wt_orchestrate.adapters.gitrepo.objects.blobs import tree_of
from wt_orchestrate.adapters.gitrepo.objects.refs import commits_at, put
from wt_orchestrate.adapters.gitrepo.runner import EMAIL, NAME, NOTHING, Git, signing_environment, text
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.domain.plan.settings import LandingStyle
from wt_orchestrate.errors import GitFailed, InvariantBroken, Overran, Refused
from wt_orchestrate.ports.git.merges import LandingLine, LandingLineSpec, Person, Step


@dataclass(frozen=True, slots=True)
class Who:
    """A name with its address and a date, as git takes them."""

    name: str
    email: str
    date: str


def laid_out(git: Git, spec: LandingLineSpec) -> LandingLine:
    """The line and the merge beside it, kept by the ref `pin`. Raises InvariantBroken if its tree is not that of the head,
    Refused if a commit cannot be signed."""
    wanted = tree_of(git, spec.head)
    found = _pinned(git, spec)
    if found is None:
        tip = _Writer(git, spec).line(wanted)
        us = Who(NAME, EMAIL, _date(spec))
        joined = _commit(git, wanted, (tip, spec.head), _joined(spec), author=us, committer=us)
        put(git, spec.pin, joined)
        found = LandingLine(commit=tip, joined=joined)
    made = tree_of(git, found.commit)
    if made != wanted:
        raise InvariantBroken(f"the line for {spec.head} ends in the tree {made} and not in {wanted}")
    return found


def _joined(spec: LandingLineSpec) -> str:
    return f"{spec.joined}Wto-Onto: {spec.onto}\nWto-Landing: {spec.style.value}\n"


def _date(spec: LandingLineSpec) -> str:
    return f"@{int(spec.at)} +0000"


def _pinned(git: Git, spec: LandingLineSpec) -> LandingLine | None:
    """The line that was made for the very same landing before, and cut off."""
    at = commits_at(git, (spec.pin,)).get(spec.pin)
    if at is None:
        return None
    form = "--format=%P%x00%cd%x00%B"
    said = text(git.run("log", "-1", "--no-show-signature", "--date=raw", form, at)).split("\0")
    parents = said[0].split()
    same = parents[1:] == [spec.head] and f"@{said[1]}" == _date(spec) and said[2].strip() == _joined(spec).strip()
    return LandingLine(commit=CommitId(parents[0]), joined=at) if same else None


class _Writer:
    """The commits of one line, one on another."""

    def __init__(self, git: Git, spec: LandingLineSpec) -> None:
        self._git, self._spec = git, spec
        self._mine = Who(spec.person.name or NAME, spec.person.email or EMAIL, _date(spec))

    def line(self, wanted: str) -> CommitId:
        """The last commit, with the tree that is wanted if there is any step."""
        spec = self._spec
        tip, tree, waiting = spec.onto, tree_of(self._git, spec.onto), list[Step]()
        for number, step in enumerate(spec.steps):
            made = wanted if number == len(spec.steps) - 1 else self._after(step.merge)
            if made == tree and spec.style is not LandingStyle.MERGE:
                continue
            waiting.append(step)
            if made is not None:
                tip, tree, waiting = self._written(waiting, tip, made), made, []
        return tip

    def _after(self, merge: CommitId) -> str | None:
        """The tree of the train after one of its merges, on the target as it is; None where both conflict there."""
        if ancestry.is_ancestor(self._git, self._spec.onto, merge):
            return tree_of(self._git, merge)
        found = merges(self._git, [(self._spec.onto, merge)])[0]
        return found.tree if found.clean else None

    def _written(self, steps: Sequence[Step], tip: CommitId, tree: str) -> CommitId:
        """What the target gets of these workstreams: their own commits if that works, else one commit."""
        style = self._spec.style
        if style in {LandingStyle.REBASE, LandingStyle.FF} and len(steps) == 1:
            replayed = self._replayed(steps[0], tip)
            if replayed is not None and tree_of(self._git, replayed) == tree:
                return replayed
        parents, message = [tip], "\n\n".join(step.message for step in steps)
        if style is LandingStyle.MERGE:
            parents += [head for step in steps for head in self._parents(step.merge)[1:]]
            message = "\n\n".join(self._message(step.merge) for step in steps)
        return self._commit(tree, parents, message, author=self._mine)

    def _replayed(self, step: Step, tip: CommitId) -> CommitId | None:
        """The workstream's own commits, one on another from `tip`; None where one conflicts."""
        parents = self._parents(step.merge)
        if len(parents) != 2:
            return None
        beyond = (f"^{parents[0]}", f"^{self._spec.onto}")
        listed = self._git.run("rev-list", "--reverse", "--topo-order", "--no-merges", parents[1], *beyond)
        for commit in map(CommitId, text(listed).split()):
            above = self._parents(commit)
            if above == [tip] and not self._spec.person.signing:
                tip = commit
                continue
            made = self._picked(commit, above, tip)
            if made is None:
                return None
            if made != tree_of(self._git, tip):
                tip = self._commit(made, [tip], self._message(commit), author=self._author(commit))
        return tip

    def _picked(self, commit: CommitId, above: Sequence[CommitId], tip: CommitId) -> str | None:
        """The tree of what a commit changes, applied to another one: git merges two commits whose base is made for that."""
        if len(above) != 1:
            return None
        before, now, after = (tree_of(self._git, each) for each in (above[0], tip, commit))
        if before == now:
            return after
        us = Who(NAME, EMAIL, "@0 +0000")
        base = _commit(self._git, before, (), "base", author=us, committer=us)
        sides = [_commit(self._git, tree, (base,), "side", author=us, committer=us) for tree in (now, after)]
        found = merges(self._git, [(sides[0], sides[1])])[0]
        return found.tree if found.clean else None

    def _parents(self, commit: CommitId) -> list[CommitId]:
        return [CommitId(each) for each in text(self._git.run("rev-list", "--parents", "-1", commit)).split()[1:]]

    def _message(self, commit: CommitId) -> str:
        said = self._git.run("log", "-1", "--no-show-signature", "--format=%B", commit)
        return said.decode("utf-8", "surrogateescape")

    def _author(self, commit: CommitId) -> Who:
        said = self._git.run("log", "-1", "--no-show-signature", "--format=%an%x00%ae%x00%ad", "--date=raw", commit)
        name, email, date = said.decode("utf-8", "surrogateescape").rstrip("\n").split("\0")
        return Who(name, email, f"@{date}") if name.strip(" .,:;<>\"\\'") else self._mine

    def _commit(self, tree: str, parents: Sequence[CommitId], message: str, *, author: Who) -> CommitId:
        return _commit(self._git, tree, parents, message, author=author, committer=self._mine, signer=self._spec.person)


_NOBODY = Person()


def _commit(
    git: Git,
    tree: str,
    parents: Sequence[CommitId],
    message: str,
    *,
    author: Who,
    committer: Who,
    signer: Person = _NOBODY,
) -> CommitId:
    env = {
        **(signing_environment(signer.signing) if signer.signing else NOTHING),
        "GIT_AUTHOR_NAME": author.name,
        "GIT_AUTHOR_EMAIL": author.email,
        "GIT_AUTHOR_DATE": author.date,
        "GIT_COMMITTER_NAME": committer.name,
        "GIT_COMMITTER_EMAIL": committer.email,
        "GIT_COMMITTER_DATE": committer.date,
    }
    named = [word for parent in parents for word in ("-p", parent)]
    signed = ["-S"] if signer.signing else []
    words = ("commit-tree", tree, *named, *signed, "-F", "-")
    try:
        made = git.run(*words, stdin=message.encode("utf-8", "surrogateescape"), env=env)
    except (GitFailed, Overran) as error:
        if not signed:
            raise
        said = error.stderr.strip() if isinstance(error, GitFailed) else error.message
        raise Refused(
            f"the commits that land cannot be signed as you: {' '.join(said.split())[:300] or 'git does not say why'}",
            hint="make your signing key usable here (unlock it, ssh-add)",
        ) from error
    return CommitId(made.decode().strip())
