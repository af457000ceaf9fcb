"""What is so of the labels: whether they come as usual, and whether they say the opposite of what they should."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

from trimtab.core.enums import Verdict
from trimtab.monitoring.check import Check
from trimtab.remediation.diagnosis.fact import Fact, FactName
from trimtab.remediation.diagnosis.findings import QUALITY, Findings
from trimtab.remediation.diagnosis.quality_facts import COVERAGE, without_late
from trimtab.remediation.diagnosis.trend import one_after_another

__all__ = ["label_facts"]

_FEWER, _LATER = 0.5, 3.0
_FEWEST_WINDOWS = 3
_ONE_SIDED_95, _ONE_SIDED_98_75 = 1.6449, 2.2414
_OF_MIRROR = 0.5
"""So much of the usual correlation must have turned round: three quarters of the outcomes say the opposite, at least.
A relation that has changed may leave truth and answer a little below 0; that is no slip of whoever labels."""
_MIRRORED_UNKNOWN = 0.3
"""So far below 0 they must be correlated where nobody knows by how much they usually are."""


def label_facts(found: Findings) -> Iterator[Fact]:
    """Yield whether labels are fewer or later than usual, and whether they are mirrored."""
    told = without_late(found.of_kind(QUALITY))
    yield _missing([one for one in told if one.detail.get("metric") == COVERAGE])
    checks = [one for one in told if one.detail.get("metric") != COVERAGE]
    yield _against_usual(
        FactName.LABELS_FEWER, checks, found, "coverage", lambda now, usual: now < _FEWER * usual, "share of labelled"
    )
    yield _against_usual(
        FactName.LABELS_LATE, checks, found, "label_lag_p50_s", lambda now, usual: now > _LATER * usual, "seconds late"
    )
    yield _mirrored(checks, _usual_correlation(found))


def _missing(checks: Sequence[Check]) -> Fact:
    for check in checks:
        if check.verdict is not Verdict.INCONCLUSIVE:
            holds = check.verdict is Verdict.BREACH
            return Fact(FactName.LABELS_MISSING, holds, check.explanation, since_us=check.window.start_us)
    return Fact(FactName.LABELS_MISSING, None, "nobody said how many answers should have an outcome")


def _against_usual(
    name: FactName, checks: Sequence[Check], found: Findings, field: str, is_so: Any, words: str
) -> Fact:
    now = next((check for check in checks if check.detail.get(field) is not None), None)
    if now is None:
        return Fact(name, None, "nothing tells of labels")
    past = [
        one
        for one in found.evidence.history
        if one.kind == QUALITY and one.detail.get(field) is not None and one.window.end_us <= now.window.start_us
    ]
    values = [float(one.detail[field]) for one in one_after_another(past)]
    if len(values) < _FEWEST_WINDOWS:
        return Fact(name, None, f"{len(values)} windows before are known, {_FEWEST_WINDOWS} needed")
    usual, present = median(values), float(now.detail[field])
    why = f"{words}: {present:.3g} in this window, {usual:.3g} in the {len(values)} before"
    return Fact(name, bool(is_so(present, usual)), why, since_us=now.window.start_us)


def _mirrored(checks: Sequence[Check], usual: float | None) -> Fact:
    """Return whether outcomes say the opposite of the answers: no drift makes a model reliably wrong on the whole.

    That is so where truth and answer (of two classes: whether it is the positive one) are correlated below 0, with a
    one-sided 95 % bound, and by as much as a mirror makes it: half of what is ``usual``, or else -0.3. It is asked over
    the window, and over each of its quarters by a quarter of the 5 %. A window that is mirrored since its middle looks
    like chance as a whole.
    """
    name = FactName.LABELS_MIRRORED
    limit = -_MIRRORED_UNKNOWN if usual is None else -_OF_MIRROR * usual
    held = "" if usual is None else f", usually by {usual:.2f}"
    for check in checks:
        correlation = _correlation_of(check)
        if correlation is None:
            continue
        rows, begin_us = int(check.detail.get("labelled", 0)), check.window.start_us
        bound = _upper_correlation(correlation, rows, _ONE_SIDED_95)
        why = f"truth and answer are correlated by {correlation:.2f}, at most {bound:.2f}{held}"
        if bound < 0 and correlation <= limit:
            return Fact(name, True, why, since_us=begin_us)
        for part in check.detail.get("correlation_parts", ()):
            found = float(part["correlation"])
            least = _upper_correlation(found, int(part["rows"]), _ONE_SIDED_98_75)
            if least < 0 and found <= limit:
                why = (
                    f"in {part['rows']} rows truth and answer are correlated by {found:.2f}, at most {least:.2f}{held}"
                )
                return Fact(name, True, why, since_us=int(part["since_us"]))
        if bound < 0:
            why += f"; above {limit:.2f}: worse than chance, and not as if they were mirrored"
        return Fact(name, False, why, since_us=begin_us)
    return Fact(name, None, "neither a confusion of two classes nor a correlation is told")


def _usual_correlation(found: Findings) -> float | None:
    """Return the median of what truth and answer were correlated by in windows in which quality was well."""
    well = [one for one in found.evidence.history if one.kind == QUALITY and one.verdict is Verdict.OK]
    told = [correlation for one in without_late(iter(well)) if (correlation := _correlation_of(one)) is not None]
    usual = median(told) if told else 0.0
    return usual if usual > 0 else None


def _correlation_of(check: Check) -> float | None:
    told = check.detail.get("correlation", _of_two_classes(check.detail.get("confusion")))
    return None if told is None else float(told)


def _of_two_classes(confusion: Any) -> float | None:
    """Return how truth and answer are correlated by a confusion matrix of two classes; None of more, or of one."""
    if confusion is None or len(confusion["classes"]) != 2:
        return None
    (right, wrong), (missed, other) = confusion["counts"]
    spread = (right + wrong) * (missed + other) * (right + missed) * (wrong + other)
    return (right * other - wrong * missed) / math.sqrt(spread) if spread else None


def _upper_correlation(correlation: float, rows: int, deviations: float) -> float:
    """Return Fisher's upper bound of a correlation, so many standard errors up; 1 where there are too few rows."""
    if rows <= 3:
        return 1.0
    clipped = min(max(correlation, -0.999999), 0.999999)
    return math.tanh(math.atanh(clipped) + deviations / math.sqrt(rows - 3))
