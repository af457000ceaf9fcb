"""Rows that were answered, with their outcomes as far as they are known: what monitors of quality are given."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.core.canonical import JsonObject
from trimtab.monitoring.check import Window

__all__ = ["AnsweredRows", "ExpectedLosses", "LabelledRows", "PastLabels", "PastRows", "delivered_name"]


def delivered_name(column: str) -> str:
    """Return what ``column`` of delivered tables is called beside the features of a row.

    >>> delivered_name("sex")
    '@delivered.sex'
    """
    return f"@delivered.{column}"


@dataclass(frozen=True, slots=True, eq=False)
class ExpectedLosses:
    """What the bundle's loss model expects of some of the rows, drawn at random: arrays ``(k,)``.

    ``absolute``: |error|, in the target's unit; ``squares``: its square; ``prediction``: what these rows were answered.
    """

    event_us: NDArray[Any]
    absolute: NDArray[np.float64]
    squares: NDArray[np.float64]
    prediction: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class AnsweredRows:
    """Rows that were answered, whatever is known of their outcomes: arrays ``(m,)`` in order of event time.

    All of the window; or, where these are very many, some of them, drawn at random from ``drawn_from``. ``columns``
    holds the values of the features that a monitor has asked for. ``losses`` is None where the bundle has no loss
    model; ``no_losses`` says why.
    """

    event_us: NDArray[Any]
    prediction: NDArray[Any]
    probability: NDArray[Any] | None
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    losses: ExpectedLosses | None = None
    no_losses: str = ""
    drawn_from: int = 0

    def __len__(self) -> int:
        """Return the number of rows at hand."""
        return len(self.event_us)

    @property
    def answered(self) -> int:
        """How many rows were answered, at hand or not."""
        return self.drawn_from or len(self)


@dataclass(frozen=True, slots=True, eq=False)
class LabelledRows:
    """Rows of the window whose true outcome is known: arrays ``(n,)`` in order of event time.

    Classes are strings, numbers floats; ``probability`` is None where the model gives none. ``answered`` counts all
    rows that were answered in the window, labelled or not. ``known_us`` says when each outcome was known;
    ``columns`` holds the features that a monitor has asked for; ``answered_as`` says of each class how often it was
    answered, with labels or without. All three may be absent: then nothing is said of lags, segments and of who has
    labels. Beside all these, ``broke`` rows were answered that broke the contract, and ``of_feeds`` of feeds that are
    quarantined: nobody looks for their outcomes.
    """

    truth: NDArray[Any]
    prediction: NDArray[Any]
    probability: NDArray[Any] | None
    event_us: NDArray[Any]
    answered: int
    known_us: NDArray[Any] | None = None
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    answered_as: Mapping[str, int] = field(default_factory=dict)
    broke: int = 0
    of_feeds: int = 0

    @property
    def broke_share(self) -> float:
        """Share of the answers whose rows broke the contract; 0 where nothing was answered."""
        everything = self.answered + self.broke + self.of_feeds
        return self.broke / everything if everything else 0.0

    @property
    def coverage(self) -> float:
        """Share of the answered rows whose truth is known; NaN when none was answered."""
        return len(self.truth) / self.answered if self.answered else float("nan")

    def take(self, rows: NDArray[Any]) -> LabelledRows:
        """Return the rows at positions, or under the mask, ``rows``; of no others is anything said."""
        return LabelledRows(
            self.truth[rows],
            self.prediction[rows],
            None if self.probability is None else self.probability[rows],
            self.event_us[rows],
            len(self.truth[rows]),
            None if self.known_us is None else self.known_us[rows],
            {name: values[rows] for name, values in self.columns.items()},
        )

    @property
    def fingerprint(self) -> str:
        """What changes when an outcome comes, goes or is corrected, and with nothing else."""
        digest = hashlib.sha256()
        for values in (self.event_us, self.truth, self.prediction):
            digest.update(str(values.dtype).encode())
            digest.update(np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()[:16]


@dataclass(frozen=True, slots=True, eq=False)
class PastRows:
    """The labelled rows of a window that was over long ago, as they are known now."""

    window: Window
    labelled: LabelledRows


@dataclass(frozen=True, slots=True, eq=False)
class PastLabels:
    """Past windows that a monitor looks at again: outcomes of their rows have come, or are due.

    ``memory`` is what has been looked through and what still waits: the monitor returns it in its state, as ``past``.
    ``waiting`` windows are for another time; ``left_out`` ones were too many to wait, and are not looked at again.
    """

    memory: JsonObject
    windows: tuple[PastRows, ...] = ()
    waiting: int = 0
    left_out: int = 0
