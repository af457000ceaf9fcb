"""Cases: what breached of one family at an endpoint of a model, from the first breach until all have recovered."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from trimtab.core.clock import to_micros
from trimtab.core.enums import Severity, Verdict
from trimtab.core.errors import IllegalTransitionError
from trimtab.core.wording import counted
from trimtab.monitoring.check import Check
from trimtab.remediation.alerts import Alert
from trimtab.remediation.diagnosis import Diagnosis
from trimtab.remediation.family import FROM_OUTSIDE
from trimtab.remediation.joined import MOST_FROM_OUTSIDE, Joined, Signal, joined, opened_again
from trimtab.remediation.kinds import DiagnosisKind, Family, Level
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


class IncidentState(StrEnum):
    """Where a case stands.

    MITIGATING: open, and something that is to help has begun. RESOLVED: all recovered, may be re-opened. CLOSED: a
    person has put it away.
    """

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
class Incident:
    """A case. ``signals`` keep their order of appearance; ``alerts`` are ids of attached alerts.

    ``told_us`` is when people were last told of it, ``told_severity`` how loud it was then. ``asked`` says about which
    diagnoses the policy was asked since the case was opened (again), each with the highest level that it had then.
    ``beyond`` are marks of alerts that fire beyond those that it keeps one by one; of ``alerts`` it keeps the newest.
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
    reopened_us: int | None = None
    asked: Mapping[DiagnosisKind, Level] = field(default_factory=dict)
    beyond: frozenset[str] = frozenset()

    @property
    def evidence(self) -> tuple[Check, ...]:
        """The newest breach of everything that breached since it was opened, or opened again."""
        return tuple(signal.check for signal in self.signals if not signal.past)

    @property
    def unrecovered(self) -> tuple[Check, ...]:
        """The newest breach of what is still wrong, or not known to be right again."""
        return tuple(signal.check for signal in self.signals if signal.recovered_us is None)

    @property
    def since_us(self) -> int:
        """When it was opened, or was opened again for the last time: what was done before did not end it."""
        return self.opened_us if self.reopened_us is None else self.reopened_us

    @property
    def right_since_us(self) -> int | None:
        """From when on all that breached is known to be right; None while some of it is not."""
        moments = [signal.right_since_us for signal in self.signals]
        known = [moment for moment in moments if moment is not None]
        return max(known) if known and len(known) == len(moments) else None

    @property
    def loudest(self) -> Severity:
        """The highest severity among its breaches."""
        return max((check.severity for check in self.evidence), key=lambda severity: severity.rank)

    @property
    def loudness(self) -> Severity:
        """The highest severity among what is still wrong; of a case in which nothing is, as it was."""
        return max((check.severity for check in self.unrecovered or self.evidence), key=lambda severity: severity.rank)

    def is_news(self, diagnosis: Diagnosis) -> bool:
        """Whether the policy was not asked yet about this class of trouble, or only while it was less bad."""
        before = self.asked.get(diagnosis.kind)
        return before is None or diagnosis.level.rank > before.rank

    def asked_about(self, diagnosis: Diagnosis) -> Incident:
        """Return the case with what the policy has been asked about; a level once reached stays."""
        if not self.is_news(diagnosis):
            return self
        return dataclasses.replace(self, asked={**self.asked, diagnosis.kind: diagnosis.level})

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

    Who closes a case puts away what they have seen: what was still wrong then opens another case only where most of its
    window lies after that.
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
    attached = dataclasses.replace(incident, alerts=(*incident.alerts, alert.id)[-MOST_FROM_OUTSIDE:])
    return attached.noted(alert.at_us, _ACTOR, f"alert: {alert.title}")


