"""A simple cause of drift, named: what happened to a column, since when, and how sure that is."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from enum import StrEnum

from trimtab.core.canonical import JsonObject
from trimtab.core.errors import DataContractError

__all__ = ["Cause", "CauseKind"]


class CauseKind(StrEnum):
    """What happened to a column."""

    UNIT_CHANGE = "unit_change"
    SHIFT = "shift"
    STUCK = "stuck"
    NULLS = "nulls"
    NEW_CATEGORY = "new_category"
    SWAPPED_COLUMNS = "swapped_columns"
    DUPLICATED_FEED = "duplicated_feed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Cause:
    """What happened to ``column``; empty where it happened to whole rows.

    ``factor`` is what values were multiplied by, if by anything; ``known_unit`` the conversion that fits, in words.
    ``since_us`` is the start of the first affected period, None when the whole window is affected or no moment stands
    out; ``until_us`` the end of the last one when rows after it are sound again. ``since_row_share`` is the share of
    the window's rows that lie in affected periods. ``evidence`` holds the numbers behind it.
    """

    kind: CauseKind
    column: str
    factor: float | None
    known_unit: str | None
    since_us: int | None
    until_us: int | None
    since_row_share: float
    explanation: str
    evidence: JsonObject = field(default_factory=dict)

    def to_json(self) -> JsonObject:
        """Return the cause as JSON."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_json(content: JsonObject) -> Cause:
        """Return the cause that `to_json` wrote, e.g. into a check's ``detail["causes"]``.

        Raises:
            DataContractError: a field is missing, unknown or of no known value.
        """
        try:
            return Cause(**{**content, "kind": CauseKind(content["kind"])})
        except (KeyError, TypeError, ValueError) as error:
            raise DataContractError(f"cause: {error}; expected the fields of a cause; write it anew") from error
