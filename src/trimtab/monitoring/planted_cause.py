"""Faults that happen to feeds and to the world, and what monitors call them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from trimtab.monitoring.cause import CauseKind

__all__ = ["CALLED", "PlantedCause"]


class PlantedCause(StrEnum):
    """What may be planted into a sound table, to see whether monitors find it."""

    UNIT_CHANGE = "unit_change"
    STUCK_SENSOR = "stuck_sensor"
    NEW_CATEGORY = "new_category"
    NULL_BURST = "null_burst"
    DUPLICATED_FEED = "duplicated_feed"
    SWAPPED_COLUMNS = "swapped_columns"
    LABEL_FLIP = "label_flip"
    SLOW_CONCEPT_DRIFT = "slow_concept_drift"


CALLED: Mapping[PlantedCause, CauseKind] = {
    PlantedCause.UNIT_CHANGE: CauseKind.UNIT_CHANGE,
    PlantedCause.STUCK_SENSOR: CauseKind.STUCK,
    PlantedCause.NEW_CATEGORY: CauseKind.NEW_CATEGORY,
    PlantedCause.NULL_BURST: CauseKind.NULLS,
    PlantedCause.DUPLICATED_FEED: CauseKind.DUPLICATED_FEED,
    PlantedCause.SWAPPED_COLUMNS: CauseKind.SWAPPED_COLUMNS,
}
"""What profiles can name. Of the others inputs show nothing: quality falls while they stay, a drift of concept."""
