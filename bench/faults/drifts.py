"""Changes of the world: who asks, what their inputs mean for the outcome, and whom the model still fits."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from bench.faults.columns import Unfit, numbers_of
from bench.faults.draw import Setting, multiplied, of_ranks, ranks_in, told_apart, way_of, with_rows
from bench.faults.plan import Plan
from bench.faults.rows import with_column
from numpy.typing import NDArray

from trimtab.testing.planted import label_flip

__all__ = ["jitter", "level", "one_group", "segment_only", "shifted", "slow_turn", "subpopulation", "turned"]


def subpopulation(setting: Setting) -> Plan:
    """Return that nearly all rows are of those with the greatest values of a number."""
    ground, column = setting.base.ground, setting.one_of(setting.columns.numbers(varied=True))
    values = numbers_of(ground.unseen, column)
    edge = float(np.nanquantile(values, setting.rng.uniform(0.75, 0.9)))

    def rows(table: pa.Table) -> pa.Table:
        chosen = setting.span.of(table) & (setting.rng.random(table.num_rows) < 0.9)
        others = ground.drawn(values >= edge, int(chosen.sum()), setting.rng)
        others = told_apart(others, ground.features, setting.rng)
        return with_rows(table, chosen, others, [*ground.features, ground.target])

    return Plan(f"90% of the rows have {column} of {edge:.4g} and more", frozenset({column}), rows)


def shifted(setting: Setting, *, slowly: bool) -> Plan:
    """Return that three numbers or more grow or shrink together, at once or slowly; outcomes stay what they were."""
    found = setting.columns.numbers(varied=True, some=3, all_of=True)
    names = setting.some_of(found, int(setting.rng.integers(3, len(found) + 1)))
    power = float(setting.rng.uniform(3.0, 6.0))
    ups = setting.rng.random(len(names)) < 0.5

    def rows(table: pa.Table) -> pa.Table:
        way = way_of(table, setting) if slowly else setting.span.of(table).astype(np.float64)
        for name, up in zip(names, ups, strict=True):
            ranks = ranks_in(setting.base.ground, table, name, setting.rng)
            risen = ranks ** (1 / power) if up else ranks**power
            table = of_ranks(setting.base.ground, table, name, ranks + way * (risen - ranks), way > 0)
        return table

    ways = ", ".join(f"{name} {'grows' if up else 'shrinks'}" for name, up in zip(names, ups, strict=True))
    return Plan(f"{ways}, {'slowly' if slowly else 'at once'}", frozenset(names), rows)


def turned(setting: Setting) -> Plan:
    """Return that the outcome hangs on a column the other way round."""
    ground, column = setting.base.ground, setting.one_of(setting.columns.halving())
    strength = float(setting.rng.uniform(0.7, 0.95))

    def rows(table: pa.Table) -> pa.Table:
        high = setting.span.of(table) & _above(table, column)
        if setting.columns.is_number(ground.target):
            return multiplied(table, ground.target, np.where(high, 1 + 2 * strength, 1.0))
        return label_flip(table, ground.target, high, share=strength, rng=setting.rng)

    return Plan(f"rows with much {column} turn out otherwise ({strength:.0%})", frozenset(), rows)


def slow_turn(setting: Setting) -> Plan:
    """Return that the outcome's dependence on a column changes slowly."""
    ground, column = setting.base.ground, setting.one_of(setting.columns.halving())
    strength = float(setting.rng.uniform(0.8, 1.0))

    def rows(table: pa.Table) -> pa.Table:
        kind = table.schema.field(ground.target).type
        way, high = way_of(table, setting), _above(table, column)
        if setting.columns.is_number(ground.target):
            return multiplied(table, ground.target, np.where(high, 1 + 2 * strength * way, 1.0))
        # Not `slow_concept_drift`, which has come at the last of the rows: this one stays as it has become.
        chosen = high & (setting.rng.random(table.num_rows) < strength * way)
        made = label_flip(table, ground.target, chosen, share=1.0, rng=setting.rng)
        return with_column(made, ground.target, made[ground.target].cast(kind))

    return Plan(f"rows with much {column} slowly turn out otherwise ({strength:.0%})", frozenset(), rows)


