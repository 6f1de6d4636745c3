"""Remotes: their URLs, and branches pushed to and fetched from one, out of the vault and in the user's environment.

The vault pushes, because its configuration is ours: agents can write the repository's, and a `core.sshCommand` or a
credential helper planted there would run with the user's rights. The user's own configuration counts (logins,
`insteadOf`), hooks do not. A credential in a remote's URL is used, and never shown or stored.
"""

from __future__ import annotations

import os
import re
from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

from wt_orchestrate.adapters.gitrepo.configuration import configuration
from wt_orchestrate.adapters.gitrepo.objects.refs import swap
from wt_orchestrate.adapters.gitrepo.runner import LONG_S, Git, execute, text, users_environment
from wt_orchestrate.domain.ids import Branch, CommitId, branch_ref
from wt_orchestrate.errors import GitFailed, Refused, WtError

_NAME = re.compile(r"remote\.(.+)\.(pushurl|url)")
_STALE = ("stale info", "[rejected]", "fetch first", "non-fast-forward", "already exists")
_SSH = "ssh -oBatchMode=yes"


def remotes(common_dir: str) -> dict[str, str]:
    """The push URL of each remote in the configuration as it is now."""
    try:
        listed = configuration(common_dir).settings()
    except GitFailed:
        return {}
    found: dict[str, str] = {}
    pushed: dict[str, str] = {}
    for each in listed:
        match = _NAME.fullmatch(each.key)
        if match is not None:
            (pushed if match[2] == "pushurl" else found).setdefault(match[1], each.value or "")
    return found | pushed


def without_credentials(url: str) -> str:
    """A URL without the name and password before its host."""
    try:
        parts = urlsplit(url) if "://" in url else None
    except ValueError:
        return url.partition("://")[0] + "://" + url.rpartition("@")[2].rpartition("://")[2]
    if parts is None or "@" not in parts.netloc or parts.scheme not in {"http", "https"}:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


class GitRemote:
    """One repository to push to. `token` is used for HTTP only, and only in git's environment."""

    def __init__(self, vault: Git, url: str, *, token: str = "") -> None:
        self._vault = vault
        self._url = url
        self._token = token

    @property
    def url(self) -> str:
        return without_credentials(self._url)

    def head(self, branch: Branch) -> CommitId | None:
        """The commit of a branch there."""
        output = self._run("ls-remote", "--end-of-options", self._url, branch_ref(branch))
        lines = (line.split("\t") for line in text(output).splitlines())
        return next((CommitId(words[0]) for words in lines if words[1:] == [branch_ref(branch)]), None)

    def push(
        self, *, commit: CommitId, branch: Branch, expected: CommitId | None, options: tuple[str, ...] = ()
    ) -> bool:
        """Push a branch, if it is still where it is expected."""
        ref = branch_ref(branch)
        told = [word for option in options for word in ("-o", option)]
        lease = f"--force-with-lease={ref}:{expected or ''}"
        try:
            self._run("push", "-q", "--no-verify", *told, lease, "--end-of-options", self._url, f"{commit}:{ref}")
        except Refused as error:
            if any(sign in str(error) for sign in _STALE):
                return self.head(branch) == commit
            raise
        return True

    def remove(self, branch: Branch, *, expected: CommitId) -> bool:
        """Delete a branch there, if it is still where it is expected."""
        ref = branch_ref(branch)
        lease = f"--force-with-lease={ref}:{expected}"
        try:
            self._run("push", "-q", "--no-verify", lease, "--end-of-options", self._url, f":{ref}")
        except Refused:
            return self.head(branch) is None
        return True

    def fetch(self, branch: Branch) -> CommitId | None:
        """Fetch a branch into the vault."""
        head = self.head(branch)
        if head is not None:
            self._bring(head, branch)
        return head

    def bring(self, commit: CommitId, *, of: Branch) -> bool:
        """Fetch a commit into the vault that was on a branch; a server that refuses is no error."""
        try:
            self._bring(commit, of)
        except Refused:
            return False
        return True

    def _bring(self, head: CommitId, branch: Branch) -> None:
        here = f"refs/wto/remote/{branch}"
        self._run("fetch", "-q", "--no-write-fetch-head", "--no-tags", "--no-auto-maintenance", "--no-recurse-submodules",
                  "--refmap=", "--end-of-options", self._url, head)  # fmt: skip
        old = self._vault.line("rev-parse", "--verify", "-q", here, ok=(0, 1)) or None
        swap(self._vault, here, new=head, old=CommitId(old) if old is not None else None)

    def _run(self, *arguments: str) -> bytes:
        env = users_environment({"GIT_DIR": self._vault.git_dir}, config=self._header())
        env["LC_ALL"] = "C"
        env.setdefault("GIT_SSH_COMMAND", os.environ.get("GIT_SSH_COMMAND", _SSH))
        try:
            return execute(arguments, env, cwd=self._vault.git_dir, timeout_s=LONG_S)[1]
        except GitFailed as error:
            said = str(error).replace(self._url, self.url)
            hint = (
                "run git push in a terminal; it asks for the missing login"
                if "Authentication" in said
                else "read git's message"
            )
            raise Refused(f"{self.url}: {said}", hint=hint) from None
        except WtError as error:
            raise WtError(f"{self.url} does not respond: {error}", hint="try again; nothing is lost") from None

    def _header(self) -> Mapping[str, str]:
        """The token for a forge over HTTP, if the URL has none; git's own helpers come after it."""
        parts = urlsplit(self._url)
        if not self._token or parts.scheme not in {"http", "https"} or "@" in parts.netloc:
            return {}
        login = b64encode(f"x-access-token:{self._token}".encode()).decode()
        return {
            f"http.{parts.scheme}://{parts.netloc}/.extraHeader": f"Authorization: Basic {login}",
            "http.followRedirects": "false",  # git would take the header along to any other host
        }
