"""What lies below ``/v2/models/``: NAME or NAME/versions/N, and behind it /infer, /ready or nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from trimtab.core.errors import NotFoundError
from trimtab.serving.asgi import Response, Scope, header
from trimtab.serving.endpoints import LoadedEndpoint
from trimtab.serving.protocols.open_inference import model_metadata, model_ready, read_infer
from trimtab.serving.protocols.question import Question

__all__ = ["describe_model", "infer_protocol", "split_model_path"]


def split_model_path(rest: str) -> tuple[str, str | None, str]:
    """Return the model's name, the version if one is named, and the verb, which may be empty.

    >>> split_model_path("churn/versions/3/infer")
    ('churn', '3', 'infer')

    Raises:
        NotFoundError: there is no such verb.
    """
    name, _, verb = rest.partition("/")
    version = None
    if verb.startswith("versions/"):
        version, _, verb = verb[9:].partition("/")
    if verb not in {"infer", "ready", ""}:
        raise NotFoundError(
            f"path '/v2/models/{rest[:80]}': nothing is there; expected NAME or NAME/versions/N, and behind it /infer, "
            "/ready or nothing; correct it"
        )
    return name, version, verb


def infer_protocol(scope: Scope, version: str | None) -> Callable[[LoadedEndpoint, bytes], Question]:
    """Return what reads the body of an inference request of that version."""
    header_bytes = header(scope, b"inference-header-content-length")
    if version is None and header_bytes is None:
        return read_infer
    return partial(read_infer, version=version, header_bytes=header_bytes)


def describe_model(endpoint: LoadedEndpoint, version: str | None, verb: str) -> Response:
    """Return whether the model is ready, or, where nothing is asked of it, what it takes and gives."""
    return model_ready(endpoint, version) if verb == "ready" else model_metadata(endpoint, version)
