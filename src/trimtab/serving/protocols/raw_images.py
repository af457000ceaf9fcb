"""An image as a request's whole body, told by its media type."""

from __future__ import annotations

from typing import Final

from trimtab.serving.asgi import RefusedError, Scope, header
from trimtab.serving.endpoints import LoadedEndpoint
from trimtab.serving.protocols.predict import predict_response
from trimtab.serving.protocols.question import Question

__all__ = ["image_row", "is_image", "read_image", "sends_image"]

_KIND: Final = "image/"
_SAGEMAKER: Final = "application/x-image"


def is_image(media_type: str) -> bool:
    """Return whether a media type (lower case, without parameters) says that the body is an image.

    >>> is_image("image/png"), is_image("application/x-image"), is_image("application/json")
    (True, True, False)
    """
    return media_type.startswith(_KIND) or media_type == _SAGEMAKER


def sends_image(scope: Scope) -> bool:
    """Return whether the request says that its body is an image."""
    said = header(scope, b"content-type")
    return said is not None and is_image(said.partition(b";")[0].strip().lower().decode("latin-1"))


def image_row(endpoint: LoadedEndpoint, body: bytes) -> dict[str, bytes]:
    """Return the one row that ``body`` is.

    Raises:
        RefusedError: 415, the endpoint's models take no image.
    """
    image = endpoint.heaviest.predictor.manifest.image
    if image is None:
        raise RefusedError(
            415, f"body: an image, but endpoint {endpoint.spec.endpoint!r} takes rows of fields; send JSON"
        )
    return {image.name: body}


def read_image(endpoint: LoadedEndpoint, body: bytes) -> Question:
    """Return what a ``POST /predict`` asks whose body is an image.

    Raises:
        RefusedError: see `image_row`.
    """
    return Question([image_row(endpoint, body)], predict_response)
