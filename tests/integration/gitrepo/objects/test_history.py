"""What commits say, in whatever encoding it was written."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

import pytest

from tests.integration.gitrepo.conftest import Site
from wt_orchestrate.domain.ids import CommitId

SAID = b"\nEn caf\xe9\n\nmore \xe9\n\nSigned-off-by: Andr\xe9 <a@b>\n"
FORMS = {
    "i18n.commitEncoding": (b"encoding ISO-8859-1\n", "latin-1"),
    "an encoding that is wrong about its bytes": (b"encoding UTF-8\n", "latin-1"),
    "an encoding that nobody knows": (b"encoding x-none\n", "latin-1"),
    "raw bytes": (b"", "latin-1"),
    "UTF-8": (b"", "utf-8"),
}


def _written(site: Site, parents: Sequence[str], header: bytes, encoding: str) -> str:
    """A commit on the branch `a` whose author and message have these bytes."""
    user = site.user
    lines = [f"tree {user.git('rev-parse', 'HEAD^{tree}')}".encode(), *(f"parent {each}".encode() for each in parents)]
    who = b"Andr\xe9 <a@b> 1700000000 +0000"
    lines += [b"author " + who, b"committer " + who]
    content = b"\n".join(lines) + b"\n" + header + SAID
    if encoding == "utf-8":
        content = content.decode("latin-1").encode()
    made = subprocess.run(
        ["git", "hash-object", "-t", "commit", "-w", "--stdin"],
        cwd=user.path, input=content, capture_output=True, check=True,
    )  # fmt: skip
    name = made.stdout.decode().strip()
    user.git("branch", "-f", "a", name)
    return name


@pytest.mark.parametrize(("header", "encoding"), FORMS.values(), ids=FORMS.keys())
@pytest.mark.parametrize("merges", [False, True], ids=["one line", "a merge"])
def test_D1_authors_and_messages_are_read_without_loss(site: Site, header: bytes, encoding: str, merges: bool) -> None:
    """Told by git or read from the objects, with the encoding named, named wrongly or not named: every letter is there."""
    user = site.user
    base = user.head("main")
    user.git("config", "i18n.logOutputEncoding", "ISO-8859-1")  # what the user's screen wants is nothing to us
    parents = [base]
    if merges:
        user.git("checkout", "-q", "-B", "side")
        user.commit({"side": "x"}, "side")
        parents.append(user.head("side"))
    commit = CommitId(_written(site, parents, header, encoding))
    before, head = site.vaulted("main", "a")
    told = {each.id: each for each in site.vault.commits.between(base=before, head=head)}[commit]
    assert (told.author, told.subject) == ("André", "En café")
    scanned = site.vault.commits.scan(base=before, head=head).trailers
    assert [(each.key, each.value) for each in scanned] == [("Signed-off-by", "André <a@b>")]
