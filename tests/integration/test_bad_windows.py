"""Windows that nothing sound can be said of: each built-in monitor says so, with the reason, through the whole loop."""

from __future__ import annotations

import io
import math
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import func, select
from tests.unit.loop.projects import MODEL, START, World, make_world

from trimtab.bundle.writer import SAMPLE_NAME, write_bundle
from trimtab.core.clock import to_micros
from trimtab.core.enums import ColumnKind, Task, Verdict
from trimtab.db.tables import check_result
from trimtab.loop.checks import run_checks_of
from trimtab.loop.ingestion import Ingestion
from trimtab.loop.observing import RolloutWatch
from trimtab.loop.releases import start_rollout
from trimtab.loop.rollouts import advance_rollouts, apply_desired
from trimtab.monitoring.check import Check
from trimtab.monitoring.registry import BUILT_IN
from trimtab.monitoring.requests import RequestCounts
from trimtab.profiles.periods import PREDICTION, PROBABILITY
from trimtab.profiles.reference import build_reference, write_reference
from trimtab.records.schema import PredictionFrame, SchemaFrame, TruthFrame
from trimtab.records.segments import predictions_table, segment_id, truth_table, write_segment
from trimtab.testing.bundles import tiny_bundle

DAY_US: Final = 86_400_000_000
ROWS: Final = 200
KINDS: Final = {"age": ColumnKind.NUMBER, "chol": ColumnKind.NUMBER, "sex": ColumnKind.CATEGORY}
MONITORING = """
schedule: "0 * * * *"
window: 1d
monitors:
  - {type: data_drift}
  - {type: prediction_drift}
  - {type: plain_drift, method: ks, threshold: 0.3}
  - {type: data_quality}
  - {type: model_quality, limits: {accuracy: 0.6}, segments: [sex]}
  - {type: estimated_quality, limits: {accuracy: 0.6}}
  - {type: attribution_drift}
  - {type: fairness, group: {column: sex}, limits: {demographic_parity_difference: 0.6, equalized_odds_difference: 0.9}}
  - {type: latency, p95_ms: 50}
  - {type: errors}
  - type: business
    at_least: 0.01
    source:
      type: sql
      url: "sqlite:///shop.db"
      query: "SELECT avg(bought) FROM visits WHERE at >= :window_start AND at < :window_end"
"""


Columns = dict[str, list[Any]]


def people(rows: int, seed: int) -> Columns:
    rng = np.random.default_rng(seed)
    age, chol = rng.normal(50, 10, rows).clip(20, 90), rng.normal(240, 50, rows).clip(90, 600)
    sex = rng.choice(["female", "male"], rows)
    probability = 1 / (1 + np.exp(-((age - 50) / 10 + 0.5 * (chol - 240) / 50 - 0.25 * (sex == "male"))))
    return {
        "age": age.tolist(),
        "chol": chol.tolist(),
        "sex": sex.tolist(),
        PREDICTION: np.where(probability >= 0.5, "yes", "no").tolist(),
        PROBABILITY: probability.tolist(),
    }


@dataclass(frozen=True)
class Learnt(World):
    """A world whose version comes with all that monitors hold a window against."""

    lacks: str | None = None

    def bundle(self, folder: Path, number: int) -> tuple[Path, str]:
        old = folder.parent / f"{folder.name}-plain"
        manifest = tiny_bundle(old, model=MODEL)
        table = pa.table({name: values for name, values in people(6_000, 0).items() if name != self.lacks})
        buffer = io.BytesIO()
        pq.write_table(pa.table({name: values for name, values in people(200, 0).items() if name in KINDS}), buffer)
        made = write_bundle(
            folder,
            msgspec.structs.replace(manifest, files={}, metrics={"accuracy": 0.8, "f1": 0.8, "ece": 0.02}),
            model_onnx=(old / "model.onnx").read_bytes(),
            golden=pq.read_table(old / "golden.parquet"),
            reference=lambda place: _write_reference(place, table),
            beside={SAMPLE_NAME: buffer.getvalue()},
        )
        return folder, made.digest


