"""Outcomes that come late, twice, corrected and in any order: past windows are judged again, once for each change."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy import select, update
from tests.unit.loop.projects import MODEL, World, make_world
from tests.unit.loop.shipping import Asked, Shipping
from tests.unit.monitoring.windows import window_of

from trimtab.bundle.encoder import Encoder
from trimtab.bundle.manifest import Manifest
from trimtab.bundle.writer import write_bundle
from trimtab.core.canonical import JsonObject
from trimtab.core.clock import from_micros
from trimtab.core.enums import ColumnKind, Task, Verdict
from trimtab.db.tables import monitor_state, snapshot
from trimtab.lake.feeds import quarantine_feed
from trimtab.lake.storage.base import StoredFile
from trimtab.lake.storage.folder import FolderStorage
from trimtab.lake.zones import Lake
from trimtab.loop.checks import run_checks_of
from trimtab.loop.ingestion import Ingestion
from trimtab.loop.labels import RowReader
from trimtab.loop.observing import RolloutWatch
from trimtab.loop.releases import start_rollout
from trimtab.loop.rollouts import advance_rollouts, apply_desired
from trimtab.monitoring.check import Check, Window
from trimtab.monitoring.quality.past import PastMemory
from trimtab.monitoring.quality.reconciled import KeptEstimate
from trimtab.monitoring.registry import monitor_of
from trimtab.records.schema import PredictionFrame, SchemaFrame
from trimtab.records.segments import predictions_table, write_segment
from trimtab.testing.bundles import tiny_bundle
from trimtab.training.loss_model import fit_loss_model

DAY_S = 86_400
MONITORING = """
schedule: "0 * * * *"
window: 1d
monitors:
  - {type: model_quality, limits: {accuracy: 0.6}, min_labels: 5, segments: [sex]}
  - {type: estimated_quality, limits: {accuracy: 0.6}, min_rows: 5, min_labels: 5}
