"""What a moment says of day, week and year, by whole-number arithmetic that NumPy and the graph do alike.

The arithmetic is written once, in operators that Python's ints, NumPy's arrays and `GraphNumber` all have.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper

from trimtab.bundle.moments import MISSING_EPOCH

__all__ = ["CalendarColumn", "CalendarPart", "GraphNumber", "GraphNumbers", "calendar_columns", "parts_of"]

_SECONDS_A_DAY = 86_400


class CalendarPart(StrEnum):
    """One column that a datetime becomes. ``elapsed`` is days since an origin, the others are whole numbers."""

    MINUTE_OF_DAY = "minute_of_day"
    WEEKDAY = "weekday"
    DAY = "day"
    MONTH = "month"
    DAY_OF_YEAR = "day_of_year"
    ELAPSED = "elapsed"


_ROUNDS = {
    CalendarPart.MINUTE_OF_DAY: 2 * _SECONDS_A_DAY,
    CalendarPart.WEEKDAY: 14 * _SECONDS_A_DAY,
    CalendarPart.DAY: 366 * _SECONDS_A_DAY,
    CalendarPart.MONTH: 730 * _SECONDS_A_DAY,
    CalendarPart.DAY_OF_YEAR: 730 * _SECONDS_A_DAY,
}
"""Seconds in which a part has come round often enough to be known; before that it only tells early from late.

A day of the month needs a year: what is taken for one, in a few months, are mostly weeks that went up or down.
"""


@dataclass(frozen=True, slots=True)
class CalendarColumn:
    """A part of the moments in column ``column`` of the codes; elapsed days count from the second ``origin``."""

    column: int
    part: CalendarPart
    origin: int

    def values(self, seconds: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the part of each moment ``(n,)``, NaN where it is missing."""
        missing = seconds == MISSING_EPOCH
        known = np.where(missing, self.origin, seconds)
        if self.part is CalendarPart.ELAPSED:
            values = ((known - self.origin).astype(np.float64) / _SECONDS_A_DAY).astype(np.float32)
        else:
            values = parts_of(known)[self.part].astype(np.float32)
        return np.where(missing, np.float32(np.nan), values)


