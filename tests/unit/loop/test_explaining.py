"""What answers hang on, asked of a real bundle about rows of the lake; groups that come with delivered tables."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.loop.projects import MODEL, World, make_world
from tests.unit.monitoring.windows import window_of

from trimtab.bundle.manifest import Manifest
from trimtab.bundle.predictor import Predictor
from trimtab.bundle.writer import SAMPLE_NAME, write_bundle
from trimtab.core.enums import ColumnKind, Task, Verdict
from trimtab.core.errors import DataContractError
from trimtab.lake.deliveries import accept_file
from trimtab.loop.checks import run_checks_of
from trimtab.loop.explaining import Explainer, contributions
from trimtab.loop.groups import asked_groups
from trimtab.loop.ingestion import Ingestion
from trimtab.loop.observing import RolloutWatch
from trimtab.loop.releases import start_rollout
from trimtab.loop.rollouts import advance_rollouts, apply_desired
from trimtab.measures.ndcg import rank_agreement
from trimtab.monitoring.attribution import AttributionDriftMonitor, AttributionDriftSettings
from trimtab.monitoring.check import Check, Window
from trimtab.records.schema import PredictionFrame, SchemaFrame
from trimtab.records.segments import predictions_table, write_segment
from trimtab.registry.versions import ModelVersion
from trimtab.testing.bundles import tiny_bundle

WEIGHTS = (1.0, 2.5, -0.25)
MONITORING = """
window: 1d
monitors:
  - type: fairness
    group: {column: sex, from: deliveries}
    limits: {demographic_parity_difference: 0.2}
  - {type: attribution_drift}
