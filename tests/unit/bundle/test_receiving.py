"""A bundle that comes from elsewhere is whole and as its digest says, or is not there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from trimtab.bundle import receiving
from trimtab.bundle.receiving import receive_bundle
from trimtab.bundle.writer import decode_manifest, read_manifest
from trimtab.core.errors import ArtifactUntrustedError, NotFoundError
from trimtab.testing.bundles import tiny_bundle


class Elsewhere:
    """A folder that is read in pieces, and what was asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []

    def read(self, name: str) -> Iterator[bytes]:
        self.asked.append(name)
        path = self.folder / name
        if not path.is_file():
            raise NotFoundError(f"{name}: is not there")
        content = path.read_bytes()
        for begin in range(0, len(content), 1_000):
            yield content[begin : begin + 1_000]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Elsewhere:
    tiny_bundle(tmp_path / "sent", model="heart")
    return Elsewhere(tmp_path / "sent")


def digest_of(elsewhere: Elsewhere) -> str:
    return read_manifest(elsewhere.folder).digest


def left(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "received"
    return list(folder.iterdir()) if folder.exists() else []


def test_a_bundle_arrives_with_its_signature_and_is_not_asked_for_again(elsewhere: Elsewhere, tmp_path: Path) -> None:
    digest = digest_of(elsewhere)
    (elsewhere.folder / "bundle.sig").write_bytes(b"s" * 64)
    receive_bundle(tmp_path / "received" / digest, digest, elsewhere.read)
    manifest = read_manifest(tmp_path / "received" / digest, expected_digest=digest)
    assert sorted(elsewhere.asked) == sorted(["bundle.json", "bundle.sig", *manifest.files])
    assert (tmp_path / "received" / digest / "bundle.sig").read_bytes() == b"s" * 64
    elsewhere.asked.clear()
    receive_bundle(tmp_path / "received" / digest, digest, elsewhere.read)
    assert elsewhere.asked == []
    assert left(tmp_path) == [tmp_path / "received" / digest]


def test_another_bundle_than_was_asked_for_is_refused_by_its_manifest(elsewhere: Elsewhere, tmp_path: Path) -> None:
    with pytest.raises(ArtifactUntrustedError, match="what came has digest"):
        receive_bundle(tmp_path / "received" / "one", "0" * 64, elsewhere.read)
    assert elsewhere.asked == ["bundle.json"]
    assert left(tmp_path) == []


def test_a_file_that_was_changed_or_is_missing_leaves_nothing(elsewhere: Elsewhere, tmp_path: Path) -> None:
    digest = digest_of(elsewhere)
    model = elsewhere.folder / "model.onnx"
    content = model.read_bytes()
    model.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ArtifactUntrustedError, match=r"model\.onnx"):
        receive_bundle(tmp_path / "received" / digest, digest, elsewhere.read)
    model.unlink()
    with pytest.raises(NotFoundError):
        receive_bundle(tmp_path / "received" / digest, digest, elsewhere.read)
    assert left(tmp_path) == []


def test_more_than_a_bundle_may_have_is_not_taken(
    elsewhere: Elsewhere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = digest_of(elsewhere)
    monkeypatch.setattr(receiving, "MAX_BUNDLE_BYTES", 100)
    with pytest.raises(ArtifactUntrustedError, match="bytes came"):
        receive_bundle(tmp_path / "received" / digest, digest, elsewhere.read)
    assert left(tmp_path) == []


@pytest.mark.parametrize("name", ["../escaped", "/escaped", "a/../../escaped", "bundle.sig", ""])
def test_a_path_that_leads_elsewhere_is_never_written(elsewhere: Elsewhere, tmp_path: Path, name: str) -> None:
    path = elsewhere.folder / "bundle.json"
    told = json.loads(path.read_bytes())
    told["files"][name] = "0" * 64
    path.write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(ArtifactUntrustedError) as refused:
        receive_bundle(tmp_path / "received" / "one", _digest(path), elsewhere.read)
    assert "lists the path" in str(refused.value)
    assert set(elsewhere.asked) <= {"bundle.json", *told["files"]} - {name}
    assert left(tmp_path) == []
    assert not (tmp_path / "escaped").exists()


def _digest(path: Path) -> str:
    return decode_manifest(path.read_bytes(), path.parent).digest
