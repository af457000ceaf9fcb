from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from trimtab.cli.replaying import Replay, read_rows
from trimtab.core.errors import ConfigError, DataContractError


class Refusing:
    """An inference server that must not be asked."""

    def features(self, endpoint: str) -> list[str]:
        return ["a"]

    def predict(self, endpoint: str, body: dict[str, Any]) -> dict[str, Any]:
        raise AssertionError("asked before the rows were checked")

    tell_truths = predict


def replay(**options: Any) -> Replay:
    defaults = {"time": "t", "key": None, "truth": None, "truth_delay": "0s", "source": None}
    return Replay(Refusing(), "tiny", **{**defaults, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize("option", ["key", "truth"])
def test_a_column_that_is_not_there_is_told_before_the_first_request(option: str) -> None:
    with pytest.raises(DataContractError, match=f"--{option}: the rows have no column 'nosuch'; they have t, a"):
        replay(**{option: "nosuch"}).send(
            [{"t": datetime(2030, 1, 1, tzinfo=UTC), "a": 1}], batch=1, rate=None, progress=lambda _count: None
        )


def test_a_window_without_rows_is_told(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("t,a\n2030-01-01,1\n")
    rows = read_rows(path, time="t", start="2031-01-01", end=None)
    with pytest.raises(DataContractError, match="no row lies between"):
        replay().send(rows, batch=1, rate=None, progress=lambda _count: None)


def test_a_delay_that_is_none_is_told() -> None:
    with pytest.raises(ConfigError, match="--truth-delay: 'foo' is no duration"):
        replay(truth_delay="foo")


def test_rows_come_in_order_of_time_and_within_the_bounds(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("t,a\n2030-01-03,3\n2030-01-01,1\n2030-01-02,2\n")
    rows = read_rows(path, time="t", start="2030-01-01", end="2030-01-03")
    assert [row["a"] for row in rows] == [1, 2]