"""


def serving(root: Path) -> Shipping:
    world = make_world(root / "project", monitoring_config=MONITORING)
    world.version(1)
    with world.platform.database.transaction() as connection:
        connection.execute(update(snapshot).values(spec={"recent_rows": 0, "rows_by_source": {}}))
        start_rollout(connection, world.platform, world.platform.files(MODEL), 1, by="dana")
    apply_desired(world.platform)
    while advance_rollouts(world.platform, RolloutWatch(world.platform)):
        pass
    return Shipping(world)


@pytest.fixture
def shipping(tmp_path: Path) -> Shipping:
    return serving(tmp_path)


def asked(day: int, rows: int = 10) -> list[Asked]:
    return [Asked(at_s=day * DAY_S + 60 * (place + 1), place=place) for place in range(rows)]


def looked(shipping: Shipping, at_s: int) -> tuple[Check, ...]:
    world: World = shipping.world
    world.clock.advance(from_micros(shipping.start_us) + timedelta(seconds=at_s) - world.clock.now())
    found = run_checks_of(world.platform, world.platform.files(MODEL), at=world.clock.now(), actor="dana").checks
    late = [check for check in found if check.kind == "model_quality" and check.detail.get("late")]
    return tuple(check for check in late if "metric" in check.detail)


def estimate(shipping: Shipping, at_s: int) -> Check:
    world = shipping.world
    world.clock.advance(from_micros(shipping.start_us) + timedelta(seconds=at_s) - world.clock.now())
    found = run_checks_of(world.platform, world.platform.files(MODEL), at=world.clock.now(), actor="dana").checks
    return next(check for check in found if check.kind == "estimated_quality")


def at(shipping: Shipping, day: float) -> int:
    world = shipping.world
    world.clock.advance(from_micros(shipping.start_us) + timedelta(days=day) - world.clock.now())
    return int(day * DAY_S)


def test_an_outcome_that_comes_weeks_late_is_judged_when_it_comes(shipping: Shipping) -> None:
    rows = asked(0)
    shipping.rows(*rows)
    assert looked(shipping, 1 * DAY_S) == ()
    shipping.outcomes("no", *rows, known_s=at(shipping, 20))

    (late,) = looked(shipping, 20 * DAY_S + 60)
    assert (late.verdict, late.value) == (Verdict.BREACH, 0.0)
    assert late.window.start_us <= shipping.start_us + 60_000_000 < late.window.end_us
    assert late.detail["label_lag_p50_s"] == pytest.approx(20 * DAY_S, rel=0.01)
    assert looked(shipping, 20 * DAY_S + 120) == (), "nothing has changed since"


def test_answers_to_rows_that_broke_the_contract_are_counted_and_keep_quality_from_being_ok(
    shipping: Shipping,
) -> None:
    rows, broken = asked(0), [Asked(at_s=3_600 + place, place=place, age=400.0) for place in range(8)]
    shipping.rows(*rows, *broken)
    shipping.outcomes("yes", *rows, known_s=7_200)
    shipping.outcomes("no", *broken, known_s=7_200)
    world = shipping.world
    at(shipping, 0.5)
    found = run_checks_of(world.platform, world.platform.files(MODEL), at=world.clock.now(), actor="dana").checks
    whole = next(check for check in found if check.kind == "model_quality")
    assert (whole.verdict, whole.value) == (Verdict.INCONCLUSIVE, 1.0)
    assert (whole.detail["answered"], whole.detail["broke_contract"]) == (10, 8)
    assert "how good 44% of the answers were is not known" in whole.explanation


def test_answers_to_a_quarantined_feed_are_counted_beside_what_broke(shipping: Shipping) -> None:
    with shipping.world.platform.database.transaction() as connection:
        quarantine_feed(connection, MODEL, "clinic", since_us=0, reason="units (mmol/L)", at_us=0)
    held = [Asked(at_s=100 + place, place=place, source="clinic", age=400.0 * (place % 2)) for place in range(6)]
    shipping.rows(*asked(0), *held)
    shipping.outcomes("yes", *asked(0), known_s=7_200)
    world = shipping.world
    at(shipping, 0.5)
    found = run_checks_of(world.platform, world.platform.files(MODEL), at=world.clock.now(), actor="dana").checks
    detail = next(check for check in found if check.kind == "model_quality").detail
    assert (detail["broke_contract"], detail["of_quarantined_feeds"]) == (3, 3)


def test_a_correction_is_judged_and_a_repetition_is_not(shipping: Shipping) -> None:
    rows = asked(0)
    shipping.rows(*rows)
    looked(shipping, DAY_S)
    shipping.outcomes("no", *rows, known_s=at(shipping, 3))
    assert [check.value for check in looked(shipping, 3 * DAY_S + 60)] == [0.0]
    shipping.outcomes("no", *rows, known_s=3 * DAY_S + 120)
    assert looked(shipping, 3 * DAY_S + 180) == ()
    shipping.outcomes("yes", *rows, known_s=at(shipping, 9))
    (corrected,) = looked(shipping, 9 * DAY_S + 60)
    assert (corrected.verdict, corrected.value) == (Verdict.OK, 1.0)


def test_a_part_of_the_outcomes_is_judged_with_its_coverage(shipping: Shipping) -> None:
    rows = asked(0)
    shipping.rows(*rows)
    looked(shipping, DAY_S)
    shipping.outcomes("yes", *rows[:6], known_s=at(shipping, 4))
    (part,) = looked(shipping, 4 * DAY_S + 60)
    assert (part.detail["labelled"], part.detail["answered"], part.detail["coverage"]) == (6, 10, 0.6)


def test_an_outcome_from_the_future_is_not_seen(shipping: Shipping) -> None:
    rows = asked(0)
    shipping.rows(*rows)
    looked(shipping, DAY_S)
    shipping.outcomes("no", *rows, known_s=50 * DAY_S)
    assert looked(shipping, 5 * DAY_S) == ()


def test_any_order_of_outcomes_ends_in_the_same(tmp_path: Path) -> None:
    first, second = asked(0), asked(1)
    ends, mine = set(), monitor_state.c.monitor == "model_quality"
    for number, order in enumerate(itertools.permutations(range(3))):
        shipping = serving(tmp_path / str(number))
        shipping.rows(*first, *second)
        looked(shipping, 3 * DAY_S)
        told = [("no", first, 10), ("yes", first[:7], 11), ("no", second, 12)]
        values: dict[int, float | None] = {}
        for step, place in enumerate(order):
            truth, rows, known = told[place]
            at(shipping, 20 + step)
            shipping.outcomes(truth, *rows, known_s=known * DAY_S)
            values |= {check.window.start_us: check.value for check in looked(shipping, (20 + step) * DAY_S + 60)}
        state = shipping.world.platform.database.read(
            lambda c: c.execute(select(monitor_state.c.spec).where(mine)).scalar_one()
        )
        ends.add((tuple(sorted(values.items())), tuple(sorted(map(tuple, state["state"]["judged"])))))
    assert len(ends) == 1
    assert [value for _, value in next(iter(ends))[0]] == [0.7, 0.0]


def test_an_estimate_meets_its_labels_when_they_have_come(shipping: Shipping) -> None:
    rows = asked(0)
    shipping.rows(*rows)
    first = estimate(shipping, DAY_S)
    assert (first.verdict, first.value, first.detail["reconciled"]) == (Verdict.INCONCLUSIVE, 0.9, 0)
    shipping.outcomes("yes", *rows[:8], known_s=at(shipping, 3))
    shipping.outcomes("no", *rows[8:], known_s=at(shipping, 3.1))
    shipping.rows(*asked(4))
    second = estimate(shipping, 5 * DAY_S)
    assert (second.detail["reconciled"], second.detail["last_residual"]) == (1, pytest.approx(-0.1))


class Watched(FolderStorage):
    """A storage that remembers what was fetched from it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.fetched: list[str] = []

    def fetch(self, files: Sequence[StoredFile]) -> list[Path]:
        self.fetched.extend(file.name for file in files)
        return super().fetch(files)


