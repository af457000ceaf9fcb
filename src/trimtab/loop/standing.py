"""What is stored of how a model stands: the facts from which `trimtab.loop.advice` says what to do next."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from sqlalchemy import ColumnElement, Select, Table, and_, func, or_, select

from trimtab.bundle.writer import read_manifest
from trimtab.core.canonical import JsonObject
from trimtab.core.clock import to_micros
from trimtab.core.enums import Verdict
from trimtab.core.errors import BackendError, TrimtabError
from trimtab.db.engine import Connection
from trimtab.db.tables import check_result, delivery, event_delivery, job, notification, queue_message
from trimtab.lake.feeds import feed_states
from trimtab.loop.model_files import ModelFiles
from trimtab.loop.platform import Platform
from trimtab.loop.waiting import waits_of
from trimtab.registry import store as registry
from trimtab.registry.versions import ModelVersion
from trimtab.remediation.action_store import list_actions
from trimtab.remediation.actions import ActionRequest, ActionState
from trimtab.remediation.incidents import Incident
from trimtab.remediation.kinds import ActionKind
from trimtab.remediation.store import list_incidents
from trimtab.retraining.store import recent_events
from trimtab.rollout import endpoint_store, store
from trimtab.rollout.store import Rollout
from trimtab.rollout.way_back import promoted_versions
from trimtab.serving.spec import EndpointSpec

__all__ = [
    "Delivered",
    "Gate",
    "Standing",
    "Training",
    "Undelivered",
    "example_row",
    "newest_checks",
    "standing_of",
    "standing_without_files",
    "undelivered",
]

_HELD_AFTER = 3
_RETRAININGS = 100
_DRIFT = "data_drift"


@dataclass(frozen=True, slots=True)
class Delivered:
    """Files delivered for a model: rows that passed in all, files not judged yet, and the newest one judged."""

    rows_passed: int = 0
    not_judged: int = 0
    newest_source: str = ""
    newest_state: str = ""
    newest_quarantined: int = 0
    newest_error: str = ""


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate that a candidate failed: ``limit`` as its result writes it (``min 0.8``), ``value`` None if undefined."""

    metric: str
    value: float | None
    limit: str

    @property
    def missed_by(self) -> float | None:
        """How far the value lies on the wrong side of the limit; None where either is no number.

        >>> round(Gate("f1", 0.71, "min 0.8").missed_by or 0, 2)
        0.09
        """
        bound = re.search(r"-?\d+(\.\d+)?(e[-+]?\d+)?", self.limit)
        return None if bound is None or self.value is None else abs(self.value - float(bound[0]))


@dataclass(frozen=True, slots=True)
class Training:
    """The newest job of a model."""

    id: str
    state: str
    at_share: float = 0.0
    message: str = ""
    waits: str = ""
    error: str = ""
    failed_gates: tuple[Gate, ...] = ()

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.state in {"succeeded", "failed", "cancelled"}


@dataclass(frozen=True, slots=True)
class Standing:
    """How one model stands. Times are domain time, microseconds UTC.

    ``serves`` is what is desired; ``not_served`` says why callers do not get that (yet), ``refused`` why they will not.

    ``paused`` says why production answers nobody, where a person or a rule wants that.

    ``newer_rows`` were answered since the newest checks, if those had too few to judge drift. ``under_way`` are actions
    that somebody or a rule agreed to. ``refused_retraining``: why the newest evaluation wanted one, and why it may not.
    """

    model: str
    endpoint: str
    now_us: int
    delivered: Delivered = Delivered()
    training: Training | None = None
    newest: ModelVersion | None = None
    newest_has_served: bool = False
    serves: Mapping[int, str] | None = None
    not_served: str | None = None
    example: JsonObject | None = None
    refused: str | None = None
    rollout: Rollout | None = None
    last_rollout: Rollout | None = None
    records: int = 0
    truths: int = 0
    first_record_us: int | None = None
    label_delay: timedelta = timedelta(0)
    record_key: str | None = None
    event_time: str | None = None
    target: str = ""
    checked: bool = False
    newer_rows: int = 0
    breaches: tuple[str, ...] = ()
    incidents: tuple[Incident, ...] = ()
    waiting: tuple[ActionRequest, ...] = ()
    under_way: tuple[ActionRequest, ...] = ()
    quarantined_feeds: tuple[str, ...] = ()
    refused_retraining: tuple[str, str] | None = None
    paused: str | None = None


@dataclass(frozen=True, slots=True)
class Undelivered:
    """What the loop could not bring to where it belongs.

    ``fresh`` deliveries are on their way, tried never or once; ``dead`` events are given up; ``unsent`` messages
    could not be sent several times; ``held`` is the last error of a subscriber whose deliveries
    were tried several times and are tried again; that of ``data`` is of what was delivered to the lake.
    """

    fresh: int = 0
    dead: int = 0
    unsent: int = 0
    held: Mapping[str, str] | None = None


