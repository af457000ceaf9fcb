"""Whether numbers name rows instead of measuring something: ids, with gaps, in whichever order."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

__all__ = ["numbering_of"]

_MIN_ROWS = 20
_EXACT = 2.0**53
_SURPRISE = 14.0
"""Of measured values none twice would be so rare: exp(-14), one table in a million."""


def numbering_of(values: pa.Array) -> str | None:
    r"""Return in words why the numbers ``values`` ``(n,)`` name rows; None where they may well measure something.

    They do if all are whole, none stands twice, and that is no accident: of :math:`n` values drawn from the :math:`M`
    that lie between the lowest and the highest in steps of their greatest common divisor, none would stand twice with
    probability of at most :math:`e^{-n(n-1)/2M}` (the birthday problem), so more than `_SURPRISE` is needed in its
    exponent. Nulls are passed over; fewer than 20 numbers say nothing.

    >>> numbering_of(pa.array([37.0 * n for n in range(40)]))
    'all 40 numbers are whole, in steps of 37, and none stands twice, e.g. 0 in row 1'
    >>> numbering_of(pa.array([n / 8 for n in range(40)])), numbering_of(pa.array([n % 39 for n in range(40)]))
    (None, None)
    """
    numbers = np.asarray(values.cast(pa.float64()).drop_null().to_numpy(zero_copy_only=False), dtype=np.float64)
    whole = numbers == np.trunc(numbers)
    if len(numbers) < _MIN_ROWS or not whole.all() or np.abs(numbers).max() >= _EXACT:
        return None
    ordered = np.sort(numbers.astype(np.int64))
    steps = np.diff(ordered)
    if not steps.all():
        return None
    step = int(np.gcd.reduce(steps))
    possible = (int(ordered[-1]) - int(ordered[0])) // step + 1
    if len(numbers) * (len(numbers) - 1) / (2 * possible) < _SURPRISE:
        return None
    in_steps = f", in steps of {step}," if step > 1 else ""
    row = int(np.flatnonzero(values.is_valid().to_numpy(zero_copy_only=False))[0])
    return (
        f"all {len(numbers)} numbers are whole{in_steps} and none stands twice, e.g. {int(numbers[0])} in row {row + 1}"
    )
