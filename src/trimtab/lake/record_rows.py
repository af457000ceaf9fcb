"""Processes segments of prediction records: profiles of all rows first, then the contract on their features.

So a broken feed is seen by monitoring, and never learnt from. Many small segments are judged in one go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from trimtab.config.columns import ContractConfig
from trimtab.core.enums import VariantRole
from trimtab.lake.contract import judge
from trimtab.lake.deliveries import Delivery
from trimtab.lake.editions import Edition
from trimtab.lake.feed_rules import quarantined_rows
from trimtab.lake.feeds import Interval
from trimtab.lake.outcome import Outcome, counted, write_or_remove, write_rows
from trimtab.lake.quarantine import REASONS, ROW, broken_rows
from trimtab.lake.zones import Lake
from trimtab.profiles.periods import PeriodProfile, profile_segment
from trimtab.records.schema import FEATURE_PREFIX
from trimtab.records.segments import ROLE

__all__ = ["MODEL_VERSION", "features_of", "process_records"]

MODEL_VERSION = "model_version"
"""A column that processed records have besides those of the segment, whose metadata says it once for all rows."""


@dataclass(frozen=True, slots=True)
class _Judged:
    """The rows of several segments, one after the other: features typed (n,), and what was wrong with some."""

    features: pa.Table
    sentences: dict[int, list[str]]
    rules: dict[int, list[str]]


def features_of(table: pa.Table) -> tuple[tuple[str, str], ...]:
    """Return name and Arrow type of the features in a segment."""
    return tuple((field.name, str(field.type)) for field in table.schema if field.name.startswith(FEATURE_PREFIX))


def process_records(
    lake: Lake,
    segments: Sequence[tuple[Delivery, Edition, pa.Table]],
    contract: ContractConfig,
    *,
    profile_period_s: int,
    intervals: Mapping[str, Sequence[Interval]],
    before_writing: Callable[[], None] = lambda: None,
) -> list[Outcome]:
    """Profile, judge and write segments of one model that have the same features; return an outcome for each.

    What shadows answered is kept apart, as it came: neither profiled nor judged nor learnt from, since the live answers
    of the same rows are.

    With each segment goes which writing of its files this is; the ones before it are removed. ``before_writing``
    raises, when the rows are judged, if the files are not this worker's to write any more.

    The contract's columns that are features of the segment are judged; target, key and time are not among them.
    Features that the contract does not declare (any more) are profiled and left out.

    Raises:
        DataContractError: a segment lacks what a segment has.
        OSError: the lake cannot be written.
    """
    live = [segment for segment in segments if not _is_shadow(segment[2])]
    processed = iter(
        _process_live(
            lake,
            live,
            contract,
            profile_period_s=profile_period_s,
            intervals=intervals,
            before_writing=before_writing,
        )
        if live
        else ()
    )
    if len(live) < len(segments):
        before_writing()
    return [_keep_shadow(lake, *segment) if _is_shadow(segment[2]) else next(processed) for segment in segments]


def _is_shadow(table: pa.Table) -> bool:
    return (table.schema.metadata or {}).get(ROLE.encode()) == VariantRole.SHADOW.encode()


def _keep_shadow(lake: Lake, delivery: Delivery, edition: Edition, table: pa.Table) -> Outcome:
    if not table.num_rows:
        return Outcome()
    times = table["event_us"].to_numpy()
    span = (int(times.min()), int(times.max()))
    endpoint, segment = str(delivery.endpoint), delivery.digest
    version = pa.array(np.full(table.num_rows, int(table.schema.metadata[b"model_version"]), dtype=np.int64))
    path = lake.shadow_records(endpoint, segment, edition, start_us=span[0], end_us=span[1])
    write_rows(lake, path, table.append_column(MODEL_VERSION, version).replace_schema_metadata(None))
    for earlier in edition.superseded(delivery.spec):
        lake.remove(lake.shadow_records(endpoint, segment, earlier, start_us=span[0], end_us=span[1]))
    return Outcome(rows=table.num_rows, rows_passed=table.num_rows, span_us=span)


def _process_live(
    lake: Lake,
    segments: Sequence[tuple[Delivery, Edition, pa.Table]],
    contract: ContractConfig,
    *,
    profile_period_s: int,
    intervals: Mapping[str, Sequence[Interval]],
    before_writing: Callable[[], None],
) -> list[Outcome]:
    profiles = [tuple(profile_segment(table, period_s=profile_period_s)) for _, _, table in segments]
    judged = _judge(pa.concat_tables([_features(table, contract) for _, _, table in segments]), contract)
    starts = np.cumsum([0, *(table.num_rows for _, _, table in segments)])
    parts = [
        (delivery, edition, table, _part(judged, int(start), table.num_rows), found)
        for (delivery, edition, table), start, found in zip(segments, starts, profiles, strict=False)
    ]
    before_writing()
    return lake.together(lambda part: _finish(lake, *part, intervals), parts)


def _features(table: pa.Table, contract: ContractConfig) -> pa.Table:
    names = [name for name in contract.columns if FEATURE_PREFIX + name in table.column_names]
    chosen = table.select([FEATURE_PREFIX + name for name in names])
    return chosen.rename_columns(names).replace_schema_metadata(None)


def _judge(features: pa.Table, contract: ContractConfig) -> _Judged:
    """Judge the rows, and put the passed ones back to their places; others are null there."""
    if not features.num_columns:
        return _Judged(features=features, sentences={}, rules={})
    wanted = contract.model_copy(update={"unique": ()})
    judgement = judge(features, wanted, required=())
    rows = judgement.broken[ROW].to_numpy() - 1
    places = np.full(features.num_rows, -1, dtype=np.int64)
    places[np.setdiff1d(np.arange(features.num_rows), rows)] = np.arange(judgement.passed.num_rows)
    index = pa.array(places, mask=places < 0)
    return _Judged(
        features=judgement.passed.take(index),
        sentences=dict(zip(rows.tolist(), judgement.broken[REASONS].to_pylist(), strict=True)),
        rules={row: list(rules) for row, rules in zip(rows.tolist(), judgement.rules, strict=True)},
    )


def _part(judged: _Judged, start: int, length: int) -> _Judged:
    inside = range(start, start + length)
    return _Judged(
        features=judged.features.slice(start, length),
        sentences={row - start: found for row, found in judged.sentences.items() if row in inside},
        rules={row - start: found for row, found in judged.rules.items() if row in inside},
    )


def _finish(
    lake: Lake,
    delivery: Delivery,
    edition: Edition,
    table: pa.Table,
    judged: _Judged,
    profiles: tuple[PeriodProfile, ...],
    intervals: Mapping[str, Sequence[Interval]],
) -> Outcome:
    """Add what the feeds' state says, write both zones, and sum up."""
    sources = table["source"].to_pylist()
    times = table["event_us"].to_numpy()
    for row, reason in quarantined_rows(sources, times.tolist(), intervals).items():
        judged.sentences.setdefault(row, []).append(reason.sentence)
        judged.rules.setdefault(row, []).append(reason.rule_text)
    broken = np.array(sorted(judged.sentences), dtype=np.int64)
    passed = np.setdiff1d(np.arange(table.num_rows), broken)
    endpoint = str(delivery.endpoint)
    span = (int(times.min()), int(times.max())) if table.num_rows else None
    if span is not None:
        path = lake.processed_records(endpoint, delivery.digest, edition, start_us=span[0], end_us=span[1])
        write_rows(lake, path, _passed(table, judged, passed))
    quarantine = lake.quarantined_records(endpoint, delivery.digest, edition)
    kept = write_or_remove(
        lake, quarantine, broken_rows(table, {row: judged.sentences[row] for row in broken.tolist()})
    )
    for earlier in edition.superseded(delivery.spec):
        if span is not None:
            lake.remove(lake.processed_records(endpoint, delivery.digest, earlier, start_us=span[0], end_us=span[1]))
        lake.remove(lake.quarantined_records(endpoint, delivery.digest, earlier))
    return Outcome(
        rows=table.num_rows,
        rows_passed=len(passed),
        reasons=counted(judged.rules.values()),
        broken_by_source=dict(Counter(sources[row] for row in broken if sources[row] is not None)),
        profiles=profiles,
        span_us=span,
        quarantine_path=lake.relative(quarantine) if kept else None,
    )


def _passed(table: pa.Table, judged: _Judged, rows: NDArray[np.int64]) -> pa.Table:
    own = [name for name in table.column_names if not name.startswith(FEATURE_PREFIX)]
    taken = table.select(own).take(pa.array(rows)).replace_schema_metadata(None)
    version = int(table.schema.metadata[b"model_version"])
    taken = taken.append_column(MODEL_VERSION, pa.array(np.full(len(rows), version, dtype=np.int64)))
    features = judged.features.take(pa.array(rows))
    for name in features.column_names:
        taken = taken.append_column(FEATURE_PREFIX + name, features[name])
    return taken
