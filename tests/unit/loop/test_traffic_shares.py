"""How many rows are usual is asked of windows in which a variant had the callers that it has now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

import msgspec
import pyarrow as pa
import pytest
from sqlalchemy import select
from tests.unit.loop.projects import HOUR_US, MODEL, World

from trimtab.core.enums import ColumnKind, VariantRole, Verdict
from trimtab.db.tables import check_result
from trimtab.lake.profile_store import save_profiles
from trimtab.loop.checks import run_checks_of
from trimtab.loop.observing import RolloutWatch
from trimtab.loop.releases import start_rollout
from trimtab.loop.rollouts import advance_rollouts, apply_desired
from trimtab.loop.schedules import run_monitors_now
from trimtab.loop.traffic_shares import traffic_share
from trimtab.monitoring.window import TrafficShare
from trimtab.profiles.periods import PeriodProfile
from trimtab.profiles.profile import Profile
from trimtab.rollout import endpoint_store
from trimtab.rollout.endpoint_store import Generation
from trimtab.serving.spec import EndpointSpec, PauseSpec, VariantSpec

CONFIG = "window: 1d\nmonitors: [{type: data_quality, volume_factor: 2}]\n"


def generation(
    at_us: int, weights: dict[str, int], *, served_us: int | None = None, paused: bool = False
) -> Generation:
    variants = tuple(
        VariantSpec(
            name=name,
            model="heart",
            model_version=int(name[1:]),
            bundle_path="/",
            bundle_digest="0",
            weight_pct=Decimal(weight),
            role=VariantRole.LIVE,
        )
        for name, weight in weights.items()
    )
    pause = PauseSpec(reason="planned") if paused else None
    spec = EndpointSpec(endpoint="heart", generation=at_us, variants=variants, paused=pause)
    return Generation(spec, at_us, "dana", "", served_us, "rollout")


@pytest.mark.parametrize(
    ("at_us", "v1", "v2"),
    [
        (5, None, None),
        (15, TrafficShare(100.0, 12), None),
        # Nobody has seen it served yet: from when it was desired.
        (22, TrafficShare(90.0, 20), TrafficShare(10.0, 20)),
        (25, TrafficShare(90.0, 24), TrafficShare(10.0, 24)),
        (35, TrafficShare(90.0, 24), TrafficShare(10.0, 24)),
        (45, TrafficShare(100.0, 41), None),
        (55, None, None),
        (65, TrafficShare(100.0, 60), None),
    ],
)
def test_a_share_counts_since_it_was_served_without_another_between(
    at_us: int, v1: TrafficShare | None, v2: TrafficShare | None
) -> None:
    newest_first: Sequence[Generation] = [
        generation(60, {"v1": 100}),
        generation(50, {"v1": 100}, served_us=51, paused=True),
        generation(40, {"v1": 100, "v2": 0}, served_us=41),
        generation(30, {"v1": 90, "v2": 10}, served_us=31),
        generation(20, {"v1": 90, "v2": 10}, served_us=24),
        generation(10, {"v1": 100}, served_us=12),
    ]
    assert traffic_share(newest_first, "v1", 1, at_us) == v1
    assert traffic_share(newest_first, "v2", 2, at_us) == v2
    assert traffic_share(newest_first, "v1", 2, at_us) is None


@pytest.fixture
def watched(world: World) -> World:
    """A world whose model serves version 1, watched for how many rows come."""
    (world.platform.project.model_folder(MODEL) / "monitoring_config.yaml").write_text(CONFIG)
    world.version(1)
    with world.platform.database.transaction() as connection:
        start_rollout(connection, world.platform, world.platform.files(MODEL), 1, by="dana")
    apply_desired(world.platform)
    while advance_rollouts(world.platform, RolloutWatch(world.platform)):
        pass
    return world


def day(world: World, rows: int) -> Verdict:
    """Let a day pass in which so many rows come each hour, and return what is said of their number."""
    began_us = world.platform.now_us()
    world.clock.advance(timedelta(days=1))
    if rows:
        seen = Profile.of_table(pa.table({"age": [40.0 + n % 9 for n in range(rows)]}), {"age": ColumnKind.NUMBER})
        hours = [PeriodProfile(MODEL, "v1", 1, began_us + hour * HOUR_US, 3600, seen) for hour in range(24)]
        with world.platform.database.transaction() as connection:
            save_profiles(connection, world.platform.new_id(), hours)
    run_checks_of(world.platform, world.platform.files(MODEL), at=world.clock.now(), actor="dana")
    return said(world)


def said(world: World) -> Verdict:
    query = select(check_result.c.verdict).where(check_result.c.variant == "v1", check_result.c.column.is_(None))
    newest = query.order_by(check_result.c.id.desc()).where(
        check_result.c.spec["detail"]["problem"].as_string() == "volume"
    )
    return Verdict(world.platform.database.read(lambda c: c.execute(newest.limit(1)).scalar_one()))


def weigh(world: World, *, v2: int) -> None:
    """Let version 2 have so many percent of the callers."""
    with world.platform.database.transaction() as connection:
        spec = endpoint_store.desired(connection, MODEL)
        assert spec is not None
        first = spec.live[0]
        variants = (
            msgspec.structs.replace(first, weight_pct=Decimal(100 - v2)),
            msgspec.structs.replace(first, name="v2", model_version=2, weight_pct=Decimal(v2)),
        )
        endpoint_store.desire(
            connection,
            msgspec.structs.replace(spec, generation=spec.generation + 1, variants=variants if v2 else variants[:1]),
            model=MODEL,
            actor="dana",
            reason="to compare",
            at_us=world.platform.now_us(),
        )


def test_silence_is_a_breach_and_a_rollout_is_none(watched: World) -> None:
    watched.version(2)
    before = [day(watched, 10) for _ in range(10)]
    assert Verdict.BREACH not in before
    assert before[-1] is Verdict.OK
    weigh(watched, v2=90)
    assert {day(watched, 1) for _ in range(3)} == {Verdict.INCONCLUSIVE}
    weigh(watched, v2=0)
    assert day(watched, 10) is Verdict.OK
    run_monitors_now(
        watched.platform, watched.platform.files(MODEL), at=watched.clock.now() + timedelta(days=1), actor="dana"
    )
    assert said(watched) is Verdict.INCONCLUSIVE, "that day has not come"
    assert day(watched, 0) is Verdict.BREACH
    run_checks_of(
        watched.platform, watched.platform.files(MODEL), at=watched.clock.now() - timedelta(days=1), actor="dana"
    )
    assert said(watched) is Verdict.INCONCLUSIVE, "what was remembered later says nothing of then"
    assert day(watched, 0) is Verdict.BREACH
    assert day(watched, 10) is Verdict.OK
