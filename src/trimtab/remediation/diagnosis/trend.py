"""Whether a value has worsened step by step over windows, or in one step."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from enum import StrEnum

from trimtab.monitoring.check import Check
from trimtab.remediation.signals import key_of

__all__ = ["Course", "course_of", "one_after_another", "values_of"]

_FEWEST, _MOST = 4, 12
_ALPHA = 0.05


class Course(StrEnum):
    """How a value came to be as bad as it is."""

    SLOW = "slow"
    SUDDEN = "sudden"
    UNCLEAR = "unclear"


def values_of(check: Check, history: Iterable[Check]) -> list[float]:
    """Return the values of what ``check`` is about in windows that do not overlap, the oldest first, its own last.

    Windows that were judged again, late, are no part of it: they say what was known later.
    """
    key = key_of(check)
    same = [one for one in history if key_of(one) == key and one.value is not None and not one.is_late]
    return [float(one.value) for one in one_after_another([*same, check]) if one.value is not None]


def one_after_another(checks: Sequence[Check]) -> list[Check]:
    """Return those of ``checks`` whose windows do not overlap, from the newest back, the oldest first."""
    found: list[Check] = []
    for check in sorted(checks, key=lambda one: (-one.window.end_us, -one.model_version, one.variant)):
        if not found or check.window.end_us <= found[-1].window.start_us:
            found.append(check)
    return found[:_MOST][::-1]


def course_of(values: Sequence[float], *, lower_is_worse: bool) -> Course:
    """Return how ``values`` (oldest first) worsened.

    Slow: at least four, worsening by Mann and Kendall's exact one-sided test at 5 % [1]_, and no single step larger
    than half of the whole way. Sudden: one step is. Unclear: too few, or they did not worsen.

    >>> course_of([0.1, 0.2, 0.3, 0.4, 0.5], lower_is_worse=False).value
    'slow'
    >>> course_of([0.8, 0.81, 0.5], lower_is_worse=True).value
    'sudden'

    .. [1] H. B. Mann, "Nonparametric tests against trend", Econometrica 13 (1945).
    """
    sign = -1.0 if lower_is_worse else 1.0
    steps = [sign * (after - before) for before, after in itertools.pairwise(values)]
    whole = sum(steps)
    if not steps or whole <= 0:
        return Course.UNCLEAR
    if max(steps) > whole / 2:
        return Course.SUDDEN
    worsening = [sign * value for value in values]
    return Course.SLOW if len(values) >= _FEWEST and _chance_of_rise(worsening) < _ALPHA else Course.UNCLEAR


def _chance_of_rise(values: Sequence[float]) -> float:
    """Return the chance that values in any order rise at least as steadily; ties count as falls."""
    falls = sum(after <= before for before, after in itertools.combinations(values, 2))
    orders = _orders_by_falls(len(values))
    return sum(orders[: falls + 1]) / sum(orders)


def _orders_by_falls(count: int) -> list[int]:
    """Return how many orders of ``count`` different values have 0, 1, 2, … pairs that fall.

    >>> _orders_by_falls(3)
    [1, 2, 2, 1]
    """
    orders = [1]
    for size in range(2, count + 1):
        longer = [0] * (len(orders) + size - 1)
        for falls, number in enumerate(orders):
            for more in range(size):
                longer[falls + more] += number
        orders = longer
    return orders
