"""What others found: an alert of Alertmanager, a failed job, a person's word, told as a check, so that it makes a case.

A check from outside has no version and no value. While its alert fires, its window is the moment it began; once it is
resolved, the window reaches to its end and is OK. So a repeat folds to nothing, and recovery needs no second path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Severity, Verdict
from trimtab.monitoring.check import Check, Window
from trimtab.remediation.family import FROM_OUTSIDE
from trimtab.remediation.kinds import Family

__all__ = ["NO_MODEL", "OutsideAlert", "check_of", "ended_job", "family_named", "persons_word"]

NO_MODEL = "-platform-"
"""Model and endpoint of a case that is about neither; no model can be called so."""

_TEXT_CHARS = 500
_FAMILY_LABELS = ("trimtab_family", "family")
_OF_THE_SERVER = "trimtab-serving"


@dataclass(frozen=True, slots=True)
class OutsideAlert:
    """An alert of somebody else's. ``fingerprint`` tells it from others of its ``name``; ``ends_us`` once resolved.

    ``model`` and ``endpoint`` are what the sender calls them, None where it names none.
    """

    name: str
    fingerprint: str
    firing: bool
    starts_us: int
    ends_us: int | None
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    model: str | None = None
    endpoint: str | None = None
    severity: Severity = Severity.MEDIUM

    @property
    def summary(self) -> str:
        """What it says, in one line."""
        told = self.annotations.get("summary") or self.annotations.get("description") or self.name
        return _one_line(told)


def check_of(alert: OutsideAlert, *, model: str, endpoint: str) -> Check:
    """Return ``alert`` as a check of an endpoint of ``model``: BREACH while it fires, OK once it is resolved.

    Where it fires, its end is not read: Alertmanager writes the year 1 there.
    """
    # An alert that ends with the microsecond it began has to end later than its breach, or it never recovers.
    end_us = alert.starts_us if alert.firing else max(alert.ends_us or 0, alert.starts_us + 1)
    name = _one_line(alert.name)
    return _check(
        name,
        _Place(model, endpoint, family_named(alert.labels, has_endpoint=alert.endpoint is not None)),
        Window(alert.starts_us, end_us),
        is_wrong=alert.firing,
        severity=alert.severity,
        explanation=alert.summary if alert.summary == name else f"{name}: {alert.summary}",
        detail={
            "told_by": "alert",
            "fingerprint": alert.fingerprint,
            "labels": {_one_line(label): _one_line(value) for label, value in sorted(alert.labels.items())},
        },
    )


def ended_job(
    kind: str, *, model: str, endpoint: str, at_us: int, error: str | None, job_id: str, severity: Severity
) -> Check:
    """Return how a job of ``kind`` (``training``) ended at ``at_us`` as a check: BREACH with an ``error``, else OK.

    All jobs of a kind are one thing: the next that ends well shows that it works again.
    """
    told = f"{kind} failed: {_one_line(error)}" if error is not None else f"{kind} ended well"
    return _check(
        kind,
        _Place(model, endpoint, Family.PIPELINE),
        Window(at_us, at_us),
        is_wrong=error is not None,
        severity=severity,
        explanation=told,
        detail={"told_by": "job", "job_id": job_id},
    )


def persons_word(
    title: str, *, model: str, endpoint: str, at_us: int, by: str, report_id: str, family: Family, severity: Severity
) -> Check:
    """Return what a person says is wrong as a check. Nothing measures it, so it never recovers: a person closes it."""
    return _check(
        by,
        _Place(model, endpoint, family),
        Window(at_us, at_us),
        is_wrong=True,
        severity=severity,
        explanation=_one_line(title),
        detail={"told_by": "person", "fingerprint": report_id},
    )


@dataclass(frozen=True, slots=True)
class _Place:
    model: str
    endpoint: str
    family: Family


def _check(
    monitor: str,
    place: _Place,
    window: Window,
    *,
    is_wrong: bool,
    severity: Severity,
    explanation: str,
    detail: JsonObject,
) -> Check:
    return Check(
        monitor=monitor,
        kind=FROM_OUTSIDE,
        model=place.model,
        endpoint=place.endpoint,
        variant="",
        model_version=0,
        column=None,
        window=window,
        value=None,
        threshold=None,
        effect=None,
        verdict=Verdict.BREACH if is_wrong else Verdict.OK,
        severity=severity,
        explanation=explanation,
        detail={"family": place.family.value, **detail},
    )


def family_named(labels: Mapping[str, str], *, has_endpoint: bool) -> Family:
    """Return what an alert is about, by its labels.

    The label ``trimtab_family`` says it. Else an alert of a feed (``source``) is about the model's data, one of a
    monitor about the pipeline, one of an endpoint or of the inference server about the service, any other about the
    pipeline.

    >>> family_named({"source": "lab"}, has_endpoint=True)
    <Family.MODEL: 'model'>
    >>> family_named({"job": "nightly-export"}, has_endpoint=False)
    <Family.PIPELINE: 'pipeline'>
    """
    for label in _FAMILY_LABELS:
        if labels.get(label) in set(Family):
            return Family(labels[label])
    if labels.get("source"):
        return Family.MODEL
    if "monitor" in labels:
        return Family.PIPELINE
    return Family.SERVICE if has_endpoint or labels.get("job") == _OF_THE_SERVER else Family.PIPELINE


def _one_line(text: str) -> str:
    """Return printable text of at most 500 characters: it goes into titles, messages and terminals."""
    flat = "".join(char if char.isprintable() else " " for char in text).strip()
    return flat if len(flat) <= _TEXT_CHARS else flat[: _TEXT_CHARS - 1] + "…"
