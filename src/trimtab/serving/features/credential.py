"""What a feature source is shown to let the server in: named by the spec, kept in the environment, told nowhere."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from trimtab.core.errors import ConfigError

__all__ = ["KEY_PREFIX", "credential_header", "refuse_secrets_in"]

KEY_PREFIX: Final = "TRIMTAB_FEATURES_"
"""How the variable's name begins: whoever writes a spec could else send any secret of this process to any place."""

_NAME: Final = re.compile(rf"{KEY_PREFIX}[A-Z0-9_]{{1,100}}")
_HEADER: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_OWN_HEADERS: Final = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "accept", "user-agent", "expect"}
)
_VALUE: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,8190}[\x21-\x7e])?")
_SECRET: Final = re.compile(
    r"token|secret|passw|pwd|api.?key|access.?key|credential|signature|jwt|bearer|(^|[^a-z])(key|auth|authorization|sig)($|[^a-z])",
    re.IGNORECASE,
)


def credential_header(variable: str | None, header: str, environment: Mapping[str, str] | None = None) -> str:
    r"""Return the line of a request that shows the key in ``variable``; none, and empty, where no variable is named.

    As ``authorization`` it goes as a bearer token, in any other header as it is.

    Raises:
        ConfigError: the variable is not set, may not be named or holds what no header can; or the header is the
            server's own.

    >>> credential_header("TRIMTAB_FEATURES_KEY", "x-api-key", {"TRIMTAB_FEATURES_KEY": "k"})
    'x-api-key: k\r\n'
    """
    if variable is None:
        return ""
    if not _NAME.fullmatch(variable):
        # What stands there may be the key itself: it is not repeated.
        raise ConfigError(
            f"features.key_env: {len(variable)} characters that are no name of a variable {KEY_PREFIX}…, in capitals; "
            "put the key into such a variable of the server's environment, and its name here"
        )
    if not _HEADER.fullmatch(header) or header.lower() in _OWN_HEADERS:
        raise ConfigError(
            f"features.key_header {header[:64]!r}: expected the name of a header that is free for a key, such as "
            "authorization or x-api-key; correct it"
        )
    value = (os.environ if environment is None else environment).get(variable)
    if not value:
        raise ConfigError(
            f"features.key_env: {variable} is not set in the server's environment, expected the source's key; "
            "export it, and start the server again"
        )
    if not _VALUE.fullmatch(value):
        raise ConfigError(
            f"features.key_env: {variable} holds what no header can, expected printable ASCII in one line without "
            "blanks around it; correct it"
        )
    return f"{header}: {'Bearer ' if header.lower() == 'authorization' else ''}{value}\r\n"


def refuse_secrets_in(shown: str, query: str) -> None:
    """Make sure that a URL's query holds no key, as far as its names tell; ``shown``: the URL without its query.

    Raises:
        ConfigError: it holds one: specs are stored, and shown to people.
    """
    for name, _ in parse_qsl(query, keep_blank_values=True):
        if _SECRET.search(name):
            raise ConfigError(
                f"features.source {shown[:200]!r}: its query holds {name[:40]!r}, which looks like a key, expected "
                f"none in a spec; put it into a variable {KEY_PREFIX}… of the server's environment and name that in "
                "features.key_env (features.key_header says how it is sent)"
            )
