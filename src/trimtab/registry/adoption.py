"""Takes the bundle that a job left behind into the platform's own keeping."""

from __future__ import annotations

import re
from pathlib import Path

from trimtab.bundle.writer import copy_bundle
from trimtab.core.errors import ArtifactUntrustedError

__all__ = ["adopt_bundle"]

_DIGEST = re.compile(r"[0-9a-f]{64}")
_MODEL = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def adopt_bundle(source: Path, bundles_root: Path, model: str, digest: str) -> Path:
    """Copy the bundle at ``source`` to ``bundles_root/<model>/<digest>``, verified, and return that folder.

    The folder is whole or absent; a second call changes nothing.

    Raises:
        ArtifactUntrustedError: the bundle is not what ``digest`` says, or model or digest is no name for a folder.
        NotFoundError: ``source`` holds no bundle, and none was adopted before.
    """
    if not _DIGEST.fullmatch(digest) or not _MODEL.fullmatch(model):
        raise ArtifactUntrustedError(
            f"bundle {digest[:80]!r} of {model[:80]!r}: expected 64 hex digits and a model's name; check its result"
        )
    destination = bundles_root / model / digest
    copy_bundle(source, destination, digest)
    return destination
