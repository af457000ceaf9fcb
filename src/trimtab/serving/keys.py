"""API keys by scope: how they are made, and how the server keeps them."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import msgspec

from trimtab.core.errors import BackendError, ConfigError
from trimtab.files import write_atomically

__all__ = [
    "AccessKey",
    "AccessScope",
    "make_key",
    "make_keys_file",
    "own_key",
    "read_keys",
    "read_own_key",
]

_OWN: Final = "own-key.json"


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
    return text, _kept(name, text, scopes)


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


class _OwnKey(msgspec.Struct, frozen=True):
    key: str


def own_key(state: Path) -> AccessKey:
    """Return the key that the project whose server's folder is ``state`` has for itself; it is made on first use.

    Its text lies there readable by its owner only: whoever may read that folder may read all that is served, too.

    Raises:
        BackendError: the folder cannot be written.
    """
    text = read_own_key(state)
    if text is None:
        text, _ = make_key("own", ())
        try:
            write_atomically(state / _OWN, msgspec.json.encode(_OwnKey(text)), mode=0o600)
        except OSError as error:
            raise BackendError(
                f"{state}: cannot be written ({error.strerror}), expected room for a key; correct it"
            ) from error
    return _kept("this project's own", text, (AccessScope.PREDICT, AccessScope.TRUTH, AccessScope.METRICS))


def read_own_key(state: Path) -> str | None:
    """Return the key that the project whose server's folder is ``state`` has for itself; None where there is none."""
    try:
        return msgspec.json.decode((state / _OWN).read_bytes(), type=_OwnKey).key
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _kept(name: str, text: str, scopes: Iterable[AccessScope]) -> AccessKey:
    return AccessKey(name=name, sha256=hashlib.sha256(text.encode()).hexdigest(), scopes=tuple(scopes))