def standing_of(connection: Connection, platform: Platform, files: ModelFiles) -> Standing:
    """Return how the model of ``files`` stands now."""
    model = files.model
    return replace(
        _standing(connection, platform, model.name, files.endpoint),
        label_delay=model.label_delay,
        record_key=model.key,
        event_time=model.time,
        target=model.target,
        newer_rows=_newer_rows(connection, files, platform.now_us()),
        breaches=tuple(connection.execute(_breaches(files, platform.now_us())).scalars()),
    )


def standing_without_files(connection: Connection, platform: Platform, name: str) -> Standing | None:
    """Return how a model stands whose files cannot be read now; None where it was never rolled out."""
    newest = next(iter(store.list_rollouts(connection, model=name, limit=1)), None)
    return None if newest is None else _standing(connection, platform, name, newest.spec.endpoint)


def _standing(connection: Connection, platform: Platform, name: str, endpoint: str) -> Standing:
    spec = endpoint_store.desired(connection, endpoint)
    refused, not_served = _arrived(platform, spec)
    serves = None if spec is None else {v.model_version: f"{v.weight_pct.normalize():f} %" for v in spec.live}
    rollouts = store.list_rollouts(connection, model=name, limit=1)
    newest = registry.latest(connection, name)
    counts = _counts(connection, endpoint)
    return Standing(
        model=name,
        endpoint=endpoint,
        now_us=platform.now_us(),
        delivered=_delivered(connection, name),
        training=_training(connection, platform, name),
        newest=newest,
        newest_has_served=newest is not None and newest.number in promoted_versions(connection, endpoint),
        serves=serves or None,
        not_served=not_served,
        example=_example(connection, name, serves) if serves and not counts["records"] else None,
        refused=refused,
        rollout=store.active_rollout(connection, endpoint),
        last_rollout=rollouts[0] if rollouts else None,
        records=counts["records"],
        truths=counts["truth"],
        first_record_us=counts["first_us"] or None,
        checked=connection.execute(select(check_result.c.id).where(check_result.c.model == name)).first() is not None,
        incidents=tuple(list_incidents(connection, model=name, open_only=True)),
        waiting=tuple(list_actions(connection, model=name, state=ActionState.WAITING_APPROVAL)),
        under_way=tuple(
            action
            for state in (ActionState.APPROVED, ActionState.RUNNING)
            for action in list_actions(connection, model=name, state=state)
        ),
        quarantined_feeds=tuple(feed.name for feed in feed_states(connection, name) if feed.quarantined),
        refused_retraining=_refused_retraining(connection, name),
        paused=None if spec is None or spec.paused is None else spec.paused.reason,
    )


def _arrived(platform: Platform, spec: EndpointSpec | None) -> tuple[str | None, str | None]:
    """Return why the platform refuses ``spec``, and why it is not served; None where it does not, and is.

    That no server runs at all is told of the platform.
    """
    if spec is None:
        return None, None
    try:
        served = platform.deployer.observe(spec.endpoint)
    except BackendError as error:
        return None, f"what is served cannot be read: {error}"
    if served is None or served.error is not None or served.generation == spec.generation:
        return None if served is None else served.error, None
    return None, f"generation {served.generation} is served, {spec.generation} is to be"


def example_row(version: ModelVersion) -> JsonObject:
    """Return one row that ``version`` can answer, from what it learnt from.

    Raises:
        TrimtabError: its bundle is not there, or was changed.
    """
    manifest = read_manifest(Path(version.bundle_path), expected_digest=version.digest)
    return dict(manifest.example)


def undelivered(connection: Connection) -> Undelivered:
    """Return what the loop could not deliver."""
    held = select(event_delivery.c.subscriber, func.max(event_delivery.c.error)).where(
        event_delivery.c.state == "pending",
        event_delivery.c.attempts >= _HELD_AFTER,
        event_delivery.c.error.is_not(None),
    )
    files = select(func.max(queue_message.c.error)).where(
        queue_message.c.state == "pending",
        queue_message.c.attempts >= _HELD_AFTER,
        queue_message.c.error.is_not(None),
    )
    in_queue = connection.execute(files).scalar_one()
    return Undelivered(
        fresh=_count(
            connection, event_delivery, and_(event_delivery.c.state == "pending", event_delivery.c.attempts <= 1)
        ),
        dead=_count(connection, event_delivery, event_delivery.c.state == "dead"),
        unsent=_count(
            connection,
            notification,
            and_(notification.c.state.in_(("pending", "dead")), notification.c.attempts >= _HELD_AFTER),
        ),
        held={row[0]: str(row[1]) for row in connection.execute(held.group_by(event_delivery.c.subscriber)).all()}
        | ({} if in_queue is None else {"data": str(in_queue)}),
    )


def _count(connection: Connection, table: Table, condition: ColumnElement[bool]) -> int:
    return int(connection.execute(select(func.count()).select_from(table).where(condition)).scalar_one())


