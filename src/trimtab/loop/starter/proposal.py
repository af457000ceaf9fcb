"""From a table and a few wishes to a plan: what each column is for, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trimtab.core.enums import ColumnKind
from trimtab.core.errors import ConfigError, DataContractError
from trimtab.lake.casting import cast_as
from trimtab.lake.dates import forms_in
from trimtab.lake.headers import refuse_headless
from trimtab.lake.inference import Finding, infer_columns
from trimtab.lake.keys import key_texts
from trimtab.loop.starter.target import study_target
from trimtab.loop.starter.wishes import Plan, Wishes

__all__ = ["propose"]

_MANY_REPEATS = 0.05
_MIN_ROWS = 30
_DAY_US = 86_400_000_000


def propose(table: pa.Table, wishes: Wishes, *, source: str) -> Plan:
    """Return a proposal for predicting ``wishes.target`` from ``table``, read from the file called ``source``.

    Raises:
        ConfigError: a wish names a column that is not there.
        DataContractError: the table cannot be learnt from as wished; says why, and what to do.
    """
    refuse_headless(table, source)
    _known_columns(table, wishes, source)
    if table.num_rows < _MIN_ROWS:
        raise DataContractError(
            f"{source}: {table.num_rows} rows; at least {_MIN_ROWS} are needed to learn and to judge; bring more"
        )
    findings = infer_columns(table)
    notes: list[str] = []
    if wishes.time is not None:
        _require_time(table[wishes.time], findings[wishes.time])
    target = study_target(table[wishes.target], findings[wishes.target], wishes)
    findings[wishes.target] = target.finding
    if wishes.key is not None:
        findings[wishes.key] = _as_key(findings[wishes.key])
    unique = _identity(table, findings, wishes, notes)
    ignored = _ignored(findings, wishes)
    notes = [*_column_notes(findings, wishes), *_dates_without_time(findings, ignored, wishes), *target.notes, *notes]
    plan = Plan(
        wishes=wishes,
        source=source,
        rows=table.num_rows,
        findings=findings,
        task=target.task,
        why_task=target.why_task,
        metrics=target.metrics,
        baseline=target.baseline,
        ignored=ignored,
        unique=unique,
        positive_class=target.positive_class,
        why_positive=target.why_positive,
        classes=target.classes,
        skewed=target.skewed,
        heavy_tailed=target.heavy_tailed,
        rows_per_day=_rows_per_day(table, findings, wishes),
        notes=tuple(notes),
    )
    if not plan.features:
        told = "; ".join(f"{name}: {reason}" for name, reason in list(ignored.items())[:5])
        why = f" ({told})" if told else ""
        raise DataContractError(f"{source}: no column is left to learn from{why}; bring columns that tell something")
    return plan


def _known_columns(table: pa.Table, wishes: Wishes, source: str) -> None:
    wished = {"target": wishes.target, "time": wishes.time, "key": wishes.key}
    named = [*wished.items(), *(("ignore", name) for name in wishes.ignore)]
    for option, name in named:
        if name is not None and name not in table.column_names:
            known = ", ".join(table.column_names[:30]) + (", …" if table.num_columns > 30 else "")
            raise ConfigError(f"--{option} {name}: {source} has no such column; it has {known}")
    ours = [name for name in table.column_names if name.startswith("@")]
    if ours:
        raise DataContractError(f"{source}: column {ours[0]!r} begins with '@', which marks our own; rename it")
    given = [name for name in (wishes.target, wishes.time, wishes.key) if name is not None]
    needed = [name for name in wishes.ignore if name in given]
    if needed:
        raise ConfigError(f"--ignore {needed[0]}: is the target, time or key as well; name it once")
    if len(set(given)) != len(given):
        raise ConfigError("target, time and key name one column twice; each needs one of its own")


def _require_time(column: pa.ChunkedArray, finding: Finding) -> None:
    if finding.column.type is ColumnKind.DATETIME:
        return
    cast = cast_as(column, finding.column.model_copy(update={"type": ColumnKind.CATEGORY, "values": None}))
    found = forms_in(cast.values)
    if set(found) <= {"no date"}:
        held = f"; row {found['no date']} has {str(column[found['no date'] - 1])[:40]!r}" if found else ""
        raise DataContractError(
            f"time column {finding.name!r}: holds no dates{held}; name a column of dates with --time, or leave it out"
        )
    shown = ", ".join(f"{form!r} from row {row}" for form, row in list(found.items())[:6])
    raise DataContractError(
        f"time column {finding.name!r}: written in {len(found)} forms ({shown}); expected one; write it in ISO 8601 "
        "(2026-01-31 07:45), or leave --time out"
    )


def _as_key(finding: Finding) -> Finding:
    """Return the key as a name: it is compared, never calculated with."""
    if finding.column.type in {ColumnKind.INTEGER, ColumnKind.DATETIME}:
        contract = finding.column.model_copy(update={"min": None, "max": None})
    else:
        contract = finding.column.model_copy(
            update={"type": ColumnKind.CATEGORY, "min": None, "max": None, "values": None}
        )
    return replace(finding, column=contract)


def _identity(table: pa.Table, findings: Mapping[str, Finding], wishes: Wishes, notes: list[str]) -> tuple[str, ...]:
    """Return the columns that identify a row: the key, else key and time, else none."""
    if wishes.key is None:
        return ()
    names: tuple[str, ...] = (wishes.key,)
    repeats = _repeats(table, findings, names)
    if repeats is not None and wishes.time is not None:
        notes.append(f"key {wishes.key}: stands in several rows; it is no feature (leave --key out to learn from it)")
        names = (wishes.key, wishes.time)
        repeats = _repeats(table, findings, names)
    if repeats is None:
        return names
    first, again, value, count = repeats
    told = (
        f"key {' with '.join(names)}: rows {first} and {again} are both "
        f"{value!r}; {count} of {table.num_rows} rows repeat an earlier one"
    )
    if count > _MANY_REPEATS * table.num_rows:
        remedy = "or leave --key out" if wishes.time else "pass --time if a row is one moment of it, or leave --key out"
        raise DataContractError(
            f"{told}, and training keeps one row of each; name a column that tells rows apart, {remedy}"
        )
    notes.append(f"{told}; training keeps one row of each")
    return ()


def _repeats(
    table: pa.Table, findings: Mapping[str, Finding], names: tuple[str, ...]
) -> tuple[int, int, str, int] | None:
    """Return the rows (from 1) of the first key that repeats, the key, and how many rows repeat an earlier one."""
    keys = key_texts(pa.table({name: cast_as(table[name], findings[name].column).values for name in names}), names)
    codes = keys.dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
    places = np.flatnonzero(codes != -1)
    _, first, inverse = np.unique(codes[places], return_index=True, return_inverse=True)
    again = np.flatnonzero(first[inverse] != np.arange(len(places)))
    if not len(again):
        return None
    row = int(places[again[0]])
    earlier = int(places[first[inverse[again[0]]]])
    value = ", ".join(str(table[name][row]) for name in names)
    return earlier + 1, row + 1, value, len(again)


def _ignored(findings: Mapping[str, Finding], wishes: Wishes) -> dict[str, str]:
    roles = {wishes.target, wishes.time, wishes.key}
    asked = dict.fromkeys(wishes.ignore, "as asked for")
    useless = {name: found.useless for name, found in findings.items() if found.useless and name not in roles}
    return useless | {name: why for name, why in asked.items() if name not in roles}


def _column_notes(findings: Mapping[str, Finding], wishes: Wishes) -> list[str]:
    told = [(name, note) for name, found in findings.items() if name not in wishes.ignore for note in found.notes]
    return [f"{name}: {note}" for name, note in told]


def _dates_without_time(findings: Mapping[str, Finding], ignored: Mapping[str, str], wishes: Wishes) -> list[str]:
    dated = [
        name
        for name, found in findings.items()
        if found.column.type is ColumnKind.DATETIME and name not in ignored and name != wishes.target
    ]
    if wishes.time is not None or not dated:
        return []
    return [f"{dated[0]}: holds dates; if that is when a row happened, pass --time, to be judged on the latest rows"]


def _rows_per_day(table: pa.Table, findings: Mapping[str, Finding], wishes: Wishes) -> float | None:
    if wishes.time is None:
        return None
    micros = cast_as(table[wishes.time], findings[wishes.time].column).values.cast(pa.int64()).drop_null()
    span = pc.min_max(micros).as_py()
    days = (span["max"] - span["min"]) / _DAY_US
    return len(micros) / days if days > 0 else None
