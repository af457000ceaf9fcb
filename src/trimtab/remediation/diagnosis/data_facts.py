"""What is so of the data that came: whether they came, in the right unit, in the right columns, and as they used to."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from trimtab.core.enums import Verdict
from trimtab.monitoring.cause import Cause, CauseKind
from trimtab.monitoring.check import Check
from trimtab.remediation.diagnosis.fact import Fact, FactName
from trimtab.remediation.diagnosis.findings import DATA_QUALITY, DRIFT, ESTIMATE, QUALITY, Findings
from trimtab.remediation.diagnosis.said_outside import told_outside

__all__ = ["data_facts", "matter"]

_MANY_COLUMNS = 0.5
_BROKEN_SHARE, _NEW_SHARE, _STUCK_SHARE = 0.05, 0.05, 0.9
_LACKING_SHARE, _LACKING_MOST = 0.2, 0.5
_FEW_ROWS = 5
"""Fewer rows that were refused are the slip of one who sent them, however small the delivery: not what feeds do."""
_MATTERS = 0.05
_RARE = 0.01
_SCALED = math.log(2.0)
_GOT_WORSE = (QUALITY, ESTIMATE, "prediction_drift")
_BY_REASON = {
    "missing": FactName.COLUMN_EMPTY,
    "not an allowed value": FactName.NEW_VALUES,
    "not a number": FactName.CONTRACT_BROKEN,
    "not a whole number": FactName.CONTRACT_BROKEN,
    "neither true nor false": FactName.CONTRACT_BROKEN,
    "not a date or time": FactName.CONTRACT_BROKEN,
}
"""Which reasons of the contract say what. A value out of range says nothing by itself: a unit may have changed."""
_BY_PROBLEM = {
    "missing": FactName.COLUMN_EMPTY,
    "stuck": FactName.COLUMN_STUCK,
    "unseen": FactName.NEW_VALUES,
    "absent": FactName.CONTRACT_BROKEN,
    "type": FactName.CONTRACT_BROKEN,
}
_BY_CAUSE = {
    CauseKind.NULLS: FactName.COLUMN_EMPTY,
    CauseKind.STUCK: FactName.COLUMN_STUCK,
    CauseKind.SWAPPED_COLUMNS: FactName.SWAPPED,
    CauseKind.NEW_CATEGORY: FactName.NEW_VALUES,
    CauseKind.DUPLICATED_FEED: FactName.DUPLICATED,
}
_OF_INPUTS = (
    FactName.INPUTS_MOVED,
    FactName.INPUTS_PARTLY,
    FactName.INPUTS_STILL,
    FactName.INPUTS_MATTER,
    FactName.SEVERAL_MOVED,
)
_OF_COLUMNS = (
    FactName.COLUMN_EMPTY,
    FactName.COLUMN_STUCK,
    FactName.SWAPPED,
    FactName.NEW_VALUES,
    FactName.CONTRACT_BROKEN,
    FactName.DUPLICATED,
)


def data_facts(found: Findings) -> Iterator[Fact]:
    """Yield what is known of rows, columns and of the inputs as a whole."""
    yield from _volume(found)
    yield told_outside(found, FactName.FEED_STOPPED)
    yield from _columns(found)
    yield _unit(found)
    yield from _inputs(found)


def _volume(found: Findings) -> Iterator[Fact]:
    check = next((one for one in found.of_kind(DATA_QUALITY) if one.detail.get("problem") == "volume"), None)
    if check is None or check.value is None:
        return
    usual = check.detail.get("usual")
    few = check.verdict is Verdict.BREACH and check.value < (check.threshold or 0.0)
    missing = 1.0 if not check.value else None
    if few and usual:
        missing = 1.0 - check.value / max(float(usual[0]), 1.0)
    since_us = check.window.start_us
    yield Fact(FactName.VOLUME_NONE, few and not check.value, check.explanation, (), missing, since_us)
    yield Fact(FactName.VOLUME_LOW, few, check.explanation, (), missing, since_us)


def _columns(found: Findings) -> Iterator[Fact]:
    """Yield what befell columns; of what nothing says, False where data quality was looked at, else not known."""
    told: dict[FactName, dict[str, Fact]] = {}
    for fact in _column_facts(found):
        for column in fact.columns or ("",):
            told.setdefault(fact.name, {}).setdefault(column, fact)
    looked_at = any(check.verdict is not Verdict.INCONCLUSIVE for check in found.of_kind(DATA_QUALITY, *DRIFT))
    for name in _OF_COLUMNS:
        if name in told:
            yield _joined(name, told[name])
        elif looked_at:
            yield Fact(name, False, "no check says so")


def _joined(name: FactName, by_column: Mapping[str, Fact]) -> Fact:
    ranked = sorted(by_column.items(), key=lambda item: (-(item[1].row_share or 0.0), item[0]))
    facts = list(dict.fromkeys(fact for _, fact in ranked))
    since = [fact.since_us for fact in facts if fact.since_us is not None]
    return Fact(
        name,
        True,
        "; ".join(dict.fromkeys(fact.why for fact in facts[:3])),
        tuple(column for column, _ in ranked if column),
        max((fact.row_share for fact in facts if fact.row_share is not None), default=None),
        min(since, default=None),
    )


def _column_facts(found: Findings) -> Iterator[Fact]:
    # Causes first: they know the moment and the share.
    for cause in found.named(*_BY_CAUSE):
        if not _is_plain(found, cause) or (cause.kind is CauseKind.SWAPPED_COLUMNS and not _alone(found, cause.kind)):
            continue
        columns = (cause.column,) if cause.column else ()
        yield Fact(_BY_CAUSE[cause.kind], True, cause.explanation, columns, cause.since_row_share, cause.since_us)
    for check in found.broken(DATA_QUALITY):
        yield from _of_problem(found, check)
        yield from _of_reasons(check.detail.get("reasons", {}), check.detail.get("rows"), check.window.start_us)
    alerts = sorted(found.evidence.alerts, key=lambda one: one.id)
    broken: Counter[str] = Counter()
    for alert in alerts:
        broken.update(alert.detail.get("reasons", {}))
    for alert in alerts:
        reasons = {name: count for name, count in alert.detail.get("reasons", {}).items() if broken[name] >= _FEW_ROWS}
        yield from _of_reasons(reasons, alert.detail.get("rows"), alert.at_us)
        if alert.kind == "delivery_failed":
            yield Fact(FactName.CONTRACT_BROKEN, True, alert.title, (), None, alert.at_us)


def _alone(found: Findings, *kinds: CauseKind) -> bool:
    """Return whether at least half of what drifted has such a cause: columns that cross on their way are no swap."""
    named = {cause.column for cause in found.named(*kinds)}
    return 2 * len(named) >= len(_drifted_columns(found) | named)


def _nothing_else(found: Findings, causes: Sequence[Cause]) -> bool:
    return _drifted_columns(found) <= {cause.column for cause in causes}


def _drifted_columns(found: Findings) -> set[str]:
    return {check.column for check in found.broken(*DRIFT) if check.column and not check.column.startswith("@")}


def _is_plain(found: Findings, cause: Cause) -> bool:
    if cause.kind is CauseKind.NULLS:
        return _is_lacking(found, cause)
    return cause.kind is not CauseKind.NEW_CATEGORY or cause.evidence.get("share", 1.0) >= _NEW_SHARE


def _is_lacking(found: Findings, cause: Cause) -> bool:
    """Whether values stay away: of half of the rows more than ever, or of so many that no other mixture explains it.

    Those are a fifth more, or thrice as many, where most of what drifted lacks values.
    """
    share, usual = (cause.evidence.get(name) for name in ("missing_share", "reference_missing_share"))
    if share is None or usual is None or share - usual >= _LACKING_MOST:
        return True
    return (share - usual >= _LACKING_SHARE or share >= 3 * usual) and _alone(found, CauseKind.NULLS)


def _of_problem(found: Findings, check: Check) -> Iterator[Fact]:
    problem = check.detail.get("problem")
    if problem == "duplicates":
        yield Fact(FactName.DUPLICATED, True, check.explanation, (), check.value, check.window.start_us)
    elif problem == "stuck" and (check.value or 0.0) < _STUCK_SHARE:
        return  # one value more often than ever, such as a limit that many reach, is no sensor that hangs
    elif problem == "missing" and not all(
        _is_plain(found, Cause.from_json(one)) for one in check.detail.get("causes", ())
    ):
        return
    elif problem in _BY_PROBLEM and check.column is not None:
        yield Fact(_BY_PROBLEM[problem], True, check.explanation, (check.column,), check.value, check.window.start_us)


def _of_reasons(reasons: Mapping[str, int], rows: int | None, at_us: int) -> Iterator[Fact]:
    """Yield what the contract's reasons say, of those that hold for at least a twentieth of the rows."""
    counts: Counter[tuple[FactName, str]] = Counter()
    for reason, number in reasons.items():
        column, _, words = str(reason).partition(": ")
        name = _BY_REASON.get(words)
        if name is not None:
            counts[name, column] += int(number)
    for (name, column), number in sorted(counts.items()):
        share = min(1.0, number / rows) if rows else 0.0
        if share >= _BROKEN_SHARE:
            text = f"{column}: {share:.0%} of rows broke the contract"
            yield Fact(name, True, text, (column,), share, at_us)


