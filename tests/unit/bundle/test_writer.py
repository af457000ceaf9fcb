import json
import os
from pathlib import Path

import pytest

from trimtab.bundle.writer import copy_bundle, read_manifest
from trimtab.core.errors import ArtifactUntrustedError, ConflictError, NotFoundError
from trimtab.testing.bundles import tiny_bundle


def bundle(folder: Path) -> Path:
    tiny_bundle(folder, reference=lambda reference: (reference / "profiles.bin").write_bytes(b"profiles"))
    return folder


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    written = tiny_bundle(tmp_path / "b")
    assert read_manifest(tmp_path / "b", expected_digest=written.digest) == written
    assert sorted(written.files) == ["golden.parquet", "model.onnx"]


def test_a_bundle_is_never_overwritten(tmp_path: Path) -> None:
    bundle(tmp_path / "b")
    with pytest.raises(ConflictError, match="exists already"):
        tiny_bundle(tmp_path / "b")


def test_failed_write_leaves_nothing(tmp_path: Path) -> None:
    def fail(_: Path) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        tiny_bundle(tmp_path / "b", reference=fail)
    assert list(tmp_path.iterdir()) == []


def test_file_that_is_not_listed_is_refused(tmp_path: Path) -> None:
    (bundle(tmp_path / "b") / "reference" / "more.bin").write_bytes(b"")
    with pytest.raises(ArtifactUntrustedError, match=r"'reference/more\.bin' is not listed"):
        read_manifest(tmp_path / "b")


def test_missing_file_is_refused(tmp_path: Path) -> None:
    (bundle(tmp_path / "b") / "reference" / "profiles.bin").unlink()
    with pytest.raises(ArtifactUntrustedError, match="is missing"):
        read_manifest(tmp_path / "b")


def test_links_are_refused(tmp_path: Path) -> None:
    model = bundle(tmp_path / "b") / "model.onnx"
    model.rename(tmp_path / "model.onnx")
    model.symlink_to(tmp_path / "model.onnx")
    with pytest.raises(ArtifactUntrustedError, match="link"):
        read_manifest(tmp_path / "b")


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "reference/../../x", "bundle.json", ""])
def test_listed_paths_that_escape_are_refused(tmp_path: Path, name: str) -> None:
    path = bundle(tmp_path / "b") / "bundle.json"
    content = json.loads(path.read_text())
    content["files"][name] = "0" * 64
    path.write_text(json.dumps(content, sort_keys=True, indent=2, ensure_ascii=False) + "\n")
    with pytest.raises(ArtifactUntrustedError, match="plain relative names"):
        read_manifest(tmp_path / "b")


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[1]", b"\xff\xfe", b'{"schema_version": 2}', b"[" * 100_000], ids=range(6)
)
def test_manifest_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    (bundle(tmp_path / "b") / "bundle.json").write_bytes(content)
    with pytest.raises(ArtifactUntrustedError, match="schema_version 1"):
        read_manifest(tmp_path / "b")


def test_reformatted_manifest_is_refused(tmp_path: Path) -> None:
    path = bundle(tmp_path / "b") / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text())))
    with pytest.raises(ArtifactUntrustedError, match="edited"):
        read_manifest(tmp_path / "b")


def test_copy_is_verified_and_repeatable(tmp_path: Path) -> None:
    manifest = read_manifest(bundle(tmp_path / "b"))
    for _ in range(2):
        assert copy_bundle(tmp_path / "b", tmp_path / "store" / "c", manifest.digest) == manifest
    assert read_manifest(tmp_path / "store" / "c", expected_digest=manifest.digest) == manifest
    assert [entry.name for entry in (tmp_path / "store").iterdir()] == ["c"]


def test_copy_of_a_changed_bundle_leaves_nothing(tmp_path: Path) -> None:
    manifest = read_manifest(bundle(tmp_path / "b"))
    with (tmp_path / "b" / "model.onnx").open("ab") as stream:
        stream.write(b" ")
    with pytest.raises(ArtifactUntrustedError, match=r"model\.onnx"):
        copy_bundle(tmp_path / "b", tmp_path / "store" / "c", manifest.digest)
    assert not (tmp_path / "store").exists()


def test_copy_from_nowhere_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        copy_bundle(tmp_path / "nowhere", tmp_path / "c", "0" * 64)


def test_files_can_be_read_by_others(tmp_path: Path) -> None:
    folder = bundle(tmp_path / "b")
    assert os.stat(folder).st_mode & 0o777 == 0o755
    assert os.stat(folder / "bundle.json").st_mode & 0o777 == 0o644
