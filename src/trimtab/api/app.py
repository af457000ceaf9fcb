"""The control plane over HTTP. Routes come from the table of operations; the document at ``/docs`` from the routes."""

from __future__ import annotations

import hashlib
import inspect
from pathlib import Path, PurePath, PureWindowsPath
from typing import Annotated, Any

import orjson
from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response, params
from fastapi.responses import FileResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, create_model
from starlette.concurrency import run_in_threadpool

import trimtab
from trimtab.api.documentation import add_documentation
from trimtab.api.door import Door, Limits, names_of
from trimtab.api.errors import PROBLEM, Problem, install_error_handlers
from trimtab.config.loading import Strict
from trimtab.config.project import ProjectFolder
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
from trimtab.core.errors import ConfigError, DataContractError, UnknownCallerError
from trimtab.files import sha256_of_file
from trimtab.loop.actor import Actor
from trimtab.loop.control_metrics import CONTENT_TYPE, ControlMetrics
from trimtab.loop.keys import authenticate
from trimtab.loop.operation import OPERATIONS, Operation, perform
from trimtab.loop.platform import Platform
from trimtab.records.intakes.http import DIGEST_HEADER

__all__ = ["make_app", "uploads_of"]

_FILE_ENDINGS = {
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".tab": "text/tab-separated-values",
    ".txt": "text/plain",
    ".parquet": "application/vnd.apache.parquet",
}
_TAKES_BYTES = frozenset({"data.ingest", "intake.segment"})
"""Operations whose body is a file."""
_ANSWERED_OTHERWISE = frozenset({"serving.specs", "serving.bundle"})
"""Operations whose answer is a file, or none where nothing has changed."""

