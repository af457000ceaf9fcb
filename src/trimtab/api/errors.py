"""From errors to HTTP: one class, one status; the body is a problem document (RFC 9457)."""

from __future__ import annotations

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from trimtab.core import errors

__all__ = ["install_error_handlers", "status_of"]

_log = structlog.get_logger(__name__)

_STATUS: tuple[tuple[type[errors.TrimtabError], int], ...] = (
    (errors.NotFoundError, 404),
    (errors.PermissionDeniedError, 403),
    (errors.ConflictError, 409),
    (errors.IllegalTransitionError, 409),
    (errors.ApprovalRequiredError, 409),
    (errors.ArtifactUntrustedError, 409),
    (errors.BackendError, 503),
    (errors.ConfigError, 422),
    (errors.DataContractError, 422),
)


def status_of(error: errors.TrimtabError) -> int:
    """Return the HTTP status for ``error``."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def install_error_handlers(app: FastAPI) -> None:
    """Answer every error with a problem document; what we did not foresee is logged and told without its insides."""

    @app.exception_handler(errors.TrimtabError)
    async def _known(_request: Request, error: errors.TrimtabError) -> JSONResponse:
        return _problem(status_of(error), type(error).__name__, str(error))

    @app.exception_handler(RequestValidationError)
    async def _invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return _problem(422, "ConfigError", f"{where}: {first['msg'].lower()}")

    @app.exception_handler(HTTPException)
    async def _http(_request: Request, error: HTTPException) -> JSONResponse:
        return _problem(error.status_code, "HTTPException", str(error.detail))

    @app.exception_handler(Exception)
    async def _unforeseen(request: Request, error: Exception) -> JSONResponse:
        _log.error("request.crashed", path=request.url.path, exc_info=error)
        return _problem(500, "InternalError", "an error that we did not foresee; it is in the control plane's log")


def _problem(status: int, title: str, detail: str) -> JSONResponse:
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JSONResponse(body, status_code=status, media_type="application/problem+json")
