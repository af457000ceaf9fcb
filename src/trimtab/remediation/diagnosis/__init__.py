"""Names what is behind an incident, how bad it is, and what speaks for and against it. It rather says "unknown"."""

from __future__ import annotations

import dataclasses

from trimtab.remediation.diagnosis.data_facts import data_facts
from trimtab.remediation.diagnosis.evidence import ConfigChange, Evidence, Ledger, RecentRollout, Traffic
from trimtab.remediation.diagnosis.fact import Fact, FactName, Facts
from trimtab.remediation.diagnosis.findings import Findings
from trimtab.remediation.diagnosis.fitting import Verdict, columns_of, fit
from trimtab.remediation.diagnosis.label_facts import label_facts
from trimtab.remediation.diagnosis.lasting import goes_on, still
from trimtab.remediation.diagnosis.quality_facts import quality_facts
from trimtab.remediation.diagnosis.release_facts import release_facts
from trimtab.remediation.diagnosis.service_facts import service_facts
from trimtab.remediation.diagnosis.severity import SeverityPart, severity_of
from trimtab.remediation.diagnosis.telling import against, called, explanation_of, speaks_for
from trimtab.remediation.diagnosis.told import Diagnosis
from trimtab.remediation.kinds import DiagnosisKind

__all__ = [
    "ConfigChange",
    "Diagnosis",
    "Evidence",
    "Fact",
    "FactName",
    "Ledger",
    "RecentRollout",
    "SeverityPart",
    "Traffic",
    "diagnose",
]


def diagnose(evidence: Evidence, before: Diagnosis | None = None) -> Diagnosis:
    """Name the class of a case from its evidence; pure, deterministic, and whatever the order of the checks.

    Facts are made of the evidence first, each true, false or not known. The first class in order of causation whose
    needs hold is the diagnosis, unless something nearer to the cause may hold that is not known, or the loudest breach
    does not follow from it: then it is unknown, and the diagnosis says what would settle it.

    ``before`` is the diagnosis that this case had: where data were broken, and all that is wrong now follows from it
    (quality, known late, of rows that came then), that it still is.
    """
    found = Findings.of(evidence)
    facts = _facts_of(found)
    verdict = fit(found, facts)
    severity, parts = severity_of(found, facts)
    if before is not None and goes_on(found, verdict, before):
        return dataclasses.replace(still(found, before), severity=severity, parts=parts)
    columns = _columns(found, facts, verdict)
    return Diagnosis(
        kind=DiagnosisKind.UNKNOWN if verdict.chosen is None else verdict.chosen.kind,
        severity=severity,
        parts=parts,
        columns=columns,
        factor=facts[FactName.UNIT].factor if _is_unit(verdict) else None,
        since_us=_since(found, facts, verdict, columns),
        evidence_for=speaks_for(found, facts, verdict),
        evidence_against=against(found, facts, verdict),
        explanation=explanation_of(found, facts, verdict),
        unexplained=() if verdict.chosen is None else tuple(check.explanation for check in verdict.unexplained),
        facts=tuple(fact for fact in facts if fact.holds is not None),
        seen_us=max((check.window.end_us for check in found.breaches), default=None),
        called=called(found),
    )


def _facts_of(found: Findings) -> Facts:
    makers = (data_facts, quality_facts, label_facts, release_facts, service_facts)
    return Facts(fact for maker in makers for fact in maker(found))


def _is_unit(verdict: Verdict) -> bool:
    return verdict.chosen is not None and verdict.chosen.kind is DiagnosisKind.UNIT_CHANGE


def _columns(found: Findings, facts: Facts, verdict: Verdict) -> tuple[str, ...]:
    if verdict.chosen is not None:
        return columns_of(verdict.chosen, facts)
    return tuple(dict.fromkeys(check.column for check in found.breaches if check.column is not None))


def _since(found: Findings, facts: Facts, verdict: Verdict, columns: tuple[str, ...]) -> int | None:
    """Return when it began: as the facts say that the class rests on, or the causes of its columns, or the windows."""
    telling = () if verdict.chosen is None else verdict.chosen.needs.telling(facts)
    of_columns = [cause.since_us for cause in found.causes if cause.column in columns and cause.since_us is not None]
    known = of_columns or [fact.since_us for fact in telling if fact.since_us is not None]
    if not known:
        known = [check.window.start_us for check in found.breaches]
    return min(known, default=None)
