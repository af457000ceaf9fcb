"""Ingest is killed again and again, in real processes, and nothing is lost or counted twice."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from multiprocessing.synchronize import Event as Signal
from pathlib import Path

import pyarrow.parquet as pq
from sqlalchemy import func, select
from tests.unit.lake.heart import (
    CONTEXT,
    MODEL,
    NOW,
    NOW_US,
    Asked,
    Workplace,
    csv_of,
    good_rows,
    outcome_of,
    records_segment,
    truth_segment,
)

from trimtab.core.ids import new_id
from trimtab.db.engine import Connection
from trimtab.db.tables import event, profile
from trimtab.lake.deliveries import DeliveryState, accept_file, recent_deliveries, resend_unqueued
from trimtab.lake.ingest import Ingest, Processed
from trimtab.lake.intake import take_in
from trimtab.records.segments import write_segment

_KILLS = 6


def record_event(connection: Connection, processed: Processed) -> None:
    connection.execute(
        event.insert().values(
            id=new_id(), kind="processed", aggregate=processed.delivery.digest, payload={}, at_us=NOW_US
        )
    )


def work(root: Path, started: Signal | None) -> None:
    place = Workplace.at(root)
    ingest = Ingest(
        place.database,
        place.lake,
        place.queue,
        lambda name: {MODEL: CONTEXT}[name],
        on_processed=record_event,
        lease_s=0.01,
    )
    if started is not None:
        started.set()
    for number in range(5):
        path = place.root / "deliveries" / f"{number}.csv"
        accept_file(place.database, place.lake, place.queue, model=MODEL, path=path, now=NOW)
    take_in(place.database, place.lake, place.queue, place.root / "intake", now=NOW)
    resend_unqueued(place.database, place.queue)
    idle = 0
    while idle < 5:
        idle = 0 if ingest.process_some(now=NOW, limit=2) else idle + 1
        time.sleep(0.02)
    place.database.close()


def test_workers_killed_at_any_moment_leave_every_row_in_one_zone_and_every_event_once(tmp_path: Path) -> None:
    place = Workplace.at(tmp_path)
    for number in range(5):
        rows = good_rows(20, start=number * 20 + 1)
        place.deliver(f"{number}.csv", csv_of([*rows, f"{number * 20 + 5},50,male,200,normal,1"]))
    for number in range(6):
        asked = [Asked(number * 100 + row, chol=220.0 if row % 4 else 5.7) for row in range(20)]
        write_segment(place.root / "intake", records_segment(asked))
    write_segment(place.root / "intake", truth_segment([outcome_of("1", prediction_id="prediction-000001")]))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["great_expectations", "trimtab.lake.ingest"])
    rng = random.Random(7)
    for _ in range(_KILLS):
        started = context.Event()
        worker = context.Process(target=work, args=(tmp_path, started))
        worker.start()
        assert started.wait(60)
        time.sleep(rng.uniform(0.0, 0.5))
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        worker.join()
    time.sleep(0.05)
    work(tmp_path, None)

    with place.database.reading() as connection:
        deliveries = recent_deliveries(connection)
        events = Counter(row.aggregate for row in connection.execute(select(event.c.aggregate)))
        profiled = connection.execute(select(func.sum(profile.c.rows))).scalar_one()
    assert {each.state for each in deliveries} == {DeliveryState.PROCESSED}
    assert events == {each.digest: 1 for each in deliveries}
    assert len(deliveries) == 12
    assert profiled == 120
    for zone, expected in (("processed", 5 * 20 + 6 * 15 + 1), ("quarantine", 5 * 1 + 6 * 5)):
        files = sorted((place.lake.root / zone).rglob("[!.]*.parquet"))
        assert sum(pq.read_metadata(path).num_rows for path in files) == expected
    place.database.close()
