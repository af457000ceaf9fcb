"""What alerts from outside say is so: the rules that are shipped by name, anybody's own by a label."""

from __future__ import annotations

from trimtab.core.enums import Verdict
from trimtab.monitoring.check import Check
from trimtab.remediation.diagnosis.fact import Fact, FactName
from trimtab.remediation.diagnosis.findings import Findings
from trimtab.remediation.family import FROM_OUTSIDE

__all__ = ["says", "told_outside"]

_LABEL = "trimtab_says"
_SHIPPED = {
    "TrimtabControlPlaneDown": FactName.TARGET_DOWN,
    "TrimtabServerDown": FactName.TARGET_DOWN,
    "TrimtabRequestsFail": FactName.ERRORS_UP,
    "TrimtabRequestsShed": FactName.SHED,
    "TrimtabSlow": FactName.LATENCY_UP,
    "TrimtabFeedStopped": FactName.FEED_STOPPED,
    "TrimtabRecordingHindered": FactName.PART_STUCK,
    "TrimtabBacklog": FactName.PART_STUCK,
    "TrimtabChecksStopped": FactName.PART_STUCK,
    "TrimtabGivenUp": FactName.PART_STUCK,
    "TrimtabQueueGrows": FactName.PART_STUCK,
}


def says(check: Check) -> FactName | None:
    """Return what a check from outside says is so; None where nobody knows what it means."""
    if check.kind != FROM_OUTSIDE:
        return None
    if check.detail.get("told_by") == "job":
        return FactName.JOB_FAILED
    label = check.detail.get("labels", {}).get(_LABEL)
    if label in set(FactName):
        return FactName(label)
    return _SHIPPED.get(check.monitor)


def told_outside(found: Findings, name: FactName) -> Fact:
    """Return whether an alert says so. That none does tells nothing: perhaps nobody watches it."""
    telling = [check for check in found.of_kind(FROM_OUTSIDE) if says(check) is name]
    firing = [check for check in telling if check.verdict is Verdict.BREACH]
    if firing:
        why = "; ".join(check.explanation for check in firing[:3])
        return Fact(name, True, why, since_us=min(check.window.start_us for check in firing))
    return Fact(name, False if telling else None, "it was resolved" if telling else "no alert says so")
