"""Tells a verdict in sentences that a person on call can act on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from trimtab.core.clock import from_micros
from trimtab.core.wording import shortened
from trimtab.remediation.diagnosis.classes import TroubleClass
from trimtab.remediation.diagnosis.fact import Fact, FactName, Facts
from trimtab.remediation.diagnosis.findings import Findings
from trimtab.remediation.diagnosis.fitting import Verdict, columns_of, lacking_in_words
from trimtab.remediation.diagnosis.release_facts import release_in_words
from trimtab.remediation.family import FROM_OUTSIDE
from trimtab.remediation.kinds import DiagnosisKind, Family

__all__ = ["against", "called", "explanation_of", "speaks_for"]

_F = FactName
_CALLED_CHARS = 100


def explanation_of(found: Findings, facts: Facts, verdict: Verdict) -> str:
    """Return in one sentence what it is, or why it cannot be said."""
    if verdict.chosen is None:
        return verdict.why or _unknown(found, facts)
    return _EXPLAINED[verdict.chosen.kind](found, facts, verdict.chosen)


def called(found: Findings) -> str:
    """Return what the loudest of those from outside says, in its own words; "" where monitors alone tell of it."""
    told = sorted(
        (check for check in found.breaches if check.kind == FROM_OUTSIDE),
        key=lambda check: (-check.severity.rank, check.window.start_us),
    )
    if not told:
        return f"{found.evidence.unlisted} alerts that are not listed one by one" if found.evidence.unlisted else ""
    words = shortened(told[0].explanation, _CALLED_CHARS)
    more = len(told) - 1 + found.evidence.unlisted
    return f"{words}, and {more} more" if more else words


def speaks_for(found: Findings, facts: Facts, verdict: Verdict) -> tuple[str, ...]:
    """Return what bears the diagnosis out; of an unknown one, what breached."""
    if verdict.chosen is None:
        return tuple(check.explanation for check in found.breaches)
    telling = [*verdict.chosen.needs.telling(facts), *(facts[name] for name in verdict.chosen.supports)]
    lines = [fact.why for fact in telling if fact.holds]
    lines += [reason for column in columns_of(verdict.chosen, facts) for reason in found.backing(column)]
    for rule in verdict.also:
        also = "; ".join(fact.why for fact in rule.needs.telling(facts))
        lines.append(f"also {rule.kind.value.replace('_', ' ')}: {also}")
    return tuple(dict.fromkeys(lines))


def against(found: Findings, facts: Facts, verdict: Verdict) -> tuple[str, ...]:
    """Return what speaks against it, or leaves a doubt."""
    lines: list[str] = []
    kind = None if verdict.chosen is None else verdict.chosen.kind
    columns = () if verdict.chosen is None else columns_of(verdict.chosen, facts)
    if kind is DiagnosisKind.UNIT_CHANGE and not any(found.backing(column) for column in columns):
        lines.append("neither data quality nor the contract blames the column; the conversion alone does")
    elif not facts[_F.UNIT].holds and "constant factor" in facts[_F.UNIT].why:
        lines.append(facts[_F.UNIT].why)
    lines += _drift_beside(facts, kind, columns)
    if kind is not DiagnosisKind.BAD_RELEASE and facts[_F.RELEASED_BEFORE].holds:
        lines.append(facts[_F.RELEASED_BEFORE].why)
    elif kind is None:
        lines += [release_in_words(one) for one in found.evidence.rollouts[-1:] if not facts[_F.RELEASED_BEFORE].holds]
    for change in sorted(found.evidence.config_changes, key=lambda one: (one.at_us, one.what)):
        moment = from_micros(change.at_us).isoformat(timespec="minutes")
        lines.append(f"the configuration was changed at {moment}: {change.what}")
    lines += [
        f"not {one.rule.kind.value.replace('_', ' ')}: {one.dropped}"
        for one in verdict.fits
        if one.answer and one.dropped is not None and one.rule.kind is not kind
    ]
    if kind is None:
        lines += lacking_in_words(verdict, facts)
    return tuple(dict.fromkeys(lines))


def _drift_beside(facts: Facts, kind: DiagnosisKind | None, columns: tuple[str, ...]) -> list[str]:
    drifted = (*facts[_F.INPUTS_MOVED].columns, *facts[_F.INPUTS_PARTLY].columns)
    if kind is DiagnosisKind.CONCEPT_DRIFT:
        return [f"drifted columns: {', '.join(drifted)}"] if drifted else []
    if kind in {DiagnosisKind.UNIT_CHANGE, DiagnosisKind.DATA_OUTAGE, DiagnosisKind.UPSTREAM_SCHEMA_CHANGE}:
        others = [column for column in dict.fromkeys(drifted) if column not in columns]
        return [f"other columns drifted too: {', '.join(others)}"] if others else []
    return []


def _since(fact: Fact) -> str:
    return "" if fact.since_us is None else f" since {from_micros(fact.since_us).isoformat(timespec='seconds')}"


def _outage(_found: Findings, facts: Facts, rule: TroubleClass) -> str:
    for name, words in (
        (_F.VOLUME_NONE, "no rows came"),
        (_F.FEED_STOPPED, "a feed has stopped"),
        (_F.VOLUME_LOW, "far fewer rows came than usual"),
    ):
        if facts[name].holds:
            return f"{words}{_since(facts[name])}: {facts[name].why}"
    columns = ", ".join(columns_of(rule, facts))
    fact = facts[_F.COLUMN_EMPTY] if facts[_F.COLUMN_EMPTY].holds else facts[_F.COLUMN_STUCK]
    how = "lacks values" if fact.name is _F.COLUMN_EMPTY else "arrives with one and the same value"
    return f"{columns or 'a column'} {how}{_since(fact)}: {fact.why}"


def _unit_change(found: Findings, facts: Facts, _rule: TroubleClass) -> str:
    fact = facts[_F.UNIT]
    known = next(
        (cause.known_unit for cause in found.causes if cause.column in fact.columns and cause.known_unit), None
    )
    unit = f" ({known})" if known else ""
    times = f" × {fact.factor:.4g}" if fact.factor is not None else ""
    return f"{', '.join(fact.columns)} arrives in another unit{_since(fact)}: values{times}{unit}"


def _schema(_found: Findings, facts: Facts, rule: TroubleClass) -> str:
    fact = next(fact for fact in rule.needs.telling(facts))
    words = {
        _F.SWAPPED: "has the values of another column",
        _F.NEW_VALUES: "has values that nobody knew",
        _F.CONTRACT_BROKEN: "does not come as the contract says",
        _F.DUPLICATED: "rows come more than once",
        _F.REQUESTS_REFUSED: "requests are not as was agreed, and are refused",
    }[fact.name]
    columns = ", ".join(fact.columns)
    # The others' words go on from the columns; these are a sentence of their own.
    between = {_F.DUPLICATED: None, _F.REQUESTS_REFUSED: ": "}.get(fact.name, " ")
    subject = f"{columns}{between}" if columns and between is not None else ""
    return f"{subject}{words}{_since(fact)}: {fact.why}"


def _pipeline(_found: Findings, facts: Facts, rule: TroubleClass) -> str:
    return "; ".join(fact.why for fact in rule.needs.telling(facts))


def _bad_release(_found: Findings, facts: Facts, _rule: TroubleClass) -> str:
    worse = next(facts[name] for name in (_F.QUALITY_FELL, _F.ERRORS_UP, _F.LATENCY_UP) if facts[name].holds)
    return f"{facts[_F.RELEASED_BEFORE].why}, and only it does worse: {worse.why}"


def _latency(_found: Findings, facts: Facts, _rule: TroubleClass) -> str:
    worse = next(facts[name] for name in (_F.ERRORS_UP, _F.LATENCY_UP, _F.SHED) if facts[name].holds)
    if facts[_F.REQUESTS_UP].holds or facts[_F.SHED].holds:
        more = facts[_F.REQUESTS_UP] if facts[_F.REQUESTS_UP].holds else facts[_F.SHED]
        return f"the service is saturated ({more.why}): {worse.why}"
    if facts[_F.FEATURE_SOURCE_SLOW].holds:
        return f"a source of features is slow ({facts[_F.FEATURE_SOURCE_SLOW].why}): {worse.why}"
    return f"answers are {'slow' if worse.name is _F.LATENCY_UP else 'missing'}, and nothing says why: {worse.why}"


def _labels(_found: Findings, facts: Facts, _rule: TroubleClass) -> str:
    names = (_F.LABELS_MIRRORED, _F.LABELS_LATE, _F.LABELS_MISSING, _F.LABELS_FEWER)
    why = next(facts[name] for name in names if facts[name].holds)
    if why.name is _F.LABELS_MISSING or (why.name is _F.LABELS_LATE and not facts[_F.QUALITY_FELL].holds):
        return f"outcomes do not come as they should, so that quality is not known: {why.why}"
    words = {
        _F.LABELS_MIRRORED: "the outcomes say the opposite of what they should",
        _F.LABELS_FEWER: "fewer outcomes come than usual, and those are no fair sample",
        _F.LABELS_LATE: "outcomes come later than usual",
    }[why.name]
    return f"{words}, so that the fall of quality may be none: {why.why}"


def _fairness(_found: Findings, facts: Facts, _rule: TroubleClass) -> str:
    return f"groups are treated less alike, while quality as a whole is well: {facts[_F.GAP_WIDENED].why}"


def _stale(_found: Findings, facts: Facts, _rule: TroubleClass) -> str:
    return f"the model has aged: {facts[_F.FELL_SLOWLY].why}; {facts[_F.CHAMPION_OLD].why}"


def _covariate(_found: Findings, facts: Facts, _rule: TroubleClass) -> str:
    if facts[_F.QUALITY_FELL].holds:
        return "the inputs have moved to where the model knows little, and its quality fell"
    return "the inputs have moved to where the model is less sure, and its quality is estimated to have fallen"


def _concept(_found: Findings, facts: Facts, _rule: TroubleClass) -> str:
    still = facts[_F.INPUTS_STILL].holds
    why = "no input column drifted" if still else "the inputs as a whole have not moved"
    return f"quality fell, though {why}: what the inputs mean for the target has changed"


def _unknown(found: Findings, facts: Facts) -> str:
    if found.evidence.family is not Family.MODEL:
        what = "the service" if found.evidence.family is Family.SERVICE else "the pipeline"
        told = called(found) or "; ".join(check.explanation for check in found.breaches[:3])
        return f"what is wrong with {what} fits none of the known classes: {told}" if told else _OVER
    if facts[_F.QUALITY_FELL].holds and facts[_F.INPUTS_MATTER].holds:
        moved = ", ".join(facts[_F.INPUTS_MATTER].columns)
        return f"quality fell, and {moved} moved alone: either its sender has changed something, or the world has"
    if facts[_F.QUALITY_FELL].holds:
        return "quality fell, but whether the inputs have moved could not be judged"
    if facts[_F.INPUTS_MOVED].columns or facts[_F.INPUTS_PARTLY].columns:
        return "inputs have moved, but no breach of quality shows that it matters, and no simple cause fits"
    if told := called(found):
        return f"what was told fits none of the known classes: {told}"
    told = "; ".join(check.explanation for check in found.breaches[:3])
    return f"what breached fits none of the known classes: {told}" if told else _OVER


_OVER = "nothing is in breach any more"
_EXPLAINED: Mapping[DiagnosisKind, Callable[[Findings, Facts, TroubleClass], str]] = {
    DiagnosisKind.DATA_OUTAGE: _outage,
    DiagnosisKind.UNIT_CHANGE: _unit_change,
    DiagnosisKind.UPSTREAM_SCHEMA_CHANGE: _schema,
    DiagnosisKind.PIPELINE_FAILURE: _pipeline,
    DiagnosisKind.BAD_RELEASE: _bad_release,
    DiagnosisKind.LATENCY: _latency,
    DiagnosisKind.LABEL_PROBLEM: _labels,
    DiagnosisKind.FAIRNESS_REGRESSION: _fairness,
    DiagnosisKind.STALE_MODEL: _stale,
    DiagnosisKind.COVARIATE_DRIFT: _covariate,
    DiagnosisKind.CONCEPT_DRIFT: _concept,
}
