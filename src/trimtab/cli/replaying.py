"""Sends recorded rows as live requests: event times, keys, and outcomes that come later."""

from __future__ import annotations

import math
import time as machine_time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from trimtab.cli.inference import InferenceClient
from trimtab.config.durations import parse_duration
from trimtab.core.canonical import JsonObject
from trimtab.core.errors import ConfigError, DataContractError

__all__ = ["Replay", "Sent", "read_rows"]

_TRUTHS_AT_ONCE = 5_000


@dataclass(slots=True)
class Sent:
    """What was sent: rows answered, by version, and outcomes told."""

    answered: int = 0
    truths: int = 0
    versions: dict[int, int] = field(default_factory=dict)


def read_rows(path: Path, *, time: str, start: str | None, end: str | None) -> list[JsonObject]:
    """Return the rows of ``path`` from ``start`` up to ``end``, sorted by column ``time``.

    Raises:
        DataContractError: the file cannot be read, or has no such column.
        ConfigError: a bound is no time.
    """
    try:
        if path.suffix == ".parquet":
            table = pyarrow.parquet.read_table(path)
        else:
            delimiter = "\t" if path.suffix in {".tsv", ".tab"} else ","
            table = pyarrow.csv.read_csv(path, parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter))
    except (OSError, pa.ArrowException) as error:
        raise DataContractError(f"{path}: cannot be read ({error}); expected CSV, TSV or Parquet") from error
    if time not in table.column_names:
        raise DataContractError(f"{path}: has no column {time!r}; it has {', '.join(table.column_names)}")
    rows: list[JsonObject] = table.to_pylist()
    for number, row in enumerate(rows, start=1):
        row[time] = _moment(row[time], f"{path}: row {number}: {time}")
    first = None if start is None else _moment(start, "--from")
    last = None if end is None else _moment(end, "--to")
    kept = [row for row in rows if (first is None or row[time] >= first) and (last is None or row[time] < last)]
    return sorted(kept, key=lambda row: row[time])


class Replay:
    """Sends rows to one endpoint."""

    def __init__(
        self,
        inference: InferenceClient,
        endpoint: str,
        *,
        time: str,
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
        self._features = inference.features(endpoint)

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
            "rows": [{name: _plain(row.get(name)) for name in self._features} for row in rows],
            "event_times": [row[self._time].isoformat() for row in rows],
        }
        if self._key is not None:
            body["record_keys"] = [str(row[self._key]) for row in rows]
        if self._source is not None:
            body["source"] = self._source
        return body

    def _outcome(self, row: JsonObject, prediction_id: str) -> JsonObject:
        return {
            "endpoint": self._endpoint,
            "prediction_id": prediction_id,
            "event_time": row[self._time].isoformat(),
            "truth": _plain(row[str(self._truth)]),
            "labelled_at": (row[self._time] + self._delay).isoformat(),
        }


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


def _plain(value: Any) -> Any:
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, str) and not value:
        return None
    return value
