"""The remote and the forge of pull requests, chosen by the user's settings, with the user's own token."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from wt_orchestrate.errors import NotFound, Refused
from wt_orchestrate.wiring.site import Site, vault

if TYPE_CHECKING:
    from collections.abc import Callable

    from wt_orchestrate.domain.plan.settings import ForgeSettings
    from wt_orchestrate.domain.state.run import RunState
    from wt_orchestrate.engine.exposure import Allowance
    from wt_orchestrate.engine.pull_requests.open import PullRequestPorts, RunRequests
    from wt_orchestrate.ports.forge import Proposal

_TEMPLATE = "pull-request.md"
_LONGEST = 1 << 16


def pull_request_ports(
    site: Site, state: RunState, settings: ForgeSettings, requests: RunRequests, *, word: Allowance, dry: bool = False
) -> PullRequestPorts:
    """What the pull requests of a run are made with. Raises NotFound without the remote; Refused if its URL has changed
    since the run started, a token would be sent unencrypted, or no forge can be asked."""
    from wt_orchestrate.adapters.forge.registry import in_the_clear, kind_of, open_forge, place_of, token_of
    from wt_orchestrate.adapters.gitrepo.remotes import GitRemote, without_credentials
    from wt_orchestrate.adapters.gitrepo.runner import Git
    from wt_orchestrate.domain.plan.settings import ForgeKind
    from wt_orchestrate.engine.pull_requests.open import PullRequestPorts

    url = _remote_url(site, state, settings.remote)
    place = place_of(url)
    kept = vault(site)
    kind = settings.kind if place is None else kind_of(place, settings)
    if kind is ForgeKind.OFF:
        raise Refused("pull requests are turned off", hint="forge: {kind: auto} in .wto/config.yaml")
    token = token_of(kind, place.host, os.environ) if place is not None else ""
    if token and place is not None and in_the_clear(place):
        raise Refused(
            f"{settings.remote} is {without_credentials(url)}: the token would be sent unencrypted",
            hint=f"git remote set-url {settings.remote} https://{place.host}/{place.path}",
        )
    by_push = kind is ForgeKind.GITLAB and not token
    if place is None and not by_push:
        raise Refused(
            f"{settings.remote} is {without_credentials(url)}, which is not on a forge",
            hint="git remote -v; or wto land",
        )
    forge = None if by_push or place is None else open_forge(place, settings, os.environ)
    return PullRequestPorts(
        forge=forge,
        remote=GitRemote(Git(kept.path), url, token=token),
        vault=kept,
        requests=requests,
        options=_push_options() if by_push else None,
        word=word,
        dry=dry,
    )


def _push_options() -> Callable[[Proposal], tuple[str, ...]]:
    from wt_orchestrate.adapters.forge.gitlab import push_options

    return push_options


def _remote_url(site: Site, state: RunState, name: str) -> str:
    """The push URL. Agents can write the repository's configuration: it must be the same as before them."""
    from wt_orchestrate.adapters.gitrepo.remotes import remotes, without_credentials

    found = remotes(site.common_dir)
    if name not in found:
        known = ", ".join(sorted(found)) or "none"
        raise NotFound(
            f"there is no remote {name!r}", hint=f"known: {known}; forge: {{remote: NAME}} in .wto/config.yaml"
        )
    now, before = without_credentials(found[name]), state.remotes.get(name)
    if before != now:
        was = f"was {before}" if before is not None else "was not there"
        raise Refused(
            f"{name} is {now} now and {was} when {state.id} started; an agent may have changed it",
            hint=f"if you changed it: push the branches by hand to {now}; the next run uses the new URL",
        )
    return found[name]


def pull_request_template(root: str) -> str:
    """The user's own `.wto/pull-request.md`, else the shipped one. A link is not followed, because its content is
    published. Raises Refused if it is not a regular file."""
    from wt_orchestrate.adapters.regular import regular_text
    from wt_orchestrate.resources import resource

    own = regular_text(root, (".wto", _TEMPLATE), limit=_LONGEST)
    if own is not None:
        return own
    with open(resource("templates", _TEMPLATE), encoding="utf-8") as file:
        return file.read()
