"""Paths as they may stand in a log: a link's token opens what it names."""

from __future__ import annotations

from typing import Final

__all__ = ["LINKS", "logged_path"]

LINKS: Final = "/links/"


def logged_path(path: str) -> str:
    """Return ``path`` without what is secret in it.

    >>> logged_path("/api/status"), logged_path("/links/c2VjcmV0")
    ('/api/status', '/links/…')
    """
    return f"{LINKS}…" if path.startswith(LINKS) else path
