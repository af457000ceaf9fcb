"""Faults of those who send: nothing comes, or it comes in other units, another shape, too often."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from bench.faults.columns import Unfit
from bench.faults.draw import Setting, moved, rescaled, told_apart, with_rows
from bench.faults.plan import USUAL_MS, Plan
from bench.faults.rows import SHAPE, at_us, with_column

from trimtab.testing.planted import duplicated_feed, new_category, null_burst, stuck_sensor, swapped_columns

__all__ = [
    "crowded",
    "doubled",
    "fahrenheit",
    "misshapen",
    "nulls",
    "silence",
    "stuck",
    "swapped",
    "unit",
    "unknown_category",
]

_SCALES = (1 / 1000, 1 / 38.67, 0.4536, 0.3048, 2.20462, 2.54, 3.6, 60.0, 100.0, 1000.0)


def silence(setting: Setting, low: float, high: float) -> Plan:
    """Return that a share of the rows does not come."""
    share = float(setting.rng.uniform(low, high))

    def rows(table: pa.Table) -> pa.Table:
        gone = setting.span.of(table) & (setting.rng.random(table.num_rows) < share)
        return table.filter(pa.array(~gone))

    return Plan(f"{share:.0%} of the rows do not come", rows=rows)


def nulls(setting: Setting) -> Plan:
    """Return that a column comes empty, mostly."""
    column = setting.one_of(setting.columns.present())
    share = float(setting.rng.uniform(0.5, 1.0))

    def rows(table: pa.Table) -> pa.Table:
        return null_burst(table, column, setting.span.of(table), share=share, rng=setting.rng)

    return Plan(f"{column}: {share:.0%} missing", frozenset({column}), rows)


def stuck(setting: Setting) -> Plan:
    """Return that a sensor hangs."""
    column = setting.one_of(setting.columns.numbers(varied=True))
    return Plan(
        f"{column} hangs", frozenset({column}), lambda table: stuck_sensor(table, column, setting.span.of(table))
    )


def unit(setting: Setting, *, columns: int = 1, share: float = 1.0) -> Plan:
    """Return that numbers come in another unit, from a share of the senders."""
    names = setting.some_of(setting.columns.numbers(varied=True, some=columns), columns)
    factor = float(setting.rng.choice(_SCALES))

    def rows(table: pa.Table) -> pa.Table:
        chosen = setting.span.of(table) & (setting.rng.random(table.num_rows) < share)
        for name in names:
            table = rescaled(table, name, chosen, factor, 0.0)
        return table

    told = f"{', '.join(names)} × {factor:.4g}{'' if share == 1 else f' in {share:.0%} of the rows'}"
    return Plan(told, frozenset(names), rows)


def fahrenheit(setting: Setting) -> Plan:
    """Return that numbers come with another zero, too."""
    column = setting.one_of(setting.columns.numbers(varied=True))
    return Plan(
        f"{column} × 1.8 + 32",
        frozenset({column}),
        lambda table: rescaled(table, column, setting.span.of(table), 1.8, 32.0),
    )


def swapped(setting: Setting) -> Plan:
    """Return that a sender mixes up two columns."""
    try:
        pair = setting.some_of(setting.columns.numbers(varied=True, some=2), 2)
    except Unfit:
        pair = setting.some_of(setting.columns.categories(some=2), 2)

    def rows(table: pa.Table) -> pa.Table:
        kinds = {name: table.schema.field(name).type for name in pair}
        made = swapped_columns(table, pair[0], pair[1], setting.span.of(table))
        for name, kind in kinds.items():
            if pa.types.is_integer(kind):
                made = with_column(made, name, pc.round(made[name]).cast(kind))
        return made

    return Plan(f"{pair[0]} and {pair[1]} swapped", frozenset(pair), rows)


def unknown_category(setting: Setting) -> Plan:
    """Return that a column has a value that nobody has seen."""
    column, share = setting.one_of(setting.columns.categories()), float(setting.rng.uniform(0.2, 0.6))

    def rows(table: pa.Table) -> pa.Table:
        return new_category(table, column, setting.span.of(table), share=share, rng=setting.rng)

    return Plan(f"{column}: {share:.0%} unseen", frozenset({column}), rows)


def misshapen(setting: Setting, verb: str, word: str = "") -> Plan:
    """Return that requests lack a column, call it otherwise, or have words in it."""
    column = setting.one_of(setting.columns.numbers() if verb == "text" else list(setting.columns.matters()))
    shape = f"{verb}:{column}:{word or column.upper()}"

    def rows(table: pa.Table) -> pa.Table:
        here = pa.array(setting.span.of(table))
        return with_column(table, SHAPE, pc.if_else(here, pa.scalar(shape), table[SHAPE]))

    return Plan(f"{column}: {verb} {word}".strip(), frozenset({column}), rows)


def doubled(setting: Setting) -> Plan:
    """Return that each row comes several times."""
    times = int(setting.rng.integers(2, 5))

    def rows(table: pa.Table) -> pa.Table:
        again = duplicated_feed(table, setting.span.of(table), times=times)
        # A moment later each: no two rows share one.
        order = np.arange(again.num_rows)
        first = np.r_[True, np.diff(at_us(again)) > 0]
        later = (order - order[first][np.cumsum(first) - 1]) * 1_000
        return moved(again, later)

    return Plan(f"each row comes {times} times", rows=rows)


def crowded(setting: Setting) -> Plan:
    """Return that many times as many rows come, and answers take long."""
    ground, times = setting.base.ground, float(setting.rng.uniform(3, 8))
    slow_ms = float(setting.rng.uniform(400, 1_500))

    def rows(table: pa.Table) -> pa.Table:
        here = np.flatnonzero(setting.span.of(table))
        more = setting.rng.choice(here, int(len(here) * (times - 1)))
        fresh = ground.drawn(np.ones(ground.unseen.num_rows, dtype=np.bool_), len(more), setting.rng)
        fresh = told_apart(fresh, ground.features, setting.rng)
        moments = np.sort(setting.rng.integers(setting.span.since_us, setting.span.until_us, len(more)))
        extra = table.take(pa.array(more))
        extra = with_rows(extra, np.ones(len(more), np.bool_), fresh, [*ground.features, ground.target])
        return pa.concat_tables([table, moved(extra, moments - at_us(extra))])

    return Plan(
        f"{times:.1f} times as many rows, answered in {slow_ms:.0f} ms",
        rows=rows,
        latency_ms=lambda moment, _version: slow_ms if setting.span.has(moment) else USUAL_MS,
    )
