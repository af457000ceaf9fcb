import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from trimtab.training.copies import copies_in, row_keys

ROWS = 200
NAMES = ("amount", "age", "purpose")


def _table(rows: int = ROWS) -> tuple[pa.Table, NDArray[np.int64]]:
    rng = np.random.default_rng(5)
    table = pa.table(
        {
            "amount": rng.normal(size=rows),
            "age": pa.array([None if value < 20 else value for value in rng.integers(18, 80, rows).tolist()]),
            "purpose": rng.choice(["car", "house", "trip"], rows),
        }
    )
    return table, rng.integers(0, 2, rows)


@pytest.mark.parametrize("times", [2, 5])
def test_a_table_delivered_again_is_copies_of_itself(times: int) -> None:
    table, target = _table()
    groups = copies_in(pa.concat_tables([table] * times), NAMES, np.tile(target, times))
    assert groups is not None
    assert len(np.unique(groups)) == ROWS
    assert (groups.reshape(times, ROWS) == groups[:ROWS]).all()


def test_one_copy_among_many_rows_is_found() -> None:
    table, target = _table()
    groups = copies_in(pa.concat_tables([table, table.slice(17, 1)]), NAMES, np.append(target, target[17]))
    assert groups is not None
    assert groups[-1] == groups[17]
    assert len(np.unique(groups)) == ROWS


def test_rows_of_another_target_are_no_copies() -> None:
    table, target = _table()
    assert copies_in(pa.concat_tables([table, table]), NAMES, np.concatenate([target, 1 - target])) is None


def test_a_table_without_repeats_has_no_copies() -> None:
    table, target = _table()
    assert copies_in(table, NAMES, target) is None


def test_a_table_of_few_columns_repeats_by_itself() -> None:
    rng = np.random.default_rng(6)
    zone, hour = rng.integers(0, 4, 2000), rng.integers(0, 24, 2000)
    by_law = (zone + hour) % 2
    assert copies_in(pa.table({"zone": zone, "hour": hour}), ("zone", "hour"), by_law) is None


def test_repeats_whose_targets_differ_as_chance_has_it_are_cases_of_their_own() -> None:
    rng = np.random.default_rng(7)
    shop = rng.integers(0, 150, 2000)
    # Columns that follow from one another: shuffled, they hardly repeat.
    columns = {"shop": shop, "city": shop // 5, "height": np.sqrt(shop), "road": shop // 3, "mayor": shop // 7}
    assert copies_in(pa.table(columns), tuple(columns), rng.integers(0, 2, 2000)) is None


def test_null_nan_and_both_zeros_are_equal_as_the_encoder_has_it() -> None:
    table = pa.table({"x": pa.array([None, float("nan"), 0.0, -0.0, 1.0])})
    keys = row_keys(table, ["x"])
    assert keys[0] == keys[1]
    assert keys[2] == keys[3]
    assert len(np.unique(keys)) == 3
