"""Charts are well-formed, and draw what the numbers say."""

import math
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.reports.svg import Band, Chart, Limit, Marker, Series, draw_chart, draw_interval
from trimtab.reports.ticks import number_ticks, time_ticks

_HOUR = 3_600_000_000


def _chart(*points: tuple[int, float | None], kind: str = "line", **more: object) -> Chart:
    series = Series("s", points, kind="step" if kind == "step" else "line")
    return Chart(key="k", title="t", description="d", series=(series,), **more)  # type: ignore[arg-type]


def _parsed(text: str) -> ET.Element:
    return ET.fromstring(text)


def _paths(root: ET.Element) -> list[str]:
    return [path.attrib["d"] for path in root.iter("path")]


def test_a_chart_is_named_for_those_who_cannot_see_it() -> None:
    root = _parsed(draw_chart(_chart((0, 1.0), (_HOUR, 2.0))))
    title, description = root.attrib["aria-labelledby"].split()
    assert root.attrib["role"] == "img"
    assert [(e.attrib["id"], e.text) for e in root if e.tag in {"title", "desc"}] == [(title, "t"), (description, "d")]


def test_higher_values_are_drawn_higher_and_later_ones_to_the_right() -> None:
    [path] = _paths(_parsed(draw_chart(_chart((0, 1.0), (_HOUR, 2.0)))))
    (x0, y0), (x1, y1) = [tuple(map(float, part.split())) for part in path[1:].split("L")]
    assert x0 < x1
    assert y0 > y1


def test_missing_values_leave_a_gap_and_a_lone_value_is_a_dot() -> None:
    root = _parsed(draw_chart(_chart((0, 1.0), (1, 2.0), (2, None), (3, math.nan), (4, 5.0))))
    assert len(_paths(root)) == 1
    assert len(list(root.iter("circle"))) == 1


@pytest.mark.parametrize("points", [(), ((0, None),), ((0, math.nan), (1, math.inf))])
def test_without_values_a_chart_says_so(points: tuple[tuple[int, float | None], ...]) -> None:
    assert "no data in this period" in draw_chart(_chart(*points))


def test_band_limit_and_markers_are_drawn() -> None:
    root = _parsed(
        draw_chart(
            _chart(
                (0, 5.0),
                (10, 6.0),
                band=Band("b", 4, 7, 5),
                limits=[Limit("l", 20.0), Limit("nan", math.nan)],
                markers=[Marker(5, "here"), Marker(5, "and here"), Marker(9, "x")],
            )
        )
    )
    kinds = [element.attrib.get("class") for element in root.iter()]
    assert (kinds.count("chart-band"), kinds.count("chart-limit"), kinds.count("chart-marker")) == (1, 1, 3)


def test_a_spike_among_many_points_stays_visible() -> None:
    points = tuple((i, 1000.0 if i == 54_321 else 1.0) for i in range(100_000))
    [path] = _paths(_parsed(draw_chart(_chart(*points))))
    heights = [float(part.split()[1]) for part in path[1:].split("L")]
    assert len(heights) < 2_000
    assert min(heights) < max(heights) - 100


_moment = st.integers(-(10**15), 4 * 10**15)
_value = st.none() | st.floats(-1e12, 1e12) | st.just(math.nan)


@given(points=st.lists(st.tuples(_moment, _value), max_size=30), width=st.integers(200, 1200), step=st.booleans())
def test_whatever_the_numbers_a_chart_is_well_formed_and_stays_in_its_frame(
    points: list[tuple[int, float | None]], width: int, step: bool
) -> None:
    chart = _chart(*sorted(points, key=lambda point: point[0]), kind="step" if step else "line")
    root = _parsed(draw_chart(chart, width=width, height=200))
    for line in root.iter("line"):
        for name, most in (("x1", width), ("x2", width), ("y1", 200), ("y2", 200)):
            assert -0.1 <= float(line.attrib[name]) <= most + 0.1


@given(low=st.floats(-1e12, 1e12), span=st.floats(0, 1e12), most=st.integers(2, 8))
def test_number_ticks_rise_and_cover_the_range(low: float, span: float, most: int) -> None:
    ticks = number_ticks(low, low + span, most)
    assert 2 <= len(ticks) <= most + 2
    assert ticks == sorted(set(ticks))
    slack = (ticks[1] - ticks[0]) * 1e-6
    assert ticks[0] <= low + slack
    assert ticks[-1] >= low + span - slack


@given(start=st.integers(0, 4 * 10**15), span=st.integers(0, 4 * 10**14), most=st.integers(2, 8))
def test_time_ticks_lie_in_the_period(start: int, span: int, most: int) -> None:
    ticks = time_ticks(start, start + span, most)
    assert all(start <= at_us <= start + span for at_us, _ in ticks)
    assert len(ticks) <= most + 1


def test_an_interval_that_holds_zero_crosses_the_middle() -> None:
    root = _parsed(draw_interval(-1, 2, 5, good=None, label="difference 2"))
    bar = next(line for line in root.iter("line") if "chart-interval" in line.attrib["class"])
    assert float(bar.attrib["x1"]) < 90 < float(bar.attrib["x2"])
    assert root.attrib["aria-label"] == "difference 2"
    assert draw_interval(0, 0, 0, good=None, label="") == ""
