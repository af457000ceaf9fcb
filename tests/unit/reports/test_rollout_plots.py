"""A rollout's looks become charts that say what it was decided on."""

import math
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from trimtab.core.enums import Verdict
from trimtab.reports.rollout_plots import LookData, rollout_charts
from trimtab.reports.svg import Chart, draw_chart

_SECOND = 1_000_000


def piece(name: str = "error_rate", **fields: Any) -> dict[str, Any]:
    verdict = fields.pop("verdict", Verdict.INCONCLUSIVE)
    usual = {"value": 0.02, "limit": 0.01, "lower": 0.0, "upper": 0.5, "e_harm": 1.0, "alpha": 0.01, "required": True}
    return {"name": name, "verdict": verdict.value, "why": "", **usual, **fields}


def looks(*evidence: list[dict[str, Any]], weight_pct: float = 10.0) -> list[LookData]:
    return [LookData(at * _SECOND, weight_pct, Verdict.INCONCLUSIVE, found) for at, found in enumerate(evidence)]


def named(charts: tuple[Chart, ...], key: str) -> Chart:
    return next(chart for chart in charts if chart.key == key)


def test_the_evidence_against_it_reaches_a_hundred_where_it_is_taken_back() -> None:
    charts = rollout_charts(looks([piece(e_harm=1.0)], [piece(e_harm=10.0)], [piece(e_harm=100.0)]))
    values = [value for _, value in named(charts, "evidence").series[0].points]
    assert values == pytest.approx([0.0, 50.0, 100.0])


def test_of_several_limits_the_one_nearest_to_a_breach_is_told() -> None:
    [against, *_] = rollout_charts(looks([piece(e_harm=0.2), piece("latency_p50", e_harm=10.0)]))
    assert [value for _, value in against.series[0].points] == pytest.approx([50.0])


def test_what_only_asks_a_person_is_drawn_and_is_no_evidence_for_taking_back() -> None:
    [against, shift] = rollout_charts(looks([piece(e_harm=1.0, value=None), piece("prediction_shift", e_harm=1000.0)]))
    assert [value for _, value in against.series[0].points] == [0.0]
    assert (shift.unit, [value for _, value in shift.series[0].points]) == ("%", [2.0])


def test_a_value_is_drawn_between_its_bounds_which_never_leave_the_page() -> None:
    wide = piece(lower=None, upper=None)
    charts = rollout_charts(looks([piece(upper=50.0)], [piece(lower=0.012, upper=None)], [wide]))
    chart = named(charts, "error_rate")
    assert [value for _, value in chart.series[0].points] == [2.0, 2.0, 2.0]
    assert chart.limits[0].value == 1.0
    assert chart.ribbon is not None
    assert [at for at, _, _ in chart.ribbon.points] == [0, _SECOND]
    assert all(low <= high <= 10 for _, low, high in chart.ribbon.points)
    [drawn] = ET.fromstring(draw_chart(chart)).iter("polygon")
    assert len(drawn.attrib["points"].split()) == 4


def test_a_quantile_that_falls_on_a_failed_request_does_not_flatten_the_rest() -> None:
    seen = [piece("latency_p99", value=value, limit=1.2, lower=0.9, upper=1.3) for value in (1.0, 3e12)]
    [_, chart] = rollout_charts(looks(*([one] for one in seen)))
    assert [value for _, value in chart.series[0].points] == pytest.approx([1.0, 6.0])


def test_breached_limits_come_first_and_then_those_that_are_waited_for() -> None:
    seen = [
        piece("refusals", required=False),
        piece("latency_p50"),
        piece("degradation:accuracy", verdict=Verdict.BREACH, required=False),
    ]
    charts = rollout_charts(looks(seen))
    assert [chart.key for chart in charts] == ["evidence", "degradation-accuracy", "latency_p50", "refusals"]


def test_what_is_no_limit_with_an_error_rate_is_not_drawn() -> None:
    seen = [piece("requests", value=67.0, limit=50.0, alpha=None, e_harm=None), piece()]
    assert [chart.key for chart in rollout_charts(looks(seen))] == ["evidence", "error_rate"]


def test_it_is_marked_where_the_share_changed() -> None:
    seen = [*looks([piece()], weight_pct=5.0), LookData(_SECOND, 25.0, Verdict.BREACH, [piece()])]
    assert [marker.name for marker in rollout_charts(seen)[0].markers] == ["5 %", "25 %"]


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_what_nobody_knows_yet_is_not_drawn_as_a_number(value: float | None) -> None:
    charts = rollout_charts(looks([piece(value=value, lower=None, upper=None, e_harm=None)]))
    assert [chart.key for chart in charts if chart.key == "evidence"] == []
    assert all("NaN" not in draw_chart(chart) and "inf" not in draw_chart(chart) for chart in charts)


def test_nothing_judged_no_chart() -> None:
    assert rollout_charts([]) == ()
    assert rollout_charts(looks([])) == ()
