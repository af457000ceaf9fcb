"""From an image file's bytes to pixels, within bounds that are known before anything is decoded."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image

from trimtab.core.errors import ConfigError

__all__ = ["FORMATS", "MAX_PIXELS", "Decoded", "decode"]

FORMATS: Final = ("JPEG", "PNG", "WEBP")
"""What is read. Each further decoder is one more that a stranger's bytes reach."""

MAX_PIXELS: Final = 50_000_000
"""Width times height of the largest image that is decoded: 150 MB of pixels."""

_SIXTEEN_BITS: Final = "I;16"
_ORIENTATION: Final = 0x0112
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes an image upright, by the orientation that its EXIF tells."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """An upright RGB image, with the ``width`` and ``height`` in pixels that it was sent with (as it is looked at)."""

    image: Image.Image
    width: int
    height: int


def decode(content: bytes, *, at_least: tuple[int, int]) -> Decoded:
    """Return the image in ``content``: the first frame, turned as its EXIF says, in RGB.

    A JPEG that is much larger than ``at_least`` (width, height) is decoded at a half, quarter or eighth of its size,
    none of them smaller than that: so the pixels hang on ``at_least``, and training has to ask for the same.

    Raises:
        ConfigError: it is no image of `FORMATS`, broken off, or larger than `MAX_PIXELS`; the sentence begins with
            what was found, for the caller to put the field's name before it.
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise ConfigError(
                    f"an image of {width} × {height} pixels, expected at most {MAX_PIXELS:,}; scale it down"
                )
            orientation = _orientation(image)
            turned = orientation >= 5
            image.draft("RGB", (at_least[1], at_least[0]) if turned else at_least)
            method = _UPRIGHT.get(orientation)
            upright = _in_rgb(image if method is None else image.transpose(method))
    except ConfigError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ConfigError(f"an image of more than {MAX_PIXELS:,} pixels; scale it down") from None
    # What Pillow's decoders raise for damaged files, by its documentation and by experience with them.
    except (OSError, SyntaxError, ValueError, IndexError, EOFError, OverflowError) as error:
        raise ConfigError(f"{len(content)} bytes that are {_no_image(error)}; send JPEG, PNG or WebP") from None
    if turned:
        width, height = height, width
    return Decoded(upright, width, height)


def _orientation(image: Image.Image) -> int:
    """Return what the EXIF says, 1 (upright) where it says nothing that can be read."""
    try:
        told: object = image.getexif().get(_ORIENTATION)
    # Pillow reads a damaged EXIF as far as it goes, and stumbles over what it has read.
    except (OSError, SyntaxError, ValueError, TypeError, AttributeError, LookupError, struct.error):
        return 1
    return told if isinstance(told, int) and told in _UPRIGHT else 1


def _in_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(_SIXTEEN_BITS):
        # Pillow would clip it to 255.
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in {"I", "F"}:
        raise ValueError(f"mode {image.mode}")
    return image.convert("RGB")


def _no_image(error: Exception) -> str:
    return "an image that breaks off" if "truncated" in str(error) else "no image that is read here"
