"""Sends recorded rows as live requests: event times, keys, and outcomes that come later."""

from __future__ import annotations

import math
import time as machine_time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from trimtab.cli.inference import InferenceClient
from trimtab.config.durations import parse_duration
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import ColumnKind, Encoding
from trimtab.core.errors import ConfigError, DataContractError
from trimtab.lake.casting import cast_column
from trimtab.lake.dates import find_form
from trimtab.lake.reading import read_table_file

__all__ = ["Replay", "Sent", "moments", "plain", "plain_strings", "read_rows"]

_TRUTHS_AT_ONCE = 5_000
_KINDS = {"FP64": ColumnKind.NUMBER, "BOOL": ColumnKind.BOOLEAN}


@dataclass(slots=True)
class Sent:
    """What was sent: rows answered, by version, and outcomes told."""

    answered: int = 0
    truths: int = 0
    versions: dict[int, int] = field(default_factory=dict)


def read_rows(
    path: Path,
    *,
    inputs: Mapping[str, str],
    time: str | None,
    start: str | None,
    end: str | None,
    encoding: Encoding = Encoding.UTF_8,
) -> list[JsonObject]:
    """Return the rows of ``path``; with ``time`` those from ``start`` up to ``end``, sorted by that column.

    ``inputs``: what the endpoint takes, and of which datatype. A text that is no number where one is taken stays as it
    is: the server knows what stands for missing, and says what it refuses.

    Raises:
        DataContractError: the file cannot be read, or has no such column.
        ConfigError: a bound or a time is none.
    """
    if time is None and (start is not None or end is not None):
        raise ConfigError("--from and --to: expected --time too, the column that they bound")
    table = read_table_file(path, encoding=encoding)
    if time is not None and time not in table.column_names:
        raise DataContractError(f"{path}: has no column {time!r}; it has {', '.join(table.column_names)}")
    given = {name: plain_strings(table[name]) for name in table.column_names}
    columns = {name: _values(given[name], inputs.get(name)) for name in table.column_names if name != time}
    if time is not None:
        columns[time] = moments(given[time], f"{path}: {time}")
    names = table.column_names
    rows: list[JsonObject] = [
        dict(zip(names, values, strict=True)) for values in zip(*(columns[name] for name in names), strict=True)
    ]
    if time is None:
        return rows
    first = None if start is None else _moment(start, "--from")
    last = None if end is None else _moment(end, "--to")
    kept = [row for row in rows if (first is None or row[time] >= first) and (last is None or row[time] < last)]
    return sorted(kept, key=lambda row: row[time])


