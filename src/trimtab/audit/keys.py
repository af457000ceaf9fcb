"""The keys that sign checkpoints: Ed25519 (RFC 8032), private ones in files that only their owner reads.

A key is known by the first 16 hex digits of the SHA-256 of its 32 public bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from trimtab.core.errors import ConfigError
from trimtab.files import sync_folder

__all__ = ["KeyRing", "PublicKey", "SigningKey", "public_key_of"]

_KEY_SUFFIX = ".pem"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """What a signature is checked with: 32 bytes."""

    raw: bytes

    @property
    def id(self) -> str:
        """How the key is called: 16 hex digits."""
        return hashlib.sha256(self.raw).hexdigest()[:16]

    @property
    def pem(self) -> str:
        """The key as a file, as OpenSSL reads it."""
        key = Ed25519PublicKey.from_public_bytes(self.raw)
        return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def has_signed(self, content: bytes, signature: bytes) -> bool:
        """Return whether ``signature`` is this key's over ``content``."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, content)
        except (InvalidSignature, ValueError):
            return False
        return True


class SigningKey:
    """A private key. It never leaves the process but into its own file."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = PublicKey(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    @staticmethod
    def read(path: Path) -> SigningKey:
        """Return the key in ``path`` (PEM, not encrypted).

        Raises:
            ConfigError: the file cannot be read, holds no such key, or may be read by others.
        """
        try:
            others = path.stat().st_mode & (stat.S_IRWXO | stat.S_IWGRP)
            content = path.read_bytes()
        except OSError as error:
            raise ConfigError(
                f"audit key {path}: cannot be read ({error.strerror}), expected an Ed25519 private key in PEM; correct "
                "TRIMTAB_AUDIT_KEY"
            ) from error
        if others:
            raise ConfigError(f"audit key {path}: others may read it, expected mode 0600; chmod 600 {path}")
        try:
            key = load_pem_private_key(content, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            raise ConfigError(
                f"audit key {path}: holds no Ed25519 private key without password; make one with "
                "'openssl genpkey -algorithm ed25519'"
            )
        return SigningKey(key)

    def sign(self, content: bytes) -> bytes:
        """Return the 64 bytes of the signature over ``content``; the same for the same content."""
        return self._key.sign(content)

    def write(self, folder: Path) -> Path:
        """Write the key into ``folder``, readable by its owner alone, and return its file."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{self.public.id}{_KEY_SUFFIX}"
        # Made 0600, and nothing else at any moment: who opens a file early can read it late.
        descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
        sync_folder(folder)
        return path


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The private keys at hand: those that the environment names, the first of which signs, or those in a folder."""

    folder: Path
    named: tuple[Path, ...] = ()

    @staticmethod
    def of(folder: Path, setting: str | None) -> KeyRing:
        """Return the ring of what ``TRIMTAB_AUDIT_KEY`` says: files, separated as in ``PATH``."""
        return KeyRing(folder, tuple(Path(part) for part in (setting or "").split(os.pathsep) if part))

    def preferred(self) -> SigningKey | None:
        """Return the key that is to sign because somebody named it, None where nobody did. Raises ConfigError."""
        return SigningKey.read(self.named[0]) if self.named else None

    def key(self, key_id: str) -> SigningKey | None:
        """Return the key of that id, None if it is not at hand. Raises ConfigError for one that cannot be used."""
        return next((key for key in map(SigningKey.read, self._files()) if key.public.id == key_id), None)

    def any_or_new(self) -> SigningKey:
        """Return a key of the folder; if there is none, one is made and kept there."""
        for path in self._kept():
            return SigningKey.read(path)
        return self.new()

    def new(self) -> SigningKey:
        """Make a key, and keep it in the folder."""
        made = SigningKey(Ed25519PrivateKey.generate())
        made.write(self.folder)
        return made

    def forget(self, key_ids: Sequence[str]) -> None:
        """Remove these keys from the folder; whoever finds an old key could still sign with it."""
        for key_id in key_ids:
            with contextlib.suppress(FileNotFoundError):
                (self.folder / f"{key_id}{_KEY_SUFFIX}").unlink()

    def _files(self) -> Sequence[Path]:
        return [*self.named, *self._kept()]

    def _kept(self) -> Sequence[Path]:
        if not self.folder.is_dir():
            return []
        return sorted(path for path in self.folder.glob(f"*{_KEY_SUFFIX}") if not path.name.startswith("."))


def public_key_of(text: str, *, where: str) -> PublicKey:
    """Return the public key that ``text`` holds in PEM; ``where`` names it in errors.

    Raises:
        ConfigError: it holds no Ed25519 public key.
    """
    try:
        key = load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"{where}: holds no Ed25519 public key in PEM; 'trimtab audit key' shows the one that signs")
    return PublicKey(key.public_bytes(Encoding.Raw, PublicFormat.Raw))
