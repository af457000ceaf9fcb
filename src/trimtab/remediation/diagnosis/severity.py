"""How bad a case is, 0 to 1: what it costs, how far beyond its limits, how loud, how wide, and how long already."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trimtab.core.enums import Severity, Verdict
from trimtab.monitoring.check import Check
from trimtab.remediation.diagnosis.fact import FactName, Facts
from trimtab.remediation.diagnosis.findings import ESTIMATE, QUALITY, Findings
from trimtab.remediation.diagnosis.quality_facts import lower_is_worse, main_of, without_late

__all__ = ["SeverityPart", "severity_of"]

_IMPACT, _EXCESS, _LOUDNESS, _REACH, _DURATION = 0.35, 0.15, 0.2, 0.2, 0.1
_LOG_MOST = math.log2(10)
_LONG_WINDOWS = 6
_WITHOUT_IMPACT = 0.66
"""Where nobody knows what it costs, it is no worse than of the middle third, unless somebody called it critical."""
_CHANCE = {"roc_auc": 0.5}


@dataclass(frozen=True, slots=True)
class SeverityPart:
    """One part of the severity: ``value`` 0..1, counted with ``weight``."""

    name: str
    weight: float
    value: float
    why: str


def severity_of(found: Findings, facts: Facts) -> tuple[float, tuple[SeverityPart, ...]]:
    """Return the severity and its parts: their weighted mean over those that are known, times the model's criticality.

    It rises with each part. Without a known impact it ends at 0.66, unless a breach is critical.
    """
    parts = tuple(_parts(found, facts))
    weight = sum(part.weight for part in parts)
    score = sum(part.weight * part.value for part in parts) / weight if weight else 0.0
    score = min(1.0, max(0.0, score * found.evidence.criticality))
    is_critical = any(check.severity is Severity.CRITICAL for check in found.breaches)
    if not is_critical and not any(part.name == "impact" for part in parts):
        score = min(score, _WITHOUT_IMPACT)
    return round(score, 4), parts


def _parts(found: Findings, facts: Facts) -> Iterator[SeverityPart]:
    if not found.breaches:
        return
    yield from _impact(found, facts)
    yield from _excess(found.breaches)
    loudest = max(found.breaches, key=lambda check: check.severity.rank)
    share = loudest.severity.rank / (len(Severity) - 1)
    yield SeverityPart("loudness", _LOUDNESS, share, f"{loudest.monitor} is of severity {loudest.severity}")
    yield from _reach(found, facts)
    yield from _duration(found)


def _impact(found: Findings, facts: Facts) -> Iterator[SeverityPart]:
    """Yield what it costs: answers that did not come count whole, worse ones as far as quality has fallen."""
    for name in (FactName.VOLUME_NONE, FactName.VOLUME_LOW):
        fact = facts[name]
        if fact.holds and fact.row_share is not None:
            yield SeverityPart("impact", _IMPACT, min(1.0, fact.row_share), fact.why)
            return
    failed = [check for check in found.breaches if check.kind == "errors" and check.value is not None]
    if failed:
        worst = max(failed, key=lambda check: check.value or 0.0)
        yield SeverityPart("impact", _IMPACT, min(1.0, worst.value or 0.0), worst.explanation)
        return
    for kind, counts in ((QUALITY, 1.0), (ESTIMATE, 0.5)):
        told = without_late(found.of_kind(kind))
        checks = [check for check in told if _worsening(check) is not None and not _is_of_the_rest(check)]
        if not checks and any(_is_of_the_rest(check) for check in told):
            return
        main = main_of(checks, found.evidence.primary)
        if main is not None:
            lost = _worsening(main) or 0.0
            why = f"{main.detail.get('metric') or 'quality'} {main.value:.4g}, {main.detail['baseline']:.4g} before"
            yield SeverityPart("impact", _IMPACT, counts * lost, why)
            return


def _is_of_the_rest(check: Check) -> bool:
    """Return whether a value is that of the rows that were well: what the others cost is not known."""
    return check.verdict is Verdict.INCONCLUSIVE and bool(check.detail.get("broke_contract"))


def _worsening(check: Check) -> float | None:
    """Return which share is gone of what the model knew better than nothing; of a loss, its growth; at most 1."""
    value, before = check.value, check.detail.get("baseline")
    if value is None or before is None or check.threshold is None or not math.isfinite(value):
        return None
    metric = str(check.detail.get("metric") or "")
    if check.threshold < before or (check.threshold == before and lower_is_worse(check)):
        worthless = _worthless(check, metric)
        left = before - (worthless if worthless < before else 0.0)
        return min(1.0, max(0.0, float(before - value) / left)) if left > 0 else None
    return min(1.0, max(0.0, float(value - before) / before)) if before > 0 else None


def _worthless(check: Check, metric: str) -> float:
    """Return what a model reaches that knows nothing: of accuracy, the share of the most frequent class."""
    confusion = check.detail.get("confusion")
    if metric == "accuracy" and confusion is not None:
        rows = [sum(row) for row in confusion["counts"]]
        return float(max(rows) / max(sum(rows), 1))
    return _CHANCE.get(metric, 0.0)


def _excess(breaches: Sequence[Check]) -> Iterator[SeverityPart]:
    """Yield how many times beyond its limit the farthest lies, on a logarithmic scale that ends at ten times."""
    known = [(_times(check), check) for check in breaches if _times(check) is not None]
    if known:
        times, check = max(known, key=lambda pair: pair[0] or 0.0)
        share = min(1.0, max(0.0, math.log2(times or 1.0) / _LOG_MOST))
        yield SeverityPart(
            "excess", _EXCESS, share, f"{check.monitor}: {check.value:.4g} against {check.threshold:.4g}"
        )


def _times(check: Check) -> float | None:
    """Return value over limit, or limit over value where less is worse; None where no ratio says how far it is.

    The evidence of a detector of drift is how sure it is, not how far anything has moved.
    """
    value, limit = check.value, check.threshold
    if value is None or not limit or value < 0 or limit < 0 or "mean_windows" in check.detail:
        return None
    if lower_is_worse(check):
        return limit / value if value else math.inf
    return value / limit


def _reach(found: Findings, facts: Facts) -> Iterator[SeverityPart]:
    share = found.evidence.affected_row_share
    if share is None:
        known = [fact.row_share for fact in facts if fact.holds and fact.row_share is not None]
        share = max((*known, *(cause.since_row_share for cause in found.causes)), default=None)
    if share is not None:
        share = min(1.0, max(0.0, share))
        yield SeverityPart("reach", _REACH, share, f"{share:.0%} of the rows are affected")


def _duration(found: Findings) -> Iterator[SeverityPart]:
    evidence = found.evidence
    if evidence.begun_us is None or evidence.now_us is None:
        return
    lengths = [check.window.end_us - check.window.start_us for check in found.breaches]
    longest_us = max(lengths, default=0)
    if longest_us <= 0:
        return
    windows = max(0.0, (evidence.now_us - evidence.begun_us) / longest_us)
    share = min(1.0, windows / _LONG_WINDOWS)
    yield SeverityPart("duration", _DURATION, share, f"for {windows:.1f} windows")
