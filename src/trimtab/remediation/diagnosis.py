"""Names what is behind an incident, how bad it is, and what speaks for and against it. It rather says "unknown"."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from trimtab.core.canonical import JsonObject
from trimtab.core.clock import from_micros
from trimtab.core.enums import Severity, Verdict
from trimtab.core.errors import DataContractError
from trimtab.monitoring.cause import Cause, CauseKind
from trimtab.monitoring.check import Check
from trimtab.remediation.alerts import Alert
from trimtab.remediation.signals import worst_by_key

__all__ = ["Diagnosis", "DiagnosisKind", "Evidence", "RecentRollout", "SeverityPart", "diagnose"]

_DRIFT, _QUALITY, _DATA_QUALITY = ("data_drift", "plain_drift"), "model_quality", "data_quality"
_MANY_COLUMNS = 0.5


class DiagnosisKind(StrEnum):
    """What an incident is."""

    UNIT_CHANGE = "unit_change"
    COVARIATE_DRIFT = "covariate_drift"
    CONCEPT_DRIFT = "concept_drift"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RecentRollout:
    """A version that went out lately, and when."""

    at_us: int
    candidate: int
    phase: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a diagnosis rests on: the run's checks (all verdicts), and what happened around them.

    ``affected_row_share`` is the share of recent rows that the trouble touches, 0..1, None when not known.
    """

    checks: tuple[Check, ...]
    alerts: tuple[Alert, ...] = ()
    rollouts: tuple[RecentRollout, ...] = ()
    affected_row_share: float | None = None


@dataclass(frozen=True, slots=True)
class SeverityPart:
    """One part of the severity: ``value`` 0..1, counted with ``weight``."""

    name: str
    weight: float
    value: float
    why: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What it is, how bad (``severity`` 0..1, the weighted mean of ``parts``), and why.

    ``factor`` is what values of ``columns`` were multiplied by (unit change); ``since_us`` the moment it began.
    """

    kind: DiagnosisKind
    severity: float
    parts: tuple[SeverityPart, ...]
    columns: tuple[str, ...]
    factor: float | None
    since_us: int | None
    evidence_for: tuple[str, ...]
    evidence_against: tuple[str, ...]
    explanation: str

    @property
    def title(self) -> str:
        """The diagnosis in a few words."""
        words = self.kind.value.replace("_", " ") if self.kind is not DiagnosisKind.UNKNOWN else "cause unknown"
        return f"{words} ({', '.join(self.columns[:5])})" if self.columns else words

    def to_json(self) -> JsonObject:
        """Return the diagnosis as JSON."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_json(content: Any) -> Diagnosis:
        """Return the diagnosis that `to_json` wrote.

        Raises:
            DataContractError: a field is missing, unknown or of no known value.
        """
        try:
            fields = dict(content)
            fields["kind"] = DiagnosisKind(fields["kind"])
            fields["parts"] = tuple(SeverityPart(**part) for part in fields["parts"])
            for name in ("columns", "evidence_for", "evidence_against"):
                fields[name] = tuple(fields[name])
            return Diagnosis(**fields)
        except (KeyError, TypeError, ValueError) as error:
            raise DataContractError(f"diagnosis: {error}; expected the fields of a diagnosis; write it anew") from error


class _Inputs(StrEnum):
    MOVED = "moved"
    PARTLY = "partly"
    STILL = "still"
    UNKNOWN = "unknown"


def diagnose(evidence: Evidence) -> Diagnosis:
    """Name the class of an incident from its evidence; pure and deterministic.

    A unit change is named when a drifted column fits a known conversion, or fits a constant factor and data quality or
    the contract blames the same column. Covariate drift is a breach of model quality while the inputs as a whole have
    moved; concept drift one while they have not, and no release explains it. Everything else is unknown.
    """
    found = _Findings.of(evidence)
    changed = tuple(cause for cause in found.causes if cause.kind is CauseKind.UNIT_CHANGE)
    believed = tuple(cause for cause in changed if cause.known_unit is not None or found.backing(cause.column))
    if believed:
        return _unit_change(found, believed)
    if found.quality_breaches and found.inputs is _Inputs.MOVED:
        return _covariate_drift(found)
    if found.quality_breaches and found.inputs in {_Inputs.STILL, _Inputs.PARTLY} and not found.releases:
        return _concept_drift(found)
    return _unknown(found, changed)


