"""Checks are stored with what their monitors remember, for each variant and version; no window counts twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from sqlalchemy import select
from tests.conftest import BOTH
from tests.unit.loop.projects import HOUR_US, MODEL, World
from tests.unit.monitoring.plugins import DOCUMENTED, install

from trimtab.bundle.manifest import MANIFEST_NAME
from trimtab.core.enums import ColumnKind, Verdict
from trimtab.core.errors import ConflictError
from trimtab.db.engine import Database
from trimtab.db.tables import check_result, monitor_state
from trimtab.lake.profile_store import save_profiles
from trimtab.loop.checks import run_checks_of
from trimtab.loop.observing import RolloutWatch
from trimtab.loop.releases import start_rollout
from trimtab.loop.rollouts import advance_rollouts, apply_desired
from trimtab.loop.schedules import run_due_monitors, run_monitors_now
from trimtab.monitoring import registry
from trimtab.monitoring.requests import RequestCounts
from trimtab.monitoring.settings import MonitoringConfig
from trimtab.monitoring.state_store import StateKey, load_states, save_state
from trimtab.profiles.periods import PeriodProfile
from trimtab.profiles.profile import Profile
from trimtab.records.schema import BATCH_VARIANT
from trimtab.rollout import endpoint_store

_CONFIG = "window: 1h\nmonitors: [{type: volume_drop, min_rows: 10}, {type: latency, p95_ms: 50}]\n"


@pytest.fixture
def counting(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world whose model serves version 1, watched by the monitor of the docs, which remembers."""
    site = install(tmp_path / "site", "volume_drop", DOCUMENTED, {"volume_drop": "VolumeDrop"})
    monkeypatch.syspath_prepend(str(site))
    _look_again()
    _configure(world, _CONFIG)
    world.version(1)
    with world.platform.database.transaction() as connection:
        start_rollout(connection, world.platform, world.platform.files(MODEL), 1, by="dana")
    apply_desired(world.platform)
    while advance_rollouts(world.platform, RolloutWatch(world.platform)):
        pass
    yield world
    monkeypatch.undo()
    _look_again()


def _look_again() -> None:
    registry.discovered.cache_clear()
    MonitoringConfig.model_rebuild(force=True)


def _configure(world: World, content: str) -> None:
    (world.platform.project.model_folder(MODEL) / "monitoring_config.yaml").write_text(content)


def _answered(world: World, rows: int, *, variant: str = "v1") -> None:
    """Let ``rows`` be answered in the hour that ends now."""
    table = pa.table({"age": [40.0 + n % 9 for n in range(rows)]})
    seen = Profile.of_table(table, {"age": ColumnKind.NUMBER})
    start_us = world.platform.now_us() - HOUR_US
    with world.platform.database.transaction() as connection:
        profile = PeriodProfile(MODEL, variant, 1, start_us, 3600, seen)
        save_profiles(connection, world.platform.new_id(), [profile])


def _let_serve(world: World, *variants: tuple[str, int]) -> None:
    """Let two variants be desired, each with a name and a version, with half of the requests."""
    with world.platform.database.transaction() as connection:
        spec = endpoint_store.desired(connection, MODEL)
        assert spec is not None
        [only] = spec.live
        halves = tuple(
            msgspec.structs.replace(only, name=name, model_version=number, weight_pct=Decimal(50))
            for name, number in variants
        )
        endpoint_store.desire(
            connection,
            msgspec.structs.replace(spec, generation=spec.generation + 1, variants=halves),
            model=MODEL,
            actor="dana",
            reason="to compare",
            at_us=world.platform.now_us(),
        )


def _run(world: World, *, hours_ago: int = 0, only: tuple[str, ...] = ()) -> None:
    at = world.clock.now() - timedelta(hours=hours_ago)
    run_checks_of(world.platform, world.platform.files(MODEL), at=at, actor="dana", only=only)


def _kept(world: World) -> dict[tuple[str, int], object]:
    rows = world.platform.database.read(lambda c: c.execute(select(monitor_state)).all())
    return {(row.variant, row.model_version): row.spec["state"] for row in rows}


@pytest.mark.parametrize("world", BOTH, indirect=True)
def test_a_monitor_is_given_what_it_left_and_a_window_counts_once(counting: World) -> None:
    _answered(counting, 100)
    _run(counting)
    assert _kept(counting) == {("v1", 1): {"usual": 100}}
    counting.clock.advance(timedelta(hours=1))
    _answered(counting, 50)
    for _ in range(2):
        _run(counting)
        assert _kept(counting) == {("v1", 1): {"usual": 95.0}}, "judged again, it is not counted again"
    _run(counting, hours_ago=1)
    assert _kept(counting) == {("v1", 1): {"usual": 95.0}}, "an older window changes nothing"
    query = select(check_result.c.spec).where(check_result.c.kind == "volume_drop")
    told = counting.platform.database.read(lambda c: c.execute(query.order_by(check_result.c.id)).scalars().all())
    assert told[1]["explanation"] == "50 rows, 100 are usual"


def test_an_hour_that_was_missed_counts_though_people_looked_meanwhile(counting: World) -> None:
    files = counting.platform.files(MODEL)
    run_due_monitors(counting.platform)
    for rows in (100, 50, 80, 60, 100):
        counting.clock.advance(timedelta(hours=1))
        _answered(counting, rows)
    counting.clock.advance(timedelta(minutes=37))
    for at in (counting.clock.now(), counting.clock.now() + timedelta(hours=9)):
        run_monitors_now(counting.platform, files, at=at, actor="dana")
        assert _kept(counting) == {}, "five hours are still to be counted"
    while run_due_monitors(counting.platform):
        pass
    usual = 100.0
    for rows in (50, 80, 60, 100):
        usual = 0.9 * usual + 0.1 * rows
    assert _kept(counting) == {("v1", 1): {"usual": pytest.approx(usual)}}
    counting.clock.advance(timedelta(minutes=10))
    run_monitors_now(counting.platform, files, at=counting.clock.now(), actor="dana")
    assert _kept(counting) != {("v1", 1): {"usual": pytest.approx(usual)}}, "nothing waits: what a person asks counts"


