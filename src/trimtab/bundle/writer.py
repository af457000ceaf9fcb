"""Writing, verifying and copying bundles: a folder that is whole and as its digest says, or is not there."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from trimtab.bundle.manifest import MANIFEST_NAME, Manifest
from trimtab.core.errors import ArtifactUntrustedError, ConflictError, NotFoundError
from trimtab.files import sha256_of_file, sync_folder

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "GOLDEN_NAME",
    "MAX_BUNDLE_BYTES",
    "MAX_FILES",
    "MAX_MANIFEST_BYTES",
    "MODEL_NAME",
    "REFERENCE_NAME",
    "SAMPLE_NAME",
    "SIGNATURE_NAME",
    "copy_bundle",
    "decode_manifest",
    "is_path_in_bundle",
    "read_manifest",
    "settle",
    "write_bundle",
]

MODEL_NAME = "model.onnx"
GOLDEN_NAME = "golden.parquet"
REFERENCE_NAME = "reference"
SAMPLE_NAME = "sample.parquet"
"""Features of rows drawn at random from those that the answering fit had not seen; golden rows are chosen."""

SIGNATURE_NAME = "bundle.sig"

MAX_MANIFEST_BYTES = 16_000_000
MAX_BUNDLE_BYTES = 4_000_000_000
MAX_FILES = 2_000
_PATH = re.compile(r"[A-Za-z0-9_@][A-Za-z0-9_.@-]*(/[A-Za-z0-9_@][A-Za-z0-9_.@-]*){0,4}")


def write_bundle(
    folder: Path,
    manifest: Manifest,
    *,
    model_onnx: bytes,
    golden: pa.Table,
    reference: Callable[[Path], object],
    beside: Mapping[str, bytes] | None = None,
) -> Manifest:
    """Write a bundle to ``folder`` and return its manifest, with the SHA-256 of every file.

    Everything is written beside ``folder`` and renamed, so that a crash leaves a bundle or none. ``reference`` is given
    the folder into which it writes what the bundle's monitoring compares with; ``beside`` are further files by name.

    Raises:
        ConflictError: ``folder`` exists.
        OSError: it cannot be written.
    """
    import pyarrow.parquet as pq  # start-up cost: verifying a bundle needs no Arrow

    if folder.exists():
        raise ConflictError(f"{folder}: exists already; bundles never change, write to a new folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        (temporary / MODEL_NAME).write_bytes(model_onnx)
        for name, content in (beside or {}).items():
            (temporary / name).write_bytes(content)
        pq.write_table(golden, temporary / GOLDEN_NAME, compression="zstd")
        (temporary / REFERENCE_NAME).mkdir()
        reference(temporary / REFERENCE_NAME)
        hashes = {name: sha256_of_file(path) for name, path in sorted(_files_of(temporary).items())}
        # Through JSON once, so that 1 and 1.0 give the digest that the reader will compute.
        complete = decode_manifest(msgspec.json.encode(msgspec.structs.replace(manifest, files=hashes)), folder)
        (temporary / MANIFEST_NAME).write_bytes(_text_of(complete))
        settle(temporary)
        os.replace(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_folder(folder.parent)
    return complete


def read_manifest(folder: Path, *, expected_digest: str | None = None) -> Manifest:
    """Return the manifest of the bundle in ``folder``, after every file has been held against its hash.

    Without ``expected_digest`` this proves only that the bundle is consistent in itself.

    Raises:
        NotFoundError: ``folder`` holds no bundle.
        ArtifactUntrustedError: a file is changed, missing, not listed, a link, or the digest is another.
    """
    if not (folder / MANIFEST_NAME).exists():
        raise NotFoundError(f"{folder}: holds no {MANIFEST_NAME}; is it a bundle?")
    present = _files_of(folder)
    path = present.pop(MANIFEST_NAME, None)
    if path is None:
        raise NotFoundError(f"{folder}: its {MANIFEST_NAME} is a folder, expected a file; is it a bundle?")
    # It signs the manifest, so the manifest cannot list it; a server that requires one checks it.
    present.pop(SIGNATURE_NAME, None)
    if path.stat().st_size > MAX_MANIFEST_BYTES:
        raise ArtifactUntrustedError(f"{path}: {path.stat().st_size} bytes, expected at most {MAX_MANIFEST_BYTES}")
    content = path.read_bytes()
    manifest = decode_manifest(content, folder)
    if _text_of(manifest) != content:
        raise ArtifactUntrustedError(f"{path}: not written as bundles are; it was edited; fetch the bundle again")
    if expected_digest is not None and manifest.digest != expected_digest:
        raise ArtifactUntrustedError(
            f"{folder}: digest {manifest.digest[:12]}…, expected {expected_digest[:12]}…; fetch the bundle again"
        )
    _compare(folder, manifest, present)
    return manifest


def copy_bundle(source: Path, destination: Path, digest: str) -> Manifest:
    """Copy the bundle with this ``digest`` to ``destination``, whole or not at all; a second call changes nothing.

    Raises:
        NotFoundError: ``source`` holds no bundle.
        ArtifactUntrustedError: the copy (or what stands at ``destination`` already) is not what the digest says.
    """
    if destination.exists():
        return read_manifest(destination, expected_digest=digest)
    read_manifest(source, expected_digest=digest)
    destination.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=destination.parent, prefix=f".{destination.name}."))
    try:
        shutil.copytree(source, temporary, dirs_exist_ok=True, symlinks=True)
        manifest = read_manifest(temporary, expected_digest=digest)
        settle(temporary)
        try:
            os.replace(temporary, destination)
        except OSError:
            if not destination.exists():
                raise
            return read_manifest(destination, expected_digest=digest)  # somebody else was faster
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    sync_folder(destination.parent)
    return manifest


def is_path_in_bundle(name: str) -> bool:
    """Return whether ``name`` can be a file of a bundle: a plain relative path.

    >>> is_path_in_bundle("reference/rows.parquet"), is_path_in_bundle("../keys.json"), is_path_in_bundle("/etc/hosts")
    (True, False, False)
    """
    return _PATH.fullmatch(name) is not None


def decode_manifest(content: bytes, folder: Path) -> Manifest:
    """Return the manifest in ``content``, which came from ``folder``; nothing is checked beside its form.

    Raises:
        ArtifactUntrustedError: it is none.
    """
    try:
        return msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ArtifactUntrustedError(
            f"{folder / MANIFEST_NAME}: not a manifest of schema_version 1 ({error}); fetch it again, or upgrade"
        ) from error


def _text_of(manifest: Manifest) -> bytes:
    text = json.dumps(manifest.contents, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode()


def _files_of(folder: Path) -> dict[str, Path]:
    """Return every file below ``folder`` by its relative path; nothing but plain files and folders may be there."""
    found: dict[str, Path] = {}
    pending = [folder]
    while pending:
        for path in sorted(pending.pop().iterdir()):
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise ArtifactUntrustedError(f"{path}: a link or special file; a bundle holds plain files only")
            if path.is_dir():
                pending.append(path)
                continue
            found[path.relative_to(folder).as_posix()] = path
            if len(found) > MAX_FILES:
                raise ArtifactUntrustedError(f"{folder}: more than {MAX_FILES} files; is it a bundle?")
    return found


def _compare(folder: Path, manifest: Manifest, present: dict[str, Path]) -> None:
    for name in manifest.files:
        if not is_path_in_bundle(name) or name == MANIFEST_NAME:
            raise ArtifactUntrustedError(f"{folder}: lists the path {name[:80]!r}; expected plain relative names")
    missing = sorted(set(manifest.files) - set(present))
    extra = sorted(set(present) - set(manifest.files))
    if missing or extra:
        what = f"{missing[0]!r} is missing" if missing else f"{extra[0][:80]!r} is not listed in {MANIFEST_NAME}"
        raise ArtifactUntrustedError(f"{folder}: {what}; fetch the bundle again")
    total = sum(path.stat().st_size for path in present.values())
    if total > MAX_BUNDLE_BYTES:
        raise ArtifactUntrustedError(f"{folder}: {total} bytes, expected at most {MAX_BUNDLE_BYTES}")
    for name, digest in manifest.files.items():
        if sha256_of_file(present[name]) != digest:
            raise ArtifactUntrustedError(f"{present[name]}: not the file that {MANIFEST_NAME} lists; fetch it again")


def settle(folder: Path) -> None:
    """Bring files and names below ``folder`` to the disk, readable by others."""
    for path in _files_of(folder).values():
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
        path.chmod(0o644)
    for parent, _, _ in os.walk(folder, topdown=False):
        os.chmod(parent, 0o755)
        sync_folder(Path(parent))