def _write_reference(folder: Path, table: pa.Table) -> None:
    kinds = {**KINDS, PREDICTION: ColumnKind.CATEGORY, PROBABILITY: ColumnKind.NUMBER}
    # Sixty days until the model was trained.
    times = to_micros(START) - 60 * DAY_US + np.arange(table.num_rows) * (60 * DAY_US // table.num_rows)
    present = {name: kind for name, kind in kinds.items() if name in table.column_names}
    write_reference(folder, build_reference(table, present, time_us=times))


EVERY: Final = "every check"
SOME: Final = "some check"
Touched = Mapping[str, str]
"""By monitor, which of its checks may not be OK: every one, some, or that of a column."""

OF_ROWS: Final = {kind: EVERY for kind in ("model_quality", "estimated_quality", "attribution_drift", "fairness")}


def of_column(column: str, **more: str) -> Touched:
    return {**dict.fromkeys(("data_drift", "plain_drift", "data_quality"), column), **more}


@dataclass(frozen=True)
class Case:
    """What is wrong with a window, which checks that touches, and in which words they tell it."""

    touched: Touched
    told: Mapping[str, str]
    rows: Callable[[], Columns] = lambda: people(ROWS, 2)
    labelled: bool = True
    lacks: str | None = None


def without(column: str) -> Columns:
    return {name: values for name, values in people(ROWS, 2).items() if name != column}


def with_values(column: str, values: list[Any]) -> Columns:
    return {**people(ROWS, 2), column: values}


CASES: Final = {
    "empty": Case(
        dict.fromkeys(BUILT_IN, EVERY),
        {"data_quality": "no rows", "fairness": "no row", "errors": "0 requests", "business": "gave no number"},
        lambda: people(0, 2),
    ),
    "one row": Case(
        # What people bought is in another database, and enough there.
        dict.fromkeys(set(BUILT_IN) - {"business"}, EVERY),
        {kind: "1 " for kind in set(BUILT_IN) - {"business"}},
        lambda: people(1, 2),
    ),
    "vanished column": Case(
        of_column("chol", attribution_drift=SOME),
        {"data_drift": "not judged: chol", "plain_drift": "not judged: chol", "data_quality": "absent from all"},
        lambda: without("chol"),
    ),
    "vanished group": Case(
        of_column("sex", model_quality="sex", attribution_drift=EVERY, fairness=EVERY),
        {
            "model_quality": "hold no such feature",
            "attribution_drift": "'sex' is missing",
            "fairness": "no such column",
        },
        lambda: without("sex"),
    ),
    "all null": Case(
        of_column("chol", attribution_drift=SOME),
        {"data_drift": "0 values in 200 rows", "data_quality": "100% of values are missing"},
        lambda: with_values("chol", [None] * ROWS),
    ),
    "all null, and none may be": Case(
        of_column("age", **OF_ROWS),
        {"data_quality": "100% of 200 rows delivered broke the contract; age: missing (200)"},
        lambda: with_values("age", [None] * ROWS),
    ),
    "constant": Case(
        of_column("chol", attribution_drift=SOME),
        {"data_drift": "stuck at 240", "data_quality": "100% of values are 240"},
        lambda: with_values("chol", [240.0] * ROWS),
    ),
    "infinite": Case(
        of_column("chol", **OF_ROWS),
        {"data_quality": "100% of values lie outside 80 to 700 (200 infinite)", "data_drift": "not judged: chol"},
        lambda: with_values("chol", [math.inf] * ROWS),
    ),
    "unlabelled": Case(
        {"model_quality": EVERY, "fairness": SOME},
        {"model_quality": "no labelled rows", "fairness": "no group has 30 rows for the true positive rate"},
        labelled=False,
    ),
    "group of two": Case(
        {"data_drift": "sex", "plain_drift": "sex", "fairness": EVERY},
        {"fairness": "only female has 30 rows", "model_quality": "too few labelled rows of male"},
        lambda: with_values("sex", ["male"] * 2 + ["female"] * (ROWS - 2)),
    ),
    "reference without a column": Case(
        of_column("chol"),
        {"data_drift": "not judged: chol", "data_quality": "the reference has no such column"},
        lacks="chol",
    ),
}


def day_of(world: World, number: int, rows: Columns, *, labelled: bool) -> list[Check]:
    """Have ``rows`` answered, and labelled, in one day; return what is said of it in the end."""
    start_us, end = to_micros(START) + number * DAY_US, START + timedelta(days=number + 1)
    world.clock.advance(end - timedelta(hours=1) - world.clock.now())
    ship(world, rows, start_us, labelled=labelled)
    visits(world, start_us, len(rows[PREDICTION]))
    world.clock.advance(timedelta(hours=1))
    run = run_checks_of(world.platform, world.platform.files(MODEL), at=end, actor="dana")
    query = select(func.count()).where(check_result.c.run_id == run.id)
    assert world.platform.database.read(lambda c: c.execute(query).scalar_one()) == len(run.checks)
    # Without those of the day before, which quality may look at again.
    return [check for check in run.checks if check.window.end_us == to_micros(end)]


def ship(world: World, rows: Columns, start_us: int, *, labelled: bool) -> None:
    count = len(rows[PREDICTION])
    if not count:
        return
    features = [name for name in KINDS if name in rows]
    schema = SchemaFrame(1, MODEL, MODEL, 1, "v1", "b" * 64, Task.BINARY, tuple((n, KINDS[n]) for n in features))
    frames = [
        PredictionFrame(
            schema_id=1,
            prediction_id=f"{start_us}-{at}",
            request_id=f"{start_us}-{at}",
            event_us=start_us + at * (DAY_US // count),
            received_us=start_us + at * (DAY_US // count),
            generation=1,
            assignment_probability=1.0,
            record_key=None,
            source=None,
            sticky_hash=None,
            values=tuple(rows[name][at] for name in features),
            prediction=rows[PREDICTION][at],
            probability=rows[PROBABILITY][at],
            latency_ms=1.0,
        )
        for at in range(count)
    ]
    intake, part = world.platform.project.intake, str(start_us)
    write_segment(intake, predictions_table(schema, frames, segment_id("journal", 0, 1, part)))
    if labelled:
        draw = np.random.default_rng(9).random(count)
        told = ["yes" if draw[at] < rows[PROBABILITY][at] else "no" for at in range(count)]
        truths = [
            TruthFrame(MODEL, f.prediction_id, None, None, t, f.event_us + 1, f.event_us + 1)
            for f, t in zip(frames, told, strict=True)
        ]
        write_segment(intake, truth_table(truths, segment_id("journal", 0, 2, part)))
    ingestion = Ingestion(world.platform)
    while ingestion.run():
        pass


def visits(world: World, start_us: int, count: int) -> None:
    with closing(sqlite3.connect(world.platform.project.root / "shop.db")) as shop, shop:
        shop.execute("CREATE TABLE IF NOT EXISTS visits (at REAL, bought INTEGER)")
        shop.executemany("INSERT INTO visits VALUES (?, 1)", [(start_us / 1e6 + at,) for at in range(count)])


@contextmanager
def served(root: Path, lacks: str | None) -> Iterator[World]:
    """A project whose first version serves, with a reference that may lack a column."""
    made = make_world(root / "project", monitoring_config=MONITORING)
    world = Learnt(made.platform, made.clock, made.server, made.jobs, lacks=lacks)
    world.version(1)
    with world.platform.database.transaction() as connection:
        start_rollout(connection, world.platform, world.platform.files(MODEL), 1, by="dana")
    apply_desired(world.platform)
    while advance_rollouts(world.platform, RolloutWatch(world.platform)):
        pass
    yield world
    world.platform.database.close()


@dataclass(frozen=True)
class Said:
    """What is said of the window of a case, the day after a usual one."""

    case: Case
    checks: Sequence[Check]


@pytest.fixture(scope="module")
def said(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Said]:
    case: Case = CASES[request.param]
    requests = 0

    def counts(*_asked: object, at_us: int) -> Mapping[tuple[str, int], RequestCounts]:
        return {("v1", 1): RequestCounts(at_us, requests, 0, 0)}

    with served(tmp_path_factory.mktemp("bad"), case.lacks) as world, pytest.MonkeyPatch.context() as patch:
        # No server runs here: these are what one would have counted.
        patch.setattr("trimtab.loop.checks.read_request_counts", counts)
        checks: list[Check] = []
        for number, (rows, labelled) in enumerate([(people(ROWS, 1), True), (case.rows(), case.labelled)]):
            requests += len(rows[PREDICTION])
            checks = day_of(world, number, rows, labelled=labelled)
        yield Said(case, checks)


@pytest.mark.parametrize("kind", BUILT_IN)
@pytest.mark.parametrize("said", CASES, indirect=True)
def test_what_cannot_be_judged_is_told_with_the_reason_and_the_rest_is_judged(said: Said, kind: str) -> None:
    checks = [check for check in said.checks if check.kind == kind]
    assert checks
    assert all(check.explanation and "error" not in check.detail for check in checks), "no monitor fails"
    assert said.case.told.get(kind, "") in "\n".join(check.explanation for check in checks)
    touched = said.case.touched.get(kind)
    not_ok = [check for check in checks if check.verdict is not Verdict.OK]
    if touched == EVERY:
        assert not_ok == checks
    elif touched == SOME:
        assert not_ok
    elif touched is not None:
        assert touched in {check.column for check in not_ok}
    else:
        # An estimate has to prove itself in five windows first.
        expected = Verdict.INCONCLUSIVE if kind == "estimated_quality" else Verdict.OK
        assert {check.verdict for check in checks} == {expected}
