"""What Prometheus is told is what is stored: newest looks, cases, retrainings, what waits."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert
from tests.conftest import BOTH
from tests.unit.loop.projects import HOUR_US, MODEL, START, World

from trimtab.core.clock import to_micros
from trimtab.core.enums import Verdict
from trimtab.db.tables import action_request, delivery, heartbeat, job, queue_message, retraining_event
from trimtab.loop.control_metrics import MOST_COLUMNS, ControlMetrics
from trimtab.monitoring.check import Check, Window

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def told(metrics: ControlMetrics) -> Samples:
    families = text_string_to_metric_families(metrics.exposition().decode())
    samples = [sample for family in families for sample in family.samples]
    found = {(one.name, frozenset(one.labels.items())): one.value for one in samples}
    assert len(found) == len(samples), "two samples of one name and labels cannot be read"
    return found


def number(samples: Samples, name: str, **labels: str) -> float | None:
    """The only sample of ``name`` that has at least these labels."""
    found = [value for (known, given), value in samples.items() if known == name and set(labels.items()) <= given]
    assert len(found) <= 1, found
    return found[0] if found else None


@pytest.mark.parametrize("world", BOTH, indirect=True)
def test_the_newest_look_of_each_monitor_is_told_and_survives_a_restart(world: World) -> None:
    metrics = ControlMetrics(world.platform)
    assert number(told(metrics), "trimtab_check_value") is None, "nothing was ever checked"
    world.checked(*world.drift(Verdict.OK, quality=0.8))
    told(metrics)
    world.clock.advance(timedelta(hours=1))
    world.checked(world.check(Verdict.BREACH, value=0.7))
    world.clock.advance(timedelta(hours=1))
    world.checked(world.check(Verdict.INCONCLUSIVE, value=0.1))
    for asked in (metrics, ControlMetrics(world.platform)):
        samples = told(asked)
        assert number(samples, "trimtab_check_value", monitor="data_drift", version="1", column="") == 0.1
        assert number(samples, "trimtab_check_verdict", monitor="data_drift", verdict="inconclusive") == 1
        assert number(samples, "trimtab_check_verdict", monitor="data_drift", verdict="breach") == 0
        quality = {"monitor": "model_quality", "measure": "accuracy"}
        assert number(samples, "trimtab_check_value", **quality) == 0.8, "it had no look of its own since"
        at = {"model": MODEL, "endpoint": MODEL, "monitor": "data_drift"}
        last_s = START.timestamp() + 7200
        assert number(samples, "trimtab_check_last_timestamp_seconds", **at) == last_s
        assert number(samples, "trimtab_check_last_success_timestamp_seconds", **at) == last_s - 3600


@pytest.mark.parametrize("world", BOTH, indirect=True)
def test_a_window_of_months_ago_that_is_judged_again_is_not_told_as_the_present(world: World) -> None:
    detail = {"metric": "accuracy", "labelled": 120}
    [_, present] = world.drift(Verdict.OK, quality=0.8)
    month_us = 30 * 24 * HOUR_US
    old = Window(present.window.start_us - month_us, present.window.end_us - month_us)
    late = replace(present, window=old, value=0.1, verdict=Verdict.BREACH, detail={**detail, "late": True})
    unknown = replace(present, verdict=Verdict.INCONCLUSIVE, value=None, detail=detail)
    metrics = ControlMetrics(world.platform)
    world.checked(unknown, late)
    samples = told(metrics)
    assert number(samples, "trimtab_check_value", monitor="model_quality") is None
    assert number(samples, "trimtab_check_verdict", monitor="model_quality", verdict="inconclusive") == 1
    assert number(samples, "trimtab_check_last_success_timestamp_seconds", monitor="model_quality") is None
    assert number(samples, "trimtab_check_last_timestamp_seconds", monitor="model_quality") == START.timestamp()
    world.clock.advance(timedelta(hours=1))
    world.checked(late, world.drift(Verdict.OK, quality=0.8)[1])
    for asked in (metrics, ControlMetrics(world.platform)):
        samples = told(asked)
        assert number(samples, "trimtab_check_value", monitor="model_quality") == 0.8
        last_s = number(samples, "trimtab_check_last_success_timestamp_seconds", monitor="model_quality")
        assert last_s == START.timestamp() + 3600


def test_a_monitor_that_the_file_names_no_more_is_told_no_more(world: World) -> None:
    metrics = ControlMetrics(world.platform)
    world.checked(*world.drift(Verdict.BREACH, quality=0.8))
    assert number(told(metrics), "trimtab_check_effect", monitor="data_drift") == 0.6
    path = world.platform.project.model_folder(MODEL) / "monitoring_config.yaml"
    path.write_text("window: 7d\nmonitors: [{type: model_quality, limits: {accuracy: 0.6}}]\n")
    assert number(told(metrics), "trimtab_check_effect", monitor="data_drift") is None
    path.write_text("window: [\n")
    assert number(told(metrics), "trimtab_check_effect", monitor="data_drift") == 0.6, "who knows what it would say"


def test_of_many_columns_the_worst_are_told_and_the_rest_is_counted(world: World) -> None:
    many = [world.check(Verdict.OK, column=f"c{n:03}", value=n / 1000) for n in range(MOST_COLUMNS + 7)]
    breach = replace(many[0], column="quiet", verdict=Verdict.BREACH, effect=0.0)
    world.checked(*many, breach, world.check(Verdict.OK))
    samples = told(ControlMetrics(world.platform))
    columns = {dict(labels)["column"] for name, labels in samples if name == "trimtab_check_value"}
    assert len(columns - {""}) == MOST_COLUMNS
    assert {"", "quiet", "c106"} <= columns
    assert "c000" not in columns
    assert number(samples, "trimtab_check_columns_untold", model=MODEL) == 8


def test_names_with_quotes_and_line_breaks_and_checks_alike_leave_it_readable(world: World) -> None:
    odd = 'a"b\\c\nd ü'

    def one(verdict: Verdict) -> Check:
        return world.check(verdict, column=None, detail={"problem": odd})

    world.checked(one(Verdict.OK), one(Verdict.BREACH), one(Verdict.INCONCLUSIVE))
    samples = told(ControlMetrics(world.platform))
    assert number(samples, "trimtab_check_verdict", measure=odd, verdict="breach") == 1, "the worst of those alike"


def test_cases_fits_and_what_waits_are_counted(world: World) -> None:
    world.checked(world.check(Verdict.BREACH, column="chol"), world.check(Verdict.BREACH))
    world.deliver("incidents")
    _store_work(world)
    samples = told(ControlMetrics(world.platform))
    severities = {name: number(samples, "trimtab_incidents_open", severity=name) for name in ("low", "high")}
    assert severities == {"low": 0, "high": 1}
    assert number(samples, "trimtab_retraining_fits_total", model=MODEL, cause="gain") == 1
    assert number(samples, "trimtab_retraining_fits_total", model=MODEL, cause="asked") == 2
    assert number(samples, "trimtab_reinstated_total", model=MODEL) == 1
    assert number(samples, "trimtab_actions_waiting", kind="reinstate") == 1
    assert number(samples, "trimtab_queue_depth", topic="ingest", state="pending") == 1
    assert number(samples, "trimtab_process_heartbeat_timestamp_seconds", process="conductor") == 3.0
    assert number(samples, "trimtab_events_undelivered", subscriber="remediation", state="pending") is not None


def test_when_a_source_last_delivered_is_remembered_between_two_readings(world: World) -> None:
    metrics = ControlMetrics(world.platform)
    for minute, source in enumerate(("clinic", "lab", "clinic")):
        _deliver(world, source, minute)
        told(metrics)
    for asked in (metrics, ControlMetrics(world.platform)):
        samples = told(asked)
        last = {
            name: number(samples, "trimtab_last_delivery_timestamp_seconds", source=name) for name in ("clinic", "lab")
        }
        assert last == {"clinic": START.timestamp() + 120, "lab": START.timestamp() + 60}


def _deliver(world: World, source: str, minute: int) -> None:
    row = {"kind": "table", "model": MODEL, "source": source, "raw_path": "x", "state": "processed", "spec": {}}
    at_us = to_micros(START + timedelta(minutes=minute))
    made = insert(delivery).values(id=f"d{minute}", digest=f"d{minute}", received_us=at_us, version=1, **row)
    with world.platform.database.transaction() as connection:
        connection.execute(made)


def _store_work(world: World) -> None:
    asked = {"model": MODEL, "kind": "reinstate", "tier": "approval", "requested_by": "trigger", "spec": {}}
    with world.platform.database.transaction() as connection:
        for number_, state in enumerate(("succeeded", "failed", "waiting_approval")):
            row = {"id": f"a{number_}", "dedup_key": f"a{number_}", "state": state, "created_us": 0, **asked}
            connection.execute(insert(action_request).values(**row))
        for number_ in range(3):
            row = {"id": f"j{number_}", "idempotency_key": f"j{number_}", "state": "succeeded", "out_dir": "x"}
            connection.execute(insert(job).values(kind="training", model=MODEL, created_us=0, spec={}, **row))
        event = {"id": "e1", "model": MODEL, "held": True, "at_us": 0, "job_id": "j1", "cause": "gain", "spec": {}}
        connection.execute(insert(retraining_event).values(**event))
        message = {"id": "m1", "topic": "ingest", "dedup_key": "m1", "body": {}, "enqueued_us": 0, "available_us": 0}
        connection.execute(insert(queue_message).values(**message))
        beat = {"process": "conductor", "pid": 1, "process_started_us": 0, "beat_us": 3_000_000, "spec": {}}
        connection.execute(insert(heartbeat).values(**beat))
