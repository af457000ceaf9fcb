"""Who may ask for what: API keys by scope, and the names that the server answers to."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec

from trimtab.core.errors import ConfigError
from trimtab.files import write_atomically
from trimtab.serving.asgi import RefusedError, Scope

__all__ = ["AccessKey", "AccessScope", "Gate", "is_loopback", "make_key", "make_keys_file", "read_keys", "wanted_scope"]

LOOPBACK_HOSTS: Final = ("localhost", "127.0.0.1", "::1")

_MAX_KEY_BYTES: Final = 512
_UNAUTHORIZED: Final = ((b"www-authenticate", b'Bearer realm="trimtab"'),)
_OPEN: Final = frozenset({"/ping", "/v2/health/live", "/v2/health/ready"})
_READ: Final = frozenset({"GET", "HEAD"})


class AccessScope(StrEnum):
    """What a key is good for. ``admin`` is good for everything."""

    PREDICT = "predict"
    TRUTH = "truth"
    METRICS = "metrics"
    ADMIN = "admin"


class AccessKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key as the server knows it: by the SHA-256 of its text, never the text."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    scopes: tuple[AccessScope, ...]


class _KeysFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keys: tuple[AccessKey, ...]


def make_key(name: str, scopes: Iterable[AccessScope]) -> tuple[str, AccessKey]:
    """Return a fresh random key: its text, which is stored nowhere, and what the server keeps of it."""
    text = f"tts_{secrets.token_urlsafe(32)}"
    return text, AccessKey(name=name, sha256=hashlib.sha256(text.encode()).hexdigest(), scopes=tuple(scopes))


def make_keys_file(path: Path) -> str:
    """Write a keys file with one fresh key that is good for everything, readable by its owner only; return its text."""
    text, key = make_key("first", (AccessScope.ADMIN,))
    write_atomically(path, msgspec.json.format(msgspec.json.encode(_KeysFile((key,)))) + b"\n", mode=0o600)
    return text


def read_keys(path: Path) -> tuple[AccessKey, ...]:
    """Return the keys in a file ``{"keys": [{"name": …, "sha256": …, "scopes": [...]}]}``.

    Raises:
        ConfigError: it cannot be read, does not fit, or holds no key, which would leave the server open.
    """
    try:
        keys = msgspec.json.decode(path.read_bytes(), type=_KeysFile).keys
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); expected a file of keys; correct it") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}; expected a file of keys; correct it") from error
    if not keys:
        raise ConfigError(f"{path}: holds no key, expected at least one; add one, or start without --keys")
    return keys


def is_loopback(host: str) -> bool:
    """Return whether an address to listen on is reached from this machine only.

    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "example.org")]
    [True, True, True, False, False]
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


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
    if path in {"/metrics", "/health", "/v1/stats"}:
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
        self._keys = tuple((bytes.fromhex(key.sha256), frozenset(key.scopes)) for key in keys)
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
        """Do nothing for a request that may come in.

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
                self._check_key(key if key is not None else _token(bearer), wanted)

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

    def _check_key(self, given: bytes | None, wanted: AccessScope) -> None:
        if given is None:
            raise RefusedError(
                401,
                "key: none came, expected one in 'Authorization: Bearer KEY' or 'X-API-Key: KEY'; send it",
                _UNAUTHORIZED,
            )
        digest = hashlib.sha256(given[:_MAX_KEY_BYTES]).digest()
        scopes: frozenset[AccessScope] | None = None
        # All are compared, each in constant time: how long it takes tells nothing of which came close.
        for known, its_scopes in self._keys:
            if hmac.compare_digest(digest, known):
                scopes = its_scopes
        if scopes is None:
            raise RefusedError(401, "key: nobody's, expected one that the server knows; ask for one", _UNAUTHORIZED)
        if wanted not in scopes and AccessScope.ADMIN not in scopes:
            raise RefusedError(
                403, f"key: good for {', '.join(sorted(scopes)) or 'nothing'}, expected {wanted}; use another key"
            )


def _token(authorization: bytes | None) -> bytes | None:
    if authorization is None or authorization[:7].lower() != b"bearer ":
        return None
    return authorization[7:].strip()
