"""Labelling campaigns: which answered rows people should label, and why those; stored in the lake."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Task
from trimtab.core.errors import ConfigError, NotFoundError
from trimtab.lake.labelled import labelled_rows
from trimtab.lake.zones import Lake
from trimtab.records.schema import FEATURE_PREFIX

__all__ = ["Chosen", "choose_rows", "read_campaign", "write_campaign"]

_OF_ROW = ("prediction_id", "record_key", "event_us", "variant", "model_version", "prediction", "probability")
_LOT, _SURE = "@lot", "@sure"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The chosen ``rows`` (most wanted first, each with its ``why``), of how many ``unlabelled`` ones."""

    rows: tuple[JsonObject, ...]
    unlabelled: int


def choose_rows(
    lake: Lake,
    endpoint: str,
    *,
    start_us: int,
    end_us: int,
    known_us: int,
    most: int,
    task: Task,
    where: Mapping[str, str] | None = None,
) -> Chosen:
    """Return at most ``most`` rows of ``start_us`` ≤ event time < ``end_us`` with no outcome known by ``known_us``.

    Half of them are those that the model was least sure of (of the class that it told): they teach most. The others are
    drawn from the rest, since quality cannot be estimated from the doubtful ones alone. Which are drawn hangs on their
    ids alone. Where answers have no probability, all are drawn. ``where`` keeps rows of these feature values.

    Raises:
        ConfigError: ``where`` names a feature that the records do not have.
        BackendError: the lake failed.
    """
    files = lake.record_files(endpoint, start_us=start_us, end_us=end_us)
    wanted = {f"{FEATURE_PREFIX}{name}": value for name, value in (where or {}).items()}
    parts = [_read(file.path, wanted) for file in files]
    if not parts:
        return Chosen((), 0)
    answered = pl.concat(parts, how="diagonal_relaxed")
    answered = answered.filter(pl.col("event_us").is_between(start_us, end_us, closed="left"))
    answered = answered.unique("prediction_id", keep="first", maintain_order=True)
    told = labelled_rows(lake, endpoint, start_us=start_us, end_us=end_us, known_until_us=known_us).table
    known = pl.Series("prediction_id", told["prediction_id"].to_pylist(), dtype=pl.String)
    unlabelled = answered.filter(~pl.col("prediction_id").is_in(known.implode()))
    lots = unlabelled.with_columns(pl.col("prediction_id").hash(seed=0).alias(_LOT), _sureness(task).alias(_SURE))
    doubtful = lots.filter(pl.col(_SURE).is_not_null()).sort(_SURE, "prediction_id").head(most // 2)
    rest = lots.filter(~pl.col("prediction_id").is_in(doubtful["prediction_id"].implode()))
    drawn = rest.sort(_LOT, "prediction_id").head(most - doubtful.height)
    rows = [*_told(doubtful, "the model was unsure"), *_told(drawn, "drawn at random")]
    return Chosen(tuple(rows), unlabelled.height)


def write_campaign(lake: Lake, model: str, campaign_id: str, content: JsonObject) -> Path:
    """Store a campaign, and return its place; the same id is written over."""
    path = _place(lake, model, campaign_id)
    lake.write(path, json.dumps(content, indent=1, sort_keys=True, allow_nan=False).encode())
    return path


def read_campaign(lake: Lake, model: str, campaign_id: str) -> JsonObject:
    """Return a campaign.

    Raises:
        NotFoundError: it was never written, or its file is gone.
        BackendError: the lake failed.
    """
    found = lake.storage.find(lake.relative(_place(lake, model, campaign_id)))
    if found is None:
        raise NotFoundError(f"campaign {campaign_id!r} of {model!r}: its file is not in the lake; open another one")
    return dict(json.loads(lake.storage.fetch([found])[0].read_bytes()))


def _place(lake: Lake, model: str, campaign_id: str) -> Path:
    return lake.root / "labelling" / model / f"{campaign_id}.json"


def _sureness(task: Task) -> pl.Expr:
    """Return how sure the model was of the class that it told, 0..1; null where the record has no probability."""
    told = pl.col("probability")
    # Of two classes the records tell the chance of the positive one, of more that of the one that was told.
    return told if task is Task.MULTICLASS else pl.max_horizontal(told, 1 - told)


def _read(path: Path, wanted: Mapping[str, str]) -> pl.DataFrame:
    known = pl.read_parquet_schema(path)
    missing = [name for name in wanted if name not in known]
    if missing:
        names = ", ".join(name.removeprefix(FEATURE_PREFIX) for name in missing)
        raise ConfigError(f"labelling: where names {names[:200]!r}, which no answered row has; name a feature")
    frame = pl.read_parquet(path, columns=[*_OF_ROW, *wanted])
    for name, value in wanted.items():
        frame = frame.filter(pl.col(name).cast(pl.String) == value)
    return frame.select(_OF_ROW)


def _told(rows: pl.DataFrame, why: str) -> list[dict[str, Any]]:
    return [{**row, "why": why} for row in rows.select(_OF_ROW).to_dicts()]
