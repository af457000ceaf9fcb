"""Operations whose request or answer is a file rather than JSON."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path, PurePath, PureWindowsPath
from typing import Annotated

import orjson
from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse
from starlette.concurrency import run_in_threadpool

from trimtab.api.caller import Caller
from trimtab.api.door import Limits
from trimtab.api.once import IdempotencyKey, asked_once
from trimtab.api.report_files import add_report_files
from trimtab.config.project import ProjectFolder
from trimtab.core.canonical import JsonObject
from trimtab.core.errors import ConfigError, DataContractError
from trimtab.files import sha256_of_file
from trimtab.loop.operation import OPERATIONS, perform
from trimtab.loop.platform import Platform
from trimtab.records.intakes.http import DIGEST_HEADER

__all__ = ["TRANSFERS", "add_transfers", "uploads_of"]

TRANSFERS = frozenset({"data.ingest", "intake.segment", "serving.specs", "serving.bundle", "reports.file"})
"""Operations that are entered here."""

_FILE_ENDINGS = {
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".tab": "text/tab-separated-values",
    ".txt": "text/plain",
    ".parquet": "application/vnd.apache.parquet",
}


def add_transfers(app: FastAPI, platform: Platform, limits: Limits) -> None:
    """Make ``app`` answer the operations of `TRANSFERS`."""
    _add_upload(app, platform, limits.upload_bytes)
    _add_segments(app, platform, limits.segment_bytes)
    _add_specs(app, platform)
    _add_bundles(app, platform)
    add_report_files(app, platform)


def _add_upload(app: FastAPI, platform: Platform, limit_bytes: int) -> None:
    asked = OPERATIONS["data.ingest"]
    file = {"schema": {"type": "string", "format": "binary"}}
    body = {"required": True, "content": dict.fromkeys(_FILE_ENDINGS.values(), file)}

    @app.post(
        asked.path,
        tags=["data"],
        name=asked.name,
        response_model=JsonObject,
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
        once: IdempotencyKey = None,
    ) -> JsonObject | Response:
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
            told = {"model": model, "feed": feed, "name": name}
            said = {**told, "file": await run_in_threadpool(sha256_of_file, upload)} if once is not None else told
            run = partial(perform, platform, name=asked.name, fields={**told, "path": str(upload)})
            return await run_in_threadpool(
                asked_once, platform, actor=actor, key=once, operation=asked.name, said=said, run=run
            )
        finally:
            upload.unlink(missing_ok=True)


def _add_segments(app: FastAPI, platform: Platform, limit_bytes: int) -> None:
    asked = OPERATIONS["intake.segment"]
    content = {"application/vnd.apache.arrow.file": {"schema": {"type": "string", "format": "binary"}}}

    @app.post(
        asked.path,
        tags=["intake"],
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
