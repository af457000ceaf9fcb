"""What the headers of a call of ``/invocations`` say: which format comes, which is wanted, and of whom."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from trimtab.serving.asgi import JSON, REQUEST_ID, Headers, RefusedError, Scope, header
from trimtab.serving.protocols.raw_images import is_image

__all__ = ["CSV", "IMAGE", "JSON_LINES", "InvocationHeaders", "read_headers"]

CSV: Final = b"text/csv"
JSON_LINES: Final = b"application/jsonlines"
IMAGE: Final = b"image/*"
"""Stands for all media types of images; which it is, is seen by its bytes."""

_FORMATS: Final = (JSON, CSV, JSON_LINES)
_ANSWERED: Final = ", ".join(name.decode() for name in _FORMATS)
_READ: Final = f"{_ANSWERED}, image/jpeg, image/png, image/webp"
_HEADER: Final = {"present": True, "absent": False}
_CUSTOM: Final = b"x-amzn-sagemaker-custom-attributes"
_TARGET: Final = b"x-amzn-sagemaker-target-variant"
_VARIANT: Final = b"x-trimtab-variant"
_TRACE: Final = re.compile(rb"(?:^|[,; ])trace[-_]?id=([^,; ]+)", re.IGNORECASE)
_WEIGHT: Final = re.compile(r"q=([01](?:\.[0-9]{0,3})?)")
_MOST: Final = 1_024


@dataclass(frozen=True, slots=True)
class InvocationHeaders:
    """``comes`` and ``wanted`` are one of JSON, CSV and JSON_LINES, ``comes`` also IMAGE.

    ``has_header``: what a CSV's media type says.
    """

    comes: bytes
    wanted: bytes
    has_header: bool | None
    variant: str | None
    request_id: str | None
    echoed: Headers


def read_headers(scope: Scope) -> InvocationHeaders:
    """Read the headers, before the body is waited for.

    A body without a media type is JSON. ``X-Amzn-SageMaker-Custom-Attributes`` that are a request id, or hold one as
    ``trace_id=...``, name the request, and go back with the answer.

    Raises:
        RefusedError: 415 for a media type, charset or parameter that is not read here, as MLflow refuses it; 406 where
            none of the answer's formats is accepted.
    """
    comes, has_header = _content_type((header(scope, b"content-type") or JSON).decode("latin-1"))
    custom, target = header(scope, _CUSTOM), header(scope, _TARGET) or header(scope, _VARIANT)
    request_id = None if custom is None else _request_id(custom)
    return InvocationHeaders(
        comes=comes,
        wanted=_accepted((header(scope, b"accept") or b"*/*").decode("latin-1")),
        has_header=has_header,
        variant=None if target is None else target.decode("latin-1"),
        request_id=request_id,
        echoed=() if custom is None or request_id is None else ((_CUSTOM, custom),),
    )


def _content_type(text: str) -> tuple[bytes, bool | None]:
    kind, *parameters = (part.strip() for part in text.split(";"))
    if is_image(kind.lower()):
        return IMAGE, None
    comes = kind.lower().encode("ascii", "replace")
    if comes not in _FORMATS:
        raise RefusedError(415, f"content-type {text[:80]!r}: not read here, expected one of {_READ}; correct it")
    has_header = None
    for parameter in parameters:
        name, _, value = parameter.lower().partition("=")
        value = value.strip('"')
        if name == "header" and comes == CSV and value in _HEADER:
            has_header = _HEADER[value]
        elif name == "charset" and value not in {"utf-8", "utf8"}:
            raise RefusedError(415, f"content-type {text[:80]!r}: another charset than UTF-8; send UTF-8")
        elif parameter and name != "charset":
            raise RefusedError(
                415, f"content-type {text[:80]!r}: parameter {name[:20]!r} is unknown, expected charset; remove it"
            )
    return comes, has_header


def _accepted(text: str) -> bytes:
    wanted: list[tuple[float, bytes]] = []
    for part in text.lower().split(","):
        kind, _, parameters = part.partition(";")
        given = _WEIGHT.search(parameters)
        weight = 1.0 if given is None else float(given[1])
        for known in _FORMATS:
            main = known.partition(b"/")[0].decode()
            if weight > 0 and kind.strip() in {known.decode(), f"{main}/*", "*/*"}:
                wanted.append((-weight, known))
                break
    if not wanted:
        raise RefusedError(406, f"accept {text[:80]!r}: not answered here, expected one of {_ANSWERED}; correct it")
    return min(wanted, key=lambda pair: pair[0])[1]


def _request_id(custom: bytes) -> str | None:
    if len(custom) > _MOST:
        return None
    traced = _TRACE.search(custom)
    candidate = custom if traced is None else traced[1]
    return candidate.decode() if REQUEST_ID.fullmatch(candidate) else None
