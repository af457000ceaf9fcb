"""Addresses that a user names."""

from __future__ import annotations

from urllib.parse import urlsplit

from trimtab.core.errors import ConfigError

__all__ = ["checked_address"]


def checked_address(text: str, *, setting: str) -> str:
    """Return ``text`` if it can be an address of a server; ``setting`` is where it was named.

    Raises:
        ConfigError: it cannot.

    >>> checked_address("http://127.0.0.1:8765", setting="TRIMTAB_API_URL")
    'http://127.0.0.1:8765'
    """
    try:
        parts = urlsplit(text)
        possible = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        possible = False
    if not possible:
        # What stands before an '@' may be a password.
        found = repr(text) if "@" not in text else "credentials, or no address"
        raise ConfigError(f"{setting}: found {found}; expected an address such as http://127.0.0.1:8765; correct it")
    return text
