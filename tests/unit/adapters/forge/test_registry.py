"""Which forge a remote is on, on what a pull request is stacked, and what an answer may and may not do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wt_orchestrate.adapters.forge.api import RestApi
from wt_orchestrate.adapters.forge.github import GitHub
from wt_orchestrate.adapters.forge.gitlab import push_options
from wt_orchestrate.adapters.forge.registry import (
    ForgeRepository,
    in_the_clear,
    kind_of,
    open_forge,
    place_of,
    token_of,
)
from wt_orchestrate.adapters.gitrepo.remotes import without_credentials
from wt_orchestrate.domain.events.pull_requests import stacked_on
from wt_orchestrate.domain.ids import Branch, CommitId
from wt_orchestrate.domain.plan.settings import ForgeClient, ForgeKind, ForgeSettings
from wt_orchestrate.domain.review.pr_feedback import heard_check, heard_comment
from wt_orchestrate.domain.state.comments import TEXT_LIMIT
from wt_orchestrate.domain.text.clean import clean
from wt_orchestrate.errors import Refused, WtError
from wt_orchestrate.ports.forge import Proposal

PLACES = {
    "https://github.com/o/r.git": ForgeRepository(scheme="https", host="github.com", path="o/r"),
    "https://user:secret@gitlab.example.org:8443/group/sub/r": ForgeRepository(
        scheme="https", host="gitlab.example.org:8443", path="group/sub/r"
    ),
    "git@github.com:o/r.git": ForgeRepository(scheme="https", host="github.com", path="o/r"),
    "ssh://git@codeberg.org:22/o/r.git": ForgeRepository(scheme="https", host="codeberg.org", path="o/r"),
    "http://127.0.0.1:3000/o/r.git": ForgeRepository(scheme="http", host="127.0.0.1:3000", path="o/r"),
    "/srv/git/r.git": None,
    "../r.git": None,
    "file:///srv/git/r.git": None,
    "ssh://git@ssh.github.com:443/o/r.git": ForgeRepository(scheme="https", host="github.com", path="o/r"),
    "git@altssh.gitlab.com:o/r.git": ForgeRepository(scheme="https", host="gitlab.com", path="o/r"),
    "http://[broken/o/r.git": None,
    "https://example.org:99999/o/r.git": None,
}


@pytest.mark.parametrize("url", sorted(PLACES))
def test_a_remote_says_where_it_is(url: str) -> None:
    """URLs as people have them, with logins and ports; a folder is on no forge."""
    assert place_of(url) == PLACES[url]


def test_a_host_tells_what_it_is_or_the_settings_do() -> None:
    """Well-known names are enough; any other needs a word, and is refused without one."""
    kinds = {
        "https://github.com/o/r": ForgeKind.GITHUB,
        "https://github.example.org/o/r": ForgeKind.GITHUB,
        "https://gitlab.com/o/r": ForgeKind.GITLAB,
        "https://codeberg.org/o/r": ForgeKind.GITEA,
        "https://forgejo.example.org/o/r": ForgeKind.GITEA,
    }
    for url, kind in kinds.items():
        place = place_of(url)
        assert place is not None and kind_of(place, ForgeSettings()) is kind
    odd = place_of("https://code.example.org/o/r")
    assert odd is not None and kind_of(odd, ForgeSettings(kind=ForgeKind.GITEA)) is ForgeKind.GITEA
    with pytest.raises(Refused, match="cannot be told from its name"):
        kind_of(odd, ForgeSettings())
    trap = place_of("https://github.com.evil.example/o/r")
    assert trap is not None
    with pytest.raises(Refused, match="cannot be told"):
        kind_of(ForgeRepository(scheme="https", host="evil.example", path="o/r"), ForgeSettings())


def test_a_token_is_that_of_its_forge_and_needed() -> None:
    """A token for one kind is given to no other; without any nothing is asked."""
    environment = {"GITLAB_TOKEN": "lab", "GH_TOKEN": "hub"}
    assert token_of(ForgeKind.GITLAB, "gitlab.com", environment) == "lab"
    assert token_of(ForgeKind.GITEA, "gitea.com", environment) == ""
    place = ForgeRepository(scheme="https", host="gitea.example.org", path="o/r")
    with pytest.raises(Refused, match="there is no token for gitea"):
        open_forge(place, ForgeSettings(), environment)
    hub = ForgeRepository(scheme="https", host="github.com", path="o/r")
    assert open_forge(hub, ForgeSettings(client=ForgeClient.REST), environment).name == "GitHub at github.com (REST)"


@pytest.mark.parametrize(
    ("kind", "host", "token"),
    [
        (ForgeKind.GITHUB, "github.com", "hub"),
        (ForgeKind.GITHUB, "acme.ghe.com", "hub"),
        (ForgeKind.GITHUB, "github.evil.example", ""),
        (ForgeKind.GITHUB, "github.com.evil.example", ""),
        (ForgeKind.GITHUB, "evilgithub.com", ""),
        (ForgeKind.GITHUB, "ghe.corp.example", "enterprise"),
        (ForgeKind.GITHUB, "ghe.corp.example:8443", "enterprise"),
        (ForgeKind.GITLAB, "gitlab.com", ""),
        (ForgeKind.GITLAB, "gitlab.evil.example", ""),
        (ForgeKind.GITEA, "codeberg.org", "forgejo"),
        (ForgeKind.GITEA, "gitea.evil.example", ""),
        (ForgeKind.GITEA, "127.0.0.1:3000", ""),
        (ForgeKind.PAGURE, "src.pagure.io", "pagure"),
        (ForgeKind.PAGURE, "pagure.evil.example", ""),
    ],
)
def test_S12_a_token_goes_to_the_host_it_belongs_to(kind: ForgeKind, host: str, token: str) -> None:
    """Whatever a clone's remote is called and its settings say: a usual host of the token, or the host that the user's own
    environment names."""
    environment = {
        "GH_TOKEN": "hub",
        "GH_ENTERPRISE_TOKEN": "enterprise",
        "GH_HOST": "ghe.corp.example",
        "FORGEJO_TOKEN": "forgejo",
        "PAGURE_TOKEN": "pagure",
        "GITLAB_HOST": "https://git.corp.example/",
    }
    assert token_of(kind, host, environment) == token
    assert token_of(ForgeKind.GITLAB, "git.corp.example", environment | {"GITLAB_TOKEN": "lab"}) == "lab"


def test_credentials_of_a_url_are_not_told() -> None:
    """Names and passwords in front of a host go; a login of ssh is no secret."""
    assert without_credentials("https://me:token@example.org/o/r") == "https://example.org/o/r"
    assert without_credentials("git@example.org:o/r") == "git@example.org:o/r"
    assert without_credentials("ssh://git@example.org/o/r") == "ssh://git@example.org/o/r"
    assert without_credentials("https://me:token@[broken/o/r") == "https://[broken/o/r"


@pytest.mark.parametrize(
    ("url", "clear"),
    [
        ("https://git.example.org/o/r", False),
        ("git@git.example.org:o/r", False),
        ("http://git.example.org/o/r", True),
        ("http://127.0.0.1:3000/o/r", False),
        ("http://github.localhost:80/o/r", False),
        ("http://localhost.example.org/o/r", True),
        ("http://127.0.0.1.example.org:80/o/r", True),
    ],
)
def test_S11_a_token_goes_nowhere_in_the_clear(url: str, clear: bool) -> None:
    """Plain http is for this machine alone; a name that only looks like it is not."""
    place = place_of(url)
    assert place is not None and in_the_clear(place) is clear


def test_GitHub_is_asked_where_it_answers() -> None:
    """The public one, one with a tenant's name, and an enterprise's own: each at its own place."""
    environment = {"GH_TOKEN": "x", "GH_ENTERPRISE_TOKEN": "x", "GH_HOST": "github.example.org"}
    bases = {
        "https://github.com/o/r": "https://api.github.com",
        "https://acme.ghe.com/o/r": "https://api.acme.ghe.com",
        "https://github.example.org/o/r": "https://github.example.org/api/v3",
    }
    for url, base in bases.items():
        place = place_of(url)
        assert place is not None
        forge = open_forge(place, ForgeSettings(client=ForgeClient.REST), environment)
        assert isinstance(forge, GitHub) and isinstance(forge.api, RestApi) and forge.api.base == base


@settings(max_examples=200, deadline=None)
@given(st.text(min_size=1, max_size=4_000), st.text(max_size=200), st.text(max_size=4_000))
def test_S7_every_remark_is_short_enough_quoted_and_harmless(said: str, name: str, path: str) -> None:
    """Whatever a forge says: it fits into a comment, each line is quoted, and nothing of it acts on a terminal."""
    commit = CommitId("a" * 40)
    comment = heard_comment(origin="#1 talk 1", author=name, trusted=True, text=said, path=path, line=1, commit=commit)
    check = heard_check(origin="#1 check 1", name=name, url=name, summary=said, head=commit)
    for text in (comment.remark.text, check.remark.text):
        assert len(text) <= TEXT_LIMIT and clean(text) == text
        assert all(line.startswith("> ") for line in text.split("\n")[1:])
    assert "\n" not in comment.remark.path + comment.author


def test_a_remark_of_line_ends_alone_fits() -> None:
    """Each line end becomes a quotation's sign, each odd sign ten characters: that is counted, too."""
    for text in ("\n" * 3_000, "\U000e0001" * 3_000, "x\n" * 2_000):
        heard = heard_comment(origin="o", author="a", trusted=True, text=text, path="", line=0, commit=None)
        assert len(heard.remark.text) <= TEXT_LIMIT
        assert heard.remark.text.endswith("\n> (cut)")


