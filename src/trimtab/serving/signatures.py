"""Loads only bundles that somebody trusted has signed: Ed25519 (RFC 8032) over the bytes of ``bundle.json``.

The manifest lists the hash of every other file, so that its signature covers the whole bundle.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from trimtab.bundle.manifest import MANIFEST_NAME, Manifest
from trimtab.bundle.writer import SIGNATURE_NAME
from trimtab.core.errors import ArtifactUntrustedError, ConfigError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

__all__ = ["SignatureCheck"]

_SIGNATURE_BYTES: Final = 64


class SignatureCheck:
    """Refuses what none of some public keys vouches for. `check` may run in any thread."""

    def __init__(self, keys: Sequence[Ed25519PublicKey]) -> None:
        self._keys = tuple(keys)

    @staticmethod
    def of(paths: Sequence[str]) -> SignatureCheck | None:
        """Return the check by the public keys in these files (PEM); None where there are none, and none is required.

        Raises:
            ConfigError: a file cannot be read, or holds no Ed25519 public key; or the package for it is missing.
        """
        if not paths:
            return None
        try:
            # Optional extra: only a server that requires signatures needs it.
            from cryptography.exceptions import UnsupportedAlgorithm
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
            from cryptography.hazmat.primitives.serialization import load_pem_public_key
        except ImportError:
            raise ConfigError(
                "trusted_keys: the package 'cryptography' is missing, expected it, to check signatures; "
                "pip install 'trimtab[signatures]'"
            ) from None
        keys: list[Ed25519PublicKey] = []
        for path in paths:
            try:
                key = load_pem_public_key(Path(path).read_bytes())
            except OSError as error:
                raise ConfigError(
                    f"trusted_keys: {path} cannot be read ({error.strerror}), expected a public key; correct it"
                ) from error
            except (ValueError, UnsupportedAlgorithm):
                key = None
            if not isinstance(key, Ed25519PublicKey):
                raise ConfigError(
                    f"trusted_keys: {path} holds no Ed25519 public key in PEM; make one with "
                    "'openssl pkey -in private.pem -pubout'"
                )
            keys.append(key)
        return SignatureCheck(keys)

    def check(self, folder: Path, digest: str) -> None:
        """Do nothing for a bundle that is signed by one of the keys and has this ``digest``.

        Raises:
            ArtifactUntrustedError: it isn't signed, by somebody else, or has another digest.
            OSError: it cannot be read.
        """
        from cryptography.exceptions import InvalidSignature  # optional extra

        path = folder / SIGNATURE_NAME
        try:
            with path.open("rb") as stream:
                signature = stream.read(_SIGNATURE_BYTES + 1)
        except FileNotFoundError:
            raise ArtifactUntrustedError(
                f"{folder}: is not signed, expected {SIGNATURE_NAME} by a trusted key; sign the bundle"
            ) from None
        content = (folder / MANIFEST_NAME).read_bytes()
        for key in self._keys:
            try:
                key.verify(signature, content)
            except InvalidSignature:
                continue
            # What is loaded is what has this digest: so it is what was signed, whatever the folder holds by then.
            if _digest(content) == digest:
                return
        raise ArtifactUntrustedError(
            f"{path}: no trusted key has signed this bundle, expected one of {len(self._keys)} to have; sign it, or "
            "fetch it again"
        )


def _digest(content: bytes) -> str | None:
    try:
        return msgspec.json.decode(content, type=Manifest).digest
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
