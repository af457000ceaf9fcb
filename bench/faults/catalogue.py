"""Every fault, by name: what is planted, for how long, and what should become of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from bench.faults import drifts, feeds, labels
from bench.faults.draw import Setting
from bench.faults.expectations import Expectation, expect
from bench.faults.plan import USUAL_MS, Notice, Plan
from bench.faults.releases import Alteration, mirrored, raised

from trimtab.core.enums import Severity
from trimtab.remediation.kinds import DiagnosisKind as Kind

__all__ = ["AFTER", "CATALOGUE", "SOUND_WINDOWS", "SOUND_WORLD", "Fault"]

Planter = Callable[[Setting], Plan]

_LASTS, _SLOWLY = 4, 8
AFTER = 6
"""Windows that are played on behind a fault, for the case to close."""
SOUND_WINDOWS = 25


@dataclass(frozen=True, slots=True, eq=False)
class Fault:
    """A fault of a ``group``. It lasts ``lasts`` windows beside the one that it begins in, unless it never ``ends``."""

    name: str
    group: str
    plan: Planter
    expected: Expectation
    lasts: int = _LASTS
    ends: bool = True

    def for_windows(self, windows: int) -> Fault:
        """Return the fault, played for so many windows altogether."""
        return replace(self, lasts=windows - AFTER - 1)


def _version(
    setting: Setting,
    *,
    alteration: Alteration | None = None,
    slow: bool = False,
    failing: bool = False,
    told: str = "",
) -> Plan:
    """Return that a version goes out which is slow, fails, or answers otherwise."""
    slow_ms, share = float(setting.rng.uniform(400, 1_500)), float(setting.rng.uniform(0.1, 0.5))
    words = [told, f"takes {slow_ms:.0f} ms" if slow else "", f"fails {share:.0%} of the requests" if failing else ""]
    return Plan(
        f"version 2 {' '.join(word for word in words if word)}",
        latency_ms=lambda _moment, version: slow_ms if slow and version > 1 else USUAL_MS,
        failing_share=lambda _moment, version: share if failing and version > 1 else 0.0,
        releases=True,
        alteration=alteration,
    )


def _slow_source(setting: Setting) -> Plan:
    slow_ms = float(setting.rng.uniform(400, 1_500))
    return Plan(
        f"answers take {slow_ms:.0f} ms",
        latency_ms=lambda moment, _version: slow_ms if setting.span.has(moment) else USUAL_MS,
    )


def _aged(setting: Setting, plan: Callable[[Setting], Plan]) -> Plan:
    """Return a slow change under a version that has grown old by the model's own conditions."""
    changed = plan(setting)
    return Plan(changed.drawn, changed.columns, changed.rows, retrain={"when": {"age": {"longer_than": "2d"}}})


_STUCK = ["TrimtabBacklog", "TrimtabGivenUp", "TrimtabQueueGrows", "TrimtabRecordingHindered"]
"""Rules of deploy/prometheus that say that a program around the model does not get on."""


def _notice(_setting: Setting, name: str, labels: dict[str, str], *, model: bool) -> Plan:
    return Plan(f"somebody else's alert {name}", notices=(Notice(name, labels, Severity.HIGH, model),))


def _shifted_answers(setting: Setting) -> Plan:
    share = float(setting.rng.uniform(0.4, 0.6))
    return _version(setting, alteration=raised(share), told=f"answers {share:.0%} more")


def _fault(
    name: str, group: str, plan: Planter, expected: Expectation, lasts: int = _LASTS, ends: bool = True
) -> Fault:
    return Fault(name, group, plan, expected, lasts, ends)


_OUTAGE, _UNIT, _SCHEMA = expect(Kind.DATA_OUTAGE), expect(Kind.UNIT_CHANGE), expect(Kind.UPSTREAM_SCHEMA_CHANGE)
_COVARIATE = expect(Kind.COVARIATE_DRIFT, may_pass=True)
_CONCEPT = expect(Kind.CONCEPT_DRIFT, within=5)
_RELEASE, _LATENCY = expect(Kind.BAD_RELEASE), expect(Kind.LATENCY)
_LABELS, _STALE = expect(Kind.LABEL_PROBLEM), expect(Kind.STALE_MODEL, Kind.CONCEPT_DRIFT, within=_SLOWLY + 2)
_NOTHING = expect()

