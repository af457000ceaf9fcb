"""Every version answers each labelled period once more; whatever the order of outcomes, the ledger ends the same."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from tests.unit.loop.deploying import Deploying
from tests.unit.loop.projects import MODEL, POLICY, World, make_world
from tests.unit.loop.shipping import Asked, Shipping

from trimtab.db.tables import version_loss
from trimtab.loop.prequential import Weighed, weigh_gain
from trimtab.retraining.gain import Advice
from trimtab.rollout.way_back import promoted_versions, reinstatements, way_back

DAY_S = 86_400
RETRAIN = """
when: {gain: {over_cost: 1.0}}
cooldown: 0d
period: 1d
pool: {keep: 4}
"""
REINSTATE = """
  - name: A version that served before may serve again
    when: {origin: trigger, action: reinstate}
    then: {tier: approval}
"""


def serving(root: Path, *versions: int, retrain: str = RETRAIN) -> Shipping:
    """Return a project whose last version serves, and where the day has just begun."""
    world = make_world(root / "project", retrain_config=retrain, policy=POLICY + REINSTATE)
    Deploying.on(world).bring_in(*versions)
    world.clock.advance(timedelta(hours=24 - len(versions)))
    return Shipping(world)


def day(number: int, rows: int = 60) -> list[Asked]:
    # Of this age both versions say yes, the second one more surely.
    return [Asked(number * DAY_S + place * 600, 2, place=place, age=80.0) for place in range(rows)]


def weighed(shipping: Shipping, after_days: float, *, stores: bool = True) -> Weighed:
    world = shipping.world
    at_us = shipping.start_us + int(after_days * DAY_S * 1_000_000)
    found = weigh_gain(world.platform, world.platform.files(MODEL), at_us)
    if stores:
        with world.platform.database.transaction() as connection:
            found.commit(connection)
    return found


def ledger(world: World) -> Sequence[tuple[Any, ...]]:
    query = select(version_loss).order_by(version_loss.c.model_version, version_loss.c.series, version_loss.c.start_us)
    rows = world.platform.database.read(lambda connection: connection.execute(query).all())
    return [(row.model_version, row.series, row.start_us, row.rows, row.loss, row.spec) for row in rows]


def test_nothing_is_read_where_nobody_asks_for_it(tmp_path: Path) -> None:
    shipping = serving(tmp_path, 1, 2, retrain="when: {age: {longer_than: 1d}}\n")
    found = weighed(shipping, 3)
    assert (found.reading, found.back, ledger(shipping.world)) == (None, None, [])


def test_each_version_is_judged_on_each_period_that_it_has_not_learnt_from(tmp_path: Path) -> None:
    shipping = serving(tmp_path, 1, 2)
    for number in range(3):
        rows = day(number)
        shipping.rows(*rows)
        shipping.outcomes("yes" if number < 2 else "no", *rows)
    weighed(shipping, 3)
    kept = ledger(shipping.world)
    assert {(version, series) for version, series, *_ in kept} == {
        (version, series)
        for version in (1, 2)
        for series in ("answers", "twin:level", "twin:levels", "twin:by age", "twin:by chol")
    }
    own = [row for row in kept if row[:2] == (2, "answers")]
    assert [row[3] for row in own] == [60, 60, 60]
    assert own[2][4] > own[1][4] == own[0][4], "version 2 says yes, and was wrong on the third day"
    assert weighed(shipping, 3, stores=False).reading is not None


def test_a_period_counts_when_its_labels_are_due_and_rows_without_outcome_never_do(tmp_path: Path) -> None:
    shipping = serving(tmp_path, 1, 2)
    shipping.rows(*day(0), *day(1))
    shipping.outcomes("no", *day(0)[:40])
    early = weighed(shipping, 0.99)
    assert (early.reading and early.reading.advice, ledger(shipping.world)) == (Advice.UNKNOWN, [])
    weighed(shipping, 2)
    assert [row[3] for row in ledger(shipping.world) if row[:2] == (1, "answers")] == [40, 0]


ORDERS = list(itertools.permutations(range(4)))


def test_outcomes_in_any_order_twice_or_corrected_end_in_the_same_ledger(tmp_path: Path) -> None:
    found = []
    for place, order in enumerate([ORDERS[0], ORDERS[9], ORDERS[23]]):
        shipping = serving(tmp_path / str(place), 1, 2)
        shipping.rows(*day(0), *day(1))
        told = [
            ("yes", day(0), 90_000),
            ("no", day(1), 180_000),
            ("no", day(0)[:30], 95_000),  # a correction
            ("yes", day(0), 90_000),  # told twice
        ]
        for step in order:
            truth, rows, known_s = told[step]
            shipping.outcomes(truth, *rows, known_s=known_s)
            weighed(shipping, 3)
        weighed(shipping, 3)
        found.append(ledger(shipping.world))
    assert found[0] == found[1] == found[2]
    again = ledger(shipping.world)
    weighed(shipping, 3)
    assert ledger(shipping.world) == again, "twice is once"


def test_an_outcome_of_later_is_not_seen(tmp_path: Path) -> None:
    shipping = serving(tmp_path, 1, 2)
    shipping.rows(*day(0))
    shipping.outcomes("yes", *day(0)[:30], known_s=DAY_S)
    shipping.outcomes("no", *day(0)[30:], known_s=5 * DAY_S)
    weighed(shipping, 2)
    assert [row[3] for row in ledger(shipping.world) if row[:2] == (1, "answers")] == [30, 0]
    weighed(shipping, 6)
    first = [row[3] for row in ledger(shipping.world) if row[:2] == (1, "answers")]
    assert first == [60, 0, 0, 0, 0, 0]


def test_a_damaged_bundle_leaves_the_other_versions_judged(tmp_path: Path) -> None:
    shipping = serving(tmp_path, 1, 2)
    (shipping.world.platform.project.bundles / MODEL / "v1" / "model.onnx").unlink()
    shipping.rows(*day(0))
    shipping.outcomes("yes", *day(0))
    weighed(shipping, 1)
    assert {row[0] for row in ledger(shipping.world)} == {2}


def better_once(root: Path) -> Shipping:
    """Return a project where version 2 serves, and version 1 would have been less sure of what proved wrong."""
    shipping = serving(root, 1, 2)
    for number in range(3):
        rows = day(number)
        shipping.rows(*rows)
        shipping.outcomes("no", *rows)
    shipping.world.clock.advance(timedelta(days=3))
    return shipping


@pytest.mark.parametrize("agreed", [True, False], ids=["agreed to", "turned down"])
def test_a_kept_version_that_would_do_better_is_proposed_and_rolled_out_when_agreed(
    tmp_path: Path, *, agreed: bool
) -> None:
    shipping = better_once(tmp_path)
    world, deploying = shipping.world, Deploying(shipping.world)
    back = weighed(shipping, 3).back
    assert back is not None
    assert back.version == 1
    world.checked()
    world.deliver()
    assert world.actions() == [("reinstate", "waiting_approval")]
    [action] = deploying.ask("approvals.list")["actions"]
    deploying.ask("approvals.decide", action_id=action["action_id"], approve=agreed, reason="seen")
    world.deliver()
    deploying.settle()
    world.deliver()
    assert deploying.weights() == ({"v1": 100} if agreed else {"v2": 100})
    world.clock.advance(timedelta(hours=2))
    world.checked()
    world.deliver()
    assert len(world.actions()) == 1, "the same evidence is not put forward twice"
    if agreed:
        with world.platform.database.reading() as connection:
            promoted, forth = promoted_versions(connection, MODEL), reinstatements(connection, MODEL)
        assert (promoted, way_back(promoted, forth)) == ([1, 2, 1], [2])