"""


def rows(count: int, *, seed: int, swapped: bool = False) -> pa.Table:
    """Rows of which ``chol`` varies much and ``age`` hardly, around the same value; or the other way round."""
    rng = np.random.default_rng(seed)
    age, chol = rng.normal(100, 1, count), rng.normal(100, 60, count)
    if swapped:
        age, chol = chol, age
    return pa.table({"age": age, "chol": chol, "sex": rng.choice(["female", "male"], count).tolist()})


def bundle(folder: Path, sample: pa.Table) -> Manifest:
    """A tiny model of numbers, with the rows that attributions are compared with."""
    old = folder / "without"
    manifest = tiny_bundle(old, task=Task.REGRESSION, weights=WEIGHTS)
    buffer = io.BytesIO()
    pq.write_table(sample, buffer)
    return write_bundle(
        folder / "with",
        msgspec.structs.replace(manifest, files={}),
        model_onnx=(old / "model.onnx").read_bytes(),
        golden=pq.read_table(old / "golden.parquet"),
        reference=lambda _folder: None,
        beside={SAMPLE_NAME: buffer.getvalue()},
    )


def ship(world: World, table: pa.Table, said: Sequence[str], part: str) -> None:
    """Let version 1 answer these rows, a second apart, each with its own key."""
    start_us = world.platform.now_us()
    kinds = (("age", ColumnKind.NUMBER), ("chol", ColumnKind.NUMBER), ("sex", ColumnKind.CATEGORY))
    schema = SchemaFrame(1, MODEL, MODEL, 1, "v1", "b" * 64, Task.BINARY, kinds)
    frames = [
        PredictionFrame(
            schema_id=1,
            prediction_id=f"{part}-{place}",
            request_id=f"{part}-{place}",
            event_us=start_us + place * 1_000_000,
            received_us=start_us + place * 1_000_000,
            generation=1,
            assignment_probability=1.0,
            record_key=f"p{place}",
            source=None,
            sticky_hash=None,
            values=(row["age"], row["chol"], row["sex"]),
            prediction=said[place],
            probability=0.5,
            latency_ms=1.0,
        )
        for place, row in enumerate(table.to_pylist())
    ]
    write_segment(world.platform.project.intake, predictions_table(schema, frames, part * 32))
    process(world)


def process(world: World) -> None:
    ingestion = Ingestion(world.platform)
    while ingestion.run():
        pass


@dataclass(frozen=True)
class Place:
    world: World
    version: ModelVersion
    manifest: Manifest

    def checks(self, table: pa.Table) -> tuple[Check, ...]:
        """What the monitor says of a day in which these rows were answered."""
        start_us = self.world.platform.now_us()
        ship(self.world, table, ["yes"] * table.num_rows, "a")
        explain = Explainer(self.world.platform, self.world.platform.files(MODEL), self.version, "v1", self.manifest)
        window = Window(start_us, start_us + 86_400_000_000)
        data = replace(window_of({}), window=window, explain=explain)
        monitor = AttributionDriftMonitor(AttributionDriftSettings())
        found = monitor.check(data).checks
        assert monitor.check(data).checks == found
        return found


@pytest.fixture
def place(tmp_path: Path) -> Place:
    # A contract as wide as the rows.
    world = make_world(tmp_path / "project", monitoring_config=MONITORING)
    contract = world.platform.project.model_folder(MODEL) / "contract.yaml"
    contract.write_text(contract.read_text().replace("min: 80, max: 700, ", "").replace(", min: 0, max: 120", ""))
    manifest = bundle(tmp_path / "bundle", rows(200, seed=0))
    version = replace(world.version(1), bundle_path=str(tmp_path / "bundle" / "with"), digest=manifest.digest)
    return Place(world, version, manifest)


def test_rows_like_those_it_came_with_agree(place: Place) -> None:
    agreement, moved = place.checks(rows(150, seed=1))
    assert (agreement.verdict, moved.verdict) == (Verdict.OK, Verdict.OK)
    assert agreement.value == pytest.approx(1.0, abs=0.05)
    assert moved.value == pytest.approx(0.0, abs=0.1)
    assert agreement.detail["rows"] == 150


def test_two_swapped_columns_are_a_breach_that_names_them(place: Place) -> None:
    agreement, moved = place.checks(rows(150, seed=1, swapped=True))
    assert (agreement.verdict, moved.verdict) == (Verdict.BREACH, Verdict.BREACH)
    assert agreement.value is not None
    assert agreement.threshold is not None
    assert agreement.value < agreement.threshold <= 0.9
    assert {one["feature"] for one in agreement.detail["features"][:2]} == {"age", "chol"}


def test_a_window_with_few_rows_is_inconclusive(place: Place) -> None:
    (check,) = place.checks(rows(12, seed=1))
    assert check.verdict is Verdict.INCONCLUSIVE
    assert "12 rows explained" in check.explanation


def test_golden_rows_agree_with_themselves(tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "tiny", task=Task.BINARY)
    predictor = Predictor.load(tmp_path / "tiny", expected_digest=None)
    golden = predictor.golden_table()
    background = predictor.encoder.encode_table(golden)
    then, now = (np.abs(contributions(predictor, golden, background)).mean(axis=0) for _ in range(2))
    assert rank_agreement(now, then) == 1.0


def test_a_version_without_such_rows_is_to_be_trained_anew(place: Place) -> None:
    old = Path(place.version.bundle_path).parent / "without"
    version = replace(
        place.version, bundle_path=str(old), digest=Predictor.load(old, expected_digest=None).manifest.digest
    )
    explain = Explainer(place.world.platform, place.world.platform.files(MODEL), version, "v1", place.manifest)
    with pytest.raises(DataContractError, match="retrain once"):
        explain(Window(0, 1))


def test_groups_come_with_delivered_tables_by_the_rows_keys(tmp_path: Path) -> None:
    world = make_world(tmp_path / "project", monitoring_config=MONITORING)
    world.version(1)
    with world.platform.database.transaction() as connection:
        start_rollout(connection, world.platform, world.platform.files(MODEL), 1, by="dana")
    apply_desired(world.platform)
    while advance_rollouts(world.platform, RolloutWatch(world.platform)):
        pass
    files = world.platform.files(MODEL)
    assert [(group.key, group.column) for group in asked_groups(files)] == [("sex[]=", "sex")]

    # All records say male: only the delivered table knows better.
    table = pa.table({"age": [50.0] * 200, "chol": [200.0] * 200, "sex": ["male"] * 200})
    ship(world, table, ["yes" if place < 80 else "no" for place in range(200)], "a")
    nothing = judged(world)["fairness"]
    assert nothing.verdict is Verdict.INCONCLUSIVE
    assert "delivered tables" in nothing.explanation

    lines = [f"p{place},50,200,{'male' if place < 100 else 'female'},no" for place in range(190)]
    delivered = tmp_path / "people.csv"
    delivered.write_text("row_id,age,chol,sex,disease\n" + "\n".join(lines) + "\n")
    platform = world.platform
    accept_file(platform.database, platform.lake, platform.queue, model=MODEL, path=delivered, now=platform.clock.now())
    process(world)
    found = judged(world)["fairness"]
    assert found.verdict is Verdict.BREACH
    assert found.value == pytest.approx(0.8)
    assert {one["group"]: one["rows"] for one in found.detail["groups"]} == {"male": 100, "female": 90, "missing": 10}
    assert "retrain once" in judged(world)["attribution_drift"].explanation


def judged(world: World) -> dict[str, Check]:
    at = world.clock.now().replace(hour=12)
    found = run_checks_of(world.platform, world.platform.files(MODEL), at=at, actor="dana").checks
    return {check.kind: check for check in found}