def plain_strings(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column of texts as plain strings, however its writer laid them out; others as they are."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return column.cast(pa.string()) if is_text else column


def _values(column: pa.ChunkedArray, datatype: str | None) -> list[Any]:
    kind = _KINDS.get(datatype or "")
    if kind is None or not pa.types.is_string(column.type):
        return [plain(value) for value in column.to_pylist()]
    cast = cast_column(column, kind)
    given = column.to_pylist()
    return [
        text.strip() if wrong else value
        for text, wrong, value in zip(given, cast.wrong.tolist(), cast.values.to_pylist(), strict=True)
    ]


def moments(column: pa.ChunkedArray, subject: str) -> list[datetime]:
    """Return a column of times, in whichever one form they are written."""
    if not pa.types.is_string(column.type):
        return [_moment(value, f"{subject}: row {row}") for row, value in enumerate(column.to_pylist(), start=1)]
    texts = pc.utf8_trim_whitespace(column.combine_chunks())
    counted = pc.value_counts(texts)
    form = find_form(counted.field(0), counted.field(1).to_numpy(zero_copy_only=False), named_as_time=True)
    cast = cast_column(texts, ColumnKind.DATETIME, written_as=None if form is None else form.written_as)
    read: list[datetime | None] = cast.values.to_pylist()
    for row, moment in enumerate(read, start=1):
        if moment is None:
            raise ConfigError(
                f"{subject}: row {row}: found {texts[row - 1].as_py()!r}; expected a time such as 2024-03-04T07:00"
            )
    return [moment for moment in read if moment is not None]


class Replay:
    """Sends rows to one endpoint."""

    def __init__(
        self,
        inference: InferenceClient,
        endpoint: str,
        *,
        inputs: Mapping[str, str],
        time: str | None,
        key: str | None,
        truth: str | None,
        truth_delay: str,
        source: str | None,
    ) -> None:
        self._inference = inference
        self._endpoint = endpoint
        self._time = time
        self._key = key
        self._truth = truth
        try:
            self._delay = parse_duration(truth_delay)
        except ValueError as error:
            raise ConfigError(f"--truth-delay: {error}") from None
        self._source = source
        self._inputs = inputs

    def send(
        self, rows: Sequence[JsonObject], *, batch: int, rate: float | None, progress: Callable[[int], None]
    ) -> Sent:
        """Send all rows in requests of ``batch``, at most ``rate`` requests a second, then their outcomes."""
        self._check_columns(rows)
        sent = Sent()
        truths: list[JsonObject] = []
        started = machine_time.monotonic()
        for number, position in enumerate(range(0, len(rows), batch)):
            if rate is not None:
                machine_time.sleep(max(0.0, started + number / rate - machine_time.monotonic()))
            part = rows[position : position + batch]
            answer = self._inference.predict(self._endpoint, self._body(part))
            count = len(answer["predictions"])
            sent.answered += count
            version = int(answer["model_version"])
            sent.versions[version] = sent.versions.get(version, 0) + count
            if self._truth is not None:
                truths += [
                    self._outcome(row, given["prediction_id"])
                    for row, given in zip(part, answer["predictions"], strict=True)
                    if plain(row[self._truth]) is not None
                ]
            progress(sent.answered)
        for position in range(0, len(truths), _TRUTHS_AT_ONCE):
            self._inference.tell_truths(truths[position : position + _TRUTHS_AT_ONCE])
        sent.truths = len(truths)
        return sent

    def _check_columns(self, rows: Sequence[JsonObject]) -> None:
        """Say before the first request what the rows lack.

        Raises:
            DataContractError: there is no row, or a column that was named.
        """
        if not rows:
            raise DataContractError(f"replay to {self._endpoint!r}: no row lies between --from and --to; widen them")
        for option, column in (("--key", self._key), ("--truth", self._truth)):
            if column is not None and column not in rows[0]:
                raise DataContractError(f"{option}: the rows have no column {column!r}; they have {', '.join(rows[0])}")

    def _body(self, rows: Sequence[JsonObject]) -> JsonObject:
        body: JsonObject = {
            "rows": [{name: plain(row[name]) for name in self._inputs if name in row} for row in rows],
        }
        if self._time is not None:
            body["event_times"] = [row[self._time].isoformat() for row in rows]
        if self._key is not None:
            body["record_keys"] = [str(row[self._key]) for row in rows]
        if self._source is not None:
            body["source"] = self._source
        return body

    def _outcome(self, row: JsonObject, prediction_id: str) -> JsonObject:
        told = {"endpoint": self._endpoint, "prediction_id": prediction_id, "truth": plain(row[str(self._truth)])}
        if self._time is None:
            return told
        at: datetime = row[self._time]
        return {**told, "event_time": at.isoformat(), "labelled_at": (at + self._delay).isoformat()}


def _moment(value: Any, subject: str) -> datetime:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ConfigError(f"{subject}: found {value!r}; expected a time such as 2024-03-04T07:00") from None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time_of_day.min)
    if not isinstance(value, datetime):
        raise ConfigError(f"{subject}: found {value!r}; expected a time such as 2024-03-04T07:00")
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def plain(value: Any) -> Any:
    """Return a value of a file as JSON takes it; NaN and the empty text as None."""
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, str) and not value:
        return None
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    return value
