"""Whether what was found before still explains a case: outcomes come when what befell their rows may be over."""

from __future__ import annotations

import dataclasses

from trimtab.monitoring.check import Check
from trimtab.remediation.diagnosis.classes import CLASSES, DATA_CLASSES
from trimtab.remediation.diagnosis.findings import DATA_QUALITY, DRIFT, Findings
from trimtab.remediation.diagnosis.fitting import Verdict
from trimtab.remediation.diagnosis.told import Diagnosis

__all__ = ["goes_on", "still"]

_OF_COLUMNS = DRIFT | {DATA_QUALITY}


def goes_on(found: Findings, verdict: Verdict, before: Diagnosis) -> bool:
    """Return whether all that is wrong now follows from what was wrong with the data ``before``, in this very case.

    That is so while the windows in breach reach back to when it was last seen, or follow on that, and nothing else is
    found to be wrong with the data. Other columns may join while its own are still off, and are as many: they are told
    besides. Where most that is off is something else, the case is judged anew.
    """
    if before.kind not in DATA_CLASSES or not found.breaches or before.seen_us is None:
        return False
    if verdict.chosen is not None and verdict.chosen.kind in DATA_CLASSES:
        return False
    rule = next(one for one in CLASSES if one.kind is before.kind)
    own = {check.column for check in found.breaches if _is_of_it(check, before)}
    others = {check.column for check in found.breaches if _is_of_another(check, before)}
    return all(
        rule.accounts_for(check) and check.window.start_us <= before.seen_us for check in found.breaches
    ) and len(others) <= len(own)


def still(found: Findings, before: Diagnosis) -> Diagnosis:
    """Return ``before`` as it is now: seen until the end of the last window in which its own columns were still off."""
    ends = [check.window.end_us for check in found.breaches if _is_of_it(check, before)]
    others = tuple(check.explanation for check in found.breaches if _is_of_another(check, before))
    return dataclasses.replace(before, seen_us=max([before.seen_us or 0, *ends]), unexplained=others)


def _is_of_it(check: Check, before: Diagnosis) -> bool:
    return check.kind in _OF_COLUMNS and check.column is not None and check.column in before.columns


def _is_of_another(check: Check, before: Diagnosis) -> bool:
    if check.kind not in _OF_COLUMNS or check.column is None or not before.columns:
        return False
    return check.column not in before.columns
