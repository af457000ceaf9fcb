"""What is so of the service and the pipeline: how many ask, how fast and how surely they are answered, what stands."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from trimtab.core.enums import Verdict
from trimtab.remediation.diagnosis.fact import Fact, FactName
from trimtab.remediation.diagnosis.findings import DATA_QUALITY, Findings
from trimtab.remediation.diagnosis.said_outside import told_outside
from trimtab.remediation.diagnosis.trend import one_after_another

__all__ = ["service_facts"]

_MORE = 1.5
_FEWEST_WINDOWS = 3
_ONLY_OUTSIDE = (
    FactName.SHED,
    FactName.FEATURE_SOURCE_SLOW,
    FactName.JOB_FAILED,
    FactName.TARGET_DOWN,
    FactName.PART_STUCK,
)


def service_facts(found: Findings) -> Iterator[Fact]:
    """Yield what is known of requests and answers, and what alerts and jobs tell."""
    yield _requests(found)
    yield _watched(found, FactName.LATENCY_UP, "latency")
    yield _watched(found, FactName.ERRORS_UP, "errors", without="refused_share")
    yield _watched(found, FactName.REQUESTS_REFUSED, "errors", without="failed_share")
    for name in _ONLY_OUTSIDE:
        yield told_outside(found, name)


def _watched(found: Findings, name: FactName, kind: str, *, without: str = "") -> Fact:
    broken = [check for check in found.broken(kind) if check.detail.get("metric") != without]
    if broken:
        why = "; ".join(check.explanation for check in broken)
        columns = tuple(dict.fromkeys(one for check in broken for one in check.detail.get("refused_columns", ())))
        return Fact(name, True, why, columns, since_us=min(check.window.start_us for check in broken))
    outside = told_outside(found, name)
    if outside.holds:
        return outside
    fine = [
        check
        for check in found.of_kind(kind)
        if check.verdict is Verdict.OK and check.detail.get("metric", "any") != without
    ]
    return Fact(name, False, fine[0].explanation) if fine else outside


def _requests(found: Findings) -> Fact:
    """Return whether half as many rows again came as usual."""
    now, usual = _traffic(found)
    if now is None or usual is None:
        return Fact(FactName.REQUESTS_UP, None, "how many rows usually come is not known")
    why = f"{now:.0f} rows in the window, {usual:.0f} usually"
    return Fact(FactName.REQUESTS_UP, now >= _MORE * usual and now > 0, why)


def _traffic(found: Findings) -> tuple[float | None, float | None]:
    told = found.evidence.traffic
    if told is not None:
        return float(told.now), told.usual
    volume = next((one for one in found.of_kind(DATA_QUALITY) if one.detail.get("problem") == "volume"), None)
    if volume is None:
        return None, None
    past = [
        one
        for one in found.evidence.history
        if one.detail.get("problem") == "volume" and one.window.end_us <= volume.window.start_us
    ]
    values = [float(one.detail.get("rows", 0)) for one in one_after_another(past)]
    return volume.value, median(values) if len(values) >= _FEWEST_WINDOWS else None
