"""From rows that hold an image to the tensor that a graph takes, and to the properties that are recorded of it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trimtab.bundle.encoder import Inputs
from trimtab.bundle.manifest import Feature, ImageInput, Manifest
from trimtab.bundle.values import ABSENT, described, shown
from trimtab.core.enums import ColumnKind
from trimtab.core.errors import ArtifactUntrustedError, ConfigError, DataContractError
from trimtab.imaging.decoding import decode
from trimtab.imaging.fitting import PROPERTIES, fit, properties

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["MAX_TENSOR_BYTES", "ImageEncoder", "image_features"]

MAX_TENSOR_BYTES: Final = 256_000_000
"""The largest tensor that a request may become: how many rows that is hangs on the model's image size."""

_DATA_URL: Final = "data:image/"


def image_features(image: ImageInput) -> tuple[Feature, ...]:
    """Return the features of a model that takes ``image``: its properties, one number each."""
    return tuple(Feature(name=f"{image.name}_{name}", kind=ColumnKind.NUMBER) for name in PROPERTIES)


class ImageEncoder:
    """Encodes rows of one image each. Holds no state that changes; threads may share one.

    An image is the file's bytes, or they in base64 (with or without ``data:image/…;base64,`` before it).
    """

    event_time = None

    def __init__(self, manifest: Manifest, image: ImageInput) -> None:
        if manifest.features != image_features(image):
            raise ArtifactUntrustedError(
                f"model {manifest.model!r}: takes an image, but has features {[f.name for f in manifest.features]}, "
                f"expected {[f.name for f in image_features(image)]}; make the bundle again"
            )
        if not (1 <= image.width <= 8192 and 1 <= image.height <= 8192) or not all(image.std):
            raise ArtifactUntrustedError(
                f"model {manifest.model!r}: image {image.width} × {image.height}, std {image.std}; expected sides of 1 "
                "to 8192 pixels and no std of 0; make the bundle again"
            )
        self.features = manifest.features
        self._image = image
        self._most_rows = max(1, MAX_TENSOR_BYTES // image.tensor_bytes)
        scale = 255.0 * np.array(image.std, dtype=np.float64)
        self._scale = (1.0 / scale).astype(np.float32).reshape(3, 1, 1)
        self._shift = (-255.0 * np.array(image.mean) / scale).astype(np.float32).reshape(3, 1, 1)

    def encode_rows(self, rows: Sequence[Mapping[str, object]]) -> Inputs:
        """Return the tensor of ``rows``, and their images' properties as the float matrix.

        Raises:
            ConfigError: a row has other fields, or no image that can be read; there are more than fit.
        """
        count, name = len(rows), self._image.name
        if count > self._most_rows:
            raise ConfigError(
                f"rows: {count} images, expected at most {self._most_rows} a request of this model; split them"
            )
        images = np.empty((count, 3, self._image.height, self._image.width), dtype=np.float32)
        told = np.empty((count, len(PROPERTIES)), dtype=np.float32)
        for at, row in enumerate(rows):
            value = row.get(name, ABSENT)
            if len(row) != (value is not ABSENT):
                unknown = next(field for field in row if field != name)
                raise ConfigError(f"row {at}: field {shown(repr(unknown))} is unknown; expected only {name}; remove it")
            field = f"row {at}: field {name!r}"
            try:
                told[at] = self._read(_bytes_of(value), images[at])
            except ConfigError as error:
                raise ConfigError(f"{field}: {error}") from None
        return Inputs(told, np.empty((count, 0), dtype=np.int64), images)

    def encode_one(self, row: Mapping[str, object]) -> None:
        """Decline: for an image there is no short way."""

    def encode_table(self, table: pa.Table) -> Inputs:
        """Return what `encode_rows` gives for the table's image column (binary, or text of base64).

        Raises:
            DataContractError: there is no such column, or a row holds no image that can be read.
        """
        if self._image.name not in table.column_names:
            raise DataContractError(f"column {self._image.name!r}: missing; expected images; send them")
        try:
            return self.encode_rows([{self._image.name: value} for value in table.column(self._image.name).to_pylist()])
        except ConfigError as error:
            raise DataContractError(str(error)) from None

    def recorded(self, rows: Sequence[Mapping[str, Any]], inputs: Inputs) -> list[tuple[float, ...]]:
        """Return the properties of the images that gave ``inputs``; the images themselves are not kept."""
        return [tuple(values) for values in inputs.numeric.tolist()]

    def _read(self, content: bytes, tensor: np.ndarray[Any, Any]) -> tuple[float, ...]:
        image = self._image
        decoded = decode(content, at_least=(image.width, image.height))
        pixels = fit(decoded.image, image.width, image.height, image.fit)
        np.multiply(pixels.transpose(2, 0, 1), self._scale, out=tensor)
        tensor += self._shift
        return properties(pixels, width=decoded.width, height=decoded.height)


def _bytes_of(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        found = "nothing" if value is ABSENT or value is None else described(value)
        raise ConfigError(f"{found}, expected an image in base64; send it")
    text = value.replace("\n", "") if "\n" in value else value
    if text.startswith(_DATA_URL):
        head, _, text = text.partition(",")
        if not head.endswith(";base64"):
            raise ConfigError(f"{shown(head)!r}, expected data:image/…;base64; correct it")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ConfigError(f"{described(text)} is no base64; expected an image in base64; correct it") from None
