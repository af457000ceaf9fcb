"""Receives a bundle from elsewhere, file by file: whole and as its digest says, or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from trimtab.bundle.manifest import MANIFEST_NAME
from trimtab.bundle.writer import (
    MAX_BUNDLE_BYTES,
    MAX_FILES,
    MAX_MANIFEST_BYTES,
    SIGNATURE_NAME,
    decode_manifest,
    is_path_in_bundle,
    read_manifest,
    settle,
)
from trimtab.core.errors import ArtifactUntrustedError, NotFoundError
from trimtab.files import sync_folder

__all__ = ["receive_bundle"]

_MAX_SIGNATURE_BYTES = 10_000


def receive_bundle(destination: Path, digest: str, read: Callable[[str], Iterator[bytes]]) -> None:
    """Make ``destination`` the bundle with this ``digest``; where it is that already, nothing is read.

    ``read`` returns the bytes of the file that it is given the name of, in pieces.

    Raises:
        ArtifactUntrustedError: what came (or what stands at ``destination`` already) is not what the digest says, or is
            larger than a bundle may be.
        NotFoundError: a file is not there.
        OSError: the disk takes it not.
    """
    if destination.exists():
        read_manifest(destination, expected_digest=digest)
        return
    destination.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=destination.parent, prefix=f".{digest[:12]}."))
    try:
        _receive(temporary, digest, read)
        read_manifest(temporary, expected_digest=digest)
        settle(temporary)
        os.replace(temporary, destination)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    sync_folder(destination.parent)


def _receive(folder: Path, digest: str, read: Callable[[str], Iterator[bytes]]) -> None:
    _write(folder / MANIFEST_NAME, read(MANIFEST_NAME), MAX_MANIFEST_BYTES)
    manifest = decode_manifest((folder / MANIFEST_NAME).read_bytes(), folder)
    # Before anything that it lists is asked for, or written.
    if manifest.digest != digest:
        raise ArtifactUntrustedError(f"bundle {digest[:12]}…: what came has digest {manifest.digest[:12]}…; refused")
    if len(manifest.files) > MAX_FILES:
        raise ArtifactUntrustedError(f"bundle {digest[:12]}…: more than {MAX_FILES} files; refused")
    room = MAX_BUNDLE_BYTES
    for name in manifest.files:
        if not is_path_in_bundle(name) or name in {MANIFEST_NAME, SIGNATURE_NAME}:
            raise ArtifactUntrustedError(f"bundle {digest[:12]}…: lists the path {name[:80]!r}; refused")
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        room -= _write(folder / name, read(name), room)
    try:
        _write(folder / SIGNATURE_NAME, read(SIGNATURE_NAME), _MAX_SIGNATURE_BYTES)
    except NotFoundError:
        # Most bundles are not signed; a server that requires it refuses this one by itself.
        (folder / SIGNATURE_NAME).unlink(missing_ok=True)


def _write(path: Path, pieces: Iterator[bytes], limit_bytes: int) -> int:
    size = 0
    with path.open("wb") as stream:
        for piece in pieces:
            size += len(piece)
            if size > limit_bytes:
                raise ArtifactUntrustedError(f"{path.name}: more than {limit_bytes} bytes came; refused")
            stream.write(piece)
    return size
