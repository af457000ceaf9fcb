"""What the control plane tells Prometheus: read from the store when it is asked, so that a restart loses nothing.

Only what was turned away at its doors is counted in memory: nothing is written for whoever may not come in.
"""

from __future__ import annotations

import math
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import Column, ColumnElement, and_, func, select

from trimtab.core.enums import Severity, Verdict
from trimtab.db.engine import Connection
from trimtab.db.tables import (
    action_request,
    delivery,
    event_delivery,
    heartbeat,
    job,
    notification,
    queue_message,
    retraining_event,
)
from trimtab.loop.door_counts import DoorCounts
from trimtab.loop.newest_looks import NewestLook, NewestLooks, ToldCheck
from trimtab.loop.platform import Platform
from trimtab.remediation.actions import ActionState
from trimtab.remediation.kinds import ActionKind
from trimtab.remediation.store import list_incidents

__all__ = ["CONTENT_TYPE", "FAMILIES", "MOST_COLUMNS", "ControlMetrics", "Family"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MOST_COLUMNS = 100
"""Of a model's columns so many are told, those with the greatest effects; the rest is counted."""

_ESTIMATED = "estimated_quality"
_TRAINING = "training"
_ASKED = "asked"
_LOOK = ("model", "endpoint", "monitor")
_CHECK = ("model", "endpoint", "variant", "version", "monitor", "column", "measure")

_Sample = tuple[tuple[str, ...], float]


@dataclass(frozen=True, slots=True)
class Family:
    """What a metric is, and which labels it has. The name of a counter ends in ``_total``."""

    text: str
    labels: tuple[str, ...]


FAMILIES: Mapping[str, Family] = {
    "trimtab_check_value": Family("What a check measured in its last window.", _CHECK),
    "trimtab_check_threshold": Family("What the value is held against.", _CHECK),
    "trimtab_check_effect": Family("How large the change is, 0 meaning none.", _CHECK),
    "trimtab_check_verdict": Family("1 for what the check says, else 0.", (*_CHECK, "verdict")),
    "trimtab_check_columns_untold": Family(
        f"Columns of a model that were checked, and are not among the {MOST_COLUMNS} told here.", ("model",)
    ),
    "trimtab_check_last_timestamp_seconds": Family("When a monitor last looked, in event time.", _LOOK),
    "trimtab_check_last_success_timestamp_seconds": Family(
        "When a monitor last said something other than inconclusive, in event time.", _LOOK
    ),
    "trimtab_estimated_metric": Family(
        "A quality metric as estimated without labels.", ("model", "endpoint", "variant", "version", "metric")
    ),
    "trimtab_retraining_fits_total": Family(
        "Trainings that were begun, by what caused them; 'asked': by a person or a case.", ("model", "cause")
    ),
    "trimtab_reinstated_total": Family(
        "How often an earlier version was put back because it was the better one.", ("model",)
    ),
    "trimtab_actions_waiting": Family("Actions that wait for a person's approval.", ("model", "kind")),
    "trimtab_incidents_open": Family("Cases in which something is still wrong.", ("model", "severity")),
    "trimtab_queue_depth": Family(
        "Messages of the embedded queue that wait for a worker, or were given up (dead).", ("topic", "state")
    ),
    "trimtab_events_undelivered": Family(
        "Events that wait for a part of the loop, or were given up (dead).", ("subscriber", "state")
    ),
    "trimtab_notifications_undelivered": Family(
        "Messages to people that wait to be sent, or were given up (dead).", ("route", "state")
    ),
    "trimtab_last_delivery_timestamp_seconds": Family(
        "When a source last delivered: files (table), records of predictions, true outcomes (truth).",
        ("kind", "model", "endpoint", "source"),
    ),
    "trimtab_process_heartbeat_timestamp_seconds": Family(
        "When a process of the platform last said that it lives.", ("process",)
    ),
    "trimtab_webhook_alerts_total": Family(
        "Alerts that others sent, by what became of them; counted since this process started.", ("webhook", "result")
    ),
    "trimtab_refused_total": Family(
        "Requests that were turned away: from a webhook, or the API (wrong key, too many); counted since this process "
        "started.",
        ("door", "why"),
    ),
}
"""All that is told, by name."""


class ControlMetrics:
    """Everything at ``/metrics`` of the control plane. Several threads may ask."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._looks = NewestLooks(platform)
        self._arrivals = _Arrivals()
        self._one_at_a_time = threading.Lock()

    def exposition(self) -> bytes:
        """Return all of it in Prometheus' text format 0.0.4.

        Raises:
            BackendError: the database cannot be asked.
        """
        registry = CollectorRegistry(auto_describe=False)
        with self._one_at_a_time, self._platform.database.reading() as connection:
            found = [*_of_checks(self._looks.read(connection)), *_of_work(connection, self._arrivals)]
        found += _of_doors(self._platform.doors)
        registry.register(_Told(found))
        return generate_latest(registry)


class _Told(Collector):
    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families


class _Arrivals:
    """When each source last delivered. What was seen is not looked through again."""

    def __init__(self) -> None:
        self._newest_us: dict[tuple[str, ...], int] = {}

    def read(self, connection: Connection) -> list[_Sample]:
        of = (delivery.c.kind, delivery.c.model, delivery.c.endpoint, delivery.c.source)
        newest = select(*of, func.max(delivery.c.received_us)).where(
            # All states, named for the index.
            delivery.c.state.in_(("received", "processed", "failed")),
            delivery.c.received_us >= max(self._newest_us.values(), default=0),
        )
        for *names, at_us in connection.execute(newest.group_by(*of)).all():
            self._newest_us[tuple(name or "" for name in names)] = at_us
        return [(key, at_us / 1e6) for key, at_us in sorted(self._newest_us.items())]


def _of_checks(looks: Sequence[NewestLook]) -> Iterator[Metric]:
    told, untold = _capped(looks)
    numbers = [(look, check) for look, checks in told for check in checks]
    for name in ("value", "threshold", "effect"):
        yield _family(f"trimtab_check_{name}", _numbers(numbers, name))
    verdicts = (
        ((*_labels(look, check), verdict.value), float(check.verdict is verdict))
        for look, check in numbers
        for verdict in Verdict
    )
    yield _family("trimtab_check_verdict", verdicts)
    yield _family("trimtab_check_columns_untold", untold)
    named = [((look.model, look.endpoint, look.monitor), look) for look in looks]
    looked = ((labels, look.at_us / 1e6) for labels, look in named)
    yield _family("trimtab_check_last_timestamp_seconds", looked)
    judged = ((labels, look.judged_us / 1e6) for labels, look in named if look.judged_us is not None)
    yield _family("trimtab_check_last_success_timestamp_seconds", judged)
    estimates = (
        ((look.model, look.endpoint, check.variant, str(check.version), check.measure), check.value)
        for look, check in numbers
        if look.kind == _ESTIMATED and check.measure and check.value is not None
    )
    yield _family("trimtab_estimated_metric", estimates)


def _capped(looks: Sequence[NewestLook]) -> tuple[list[tuple[NewestLook, list[ToldCheck]]], list[_Sample]]:
    """Return the checks that are told, by look, and how many columns of each model are not."""
    worst: dict[str, dict[str, tuple[int, float]]] = defaultdict(dict)
    for look in looks:
        for check in look.checks:
            if check.column:
                ranks = worst[look.model]
                ranks[check.column] = min(ranks.get(check.column, check.rank), check.rank)
    shown = {
        model: {"", *sorted(ranks, key=lambda column: (ranks[column], column))[:MOST_COLUMNS]}
        for model, ranks in worst.items()
    }
    told = [(look, [one for one in look.checks if one.column in shown.get(look.model, {""})]) for look in looks]
    return told, [((model,), max(0, len(ranks) - MOST_COLUMNS)) for model, ranks in sorted(worst.items())]


def _labels(look: NewestLook, check: ToldCheck) -> tuple[str, ...]:
    return look.model, look.endpoint, check.variant, str(check.version), look.monitor, check.column, check.measure


def _numbers(checks: Iterable[tuple[NewestLook, ToldCheck]], name: str) -> Iterator[_Sample]:
    for look, check in checks:
        number: float | None = getattr(check, name)
        if number is not None and math.isfinite(number):
            yield _labels(look, check), number


def _of_work(connection: Connection, arrivals: _Arrivals) -> Iterator[Metric]:
    yield _family("trimtab_retraining_fits_total", _fits(connection))
    asked = action_request.c
    reinstated = and_(asked.kind == ActionKind.REINSTATE.value, asked.state == ActionState.SUCCEEDED.value)
    yield _family("trimtab_reinstated_total", _counted(connection, reinstated, asked.model))
    waiting = asked.state == ActionState.WAITING_APPROVAL.value
    yield _family("trimtab_actions_waiting", _counted(connection, waiting, asked.model, asked.kind))
    yield _family("trimtab_incidents_open", _cases(connection))
    for name, by in (
        ("trimtab_queue_depth", (queue_message.c.topic, queue_message.c.state)),
        ("trimtab_events_undelivered", (event_delivery.c.subscriber, event_delivery.c.state)),
        ("trimtab_notifications_undelivered", (notification.c.route, notification.c.state)),
    ):
        yield _family(name, _counted(connection, by[1].in_(("pending", "dead")), *by))
    yield _family("trimtab_last_delivery_timestamp_seconds", arrivals.read(connection))
    beats = connection.execute(select(heartbeat.c.process, heartbeat.c.beat_us).order_by(heartbeat.c.process)).all()
    alive = (((row.process,), row.beat_us / 1e6) for row in beats)
    yield _family("trimtab_process_heartbeat_timestamp_seconds", alive)


def _of_doors(doors: DoorCounts) -> Iterator[Metric]:
    yield _family("trimtab_webhook_alerts_total", sorted(doors.taken.items()))
    yield _family("trimtab_refused_total", sorted(doors.turned_away.items()))


def _fits(connection: Connection) -> Iterator[_Sample]:
    caused = job.outerjoin(retraining_event, retraining_event.c.job_id == job.c.id)
    cause = func.coalesce(retraining_event.c.cause, _ASKED)
    query = select(job.c.model, cause, func.count(job.c.id.distinct())).select_from(caused)
    for model, name, count in connection.execute(query.where(job.c.kind == _TRAINING).group_by(job.c.model, cause)):
        yield (model, name), count


def _cases(connection: Connection) -> list[_Sample]:
    open_ones = Counter((one.model, one.loudest) for one in list_incidents(connection, open_only=True))
    models = sorted({model for model, _ in open_ones})
    # Zeros too: a rule that waits for a number to fall needs one.
    return [((model, severity.value), open_ones[model, severity]) for model in models for severity in Severity]


def _counted(connection: Connection, condition: ColumnElement[bool], *by: Column[Any]) -> list[_Sample]:
    query = select(*by, func.count()).where(condition).group_by(*by).order_by(*by)
    return [(tuple(names), count) for *names, count in connection.execute(query).all()]


def _family(name: str, samples: Iterable[_Sample]) -> Metric:
    kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
    family = kind(name.removesuffix("_total"), FAMILIES[name].text, labels=FAMILIES[name].labels)
    for labels, value in samples:
        family.add_metric(labels, value)
    return family
