"""The data lane: takes in what was shipped, judges it, and raises alerts for what was quarantined."""

from __future__ import annotations

import threading
import time

import structlog

from trimtab.core.enums import Severity
from trimtab.db.engine import Connection
from trimtab.lake.deliveries import DeliveryKind, resend_unqueued
from trimtab.lake.ingest import Ingest, ModelContext, Processed
from trimtab.lake.intake import fetch_in, take_in
from trimtab.loop.platform import Platform
from trimtab.remediation.alerts import Alert
from trimtab.remediation.store import save_alert

__all__ = ["Ingestion"]

_log = structlog.get_logger(__name__)

_LEASE_S = 20.0
_RESEND_S = 2.0
_FETCH_S = 1.0


class Ingestion:
    """Moves deliveries from intake and queue into the lake."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._ingest = Ingest(
            platform.database,
            platform.lake,
            platform.queue,
            self._context,
            on_processed=self._tell,
            lease_s=_LEASE_S,
        )
        self._resent_at = 0.0
        self._fetched_at = 0.0

    def run(self) -> bool:
        """Take in and process what waits; return whether there was anything."""
        platform = self._platform
        now = platform.clock.now()
        if time.monotonic() - self._resent_at > _RESEND_S:
            resend_unqueued(platform.database, platform.queue)
            self._resent_at = time.monotonic()
        taken = take_in(platform.database, platform.lake, platform.queue, platform.project.intake, now=now)
        processed = self._ingest.process_some(now=now)
        # Last: a bucket that cannot be reached holds up nothing that is here already.
        return self._fetch() > 0 or bool(processed) or taken > 0

    def _fetch(self) -> int:
        """Bring segments from the bucket, where there is one; return how many. Each question to it costs something."""
        source = self._platform.intake_bucket
        if source is None or time.monotonic() - self._fetched_at < _FETCH_S:
            return 0
        self._fetched_at = time.monotonic()
        return fetch_in(*source, self._platform.project.intake)

    def warm_up(self) -> None:
        """Begin to load what judging needs, before the first delivery waits for it.

        In a thread that nobody waits for: it takes seconds, and whoever ends the process in them need not wait.
        """
        threading.Thread(target=_warm_up, name="data-warm-up", daemon=True).start()

    def _context(self, model: str) -> ModelContext:
        files = self._platform.files(model)
        return ModelContext(files.model, files.contract, files.monitoring.period_s)

    def _tell(self, connection: Connection, done: Processed) -> None:
        delivery = done.delivery
        if done.error is None and not delivery.rows_quarantined:
            return
        what = "table" if delivery.kind is DeliveryKind.TABLE else "records"
        title = (
            f"{delivery.model}: a delivery could not be used: {done.error}"
            if done.error is not None
            else f"{delivery.model}: {delivery.rows_quarantined} of {delivery.rows} rows ({what}) quarantined"
        )
        alert = Alert(
            id=self._platform.new_id(),
            dedup_key=f"delivery:{delivery.id}",
            kind="delivery_failed" if done.error is not None else "rows_quarantined",
            severity=Severity.HIGH if done.error is not None else Severity.MEDIUM,
            title=title,
            at_us=self._platform.now_us(),
            model=delivery.model,
            endpoint=delivery.endpoint,
            detail={
                "delivery_id": delivery.id,
                "rows": delivery.rows,
                "reasons": done.reasons,
                "broken_by_source": done.broken_by_source,
            },
        )
        if save_alert(connection, alert):
            payload = {
                "alert_id": alert.id,
                "kind": alert.kind,
                "model": delivery.model,
                "title": title,
                "severity": alert.severity.value,
                "reasons": done.reasons,
            }
            self._platform.publish(connection, "alert.raised", f"model:{delivery.model}", payload)


def _warm_up() -> None:
    try:
        # Start-up cost: Great Expectations takes seconds to import; only this lane needs it.
        from trimtab.lake.contract import warm_up

        warm_up()
    except Exception as error:  # noqa: BLE001 - only a head start: the first delivery meets the fault and tells it
        _log.warning("judging.cold", error=str(error))
