"""When rows happened, for models that learn from it: the same moment for the graph and for the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from trimtab.bundle.encoder import MISSING_EPOCH
from trimtab.bundle.manifest import Feature
from trimtab.bundle.values import UnfitRowError, second_of

__all__ = ["with_event_times"]

Row = Mapping[str, Any]

_ORIGIN: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROS: Final = 1_000_000


def with_event_times(
    rows: Sequence[Row], event_us: Sequence[int] | None, received_us: int, feature: Feature
) -> tuple[list[Row], list[int]]:
    """Return ``rows`` with the moment of each in the field ``feature``, and these moments in microseconds.

    A row's moment is the request's ``event_us`` for it, else what its own field says, else ``received_us``.

    Raises:
        ConfigError: a field is no moment, or says another second than the request.

    >>> from trimtab.core.enums import ColumnKind
    >>> at = Feature(name="at", kind=ColumnKind.DATETIME, is_event_time=True)
    >>> rows, moments = with_event_times([{"at": "1970-01-01T00:00:05Z"}, {}], None, 7_000_000, at)
    >>> moments, rows[1]["at"].isoformat()
    ([5000000, 7000000], '1970-01-01T00:00:07+00:00')
    """
    timed: list[Row] = []
    moments: list[int] = []
    for at, row in enumerate(rows):
        second = second_of(row.get(feature.name), at, feature)
        own = received_us if second == MISSING_EPOCH else second * _MICROS
        moment = own if event_us is None else event_us[at]
        if second == MISSING_EPOCH:
            # A datetime, since a bare number is read by the format that senders write.
            row = {**row, feature.name: _ORIGIN + timedelta(seconds=moment // _MICROS)}
        elif second != moment // _MICROS:
            raise UnfitRowError(
                f"row {at}: field {feature.name!r} says {_ORIGIN + timedelta(seconds=second):%Y-%m-%dT%H:%M:%SZ}, its "
                f"event_time {_ORIGIN + timedelta(seconds=moment // _MICROS):%Y-%m-%dT%H:%M:%SZ}; send one of them",
                feature.name,
            )
        timed.append(row)
        moments.append(moment)
    return timed, moments
