"""Marks of what is known to be wrong: found, after how long, and by which name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from trimtab.core.errors import ConfigError
from trimtab.loop.simulation.marks import Mark, found_of, read_marks

DAY = timedelta(days=1)
BEGIN = datetime(2024, 3, 1, tzinfo=UTC)


def check(
    day: int, monitor: str, column: str | None = None, *, bad: bool = True, cause: str | None = None
) -> dict[str, Any]:
    return {
        "at": (BEGIN + day * DAY).isoformat(),
        "monitor": monitor,
        "kind": monitor,
        "column": column,
        "verdict": "breach" if bad else "ok",
        "causes": [] if cause is None else [{"kind": cause, "column": column}],
    }


def mark(first: int, last: int, **more: Any) -> Mark:
    return Mark.model_validate({"from": BEGIN + first * DAY, "to": BEGIN + last * DAY, **more})


def test_a_fault_is_found_by_what_did_not_stand_before_and_named_by_its_cause() -> None:
    checks = [
        check(1, "data_quality"),
        check(4, "data_quality"),
        check(5, "data_quality"),
        check(5, "data_drift", "speed", cause="shift"),
        check(6, "data_drift", "speed", cause="unit_change"),
    ]
    (found,) = found_of(checks, [mark(2, 9, cause="unit_change", column="speed")], lasts=DAY)
    assert (found["detected_by"], found["delay"], found["named_after"]) == (["data_drift"], "3d", "4d")
    (other,) = found_of(checks, [mark(2, 9, cause="unit_change", column="lane")], lasts=DAY)
    assert (other["detected"], other["named"]) == (True, False)


def test_what_comes_when_no_window_holds_its_rows_any_more_is_not_of_it() -> None:
    checks = [check(0, "data_drift", bad=False), check(9, "data_drift")]
    assert [found_of(checks, [mark(2, 4)], lasts=days * DAY)[0]["detected"] for days in (4, 5)] == [False, True]
    assert found_of(checks, [], lasts=DAY) == []
    first, second = found_of(checks, [mark(2, 4), mark(8, 9)], lasts=5 * DAY)
    assert (first["detected"], second["delay"], second["named"]) == (False, "1d", None)


def test_where_inputs_stay_as_they_were_the_name_is_quality_that_fell() -> None:
    fell = check(3, "model_quality")
    (found,) = found_of([fell], [mark(1, 5, cause="label_flip")], lasts=DAY)
    assert (found["named"], found["named_after"]) == (True, "2d")
    (beside,) = found_of([fell, check(3, "data_drift")], [mark(1, 5, cause="label_flip")], lasts=DAY)
    assert (beside["detected"], beside["named"]) == (True, False)


def test_a_file_of_marks_is_read_in_order_and_refused_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "marks.yaml"
    entries = "{from: 2024-03-09, to: 2024-03-10T12:00}, {from: 2024-03-01T00:00+01:00, to: 2024-03-02}"
    path.write_text(f"planted: [{entries}]\n", encoding="utf-8")
    assert [one.since for one in read_marks(path)] == [BEGIN - timedelta(hours=1), BEGIN + 8 * DAY]
    path.write_text("planted: [{from: 2024-03-09, to: 2024-03-09}]\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"to 2024-03-09 00:00 is not after from; swap them"):
        read_marks(path)
    path.write_text("planted: [{from: 2024-03-09, to: 2024-03-10, cause: gremlins}]\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"marks.yaml:1"):
        read_marks(path)
