"""Which web pages are our own, and what stops all others from using somebody's session."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi import Request

from trimtab.api.door import LOOPBACK, is_loopback, name_in
from trimtab.core.errors import ConfigError, PermissionDeniedError

__all__ = ["SAFE_METHODS", "Cookie", "Origins"]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""


@dataclass(frozen=True, slots=True)
class Cookie:
    """What a session's cookie is called, and whether browsers send it over https only."""

    name: str
    secure: bool


@dataclass(frozen=True, slots=True)
class Origins:
    """Where this control plane's own pages come from: ``public_url``, or the loopback address that was asked.

    Args:
        host: what the control plane listens on.
        public_url: how people reach it, as ``scheme://host[:port]``; None where nobody said.
    """

    host: str
    public_url: str | None = None

    @property
    def cookie(self) -> Cookie:
        """How to call the cookie.

        A page of another host name can neither set nor read one that begins with ``__Host-``; browsers take such a name
        over https only.
        """
        if self.public_url is not None and self.public_url.startswith("https:"):
            return Cookie("__Host-trimtab", secure=True)
        return Cookie("trimtab_session", secure=False)

    def require_private_way(self) -> None:
        """Do nothing if a cookie may be handed out: over https, or where it stays on this machine.

        Raises:
            ConfigError: it would go over the network for everybody to read.
        """
        reached = self.host if self.public_url is None else urlsplit(self.public_url).hostname or ""
        if not self.cookie.secure and not is_loopback(reached):
            raise ConfigError(
                f"session: {reached!r} is asked over plain http, where everybody on the way could read its cookie; put "
                "a proxy with TLS in front and set api.public_url to its https address"
            )

    def require_own_page(self, request: Request, *, origin_needed: bool) -> None:
        """Do nothing if ``request`` was not sent by a page of another origin.

        Another port of this machine is another origin, but the same site: SameSite cookies are sent with what its pages
        ask for.

        Raises:
            PermissionDeniedError: it was; or ``origin_needed`` and it does not say where it comes from.
        """
        fetched = request.headers.get("sec-fetch-site")
        # "none" is a person who typed the address; only a navigation can be that, and it changes nothing.
        typed = fetched == "none" and request.method in SAFE_METHODS
        if fetched is not None and fetched != "same-origin" and not typed:
            raise PermissionDeniedError("session: the request comes from a page of another origin; open the console")
        origin = request.headers.get("origin")
        if origin is None and not origin_needed:
            return
        if origin is None or not self._is_own(origin, request.headers.get("host", "")):
            raise PermissionDeniedError(
                f"session: Origin is {(origin or '')[:80]!r}, expected this control plane's own; open the console at "
                "its own address, or set api.public_url in trimtab.yaml"
            )

    def _is_own(self, origin: str, asked: str) -> bool:
        if origin == self.public_url:
            return True
        return name_in(asked) in LOOPBACK and origin == f"http://{asked.lower()}"
