"""Of many labelled rows some are drawn, by their ids alone, with their features and outcomes."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.loop.projects import MODEL, make_world
from tests.unit.loop.shipping import SECOND_US, Asked, Shipping

from trimtab.lake.drawn import DrawnRows, drawn_rows
from trimtab.lake.feeds import Interval
from trimtab.lake.labelled import labelled_rows

MONTH_S = 30 * 86_400


@pytest.fixture
def shipping(tmp_path: Path) -> Shipping:
    """Sixty rows in three segments, of which fifty have an outcome."""
    shipping = Shipping(make_world(tmp_path / "project"))
    for part in range(3):
        shipping.rows(*rows(part))
    shipping.outcomes("yes", *rows(0), *rows(1))
    shipping.outcomes("no", *rows(2)[:10])
    return shipping


def rows(part: int) -> list[Asked]:
    return [Asked(3600 * part + 60 * place, place=place, age=20.0 + place) for place in range(20)]


def drawn(shipping: Shipping, most: int, intervals: dict[str, tuple[Interval, ...]] | None = None) -> DrawnRows:
    start_us = shipping.start_us
    span = {"start_us": start_us, "end_us": start_us + MONTH_S * SECOND_US, "known_until_us": start_us}
    return drawn_rows(shipping.world.platform.lake, MODEL, **span, intervals=intervals or {}, most=most)


def test_with_room_for_all_they_are_the_labelled_rows_in_their_order(shipping: Shipping) -> None:
    found = drawn(shipping, 1000)
    known = labelled_rows(shipping.world.platform.lake, MODEL, known_until_us=shipping.start_us).table
    assert found.rows == known.num_rows == 50
    assert found.table.to_pydict() == known.select(found.table.column_names).to_pydict()
    assert {"event_us", "truth", "f.age", "f.chol", "f.sex"} == set(found.table.column_names)


def test_fewer_are_drawn_out_of_more_and_other_rows_change_nothing_of_which(shipping: Shipping) -> None:
    few, more = drawn(shipping, 10), drawn(shipping, 25)
    assert (few.rows, few.table.num_rows, more.table.num_rows) == (50, 10, 25)
    assert {*few.table["event_us"].to_pylist()} < {*more.table["event_us"].to_pylist()}
    late = Asked(5 * 3600, place=1)
    shipping.rows(late)
    shipping.outcomes("yes", late)
    again = {*drawn(shipping, 10).table["event_us"].to_pylist()}
    assert len(again & {*few.table["event_us"].to_pylist()}) >= 9


def test_nothing_labelled_is_an_empty_table_and_a_quarantined_feed_is_left_out(
    tmp_path: Path, shipping: Shipping
) -> None:
    nothing = drawn(Shipping(make_world(tmp_path / "other")), 10)
    assert (nothing.rows, nothing.table.num_rows, nothing.table.column_names) == (0, 0, ["event_us", "truth"])
    assert drawn(shipping, 10, {"clinic": (Interval(0, None, "units"),)}).rows == 50, "these rows name no feed"
    assert drawn(shipping, 10, {"": (Interval(0, None, "units"),)}).rows == 0