def _unit(found: Findings) -> Fact:
    """Return which columns are believed to come in another unit: by a known conversion, or where others blame them.

    A factor that no table knows (twice or half at least), with the shape kept, is believed too where nothing else
    moved and the answers got worse with it: what the column means is then the simplest that can have changed.
    """
    changed = [*found.named(CauseKind.UNIT_CHANGE), *found.named(CauseKind.SHIFT, where=_is_scaled)]
    worse = bool(found.broken(*_GOT_WORSE)) and _nothing_else(found, changed)
    believed = [
        cause
        for cause in changed
        if cause.known_unit is not None
        or (found.backing(cause.column) and cause.kind is CauseKind.UNIT_CHANGE)
        or (worse and matter((cause.column,), found.evidence.importance))
    ]
    if not believed:
        doubted = "; ".join(f"{one.column}: fits a constant factor, but nothing else says so" for one in changed)
        looked_at = any(check.verdict is not Verdict.INCONCLUSIVE for check in found.of_kind(*DRIFT, DATA_QUALITY))
        return Fact(FactName.UNIT, False if looked_at else None, doubted or "no check says so")
    since = [cause.since_us for cause in believed if cause.since_us is not None]
    return Fact(
        FactName.UNIT,
        True,
        "; ".join(cause.explanation for cause in believed),
        tuple(dict.fromkeys(cause.column for cause in believed)),
        believed[0].since_row_share,
        min(since, default=None),
        believed[0].factor,
    )


