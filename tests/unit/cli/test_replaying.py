from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from trimtab.cli.replaying import Replay, read_rows
from trimtab.core.errors import ConfigError, DataContractError


class Refusing:
    """An inference server that must not be asked."""

    def predict(self, endpoint: str, body: dict[str, Any]) -> dict[str, Any]:
        raise AssertionError("asked before the rows were checked")

    tell_truths = predict


class Answering:
    """An inference server that keeps what it was asked and told."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.told: list[dict[str, Any]] = []

    def predict(self, _endpoint: str, body: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(body)
        ids = [f"id-{place}" for place in range(len(body["rows"]))]
        return {"model_version": 1, "predictions": [{"prediction_id": one} for one in ids]}

    def tell_truths(self, records: list[dict[str, Any]]) -> dict[str, Any]:
        self.told += records
        return {}


def replay(server: object = None, **options: Any) -> Replay:
    defaults = {"inputs": {"a": "FP64"}, "time": "t", "key": None, "truth": None, "truth_delay": "0s", "source": None}
    return Replay(server or Refusing(), "tiny", **{**defaults, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize("option", ["key", "truth"])
def test_a_column_that_is_not_there_is_told_before_the_first_request(option: str) -> None:
    with pytest.raises(DataContractError, match=f"--{option}: the rows have no column 'nosuch'; they have t, a"):
        replay(**{option: "nosuch"}).send(
            [{"t": datetime(2030, 1, 1, tzinfo=UTC), "a": 1}], batch=1, rate=None, progress=lambda _count: None
        )


def test_a_window_without_rows_is_told(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("t,a\n2030-01-01,1\n")
    rows = read_rows(path, inputs={"a": "FP64"}, time="t", start="2031-01-01", end=None)
    with pytest.raises(DataContractError, match="no row lies between"):
        replay().send(rows, batch=1, rate=None, progress=lambda _count: None)


def test_a_delay_that_is_none_is_told() -> None:
    with pytest.raises(ConfigError, match="--truth-delay: 'foo' is no duration"):
        replay(truth_delay="foo")


def test_rows_come_in_order_of_time_and_within_the_bounds(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("t,a\n2030-01-03,3\n2030-01-01,1\n2030-01-02,2\n")
    rows = read_rows(path, inputs={"a": "FP64"}, time="t", start="2030-01-01", end="2030-01-03")
    assert [row["a"] for row in rows] == [1, 2]


def test_a_table_without_a_time_is_sent_as_it_stands_and_its_known_outcomes_told(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("age;paid;plan;out\n63;yes;?;1\n ?;no;12;\nold;;b;2\n")
    inputs = {"age": "FP64", "paid": "BOOL", "plan": "BYTES"}
    server = Answering()
    rows = read_rows(path, inputs=inputs, time=None, start=None, end=None)

    sent = replay(server, inputs=inputs, time=None, truth="out").send(
        rows, batch=10, rate=None, progress=lambda _count: None
    )

    assert server.asked == [
        {
            "rows": [
                {"age": 63.0, "paid": True, "plan": "?"},
                {"age": None, "paid": False, "plan": "12"},
                {"age": "old", "paid": None, "plan": "b"},
            ]
        }
    ]
    assert server.told == [
        {"endpoint": "tiny", "prediction_id": "id-0", "truth": "1"},
        {"endpoint": "tiny", "prediction_id": "id-2", "truth": "2"},
    ]
    assert (sent.answered, sent.truths) == (3, 2)


@pytest.mark.parametrize("written", ["12/31/2029 7:45", "31.12.2029 07:45", "1893397500"])
def test_times_are_read_in_the_form_that_the_file_has(tmp_path: Path, written: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f"t,a\n{written},3\n")
    [row] = read_rows(path, inputs={"a": "FP64"}, time="t", start=None, end=None)
    assert row["t"] == datetime(2029, 12, 31, 7, 45, tzinfo=UTC)


def test_a_time_that_is_none_is_named_with_its_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("t,a\n2030-01-03,3\nsoon,1\n")
    with pytest.raises(ConfigError, match="row 2: found 'soon'; expected a time"):
        read_rows(path, inputs={"a": "FP64"}, time="t", start=None, end=None)


def test_bounds_without_a_column_to_bound_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected --time too"):
        read_rows(tmp_path / "rows.csv", inputs={}, time=None, start="2030-01-01", end=None)
