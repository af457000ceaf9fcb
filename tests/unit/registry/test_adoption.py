"""A job's bundle is adopted whole, verified, once."""

from pathlib import Path

import pyarrow as pa
import pytest

from trimtab.bundle.manifest import Lineage, Manifest, Parity
from trimtab.bundle.writer import read_manifest, write_bundle
from trimtab.core.enums import Task
from trimtab.core.errors import ArtifactUntrustedError, NotFoundError
from trimtab.registry.adoption import adopt_bundle


def _reference(folder: Path) -> None:
    (folder / "blocks").write_bytes(b"r")


@pytest.fixture
def bundle(tmp_path: Path) -> tuple[Path, str]:
    manifest = Manifest(
        model="bike",
        task=Task.REGRESSION,
        target="y",
        algorithm="none",
        created_at="2026-01-01T00:00:00Z",
        features=(),
        parity=Parity(rows=1, max_abs_difference=0.0, tolerance=1e-5),
        lineage=Lineage(snapshot_id="s", dataset_hash="h", config_hash="c"),
        files={},
    )
    folder = tmp_path / "job" / "bundle"
    written = write_bundle(folder, manifest, model_onnx=b"graph", golden=pa.table({"x": [1.0]}), reference=_reference)
    return folder, written.digest


def test_a_bundle_is_adopted_under_model_and_digest_and_again_changes_nothing(
    bundle: tuple[Path, str], tmp_path: Path
) -> None:
    source, digest = bundle
    adopted = adopt_bundle(source, tmp_path / "bundles", "bike", digest)
    assert adopted == tmp_path / "bundles" / "bike" / digest
    assert read_manifest(adopted, expected_digest=digest).model == "bike"
    assert adopt_bundle(tmp_path / "gone", tmp_path / "bundles", "bike", digest) == adopted
    assert [path.name for path in (tmp_path / "bundles" / "bike").iterdir()] == [digest]


def test_a_changed_bundle_is_refused_and_leaves_nothing(bundle: tuple[Path, str], tmp_path: Path) -> None:
    source, digest = bundle
    (source / "model.onnx").write_bytes(b"other")
    with pytest.raises(ArtifactUntrustedError):
        adopt_bundle(source, tmp_path / "bundles", "bike", digest)
    assert not (tmp_path / "bundles" / "bike" / digest).exists()


def test_a_missing_bundle_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="is it a bundle"):
        adopt_bundle(tmp_path / "none", tmp_path / "bundles", "bike", "0" * 64)


@pytest.mark.parametrize(
    ("model", "digest"), [("../x", "0" * 64), ("bike", "../../etc"), ("bike", "A" * 64), ("", "0" * 64)]
)
def test_names_that_lead_out_of_the_folder_are_refused(tmp_path: Path, model: str, digest: str) -> None:
    with pytest.raises(ArtifactUntrustedError, match="64 hex digits"):
        adopt_bundle(tmp_path, tmp_path / "bundles", model, digest)
