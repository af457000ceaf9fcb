"""The port to an online store of features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

__all__ = ["FeatureSource", "FeatureValue", "Why"]


class FeatureValue(msgspec.Struct, frozen=True, gc=False):
    """One value as the store has it. ``event_us``: when it came about, in microseconds since 1970 UTC, if known."""

    value: float | int | bool | str | None
    event_us: int | None = None


class Why(StrEnum):
    """Why a feature has no value.

    The store has none, or one that is too old, or one that the feature cannot have; or it did not answer in time, or
    not as it should.
    """

    ABSENT = "absent"
    STALE = "stale"
    UNFIT = "unfit"
    TIMEOUT = "timeout"
    UNAVAILABLE = "unavailable"


class FeatureSource(Protocol):
    """Reads features of entities. Both methods are called in the event loop's thread, which they must not block.

    Several `read` may run at the same time. One that takes longer than the endpoint waits is cancelled. Whatever it
    raises is told as ``unavailable``, and counted; after several in a row the source is left alone for a moment.
    """

    async def read(
        self, entities: Sequence[Mapping[str, str]], names: Sequence[str]
    ) -> Sequence[Mapping[str, FeatureValue | None]]:
        """Return for each of ``entities``, in their order, the values of ``names`` by name.

        An entity is its keys by name, as text, whole numbers too; none stands there twice. What is left out, or None,
        is absent. Asking again must be harmless.
        """

    def close(self) -> None:
        """Let go of connections: `read` is not called again."""
