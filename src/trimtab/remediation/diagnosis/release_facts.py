"""What is so of releases: whether one went out shortly before, and whether only its version is in trouble."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trimtab.core.clock import from_micros
from trimtab.core.enums import Verdict
from trimtab.monitoring.check import Check
from trimtab.remediation.diagnosis.evidence import RecentRollout
from trimtab.remediation.diagnosis.fact import Fact, FactName
from trimtab.remediation.diagnosis.findings import QUALITY, Findings, in_order
from trimtab.remediation.signals import SignalKey, key_of

__all__ = ["release_facts", "release_in_words"]

_RUINED_BY_A_RELEASE = (QUALITY, "latency", "errors")


def release_facts(found: Findings) -> Iterator[Fact]:
    """Yield whether a version was released within the windows that breached or the one before, and how it did."""
    broken = [check for check in found.broken(*_RUINED_BY_A_RELEASE) if check.model_version and not check.is_late]
    if not broken:
        return
    # What matters is what went out before the trouble began, however long it lasts now.
    length_us = max(check.window.end_us - check.window.start_us for check in broken)
    first_us = min(check.window.start_us for check in broken)
    if found.evidence.begun_us is not None:
        first_us = min(first_us, found.evidence.begun_us)
    begin_us, end_us = first_us - length_us, first_us + length_us
    lately = [
        one
        for one in sorted(found.evidence.rollouts, key=lambda one: (one.at_us, one.candidate))
        if begin_us <= one.at_us <= end_us
    ]
    if not lately:
        yield Fact(FactName.RELEASED_BEFORE, False, "no version was released shortly before")
        return
    newest = lately[-1]
    yield Fact(FactName.RELEASED_BEFORE, True, release_in_words(newest), since_us=newest.at_us)
    yield _only_new(found, broken, newest)


def release_in_words(release: RecentRollout) -> str:
    """Return what was released, and when."""
    moment = from_micros(release.at_us).isoformat(timespec="seconds")
    return f"version {release.candidate} was released at {moment}, within the window or the one before"


def _only_new(found: Findings, broken: Sequence[Check], release: RecentRollout) -> Fact:
    """Return whether the version before did well at the same: else it is not the release that broke it."""
    name = FactName.ONLY_NEW_VERSION
    raw = [one for one in found.evidence.checks if one.verdict is Verdict.BREACH and one.kind in _RUINED_BY_A_RELEASE]
    others = sorted({one.model_version for one in raw if one.model_version} - {release.candidate})
    if others:
        return Fact(name, False, f"version {others[0]} is in breach as well")
    last = _last_of_others(found, release.candidate)
    known = [last[key_of(check)] for check in broken if key_of(check) in last]
    if not known and any(_begins_with(check, release) and not _looked_before(found, check) for check in broken):
        why = f"it is in trouble within its first window, and nobody had looked at {_words(release.before)} before"
        return Fact(name, True, why, since_us=release.at_us)
    if not known:
        return Fact(name, None, "how the version before did at the same is not known")
    bad = [check for check in known if check.verdict is Verdict.BREACH]
    if bad:
        return Fact(name, False, f"version {bad[0].model_version} had been in breach before: {bad[0].explanation}")
    well = known[0]
    return Fact(name, True, f"version {well.model_version} did well before: {well.explanation}", since_us=release.at_us)


def _begins_with(check: Check, release: RecentRollout) -> bool:
    return check.window.start_us <= release.at_us <= check.window.end_us


def _looked_before(found: Findings, check: Check) -> bool:
    """Return whether the monitor has looked at another version, with whatever result: then it is not the first."""
    looks = (*found.evidence.history, *found.evidence.checks)
    return any(one.monitor == check.monitor and one.model_version not in {0, check.model_version} for one in looks)


def _words(version: int | None) -> str:
    return "the version before" if version is None else f"version {version}"


def _last_of_others(found: Findings, candidate: int) -> dict[SignalKey, Check]:
    """Return the newest conclusive check of each thing, of the versions that are not the candidate."""
    newest: dict[SignalKey, Check] = {}
    for check in sorted((*found.evidence.history, *found.evidence.checks), key=in_order):
        if check.model_version in {0, candidate} or check.verdict is Verdict.INCONCLUSIVE or check.is_late:
            continue
        key = key_of(check)
        if key not in newest or check.window.end_us > newest[key].window.end_us:
            newest[key] = check
    return newest
