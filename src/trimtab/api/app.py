"""The control plane over HTTP. Routes come from the table of operations; the document at ``/docs`` from the routes."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, create_model
from starlette.concurrency import run_in_threadpool

import trimtab
from trimtab.api.errors import install_error_handlers
from trimtab.config.loading import Strict
from trimtab.core.canonical import JsonObject
from trimtab.core.errors import ConfigError, PermissionDeniedError
from trimtab.loop.actor import Actor
from trimtab.loop.keys import authenticate
from trimtab.loop.operation import OPERATIONS, Operation, perform
from trimtab.loop.platform import Platform

__all__ = ["make_app"]

_MAX_UPLOAD_BYTES = 2_000_000_000
_bearer = HTTPBearer(auto_error=False, description="An API key: `Authorization: Bearer tt_…`")


def _caller(request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> Actor:
    if credentials is None:
        raise PermissionDeniedError("no API key; pass one as 'Authorization: Bearer tt_…', see 'trimtab keys create'")
    platform: Platform = request.app.state.platform
    with platform.database.reading() as connection:
        return authenticate(connection, credentials.credentials)


Caller = Annotated[Actor, Depends(_caller)]
"""Whoever holds the request's API key."""


def make_app(platform: Platform) -> FastAPI:
    """Return the application that serves ``platform``."""
    app = FastAPI(title="Trimtab control plane", version=trimtab.__version__, redoc_url=None)
    install_error_handlers(app)

    app.state.platform = platform
    for asked in OPERATIONS.values():
        if asked.name != "data.ingest":
            _add_route(app, platform, asked)
    _add_upload(app, platform)

    @app.get("/api/health", tags=["health"], summary="Whether the control plane works")
    def health() -> JsonObject:
        with platform.database.reading() as connection:
            connection.exec_driver_sql("SELECT 1")
        return {"status": "ok", "version": trimtab.__version__, "project": platform.project.config.project}

    return app


def _add_route(app: FastAPI, platform: Platform, asked: Operation) -> None:
    body = _without(asked.request, asked.path_fields, asked.name)
    kind = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        inspect.Parameter(name, kind, annotation=asked.request.model_fields[name].annotation)
        for name in asked.path_fields
    ]
    parameters.append(inspect.Parameter("actor", kind, annotation=Caller))
    if body is not None:
        annotation: Any = body if asked.method == "POST" else Annotated[body, Query()]
        parameters.append(inspect.Parameter("fields", kind, annotation=annotation))

    def answer(*, actor: Actor, fields: BaseModel | None = None, **path: Any) -> JsonObject:
        given = fields.model_dump(mode="json", exclude_unset=True) if fields is not None else {}
        return perform(platform, actor, asked.name, {**given, **path})

    answer.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    app.add_api_route(
        asked.path,
        answer,
        methods=[asked.method],
        name=asked.name,
        operation_id=asked.name.replace(".", "_"),
        summary=asked.summary,
        description=f"Needs role `{asked.role}`.",
        tags=[asked.name.split(".")[0]],
    )


def _without(model: type[BaseModel], names: tuple[str, ...], operation: str) -> type[BaseModel] | None:
    kept: dict[str, Any] = {
        name: (field.annotation, field) for name, field in model.model_fields.items() if name not in names
    }
    title = "".join(part.title() for part in operation.replace("-", "_").replace(".", "_").split("_"))
    return create_model(f"{title}Request", __base__=Strict, **kept) if kept else None


def _add_upload(app: FastAPI, platform: Platform) -> None:
    asked = OPERATIONS["data.ingest"]

    @app.post(asked.path, tags=["data"], name=asked.name, operation_id="data_ingest", summary=asked.summary)
    async def ingest(
        request: Request,
        actor: Caller,
        model: str,
        filename: str,
        feed: str | None = None,
    ) -> JsonObject:
        """Needs role `operator`. The body is the file itself; `filename` says by its ending what it is."""
        actor.require(asked.role, "ingest data")
        suffix = Path(filename).suffix.lower()
        if suffix not in {".csv", ".tsv", ".tab", ".parquet"}:
            raise ConfigError(f"filename {filename!r}: ending not in .csv, .tsv, .tab, .parquet; convert the file")
        upload = platform.project.state / "uploads" / f"{platform.new_id()}{suffix}"
        upload.parent.mkdir(parents=True, exist_ok=True)
        try:
            await _receive(request, upload)
            fields = {"model": model, "path": str(upload), "feed": feed, "name": Path(filename).name}
            return await run_in_threadpool(perform, platform, actor, asked.name, fields)
        finally:
            upload.unlink(missing_ok=True)


async def _receive(request: Request, upload: Path) -> None:
    size = 0
    with upload.open("wb") as stream:
        async for chunk in request.stream():
            size += len(chunk)
            if size > _MAX_UPLOAD_BYTES:
                raise ConfigError(f"upload: more than {_MAX_UPLOAD_BYTES} bytes; split the file")
            await run_in_threadpool(stream.write, chunk)
