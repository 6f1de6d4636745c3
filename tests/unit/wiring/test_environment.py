"""What checks, which run agents' code, get of the user's environment."""

from __future__ import annotations

from wt_orchestrate.wiring.run.environment import command_environment, withheld_names

SECRETS = [
    "PGPASSWORD",
    "MYSQL_PWD",
    "DATABASE_URL",
    "GITHUB_PAT",
    "NPM_TOKEN",
    "NPM_AUTH",
    "SLACK_WEBHOOK_URL",
    "DB_PASS",
    "OPENAI_KEY",
    "SESSION_COOKIE",
    "ENCRYPTION_KEY",
    "GPG_PASSPHRASE",
    "ANTHROPIC_API_KEY",
    "VAULT_TOKEN_HOME",
    "XDG_SECRET",
    "PYTHON_KEYRING_PASSWORD",
    "SSH_AUTH_SOCK",
]
TOOLS = "PATH HOME LANG LC_ALL TZ TMPDIR XDG_CACHE_HOME PIP_CACHE_DIR CARGO_HOME npm_config_cache JAVA_HOME PYTHONPATH GOCACHE"


def test_S8_checks_get_no_secret_under_any_common_name() -> None:
    """Tools find themselves and their caches; a secret passes only where a setting names it."""
    tools = dict.fromkeys(TOOLS.split(), "x")
    given = {**tools, **dict.fromkeys(SECRETS, "leak"), "GIT_DIR": "x", "WTO_RUN": "x", "_": "x"}
    assert command_environment(given) == tools
    assert command_environment(given, passed=("NPM_TOKEN",)) == {**tools, "NPM_TOKEN": "leak"}
    assert set(withheld_names(given)) == set(SECRETS)
    assert "NPM_TOKEN" not in withheld_names(given, passed=("NPM_TOKEN",))


def test_S8_a_proxy_with_a_login_is_withheld() -> None:
    """A value that holds a user and a password is withheld, whatever its name."""
    assert command_environment({"HTTPS_PROXY": "http://proxy:3128"}) == {"HTTPS_PROXY": "http://proxy:3128"}
    assert command_environment({"https_proxy": "http://me:word@proxy:3128"}) == {}