_PROBLEM: dict[str, Any] = {
    "description": "Why not, in a sentence.",
    "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_bearer = HTTPBearer(auto_error=False, description="An API key: `Authorization: Bearer tt_…`")


class Answer(Response):
    """An operation's answer as JSON; a number that is none (NaN) is null."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return ``content`` as JSON."""
        return orjson.dumps(content)


def _caller(request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> Actor:
    if credentials is None:
        raise UnknownCallerError("no API key; pass one as 'Authorization: Bearer tt_…', see 'trimtab keys create'")
    platform: Platform = request.app.state.platform
    with platform.database.reading() as connection:
        return authenticate(connection, credentials.credentials)


Caller = Annotated[Actor, Depends(_caller)]
"""Whoever holds the request's API key."""


def _reaching(asked: Operation) -> params.Depends:
    """Return what checks the caller's role, before anything is said about the rest of the request."""

    def check(actor: Caller) -> None:
        actor.require(asked.role, asked.name.replace(".", " "))

    return params.Depends(check)


def make_app(platform: Platform, *, host: str = "127.0.0.1", limits: Limits | None = None) -> FastAPI:
    """Return the application that serves ``platform`` to those who ask for ``host``."""
    limits = limits or Limits()
    app = FastAPI(
        title="Trimtab control plane",
        version=trimtab.__version__,
        redoc_url=None,
        docs_url=None,
        redirect_slashes=False,
        default_response_class=Answer,
        responses={status: _PROBLEM for status in (401, 403, 404, 409, 413, 422, 503)},
    )
    install_error_handlers(app)
    uploads = OPERATIONS["data.ingest"].path.rpartition("}")[2]
    segments = OPERATIONS["intake.segment"].path.partition("{")[0]
    app.add_middleware(
        Door,
        hosts=names_of(host),
        body_bytes=limits.body_bytes,
        unlimited=(uploads,),
        unlimited_below=(segments,),
    )

    app.state.platform = platform
    for asked in OPERATIONS.values():
        if asked.name not in _TAKES_BYTES | _ANSWERED_OTHERWISE:
            _add_route(app, platform, asked)
    _add_upload(app, platform, limits.upload_bytes)
    _add_segments(app, platform, limits.segment_bytes)
    _add_specs(app, platform)
    _add_bundles(app, platform)
    _add_metrics(app, platform)

    @app.get("/api/health", tags=["health"], summary="Whether the control plane works")
    def health() -> JsonObject:
        with platform.database.reading() as connection:
            connection.exec_driver_sql("SELECT 1")
        return {"status": "ok", "version": trimtab.__version__, "project": platform.project.config.project}

    _describe_problems(app)
    add_documentation(app)
    return app


def _describe_problems(app: FastAPI) -> None:
    """Make the document tell what errors look like here, in place of what FastAPI supposes."""
    made = app.openapi

    def document() -> dict[str, Any]:
        content = made()
        schemas = content.setdefault("components", {}).setdefault("schemas", {})
        schemas["Problem"] = Problem.model_json_schema()
        for supposed in ("HTTPValidationError", "ValidationError"):
            schemas.pop(supposed, None)
        return content

    app.openapi = document  # type: ignore[method-assign]


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
        dependencies=[_reaching(asked)],
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


def _add_upload(app: FastAPI, platform: Platform, limit_bytes: int) -> None:
    asked = OPERATIONS["data.ingest"]
    file = {"schema": {"type": "string", "format": "binary"}}
    body = {"required": True, "content": dict.fromkeys(_FILE_ENDINGS.values(), file)}

    @app.post(
        asked.path,
        tags=["data"],
        dependencies=[_reaching(asked)],
        name=asked.name,
        operation_id="data_ingest",
        summary=asked.summary,
        openapi_extra={"requestBody": body},
    )
    async def ingest(
        request: Request,
        actor: Caller,
        model: str,
        filename: Annotated[str, Query(max_length=255)],
        feed: str | None = None,
    ) -> JsonObject:
        """Needs role `operator`. The body is the file itself; `filename` says by its ending what it is."""
        name = PureWindowsPath(filename).name  # it takes both kinds of slash as ends of folders
        suffix = PurePath(name).suffix.lower()
        if suffix not in _FILE_ENDINGS or not name.isprintable():
            raise ConfigError(f"filename {filename!r}: ending not in {', '.join(_FILE_ENDINGS)}; convert or rename it")
        await run_in_threadpool(platform.files, model)  # before gigabytes are sent for a model that is not there
        upload = uploads_of(platform.project) / f"{platform.new_id()}{suffix}"
        upload.parent.mkdir(parents=True, exist_ok=True)
        try:
            await _receive(request, upload, limit_bytes)
            fields = {"model": model, "path": str(upload), "feed": feed, "name": name}
            return await run_in_threadpool(perform, platform, actor, asked.name, fields)
        finally:
            upload.unlink(missing_ok=True)


def _add_segments(app: FastAPI, platform: Platform, limit_bytes: int) -> None:
    asked = OPERATIONS["intake.segment"]
    content = {"application/vnd.apache.arrow.file": {"schema": {"type": "string", "format": "binary"}}}

    @app.post(
        asked.path,
        tags=["intake"],
        dependencies=[_reaching(asked)],
        name=asked.name,
        operation_id="intake_segment",
        summary=asked.summary,
        openapi_extra={"requestBody": {"required": True, "content": content}},
    )
    async def segment(request: Request, actor: Caller, segment_id: str) -> JsonObject:
        """Needs role `service`. The body is an Arrow IPC file; `X-Content-SHA256` may hold its digest."""
        upload = uploads_of(platform.project) / f"{platform.new_id()}.arrow"
        upload.parent.mkdir(parents=True, exist_ok=True)
        try:
            await _receive(request, upload, limit_bytes)
            await run_in_threadpool(_check_digest, upload, request.headers.get(DIGEST_HEADER))
            fields = {"segment_id": segment_id, "path": str(upload)}
            return await run_in_threadpool(perform, platform, actor, asked.name, fields)
        finally:
            upload.unlink(missing_ok=True)


def _add_specs(app: FastAPI, platform: Platform) -> None:
    asked = OPERATIONS["serving.specs"]

    @app.get(
        asked.path,
        tags=["serving"],
        dependencies=[_reaching(asked)],
        name=asked.name,
        operation_id="serving_specs",
        summary=asked.summary,
        responses={304: {"description": "Nothing has changed."}},
    )
    def specs(request: Request, actor: Caller) -> Response:
        """Needs role `service`. `ETag` names what is told; with it in `If-None-Match`, only a change is told."""
        content = orjson.dumps(perform(platform, actor, asked.name, {}))
        tag = f'"{hashlib.sha256(content).hexdigest()}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"etag": tag})
        return Response(content, media_type="application/json", headers={"etag": tag})


def _add_bundles(app: FastAPI, platform: Platform) -> None:
    asked = OPERATIONS["serving.bundle"]
    file = {"schema": {"type": "string", "format": "binary"}}

    @app.get(
        asked.path,
        tags=["serving"],
        dependencies=[_reaching(asked)],
        name=asked.name,
        operation_id="serving_bundle",
        summary=asked.summary,
        response_class=Response,
        responses={200: {"description": "The file.", "content": {"application/octet-stream": file}}},
    )
    def bundle(actor: Caller, digest: str, name: str) -> Response:
        """Needs role `service`."""
        found = perform(platform, actor, asked.name, {"digest": digest, "name": name})
        return FileResponse(found["path"], media_type="application/octet-stream")


def _add_metrics(app: FastAPI, platform: Platform) -> None:
    metrics = ControlMetrics(platform)

    @app.get(
        "/metrics",
        tags=["health"],
        summary="What Prometheus may read: the newest checks, cases, retrainings, and what waits",
        response_class=Response,
        responses={200: {"description": "Prometheus' text format 0.0.4.", "content": {"text/plain": {}}}},
    )
    def told(actor: Caller) -> Response:
        """Needs role `viewer`."""
        actor.require(Role.VIEWER, "metrics")
        return Response(metrics.exposition(), media_type=CONTENT_TYPE)


def _check_digest(upload: Path, told: str | None) -> None:
    if told is not None and sha256_of_file(upload) != told.lower():
        raise DataContractError("segment: its bytes are not those of X-Content-SHA256; send it again")


def uploads_of(project: ProjectFolder) -> Path:
    """Return the folder where files lie while they are received."""
    return project.state / "uploads"


async def _receive(request: Request, upload: Path, limit_bytes: int) -> None:
    size = int(request.headers.get("content-length") or 0)
    if size > limit_bytes:
        raise HTTPException(413, f"upload: {size} bytes, more than {limit_bytes}; split the file")
    size = 0
    with upload.open("wb") as stream:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit_bytes:
                raise HTTPException(413, f"upload: more than {limit_bytes} bytes; split the file")
            await run_in_threadpool(stream.write, chunk)