@dataclass(frozen=True, slots=True)
class _Findings:
    evidence: Evidence
    breaches: tuple[Check, ...]
    causes: tuple[Cause, ...]
    inputs: _Inputs
    drifted: tuple[str, ...]
    quality_breaches: tuple[Check, ...]
    releases: tuple[RecentRollout, ...]

    @staticmethod
    def of(evidence: Evidence) -> _Findings:
        checks = tuple(worst_by_key(evidence.checks).values())
        breaches = tuple(check for check in checks if check.verdict is Verdict.BREACH)
        quality = tuple(check for check in breaches if check.kind == _QUALITY)
        inputs, drifted = _inputs_of(checks)
        begin_us = min((check.window.start_us for check in quality), default=0)
        releases = tuple(one for one in evidence.rollouts if one.phase == "promoted" and one.at_us >= begin_us)
        return _Findings(evidence, breaches, _causes_of(breaches), inputs, drifted, quality, releases)

    def backing(self, column: str) -> tuple[str, ...]:
        """Return what else, beside the drift of its values, blames ``column``."""
        checks = (check for check in self.breaches if check.kind == _DATA_QUALITY and check.column == column)
        rows = sum(alert.rows_blamed_on(column) for alert in self.evidence.alerts)
        told = (f"the contract quarantined {rows} rows for {column}",) if rows else ()
        return (*(check.explanation for check in checks), *told)

    def severity(self) -> tuple[float, tuple[SeverityPart, ...]]:
        parts = tuple(part for part in (self._loudness(), self._excess(), self._reach()) if part is not None)
        weight = sum(part.weight for part in parts)
        score = sum(part.weight * part.value for part in parts) / weight if weight else 0.0
        return round(min(1.0, max(0.0, score)), 4), parts

    def _loudness(self) -> SeverityPart | None:
        if not self.breaches:
            return None
        loudest = max(self.breaches, key=lambda check: check.severity.rank)
        share = loudest.severity.rank / (len(Severity) - 1)
        return SeverityPart("loudness", 0.4, share, f"{loudest.monitor} is of severity {loudest.severity}")

    def _excess(self) -> SeverityPart | None:
        known = [(_excess_of(check), check) for check in self.breaches if check.value is not None and check.threshold]
        if not known:
            return None
        excess, check = max(known, key=lambda pair: pair[0])
        return SeverityPart("excess", 0.3, excess, f"{check.monitor}: {check.value:.4g} against {check.threshold:.4g}")

    def _reach(self) -> SeverityPart | None:
        share = self.evidence.affected_row_share
        if share is None:
            share = max((cause.since_row_share for cause in self.causes), default=None)
        if share is None:
            return None
        return SeverityPart("reach", 0.3, min(1.0, max(0.0, share)), f"{share:.0%} of the rows are affected")


def _unit_change(found: _Findings, causes: tuple[Cause, ...]) -> Diagnosis:
    first = causes[0]
    columns = tuple(dict.fromkeys(cause.column for cause in causes))
    backing = tuple(reason for column in columns for reason in found.backing(column))
    speaks_for = (*(cause.explanation for cause in causes), *backing)
    others = tuple(column for column in found.drifted if column not in columns)
    against = [] if backing else ["neither data quality nor the contract blames the column; the conversion alone does"]
    if others:
        against.append(f"other columns drifted too: {', '.join(others)}")
    since_us = _earliest(causes)
    moment = f" since {from_micros(since_us).isoformat(timespec='seconds')}" if since_us is not None else ""
    unit = f" ({first.known_unit})" if first.known_unit else ""
    times = f" × {first.factor:.4g}" if first.factor is not None else ""
    explanation = f"{', '.join(columns)} arrives in another unit{moment}: values{times}{unit}"
    return _diagnosis(
        found, DiagnosisKind.UNIT_CHANGE, columns, speaks_for, tuple(against), explanation, since_us, first.factor
    )


def _covariate_drift(found: _Findings) -> Diagnosis:
    speaks_for = (*(check.explanation for check in found.quality_breaches), _moved_in_words(found))
    against = tuple(_release_in_words(release) for release in found.releases)
    explanation = "the inputs have moved to where the model knows little, and its quality fell"
    return _diagnosis(found, DiagnosisKind.COVARIATE_DRIFT, found.drifted, speaks_for, against, explanation)