@dataclass
class Looker:
    """Asks for past windows as a monitor does, look by look, and counts the files that are read for it."""

    shipping: Shipping
    manifest: Manifest
    state: JsonObject | None = None

    def look(self, at_s: int) -> tuple[list[int], list[str]]:
        """Return the days that are looked at again, and the files of answers and outcomes that were read."""
        platform = self.shipping.world.platform
        at_us = self.shipping.start_us + at_s * 1_000_000
        storage = Watched(platform.lake.root)
        files = platform.files(MODEL)
        settings = files.monitoring.monitors[0]
        rows = RowReader(replace(platform, lake=Lake(storage)), files, at_us).of(
            "v1", 1, bundle=platform.lake.root, manifest=self.manifest
        )
        data = replace(window_of({}), window=Window(at_us - DAY_S * 1_000_000, at_us), state=self.state)
        past = rows.past(settings, data)
        assert past is not None
        self.state = monitor_of(settings).check(replace(data, look_back=lambda: past)).state
        days = [(one.window.start_us - self.shipping.start_us) // (DAY_S * 1_000_000) for one in past.windows]
        return days, storage.fetched


def test_every_old_window_gets_its_turn_and_a_quiet_system_reads_nothing(shipping: Shipping, tmp_path: Path) -> None:
    looker, days = Looker(shipping, tiny_bundle(tmp_path / "bundle")), 170
    for first in range(0, days, 34):
        shipping.rows(*(row for day in range(first, first + 34) for row in asked(day, 2)))
    now_s = at(shipping, days + 2)
    assert looker.look(now_s) == ([], []), "what is there when it first looks is no news"
    shipping.outcomes("yes", *(row for day in range(days) for row in asked(day, 2)), known_s=at(shipping, days + 3))
    looked_at: list[int] = []
    turns = 0
    while (turn := looker.look(now_s + DAY_S + 60 * (turns + 1)))[0]:
        looked_at += turn[0]
        turns += 1
        assert len([name for name in turn[1] if "/truth/" in name]) <= 2, "outcomes are read once for all windows"
    assert turns == 7
    assert sorted(set(looked_at)) == sorted(looked_at), "none twice"
    assert len(looked_at) in {days, days + 1}, "windows begin at multiples of their length"
    assert looker.look(now_s + DAY_S + 600) == ([], [])


def test_an_outcome_of_nobodys_row_has_no_answers_read_that_are_over_for_good(
    shipping: Shipping, tmp_path: Path
) -> None:
    looker = Looker(shipping, tiny_bundle(tmp_path / "bundle"))
    for day in (0, 20, 300):
        shipping.rows(*asked(day, 2))
    looker.look(at(shipping, 301))
    shipping.outcomes("yes", Asked(at_s=5, place=99), known_s=at(shipping, 302))
    days, fetched = looker.look(at(shipping, 302.1))
    assert days == []
    assert len([name for name in fetched if "/records/" in name]) == 1
    assert looker.look(at(shipping, 302.2)) == ([], []), "the next look does not ask again"


def test_an_estimates_window_without_answers_is_asked_for_once(tmp_path: Path) -> None:
    """Else it would take a place among those that are looked at, for ever."""
    world = make_world(tmp_path / "project", monitoring_config=MONITORING)
    files = world.platform.files(MODEL)
    settings = files.monitoring.monitors[1]
    at_us, day_us = world.platform.now_us() + 9 * DAY_S * 1_000_000, DAY_S * 1_000_000
    kept = KeptEstimate(Window(at_us - 9 * day_us, at_us - 8 * day_us), {"accuracy": 0.9})
    state: JsonObject | None = {"estimates": [kept.to_json()], "past": PastMemory(at_us - 1).to_json()}
    manifest = tiny_bundle(tmp_path / "bundle")
    for windows in (1, 0):
        rows = RowReader(world.platform, files, at_us).of("v1", 1, bundle=tmp_path, manifest=manifest)
        data = replace(window_of({}), window=Window(at_us - day_us, at_us), state=state)
        past = rows.past(settings, data)
        assert past is not None
        assert len(past.windows) == windows
        state = monitor_of(settings).check(replace(data, look_back=partial(rows.past, settings, data))).state


def served_numbers(world: World, rows: int) -> Window:
    """Ship answers that are numbers; return their window."""
    start_us = world.platform.now_us()
    kinds = (("age", ColumnKind.NUMBER), ("chol", ColumnKind.NUMBER), ("sex", ColumnKind.CATEGORY))
    schema = SchemaFrame(1, MODEL, MODEL, 1, "v1", "b" * 64, Task.REGRESSION, kinds)
    frames = [
        PredictionFrame(
            schema_id=1,
            prediction_id=f"p{place}",
            request_id=f"r{place}",
            event_us=start_us + place,
            received_us=start_us + place,
            generation=1,
            assignment_probability=1.0,
            record_key=None,
            source=None,
            sticky_hash=None,
            values=(20.0 + place % 60, 200.0, "male" if place % 2 else "female"),
            prediction=10.0,
            probability=None,
            latency_ms=1.0,
        )
        for place in range(rows)
    ]
    write_segment(world.platform.project.intake, predictions_table(schema, frames, "ab" * 16))
    ingestion = Ingestion(world.platform)
    while ingestion.run():
        pass
    return Window(start_us, start_us + 1_000_000)


def test_numbers_come_with_the_errors_that_the_bundles_loss_model_expects(tmp_path: Path) -> None:
    monitors = "window: 1d\nmonitors: [{type: estimated_quality, limits: {mae: 5}}]\n"
    world = make_world(tmp_path / "project", monitoring_config=monitors)
    files = world.platform.files(MODEL)
    files = replace(files, model=files.model.model_copy(update={"task": Task.REGRESSION, "positive_class": None}))
    window = served_numbers(world, 120)

    old = tmp_path / "old"
    manifest = tiny_bundle(old, task=Task.REGRESSION)
    reader = RowReader(world.platform, files, window.end_us)
    without = reader.of("v1", 1, bundle=old, manifest=manifest).answers(window)
    assert (len(without), without.losses) == (120, None)
    assert "retrain once" in without.no_losses

    rng = np.random.default_rng(0)
    male, age = rng.random(2000) < 0.5, rng.uniform(20, 80, 2000)
    table = pa.table({"age": age, "chol": np.full(2000, 200.0), "sex": np.where(male, "male", "female")})
    errors = rng.normal(0, np.where(male, 8.0, 1.0))
    learnt = fit_loss_model(
        manifest.features, Encoder(manifest).encode_table(table), np.full(2000, 10.0), 10 + errors, seed=0
    )
    new = tmp_path / "new"
    made = write_bundle(
        new,
        msgspec.structs.replace(manifest, files={}),
        model_onnx=(old / "model.onnx").read_bytes(),
        golden=table.slice(0, 5),
        reference=lambda _folder: None,
        beside=learnt,
    )
    found = reader.of("v1", 1, bundle=new, manifest=made).answers(window)
    assert found.losses is not None
    men = np.arange(120) % 2 == 1
    assert found.losses.absolute[men].mean() == pytest.approx(8 * (2 / np.pi) ** 0.5, rel=0.2)
    assert found.losses.absolute[~men].mean() == pytest.approx((2 / np.pi) ** 0.5, rel=0.4)