def _above(table: pa.Table, column: str) -> NDArray[np.bool_]:
    values = numbers_of(table, column)
    return np.asarray(values > np.nanmedian(values), dtype=np.bool_)


def level(setting: Setting) -> Plan:
    """Return that the outcome's level moves slowly: numbers grow, one class becomes more frequent."""
    ground, growth = setting.base.ground, float(setting.rng.uniform(0.8, 1.3))

    def rows(table: pa.Table) -> pa.Table:
        way = way_of(table, setting)
        if setting.columns.is_number(ground.target):
            return multiplied(table, ground.target, 1 + growth * way)
        chosen = setting.rng.random(table.num_rows) < 0.5 * growth * way
        names = np.array([str(name) for name in table[ground.target].to_pylist()], dtype=object)
        names[chosen] = ground.positive
        return with_column(table, ground.target, pa.array(names.tolist(), pa.string()))

    return Plan(f"the outcome's level grows by {growth:.0%}", frozenset(), rows)


def segment_only(setting: Setting) -> Plan:
    """Return that outcomes change in one value of a category alone."""
    ground = setting.base.ground
    # What befalls a whole group that fairness is watched for is a matter of fairness, too.
    column = setting.one_of([name for name in setting.columns.categories(all_of=True) if name != ground.group])
    counted = pc.value_counts(ground.rows[column]).to_pylist()
    fit = [str(one["values"]) for one in counted if 0.1 <= one["counts"] / ground.rows.num_rows <= 0.5]
    if not fit:
        raise Unfit("no category has a value of middling frequency")
    value = setting.one_of(fit)

    def rows(table: pa.Table) -> pa.Table:
        here = np.asarray(pc.equal(table[column], value).to_numpy(zero_copy_only=False), dtype=np.bool_)
        chosen = setting.span.of(table) & here
        if setting.columns.is_number(ground.target):
            return multiplied(table, ground.target, np.where(chosen, 3.0, 1.0))
        return label_flip(table, ground.target, chosen, share=0.9, rng=setting.rng)

    return Plan(f"rows with {column} = {value} turn out otherwise", frozenset(), rows)


def one_group(setting: Setting) -> Plan:
    """Return that one group's numbers are garbled."""
    ground = setting.base.ground
    if ground.group is None:
        raise Unfit("no groups are watched")
    values = sorted(str(value) for value in pc.unique(ground.rows[ground.group]).to_pylist())
    group = setting.one_of(values)
    names = [name for name in setting.columns.matters() if name != ground.group]

    def rows(table: pa.Table) -> pa.Table:
        here = np.asarray(pc.equal(table[ground.group], group).to_numpy(zero_copy_only=False), dtype=np.bool_)
        chosen = np.flatnonzero(setting.span.of(table) & here)
        source = np.arange(table.num_rows)
        source[chosen] = setting.rng.permutation(chosen)
        for name in names:
            table = with_column(table, name, table[name].take(pa.array(source)))
        return table

    return Plan(f"{', '.join(names)} of {ground.group} = {group} belong to other rows", frozenset(), rows)


def jitter(setting: Setting) -> Plan:
    """Return noise in a column that hardly matters."""
    column = setting.columns.unimportant()

    def rows(table: pa.Table) -> pa.Table:
        ranks = ranks_in(setting.base.ground, table, column, setting.rng)
        moved_by = setting.rng.normal(0, 0.1, table.num_rows)
        # Turned back at both ends: noise that was cut off there would be a sensor that hangs.
        noisy = 1 - np.abs(1 - np.abs(ranks + moved_by))
        return of_ranks(setting.base.ground, table, column, noisy, setting.span.of(table))

    return Plan(f"noise in {column}", frozenset(), rows)
