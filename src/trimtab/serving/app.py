"""The server's ASGI application: routes, errors, counting. A plain callable, since layers cost more than the model."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import structlog

import trimtab
from trimtab.core.errors import BackendError, NotFoundError, TrimtabError
from trimtab.records.journal import JournalWriter
from trimtab.serving.asgi import (
    REQUEST_ID,
    ClientGoneError,
    Receive,
    RefusedError,
    Response,
    Scope,
    Send,
    error_response,
    header,
    json_response,
    read_body,
    send_response,
)
from trimtab.serving.endpoints import EndpointTable, LoadedEndpoint
from trimtab.serving.handler import Exchange, Handler
from trimtab.serving.metrics import ServingMetrics
from trimtab.serving.openapi import openapi_document
from trimtab.serving.protocols.ground_truth import MAX_BODY_BYTES, accept_ground_truth
from trimtab.serving.protocols.invocation_headers import read_headers
from trimtab.serving.protocols.invocations import answer_invocation
from trimtab.serving.protocols.open_inference import answer_infer, model_metadata, model_ready, server_metadata
from trimtab.serving.protocols.predict import answer_predict

__all__ = ["ServingApp"]

_RETRY: Final = ((b"retry-after", b"1"),)
_PROMETHEUS: Final = b"text/plain; version=0.0.4; charset=utf-8"
_READ: Final = "GET, HEAD"

_log = structlog.get_logger("trimtab.serving")

EndpointProtocol = Callable[[Handler, LoadedEndpoint, bytes, Exchange], Response]


class ServingApp:
    """Answers HTTP requests over a table of endpoints. All state changes happen in the event loop's thread."""

    def __init__(
        self,
        *,
        table: EndpointTable,
        handler: Handler,
        journal: JournalWriter,
        metrics: ServingMetrics,
        new_id: Callable[[], str],
        now_us: Callable[[], int],
        monotonic_ns: Callable[[], int],
    ) -> None:
        self.in_flight = 0
        self._table = table
        self._handler = handler
        self._journal = journal
        self._metrics = metrics
        self._new_id = new_id
        self._now_us = now_us
        self._monotonic_ns = monotonic_ns
        self._fixed: dict[str, Callable[[], Response]] = {
            "/health": self._health,
            "/ping": lambda: Response(200 if table.ready else 503, b"\n"),
            "/version": lambda: Response(200, trimtab.__version__.encode()),
            "/metrics": lambda: Response(200, metrics.exposition(), content_type=_PROMETHEUS),
            "/openapi.json": lambda: json_response(openapi_document()),
            "/v2": server_metadata,
            "/v2/health/live": lambda: json_response({"live": True}),
            "/v2/health/ready": lambda: json_response({"ready": table.ready}, status=200 if table.ready else 503),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise NotImplementedError(f"ASGI {scope['type']}")
        self.in_flight += 1
        exchange = Exchange(self._request_id(scope), self._now_us(), self._monotonic_ns())
        try:
            response = await self._respond(scope, receive, exchange)
        except ClientGoneError:
            return
        except Exception as error:  # noqa: BLE001 - the boundary: whatever goes wrong, the caller gets one sentence
            response = _refusal(error, exchange, scope)
        finally:
            self.in_flight -= 1
        self._count(exchange, response.status)
        await send_response(
            send,
            Response(
                response.status,
                response.body,
                ((b"x-request-id", exchange.request_id.encode()), *response.headers),
                response.content_type,
            ),
        )

    async def _respond(self, scope: Scope, receive: Receive, exchange: Exchange) -> Response:
        path: str = scope["path"]
        method: str = scope["method"]
        if path == "/predict" or path.startswith("/predict/"):
            _allow(method, "POST")
            endpoint = self._table.only() if path == "/predict" else self._table.get(path[9:])
            return await self._answer(answer_predict, endpoint, scope, receive, exchange)
        if path.startswith("/v2/models/"):
            return await self._open_inference(path[11:], method, scope, receive, exchange)
        if path == "/invocations":
            return await self._invocation(method, scope, receive, exchange)
        if path == "/v1/ground-truth":
            _allow(method, "POST")
            body = await read_body(scope, receive, MAX_BODY_BYTES)
            accepted = accept_ground_truth(self._journal, body, exchange)
            self._metrics.truths.inc(accepted)
            return json_response({"accepted": accepted, "request_id": exchange.request_id}, status=202)
        fixed = self._fixed.get(path.rstrip("/") or path)
        if fixed is None:
            raise NotFoundError(f"path {path[:80]!r}: nothing is there; /openapi.json lists what is; correct it")
        _allow(method, _READ)
        return fixed()

    async def _open_inference(
        self, rest: str, method: str, scope: Scope, receive: Receive, exchange: Exchange
    ) -> Response:
        name, _, verb = rest.partition("/")
        version = None
        if verb.startswith("versions/"):
            version, _, verb = verb[9:].partition("/")
        if verb == "infer":
            _allow(method, "POST")
            header_bytes = header(scope, b"inference-header-content-length")
            protocol = (
                answer_infer
                if version is None and header_bytes is None
                else partial(answer_infer, version=version, header_bytes=header_bytes)
            )
            return await self._answer(protocol, self._table.get(name), scope, receive, exchange)
        if verb == "ready":
            _allow(method, _READ)
            return model_ready(self._table.get(name), version)
        if verb == "":
            _allow(method, _READ)
            return model_metadata(self._table.get(name), version)
        raise NotFoundError(
            f"path '/v2/models/{rest[:80]}': nothing is there; expected NAME or NAME/versions/N, and behind it /infer, "
            "/ready or nothing; correct it"
        )

    async def _invocation(self, method: str, scope: Scope, receive: Receive, exchange: Exchange) -> Response:
        _allow(method, "POST")
        said = read_headers(scope)
        if said.request_id is not None and header(scope, b"x-request-id") is None:
            exchange.request_id = said.request_id
        protocol = partial(answer_invocation, said=said)
        return await self._answer(protocol, self._table.only(), scope, receive, exchange)

    async def _answer(
        self,
        protocol: EndpointProtocol,
        endpoint: LoadedEndpoint,
        scope: Scope,
        receive: Receive,
        exchange: Exchange,
    ) -> Response:
        body = await read_body(scope, receive, endpoint.spec.max_body_bytes)
        exchange.started_ns = self._monotonic_ns()
        # While the body came in, a new generation may have: the old one's journal schema is withdrawn by then.
        return protocol(self._handler, self._table.get(endpoint.spec.endpoint), body, exchange)

    def _health(self) -> Response:
        statuses = self._table.statuses
        failing = sorted(name for name, status in statuses.items() if status.error is not None)
        return json_response(
            {
                "status": "degraded" if failing else "ok",
                "live": True,
                "ready": self._table.ready,
                "endpoints": {name: statuses[name] for name in sorted(statuses)},
            }
        )

    def _count(self, exchange: Exchange, status: int) -> None:
        variant = exchange.variant
        if variant is None:
            if status >= 400:
                self._metrics.unrouted(status).inc()
            return
        metrics = variant.metrics
        if status < 400:
            metrics.answered.inc()
            metrics.latency_s.observe((self._monotonic_ns() - exchange.started_ns) / 1e9)
        elif status < 500:
            metrics.refused.inc()
        else:
            metrics.failed.inc()

    def _request_id(self, scope: Scope) -> str:
        given = header(scope, b"x-request-id")
        if given is not None and REQUEST_ID.fullmatch(given):
            return given.decode()
        return self._new_id()


def _allow(method: str, allowed: str) -> None:
    if method not in allowed.split(", "):
        raise RefusedError(
            405,
            f"method {method[:20]!r}: not allowed here, expected {allowed}; correct it",
            ((b"allow", allowed.encode()),),
        )


def _refusal(error: Exception, exchange: Exchange, scope: Scope) -> Response:
    if isinstance(error, RefusedError):
        return error_response(error.status, str(error), error.headers)
    if isinstance(error, NotFoundError):
        return error_response(404, str(error))
    if isinstance(error, BackendError):
        _log.error("request_not_recorded", request_id=exchange.request_id, path=scope["path"][:200], error=str(error))
        return error_response(503, str(error), _RETRY)
    if isinstance(error, TrimtabError):
        return error_response(400, str(error))
    _log.error("request_failed", request_id=exchange.request_id, path=scope["path"][:200], exc_info=error)
    return error_response(
        500, f"request {exchange.request_id}: failed inside the server, expected an answer; the server's log says why"
    )
