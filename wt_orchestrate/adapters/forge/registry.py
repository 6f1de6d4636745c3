"""All forges: which one a remote is on, how it is asked, and with which token. A new forge gets its lines here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from wt_orchestrate.adapters.forge.api import Api, RestApi
from wt_orchestrate.adapters.forge.gh import GhApi, program
from wt_orchestrate.adapters.forge.gitea import Gitea
from wt_orchestrate.adapters.forge.github import GitHub
from wt_orchestrate.adapters.forge.gitlab import GitLab
from wt_orchestrate.adapters.forge.pagure import Pagure
from wt_orchestrate.domain.plan.settings import ForgeClient, ForgeKind, ForgeSettings
from wt_orchestrate.errors import Refused
from wt_orchestrate.ports.forge import Forge

_SHORT = re.compile(r"(?:[^@/:]+@)?([A-Za-z0-9.-]+):(?!//)(.+)")
_SSH_HOSTS = {"ssh.github.com": "github.com", "altssh.gitlab.com": "gitlab.com"}
"""Hosts that serve ssh on the port of https, with the host that each stands for."""
_HERE = re.compile(r"127(\.\d+){3}|\[?::1\]?|(.+\.)?localhost")
_KNOWN = (
    (re.compile(r"(^|\.)github\.com$|^github\.|\.ghe\.com$"), ForgeKind.GITHUB),
    (re.compile(r"(^|\.)gitlab\."), ForgeKind.GITLAB),
    (re.compile(r"(^|\.)pagure\."), ForgeKind.PAGURE),
    (re.compile(r"(^|\.)(gitea|forgejo)\.|(^|\.)codeberg\.org$"), ForgeKind.GITEA),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tokens:
    """Variables with a token, in the order in which they count, and the hosts that they are for: those with a usual name, or
    the one that the variable `host` names."""

    names: tuple[str, ...]
    usual: re.Pattern[str] | None
    host: str


TOKENS: Mapping[ForgeKind, tuple[_Tokens, ...]] = {
    ForgeKind.GITHUB: (
        _Tokens(
            names=("GH_TOKEN", "GITHUB_TOKEN"),
            usual=re.compile(r"github\.com|github\.localhost|[^.]+\.ghe\.com"),
            host="",
        ),
        _Tokens(names=("GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"), usual=None, host="GH_HOST"),
    ),
    ForgeKind.GITLAB: (_Tokens(names=("GITLAB_TOKEN",), usual=re.compile(r"gitlab\.com"), host="GITLAB_HOST"),),
    ForgeKind.GITEA: (
        _Tokens(names=("GITEA_TOKEN",), usual=re.compile(r"gitea\.com"), host="GITEA_HOST"),
        _Tokens(names=("FORGEJO_TOKEN",), usual=re.compile(r"codeberg\.org"), host="FORGEJO_HOST"),
    ),
    ForgeKind.PAGURE: (_Tokens(names=("PAGURE_TOKEN",), usual=re.compile(r"(.+\.)?pagure\.io"), host="PAGURE_HOST"),),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgeRepository:
    """A repository on a host: `path` without a leading slash and without `.git`."""

    scheme: str
    host: str
    path: str


def place_of(url: str) -> ForgeRepository | None:
    """The repository of a remote; None for a folder or anything else that is not a URL of a host."""
    short = _SHORT.fullmatch(url) if "://" not in url else None
    if short is not None:
        return _place("https", short[1], short[2])
    try:
        parts = urlsplit(url)
        number = parts.port
    except ValueError:
        return None
    if parts.scheme not in {"http", "https", "ssh", "git"} or not parts.hostname:
        return None
    scheme = "http" if parts.scheme == "http" else "https"
    port = f":{number}" if number and parts.scheme in {"http", "https"} else ""
    return _place(scheme, f"{parts.hostname}{port}", parts.path)


def _place(scheme: str, host: str, path: str) -> ForgeRepository:
    return ForgeRepository(scheme=scheme, host=_SSH_HOSTS.get(host, host), path=path.strip("/").removesuffix(".git"))


def in_the_clear(place: ForgeRepository) -> bool:
    """Whether a token would be sent unencrypted to another machine."""
    host = place.host.rpartition(":")[0] if re.search(r":\d+$", place.host) else place.host
    return place.scheme == "http" and not _HERE.fullmatch(host)


def kind_of(place: ForgeRepository, settings: ForgeSettings) -> ForgeKind:
    """The kind of forge. Raises Refused if no setting says so and the host does not either."""
    if settings.kind is not ForgeKind.AUTO:
        return settings.kind
    host = place.host.partition(":")[0]
    for pattern, kind in _KNOWN:
        if pattern.search(host):
            return kind
    raise Refused(
        f"what kind of forge {place.host} is cannot be told from its name",
        hint="name it with --forge github, gitlab, gitea or pagure; for later runs in .wto/config.yaml: forge: {kind: github}",
    )


def token_of(kind: ForgeKind, host: str, environment: Mapping[str, str]) -> str:
    """The user's token for this host (with its port, if it has one); empty if there is none. A token goes to no host but its
    own: where a repository was cloned from, and what its settings call it, says nothing about that."""
    for each in TOKENS.get(kind, ()):
        if _is_for(each, host, environment):
            found = next((environment[name] for name in each.names if environment.get(name)), "")
            if found:
                return found
    return ""


def _is_for(tokens: _Tokens, host: str, environment: Mapping[str, str]) -> bool:
    name = re.sub(r":\d+$", "", host)
    if tokens.usual is not None and tokens.usual.fullmatch(name):
        return True
    named = environment.get(tokens.host, "") if tokens.host else ""
    return bool(named) and re.sub(r"^https?://", "", named).rstrip("/") in {host, name}


def open_forge(place: ForgeRepository, settings: ForgeSettings, environment: Mapping[str, str]) -> Forge:
    """The repository on its forge. Raises Refused if it cannot be asked."""
    kind = kind_of(place, settings)
    token = token_of(kind, place.host, environment)
    owner, _, repository = place.path.rpartition("/")
    if kind is ForgeKind.PAGURE:
        base = settings.api or f"{place.scheme}://{place.host}/api/0"
        rest = RestApi(
            base,
            _header("Authorization", f"token {token}" if token else "", kind, place.host),
            hint=_hint(kind, place.host),
        )
        return Pagure(rest, project=place.path, name=f"Pagure at {place.host}")
    if not owner or not repository:
        raise Refused(f"{place.host}/{place.path} names no repository", hint="git remote -v")
    match kind:
        case ForgeKind.GITHUB:
            api, by = _github_api(place, settings, token)
            return GitHub(api, owner=owner, repository=repository, name=f"GitHub at {place.host} ({by})")
        case ForgeKind.GITLAB:
            base = settings.api or f"{place.scheme}://{place.host}/api/v4"
            rest = RestApi(base, _header("PRIVATE-TOKEN", token, kind, place.host), hint=_hint(kind, place.host))
            return GitLab(rest, project=place.path, name=f"GitLab at {place.host}")
        case ForgeKind.GITEA:
            base = settings.api or f"{place.scheme}://{place.host}/api/v1"
            rest = RestApi(
                base,
                _header("Authorization", f"token {token}" if token else "", kind, place.host),
                hint=_hint(kind, place.host),
            )
            return Gitea(rest, owner=owner, repository=repository, name=f"Gitea at {place.host}")
        case _:
            raise Refused("pull requests are turned off", hint="forge: {kind: auto} in .wto/config.yaml")


def _github_api(place: ForgeRepository, settings: ForgeSettings, token: str) -> tuple[Api, str]:
    binary = program() if settings.client is not ForgeClient.REST else None
    if binary is not None and not settings.api:
        return GhApi(binary, place.host.partition(":")[0]), "gh"
    if settings.client is ForgeClient.GH:
        raise Refused("the gh client was not found", hint="install gh, or forge: {client: rest}")
    hosted = place.host == "github.com" or place.host.endswith(".ghe.com")
    usual = f"https://api.{place.host}" if hosted else f"{place.scheme}://{place.host}/api/v3"
    headers = _header("Authorization", f"Bearer {token}" if token else "", ForgeKind.GITHUB, place.host)
    versioned = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28", **headers}
    return RestApi(settings.api or usual, versioned, hint=_hint(ForgeKind.GITHUB, place.host)), "REST"


def _header(name: str, value: str, kind: ForgeKind, host: str) -> dict[str, str]:
    if not value:
        raise Refused(f"there is no token for {kind.value} at {host}", hint=_hint(kind, host))
    return {name: value}


def _hint(kind: ForgeKind, host: str) -> str:
    """How this host gets a token."""
    usual = next((each for each in TOKENS[kind] if _is_for(each, host, {})), None)
    tokens = usual or next(each for each in TOKENS[kind] if each.host)
    words = f"set {tokens.names[0]} in the environment" + (f", and {tokens.host}={host}" if usual is None else "")
    return words + (", or install gh and run gh auth login" if kind is ForgeKind.GITHUB else "")
