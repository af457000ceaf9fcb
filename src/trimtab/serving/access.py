"""Who may ask for what: by the scopes of a key, and by the names that the server answers to."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from trimtab.serving.address import is_loopback
from trimtab.serving.asgi import ASKER, Asker, RefusedError, Scope
from trimtab.serving.keys import AccessKey, AccessScope

__all__ = ["Gate", "wanted_scope"]

LOOPBACK_HOSTS: Final = ("localhost", "127.0.0.1", "::1")

_MAX_KEY_BYTES: Final = 512
_UNAUTHORIZED: Final = ((b"www-authenticate", b'Bearer realm="trimtab"'),)
_OPEN: Final = frozenset({"/ping", "/v2/health/live", "/v2/health/ready"})
_READ: Final = frozenset({"GET", "HEAD"})


def wanted_scope(method: str, path: str) -> AccessScope | None:
    """Return what a key must be good for to ask this; None: no key is needed, as probes have none.

    >>> wanted_scope("POST", "/predict/heart"), wanted_scope("GET", "/ping"), wanted_scope("DELETE", "/models/heart")
    (<AccessScope.PREDICT: 'predict'>, None, <AccessScope.ADMIN: 'admin'>)
    """
    path = path.rstrip("/")
    if path in _OPEN and method in _READ:
        return None
    if path.startswith("/v1/ground-truth"):
        return AccessScope.TRUTH
    if path in {"/metrics", "/health", "/v1/stats"} or path.startswith("/v1/variants/"):
        return AccessScope.METRICS
    # SageMaker's multi-model routes: loading and unloading change what is served.
    if path == "/models" or path.startswith("/models/"):
        # A model may be called "invoke", too.
        invokes = path.endswith("/invoke") and path.count("/") > 2
        return AccessScope.PREDICT if invokes or method in _READ else AccessScope.ADMIN
    return AccessScope.PREDICT


class Gate:
    """Lets a request in, or refuses it, by its headers alone."""

    def __init__(self, keys: Iterable[AccessKey], hosts: Iterable[str] | None) -> None:
        """``hosts`` None: every name is answered to."""
        self._keys = tuple(
            (bytes.fromhex(key.sha256), frozenset(key.scopes), Asker(key.sha256[:16], AccessScope.ADMIN in key.scopes))
            for key in keys
        )
        self._hosts = None if hosts is None else frozenset(host.lower() for host in hosts)
        self._last_host: bytes | None = None

    @staticmethod
    def of(keys: Iterable[AccessKey], allowed_hosts: Iterable[str] | None, bound_to: str) -> Gate | None:
        """Return the gate of a server that listens on ``bound_to``; None where there is nothing to check."""
        keys = tuple(keys)
        if allowed_hosts is None and is_loopback(bound_to):
            allowed_hosts = {*LOOPBACK_HOSTS, bound_to}
        return Gate(keys, allowed_hosts) if keys or allowed_hosts is not None else None

    def check(self, scope: Scope) -> None:
        """Do nothing for a request that may come in, but note whose key it brought, if it needs one.

        Raises:
            RefusedError: 403 for a foreign name or a key that isn't good for this, 401 for no or an unknown key.
        """
        host = origin = bearer = key = None
        for name, value in scope["headers"]:
            if name == b"host":
                if host is not None:
                    # A proxy before this server may have judged the other one.
                    raise RefusedError(400, "Host: stands there twice, expected one; send one")
                host = value
            elif name == b"origin":
                origin = value
            elif name == b"authorization":
                bearer = value
            elif name == b"x-api-key":
                key = value
        # One caller after another says the same name: what was let in last need not be taken apart again.
        if self._hosts is not None and (host != self._last_host or origin is not None or host is None):
            self._check_names(scope, host, origin)
            self._last_host = host
        if self._keys:
            wanted = wanted_scope(scope["method"], scope["path"])
            if wanted is not None:
                scope[ASKER] = self._asker(key if key is not None else _token(bearer), wanted)

    def _check_names(self, scope: Scope, host: bytes | None, origin: bytes | None) -> None:
        if host is None and scope.get("http_version") == "1.1":
            raise RefusedError(400, "Host: missing, expected the server's name; send it")
        # A page of another site, whose name was made to point here, would else read and write as this machine's user.
        for what, value in (("Host", host), ("Origin", origin)):
            if value is not None and not self._is_known(value):
                raise RefusedError(
                    403,
                    f"{what} {value[:80].decode('latin-1')!r}: not a name of this server, expected one of: "
                    f"{', '.join(sorted(self._hosts or ()))}; start it with --allow-host NAME to allow another",
                )

    def _is_known(self, value: bytes) -> bool:
        text = value.decode("latin-1")
        if "@" in text:
            return False
        try:
            name = urlsplit(text if "//" in text else f"//{text}").hostname
        except ValueError:
            return False
        return name in (self._hosts or ())

    def _asker(self, given: bytes | None, wanted: AccessScope) -> Asker:
        if given is None:
            raise RefusedError(
                401,
                "key: none came, expected one in 'Authorization: Bearer KEY' or 'X-API-Key: KEY'; send it",
                _UNAUTHORIZED,
            )
        digest = hashlib.sha256(given[:_MAX_KEY_BYTES]).digest()
        found: tuple[frozenset[AccessScope], Asker] | None = None
        # All are compared, each in constant time: how long it takes tells nothing of which came close.
        for known, its_scopes, its_owner in self._keys:
            if hmac.compare_digest(digest, known):
                found = its_scopes, its_owner
        if found is None:
            raise RefusedError(401, "key: nobody's, expected one that the server knows; ask for one", _UNAUTHORIZED)
        scopes, asker = found
        if wanted not in scopes and not asker.is_admin:
            raise RefusedError(
                403, f"key: good for {', '.join(sorted(scopes)) or 'nothing'}, expected {wanted}; use another key"
            )
        return asker


def _token(authorization: bytes | None) -> bytes | None:
    if authorization is None or authorization[:7].lower() != b"bearer ":
        return None
    return authorization[7:].strip()
