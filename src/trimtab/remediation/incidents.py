"""Cases: what breached of one family at an endpoint of a model, from the first breach until all have recovered."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from trimtab.core.clock import to_micros
from trimtab.core.enums import Severity, Verdict
from trimtab.core.errors import IllegalTransitionError
from trimtab.monitoring.check import Check
from trimtab.remediation.alerts import Alert
from trimtab.remediation.diagnosis import Diagnosis
from trimtab.remediation.family import FROM_OUTSIDE
from trimtab.remediation.kinds import Family
from trimtab.remediation.signals import SignalKey, key_of, worst_by_key

__all__ = [
    "ChangeKind",
    "Incident",
    "IncidentChange",
    "IncidentState",
    "Signal",
    "TimelineEntry",
    "attach_alert",
    "close",
    "fold",
    "mitigate",
    "with_diagnosis",
]

_TITLE_CHARS = 200
_TIMELINE_ENTRIES = 500
_MOST_TOLD = 10
_ACTOR = "trimtab"
_REOPENED = "re-opened"


class IncidentState(StrEnum):
    """Where a case stands. RESOLVED: all recovered, may be re-opened. CLOSED: a person has put it away."""

    OPEN = "open"
    MITIGATING = "mitigating"
    RESOLVED = "resolved"
    CLOSED = "closed"

    @property
    def is_open(self) -> bool:
        """Whether something is still wrong."""
        return self in {IncidentState.OPEN, IncidentState.MITIGATING}


class ChangeKind(StrEnum):
    """What a batch of checks did to a case."""

    NONE = "none"
    OPENED = "opened"
    REOPENED = "reopened"
    UPDATED = "updated"
    RECOVERED = "recovered"


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """Something that happened to a case: when, by whom, what, and why."""

    at_us: int
    actor: str
    what: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Signal:
    """One thing that breached. ``check`` is its newest breach; ``recovered_us`` ends the window that was OK again."""

    first_us: int
    check: Check
    recovered_us: int | None = None

    @property
    def key(self) -> SignalKey:
        """What it is about."""
        return key_of(self.check)


@dataclass(frozen=True, slots=True)
class Incident:
    """A case. ``signals`` keep their order of appearance; ``alerts`` are ids of attached alerts.

    ``told_us`` is when people were last told of it, ``told_severity`` how loud it was then.
    """

    id: str
    model: str
    endpoint: str
    state: IncidentState
    title: str
    opened_us: int
    signals: tuple[Signal, ...]
    closed_us: int | None = None
    alerts: tuple[str, ...] = ()
    timeline: tuple[TimelineEntry, ...] = ()
    diagnosis: Diagnosis | None = None
    version: int = 1
    told_us: int | None = None
    told_severity: Severity | None = None
    family: Family = Family.MODEL

    @property
    def evidence(self) -> tuple[Check, ...]:
        """The newest breach of everything that breached."""
        return tuple(signal.check for signal in self.signals)

    @property
    def unrecovered(self) -> tuple[Check, ...]:
        """The newest breach of what is still wrong, or not known to be right again."""
        return tuple(signal.check for signal in self.signals if signal.recovered_us is None)

    @property
    def since_us(self) -> int:
        """When it was opened, or was opened again for the last time: what was done before did not end it."""
        again = (entry.at_us for entry in reversed(self.timeline) if entry.what == _REOPENED)
        return next(again, self.opened_us)

    @property
    def loudest(self) -> Severity:
        """The highest severity among its breaches."""
        return max((check.severity for check in self.evidence), key=lambda severity: severity.rank)

    @property
    def loudness(self) -> Severity:
        """The highest severity among what is still wrong; of a case in which nothing is, as it was."""
        return max((check.severity for check in self.unrecovered or self.evidence), key=lambda severity: severity.rank)

    def noted(self, at_us: int, actor: str, what: str, why: str = "") -> Incident:
        """Return the case with one more entry in its timeline, of which the newest 500 are kept."""
        entries = (*self.timeline, TimelineEntry(at_us, actor, what, why))[-_TIMELINE_ENTRIES:]
        return dataclasses.replace(self, timeline=entries)


@dataclass(frozen=True, slots=True)
class IncidentChange:
    """What `fold` made of a case; ``incident`` is None when there is none."""

    kind: ChangeKind
    incident: Incident | None


def fold(
    incident: Incident | None,
    checks: Sequence[Check],
    *,
    now: datetime,
    new_id: str,
    reopen_within: timedelta = timedelta(hours=1),
    family: Family = Family.MODEL,
) -> IncidentChange:
    """Take checks of one model, endpoint and ``family`` into its case: the open one, or else the latest one.

    A breach opens a case or joins the open one; what is only part of a monitor's alarm (not `Check.opens`) counts while
    that monitor has a breach that opens one. The case recovers when each thing that breached is OK, in every
    variant, in a window that ends later than that of its last breach; INCONCLUSIVE holds. A breach of something that
    the latest case was about, within ``reopen_within`` of its recovery, re-opens that case. ``new_id`` is for a case
    that is opened. Folding the same checks again changes nothing.
    """
    news = worst_by_key(checks)
    news = _within_alarms(news, incident if incident is not None and incident.state.is_open else None)
    breaches = {key: check for key, check in news.items() if check.verdict is Verdict.BREACH}
    if incident is None:
        return _opened(breaches, now, new_id, family) if breaches else IncidentChange(ChangeKind.NONE, None)
    if incident.state.is_open:
        return _updated(incident, news, now)
    fresh = _fresh(incident, breaches)
    if not fresh:
        return IncidentChange(ChangeKind.NONE, incident)
    known = {signal.key for signal in incident.signals}
    recent = incident.closed_us is not None and to_micros(now - reopen_within) <= incident.closed_us
    if incident.state is IncidentState.RESOLVED and recent and known & set(fresh):
        return _reopened(incident, fresh, now)
    return _opened(fresh, now, new_id, family)


def attach_alert(incident: Incident, alert: Alert) -> Incident:
    """Return the case with ``alert`` among its evidence; unchanged when it is there already."""
    if alert.id in incident.alerts:
        return incident
    attached = dataclasses.replace(incident, alerts=(*incident.alerts, alert.id))
    return attached.noted(alert.at_us, _ACTOR, f"alert: {alert.title}")


def with_diagnosis(incident: Incident, diagnosis: Diagnosis, *, now: datetime) -> Incident:
    """Return the case with a diagnosis; a changed class or set of columns is noted in the timeline."""
    before = incident.diagnosis
    diagnosed = dataclasses.replace(
        incident, diagnosis=diagnosis, title=_shortened(f"{incident.endpoint}: {diagnosis.title}")
    )
    if before is not None and (before.kind, before.columns) == (diagnosis.kind, diagnosis.columns):
        return diagnosed
    return diagnosed.noted(to_micros(now), _ACTOR, f"diagnosed: {diagnosis.title}", diagnosis.explanation)


def mitigate(incident: Incident, *, now: datetime, actor: str, what: str, why: str = "") -> Incident:
    """Return the case with an action under way.

    Raises:
        IllegalTransitionError: it is not open any more.
    """
    _require_open(incident)
    return dataclasses.replace(incident, state=IncidentState.MITIGATING).noted(to_micros(now), actor, what, why)


def close(incident: Incident, *, now: datetime, actor: str, why: str) -> Incident:
    """Return the case put away by a person, recovered or not.

    Raises:
        IllegalTransitionError: it is closed already.
    """
    if incident.state is IncidentState.CLOSED:
        raise IllegalTransitionError(f"incident {incident.id}: is closed already; nothing is left to do")
    at_us = to_micros(now)
    closed_us = at_us if incident.closed_us is None else incident.closed_us
    return dataclasses.replace(incident, state=IncidentState.CLOSED, closed_us=closed_us).noted(
        at_us, actor, "closed", why
    )


def _require_open(incident: Incident) -> None:
    if not incident.state.is_open:
        raise IllegalTransitionError(
            f"incident {incident.id}: is {incident.state}, not open; nothing is to be mitigated"
        )


def _opened(breaches: Mapping[SignalKey, Check], now: datetime, new_id: str, family: Family) -> IncidentChange:
    signals = tuple(_signal(check) for check in breaches.values())
    first = max(signals, key=lambda signal: signal.check.severity.rank).check
    opened = Incident(
        id=new_id,
        model=first.model,
        endpoint=first.endpoint,
        state=IncidentState.OPEN,
        title=_shortened(f"{first.endpoint}: {first.explanation}"),
        opened_us=to_micros(now),
        signals=signals,
        family=family,
    )
    return IncidentChange(ChangeKind.OPENED, opened.noted(to_micros(now), _ACTOR, "opened", _told(breaches)))


def _reopened(incident: Incident, breaches: Mapping[SignalKey, Check], now: datetime) -> IncidentChange:
    signals = _merged(incident.signals, breaches)
    again = dataclasses.replace(incident, state=IncidentState.OPEN, closed_us=None, signals=signals)
    return IncidentChange(ChangeKind.REOPENED, again.noted(to_micros(now), _ACTOR, _REOPENED, _told(breaches)))


def _updated(incident: Incident, news: Mapping[SignalKey, Check], now: datetime) -> IncidentChange:
    merged = _merged(incident.signals, news)
    if merged == incident.signals:
        return IncidentChange(ChangeKind.NONE, incident)
    after = _with_notes(dataclasses.replace(incident, signals=merged), incident.signals, to_micros(now))
    if all(signal.recovered_us is not None for signal in merged):
        resolved = dataclasses.replace(after, state=IncidentState.RESOLVED, closed_us=to_micros(now))
        why = f"all of {len(merged)} breaches are ok in a later window"
        return IncidentChange(ChangeKind.RECOVERED, resolved.noted(to_micros(now), _ACTOR, "recovered", why))
    return IncidentChange(ChangeKind.UPDATED, after)


def _merged(signals: tuple[Signal, ...], news: Mapping[SignalKey, Check]) -> tuple[Signal, ...]:
    known = {signal.key for signal in signals}
    joined = [_signal(check) for key, check in news.items() if key not in known and check.verdict is Verdict.BREACH]
    return (*(_after(signal, news.get(signal.key)) for signal in signals), *joined)


def _after(signal: Signal, check: Check | None) -> Signal:
    if check is None or check.window.end_us <= max(signal.check.window.end_us, signal.recovered_us or 0):
        return signal
    if check.verdict is Verdict.BREACH:
        return Signal(first_us=signal.first_us, check=check)
    if check.verdict is Verdict.OK and signal.recovered_us is None:
        return dataclasses.replace(signal, recovered_us=check.window.end_us)
    return signal


def _within_alarms(news: Mapping[SignalKey, Check], incident: Incident | None) -> dict[SignalKey, Check]:
    """Leave out breaches that are part of an alarm which their monitor does not raise."""
    standing = [] if incident is None else incident.unrecovered
    alarmed = {check.monitor for check in (*news.values(), *standing) if check.opens and _breached(check)}
    return {
        key: check for key, check in news.items() if check.opens or not _breached(check) or check.monitor in alarmed
    }


def _breached(check: Check) -> bool:
    return check.verdict is Verdict.BREACH


def _fresh(incident: Incident, breaches: Mapping[SignalKey, Check]) -> dict[SignalKey, Check]:
    """Leave out breaches of windows that the case has seen the end of."""
    seen_us = {signal.key: max(signal.check.window.end_us, signal.recovered_us or 0) for signal in incident.signals}
    last_us = max(seen_us.values(), default=0)
    # One from outside begins when it begins: a window of ours that ended later says nothing of it.
    until_us = {key: seen_us.get(key, -1) if key.kind == FROM_OUTSIDE else last_us for key in breaches}
    return {key: check for key, check in breaches.items() if check.window.end_us > until_us[key]}


def _with_notes(incident: Incident, before: tuple[Signal, ...], at_us: int) -> Incident:
    earlier = {signal.key: signal for signal in before}
    noted = incident
    for signal in incident.signals:
        old = earlier.get(signal.key)
        if old is None:
            noted = noted.noted(at_us, _ACTOR, f"joined: {signal.key.label}", signal.check.explanation)
        elif old.recovered_us is None and signal.recovered_us is not None:
            noted = noted.noted(at_us, _ACTOR, f"ok again: {signal.key.label}")
        elif old.recovered_us is not None and signal.recovered_us is None:
            noted = noted.noted(at_us, _ACTOR, f"breached again: {signal.key.label}", signal.check.explanation)
    return noted


def _signal(check: Check) -> Signal:
    return Signal(first_us=check.window.start_us, check=check)


def _told(breaches: Mapping[SignalKey, Check]) -> str:
    told = [check.explanation for check in breaches.values()]
    # A storm opens a case with hundreds at once, and each of them stands in the case itself.
    more = [f"and {len(told) - _MOST_TOLD} more"] if len(told) > _MOST_TOLD else []
    return "; ".join([*told[:_MOST_TOLD], *more])


def _shortened(title: str) -> str:
    return title if len(title) <= _TITLE_CHARS else title[: _TITLE_CHARS - 1] + "…"
