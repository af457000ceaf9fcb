"""Planted faults befall the rows and columns that they are meant for, and no others."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from trimtab.core.errors import DataContractError
from trimtab.testing.planted import Planted, PlantedCause, plant

ROWS = 400
SINCE = np.arange(ROWS) >= 100

COLUMNS = {
    PlantedCause.UNIT_CHANGE: ("speed", ""),
    PlantedCause.STUCK_SENSOR: ("speed", ""),
    PlantedCause.NEW_CATEGORY: ("lane", ""),
    PlantedCause.NULL_BURST: ("lane", ""),
    PlantedCause.DUPLICATED_FEED: ("", ""),
    PlantedCause.SWAPPED_COLUMNS: ("speed", "load"),
    PlantedCause.LABEL_FLIP: ("late", ""),
    PlantedCause.SLOW_CONCEPT_DRIFT: ("delay", "speed"),
}


def sound() -> pa.Table:
    rng = np.random.default_rng(3)
    return pa.table(
        {
            "speed": rng.normal(80, 10, ROWS),
            "load": rng.integers(1, 9, ROWS),
            "lane": rng.choice(["left", "right"], ROWS),
            "late": rng.choice(["no", "yes"], ROWS),
            "delay": rng.gamma(2.0, 3.0, ROWS),
        }
    )


def planted(cause: PlantedCause, amount: float = 0.0) -> pa.Table:
    column, other = COLUMNS[cause]
    return plant(sound(), Planted(cause, column, other, amount), SINCE, np.random.default_rng(4))


@pytest.mark.parametrize("cause", PlantedCause)
def test_only_the_named_columns_of_the_masked_rows_change(cause: PlantedCause) -> None:
    before, after = sound(), planted(cause)
    assert after.slice(0, 100).to_pylist() == before.slice(0, 100).to_pylist()
    touched = {name for name in before.column_names if after[name].to_pylist() != before[name].to_pylist()}
    wanted = set(before.column_names) if cause is PlantedCause.DUPLICATED_FEED else {*COLUMNS[cause]} - {""}
    assert touched == (wanted if cause is not PlantedCause.SLOW_CONCEPT_DRIFT else {"delay"})


@pytest.mark.parametrize("cause", PlantedCause)
def test_nothing_changes_without_a_row(cause: PlantedCause) -> None:
    column, other = COLUMNS[cause]
    none = np.zeros(ROWS, dtype=np.bool_)
    after = plant(sound(), Planted(cause, column, other), none, np.random.default_rng(4))
    assert after.to_pylist() == sound().to_pylist()


def test_each_fault_is_what_its_name_says() -> None:
    before = sound().slice(100).to_pydict()
    assert planted(PlantedCause.UNIT_CHANGE, 2.0).slice(100)["speed"].to_pylist() == [2 * v for v in before["speed"]]
    assert set(planted(PlantedCause.STUCK_SENSOR).slice(100)["speed"].to_pylist()) == {before["speed"][0]}
    new = planted(PlantedCause.NEW_CATEGORY, 0.2).slice(100)["lane"].to_pylist().count("(new)")
    assert 30 < new < 90
    assert 30 < planted(PlantedCause.NULL_BURST, 0.2)["lane"].null_count < 90
    assert planted(PlantedCause.DUPLICATED_FEED, 3).num_rows == 100 + 3 * 300
    swapped = planted(PlantedCause.SWAPPED_COLUMNS).slice(100).to_pydict()
    assert (swapped["speed"], swapped["load"]) == (before["load"], before["speed"])
    flipped = planted(PlantedCause.LABEL_FLIP, 1.0).slice(100)["late"].to_pylist()
    assert all(now != then for now, then in zip(flipped, before["late"], strict=True))


def test_flipped_numbers_keep_their_distribution_and_turn_their_order() -> None:
    fault = Planted(PlantedCause.LABEL_FLIP, "delay", amount=1.0)
    after = plant(sound(), fault, SINCE, np.random.default_rng(4)).slice(100)["delay"].to_numpy()
    before = sound().slice(100)["delay"].to_numpy()
    assert np.sort(after).tolist() == np.sort(before).tolist()
    assert np.corrcoef(np.argsort(np.argsort(after)), np.argsort(np.argsort(before)))[0, 1] < -0.99


def test_a_slow_drift_begins_at_nothing_and_moves_outcomes_only_along_its_feature() -> None:
    before, after = sound(), planted(PlantedCause.SLOW_CONCEPT_DRIFT, 1.0)
    ratio = after["delay"].to_numpy() / before["delay"].to_numpy()
    speed = before["speed"].to_numpy()
    assert (ratio[speed <= np.median(speed)] == 1.0).all()
    high = ratio[SINCE & (speed > np.median(speed))]
    assert high[0] < 1.02
    assert high[-1] > 1.98
    assert (np.diff(high) > 0).all()


def test_what_cannot_be_planted_is_said() -> None:
    with pytest.raises(DataContractError, match="'nope': absent"):
        plant(sound(), Planted(PlantedCause.STUCK_SENSOR, "nope"), SINCE, np.random.default_rng(0))
    with pytest.raises(DataContractError, match="'lane': string"):
        plant(sound(), Planted(PlantedCause.UNIT_CHANGE, "lane"), SINCE, np.random.default_rng(0))
    with pytest.raises(DataContractError, match="swap two that are alike"):
        plant(sound(), Planted(PlantedCause.SWAPPED_COLUMNS, "lane", "speed"), SINCE, np.random.default_rng(0))
    with pytest.raises(DataContractError, match="a mask of 3"):
        plant(sound(), Planted(PlantedCause.STUCK_SENSOR, "speed"), SINCE[:3], np.random.default_rng(0))