STACKS: dict[str, tuple[dict[str, set[str]], list[str], str, str | None]] = {
    "alone": ({"a": set(), "b": set()}, ["a"], "b", ""),
    "on one": ({"a": set(), "b": {"a"}}, ["a"], "b", "a"),
    "on the last of a chain": ({"a": set(), "b": {"a"}, "c": {"a", "b"}}, ["a", "b"], "c", "b"),
    "on several that hold not one another": ({"a": set(), "b": set(), "c": {"a", "b"}}, ["a", "b"], "c", None),
    "on one that has none": ({"a": set(), "b": {"a"}}, [], "b", None),
}


@pytest.mark.parametrize("case", sorted(STACKS))
def test_what_a_pull_request_is_stacked_on(case: str) -> None:
    """On the one that holds all the others it holds, if that has a pull request; else a branch of its own marks its beginning."""
    holds, opened, name, wanted = STACKS[case]
    assert stacked_on(name, {key: frozenset(held) for key, held in holds.items()}, opened) == wanted


def test_push_options_are_single_lines() -> None:
    """A title with line ends is no two options."""
    proposal = Proposal(branch=Branch("b"), base=Branch("main"), title="one\ntwo", body="", draft=True, labels=("x",))
    assert push_options(proposal) == (
        "merge_request.create",
        "merge_request.target=main",
        "merge_request.title=one two",
        "merge_request.draft",
        "merge_request.label=x",
    )


