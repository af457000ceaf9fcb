"""``python -m tests.data.databases.make``: keeps a database of the newest revision, for later ones to be upgraded from.

One case lies in it from its breach to its end, with rows in every table, made by the platform's own operations. Run it
once for each revision, before the next is written; a test asks for it, and for rows in every table.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy import Table, insert, select
from tests.postgres import PostgresServer
from tests.unit.loop.projects import MODEL, World, make_world, result_of

from trimtab.core.enums import ColumnKind, Role, Verdict
from trimtab.db import leases
from trimtab.db.engine import Connection, machine_us
from trimtab.db.migrate import newest_revision
from trimtab.db.tables import (
    action_request,
    approval_link,
    autonomy_pause,
    policy_decision,
    request_once,
    session,
    version_loss,
    vote,
    webhook_receipt,
)
from trimtab.lake.feeds import quarantine_feed, release_feed
from trimtab.lake.profile_store import save_profiles
from trimtab.loop import keys
from trimtab.loop.actor import Actor
from trimtab.loop.arrivals import note_arrivals
from trimtab.loop.ingestion import Ingestion
from trimtab.loop.observing import RolloutWatch
from trimtab.loop.operation import perform
from trimtab.loop.releases import start_rollout
from trimtab.loop.rollouts import advance_rollouts, apply_desired, operate_rollout
from trimtab.loop.schedules import run_due_monitors
from trimtab.loop.trainings import advance_jobs
from trimtab.loop.upkeep import Upkeep
from trimtab.monitoring.state_store import StateKey, save_state
from trimtab.profiles.periods import PeriodProfile
from trimtab.profiles.profile import Profile
from trimtab.retraining.loss_store import ANSWERS
from trimtab.rollout import store
from trimtab.rollout.machine import Operation

__all__ = ["KEPT", "play"]

KEPT = Path(__file__).parent
_ADMIN, _DANA = Actor("local-admin", Role.ADMIN), Actor("dana", Role.APPROVER)
_NO_HOST = "host.invalid"


def play(world: World) -> None:
    """Let one case happen in ``world``: data, a version that serves, drift, a retraining, a rollout, a report."""
    _deliver_rows(world)
    world.version(1)
    with world.platform.database.transaction() as connection:
        start_rollout(connection, world.platform, world.platform.files(MODEL), 1, by="dana")
    _advance(world)
    world.clock.advance(timedelta(days=2))
    _retrained_by_drift(world)
    _rolled_out(world)
    world.clock.advance(timedelta(hours=2))
    world.checked(*world.drift(Verdict.OK, quality=0.82, version=2))
    _advance(world)
    _beside_the_case(world)


def _advance(world: World) -> None:
    watch = RolloutWatch(world.platform)
    moved = True
    while moved:
        apply_desired(world.platform)
        note_arrivals(world.platform)
        moved = any([advance_rollouts(world.platform, watch), advance_jobs(world.platform), world.deliver() > 0])


def _deliver_rows(world: World) -> None:
    path = world.platform.project.root / "rows.csv"
    rows = [f"r{n},{40 + n % 30},{200 + n},male,{'yes' if n % 3 else 'no'}" for n in range(60)]
    rows.append("quarantined,999,200,male,yes")
    path.write_text("\n".join(["row_id,age,chol,sex,disease", *rows]) + "\n")
    perform(world.platform, _ADMIN, "data.ingest", {"model": MODEL, "path": str(path)})
    Ingestion(world.platform).run()


def _retrained_by_drift(world: World) -> None:
    world.jobs.run = lambda out: result_of(world, out, number=2, gain=0.2)
    world.checked(*world.drift(Verdict.BREACH, quality=0.5))
    _advance(world)
    [waiting] = perform(world.platform, _DANA, "approvals.list", {"state": "waiting_approval"})["actions"]
    fields = {"action_id": waiting["action_id"], "approve": True, "reason": "seen"}
    perform(world.platform, _DANA, "approvals.decide", fields)
    _advance(world)


def _rolled_out(world: World) -> None:
    with world.platform.database.transaction() as connection:
        rollout = store.active_rollout(connection, MODEL)
        assert rollout is not None
        operate_rollout(connection, world.platform, rollout, Operation.PROMOTE, by="dana", reason="enough seen")
    _advance(world)


def _beside_the_case(world: World) -> None:
    at_us = world.platform.now_us()
    table = pa.table({"age": [40.0, 50.0, None], "sex": ["male", "female", "male"]})
    seen = Profile.of_table(table, {"age": ColumnKind.NUMBER, "sex": ColumnKind.CATEGORY})
    with world.platform.database.transaction() as connection:
        keys.create_key(connection, "emil", Role.APPROVER, at_us=at_us)
        quarantine_feed(connection, MODEL, "clinic", since_us=at_us, reason="mg became g", at_us=at_us)
        release_feed(connection, MODEL, "clinic", until_us=at_us + 1, at_us=at_us)
        save_profiles(connection, "segment-1", [PeriodProfile(MODEL, "v2", 2, at_us, 60, seen)])
        _remember(connection, at_us)
        _agree(connection, at_us)
        leases.acquire(connection, "lane:data", f"{_NO_HOST}:1:kept", machine_us=machine_us(), ttl_s=8)
    run_due_monitors(world.platform)
    Upkeep(world.platform).run()


def _remember(connection: Connection, at_us: int) -> None:
    place = {"model": MODEL, "endpoint": MODEL, "model_version": 2}
    key = StateKey(MODEL, MODEL, "v2", 2, "data_drift")
    save_state(connection, key, {"steps": 3}, window_end_us=at_us, settings="0" * 16, before=None)
    week_us = 7 * 86_400_000_000
    connection.execute(
        insert(version_loss).values(
            **place, series=ANSWERS, start_us=at_us - week_us, end_us=at_us, rows=57, loss=11.0, spec={}
        )
    )


def _agree(connection: Connection, at_us: int) -> None:
    """Put down what people, programs and pauses leave behind, one row of each."""
    action_id = connection.execute(select(action_request.c.id)).scalars().first()
    at = {"created_us": at_us, "expires_us": at_us + 1}
    hashed = {"token_hash": "0" * 64}
    rows: dict[Table, dict[str, Any]] = {
        vote: {"action_id": action_id, "owner": "emil", "actor": "emil", "word": "comment", "via": "api"}
        | {"comment": "seen", "at_us": at_us},
        approval_link: {"action_id": action_id, "person": "emil", "word": "approve", **hashed, **at},
        autonomy_pause: {"scope": "*", "from_us": at_us, "until_us": at_us + 1, "reason": "kept", "actor": "emil"},
        policy_decision: {"origin": "person", "model": MODEL, "policy_hash": "0" * 64, "held": False, "at_us": at_us}
        | {"spec": {}},
        session: {"key_id": "kept", "csrf_hash": "0" * 64, "address": "::1", "seen_us": at_us, **hashed, **at},
    }
    for table, row in rows.items():
        connection.execute(insert(table).values(id=f"kept-{table.name}", **row))
    connection.execute(
        insert(webhook_receipt).values(source="alertmanager", digest="0" * 64, received_us=at_us, answer={})
    )
    once = {"actor": "emil", "idempotency_key": "kept", "operation": "data.ingest", "request_hash": "0" * 64}
    connection.execute(insert(request_once).values(**once, answer={}, at_us=at_us))


def _made(folder: Path) -> World:
    world = make_world(folder / "project")
    play(world)
    return world


def _copy(database: Path, kept: Path) -> None:
    """Copy a closed database with small pages: most of its tables hold a row or two."""
    with sqlite3.connect(database, isolation_level=None) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("PRAGMA page_size=512")
        connection.execute(f"VACUUM INTO '{kept}'")
    connection.close()


def main() -> None:
    """Write ``REVISION.db`` and ``REVISION.sql`` beside this file, unless they are there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, default=KEPT)
    folder: Path = parser.parse_args().into
    kept, dump = (folder / f"{newest_revision()}{suffix}" for suffix in (".db", ".sql"))
    if kept.exists() or dump.exists():
        raise SystemExit(f"{kept.stem}: is kept already; what was released is not made again")
    with tempfile.TemporaryDirectory() as place:
        world = _made(Path(place) / "embedded")
        world.platform.database.close()
        _copy(world.platform.project.database, kept)
        server = PostgresServer()
        try:
            server.start()
            name = server.create()
            os.environ["TRIMTAB_DATABASE_URL"] = server.url(name)
            _made(Path(place) / "server").platform.database.close()
            dump.write_text(server.dump(name))
        finally:
            server.close()


if __name__ == "__main__":
    main()