def _concept_drift(found: _Findings) -> Diagnosis:
    still = found.inputs is _Inputs.STILL
    why = "no input column drifted" if still else "the inputs as a whole have not moved"
    against = () if still else (_moved_in_words(found),)
    explanation = f"quality fell, though {why}: what the inputs mean for the target has changed"
    speaks_for = (*(check.explanation for check in found.quality_breaches), why)
    return _diagnosis(found, DiagnosisKind.CONCEPT_DRIFT, found.drifted, speaks_for, against, explanation)


def _unknown(found: _Findings, changed: tuple[Cause, ...]) -> Diagnosis:
    if found.quality_breaches and found.releases:
        explanation = "quality fell after a release, which may be the reason, and the inputs don't tell"
    elif found.quality_breaches:
        explanation = "quality fell, but whether the inputs have moved could not be judged"
    elif found.drifted:
        explanation = "inputs have moved, but no breach of quality shows that it matters, and no simple cause fits"
    else:
        explanation = "the breaches fit none of the known classes"
    against = (
        *(f"{cause.column}: fits a constant factor, but nothing else says so" for cause in changed),
        *(_release_in_words(release) for release in found.releases),
    )
    columns = tuple(dict.fromkeys(check.column for check in found.breaches if check.column is not None))
    speaks_for = tuple(check.explanation for check in found.breaches)
    return _diagnosis(found, DiagnosisKind.UNKNOWN, columns, speaks_for, against, explanation)


def _diagnosis(
    found: _Findings,
    kind: DiagnosisKind,
    columns: tuple[str, ...],
    speaks_for: tuple[str, ...],
    against: tuple[str, ...],
    explanation: str,
    since_us: int | None = None,
    factor: float | None = None,
) -> Diagnosis:
    severity, parts = found.severity()
    if since_us is None:
        relevant = [cause for cause in found.causes if cause.column in columns]
        since_us = _earliest(relevant) if relevant else None
    if since_us is None:
        since_us = min((check.window.start_us for check in found.breaches), default=None)
    return Diagnosis(kind, severity, parts, columns, factor, since_us, speaks_for, against, explanation)


def _inputs_of(checks: tuple[Check, ...]) -> tuple[_Inputs, tuple[str, ...]]:
    drift = [check for check in checks if check.kind in _DRIFT and not (check.column or "").startswith("@")]
    judged = [check for check in drift if check.column is not None and check.verdict is not Verdict.INCONCLUSIVE]
    breached = [str(check.column) for check in judged if check.verdict is Verdict.BREACH]
    # Several drift monitors may watch one column: it is named once.
    drifted = tuple(dict.fromkeys(breached))
    overall = [check for check in drift if check.column is None]
    if any(_all_moved(check) for check in overall) or (
        not overall and judged and len(breached) / len(judged) >= _MANY_COLUMNS
    ):
        return _Inputs.MOVED, drifted
    if drifted:
        return _Inputs.PARTLY, drifted
    return (_Inputs.STILL if judged else _Inputs.UNKNOWN), ()


def _all_moved(overall: Check) -> bool:
    """Return whether the alarm is about so many columns that the inputs as a whole have moved."""
    share, needed = overall.detail.get("share"), overall.detail.get("drift_share")
    return overall.verdict is Verdict.BREACH and (share is None or needed is None or share >= needed)


def _causes_of(breaches: tuple[Check, ...]) -> tuple[Cause, ...]:
    found: dict[tuple[CauseKind, str], Cause] = {}
    for check in breaches:
        for content in check.detail.get("causes", ()):
            cause = Cause.from_json(content)
            found.setdefault((cause.kind, cause.column), cause)
    return tuple(found.values())


def _excess_of(check: Check) -> float:
    """How far the value lies beyond its threshold, as a share of it, at most 1."""
    value, threshold = check.value or 0.0, check.threshold or 0.0
    return min(1.0, abs(value - threshold) / abs(threshold)) if threshold else 1.0


def _earliest(causes: tuple[Cause, ...] | list[Cause]) -> int | None:
    return min((cause.since_us for cause in causes if cause.since_us is not None), default=None)


def _moved_in_words(found: _Findings) -> str:
    return f"drifted columns: {', '.join(found.drifted)}" if found.drifted else "the inputs as a whole have drifted"


def _release_in_words(release: RecentRollout) -> str:
    moment = from_micros(release.at_us).isoformat(timespec="seconds")
    return f"version {release.candidate} was released at {moment}, within the window"