_ALL = (
    _fault("no-rows", "outage", partial(feeds.silence, low=1.0, high=1.0), _OUTAGE),
    _fault("few-rows", "outage", partial(feeds.silence, low=0.7, high=0.95), _OUTAGE),
    _fault("null-burst", "outage", feeds.nulls, expect(Kind.DATA_OUTAGE, Kind.UPSTREAM_SCHEMA_CHANGE)),
    _fault("stuck-sensor", "outage", feeds.stuck, _OUTAGE),
    _fault("unit-one-column", "unit", feeds.unit, _UNIT),
    _fault("unit-two-columns", "unit", partial(feeds.unit, columns=2), _UNIT),
    _fault("unit-one-sender-of-two", "unit", partial(feeds.unit, share=0.5), _UNIT),
    _fault("unit-with-offset", "unit", feeds.fahrenheit, _UNIT),
    _fault("swapped-columns", "schema", feeds.swapped, _SCHEMA),
    _fault("new-category", "schema", feeds.unknown_category, _SCHEMA),
    _fault(
        "column-absent",
        "schema",
        partial(feeds.misshapen, verb="absent"),
        expect(Kind.UPSTREAM_SCHEMA_CHANGE, Kind.DATA_OUTAGE),
    ),
    _fault("text-in-a-number", "schema", partial(feeds.misshapen, verb="text", word="km"), _SCHEMA),
    _fault("renamed-column", "schema", partial(feeds.misshapen, verb="renamed"), _SCHEMA),
    _fault("doubled-feed", "schema", feeds.doubled, _SCHEMA),
    _fault("subpopulation", "covariate", drifts.subpopulation, _COVARIATE, ends=False),
    _fault("abrupt-shift", "covariate", partial(drifts.shifted, slowly=False), _COVARIATE, ends=False),
    _fault("slow-shift", "covariate", partial(drifts.shifted, slowly=True), _COVARIATE, _SLOWLY, ends=False),
    _fault("turned-effect", "concept", drifts.turned, _CONCEPT, ends=False),
    _fault(
        "slow-turn", "concept", drifts.slow_turn, expect(Kind.CONCEPT_DRIFT, within=_SLOWLY + 2), _SLOWLY, ends=False
    ),
    _fault(
        "one-segment", "concept", drifts.segment_only, expect(Kind.CONCEPT_DRIFT, within=5, may_pass=True), ends=False
    ),
    _fault("wrong-version", "release", partial(_version, alteration=mirrored, told="answers the opposite"), _RELEASE),
    _fault("slow-version", "release", partial(_version, slow=True), _RELEASE),
    _fault("failing-version", "release", partial(_version, failing=True), _RELEASE),
    _fault("shifted-answers", "release", _shifted_answers, _RELEASE),
    _fault("crowd", "service", feeds.crowded, _LATENCY),
    _fault("slow-source", "service", _slow_source, _LATENCY),
    _fault("level", "stale", partial(_aged, plan=drifts.level), _STALE, _SLOWLY, ends=False),
    _fault("ageing", "stale", partial(_aged, plan=drifts.slow_turn), _STALE, _SLOWLY, ends=False),
    _fault("flipped-labels", "labels", labels.flipped, _LABELS),
    _fault("labels-stop", "labels", labels.untold, _LABELS),
    _fault("labels-late", "labels", labels.late, _LABELS),
    _fault("one-group", "fairness", drifts.one_group, expect(Kind.FAIRNESS_REGRESSION)),
    _fault(
        "training-fails",
        "pipeline",
        lambda _setting: Plan("a training dies", training=True),
        expect(Kind.PIPELINE_FAILURE, comes_back=False),
    ),
    _fault(
        "stuck-program",
        "pipeline",
        lambda setting: _notice(setting, setting.one_of(_STUCK), {"trimtab_family": "pipeline"}, model=False),
        expect(Kind.PIPELINE_FAILURE, asks=False),
    ),
    _fault(
        "strange-alert",
        "pipeline",
        partial(_notice, name="CoffeeMachineEmpty", labels={"floor": "2"}, model=True),
        expect(Kind.UNKNOWN),
    ),
    _fault("noise-that-hardly-matters", "decoy", drifts.jitter, _NOTHING),
    _fault("harmless-version", "decoy", partial(_version, alteration=raised(0.002), told="answers alike"), _NOTHING),
)

CATALOGUE: Mapping[str, Fault] = {fault.name: fault for fault in _ALL}
"""Every fault by its name."""

SOUND_WORLD = Fault("nothing", "nothing", lambda _setting: Plan("nothing"), _NOTHING).for_windows(SOUND_WINDOWS)
"""Nothing at all, for as many windows as the score of false actions counts."""
