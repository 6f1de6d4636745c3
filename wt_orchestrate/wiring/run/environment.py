"""The environment of setup commands and checks: they run code that agents wrote, so they get only what is on a list.

On the list is what tools need to be found and to find their caches, the locale, and what `pass_env` names. A value that
holds a login (`https://user:password@host`) and a name that looks like a secret never pass by the list alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_NAMES = frozenset(
    [
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "PWD",
        "HOSTNAME",
        "TERM",
        "COLUMNS",
        "LINES",
        "TZ",
        "LANG",
        "LANGUAGE",
        "TMPDIR",
        "TEMP",
        "TMP",
        "CI",
        "NO_COLOR",
        "FORCE_COLOR",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "ALL_PROXY",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "SOURCE_DATE_EPOCH",
        "MAKEFLAGS",
        "CC",
        "CXX",
        "CPP",
        "CFLAGS",
        "CXXFLAGS",
        "CPPFLAGS",
        "LDFLAGS",
        "CPATH",
        "LIBRARY_PATH",
        "LD_LIBRARY_PATH",
        "DYLD_LIBRARY_PATH",
        "PKG_CONFIG_PATH",
        "CMAKE_PREFIX_PATH",
        "SDKROOT",
        "DEVELOPER_DIR",
        "VIRTUAL_ENV",
        "CONDA_PREFIX",
        "CONDA_EXE",
        "NODE_PATH",
        "NODE_OPTIONS",
        "NODE_ENV",
        "NVM_DIR",
        "NVM_BIN",
        "BUN_INSTALL",
        "DENO_DIR",
        "GOPATH",
        "GOROOT",
        "GOBIN",
        "GOCACHE",
        "GOMODCACHE",
        "GOFLAGS",
        "GOTOOLCHAIN",
        "CGO_ENABLED",
        "RUSTFLAGS",
        "RUSTC_WRAPPER",
        "RUSTUP_TOOLCHAIN",
        "CCACHE_DIR",
        "SCCACHE_DIR",
        "GEM_PATH",
        "BUNDLE_PATH",
        "RBENV_ROOT",
        "PYENV_ROOT",
        "PYENV_VERSION",
        "ASDF_DIR",
        "ASDF_DATA_DIR",
        "SDKMAN_DIR",
        "MISE_DATA_DIR",
    ]
)
_FORMS = re.compile(
    r"(LC|XDG|PYTHON|NIX)_?[A-Z_]*|[A-Z_]+_(HOME|CACHE|CACHE_DIR|CACHE_PATH|CACHE_FOLDER)", re.IGNORECASE
)
SECRET = re.compile(
    r"(^|_)(TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|PASS|PAT|CREDENTIALS?|COOKIE|KEY)(_|$)|_(PWD|AUTH)$|PASSWORD$|^ANTHROPIC_"
)
"""Names of variables that look like secrets."""
_LOGIN = re.compile(r"://[^/@\s]*@")
_OURS = ("GIT_", "CLAUDE", "WTO_")
_SHELLS = frozenset({"_", "SHLVL", "OLDPWD"})


def command_environment(environment: Mapping[str, str], *, passed: tuple[str, ...] = ()) -> Mapping[str, str]:
    """What setup commands and checks get; `passed`: names that a setting lets through."""
    return {name: value for name, value in environment.items() if name in passed or _on_the_list(name, value)}


def withheld_names(environment: Mapping[str, str], *, passed: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The user's variables that they do not get, for people: those that look like secrets first."""
    kept = command_environment(environment, passed=passed)
    names = {name for name in environment if name not in kept and name not in _SHELLS and not name.startswith(_OURS)}
    return tuple(sorted(names, key=lambda name: (not SECRET.search(name), name)))


def _on_the_list(name: str, value: str) -> bool:
    if name.upper() in _NAMES or _FORMS.fullmatch(name):
        secret = name.upper() not in _NAMES and SECRET.search(name)
        return not (secret or _LOGIN.search(value) or name.startswith(_OURS))
    return False
