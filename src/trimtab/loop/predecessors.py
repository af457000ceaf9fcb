"""Whether the version that served before would do better than the one that took its place."""

from __future__ import annotations

import math

import numpy as np

from trimtab.core.enums import Verdict
from trimtab.core.errors import ConfigError
from trimtab.db.engine import Connection
from trimtab.db.tables import check_result
from trimtab.loop.decision_periods import micros
from trimtab.loop.platform import Platform
from trimtab.monitoring.check import Check
from trimtab.monitoring.store import recent_checks
from trimtab.remediation.action_store import PlannedVerification
from trimtab.remediation.actions import ActionRequest
from trimtab.remediation.impact import newest_quality
from trimtab.retraining.ledger import spread
from trimtab.retraining.loss_store import load_ledger

__all__ = ["would_do_better"]

_LOOKED_THROUGH = 100
"""More than the newest run has of one version's metrics, those of windows that were judged again included."""


def would_do_better(
    connection: Connection,
    platform: Platform,
    request: ActionRequest,
    planned: PlannedVerification,
    after: tuple[Check, ...],
) -> tuple[bool, str]:
    """Return whether what served before the action would do better now, and what that rests on.

    A fresh version that is worse than the old one was a month ago may still be the best there is now: the season has
    changed for both. So the ledger decides, where it has judged both on the same labelled periods since the release:
    the old one must have lost less, Σ (new − old) − √(Σ σ²) > 0 with σ the standard error of a period's sum. Where the
    ledger knows nothing, the release must be what began it: the old version was inside its limits when it was last
    measured, and the new one is outside, and worse. A version that was in trouble itself is nothing to go back to.
    """
    paired = _paired(connection, platform, request, planned)
    if paired is not None:
        return paired
    promised = request.predicted_impact
    if promised is None:
        return False, "nothing was measured that says that the version before would do better"
    check = newest_quality((one for one in after if one.verdict is not Verdict.INCONCLUSIVE), promised.metric)
    if check is None or check.value is None:
        return False, f"{promised.metric} has not been measured on enough rows since"
    sign = 1.0 if promised.higher_is_better else -1.0
    worse = sign * (check.value - promised.now) < 0
    numbers = f"{promised.metric} was {promised.now:.4g} before, and is {check.value:.4g}"
    if worse and check.verdict is Verdict.BREACH:
        doubt = _doubt(connection, request)
        return doubt is None, f"{numbers}, outside its limit{'' if doubt is None else f', but {doubt}'}"
    return False, f"{numbers}: {'inside its limit' if worse else 'no worse'}"


def _doubt(connection: Connection, request: ActionRequest) -> str | None:
    """Return why what served before may be no better; None where its quality was well when it was last measured."""
    old = request.effect.get("instead_of")
    if old is None:
        return "which version served before is not known"
    of_it = (check_result.c.model_version == int(old)) & (check_result.c.kind == "model_quality")
    judged = recent_checks(
        connection,
        request.model,
        _LOOKED_THROUGH,
        endpoint=request.endpoint,
        which=of_it & (check_result.c.verdict != Verdict.INCONCLUSIVE.value),
    )
    present = [one for one in judged if not one.check.is_late and one.check.column is None]
    if not present:
        return f"how good version {old} was is not known"
    last = [one.check for one in present if one.at_us == present[0].at_us]
    broken = next((check for check in last if check.verdict is Verdict.BREACH), None)
    return None if broken is None else f"version {old} was in breach as well: {broken.explanation}"


def _paired(
    connection: Connection, platform: Platform, request: ActionRequest, planned: PlannedVerification
) -> tuple[bool, str] | None:
    """Return what both versions lost on the periods since the release, None where these were not judged."""
    old, new = request.effect.get("instead_of"), planned.params.get("version")
    if old is None or new is None or old == new:
        return None
    try:
        files = platform.files(request.model)
    except ConfigError:
        return None
    ledger = load_ledger(
        connection,
        request.model,
        files.endpoint,
        champion=int(new),
        since_us=request.finished_us or planned.created_us,
        period_us=micros(files.retrain.decision_period(files.model.label_delay)),
    )
    if int(old) not in ledger or int(new) not in ledger:
        return None
    since_us = request.finished_us or planned.created_us
    mine, theirs = ledger[int(new)].answers, ledger[int(old)].answers
    both = [start for start in mine if start in theirs and start >= since_us]
    both = [start for start in both if len(mine[start].blocks) == len(theirs[start].blocks)]
    if not both:
        return None
    gains = [np.array(mine[start].blocks) - np.array(theirs[start].blocks) for start in both]
    saved = sum(float(gain.sum()) for gain in gains)
    lower = saved - math.sqrt(sum(spread(gain) ** 2 for gain in gains))
    rows = sum(mine[start].rows for start in both)
    word = f"version {old} would have lost {abs(saved):.4g} {'less' if saved > 0 else 'more'} on {rows} labelled rows"
    return lower > 0, word
