"""The picture of a simulation: one week that is far beyond all others does not flatten them, and is not hidden."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from trimtab.reports.simulation_plot import simulation_svg

BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
SPACE = "{http://www.w3.org/2000/svg}"


def result_of(losses: list[float | None]) -> dict[str, Any]:
    moments = [(BEGIN + timedelta(weeks=week)).isoformat() for week in range(len(losses) + 1)]
    return {
        "model": "load",
        "from": moments[0],
        "to": moments[-1],
        "summary": {"metric": "mae", "metrics": {"mae": 1.0}, "fits": 0, "releases": 0, "switches_back": 0},
        "chunks": [
            {"from": first, "to": last, "loss": loss}
            for first, last, loss in zip(moments, moments[1:], losses, strict=False)
        ],
        **{name: [] for name in ("checks", "evaluations", "fits", "releases", "planted")},
    }


@pytest.mark.parametrize(
    ("losses", "beyond"),
    [([0.2, 0.3, 9.0], []), ([*[0.2, 0.3] * 100, 9.0], ["2027-11-01: 9"]), ([0.2, None], []), ([None], [])],
)
def test_what_lies_far_beyond_is_marked_above_the_frame(losses: list[float | None], beyond: list[str]) -> None:
    drawn = ET.fromstring(str(simulation_svg(result_of(losses))))
    marks = [one for one in drawn.iter(f"{SPACE}path") if one.get("class") == "beyond"]
    assert ["".join(mark.itertext()) for mark in marks] == beyond
    heights = [
        float(point.split(",")[1]) for line in drawn.iter(f"{SPACE}polyline") for point in line.attrib["points"].split()
    ]
    assert all(58 <= height <= 298 for height in heights)
    assert not heights or max(heights) - min(heights) > 50