def _is_scaled(cause: Cause) -> bool:
    return cause.factor is not None and cause.factor > 0 and abs(math.log(cause.factor)) >= _SCALED


def matter(columns: Sequence[str], importance: Mapping[str, float]) -> bool:
    """Return whether the model uses these columns at all, by a twentieth; of what is not known, it may."""
    known = [importance[column] for column in columns if column in importance]
    return len(known) < len(columns) or not columns or sum(known) >= _MATTERS


def _inputs(found: Findings) -> Iterator[Fact]:
    """Yield whether the inputs as a whole moved, some of them did, or none; not known where no drift was judged."""
    drift = [check for check in found.of_kind(*DRIFT) if not (check.column or "").startswith("@")]
    judged = [check for check in drift if check.column is not None and check.verdict is not Verdict.INCONCLUSIVE]
    drifted = _drifted(judged)
    overall = [check for check in drift if check.column is None]
    moved = any(_all_moved(check) for check in overall) or bool(
        not overall and judged and len(drifted) / len({check.column for check in judged}) >= _MANY_COLUMNS
    )
    open_ones = [check for check in overall if _is_open(check)]
    if not moved and (not judged or (open_ones and not drifted)):
        why = f": {open_ones[0].explanation}" if open_ones else ""
        for name in _OF_INPUTS:
            yield Fact(name, None, f"whether the inputs have moved could not be judged{why}")
        return
    why = f"drifted columns: {', '.join(drifted)}" if drifted else "the inputs as a whole have drifted"
    still, whole = "no input column drifted", "the inputs as a whole have not moved"
    yield Fact(FactName.INPUTS_MOVED, moved, why if moved else whole, drifted if moved else ())
    partly = bool(drifted) and not moved
    yield Fact(FactName.INPUTS_PARTLY, partly, why if drifted else still, drifted if partly else ())
    yield Fact(FactName.INPUTS_STILL, not drifted and not moved, why if drifted or moved else still)
    importance = found.evidence.importance
    if importance or not drifted:
        matters = bool(drifted) and matter(drifted, importance)
        yield Fact(
            FactName.INPUTS_MATTER, matters, f"the model uses {', '.join(drifted)}" if matters else still, drifted
        )
    yield Fact(FactName.SEVERAL_MOVED, len(drifted) > 1, why if drifted else still, drifted)


def _drifted(judged: Sequence[Check]) -> tuple[str, ...]:
    """Return the columns that drifted, the farthest out first; several monitors may watch one: it is named once."""
    farthest: dict[str, float] = {}
    for check in judged:
        if check.verdict is Verdict.BREACH and check.column is not None:
            out = (check.value or 0.0) / check.threshold if check.threshold else 0.0
            farthest[check.column] = max(out, farthest.get(check.column, 0.0))
    return tuple(_ranked(farthest.items()))


def _ranked(items: Iterable[tuple[str, float]]) -> list[str]:
    return [name for name, _ in sorted(items, key=lambda item: (-item[1], item[0]))]


def _is_open(overall: Check) -> bool:
    """Return whether inputs without an alarm may have moved all the same.

    What lies far out may wait for a window that counts. And an alarm of drift alone has to be rare; beside answers that
    got worse, a window that is one in a hundred is no proof that the inputs stood still. One that is not as rare is,
    also where a column lies a little beyond a short reference.
    """
    p_value = overall.detail.get("p_value")
    if p_value is None:
        return overall.verdict is Verdict.INCONCLUSIVE
    return overall.verdict is not Verdict.BREACH and p_value <= _RARE


def _all_moved(overall: Check) -> bool:
    """Return whether the alarm is about so many columns that the inputs as a whole have moved."""
    share, needed = overall.detail.get("share"), overall.detail.get("drift_share")
    return overall.verdict is Verdict.BREACH and (share is None or needed is None or share >= needed)
