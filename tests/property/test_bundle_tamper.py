import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.bundle.predictor import Predictor
from trimtab.core.errors import ArtifactUntrustedError
from trimtab.testing.bundles import tiny_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    folder = tmp_path_factory.mktemp("bundle") / "b"
    manifest = tiny_bundle(folder, reference=lambda path: (path / "profiles.bin").write_bytes(b"profiles"))
    yield folder, manifest.digest
    shutil.rmtree(folder)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_every_changed_byte_is_found(bundle: tuple[Path, str], data: st.DataObject) -> None:
    folder, digest = bundle
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert names == ["bundle.json", "golden.parquet", "model.onnx", "reference/profiles.bin"]
    path = folder / data.draw(st.sampled_from(names))
    content = path.read_bytes()
    place = data.draw(st.integers(0, len(content) - 1))
    flip = data.draw(st.integers(1, 255))
    try:
        path.write_bytes(content[:place] + bytes([content[place] ^ flip]) + content[place + 1 :])
        with pytest.raises(ArtifactUntrustedError):
            Predictor.load(folder, expected_digest=digest)
    finally:
        path.write_bytes(content)
    Predictor.load(folder, expected_digest=digest)


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_every_cut_is_found(bundle: tuple[Path, str], data: st.DataObject) -> None:
    folder, digest = bundle
    path = folder / data.draw(st.sampled_from(["bundle.json", "golden.parquet", "model.onnx"]))
    content = path.read_bytes()
    try:
        path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
        with pytest.raises(ArtifactUntrustedError):
            Predictor.load(folder, expected_digest=digest)
    finally:
        path.write_bytes(content)
