"""Every version answers each labelled period once more; whatever the order of outcomes, the ledger ends the same."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import insert, select, update
from tests.unit.loop.deploying import Deploying
from tests.unit.loop.labelled_weeks import RETRAIN, WEEK_S, serving, week
from tests.unit.loop.projects import MODEL, World
from tests.unit.loop.shipping import Asked, Shipping

from trimtab.db.tables import snapshot, version_loss
from trimtab.loop.answering_again import PeriodRows, read_period
from trimtab.loop.prequential import Weighed, weigh_gain
from trimtab.retraining.gain import Advice
from trimtab.retraining.loss_store import load_ledger
from trimtab.rollout.way_back import promoted_versions, reinstatements, way_back


def weighed(shipping: Shipping, after_weeks: float, *, stores: bool = True) -> Weighed:
    world = shipping.world
    at_us = shipping.start_us + int(after_weeks * WEEK_S * 1_000_000)
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
        rows = week(number)
        shipping.rows(*rows)
        shipping.outcomes("yes" if number < 2 else "no", *rows)
    weighed(shipping, 3)
    kept = ledger(shipping.world)
    assert {(version, series) for version, series, *_ in kept} == {
        (version, series)
        for version in (1, 2)
        for series in ("answers", "twin:level", "twin:levels", "twin:by age", "twin:by chol", "twin:by sex")
    }
    own = [row for row in kept if row[:2] == (2, "answers")]
    assert [row[3] for row in own] == [60, 60, 60]
    assert own[2][4] > own[1][4] == own[0][4], "version 2 says yes, and was wrong in the third week"
    assert weighed(shipping, 3, stores=False).reading is not None


def test_a_period_counts_when_its_labels_are_due_and_rows_without_outcome_never_do(tmp_path: Path) -> None:
    shipping = serving(tmp_path, 1, 2)
    shipping.rows(*week(0), *week(1))
    shipping.outcomes("no", *week(0)[:40])
    early = weighed(shipping, 0.99)
    assert (early.reading and early.reading.advice, ledger(shipping.world)) == (Advice.UNKNOWN, [])
    weighed(shipping, 2)
    assert [row[3] for row in ledger(shipping.world) if row[:2] == (1, "answers")] == [40]


ORDERS = list(itertools.permutations(range(4)))


def test_outcomes_in_any_order_twice_or_corrected_end_in_the_same_ledger(tmp_path: Path) -> None:
    found = []
    for place, order in enumerate([ORDERS[0], ORDERS[9], ORDERS[23]]):
        shipping = serving(tmp_path / str(place), 1, 2)
        shipping.rows(*week(0), *week(1))
        told = [
            ("yes", week(0), 90_000),
            ("no", week(1), 180_000),
            ("no", week(0)[:30], 95_000),  # a correction
            ("yes", week(0), 90_000),  # told twice
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
    shipping.rows(*week(0))
    shipping.outcomes("yes", *week(0)[:30], known_s=WEEK_S)
    shipping.outcomes("no", *week(0)[30:], known_s=5 * WEEK_S)
    weighed(shipping, 2)
    assert [row[3] for row in ledger(shipping.world) if row[:2] == (1, "answers")] == [30]
    weighed(shipping, 6)
    assert [row[3] for row in ledger(shipping.world) if row[:2] == (1, "answers")] == [60]


def test_outcomes_that_one_file_tells_are_judged_each_when_it_is_known(tmp_path: Path) -> None:
    shipping = serving(tmp_path, 1, 2)
    shipping.rows(*week(0))
    shipping.outcomes_at("yes", {row: WEEK_S if place < 30 else 5 * WEEK_S for place, row in enumerate(week(0))})
    weighed(shipping, 2)
    assert [row[3] for row in ledger(shipping.world) if row[:2] == (1, "answers")] == [30]
    weighed(shipping, 6)
    assert [row[3] for row in ledger(shipping.world) if row[:2] == (1, "answers")] == [60]


def test_one_new_outcome_has_only_the_periods_judged_anew_that_it_can_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipping, read = serving(tmp_path, 1, 2), []
    for number in range(10):
        shipping.rows(*week(number, 30))
        shipping.outcomes("yes", *week(number, 30), known_s=(number + 1) * WEEK_S)
    weighed(shipping, 10)

    def counted(*place: Any, start_us: int, **how: Any) -> PeriodRows:
        read.append((start_us - shipping.start_us) // (WEEK_S * 1_000_000))
        return read_period(*place, start_us=start_us, **how)

    monkeypatch.setattr("trimtab.loop.prequential.read_period", counted)
    weighed(shipping, 10)
    assert read == [], "nothing is new"
    shipping.outcomes("yes", week(4, 30)[0], known_s=9 * WEEK_S)
    weighed(shipping, 10)
    assert read == [], "told twice is once"
    shipping.outcomes("no", week(4, 30)[0], known_s=10 * WEEK_S)
    weighed(shipping, 10)
    assert sorted(read) == [2, 3, 4, 5, 6], "it taught the twins of the two periods after it"


def test_after_another_length_each_period_is_judged_anew_and_the_old_ones_are_gone(tmp_path: Path) -> None:
    shipping = serving(tmp_path, 1, 2)
    for number in range(4):
        shipping.rows(*week(number))
        shipping.outcomes("yes", *week(number))
    weighed(shipping, 4)
    before = ledger(shipping.world)
    path = shipping.world.platform.project.root / "models" / MODEL / "retrain_config.yaml"
    path.write_text(RETRAIN.replace("period: 7d", "period: 14d"))
    weighed(shipping, 4)
    after = ledger(shipping.world)
    # START may lie within a period of two weeks since 1970: the first one is begun by the week before.
    assert {row[3] for row in after if row[1] == "answers"} <= {60, 120}
    assert len([row for row in after if row[:2] == (1, "answers")]) < len(
        [row for row in before if row[:2] == (1, "answers")]
    )
    assert not {row[2:5] for row in before} & {row[2:5] for row in after}


def test_what_is_not_asked_for_any_more_is_deleted_and_how_a_version_began_is_kept(tmp_path: Path) -> None:
    shipping = serving(tmp_path, 1, 2)
    place = {"model": MODEL, "endpoint": MODEL, "rows": 60, "loss": 1.0, "spec": {"blocks": [1.0], "hardness": 1.0}}
    long_ago_us = shipping.start_us - 90 * WEEK_S * 1_000_000
    kept = [(2, "answers", WEEK_S), (2, "twin:level", WEEK_S), (9, "answers", WEEK_S), (2, "answers", 2 * WEEK_S)]
    with shipping.world.platform.database.transaction() as connection:
        for back, (version, series, length_s) in enumerate(kept):
            start_us = long_ago_us - back * WEEK_S * 1_000_000
            row = {"model_version": version, "series": series, "start_us": start_us}
            connection.execute(insert(version_loss).values(**place, **row, end_us=start_us + length_s * 1_000_000))
    shipping.rows(*week(0))
    shipping.outcomes("yes", *week(0))
    weighed(shipping, 1)
    old = [row[:3] for row in ledger(shipping.world) if row[2] < shipping.start_us]
    assert old == [(2, "answers", long_ago_us)]
    since = {"since_us": shipping.start_us, "period_us": WEEK_S * 1_000_000}
    with shipping.world.platform.database.reading() as connection:
        serves, served = (
            load_ledger(connection, MODEL, MODEL, champion=champion, **since)[2].answers for champion in (2, 1)
        )
    assert (long_ago_us in serves, long_ago_us in served) == (True, False), "a probe needs to know how it began"


def test_days_are_judged_one_by_one_and_weighed_by_the_week(tmp_path: Path) -> None:
    shipping = serving(tmp_path, 1, 2, retrain=RETRAIN.replace("period: 7d", "period: 1d"))
    day_s = WEEK_S // 7
    rows = [
        Asked(number * day_s + 600 * place, 2, place=place, age=80.0) for number in range(14) for place in range(30)
    ]
    shipping.rows(*rows)
    shipping.outcomes("no", *rows)

    found = weighed(shipping, 2)

    assert len([row for row in ledger(shipping.world) if row[:2] == (1, "answers")]) == 14
    assert found.reading is not None
    assert found.reading.periods == 1, "of two weeks the second has one before it to teach its twins"
    assert found.back is not None
    assert found.back.version == 1
    early = weighed(shipping, 6 / 7).reading
    assert early is not None
    assert early.advice is Advice.UNKNOWN, "less than a week says nothing"


def test_a_period_whose_outcomes_only_begin_to_come_is_not_counted_and_that_is_said(tmp_path: Path) -> None:
    shipping = serving(tmp_path, 1, 2)
    for number in range(5):
        shipping.rows(*week(number, 100))
        # The first outcomes of a week are those that went wrong: of them alone it would look like a break.
        shipping.outcomes("yes" if number < 4 else "no", *week(number, 100)[: 100 if number < 4 else 25])
    reading = weighed(shipping, 5).reading
    assert reading is not None
    assert reading.periods == 3, "the second week is the first that had rows before it to teach the twins"
    assert "is not counted: only 25.0% of its 100 rows have an outcome yet" in reading.why
    shipping.outcomes("no", *week(4, 100))
    reading = weighed(shipping, 5).reading
    assert reading is not None
    assert reading.periods == 4
    assert "is not counted" not in reading.why


def test_where_a_twentieth_of_all_rows_is_ever_labelled_that_is_usual(tmp_path: Path) -> None:
    shipping = serving(tmp_path, 1, 2)
    for number in range(4):
        shipping.rows(*week(number, 140))
        shipping.outcomes("yes", *week(number, 140)[::6])
    reading = weighed(shipping, 4).reading
    assert reading is not None
    assert reading.periods == 3


def test_rows_that_cannot_be_answered_cost_only_their_period_its_say(tmp_path: Path) -> None:
    shipping = serving(tmp_path, 1, 2)
    for number in range(3):
        shipping.rows(*week(number))
        shipping.outcomes("yes", *week(number))
    lake = shipping.world.platform.lake
    files = lake.record_files(MODEL, start_us=-(1 << 62), end_us=1 << 62)
    broken = next(file.path for file in files if file.start_us == shipping.start_us + WEEK_S * 1_000_000)
    table = pq.read_table(broken)
    words = pa.array(["old"] * table.num_rows)
    pq.write_table(table.set_column(table.schema.get_field_index("f.age"), "f.age", words), broken)
    weighed(shipping, 3)
    own = [(row[2] - shipping.start_us, row[3]) for row in ledger(shipping.world) if row[:2] == (2, "answers")]
    assert [rows for _, rows in own] == [60, 0, 0], "nor can what is taught by them be judged"


def test_a_row_of_a_time_to_come_does_not_pass_all_rows_off_for_learnt(tmp_path: Path) -> None:
    shipping = serving(tmp_path, 1, 2)
    with shipping.world.platform.database.transaction() as connection:
        connection.execute(update(snapshot).values(span_end_us=shipping.start_us + 80 * 365 * WEEK_S * 1_000_000))
    for number in range(3):
        shipping.rows(*week(number))
        shipping.outcomes("yes", *week(number))
    reading = weighed(shipping, 3).reading
    assert reading is not None
    assert reading.periods == 2


def test_a_damaged_bundle_leaves_the_other_versions_judged(tmp_path: Path) -> None:
    shipping = serving(tmp_path, 1, 2)
    (shipping.world.platform.project.bundles / MODEL / "v1" / "model.onnx").unlink()
    shipping.rows(*week(0))
    shipping.outcomes("yes", *week(0))
    weighed(shipping, 1)
    assert {row[0] for row in ledger(shipping.world)} == {2}


def better_once(root: Path) -> Shipping:
    """Return a project where version 2 serves, and version 1 would have been less sure of what proved wrong."""
    shipping = serving(root, 1, 2)
    for number in range(3):
        rows = week(number)
        shipping.rows(*rows)
        shipping.outcomes("no", *rows)
    shipping.world.clock.advance(timedelta(weeks=3))
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
    [action] = deploying.ask("approvals.list", state="waiting_approval")["actions"]
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
