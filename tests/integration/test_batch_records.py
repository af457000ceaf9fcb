"""``trimtab batch --record`` in a project: its answers come to the lake once, and are no traffic of the server's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import update
from tests.integration.processes import Ended, trimtab
from tests.unit.loop.projects import MODEL, World, make_world

from trimtab.core.enums import ColumnKind, Task, Verdict
from trimtab.db.tables import snapshot
from trimtab.lake.labelled import labelled_rows
from trimtab.loop.checks import run_checks_of
from trimtab.loop.ingestion import Ingestion
from trimtab.loop.observing import RolloutWatch
from trimtab.loop.releases import start_rollout
from trimtab.loop.rollouts import advance_rollouts, apply_desired
from trimtab.records.schema import BATCH_VARIANT, PredictionFrame, SchemaFrame, TruthFrame
from trimtab.records.segments import predictions_table, truth_table, write_segment

ROWS = 120
MINUTE_US = 60_000_000


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A project whose version 1 serves."""
    world = make_world(tmp_path_factory.mktemp("batch") / "project")
    world.version(1)
    with world.platform.database.transaction() as connection:
        connection.execute(update(snapshot).values(spec={"recent_rows": 0, "rows_by_source": {}}))
        start_rollout(connection, world.platform, world.platform.files(MODEL), 1, by="dana")
    apply_desired(world.platform)
    while advance_rollouts(world.platform, RolloutWatch(world.platform)):
        pass
    yield world
    world.platform.database.close()


def batch(world: World, rows: Path, output: Path, *more: str) -> Ended:
    command: tuple[str | Path, ...] = ("batch", f"{MODEL}@1", "--input", rows, "--output", output, "--workers", "1")
    return trimtab(*command, "--record", "--json", *more, project=world.platform.project.root)


def taken_in(world: World) -> list[str]:
    """Have the lake take what waits, and return the ids of all records in it."""
    ingestion = Ingestion(world.platform)
    while ingestion.run():
        pass
    files = world.platform.lake.record_files(MODEL, start_us=0, end_us=2**62)
    return [one for file in files for one in pq.read_table(file.path)["prediction_id"].to_pylist()]


def serve(world: World) -> None:
    """Put answers into the intake as the server's shipper would: of rows that lie far off the reference."""
    kinds = (("age", ColumnKind.NUMBER), ("chol", ColumnKind.NUMBER), ("sex", ColumnKind.CATEGORY))
    schema = SchemaFrame(
        schema_id=1,
        endpoint=MODEL,
        model=MODEL,
        model_version=1,
        variant="v1",
        bundle_digest="b" * 64,
        task=Task.BINARY,
        features=kinds,
    )
    frames = [
        PredictionFrame(
            schema_id=1,
            prediction_id=f"live-{place}",
            request_id=f"r{place}",
            event_us=world.platform.now_us() - 600 * MINUTE_US + place,
            received_us=world.platform.now_us() - 600 * MINUTE_US + place,
            generation=1,
            assignment_probability=1.0,
            record_key=f"k{place}",
            source=None,
            sticky_hash=None,
            values=(110.0, 650.0, "male"),
            prediction="yes",
            probability=0.9,
            latency_ms=1.0,
        )
        for place in range(300)
    ]
    write_segment(world.platform.project.intake, predictions_table(schema, frames, "ab" * 16))


def verdicts(world: World) -> dict[str, set[Verdict]]:
    """Return what drift monitors say of the columns, by variant."""
    run = run_checks_of(world.platform, world.platform.files(MODEL), at=world.clock.now(), actor="dana")
    found: dict[str, set[Verdict]] = {}
    for check in run.checks:
        if check.column in {"age", "chol"}:
            found.setdefault(check.variant, set()).add(check.verdict)
    return found


def test_a_batch_comes_to_the_lake_once_and_is_judged_apart_from_the_server(world: World, tmp_path: Path) -> None:
    rows = tmp_path / "rows.parquet"
    table = {
        "row_id": [f"k{place}" for place in range(ROWS)],
        "age": [40.0 + place % 30 for place in range(ROWS)],
        "chol": [200.0 + place % 48 for place in range(ROWS)],
        "sex": ["male", "female"] * (ROWS // 2),
    }
    pq.write_table(pa.table(table), rows)
    done = batch(world, rows, tmp_path / "out", "--rows-per-part", "50")
    assert done.code == 0, done.err
    assert (done.json["rows"], done.json["parts"], done.json["recorded_as"]) == (ROWS, 3, MODEL)
    answers = pq.read_table(tmp_path / "out")
    assert sorted(taken_in(world)) == sorted(answers["prediction_id"].to_pylist())

    again = batch(world, rows, tmp_path / "again", "--rows-per-part", "50")
    assert again.code == 0, again.err
    assert len(list(world.platform.project.intake.glob("*.arrow"))) == 3
    assert len(taken_in(world)) == ROWS, "what is known already comes in no second time"

    # The batch happened by the machine's clock, the project's stands still: one moment later both are in the window.
    world.clock.advance(datetime.now(UTC) + timedelta(minutes=1) - world.clock.now())
    serve(world)
    taken_in(world)
    assert verdicts(world) == {"v1": {Verdict.BREACH}, BATCH_VARIANT: {Verdict.OK}}

    truths = [TruthFrame(MODEL, answers["prediction_id"][3].as_py(), None, None, "yes", 5, 5)]
    write_segment(world.platform.project.intake, truth_table(truths, "cd" * 16))
    taken_in(world)
    labelled = labelled_rows(world.platform.lake, MODEL, variant=BATCH_VARIANT)
    assert labelled.table.select(["prediction_id", "truth"]).to_pylist() == [
        {"prediction_id": answers["prediction_id"][3].as_py(), "truth": "yes"}
    ]
