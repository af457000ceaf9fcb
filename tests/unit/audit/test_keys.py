"""Keys are made once, for their owner's eyes alone; what cannot be one is refused in a sentence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from tests.unit.audit.forging import new_key

from trimtab.audit.key_chain import KeyChain, KeyNotice
from trimtab.audit.keys import KeyRing, PublicKey, SigningKey, public_key_of
from trimtab.core.errors import ConfigError


def _pem(key: Ed25519PrivateKey | X25519PrivateKey, password: bytes | None = None) -> bytes:
    encryption = NoEncryption() if password is None else BestAvailableEncryption(password)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def test_a_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / "keys")
    made = ring.any_or_new()
    [path] = (tmp_path / "keys").iterdir()
    assert path.name == f"{made.public.id}.pem"
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert ring.any_or_new().public == made.public
    found = ring.key(made.public.id)
    assert found is not None
    assert made.public.has_signed(b"words", found.sign(b"words"))
    assert ring.key("0" * 16) is None


def test_of_the_keys_that_are_named_the_first_signs_and_all_are_at_hand(tmp_path: Path) -> None:
    first, second = (SigningKey(Ed25519PrivateKey.generate()) for _ in range(2))
    paths = [key.write(tmp_path / "elsewhere") for key in (first, second)]
    ring = KeyRing.of(tmp_path / "keys", os.pathsep.join(map(str, paths)))
    preferred = ring.preferred()
    assert preferred is not None
    assert preferred.public == first.public
    other = ring.key(second.public.id)
    assert other is not None
    assert KeyRing.of(tmp_path, None).preferred() is None


def test_what_cannot_sign_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"

    def refused(content: bytes | None, mode: int, words: str) -> None:
        if content is not None:
            path.unlink(missing_ok=True)
            path.write_bytes(content)
            path.chmod(mode)
        with pytest.raises(ConfigError, match=words):
            SigningKey.read(path)

    refused(None, 0, "TRIMTAB_AUDIT_KEY")
    good = _pem(Ed25519PrivateKey.generate())
    refused(good, 0o644, "chmod 600")
    refused(b"nonsense", 0o600, "openssl genpkey")
    refused(_pem(X25519PrivateKey.generate()), 0o600, "openssl genpkey")
    refused(_pem(Ed25519PrivateKey.generate(), b"secret"), 0o600, "without password")
    path.write_bytes(good)
    SigningKey.read(path)


def test_a_public_key_round_trips_as_a_file_and_its_id_is_of_its_bytes() -> None:
    key = new_key().public
    assert public_key_of(key.pem, where="x") == key
    assert len(key.id) == 16
    for text in ("", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"):
        with pytest.raises(ConfigError, match=r"trusted\.pem: holds no Ed25519 public key"):
            public_key_of(text, where="trusted.pem")


def test_a_notice_that_its_own_key_has_not_signed_does_not_count() -> None:
    false = KeyNotice(1, new_key().public, None, b"\0" * 64, None)
    nonsense = KeyNotice(2, PublicKey(b"short"), None, b"", None)
    chain = KeyChain([false, nonsense])
    assert chain.notices == ()
    assert chain.current(5) is None
