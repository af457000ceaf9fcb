"""Two versions of a model side by side: what each says of itself, and both on rows that neither has learnt from."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pyarrow.parquet as pq

from trimtab.bundle.manifest import Manifest
from trimtab.bundle.predictor import Predictor
from trimtab.bundle.writer import read_manifest
from trimtab.core.canonical import JsonObject
from trimtab.core.errors import ConfigError, TrimtabError
from trimtab.db.engine import Connection
from trimtab.lake.learnable import EVENT, learnable_rows
from trimtab.lake.snapshots import Snapshot, find_snapshot
from trimtab.loop.model_files import ModelFiles
from trimtab.loop.platform import Platform
from trimtab.loop.releases import aliases_of
from trimtab.loop.trainings import find_job
from trimtab.registry import store as registry
from trimtab.registry.versions import ModelVersion
from trimtab.training.compare import compare
from trimtab.training.data import read_labelled
from trimtab.training.problem import Problem

__all__ = ["compared", "pair_of"]

_FEWEST = 20
_MOST = 50_000
_SEED = 0


@dataclass(frozen=True, slots=True)
class _Side:
    version: ModelVersion
    manifest: Manifest
    snapshot: Snapshot
    gates: Sequence[JsonObject]


def pair_of(connection: Connection, files: ModelFiles, first: int | None, second: int | None) -> tuple[int, int]:
    """Return the numbers to compare: those given; else what serves (or came before) and the newest.

    Raises:
        ConfigError: there are no two versions, or both numbers are the same.
    """
    name = files.model.name
    numbers = [version.number for version in registry.listing(connection, model=name)]
    if None in {first, second} and len(numbers) < 2:
        raise ConfigError(f"model {name!r}: has {len(numbers)} versions; two are needed; train again first")
    other = numbers[0] if second is None else second
    if first is None:
        champion = aliases_of(connection, files.endpoint).get("champion")
        first = champion if champion not in {None, other} else next(number for number in numbers if number != other)
    if first == other:
        raise ConfigError(f"model {name!r}: version {other} cannot be compared with itself; name two versions")
    return int(first or 0), other


def compared(platform: Platform, files: ModelFiles, first: int, second: int) -> JsonObject:
    """Compare version ``second`` (the candidate) with version ``first``; nothing is stored.

    Raises:
        NotFoundError: there is no such version.
        ArtifactUntrustedError: a bundle was changed.
    """
    with platform.database.reading() as connection:
        sides = [_side(connection, platform, files.model.name, number) for number in (first, second)]
        aliases = aliases_of(connection, files.endpoint)
    same_rows, why_not = _on_the_same_rows(platform, files, *sides)
    return {
        "model": files.model.name,
        "primary_metric": files.model.main_metric,
        "versions": [_described(side, aliases) for side in sides],
        "same_data": sides[0].snapshot.dataset_hash == sides[1].snapshot.dataset_hash,
        "same_rows": same_rows,
        "why_no_same_rows": why_not,
    }


def _side(connection: Connection, platform: Platform, model: str, number: int) -> _Side:
    version = registry.get(connection, model, number)
    result = find_job(connection, version.job_id).spec.get("result") or {}
    return _Side(
        version=version,
        manifest=read_manifest(Path(version.bundle_path), expected_digest=version.digest),
        snapshot=find_snapshot(connection, platform.lake, version.snapshot_id),
        gates=result.get("gates", ()),
    )


def _described(side: _Side, aliases: Mapping[str, int]) -> JsonObject:
    version, manifest, snapshot = side.version, side.manifest, side.snapshot
    return {
        "number": version.number,
        "state": version.state.value,
        "aliases": sorted(name for name, number in aliases.items() if number == version.number),
        "algorithm": version.algorithm,
        "created_us": version.created_us,
        "held_out": dict(version.metrics),
        "gates": list(side.gates),
        "params": dict(manifest.params),
        "importance": dict(sorted(manifest.importance.items(), key=lambda item: -abs(item[1]))),
        "features": [feature.name for feature in manifest.features],
        "data": {
            "dataset_hash": snapshot.dataset_hash,
            "rows": snapshot.rows,
            "span_start_us": snapshot.span_start_us,
            "span_end_us": snapshot.span_end_us,
        },
        "lineage": msgspec.to_builtins(manifest.lineage),
        "digest": version.digest,
    }


def _on_the_same_rows(
    platform: Platform, files: ModelFiles, old: _Side, new: _Side
) -> tuple[JsonObject | None, str | None]:
    """Return the comparison on rows that neither learnt from, or None and why there is none."""
    try:
        unseen = _unseen(platform, files, (old.snapshot, new.snapshot))
        if unseen.height < _FEWEST:
            return None, (
                f"{unseen.height} labelled rows came that neither version has learnt from; at least {_FEWEST} are "
                "needed; deliver newer rows, or tell more outcomes"
            )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.parquet"
            pq.write_table(unseen.to_arrow(), path)
            table, truth = read_labelled(path, files.model)
            found = compare(
                Predictor.load(Path(new.version.bundle_path), expected_digest=new.version.digest),
                Path(old.version.bundle_path),
                old.version.digest,
                table,
                truth,
                _problem(files, new.manifest),
                np.random.default_rng(_SEED),
            )
    except TrimtabError as error:
        return None, str(error)
    told: dict[str, Any] = msgspec.to_builtins(found)
    return told, None


def _unseen(platform: Platform, files: ModelFiles, snapshots: Sequence[Snapshot]) -> pl.DataFrame:
    """Return the newest labelled rows that are in no file that a version learnt from, in order of time."""
    rows = pl.from_arrow(
        learnable_rows(
            platform.database,
            platform.lake,
            model=files.model,
            contract=files.contract,
            endpoint=files.endpoint,
            until_us=None,
            known_us=platform.now_us(),
        ).table
    )
    if not isinstance(rows, pl.DataFrame):  # pragma: no cover - a table gives a frame
        raise TypeError(type(rows))
    columns = [*files.contract.columns, EVENT]
    rows = rows.select(columns).drop_nulls(files.model.target)
    for snapshot in snapshots:
        learnt = pl.read_parquet(snapshot.path)
        shared = [name for name in columns if name in learnt.columns and learnt.schema[name] == rows.schema[name]]
        # All columns, for a key may be missing or come again; where the contract has changed since, those that stayed.
        rows = rows.join(learnt.select(shared).unique(), on=shared, how="anti", nulls_equal=True)
    return rows.sort(EVENT, maintain_order=True, nulls_last=False).tail(_MOST)


def _problem(files: ModelFiles, manifest: Manifest) -> Problem:
    model = files.model
    return Problem(
        task=model.task,
        classes=manifest.classes,
        positive_class=model.positive_class,
        metrics=model.all_metrics,
        primary=model.main_metric,
        transform="none",
    )
