from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from trimtab.bundle.manifest import MANIFEST_NAME
from trimtab.bundle.writer import SIGNATURE_NAME, copy_bundle, read_manifest
from trimtab.core.errors import ArtifactUntrustedError, ConfigError
from trimtab.serving.endpoints import LoadedEndpoint
from trimtab.serving.loading import EndpointLoader
from trimtab.serving.metrics import ServingMetrics
from trimtab.serving.signatures import SignatureCheck
from trimtab.serving.spec import EndpointSpec, VariantSpec
from trimtab.testing.bundles import tiny_bundle

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()


def public_file(folder: Path, key: Ed25519PrivateKey, name: str = "public.pem") -> str:
    path = folder / name
    path.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return str(path)


def sign(bundle: Path, key: Ed25519PrivateKey) -> None:
    (bundle / SIGNATURE_NAME).write_bytes(key.sign((bundle / MANIFEST_NAME).read_bytes()))


@pytest.fixture
def load(tmp_path: Path) -> Callable[[Path], LoadedEndpoint]:
    """Loads a bundle where it is signed by the trusted key."""
    loader = EndpointLoader(ServingMetrics(), Random(1), SignatureCheck.of([public_file(tmp_path, KEY)]))

    def load(bundle: Path) -> LoadedEndpoint:
        live = VariantSpec(
            name="v",
            model="tiny",
            model_version=1,
            bundle_path=str(bundle),
            bundle_digest=read_manifest(bundle).digest,
            weight_pct=Decimal(100),
        )
        return loader.load(EndpointSpec(endpoint="heart", generation=1, variants=(live,)), None)

    return load


def test_a_bundle_that_a_trusted_key_has_signed_is_loaded_and_so_is_its_copy(
    tmp_path: Path, load: Callable[[Path], LoadedEndpoint]
) -> None:
    manifest = tiny_bundle(tmp_path / "bundle")
    sign(tmp_path / "bundle", KEY)
    assert load(tmp_path / "bundle").live[0].smoke.rows == 6
    copy_bundle(tmp_path / "bundle", tmp_path / "copy", manifest.digest)
    assert load(tmp_path / "copy").live[0].smoke.rows == 6


def unsigned(bundle: Path) -> None:
    (bundle / SIGNATURE_NAME).unlink()


def of_somebody_else(bundle: Path) -> None:
    sign(bundle, OTHER)


def longer(bundle: Path) -> None:
    (bundle / SIGNATURE_NAME).write_bytes((bundle / SIGNATURE_NAME).read_bytes() + b"\n")


def empty(bundle: Path) -> None:
    (bundle / SIGNATURE_NAME).write_bytes(b"")


def of_another_bundle(bundle: Path) -> None:
    other = bundle.parent / "other"
    tiny_bundle(other, weights=(3.0, 0.5, -0.25))
    sign(other, KEY)
    (bundle / SIGNATURE_NAME).write_bytes((other / SIGNATURE_NAME).read_bytes())


@pytest.mark.parametrize("spoil", [unsigned, of_somebody_else, longer, empty, of_another_bundle])
def test_any_other_bundle_is_refused(
    tmp_path: Path, load: Callable[[Path], LoadedEndpoint], spoil: Callable[[Path], None]
) -> None:
    bundle = tmp_path / "bundle"
    tiny_bundle(bundle)
    sign(bundle, KEY)
    spoil(bundle)
    with pytest.raises(ArtifactUntrustedError, match="sign"):
        load(bundle)


def test_a_signed_manifest_does_not_vouch_for_another_digest(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    tiny_bundle(bundle)
    sign(bundle, KEY)
    check = SignatureCheck.of([public_file(tmp_path, OTHER, "other.pem"), public_file(tmp_path, KEY)])
    assert check is not None
    check.check(bundle, read_manifest(bundle).digest)
    with pytest.raises(ArtifactUntrustedError, match="no trusted key"):
        check.check(bundle, "0" * 64)


def test_files_that_are_no_keys_are_told_at_the_start(tmp_path: Path) -> None:
    assert SignatureCheck.of([]) is None
    curve = generate_private_key(SECP256R1()).public_key()
    (tmp_path / "curve.pem").write_bytes(curve.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (tmp_path / "text.pem").write_text("a key")
    for name in ("curve.pem", "text.pem", "missing.pem"):
        with pytest.raises(ConfigError, match=name):
            SignatureCheck.of([str(tmp_path / name)])
