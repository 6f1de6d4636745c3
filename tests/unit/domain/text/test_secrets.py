"""What looks like a secret is masked in every text, also where a cut would split it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wt_orchestrate.domain.text.secrets import cut_without_secrets, masked, secrets_in, without_secrets

TOKEN = "ghp_" + "aBcDeFgH" * 4 + "1234"
SECRETS = (
    TOKEN,
    "AKIA" + "ABCDEFGH" * 2,
    "https://user:pass-word@example.org",
    'password = "q9Zr7LmX2vKp8TwB"',
    "sk-ant-" + "a1b2c3d4" * 4,
)


@pytest.mark.parametrize("secret", SECRETS)
def test_a_masked_text_has_no_secret_left_and_stays_as_it_is(secret: str) -> None:
    """Masking removes each kind of secret, keeps the words around it, and does nothing the second time."""
    text = f"before\n{secret} after"
    told = without_secrets(text)
    assert told.startswith("before\n") and told.endswith(" after") and secret not in told
    assert not list(secrets_in(told.split("\n")[1])) and without_secrets(told) == told


@given(before=st.integers(0, 60))
def test_a_cut_never_leaves_a_part_of_a_secret(before: int) -> None:
    """Wherever a text is cut, a secret at that place is masked as a whole before."""
    told = cut_without_secrets("." * before + " " + TOKEN, 50)
    assert len(told) <= 50 and TOKEN[:8] not in told and told == ("." * before + " " + masked(TOKEN))[:50]


@given(text=st.text(alphabet="abc -_.:/\n'\"=", max_size=300))
def test_a_text_without_secrets_is_unchanged(text: str) -> None:
    """A text in which nothing is found is not touched."""
    assert without_secrets(text) == text
