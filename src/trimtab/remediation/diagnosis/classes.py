"""The classes of trouble in order of causation: what each needs to be so, and what it explains.

The first whose needs hold, and that nothing excludes, is the diagnosis. The table in docs/remediation.md is this one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from trimtab.monitoring.check import Check
from trimtab.remediation.diagnosis.fact import FactName, Need, denied, said, unsaid
from trimtab.remediation.diagnosis.findings import DATA_QUALITY, DRIFT, ESTIMATE, FAIRNESS, QUALITY
from trimtab.remediation.diagnosis.said_outside import says
from trimtab.remediation.family import FROM_OUTSIDE
from trimtab.remediation.kinds import DiagnosisKind, Family

__all__ = ["CLASSES", "DATA_CLASSES", "TroubleClass"]

_F = FactName
_EFFECTS = frozenset({QUALITY, ESTIMATE, FAIRNESS, "prediction_drift", "attribution_drift", "business"})
_SERVICE = frozenset({"latency", "errors"})

DATA_CLASSES = frozenset({DiagnosisKind.DATA_OUTAGE, DiagnosisKind.UNIT_CHANGE, DiagnosisKind.UPSTREAM_SCHEMA_CHANGE})
"""What is wrong with the data that come: of two such, the one with more rows is the diagnosis, the other is told."""


@dataclass(frozen=True, slots=True)
class TroubleClass:
    """One class. ``needs`` must hold; a class among ``after`` that fits, or ``unless``, drops it.

    While ``suspect`` holds and ``needs`` are not known, none of ``holds_back`` is named: that would be a guess.
    ``explains`` are the kinds of checks whose breaches follow from it, ``by_alert`` the facts that alerts tell of.
    """

    kind: DiagnosisKind
    families: frozenset[Family]
    needs: Need
    explains: frozenset[str]
    by_alert: frozenset[FactName] = frozenset()
    after: frozenset[DiagnosisKind] = frozenset()
    unless: Need | None = None
    suspect: Need | None = None
    holds_back: frozenset[DiagnosisKind] = frozenset()
    columns: tuple[FactName, ...] = ()
    supports: tuple[FactName, ...] = field(default=())

    def accounts_for(self, check: Check) -> bool:
        """Return whether a breach of ``check`` follows from this class."""
        return says(check) in self.by_alert if check.kind == FROM_OUTSIDE else check.kind in self.explains


def _any(*names: FactName) -> Need:
    need = said(names[0])
    for name in names[1:]:
        need = need | said(name)
    return need


_MODEL = frozenset({Family.MODEL})
_DATA = DRIFT | {DATA_QUALITY} | _EFFECTS
_EMPTY = (_F.VOLUME_NONE, _F.VOLUME_LOW, _F.COLUMN_EMPTY, _F.COLUMN_STUCK, _F.FEED_STOPPED)
_OTHER_SHAPE = (_F.SWAPPED, _F.NEW_VALUES, _F.CONTRACT_BROKEN, _F.DUPLICATED, _F.REQUESTS_REFUSED)
_NOT_BROKEN_DATA = DATA_CLASSES | {DiagnosisKind.BAD_RELEASE}
_NOTHING_THAT_MATTERS_MOVED = said(_F.INPUTS_STILL) | (said(_F.INPUTS_PARTLY) & denied(_F.INPUTS_MATTER))
_WORSE = _any(_F.QUALITY_FELL, _F.LATENCY_UP, _F.ERRORS_UP)

CLASSES: tuple[TroubleClass, ...] = (
    TroubleClass(
        DiagnosisKind.DATA_OUTAGE,
        _MODEL,
        needs=_any(*_EMPTY),
        unless=said(_F.REQUESTS_REFUSED) & unsaid(_F.COLUMN_EMPTY) & unsaid(_F.COLUMN_STUCK) & unsaid(_F.FEED_STOPPED),
        explains=_DATA,
        by_alert=frozenset({_F.FEED_STOPPED}),
        columns=(_F.COLUMN_EMPTY, _F.COLUMN_STUCK),
    ),
    TroubleClass(
        DiagnosisKind.UNIT_CHANGE,
        _MODEL,
        needs=said(_F.UNIT),
        unless=said(_F.VOLUME_NONE),
        explains=_DATA,
        columns=(_F.UNIT,),
    ),
    TroubleClass(
        DiagnosisKind.UPSTREAM_SCHEMA_CHANGE,
        frozenset({Family.MODEL, Family.SERVICE}),
        needs=_any(*_OTHER_SHAPE),
        explains=_DATA | {"errors"},
        columns=_OTHER_SHAPE,
    ),
    TroubleClass(
        DiagnosisKind.PIPELINE_FAILURE,
        frozenset({Family.PIPELINE, Family.SERVICE}),
        needs=_any(_F.JOB_FAILED, _F.TARGET_DOWN, _F.PART_STUCK),
        explains=_SERVICE,
        by_alert=frozenset({_F.JOB_FAILED, _F.TARGET_DOWN, _F.PART_STUCK, _F.ERRORS_UP, _F.LATENCY_UP}),
    ),
    TroubleClass(
        DiagnosisKind.BAD_RELEASE,
        frozenset({Family.MODEL, Family.SERVICE}),
        needs=said(_F.RELEASED_BEFORE) & _WORSE & said(_F.ONLY_NEW_VERSION),
        after=DATA_CLASSES,
        explains=_EFFECTS | _SERVICE,
        by_alert=frozenset({_F.ERRORS_UP, _F.LATENCY_UP}),
        suspect=said(_F.RELEASED_BEFORE) & _WORSE,
        holds_back=frozenset(
            {
                DiagnosisKind.LATENCY,
                DiagnosisKind.LABEL_PROBLEM,
                DiagnosisKind.STALE_MODEL,
                DiagnosisKind.CONCEPT_DRIFT,
            }
        ),
    ),
    TroubleClass(
        DiagnosisKind.LATENCY,
        frozenset({Family.SERVICE}),
        needs=_any(_F.LATENCY_UP, _F.ERRORS_UP, _F.SHED),
        after=frozenset({DiagnosisKind.BAD_RELEASE, DiagnosisKind.PIPELINE_FAILURE}),
        explains=_SERVICE | {DATA_QUALITY},
        by_alert=frozenset({_F.LATENCY_UP, _F.ERRORS_UP, _F.SHED, _F.FEATURE_SOURCE_SLOW}),
        supports=(_F.REQUESTS_UP, _F.SHED, _F.FEATURE_SOURCE_SLOW),
    ),
    TroubleClass(
        DiagnosisKind.LABEL_PROBLEM,
        _MODEL,
        needs=(
            said(_F.QUALITY_FELL)
            & ((said(_F.LABELS_MIRRORED) & _NOTHING_THAT_MATTERS_MOVED) | _any(_F.LABELS_FEWER, _F.LABELS_LATE))
        )
        | said(_F.LABELS_MISSING),
        after=_NOT_BROKEN_DATA,
        unless=said(_F.ESTIMATE_FELL),
        explains=frozenset({QUALITY, FAIRNESS, "business"}),
        columns=(_F.QUALITY_FELL_IN_SEGMENTS,),
    ),
    TroubleClass(
        DiagnosisKind.FAIRNESS_REGRESSION,
        _MODEL,
        needs=said(_F.GAP_WIDENED),
        after=DATA_CLASSES,
        unless=said(_F.QUALITY_FELL),
        explains=frozenset({FAIRNESS, QUALITY}),
        columns=(_F.GAP_WIDENED,),
        supports=(_F.QUALITY_FELL_IN_SEGMENTS,),
    ),
    TroubleClass(
        DiagnosisKind.STALE_MODEL,
        _MODEL,
        needs=said(_F.QUALITY_FELL) & said(_F.FELL_SLOWLY) & said(_F.CHAMPION_OLD) & said(_F.TWIN_WOULD_GAIN),
        after=_NOT_BROKEN_DATA | {DiagnosisKind.LABEL_PROBLEM},
        unless=said(_F.FELL_AT_ONCE),
        explains=DRIFT | _EFFECTS,
        columns=(_F.INPUTS_MOVED, _F.INPUTS_PARTLY),
    ),
    TroubleClass(
        DiagnosisKind.COVARIATE_DRIFT,
        _MODEL,
        needs=(said(_F.INPUTS_MOVED) | (said(_F.INPUTS_MATTER) & _any(_F.SEVERAL_MOVED, _F.ESTIMATE_FELL)))
        & _any(_F.QUALITY_FELL, _F.ESTIMATE_FELL),
        after=_NOT_BROKEN_DATA | {DiagnosisKind.LABEL_PROBLEM},
        unless=denied(_F.QUALITY_FELL),
        explains=DRIFT | _EFFECTS,
        columns=(_F.INPUTS_MOVED, _F.INPUTS_PARTLY),
        supports=(_F.TWIN_WOULD_GAIN,),
    ),
    TroubleClass(
        DiagnosisKind.CONCEPT_DRIFT,
        _MODEL,
        needs=said(_F.QUALITY_FELL) & _any(_F.INPUTS_STILL, _F.INPUTS_PARTLY),
        after=_NOT_BROKEN_DATA | {DiagnosisKind.LABEL_PROBLEM},
        unless=said(_F.INPUTS_MATTER),
        explains=DRIFT | _EFFECTS,
        columns=(_F.INPUTS_PARTLY,),
        supports=(_F.TWIN_WOULD_GAIN, _F.FELL_AT_ONCE, _F.FELL_SLOWLY),
    ),
)
"""All classes but ``unknown``, in order of causation."""
