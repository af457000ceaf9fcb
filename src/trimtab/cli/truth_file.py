"""Reads true outcomes from a file: one a row, in columns that the user names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from trimtab.cli.replaying import moments, plain, plain_strings
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Encoding
from trimtab.core.errors import ConfigError, DataContractError
from trimtab.lake.reading import read_table_file

__all__ = ["TruthColumns", "outcomes_of", "read_truths"]


@dataclass(frozen=True, slots=True)
class TruthColumns:
    """Which column says what. Rows are named by ``prediction_id``, or by ``key`` and ``time``."""

    truth: str
    prediction_id: str | None = None
    key: str | None = None
    time: str | None = None
    labelled_at: str | None = None

    def __post_init__(self) -> None:
        """Refuse what names no row, or names it twice."""
        if (self.prediction_id is None) == (self.key is None):
            raise ConfigError("--id: expected either --id COLUMN, or --key COLUMN with --time COLUMN; name one of them")
        if (self.key is None) != (self.time is None):
            raise ConfigError("--time: expected together with --key, since a key alone may come again; name both")

    @property
    def names(self) -> tuple[str, ...]:
        """All columns that were named."""
        named = (self.truth, self.prediction_id, self.key, self.time, self.labelled_at)
        return tuple(name for name in named if name is not None)


def read_truths(path: Path, columns: TruthColumns, *, encoding: Encoding = Encoding.UTF_8) -> pa.Table:
    """Return the rows of a CSV, TSV or Parquet file whose outcome is known, with only the columns that were named.

    Raises:
        DataContractError: the file cannot be read, lacks a column, or knows no outcome.
    """
    table = read_table_file(path, encoding=encoding)
    missing = [name for name in columns.names if name not in table.column_names]
    if missing:
        raise DataContractError(f"{path}: has no column {missing[0]!r}; it has {', '.join(table.column_names)}")
    told = pa.table({name: plain_strings(table[name]) for name in dict.fromkeys(columns.names)})
    known = told.filter(pa.array([plain(value) is not None for value in told[columns.truth].to_pylist()], pa.bool_()))
    if not known.num_rows:
        raise DataContractError(f"{path}: column {columns.truth!r} holds no outcome; name the column that does")
    return known


def outcomes_of(
    table: pa.Table, columns: TruthColumns, endpoint: str | None, *, subject: str, labelled_us: int, at_once: int
) -> Iterator[Sequence[JsonObject]]:
    """Yield the rows of `read_truths` as records of ``POST /v1/ground-truth``, at most ``at_once`` at a time.

    ``labelled_us``: when the outcomes were known, where no column says it.

    Raises:
        ConfigError: a time is none.
    """
    fields = {"truth": [plain(value) for value in table[columns.truth].to_pylist()]}
    if columns.prediction_id is not None:
        fields["prediction_id"] = [str(value) for value in table[columns.prediction_id].to_pylist()]
    if columns.key is not None:
        fields["record_key"] = [str(value) for value in table[columns.key].to_pylist()]
    for field, name in (("event_time", columns.time), ("labelled_at", columns.labelled_at)):
        if name is not None:
            fields[field] = [one.isoformat() for one in moments(table[name], f"{subject}: {name}")]
    told: JsonObject = {} if endpoint is None else {"endpoint": endpoint}
    if columns.labelled_at is None:
        told["labelled_at"] = labelled_us
    rows = [{**told, **dict(zip(fields, values, strict=True))} for values in zip(*fields.values(), strict=True)]
    for start in range(0, len(rows), at_once):
        yield rows[start : start + at_once]
