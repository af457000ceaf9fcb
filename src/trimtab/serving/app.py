"""The server's ASGI application: routes, errors, counting. A plain callable, since layers cost more than the model."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeVar

import msgspec

import trimtab
from trimtab.core.errors import ConfigError, NotFoundError
from trimtab.records.journal import JournalWriter
from trimtab.records.schema import SchemaFrame
from trimtab.serving.access import Gate
from trimtab.serving.asgi import (
    BUDGET,
    REQUEST_ID,
    ClientGoneError,
    Headers,
    Message,
    Receive,
    RefusedError,
    Response,
    Scope,
    Send,
    has_left,
    header,
    json_response,
    read_body,
    send_response,
    while_connected,
)
from trimtab.serving.endpoints import EndpointTable, LoadedEndpoint
from trimtab.serving.exchange import Exchange
from trimtab.serving.features.missed import missed_header
from trimtab.serving.handler import Handler
from trimtab.serving.hosting import Hosting
from trimtab.serving.job_routes import ASYNC_SUFFIX, answer_job, submit_job
from trimtab.serving.jobs import Jobs, StoredJob
from trimtab.serving.large import LARGE_BYTES, InLoop, Lane
from trimtab.serving.limits import Bounds
from trimtab.serving.metrics import ServingMetrics
from trimtab.serving.open_inference_routes import describe_model, infer_protocol, split_model_path
from trimtab.serving.openapi import openapi_document
from trimtab.serving.options import ServerOptions
from trimtab.serving.outcomes import Outcomes, refusal_of
from trimtab.serving.protocols.ground_truth import MAX_BODY_BYTES, accept_ground_truth, accept_large_ground_truth
from trimtab.serving.protocols.invocation_headers import read_headers
from trimtab.serving.protocols.invocations import read_invocation
from trimtab.serving.protocols.multi_model import answer_model, answer_models
from trimtab.serving.protocols.open_inference import server_metadata
from trimtab.serving.protocols.predict import read_predict
from trimtab.serving.protocols.question import Question
from trimtab.serving.protocols.raw_images import read_image, sends_image
from trimtab.serving.recording import RecordingWatch
from trimtab.serving.shadow import Copied, Shadows
from trimtab.serving.shadow_counts import ShadowLedgers
from trimtab.serving.stats import health_of, stats_of
from trimtab.serving.told_counts import ToldCounts
from trimtab.serving.tracing import trace_id
from trimtab.serving.waking import Waking

__all__ = ["ServingApp"]

_PROMETHEUS: Final = b"text/plain; version=0.0.4; charset=utf-8"
_READ: Final = "GET, HEAD"
_SLOW_NS: Final = 100_000_000

ResultT = TypeVar("ResultT")

EndpointProtocol = Callable[[LoadedEndpoint, bytes], Question]


class ServingApp:
    """Answers HTTP requests over a table of endpoints. All state changes happen in the event loop's thread."""

    def __init__(
        self,
        *,
        table: EndpointTable,
        waking: Waking,
        handler: Handler,
        journal: JournalWriter,
        metrics: ServingMetrics,
        new_id: Callable[[], str],
        now_us: Callable[[], int],
        monotonic_ns: Callable[[], int],
        gate: Gate | None = None,
        bounds: Bounds | None = None,
        exposition: Callable[[], bytes] | None = None,
        told: ToldCounts | None = None,
        shadows: Shadows | None = None,
        hosting: Hosting | None = None,
        jobs: Jobs | None = None,
    ) -> None:
        self.in_flight = 0
        self._gate = gate
        self._bounds = bounds or Bounds(ServerOptions())
        self._max_in_flight = self._bounds.max_in_flight
        self._budget = self._bounds.budget
        self._lane = Lane()
        exposition = exposition or metrics.exposition
        self._table = table
        self._waking = waking
        self._hosting = hosting
        self._jobs = jobs
        self._shadows = shadows
        self._handler = handler
        self._journal = journal
        self.recording = RecordingWatch(journal, metrics, now_us=now_us)
        outcomes = Outcomes(self.recording, metrics, monotonic_ns=monotonic_ns)
        self._settle, self._settle_gone = outcomes.settle, outcomes.settle_gone
        copies = ShadowLedgers() if shadows is None else shadows.ledgers
        self._told = ToldCounts(table.ledgers, copies) if told is None else told
        self._metrics = metrics
        metrics.tell_only(table.served)
        self._new_id = new_id
        self._now_us = now_us
        self._monotonic_ns = monotonic_ns
        self._fixed: dict[str, Callable[[], Response]] = {
            "/health": lambda: json_response(health_of(table, self.recording)),
            "/ping": lambda: Response(200 if table.ready else 503, b"\n"),
            "/version": lambda: Response(200, trimtab.__version__.encode()),
            "/metrics": lambda: Response(200, exposition(), content_type=_PROMETHEUS),
            "/v1/stats": lambda: json_response(stats_of(table)),
            "/openapi.json": self._openapi,
            "/v2": server_metadata,
            "/v2/health/live": lambda: json_response({"live": True}),
            "/v2/health/ready": lambda: json_response({"ready": table.ready}, status=200 if table.ready else 503),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise NotImplementedError(f"ASGI {scope['type']}")
        self.in_flight += 1
        exchange = self._exchange(dict(scope["headers"]))
        try:
            response = await self._outcome(scope, receive, exchange, self._let_in)
        except ClientGoneError:
            self._settle_gone(exchange)
            return
        finally:
            self.in_flight -= 1
        await send_response(scope, send, response, _said_of(exchange))
        if exchange.copied is not None:
            self._offer_copy(exchange.copied, response)

    async def answer_stored(self, job: StoredJob) -> Response:
        """Answer a request that was let in before, and kept, as if it came now; it bears the time that it came at."""
        exchange = self._exchange(dict(job.headers))
        exchange.received_us = job.submitted_us
        once = None
        if self._jobs is not None:
            once = exchange.records = await self._jobs.recorded_once(job, self._journal)
            if once.answered_by is not None and exchange.variant_name is None:
                exchange.variant_name = self._still_live(job.endpoint, once.answered_by)
        path = f"/predict/{job.endpoint}"
        scope: Scope = {"type": "http", "method": "POST", "path": path, "headers": job.headers}

        async def receive() -> Message:
            return {"type": "http.request", "body": job.body, "more_body": False}

        response = await self._outcome(scope, receive, exchange)
        # What is answered again may have been copied before, too: a shadow may miss a row, and records none twice.
        if exchange.copied is not None and (once is None or once.answered_by is None):
            self._offer_copy(exchange.copied, response)
        return response

    def _still_live(self, name: str, answered_by: SchemaFrame) -> str | None:
        """Return the variant whose answers are on record, if a caller may ask it by name: the outcome should agree."""
        endpoint = self._table.find(name)
        if endpoint is None or not endpoint.spec.variant_choice:
            return None
        found = (one for one in endpoint.live if one.spec.name == answered_by.variant)
        return next((one.spec.name for one in found if one.spec.model_version == answered_by.model_version), None)

    async def _outcome(
        self, scope: Scope, receive: Receive, exchange: Exchange, let_in: Callable[[Scope], None] | None = None
    ) -> Response:
        """Answer or refuse, and count it; ``let_in`` None: it was let in before."""
        try:
            if let_in is not None:
                let_in(scope)
            scope[BUDGET] = self._budget
            response = await self._respond(scope, receive, exchange)
        except ClientGoneError:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary: whatever goes wrong, the caller gets one sentence
            response = refusal_of(error, exchange, scope)
        return self._settle(exchange, response)

    def _let_in(self, scope: Scope) -> None:
        if self._gate is not None:
            self._gate.check(scope)
        # What probes and scrapers ask is answered at the limit, too: else an orchestrator would take it for dead.
        if self.in_flight > self._max_in_flight and scope["method"] == "POST":
            raise self._bounds.refusal()

    def _offer_copy(self, copied: Copied, response: Response) -> None:
        if self._shadows is not None and response.status < 400:
            self._shadows.offer(copied)

    async def _respond(self, scope: Scope, receive: Receive, exchange: Exchange) -> Response:
        path: str = scope["path"]
        method: str = scope["method"]
        if path == "/predict" or path.startswith("/predict/"):
            _allow(method, "POST")
            name = self._table.only() if path == "/predict" else path[9:]
            if name.endswith(ASYNC_SUFFIX) and self._jobs is not None:
                endpoint = await self._endpoint(name.removesuffix(ASYNC_SUFFIX))
                return await submit_job(self._jobs, endpoint, scope, receive, exchange)
            return await self._answer(read_predict, name, scope, receive, exchange)
        if path.startswith("/v2/models/"):
            return await self._open_inference(path[11:], method, scope, receive, exchange)
        if path == "/invocations" or path.startswith("/invocations/"):
            return await self._invocation(method, scope, receive, exchange, path[13:] or None)
        if path == "/v1/ground-truth":
            _allow(method, "POST")
            return await self._take_truths(scope, receive, exchange)
        if self._jobs is not None and path.startswith("/v1/jobs/"):
            return await answer_job(self._jobs, path[9:], scope)
        if self._hosting is not None and (path == "/models" or path.startswith("/models/")):
            return await self._multi_model(self._hosting, path[8:], scope, receive, exchange)
        if path.startswith("/v1/variants/") and path.endswith("/counts"):
            _allow(method, _READ)
            return self._variant_counts(path[13:-7])
        fixed = self._fixed.get(path.rstrip("/") or path)
        if fixed is None:
            raise NotFoundError(f"path {path[:80]!r}: nothing is there; /openapi.json lists what is; correct it")
        _allow(method, _READ)
        return fixed()

    async def _take_truths(self, scope: Scope, receive: Receive, exchange: Exchange) -> Response:
        body = await read_body(scope, receive, MAX_BODY_BYTES)
        if len(body) > LARGE_BYTES:
            accepted = await self._beside(body, partial(accept_large_ground_truth, self._journal, body, exchange))
        else:
            accepted = accept_ground_truth(self._journal, body, exchange)
        self._metrics.truths.inc(accepted)
        return json_response({"accepted": accepted, "request_id": exchange.request_id}, status=202)

    async def _open_inference(
        self, rest: str, method: str, scope: Scope, receive: Receive, exchange: Exchange
    ) -> Response:
        name, version, verb = split_model_path(rest)
        if verb == "infer":
            _allow(method, "POST")
            return await self._answer(infer_protocol(scope, version), name, scope, receive, exchange)
        _allow(method, _READ)
        return describe_model(await self._endpoint(name), version, verb)

    async def _multi_model(
        self, hosting: Hosting, rest: str, scope: Scope, receive: Receive, exchange: Exchange
    ) -> Response:
        name, _, verb = rest.partition("/")
        if name == "":
            return await answer_models(hosting, scope, receive)
        if verb == "invoke":
            hosting.url(name)
            return await self._invocation(scope["method"], scope, receive, exchange, name)
        if verb == "":
            return await answer_model(hosting, name, scope)
        raise NotFoundError(f"path '/models/{rest[:80]}': nothing is there; expected NAME or NAME/invoke; correct it")

    async def _invocation(
        self, method: str, scope: Scope, receive: Receive, exchange: Exchange, name: str | None = None
    ) -> Response:
        _allow(method, "POST")
        said = read_headers(scope)
        if said.request_id is not None and header(scope, b"x-request-id") is None:
            exchange.request_id = said.request_id
        protocol = partial(read_invocation, said=said)
        return await self._answer(protocol, name or self._table.only(), scope, receive, exchange)

    async def _answer(
        self,
        protocol: EndpointProtocol,
        name: str,
        scope: Scope,
        receive: Receive,
        exchange: Exchange,
    ) -> Response:
        endpoint = self._table.find(name) or await self._waking.wake(name)
        counts = exchange.counts = endpoint.counts
        counts.in_flight += 1
        try:
            body = await read_body(scope, receive, endpoint.spec.max_body_bytes)
            exchange.started_ns = self._monotonic_ns()
            # While the body came in, a new generation may have: the old one's journal schema is withdrawn by then.
            endpoint = self._table.find(name) or await self._waking.wake(name)
            endpoint.used_ns = exchange.started_ns
            if len(body) > LARGE_BYTES and not endpoint.takes_images:
                return await self._beside(body, partial(self._answer_large, protocol, name, body, exchange))
            if endpoint.takes_images and protocol is read_predict and sends_image(scope):
                protocol = read_image
            question = protocol(endpoint, body)
            if endpoint.is_plain:
                answer = self._handler.answer(endpoint, question.rows, exchange, question.context, question.asked)
                # Nobody could be heard to hang up meanwhile, and what nobody waited for counts as no answer.
                if self._monotonic_ns() - exchange.started_ns > _SLOW_NS and await has_left(receive):
                    raise ClientGoneError
            else:
                # It is held for as long as the answer takes.
                self._budget.take(len(body))
                try:
                    waiting = self._handler.answer_waiting(
                        endpoint, question.rows, exchange, question.context, question.asked
                    )
                    answer = await while_connected(waiting, receive)
                finally:
                    self._budget.give_back(len(body))
            if exchange.copied is not None:
                exchange.copied.body_bytes = len(body)
            return _with_missed(question.respond(answer, exchange), exchange)
        finally:
            counts.in_flight -= 1

    async def _beside(self, body: bytes, work: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Return what ``work`` does for a large body, when its turn has come."""
        self._budget.take(len(body))
        try:
            async with self._lane.turn():
                return await work()
        finally:
            self._budget.give_back(len(body))

    async def _answer_large(self, protocol: EndpointProtocol, name: str, body: bytes, exchange: Exchange) -> Response:
        """Answer a request in a thread, since it would keep all others waiting."""
        # It has waited for its turn: there may be another generation.
        endpoint = self._table.find(name) or await self._waking.wake(name)
        exchange.records = InLoop(exchange.records or self._handler, asyncio.get_running_loop())
        endpoint.enter()
        try:
            question = await asyncio.to_thread(protocol, endpoint, body)
            answer = await self._handler.answer_in_thread(
                endpoint, question.rows, exchange, question.context, question.asked
            )
            if exchange.copied is not None:
                exchange.copied.body_bytes = len(body)
            return _with_missed(await asyncio.to_thread(question.respond, answer, exchange), exchange)
        finally:
            endpoint.leave()

    async def _endpoint(self, name: str) -> LoadedEndpoint:
        return self._table.find(name) or await self._waking.wake(name)

    def _variant_counts(self, name: str) -> Response:
        generation = self._table.generation(name)
        reading = self._told.reading(name, generation=generation, at_us=self._now_us())
        return Response(200, msgspec.json.encode(reading))

    def _openapi(self) -> Response:
        try:
            only = self._table.only()
        except ConfigError:
            only = None
        return json_response(openapi_document(self._table.residents, only=only, hosting=self._hosting is not None))

    def _exchange(self, headers: dict[bytes, bytes]) -> Exchange:
        """Note what the headers say of a request: its name, its trace, and the variant that is to answer."""
        request_id = traceparent = None
        given = headers.get(b"traceparent")
        if given is not None and (request_id := trace_id(given)) is not None:
            traceparent = given
        given = headers.get(b"x-request-id")
        if given is not None and REQUEST_ID.fullmatch(given):
            request_id = given.decode()
        given = headers.get(b"x-trimtab-variant")
        return Exchange(
            self._new_id() if request_id is None else request_id,
            self._now_us(),
            self._monotonic_ns(),
            None if given is None else given.decode("latin-1"),
            traceparent,
        )


def _with_missed(response: Response, exchange: Exchange) -> Response:
    if not exchange.missed:
        return response
    headers = (*response.headers, missed_header(exchange.missed))
    return msgspec.structs.replace(response, headers=headers)


def _said_of(exchange: Exchange) -> Headers:
    request_id = (b"x-request-id", exchange.request_id.encode())
    return (request_id,) if exchange.traceparent is None else (request_id, (b"traceparent", exchange.traceparent))


def _allow(method: str, allowed: str) -> None:
    if method not in allowed.split(", "):
        raise RefusedError(
            405,
            f"method {method[:20]!r}: not allowed here, expected {allowed}; correct it",
            ((b"allow", allowed.encode()),),
        )