def with_diagnosis(incident: Incident, diagnosis: Diagnosis, *, now: datetime) -> Incident:
    """Return the case with a diagnosis; a changed class or set of columns is noted in the timeline."""
    before = incident.diagnosis
    diagnosed = dataclasses.replace(
        incident, diagnosis=diagnosis, title=_shortened(f"{incident.endpoint}: {diagnosis.title}")
    )
    if before is not None and (before.kind, set(before.columns)) == (diagnosis.kind, set(diagnosis.columns)):
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
    found = joined(Joined(), breaches)
    first = max(found.signals, key=lambda signal: signal.check.severity.rank).check
    opened = Incident(
        id=new_id,
        model=first.model,
        endpoint=first.endpoint,
        state=IncidentState.OPEN,
        title=_shortened(f"{first.endpoint}: {first.explanation}"),
        opened_us=to_micros(now),
        signals=found.signals,
        beyond=found.beyond,
        family=family,
    )
    return IncidentChange(ChangeKind.OPENED, opened.noted(to_micros(now), _ACTOR, "opened", _told(breaches)))


def _reopened(incident: Incident, breaches: Mapping[SignalKey, Check], now: datetime) -> IncidentChange:
    found, at_us = opened_again(Joined(incident.signals, incident.beyond), breaches), to_micros(now)
    again = dataclasses.replace(
        incident,
        state=IncidentState.OPEN,
        closed_us=None,
        signals=found.signals,
        beyond=found.beyond,
        reopened_us=at_us,
        asked={},
    )
    return IncidentChange(ChangeKind.REOPENED, again.noted(at_us, _ACTOR, "re-opened", _told(breaches)))


def _updated(incident: Incident, news: Mapping[SignalKey, Check], now: datetime) -> IncidentChange:
    before = Joined(incident.signals, incident.beyond)
    merged = joined(before, news)
    if merged == before:
        return IncidentChange(ChangeKind.NONE, incident)
    changed = dataclasses.replace(incident, signals=merged.signals, beyond=merged.beyond)
    after = _with_notes(changed, before, to_micros(now))
    if merged.recovered:
        resolved = dataclasses.replace(after, state=IncidentState.RESOLVED, closed_us=to_micros(now))
        count = len(after.evidence)
        why = f"{'what breached is' if count == 1 else f'all of {count} breaches are'} ok in a later window"
        return IncidentChange(ChangeKind.RECOVERED, resolved.noted(to_micros(now), _ACTOR, "recovered", why))
    return IncidentChange(ChangeKind.UPDATED, after)


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
    fresh = {key: check for key, check in breaches.items() if check.window.end_us > until_us[key]}
    if incident.state is not IncidentState.CLOSED or incident.closed_us is None:
        return fresh
    put_away = {key_of(check) for check in incident.unrecovered if check.kind != FROM_OUTSIDE}
    return {
        key: check
        for key, check in fresh.items()
        if key not in put_away or check.window.start_us + check.window.end_us >= 2 * incident.closed_us
    }


def _with_notes(incident: Incident, before: Joined, at_us: int) -> Incident:
    earlier = {signal.key: signal for signal in before.signals}
    noted = incident
    for signal in incident.signals:
        old = earlier.get(signal.key)
        if old is None:
            noted = noted.noted(at_us, _ACTOR, f"joined: {signal.key.label}", signal.check.explanation)
        elif old.recovered_us is None and signal.recovered_us is not None:
            noted = noted.noted(at_us, _ACTOR, f"ok again: {signal.key.label}")
        elif old.recovered_us is not None and signal.recovered_us is None:
            noted = noted.noted(at_us, _ACTOR, f"breached again: {signal.key.label}", signal.check.explanation)
    if incident.beyond != before.beyond:
        what = f"{counted(len(incident.beyond), 'alert')} more than the {MOST_FROM_OUTSIDE} worst fire"
        noted = noted.noted(at_us, _ACTOR, what if len(incident.beyond) != 1 else f"{what}s")
    return noted


def _told(breaches: Mapping[SignalKey, Check]) -> str:
    told = [check.explanation for check in breaches.values()]
    # A storm opens a case with hundreds at once, and each of them stands in the case itself.
    more = [f"and {len(told) - _MOST_TOLD} more"] if len(told) > _MOST_TOLD else []
    return "; ".join([*told[:_MOST_TOLD], *more])


def _shortened(title: str) -> str:
    return title if len(title) <= _TITLE_CHARS else title[: _TITLE_CHARS - 1] + "…"
