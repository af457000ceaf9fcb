"""What a run is asked about: tables, or images where the model takes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeAlias

from trimtab.bundle.manifest import Manifest
from trimtab.core.errors import ConfigError, NotFoundError
from trimtab.serving.batch.images import PATH, ImageFiles, examine_images, sort_out
from trimtab.serving.batch.inputs import ROWS_A_PART, InputFile, examine, find_files

__all__ = ["Asked", "asked_about"]

Asked: TypeAlias = InputFile | ImageFiles

_IMAGES_A_PART: Final = 1_000
"""An image takes as long as many rows."""

_SHOWN_FIELDS: Final = 8


def asked_about(named: Sequence[str], manifest: Manifest, rows_a_part: int | None = None) -> list[Asked]:
    """Return what the files, folders and patterns ``named`` hold for a model, in parts of ``rows_a_part``.

    Raises:
        NotFoundError: a name stands for nothing.
        ConfigError: it is of a kind that the model does not take, or of two kinds, or named twice.
        DataContractError: it cannot be read.
    """
    if manifest.image is None:
        return [examine(path, rows_a_part or ROWS_A_PART) for path in _tables(named, manifest)]
    found, others = sort_out(named)
    rows = rows_a_part or _IMAGES_A_PART
    if not found:
        return [examine(path, rows) for path in find_files(others, or_images=True)]
    if others:
        raise ConfigError(
            f"{others[0]}: is no image, while {found[0].path} is one; expected one kind in a run; answer them in two"
        )
    if manifest.image.name == PATH:
        raise ConfigError(
            f"model {manifest.model!r}: calls an image {PATH!r}, as the answers call its file; send a Parquet file"
        )
    return [examine_images(found, of=named[0], column=manifest.image.name, rows_a_part=rows)]


def _tables(named: Sequence[str], manifest: Manifest) -> list[Path]:
    try:
        return find_files(named)
    except (ConfigError, NotFoundError):
        found, _ = sort_out(named)
        if not found:
            raise
    fields = [repr(feature.name) for feature in manifest.fields]
    shown = ", ".join(fields[:_SHOWN_FIELDS]) + (", …" if len(fields) > _SHOWN_FIELDS else "")
    raise ConfigError(
        f"{found[0].path}: is an image, but model {manifest.model!r} takes rows of {shown}; name Parquet or CSV files"
    )
