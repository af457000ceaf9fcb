"""Makes units of answered rows: what was drawn at once counts once, in the order of receipt, once it is due."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from trimtab.rollout.block import AnsweredUnit, LossUnit

__all__ = [
    "GRACE_US",
    "AnsweredRows",
    "Units",
    "answered_units",
    "due_rows",
    "first_of_keys",
    "loss_units",
    "means",
    "passed",
    "units_of",
]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Places = NDArray[np.int64]

GRACE_US: Final = 60_000_000
"""How much later than it is due an outcome may reach the lake."""


@dataclass(frozen=True, slots=True)
class AnsweredRows:
    """Rows of two versions, ``(n,)`` each, sorted by receipt, then request.

    ``probability``: of being drawn for the candidate. ``key``: hash of the sticky key, "" where there was none.
    ``labelled_us``: when the outcome was known, 0 where it is not.
    """

    request_id: NDArray[Any]
    received_us: Places
    event_us: Places
    generation: Places
    is_candidate: Flags
    probability: Floats
    key: NDArray[Any]
    labelled_us: Places

    @property
    def known(self) -> Flags:
        """Whether the outcome of a row is known."""
        return self.labelled_us > 0


@dataclass(frozen=True, slots=True)
class Units:
    """Requests, ``(m,)`` each, in the order of their rows; ``of_row`` ``(n,)`` says which one a row belongs to.

    ``labelled``: of all its rows the outcome is known; ``due``: of all its rows it should be, if it ever is.
    """

    of_row: Places
    received_us: Places
    generation: Places
    is_candidate: Flags
    probability: Floats
    key: NDArray[Any]
    labelled: Flags
    due: Flags


def due_rows(rows: AnsweredRows, *, label_delay_us: int, now_us: int) -> Flags:
    """Return of which rows the outcome should be known, as it is known ``label_delay_us`` after the event.

    So it is when that much time, and `GRACE_US`, has passed since the receipt; or since the event, as the outcomes tell
    the time: those of events that are told again, fast, come fast, too. An outcome that says it is known in the future
    tells no more than the present does.
    """
    wait_us = label_delay_us + GRACE_US
    told_us = min(int(rows.labelled_us.max(initial=0)), now_us)
    return np.asarray((rows.received_us + wait_us <= now_us) | (rows.event_us + wait_us <= told_us))


def units_of(rows: AnsweredRows, due: Flags) -> Units:
    """Return the requests that rows came in. A request is drawn at once: its rows tell nothing independently."""
    count = len(rows.received_us)
    fresh = np.ones(count, dtype=np.bool_)
    if count:
        same = np.ones(count - 1, dtype=np.bool_)
        # A caller may give several requests one id.
        for column in (rows.received_us, rows.request_id, rows.generation, rows.is_candidate):
            same &= column[1:] == column[:-1]
        fresh[1:] = ~same
    first = np.flatnonzero(fresh)
    return Units(
        of_row=np.cumsum(fresh) - 1,
        received_us=rows.received_us[first],
        generation=rows.generation[first],
        is_candidate=rows.is_candidate[first],
        probability=rows.probability[first],
        key=rows.key[first],
        labelled=_all(rows.known, first),
        due=_all(due, first),
    )


def passed(units: Units, *, after_us: int, settled_us: int) -> tuple[Flags, int]:
    """Return which units have their turn now, and until which time of receipt all have had it.

    Those received after ``settled_us`` wait: of the same time more may still be on the way here.

    They have it in the order of receipt: one whose outcome is open, and not yet due, stops all behind it. For outcomes
    that are known early are not like those that are known late, and the versions may differ in how early.
    """
    ready = units.labelled | units.due | (units.received_us <= after_us)
    stops = np.flatnonzero(~ready)
    end_us = units.received_us[stops[0]] if len(stops) else np.iinfo(np.int64).max
    now = (units.received_us < end_us) & (units.received_us <= settled_us)
    until_us = int(units.received_us[now].max(initial=after_us))
    return now & (units.received_us > after_us), until_us


def first_of_keys(units: Units, counts: Flags) -> Flags:
    """Return of the units that ``counts`` names, the first one of each key and generation; all that bore no key.

    ``units`` holds all of the generation: whether a key was there before is seen from its rows.
    """
    found: Flags = np.asarray(counts & (units.key == ""), dtype=np.bool_)
    keyed = np.flatnonzero(counts & (units.key != ""))
    if len(keyed):
        names = np.rec.fromarrays([units.generation[keyed], units.key[keyed]])
        found[keyed[np.unique(names, return_index=True)[1]]] = True
    return found


def means(values: Floats, units: Units) -> Floats:
    """Return the mean of a value over the rows of each unit ``(m,)``, rows with NaN left out; NaN of nothing.

    A row with an infinity makes its unit's one, which is counted later as what is left out.
    """
    known = ~np.isnan(values)
    count = len(units.received_us)
    sums = np.bincount(units.of_row[known], values[known], minlength=count)
    rows = np.bincount(units.of_row[known], minlength=count)
    return np.asarray(np.divide(sums, rows, out=np.full(count, np.nan), where=rows > 0), dtype=np.float64)


def loss_units(
    units: Units, losses: Mapping[str, Floats], chosen: Flags, *, estimated: bool = False
) -> dict[int, dict[str, tuple[LossUnit, ...]]]:
    """Return the chosen units by generation and metric; ``losses`` are ``(m,)``, a unit with NaN is none of its."""
    found: dict[int, dict[str, tuple[LossUnit, ...]]] = {}
    for metric, values in losses.items():
        for generation in np.unique(units.generation[chosen]):
            places = np.flatnonzero(chosen & (units.generation == generation) & ~np.isnan(values))
            found.setdefault(int(generation), {})[metric] = tuple(
                LossUnit(
                    probability=float(units.probability[place]),
                    is_candidate=bool(units.is_candidate[place]),
                    loss=float(values[place]),
                    estimated=estimated,
                )
                for place in places
            )
    return found


def answered_units(
    units: Units, predictions: Sequence[str | float | None], chosen: Flags
) -> dict[int, tuple[AnsweredUnit, ...]]:
    """Return the chosen units by generation, with what their rows ``(n,)`` were answered; null is left out."""
    ends = np.cumsum(np.bincount(units.of_row, minlength=len(units.received_us)))
    found: dict[int, list[AnsweredUnit]] = {}
    for place in np.flatnonzero(chosen):
        rows = predictions[ends[place - 1] if place else 0 : ends[place]]
        unit = AnsweredUnit(
            probability=float(units.probability[place]),
            is_candidate=bool(units.is_candidate[place]),
            answers=tuple(answer for answer in rows if answer is not None),
        )
        found.setdefault(int(units.generation[place]), []).append(unit)
    return {generation: tuple(of_it) for generation, of_it in found.items()}


def _all(flags: Flags, first: Places) -> Flags:
    return np.logical_and.reduceat(flags, first) if len(first) else np.zeros(0, dtype=np.bool_)
