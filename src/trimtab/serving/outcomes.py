"""What becomes of a request: the refusal that an error is told as, and the counts that an outcome goes into."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from trimtab.bundle.values import UnfitRowError
from trimtab.core.errors import BackendError, NotFoundError, TrimtabError
from trimtab.serving.asgi import RefusedError, Response, Scope, error_response, header
from trimtab.serving.draws import CLIENT_GONE
from trimtab.serving.exchange import Exchange
from trimtab.serving.metrics import ServingMetrics
from trimtab.serving.recording import NOT_RECORDED, RecordingWatch

__all__ = ["Outcomes", "refusal_of"]

_RETRY: Final = ((b"retry-after", b"1"),)
_SHED: Final = frozenset({429, 503})

_log = structlog.get_logger("trimtab.serving")


class Outcomes:
    """Counts outcomes. Lives in the event loop's thread."""

    def __init__(self, recording: RecordingWatch, metrics: ServingMetrics, *, monotonic_ns: Callable[[], int]) -> None:
        self._recording = recording
        self._metrics = metrics
        self._monotonic_ns = monotonic_ns

    def settle(self, exchange: Exchange, response: Response) -> Response:
        """Count the outcome, and return the response with what is to be said of it."""
        if exchange.unrecorded:
            response = self._note_unrecorded(exchange, response)
        status = response.status
        if status in _SHED:
            (exchange.counts or self._metrics.endpoint("")).shed.inc()
        variant = exchange.variant
        if variant is None:
            if status >= 400:
                self._metrics.unrouted(status).inc()
            return response
        metrics = variant.metrics
        if exchange.ledger is not None:
            self._note_drawn(exchange, status)
        if status < 400:
            metrics.answered.inc()
            metrics.latency_s.observe((self._monotonic_ns() - exchange.started_ns) / 1e9)
        elif status < 500:
            metrics.refuse(exchange.refused_for)
        else:
            metrics.failed.inc()
        return response

    def settle_gone(self, exchange: Exchange) -> None:
        """Count a request whose caller has hung up: a version that nobody waits for is no quick one."""
        if exchange.ledger is not None:
            self._note_drawn(exchange, CLIENT_GONE)

    def _note_drawn(self, exchange: Exchange, status: int) -> None:
        assignment, ledger = exchange.assignment, exchange.ledger
        if assignment is not None and ledger is not None:
            duration_ns = self._monotonic_ns() - exchange.started_ns
            ledger.settle(assignment.variant.spec.name, assignment.sticky_hash, status, duration_ns, exchange.run_ns)

    def _note_unrecorded(self, exchange: Exchange, response: Response) -> Response:
        """Count rows that the journal had no room for, and tell the caller of an answer that is not on record."""
        endpoint = "" if exchange.variant is None else exchange.variant.schema.endpoint
        if response.status >= 400:
            self._recording.refused(endpoint, exchange.unrecorded)
            return response
        self._recording.shed(endpoint, exchange.unrecorded)
        return msgspec.structs.replace(response, headers=(*response.headers, NOT_RECORDED))


def refusal_of(error: Exception, exchange: Exchange, scope: Scope) -> Response:
    """Return what a caller is told of ``error``; what the server is to blame for is logged.

    The column that an error names is noted in ``exchange``.
    """
    if isinstance(error, (RefusedError, UnfitRowError)):
        exchange.refused_for = error.column
    if isinstance(error, RefusedError):
        return error_response(error.status, str(error), error.headers)
    if isinstance(error, NotFoundError):
        return error_response(404, str(error))
    if isinstance(error, BackendError):
        if not exchange.unrecorded:
            # What could not be recorded is counted and logged once: a line each would fill what is left of the disk.
            path = scope["path"][:200]
            _log.error("request_not_served", request_id=exchange.request_id, path=path, error=str(error))
        return error_response(503, str(error), _RETRY)
    if isinstance(error, TrimtabError):
        encoding = header(scope, b"content-encoding")
        if encoding is not None and encoding.lower() != b"identity":
            told = f"content-encoding {encoding[:20].decode('latin-1')!r}: not read here, expected none; send it plain"
            return error_response(415, told)
        return error_response(400, str(error))
    _log.error("request_failed", request_id=exchange.request_id, path=scope["path"][:200], exc_info=error)
    return error_response(
        500, f"request {exchange.request_id}: failed inside the server, expected an answer; the server's log says why"
    )