class _Odd(BaseHTTPRequestHandler):
    """Answers that a forge should not give."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        pass

    def do_GET(self) -> None:
        code, content = {
            "/away": (302, b""),
            "/html": (200, b"<html>"),
            "/none": (404, b'{"message": "Not \\u001b[31mFound"}'),
            "/busy": (503, b"gateway"),
            "/often": (403, b'{"message": "API rate limit exceeded"}'),
        }[self.path]
        self.send_response(code)
        if code == 302:
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        if self.path == "/often":
            self.send_header("X-RateLimit-Remaining", "0")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def odd() -> Iterator[RestApi]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Odd)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield RestApi(f"http://127.0.0.1:{server.server_address[1]}", {"Authorization": "Bearer s3cret"}, hint="set TOKEN")
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("path", "kind", "words"),
    [
        ("away", Refused, "the forge redirects elsewhere (302) GET away"),
        ("html", WtError, "did not answer with JSON"),
        ("none", Refused, "the forge did not find it (404) GET none: Not"),
        ("busy", WtError, "the forge is not available (503) GET busy"),
        ("often", WtError, "the forge is not available (429) GET often: API rate limit exceeded"),
    ],
)
def test_S11_an_odd_answer_is_an_error_that_leads_nowhere(
    odd: RestApi, path: str, kind: type[WtError], words: str
) -> None:
    """No redirect is followed, nothing that is no JSON is taken for an answer, and no error holds the token."""
    with pytest.raises(kind) as caught:
        odd.call("GET", path)
    assert words in str(caught.value) and "s3cret" not in f"{caught.value} {caught.value.hint}"


def test_a_forge_that_is_not_there_is_told() -> None:
    """Nobody listens: it says so, and that nothing is lost."""
    with pytest.raises(WtError, match="cannot be reached"):
        RestApi("http://127.0.0.1:9", {}, hint="").call("GET", "repos/o/r")
