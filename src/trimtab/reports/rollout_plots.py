"""A rollout's judgement over time, as charts: what each limit was about, how surely it was known, and what it came to.

They are drawn from the looks that were stored while the rollout ran, so that they show what it was decided on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from trimtab.core.enums import Verdict
from trimtab.reports.svg import Chart, Limit, Marker, Ribbon, Series

__all__ = ["LookData", "rollout_charts"]

_MOST: Final = 6
_MOST_TIMES: Final = 5.0
_REACH: Final = 2.0
_TITLES: Final = {
    "error_rate": ("Requests that fail", "%"),
    "refusal_rate": ("Requests that are refused", "%"),
    "errors": ("Errors, as a multiple of the version before", "×"),
    "refusals": ("Refusals, as a multiple of the version before", "×"),
    "latency_p95_ms": ("Requests slower than the limit", "%"),
    "agreement": ("Answers that agree", "%"),
    "prediction_shift": ("Shift of the predictions, in points", "%"),
}
_ASKS_ONLY: Final = "prediction_shift"
_PER_CENT: Final = frozenset({"error_rate", "refusal_rate", "latency_p95_ms", "agreement"})


@dataclass(frozen=True, slots=True)
class LookData:
    """One look at a rollout: the candidate's share then, and each limit's `Evidence` as it was stored."""

    at_us: int
    weight_pct: float
    verdict: Verdict | None
    evidence: Sequence[Mapping[str, Any]] = field(default=())


def rollout_charts(looks: Sequence[LookData]) -> tuple[Chart, ...]:
    """Return how far the evidence against the candidate came, and then each limit's value between its bounds.

    ``looks`` are in order of time. Limits that were breached come first, then those that a step waits for; of more than
    six the others are left out. Without a look that judged anything there is no chart.

    >>> rollout_charts([LookData(0, 10.0, None)])
    ()
    """
    judged = [look for look in looks if look.evidence]
    markers = _markers(looks)
    charts = [_against(judged, markers), *(_limit_chart(name, judged, markers) for name in _names(judged))]
    return tuple(chart for chart in charts if chart is not None)[: _MOST + 1]


def _names(looks: Sequence[LookData]) -> list[str]:
    """Return the limits in the order of what a reader asks for first."""
    breached: set[str] = set()
    known: dict[str, bool] = {}
    for look in looks:
        # What has no error rate (the smoke test, a count of requests) was not judged over time.
        for piece in (one for one in look.evidence if one.get("alpha")):
            known[piece["name"]] = bool(piece.get("required", True))
            if piece["verdict"] == Verdict.BREACH:
                breached.add(piece["name"])
    return sorted(known, key=lambda name: (name not in breached, not known[name]))


def _against(looks: Sequence[LookData], markers: Sequence[Marker]) -> Chart | None:
    """Return how much of the evidence that a rollback takes there was: of the limit with the most of it."""
    points = [(look.at_us, most) for look in looks if (most := _most_against(look)) is not None]
    if not points:
        return None
    return Chart(
        key="evidence",
        title="Evidence against the candidate",
        description="Logarithm of the largest e-value against the candidate, as a share of what a rollback takes.",
        series=(Series("of what a rollback takes, the limit with the most", points),),
        unit="%",
        limits=(Limit("taken back from here on", 100.0),),
        markers=markers,
        from_zero=True,
    )


def _most_against(look: LookData) -> float | None:
    """Return 100 log(e) / log(1/α) of the limit that is nearest to a breach, within 0 and 200; None if none is told.

    What is judged by its bounds has no e-value: a breach of it is 100, anything else is not told.
    """
    shares = [share for piece in look.evidence if (share := _share_against(piece)) is not None]
    return min(max(shares), 200.0) if shares else None


def _share_against(piece: Mapping[str, Any]) -> float | None:
    if not piece.get("alpha") or piece["name"] == _ASKS_ONLY:
        return None
    if piece.get("e_harm") is None:
        return 100.0 if piece["verdict"] == Verdict.BREACH else None
    return 100 * math.log(max(piece["e_harm"], 1.0)) / -math.log(piece["alpha"])


def _limit_chart(name: str, looks: Sequence[LookData], markers: Sequence[Marker]) -> Chart | None:
    pieces = [(look.at_us, piece) for look in looks for piece in look.evidence if piece["name"] == name]
    values = [(at_us, piece) for at_us, piece in pieces if piece.get("value") is not None]
    if not values:
        return None
    title, unit = _title_of(name)
    times = 100.0 if name in _PER_CENT or unit == "%" else 1.0
    limit = next((float(piece["limit"]) for _, piece in pieces if piece.get("limit") is not None), None)
    # A failed request counts as slower than any time there is: a quantile that falls on one is no number of times.
    most = _MOST_TIMES * limit if limit is not None and unit == "×" else math.inf
    line = [(at_us, min(times * float(piece["value"]), most)) for at_us, piece in values]
    # Bounds begin as wide as can be: beyond these edges they only push what matters into one line.
    reach = [value for _, value in line] + ([] if limit is None else [times * limit])
    low, high = min(reach), max(reach)
    room = _REACH * max(high - low, abs(high) / _REACH)
    drawn = _ribbon(values, times, low - room, high + room)
    return Chart(
        key=name.replace(":", "-"),
        title=title,
        description=f"{title}: what was seen until each look, the bounds within which it lies, and the limit.",
        series=(Series("candidate", line),),
        unit=unit,
        ribbon=None if len(drawn) < 2 else Ribbon("where it lies", drawn),
        limits=() if limit is None else (Limit("limit", times * limit),),
        markers=markers,
    )


def _ribbon(
    values: Iterable[tuple[int, Mapping[str, Any]]], times: float, lowest: float, highest: float
) -> list[tuple[int, float, float]]:
    found = []
    for at_us, piece in values:
        lower, upper = piece.get("lower"), piece.get("upper")
        if lower is None and upper is None:
            continue
        low = lowest if lower is None else min(max(times * lower, lowest), highest)
        high = highest if upper is None else max(min(times * upper, highest), lowest)
        found.append((at_us, low, high))
    return found


def _title_of(name: str) -> tuple[str, str]:
    if name in _TITLES:
        return _TITLES[name]
    kind, _, of = name.partition("_")
    if kind in {"latency", "run"}:
        noun = "Latency" if kind == "latency" else "The model's run time"
        return f"{noun} ({of}), as a multiple of the version before", "×"
    kind, _, metric = name.partition(":")
    return (f"{metric}: how much worse, {'by its own estimate' if kind == 'estimated' else 'on known outcomes'}", "%")


def _markers(looks: Sequence[LookData]) -> tuple[Marker, ...]:
    """Return a line wherever the candidate's share changed."""
    found, before = [], None
    for look in looks:
        if look.weight_pct != before:
            found.append(Marker(look.at_us, f"{look.weight_pct:g} %"))
            before = look.weight_pct
    return tuple(found)
