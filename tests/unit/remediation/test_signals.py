from __future__ import annotations

from dataclasses import replace

from tests.unit.remediation.cases import BREACH, INCONCLUSIVE, OK, quality

from trimtab.remediation.signals import worst_by_key


def test_a_window_judged_again_late_says_nothing_where_a_later_one_was_judged() -> None:
    late = replace(quality(BREACH), detail={"metric": "mape", "late": True})
    (found,) = worst_by_key([late, quality(OK, hour=5)]).values()
    assert found.verdict is OK
    (found,) = worst_by_key([late, quality(INCONCLUSIVE, hour=5, value=None)]).values()
    assert found.verdict is BREACH


def test_other_variants_do_not_speak_for_a_late_window() -> None:
    late = replace(quality(BREACH), detail={"metric": "mape", "late": True})
    (found,) = worst_by_key([late, replace(quality(OK, hour=5), variant="v2")]).values()
    assert found.verdict is BREACH