def parts_of(second: Any) -> dict[CalendarPart, Any]:
    """Return the whole-number parts of seconds since 1970, in UTC, of the proleptic Gregorian calendar.

    Weekdays count from Monday = 0; minutes of the day are 0..1439, days 1..31, months 1..12, days of the year 1..366.
    Exact for all seconds whose year lies in 1..9999. A year is taken to begin in March, so that its leap day is its
    last [1].

    [1] H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.

    >>> {str(part): value for part, value in parts_of(-1).items()}
    {'minute_of_day': 1439, 'weekday': 2, 'day': 31, 'month': 12, 'day_of_year': 365}
    """
    second_of_day = second % _SECONDS_A_DAY
    # What is divided is never negative (and here a multiple): a graph rounds towards zero, NumPy down.
    days = (second - second_of_day) // _SECONDS_A_DAY
    day_of_era = (days + 719_468) % 146_097
    year = (day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    from_march = day_of_era - (year * 365 + year // 4 - year // 100)
    month = (from_march * 5 + 2) // 153
    next_year = month // 10
    leap = _divides(year, 4) - _divides(year, 100) + _divides(year, 400)
    return {
        # Not the hour: what fills up within one, as car parks do, is told by the minute.
        CalendarPart.MINUTE_OF_DAY: second_of_day // 60,
        CalendarPart.WEEKDAY: (days + 3) % 7,
        CalendarPart.DAY: from_march - (month * 153 + 2) // 5 + 1,
        CalendarPart.MONTH: month + 3 - next_year * 12,
        CalendarPart.DAY_OF_YEAR: from_march + 60 - next_year * 365 + leap - leap * next_year,
    }


def calendar_columns(
    codes: NDArray[np.int64], places: Iterable[int], *, event_place: int | None = None, extrapolates: bool = False
) -> tuple[CalendarColumn, ...]:
    """Return the columns that the datetimes in ``places`` of the codes become: those whose values differ among rows.

    The one in ``event_place`` is when the row happens: every row to come lies beyond what was seen. So only parts that
    came round often enough are taken, and the days elapsed unless the estimator ``extrapolates``: trees then go on from
    the latest level, where a line would run away.
    """
    found: list[CalendarColumn] = []
    for place in places:
        present = np.unique(codes[:, place])
        present = present[present != MISSING_EPOCH]
        if not len(present):
            continue
        origin = int(present[0])
        parts = parts_of(present)
        varying = [part for part, values in parts.items() if values.min() != values.max()]
        if place == event_place:
            span = int(present[-1]) - origin
            varying = [part for part in varying if span >= _ROUNDS[part]]
        if len(present) > 1 and not (place == event_place and extrapolates):
            varying.append(CalendarPart.ELAPSED)
        found += [CalendarColumn(place, part, origin) for part in varying]
    return tuple(found)


class GraphNumbers:
    """Collects nodes and constants of a graph while `GraphNumber`s are calculated with."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, NDArray[Any]] = {}

    def node(self, operator: str, inputs: list[str], **attributes: Any) -> str:
        """Add a node and return its output's name."""
        output = f"{self._prefix}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def constant(self, value: NDArray[Any]) -> str:
        """Add a constant and return its name."""
        name = f"{self._prefix}_constant_{len(self.constants)}"
        self.constants[name] = value
        return name

    def columns(self, codes: str, wanted: tuple[CalendarColumn, ...]) -> str:
        """Add what turns the code matrix into the wanted columns (n, P), and return that output's name."""
        places = sorted({column.column for column in wanted})
        origins = {column.column: column.origin for column in wanted}
        gathered = self.node("Gather", [codes, self.constant(np.array(places, dtype=np.int64))], axis=1)
        missing = self.node("Equal", [gathered, self.constant(np.array(MISSING_EPOCH, dtype=np.int64))])
        origin = self.constant(np.array([origins[place] for place in places], dtype=np.int64))
        known = self.node("Where", [missing, origin, gathered])
        since = self.node("Cast", [self.node("Sub", [known, origin])], to=TensorProto.DOUBLE)
        days = self.node("Div", [since, self.constant(np.array(_SECONDS_A_DAY, dtype=np.float64))])
        outputs = {CalendarPart.ELAPSED: self.node("Cast", [days], to=TensorProto.FLOAT)}
        for part, number in parts_of(GraphNumber(self, known)).items():
            outputs[part] = self.node("Cast", [number.name], to=TensorProto.FLOAT)
        order = list(CalendarPart)
        nan = self.constant(np.array(np.nan, dtype=np.float32))
        known_parts = [self.node("Where", [missing, nan, outputs[part]]) for part in order]
        everything = self.node("Concat", known_parts, axis=1)
        chosen = [order.index(column.part) * len(places) + places.index(column.column) for column in wanted]
        return self.node("Gather", [everything, self.constant(np.array(chosen, dtype=np.int64))], axis=1)


@dataclass(frozen=True, slots=True)
class GraphNumber:
    """Whole numbers somewhere in a graph. ``//`` rounds towards zero, ``%`` has the divisor's sign."""

    graph: GraphNumbers
    name: str

    def __add__(self, other: GraphNumber | int) -> GraphNumber:
        return self._with("Add", other)

    def __sub__(self, other: GraphNumber | int) -> GraphNumber:
        return self._with("Sub", other)

    def __mul__(self, other: GraphNumber | int) -> GraphNumber:
        return self._with("Mul", other)

    def __floordiv__(self, other: GraphNumber | int) -> GraphNumber:
        return self._with("Div", other)

    def __mod__(self, other: GraphNumber | int) -> GraphNumber:
        return self._with("Mod", other)

    def _with(self, operator: str, other: GraphNumber | int) -> GraphNumber:
        graph = self.graph
        name = graph.constant(np.array(other, dtype=np.int64)) if isinstance(other, int) else other.name
        return GraphNumber(graph, graph.node(operator, [self.name, name]))


def _divides(year: Any, divisor: int) -> Any:
    """Return 1 where ``divisor`` divides the year (never negative), else 0."""
    return (year % divisor + divisor - 1) // divisor * -1 + 1
