"""Making an image the size that a model takes, and telling what kind of picture it is."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from trimtab.core.enums import ImageFit

__all__ = ["PROPERTIES", "fit", "properties"]

PROPERTIES: Final = ("width", "height", "brightness", "contrast", "sharpness")
"""What `properties` tells, in its order."""

_PADDING: Final = (114, 114, 114)
_LUMA: Final = np.array([0.299, 0.587, 0.114], dtype=np.float32) / 255.0


def fit(image: Image.Image, width: int, height: int, how: ImageFit) -> NDArray[np.uint8]:
    """Return ``image`` (RGB) as ``height`` × ``width`` × 3 pixels 0..255, averaged over what falls together.

    ``stretch`` ignores the sides' ratio, ``crop`` cuts off what is too much around the middle, ``letterbox`` fills up
    with grey (114, as YOLO does).
    """
    size, smooth = (width, height), Image.Resampling.BILINEAR
    if how is ImageFit.CROP:
        fitted = ImageOps.fit(image, size, smooth)
    elif how is ImageFit.LETTERBOX:
        fitted = ImageOps.pad(image, size, smooth, color=_PADDING)
    else:
        fitted = image if image.size == size else image.resize(size, smooth)
    return np.asarray(fitted, dtype=np.uint8)


def properties(pixels: NDArray[np.uint8], *, width: int, height: int) -> tuple[float, ...]:
    """Return `PROPERTIES` of a fitted image that was ``width`` × ``height`` large.

    Brightness is the mean of the luma (0..1, BT.601), contrast its standard deviation, sharpness the variance of its
    Laplacian (4 neighbours; the greater, the more edges): what a dirty lens, a new camera or the night changes.
    """
    luma = pixels @ _LUMA
    inner = luma[1:-1, 1:-1]
    if inner.size:
        edges = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * inner
        sharpness = float(edges.var())
    else:
        sharpness = 0.0
    return float(width), float(height), float(luma.mean()), float(luma.std()), sharpness
