"""The control plane over HTTP. Routes come from the table of operations; the document at ``/docs`` from the routes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, FastAPI, Response

import trimtab
from trimtab.api.bodies import Bodies
from trimtab.api.caller import Caller, KnownFirst
from trimtab.api.documentation import add_documentation
from trimtab.api.door import Door, Limits, names_of
from trimtab.api.errors import PROBLEM, Problem, install_error_handlers
from trimtab.api.link_pages import link_routes
from trimtab.api.operation_routes import Answer, add_operation
from trimtab.api.origins import Origins
from trimtab.api.rate_limits import RateLimits, RateLimitsByAddress
from trimtab.api.sessions import session_routes
from trimtab.api.stream import Streams, stream_routes
from trimtab.api.transfers import TRANSFERS, add_transfers
from trimtab.api.webhooks import WEBHOOKS, webhook_routes
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
from trimtab.core.errors import BackendError
from trimtab.db.engine import Connection
from trimtab.loop.broadcast import Broadcast
from trimtab.loop.control_metrics import CONTENT_TYPE, ControlMetrics
from trimtab.loop.operation import OPERATIONS
from trimtab.loop.platform import Platform

__all__ = ["make_app"]

_HEALTH = "/api/health"
_PUBLIC = ("/docs", "/docs.css", "/openapi.json", "/api/session")

_PROBLEM: dict[str, Any] = {
    "description": "Why not, in a sentence.",
    "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


def _routers(platform: Platform, origins: Origins, rates: RateLimits, streams: Streams) -> tuple[APIRouter, ...]:
    """Return the doors that are no operations: one router each, made in the file that is named after it."""
    return (
        session_routes(platform, origins),
        webhook_routes(platform, rates),
        stream_routes(platform, streams),
        link_routes(platform, rates),
    )


def make_app(
    platform: Platform,
    *,
    host: str = "127.0.0.1",
    limits: Limits | None = None,
    why_stuck: Callable[[Connection], str | None] = lambda _connection: None,
) -> FastAPI:
    """Return the application that serves ``platform`` to those who ask for ``host``.

    ``why_stuck`` tells why the work that requests lead to is not done, None while it is: see `Conductor.why_stuck`.
    """
    limits, public_url = limits or Limits(), platform.project.config.api.public_url
    origins = Origins(host=host, public_url=public_url)
    rates = RateLimits(platform.project.config.api, platform.doors)
    app = FastAPI(
        title="Trimtab control plane",
        version=trimtab.__version__,
        redoc_url=None,
        docs_url=None,
        redirect_slashes=False,
        default_response_class=Answer,
        responses={status: _PROBLEM for status in (401, 403, 404, 409, 413, 422, 429, 503)},
    )
    app.router.route_class = KnownFirst
    install_error_handlers(app)
    uploads = OPERATIONS["data.ingest"].path.rpartition("}")[2]
    segments = OPERATIONS["intake.segment"].path.partition("{")[0]
    # Probes ask as often as they like; a webhook answers 503 to too many, after which its sender tries again.
    app.add_middleware(
        RateLimitsByAddress,
        limits=rates,
        cookie=origins.cookie.name,
        public=_PUBLIC,
        unlimited=(_HEALTH,),
        unlimited_below=(WEBHOOKS,),
    )
    app.add_middleware(
        Door,
        hosts=names_of(host, public_url),
        bodies=Bodies(
            most_bytes=limits.body_bytes,
            within_s=limits.body_s,
            at_once=limits.bodies_at_once,
            address_of=rates.address_of,
        ),
        unlimited=(uploads,),
        unlimited_below=(segments,),
        https=origins.cookie.secure,
    )

    app.state.platform = platform
    app.state.origins = origins
    app.state.rates = rates
    app.state.streams = streams = Streams(
        Broadcast(platform.database, platform.wake),
        most=limits.streams,
        each=limits.streams_each,
        beat_s=limits.beat_s,
    )
    for asked in OPERATIONS.values():
        if asked.name not in TRANSFERS:
            add_operation(app, platform, asked)
    add_transfers(app, platform, limits)
    _add_metrics(app, platform)
    for router in _routers(platform, origins, rates, streams):
        app.include_router(router)

    @app.get(_HEALTH, tags=["health"], summary="Whether the control plane works")
    def health() -> JsonObject:
        with platform.database.reading() as connection:
            connection.exec_driver_sql("SELECT 1")
            stuck = why_stuck(connection)
        if stuck is not None:
            raise BackendError(f"control plane: answers, and works on nothing: {stuck}; see its log, then restart it")
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
