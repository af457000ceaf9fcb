"""Faults of the outcomes that are told: wrong ones, none, late ones."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from bench.faults.draw import Setting
from bench.faults.plan import Plan
from bench.faults.rows import KNOWN, LABEL_DELAY_US, with_column

from trimtab.testing.planted import label_flip

__all__ = ["flipped", "late", "untold"]


def flipped(setting: Setting) -> Plan:
    """Return that outcomes are told wrong."""
    ground, share = setting.base.ground, float(setting.rng.uniform(0.8, 1.0))

    def rows(table: pa.Table) -> pa.Table:
        kind = table.schema.field(ground.target).type
        made = label_flip(table, ground.target, setting.span.of(table), share=share, rng=setting.rng)
        return with_column(made, ground.target, made[ground.target].cast(kind))

    return Plan(f"{share:.0%} of the outcomes are told wrong", frozenset(), rows)


def untold(setting: Setting) -> Plan:
    """Return that nearly no outcome is told any more."""
    share = float(setting.rng.uniform(0.85, 1.0))

    def rows(table: pa.Table) -> pa.Table:
        gone = pa.array(setting.span.of(table) & (setting.rng.random(table.num_rows) < share))
        target = setting.base.ground.target
        return with_column(table, target, pc.if_else(gone, pa.scalar(None, table[target].type), table[target]))

    return Plan(f"{share:.0%} of the outcomes are not told", frozenset(), rows)


def late(setting: Setting) -> Plan:
    """Return that outcomes are told ten times as late."""

    def rows(table: pa.Table) -> pa.Table:
        by = np.where(setting.span.of(table), 9 * LABEL_DELAY_US, 0)
        return with_column(table, KNOWN, pa.array(np.asarray(table[KNOWN].to_numpy()) + by))

    return Plan("outcomes come ten times as late", frozenset(), rows)
