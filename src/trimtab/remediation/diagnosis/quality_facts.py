"""What is so of the answers: whether quality fell, in all rows or a part, how fast, and between which groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from trimtab.config.durations import format_duration
from trimtab.core.enums import Verdict
from trimtab.monitoring.check import Check
from trimtab.remediation.diagnosis.evidence import Ledger
from trimtab.remediation.diagnosis.fact import Fact, FactName
from trimtab.remediation.diagnosis.findings import ESTIMATE, FAIRNESS, QUALITY, Findings
from trimtab.remediation.diagnosis.trend import Course, course_of, values_of

__all__ = ["COVERAGE", "lower_is_worse", "main_of", "quality_facts", "without_late"]

COVERAGE = "label_coverage"
"""What a check of model quality calls the share of answers that have an outcome: that is no quality."""

_LIVES = 2.0


def quality_facts(found: Findings) -> Iterator[Fact]:
    """Yield what is known of quality, of its course, of groups, and of how old what serves is."""
    checks = [one for one in without_late(found.of_kind(QUALITY)) if one.detail.get("metric") != COVERAGE]
    whole = [check for check in checks if check.column is None]
    yield _fell(FactName.QUALITY_FELL, whole)
    yield _fell(FactName.QUALITY_FELL_IN_SEGMENTS, [check for check in checks if check.column is not None])
    yield _fell(FactName.ESTIMATE_FELL, list(found.of_kind(ESTIMATE)))
    yield from _course(found, whole)
    yield _fell(FactName.GAP_WIDENED, list(found.of_kind(FAIRNESS)))
    yield from _age(found.evidence.ledger)


def without_late(checks: Iterator[Check]) -> list[Check]:
    """Return the checks that speak of the present."""
    return [check for check in checks if not check.is_late]


def lower_is_worse(check: Check) -> bool:
    """Return on which side of its threshold a breach lies."""
    return check.value is not None and check.threshold is not None and check.value < check.threshold


def main_of(breaches: Sequence[Check], primary: str | None) -> Check | None:
    """Return the breach of the metric that the model is judged by, or else the loudest."""
    named = [check for check in breaches if check.detail.get("metric") == primary]
    return max(named or breaches, key=lambda check: check.severity.rank, default=None)


def _fell(name: FactName, checks: Sequence[Check]) -> Fact:
    """Return whether one of ``checks`` breached; not known where none concluded anything."""
    broken = [check for check in checks if check.verdict is Verdict.BREACH]
    if broken:
        columns = dict.fromkeys(column for check in broken if (column := _column_of(check)) is not None)
        why = "; ".join(check.explanation for check in broken)
        return Fact(name, True, why, tuple(columns), since_us=min(check.window.start_us for check in broken))
    if any(check.verdict is Verdict.OK for check in checks):
        return Fact(name, False, "; ".join(check.explanation for check in checks[:2]))
    return Fact(name, None, checks[0].explanation if checks else "no monitor looks at it")


def _column_of(check: Check) -> str | None:
    column = check.column or check.detail.get("group")
    return None if column is None else str(column)


def _course(found: Findings, whole: Sequence[Check]) -> Iterator[Fact]:
    main = main_of([check for check in whole if check.verdict is Verdict.BREACH], found.evidence.primary)
    if main is None:
        return
    values = values_of(main, found.evidence.history)
    course = course_of(values, lower_is_worse=lower_is_worse(main))
    shown = " → ".join(f"{value:.3g}" for value in values)
    if course is Course.UNCLEAR:
        why = f"{main.detail.get('metric') or 'quality'} over windows that do not overlap: {shown}; too few to tell"
        yield Fact(FactName.FELL_SLOWLY, None, why)
        yield Fact(FactName.FELL_AT_ONCE, None, why)
        return
    why = f"{main.detail.get('metric') or 'quality'} over windows that do not overlap: {shown}"
    yield Fact(FactName.FELL_SLOWLY, course is Course.SLOW, why)
    yield Fact(FactName.FELL_AT_ONCE, course is Course.SUDDEN, why)


def _age(ledger: Ledger | None) -> Iterator[Fact]:
    if ledger is None:
        return
    yield Fact(FactName.TWIN_WOULD_GAIN, ledger.would_gain, ledger.why)
    if ledger.age_s is None:
        return
    limits = [
        limit
        for limit in (
            None if ledger.usual_life_s is None else _LIVES * ledger.usual_life_s,
            ledger.longest_life_s,
        )
        if limit is not None
    ]
    age = f"the version that serves learnt its newest rows {_roughly(ledger.age_s)} ago"
    if not limits:
        yield Fact(FactName.CHAMPION_OLD, None, f"{age}; how long versions last is not known")
        return
    limit = min(limits)
    why = f"{age}; {_roughly(limit)} is old here"
    yield Fact(FactName.CHAMPION_OLD, ledger.age_s > limit, why)


def _roughly(seconds: float) -> str:
    unit = 86_400 if seconds >= 2 * 86_400 else 3600 if seconds >= 7200 else 1
    return format_duration(timedelta(seconds=round(seconds / unit) * unit))