def _delivered(connection: Connection, model: str) -> Delivered:
    mine = (delivery.c.model == model, delivery.c.kind == "table")
    passed = connection.execute(select(func.sum(delivery.c.rows_passed)).where(*mine)).scalar_one()
    waiting = connection.execute(
        select(func.count()).select_from(delivery).where(*mine, delivery.c.state == "received")
    ).scalar_one()
    newest = connection.execute(
        select(delivery).where(*mine, delivery.c.state != "received").order_by(delivery.c.received_us.desc()).limit(1)
    ).first()
    if newest is None:
        return Delivered(not_judged=int(waiting))
    return Delivered(
        rows_passed=int(passed or 0),
        not_judged=int(waiting),
        newest_source=str(newest.source or newest.spec.get("name") or newest.id),
        newest_state=newest.state,
        newest_quarantined=int(newest.rows_quarantined or 0),
        newest_error=str(newest.spec.get("error") or ""),
    )


def _training(connection: Connection, platform: Platform, model: str) -> Training | None:
    row = connection.execute(
        select(job).where(job.c.model == model).order_by(job.c.created_us.desc(), job.c.id.desc()).limit(1)
    ).first()
    if row is None:
        return None
    progress = platform.jobs.progress(Path(row.out_dir)) or {}
    result = row.spec.get("result") or {}
    rejected = result.get("status") == "rejected_by_gate"
    gates = [Gate(one["metric"], one["value"], one["limit"]) for one in result.get("gates", []) if not one["passed"]]
    return Training(
        id=row.id,
        state=row.state,
        at_share=float(progress.get("at_share", 0.0)),
        message=str(progress.get("message", "")),
        waits=waits.told if row.state == "waiting" and (waits := waits_of(row.spec)) is not None else "",
        error=str(row.error or ""),
        failed_gates=tuple(gates) if rejected else (),
    )


def _counts(connection: Connection, endpoint: str) -> dict[str, int]:
    rows = connection.execute(
        select(delivery.c.kind, func.sum(delivery.c.rows), func.min(delivery.c.received_us))
        .where(delivery.c.endpoint == endpoint, delivery.c.state == "processed", delivery.c.kind != "table")
        .group_by(delivery.c.kind)
    ).all()
    totals = {row[0]: int(row[1] or 0) for row in rows}
    first = next((int(row[2]) for row in rows if row[0] == "records"), 0)
    return {"records": totals.get("records", 0), "truth": totals.get("truth", 0), "first_us": first}


def newest_checks(files: ModelFiles, until_us: int) -> ColumnElement[bool]:
    """Return the condition of being a check of the last run of its monitor: monitors may run at times of their own.

    Runs as of a moment after ``until_us`` are left out: one of a year to come would hide the present until then.
    """
    mine = check_result.c.model == files.model.name
    last = check_result.alias()
    ordered = (
        select(last.c.run_id)
        .where(last.c.model == files.model.name, last.c.at_us <= until_us)
        .order_by(last.c.at_us.desc(), last.c.run_id.desc())
        .limit(1)
    )
    of_each = (
        and_(
            check_result.c.monitor == monitor.title,
            check_result.c.run_id == ordered.where(last.c.monitor == monitor.title).scalar_subquery(),
        )
        for monitor in files.monitoring.monitors
    )
    return and_(mine, or_(*of_each))


def _breaches(files: ModelFiles, now_us: int) -> Select[str]:
    return (
        select(check_result.c.monitor)
        .distinct()
        .where(newest_checks(files, now_us), check_result.c.verdict == Verdict.BREACH.value)
        .order_by(check_result.c.monitor)
    )


def _newer_rows(connection: Connection, files: ModelFiles, now_us: int) -> int:
    """Return how many rows came since the newest checks; 0 where those could judge, for then nobody has to look."""
    drift = connection.execute(
        select(check_result.c.verdict, func.max(check_result.c.at_us))
        .where(newest_checks(files, now_us), check_result.c.kind == _DRIFT)
        .group_by(check_result.c.verdict)
    ).all()
    if [row[0] for row in drift] != [Verdict.INCONCLUSIVE.value]:
        return 0
    rows = connection.execute(
        select(func.sum(delivery.c.rows)).where(
            delivery.c.endpoint == files.endpoint,
            delivery.c.kind == "records",
            delivery.c.state == "processed",
            delivery.c.received_us > drift[0][1],
        )
    ).scalar_one()
    return int(rows or 0)


def _refused_retraining(connection: Connection, model: str) -> tuple[str, str] | None:
    newest = next(iter(recent_events(connection, model, limit=1)), None)
    if newest is None or newest.refused is None:
        return None
    at_us = to_micros(newest.firing.at)
    actions = list_actions(connection, model=model, kind=ActionKind.RETRAIN, limit=_RETRAININGS)
    retrained = any((one.finished_us or 0) > at_us for one in actions)
    return None if retrained else (newest.firing.reason, newest.refused)


def _example(connection: Connection, model: str, serves: Mapping[int, str]) -> JsonObject | None:
    try:
        return example_row(registry.get(connection, model, max(serves)))
    except TrimtabError:
        # Advice about the row to send is no place to tell of a broken bundle: the server's own refusal does.
        return None
