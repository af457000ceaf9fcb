"""The table that a simulation plays: what is wrong with it is said in a sentence before anything runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trimtab.config.columns import ContractConfig
from trimtab.config.model import ModelConfig
from trimtab.core.errors import ConfigError, DataContractError
from trimtab.loop.simulation.stream import Stream, read_stream, without_the_unknown

FIRST = datetime(2024, 3, 1, tzinfo=UTC)
DAY_US = 86_400_000_000
MODEL = ModelConfig.model_validate({"name": "load", "task": "regression", "target": "load", "key": "id", "time": "at"})
CONTRACT = ContractConfig.model_validate(
    {
        "columns": {
            "id": {"type": "category"},
            "at": {"type": "datetime"},
            "x": {"type": "number"},
            "load": {"type": "number"},
        }
    }
)


def columns(days: int = 10) -> dict[str, list[Any]]:
    return {
        "id": [f"r{day}" for day in range(days)],
        "at": [FIRST + timedelta(days=day) for day in range(days)],
        "x": [float(day) for day in range(days)],
        "load": [float(day) for day in range(days)],
    }


def read(
    tmp_path: Path, given: dict[str, list[Any]], *, delay: timedelta = timedelta(days=1), **bounds: datetime
) -> Stream:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table(given), path)
    return read_stream(path, model=MODEL, contract=CONTRACT, time="at", label_delay=delay, **bounds)


def test_rows_are_parted_by_when_their_outcome_was_known(tmp_path: Path) -> None:
    stream = read(tmp_path, columns(), start=FIRST + timedelta(days=4))
    assert (stream.history().tolist(), stream.told_late().tolist()) == ([0, 1, 2, 3], [])
    late = read(tmp_path, columns(), start=FIRST + timedelta(days=4), delay=timedelta(days=2))
    assert (late.history().tolist(), late.told_late().tolist()) == ([0, 1, 2], [3])
    since, until = late.start_us + 2 * DAY_US, late.start_us + 3 * DAY_US
    assert list(late.happened(late.start_us, late.start_us + DAY_US)) == [4]
    # What is known at the very end of a tick is told in it, and in no other.
    assert late.became_known(late.start_us, since).tolist() == [4]
    assert late.became_known(since, until).tolist() == [5]
    assert late.row(4) == {"x": 4.0}


def test_without_a_delay_a_row_of_the_start_is_played_and_not_learnt_before(tmp_path: Path) -> None:
    stream = read(tmp_path, columns(), start=FIRST + timedelta(days=4), delay=timedelta(0))
    assert stream.history().tolist() == [0, 1, 2, 3]
    # Its outcome is told with it: not before, and not never.
    ends = [stream.start_us + day * DAY_US for day in range(3)]
    for since, until in pairwise(ends):
        assert stream.became_known(since, until).tolist() == list(stream.happened(since, until))
    assert stream.became_known(ends[0], ends[-1]).tolist() == [4, 5]


def test_without_a_start_a_fifth_is_history(tmp_path: Path) -> None:
    stream = read(tmp_path, columns(20))
    assert stream.start_us == (FIRST + timedelta(days=3)).timestamp() * 1_000_000


def test_unsorted_and_repeated_rows_are_played_in_order_and_told(tmp_path: Path) -> None:
    given = columns()
    for values in given.values():
        values[3], values[7] = values[7], values[3]
        values.append(values[0])
    stream = read(tmp_path, given, start=FIRST + timedelta(days=4))
    assert stream.event_us.tolist() == sorted(stream.event_us.tolist())
    assert [note.split(";")[0] for note in stream.notes] == [
        "3 rows stood before an earlier one",
        "1 rows have the key and time of another",
    ]


def test_a_row_without_an_outcome_is_answered_and_never_told(tmp_path: Path) -> None:
    given = columns()
    given["load"][5] = None
    stream = read(tmp_path, given, start=FIRST + timedelta(days=4))
    assert "1 rows have no load; they were answered, and never learnt from" in stream.notes
    assert [place for place, _ in without_the_unknown(stream, range(10))] == [0, 1, 2, 3, 4, 6, 7, 8, 9]


@pytest.mark.parametrize(("place", "value"), [(2, None), (0, None)])
def test_a_row_without_a_time_is_named(tmp_path: Path, place: int, value: None) -> None:
    given = columns()
    given["at"][place] = value
    with pytest.raises(DataContractError, match=rf"at: row {place + 1} \(1 in all\): found no time; expected a time"):
        read(tmp_path, given)


def test_texts_that_are_no_times_are_named(tmp_path: Path) -> None:
    given = columns()
    given["at"] = [f"{moment:%Y-%m-%d}" for moment in given["at"]]
    given["at"][4] = "soon"
    with pytest.raises(DataContractError, match=r"row 5 .*found 'soon'"):
        read(tmp_path, given)


def test_a_column_that_the_model_needs_is_named(tmp_path: Path) -> None:
    given = columns()
    del given["x"]
    with pytest.raises(DataContractError, match=r"lacks x, which the simulation needs; it has id, at, load"):
        read(tmp_path, given)


@pytest.mark.parametrize(
    ("delay", "bounds", "sentence"),
    [
        (timedelta(days=-1), {}, "--label-delay: -1d, expected 0s or more"),
        (timedelta(days=99), {"start": FIRST + timedelta(days=4)}, "no row's outcome is known at 2024-03-05 00:00"),
        (timedelta(0), {"start": FIRST + timedelta(days=40)}, "its last row is of 2024-03-10 00:00, before --from"),
        (timedelta(0), {"end": FIRST}, "no row lies before --to"),
    ],
)
def test_what_leaves_nothing_to_play_is_a_sentence(
    tmp_path: Path, delay: timedelta, bounds: dict[str, datetime], sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        read(tmp_path, columns(), delay=delay, **bounds)


@pytest.mark.parametrize(("row", "year", "parts"), [(0, 1, (1, 9)), (0, 1970, (1, 9)), (9, 9999, (9, 1))])
def test_a_row_of_another_age_is_refused_before_ages_are_played(
    tmp_path: Path, row: int, year: int, parts: tuple[int, int]
) -> None:
    given = columns()
    given["at"][row] = datetime(year, 1, 1, tzinfo=UTC)
    with pytest.raises(DataContractError, match="nothing happened between") as refused:
        read(tmp_path, given)
    assert f"({parts[0]} rows until then)" in str(refused.value)
    assert f"({parts[1]} rows from then on)" in str(refused.value)


def test_a_row_without_a_key_has_none(tmp_path: Path) -> None:
    given = columns()
    given["id"][3] = None
    stream = read(tmp_path, given)
    assert stream.keys is not None
    assert stream.keys[2:5] == ["r2", None, "r4"]