def test_a_look_at_the_past_knows_nothing_of_what_came_later(counting: World) -> None:
    for rows in (50, 100):
        counting.clock.advance(timedelta(hours=1))
        _answered(counting, rows)
    _run(counting)
    _run(counting, hours_ago=1)
    query = select(check_result.c.spec).where(check_result.c.kind == "volume_drop").order_by(check_result.c.id)
    told = counting.platform.database.read(lambda c: c.execute(query).scalars().all())
    assert told[-1]["explanation"] == "50 rows; too few came before to know what is usual"


def test_a_variant_that_cannot_be_judged_is_inconclusive_and_the_others_are_judged(counting: World) -> None:
    counting.version(2)
    _let_serve(counting, ("v1", 1), ("v2", 2))
    _answered(counting, 100)
    manifest = counting.platform.project.bundles / MODEL / "v2" / MANIFEST_NAME
    manifest.write_bytes(manifest.read_bytes() + b" ")
    _run(counting)
    query = select(check_result).order_by(check_result.c.model_version, check_result.c.monitor)
    rows = counting.platform.database.read(lambda c: c.execute(query).all())
    assert [(row.model_version, row.kind) for row in rows] == [
        (1, "latency"),
        (1, "volume_drop"),
        (2, "latency"),
        (2, "volume_drop"),
    ]
    assert _kept(counting) == {("v1", 1): {"usual": 100}}
    for row in rows[2:]:
        assert row.verdict == Verdict.INCONCLUSIVE
        assert "nothing can be judged of version 2: ArtifactUntrustedError" in row.spec["explanation"]
        assert (row.window_end_us - row.window_start_us) == HOUR_US


def test_what_servers_counted_until_now_is_not_told_of_a_window_of_then(
    counting: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _configure(counting, "window: 1h\nmonitors: [{type: errors}]\n")
    counted = {("v1", 1): RequestCounts(counting.platform.now_us(), 1000, 0, 500)}
    monkeypatch.setattr("trimtab.loop.checks.read_request_counts", lambda *_a, **_k: counted)
    counting.clock.advance(timedelta(hours=3))
    _run(counting, hours_ago=2)
    assert _kept(counting) == {}
    _run(counting, hours_ago=1)
    assert _kept(counting) != {}, "within a period, it is still the present"


def test_changed_settings_start_afresh_unless_they_only_say_how_it_is_told(counting: World) -> None:
    _answered(counting, 100)
    _run(counting)
    for settings, left in (("severity: high", 90.0), ("max_drop: 0.9", 0)):
        counting.clock.advance(timedelta(hours=1))
        _configure(counting, _CONFIG.replace("min_rows: 10", f"min_rows: 10, {settings}"))
        _run(counting)
        assert _kept(counting) == {("v1", 1): {"usual": left}}


def test_what_a_batch_answered_is_judged_apart_and_nobody_waited_for_it(counting: World) -> None:
    _answered(counting, 100)
    _answered(counting, 40, variant=BATCH_VARIANT)
    _run(counting)
    assert _kept(counting) == {("v1", 1): {"usual": 100}, (BATCH_VARIANT, 1): {"usual": 40}}
    query = select(check_result.c.variant).where(check_result.c.kind == "latency")
    assert counting.platform.database.read(lambda c: c.execute(query).scalars().all()) == ["v1"]


def test_two_variants_of_one_version_are_judged_apart(counting: World) -> None:
    _let_serve(counting, ("v1", 1), ("twin", 1))
    _answered(counting, 100)
    _answered(counting, 40, variant="twin")
    _run(counting)
    assert _kept(counting) == {("v1", 1): {"usual": 100}, ("twin", 1): {"usual": 40}}


def test_monitors_that_are_not_due_keep_what_they_know(counting: World) -> None:
    _answered(counting, 100)
    _run(counting, only=("latency",))
    assert _kept(counting) == {}
    kinds = counting.platform.database.read(lambda c: c.execute(select(check_result.c.kind)).scalars().all())
    assert kinds == ["latency"]


def test_of_two_processes_that_judge_at_once_one_is_refused(database: Database) -> None:
    key = StateKey("heart", "heart", "v1", 1, "data_drift")

    def write(steps: int, end_us: int, *, known: bool) -> bool:
        with database.transaction() as connection:
            before = load_states(connection, "heart", "heart", "v1", 1).get("data_drift") if known else None
            return save_state(connection, key, {"steps": steps}, window_end_us=end_us, settings="s", before=before)

    assert write(1, 100, known=False)
    with pytest.raises(ConflictError, match="another process"):
        write(1, 200, known=False)
    with database.reading() as connection:
        stale = load_states(connection, "heart", "heart", "v1", 1)["data_drift"]
    assert write(2, 200, known=True)
    with pytest.raises(ConflictError, match="another process"), database.transaction() as connection:
        save_state(connection, key, {"steps": 9}, window_end_us=300, settings="s", before=stale)
    assert not write(3, 200, known=True)
    with database.reading() as connection:
        kept = load_states(connection, "heart", "heart", "v1", 1)
    assert [(name, one.state, one.window_end_us) for name, one in kept.items()] == [("data_drift", {"steps": 2}, 200)]
