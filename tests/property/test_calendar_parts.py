"""Calendar arithmetic against Python's own calendar, in whole numbers, in NumPy and in the graph."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from trimtab.bundle.moments import EARLIEST_EPOCH, LATEST_EPOCH, MISSING_EPOCH
from trimtab.training.calendar_parts import CalendarColumn, CalendarPart, GraphNumbers, calendar_columns, parts_of
from trimtab.training.probes import edge_moments

SECONDS = st.integers(EARLIEST_EPOCH, LATEST_EPOCH)
ORIGIN = -86_400 * 365
COLUMNS = tuple(CalendarColumn(1, part, ORIGIN) for part in CalendarPart)


def by_python(second: int) -> dict[CalendarPart, int]:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
    return {
        CalendarPart.MINUTE_OF_DAY: moment.hour * 60 + moment.minute,
        CalendarPart.WEEKDAY: moment.weekday(),
        CalendarPart.DAY: moment.day,
        CalendarPart.MONTH: moment.month,
        CalendarPart.DAY_OF_YEAR: moment.timetuple().tm_yday,
    }


def session_of(columns: tuple[CalendarColumn, ...]) -> ort.InferenceSession:
    graph = GraphNumbers("t")
    output = graph.columns("codes", columns)
    proto = helper.make_graph(
        graph.nodes,
        "calendar",
        [helper.make_tensor_value_info("codes", TensorProto.INT64, [None, 3])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [None, len(columns)])],
        [numpy_helper.from_array(value, name) for name, value in graph.constants.items()],
    )
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


SESSION = session_of(COLUMNS)


def in_graph(seconds: NDArray[np.int64]) -> NDArray[Any]:
    codes = np.zeros((len(seconds), 3), dtype=np.int64)
    codes[:, 1] = seconds
    return np.asarray(SESSION.run(None, {"codes": codes})[0])


def in_numpy(seconds: NDArray[np.int64]) -> NDArray[np.float32]:
    return np.stack([column.values(seconds) for column in COLUMNS], axis=1)


@given(SECONDS)
@example(EARLIEST_EPOCH)
@example(LATEST_EPOCH)
@example(-1)
@settings(max_examples=300)
def test_every_second_of_the_calendar_has_the_parts_that_python_gives_it(second: int) -> None:
    assert parts_of(second) == by_python(second)


@given(st.lists(SECONDS | st.just(MISSING_EPOCH), min_size=1, max_size=40))
def test_the_graph_gives_the_very_bits_that_numpy_gives(seconds: list[int]) -> None:
    moments = np.array(seconds, dtype=np.int64)
    np.testing.assert_array_equal(in_graph(moments), in_numpy(moments))


def test_edges_of_years_months_and_leap_days_agree_in_all_three() -> None:
    moments = edge_moments()
    graph = in_graph(moments)
    np.testing.assert_array_equal(graph, in_numpy(moments))
    wanted = [list(by_python(second).values()) for second in moments.tolist()]
    np.testing.assert_array_equal(graph[:, :5], np.array(wanted, dtype=np.float32))


def test_every_day_of_a_leap_cycle_agrees() -> None:
    days = np.arange(-146_097, 146_097, 17, dtype=np.int64) * 86_400 - 1
    parts = parts_of(days)
    for place in range(0, len(days), 37):
        assert {part: int(values[place]) for part, values in parts.items()} == by_python(int(days[place]))


def test_elapsed_days_count_from_the_origin() -> None:
    elapsed = CalendarColumn(1, CalendarPart.ELAPSED, ORIGIN)
    values = elapsed.values(np.array([ORIGIN, ORIGIN + 43_200, ORIGIN - 86_400, MISSING_EPOCH]))
    np.testing.assert_array_equal(values, np.array([0.0, 0.5, -1.0, np.nan], dtype=np.float32))


@pytest.mark.parametrize(
    ("step_s", "rows", "dropped"),
    [
        (86_400, 800, {"minute_of_day"}),
        (3_600, 20, {"weekday", "day", "month", "day_of_year"}),
        (7 * 86_400, 200, {"minute_of_day", "weekday"}),
    ],
)
def test_parts_that_never_change_are_dropped(step_s: int, rows: int, dropped: set[str]) -> None:
    codes = np.arange(rows, dtype=np.int64).reshape(-1, 1) * step_s
    kept = {column.part for column in calendar_columns(codes, [0])}
    assert kept == set(CalendarPart) - {CalendarPart(name) for name in dropped}


def test_a_moment_that_never_changes_or_is_never_known_gives_no_column() -> None:
    codes = np.array([[5, MISSING_EPOCH], [5, MISSING_EPOCH]])
    assert calendar_columns(codes, [0, 1]) == ()
