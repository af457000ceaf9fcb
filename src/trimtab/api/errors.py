"""From errors to HTTP: one class, one status; the body is a problem document (RFC 9457)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from trimtab.api.logged_path import logged_path
from trimtab.core import errors

__all__ = ["PROBLEM", "Problem", "install_error_handlers", "problem", "status_of"]

PROBLEM = "application/problem+json"

_log = structlog.get_logger(__name__)

_STATUS: tuple[tuple[type[errors.TrimtabError], int], ...] = (
    (errors.NotFoundError, 404),
    (errors.UnknownCallerError, 401),
    (errors.PermissionDeniedError, 403),
    (errors.ConflictError, 409),
    (errors.IllegalTransitionError, 409),
    (errors.ApprovalRequiredError, 409),
    (errors.ArtifactUntrustedError, 409),
    (errors.BackendError, 503),
    (errors.ConfigError, 422),
    (errors.DataContractError, 422),
)
# A sender of too much is hung up on, rather than listened to until the end.
_HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 413: {"Connection": "close"}}
_FOUND_NOTHING = {"missing", "extra_forbidden"}
_SECRET_NAME = re.compile(r"key|secret|password|token|authorization")
_OUR_KEY = re.compile(r"tt_[A-Za-z0-9_-]{8}")
_CLASSES = {
    400: "ConfigError",
    401: "UnknownCallerError",
    404: "NotFoundError",
    408: "BackendError",
    413: "ConfigError",
    415: "ConfigError",
    429: "BackendError",
    503: "BackendError",
}


class Problem(BaseModel):
    """Why a request was not answered; ``title`` is the class of the error, ``detail`` a sentence for a person."""

    type: str
    title: str
    status: int
    detail: str


def status_of(error: errors.TrimtabError) -> int:
    """Return the HTTP status for ``error``."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def problem(status: int, title: str, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return a problem document. It is ASCII, so that whatever a caller sent can be quoted in it."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    told = {**(headers or {}), **_HEADERS.get(status, {})}
    return Response(json.dumps(body), status_code=status, headers=told, media_type=PROBLEM)


def install_error_handlers(app: FastAPI) -> None:
    """Answer every error that we foresaw with a problem document; for the others see `trimtab.api.door`."""

    @app.exception_handler(errors.TrimtabError)
    async def _known(_request: Request, error: errors.TrimtabError) -> Response:
        return problem(status_of(error), type(error).__name__, str(error))

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        if first["loc"] == ("body",) and "json" not in request.headers.get("content-type", ""):
            return problem(422, "ConfigError", "body: expected JSON; send it with 'Content-Type: application/json'")
        if first["type"] == "json_invalid":
            return problem(422, "ConfigError", f"body: no JSON ({first['ctx']['error']}); send a JSON object in UTF-8")
        # The first part of a place says body, query or path; the sender knows it as a field.
        place = first["loc"][1:] or first["loc"]
        where = ".".join("…" if _OUR_KEY.search(str(part)) else str(part) for part in place)[:200]
        found = f"found {repr(first['input'])[:80]}; " if _may_be_quoted(first) else ""
        return problem(
            422, "ConfigError", f"{where}: {found}{_begun_small(first['msg'].removeprefix('Value error, '))}"
        )

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        title = _CLASSES.get(error.status_code, "HTTPException")
        where = f"{request.method} {logged_path(request.url.path)[:80]}"
        detail = {
            # Ours are TrimtabErrors: only a body that the framework cannot parse ends so.
            400: f"{where}: body: no JSON that can be read (nesting or encoding); send a flat JSON object in UTF-8",
            404: f"{where}: nothing is there; see /docs",
            405: f"{where}: not a method of it; see /docs",
        }.get(error.status_code, str(error.detail))
        return problem(error.status_code, title, detail, error.headers)


def _may_be_quoted(error: Any) -> bool:
    """Return whether what was found may stand in an answer, which ends in logs and bug reports.

    It must not where its field is named like a secret, or something in it looks like a key of ours.
    """
    named_so = any(_SECRET_NAME.search(part.lower()) for part in error["loc"] if isinstance(part, str))
    return error["type"] not in _FOUND_NOTHING and not named_so and _OUR_KEY.search(repr(error["input"])) is None


def _begun_small(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
