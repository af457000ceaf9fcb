"""Conversions of units that happen to feeds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CONVERSIONS", "Conversion", "conversions_from"]

_LEAST_BLIND_FACTOR = 5.0


@dataclass(frozen=True, slots=True)
class Conversion:
    """What turns a value in unit ``before`` into one in unit ``after``: ``value · factor + offset``."""

    before: str
    after: str
    factor: float
    offset: float = 0.0

    @property
    def label(self) -> str:
        """The conversion for people.

        >>> Conversion("mg/dL", "mmol/L", 1 / 38.67).label
        'mg/dL → mmol/L (÷ 38.67)'
        """
        return f"{self.before} → {self.after} ({self.change})"

    @property
    def change(self) -> str:
        """What befalls the numbers, for people."""
        times = f"× {self.factor:.5g}" if self.factor >= 1 else f"÷ {1 / self.factor:.5g}"
        return f"{times}{f', {self.offset:+.5g}' if self.offset else ''}"

    def undo(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return values in the unit before, of values in the unit after."""
        return np.asarray((values - self.offset) / self.factor, dtype=np.float64)

    def apply(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return values in the unit after, of values in the unit before."""
        return np.asarray(values * self.factor + self.offset, dtype=np.float64)


_PAIRS = (
    Conversion("mg/dL", "mmol/L", 1 / 38.67),  # cholesterol
    Conversion("mg/dL", "mmol/L", 1 / 18.016),  # glucose
    Conversion("mg/dL", "mmol/L", 1 / 88.57),  # triglycerides
    Conversion("mg/dL", "µmol/L", 88.42),  # creatinine
    Conversion("mg/dL", "µmol/L", 17.1),  # bilirubin
    Conversion("mg/dL", "mg/L", 10.0),
    Conversion("g/dL", "g/L", 10.0),
    Conversion("g/dL", "mmol/L", 0.6206),  # haemoglobin
    Conversion("mmHg", "kPa", 0.133322),
    Conversion("mmHg", "cmHg", 0.1),
    Conversion("°F", "°C", 5 / 9, -160 / 9),
    Conversion("°C", "K", 1.0, 273.15),
    Conversion("lb", "kg", 0.45359237),
    Conversion("g", "kg", 0.001),
    Conversion("in", "cm", 2.54),
    Conversion("cm", "mm", 10.0),
    Conversion("m", "cm", 100.0),
    Conversion("ft", "m", 0.3048),
    Conversion("mi", "km", 1.609344),
    Conversion("km", "m", 1000.0),
    Conversion("mph", "km/h", 1.609344),
    Conversion("m/s", "km/h", 3.6),
    Conversion("psi", "kPa", 6.894757),
    Conversion("bar", "kPa", 100.0),
    Conversion("Pa", "hPa", 0.01),
    Conversion("kWh", "MJ", 3.6),
    Conversion("kW", "W", 1000.0),
    Conversion("gal", "L", 3.785412),
    Conversion("L", "mL", 1000.0),
    Conversion("s", "ms", 1000.0),
    Conversion("min", "s", 60.0),
    Conversion("h", "min", 60.0),
    Conversion("d", "h", 24.0),
    Conversion("weeks", "d", 7.0),
    Conversion("years", "months", 12.0),
    Conversion("%", "fraction", 0.01),
)

CONVERSIONS = _PAIRS + tuple(
    Conversion(pair.after, pair.before, 1 / pair.factor, -pair.offset / pair.factor) for pair in _PAIRS
)
"""Known conversions, in both directions."""

_POWERS = tuple(Conversion("unit", f"unit/{10**power}", 10.0**power) for power in (1, 2, 3, 6)) + tuple(
    Conversion("unit", f"unit·{10**power}", 10.0**-power) for power in (1, 2, 3, 6)
)


def conversions_from(unit: str | None) -> tuple[Conversion, ...]:
    """Return the conversions that may befall a column with this unit.

    Powers of ten always may. Of a column whose unit nobody declared, only conversions by a factor of 5 and more are
    returned, and those with an offset: a smaller factor alone could be growth, a factor and an offset together hardly.

    >>> [conversion.after for conversion in conversions_from("mmhg")][:2]
    ['kPa', 'cmHg']
    """
    if unit is not None:
        own = tuple(known for known in CONVERSIONS if _plain(known.before) == _plain(unit))
        return own + tuple(Conversion(unit, power.after.replace("unit", unit), power.factor) for power in _POWERS)
    return tuple(
        known
        for known in CONVERSIONS + _POWERS
        if known.offset or abs(math.log(known.factor)) >= math.log(_LEAST_BLIND_FACTOR)
    )


def _plain(unit: str) -> str:
    return unit.replace(" ", "").replace("μ", "µ").replace("°", "").casefold()
