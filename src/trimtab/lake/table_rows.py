"""Processes a delivered file of rows: contract → processed zone and quarantine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from trimtab.config.columns import ContractConfig
from trimtab.config.model import ModelConfig
from trimtab.core.crashpoints import reached
from trimtab.core.enums import ColumnKind
from trimtab.lake.casting import cast_as, cast_column
from trimtab.lake.contract import check_row_count, judge
from trimtab.lake.deliveries import Delivery
from trimtab.lake.editions import FIRST, Edition
from trimtab.lake.feed_rules import quarantined_rows
from trimtab.lake.feeds import Interval
from trimtab.lake.outcome import Outcome, counted, write_or_remove, write_rows
from trimtab.lake.quarantine import ROW, broken_rows
from trimtab.lake.reading import read_table_file
from trimtab.lake.reasons import Broken
from trimtab.lake.remedies import remedies_of
from trimtab.lake.zones import Lake

__all__ = ["EarlierKeys", "event_micros", "process_table"]

EarlierKeys = Callable[[pa.Table], frozenset[str]]
"""Says which keys of these delivered rows, as texts, earlier deliveries brought."""


def process_table(
    lake: Lake,
    delivery: Delivery,
    model: ModelConfig,
    contract: ContractConfig,
    *,
    earlier_keys: EarlierKeys,
    intervals: Mapping[str, Sequence[Interval]],
    edition: Edition = FIRST,
    before_writing: Callable[[], None] = lambda: None,
) -> Outcome:
    """Judge all rows of the file, and write those that pass, and those that don't, to their zones.

    Args:
        lake: where the file lies, and the zones.
        delivery: what was delivered.
        model: whose rows they are.
        contract: what they are judged by.
        earlier_keys: which of their keys were brought before.
        intervals: when which feeds were in quarantine.
        edition: which writing of its files this is; the ones before it are removed.
        before_writing: raises, when the rows are judged, if their files are not this worker's to write any more.

    Raises:
        DataContractError: the file cannot be read, or breaks the contract as a whole.
        BackendError: the lake's storage failed.
        OSError: the lake cannot be read or written.
    """
    table = read_table_file(
        lake.at_hand(lake.absolute(delivery.raw_path)),
        name=(delivery.spec or {}).get("name"),
        encoding=contract.encoding,
    )
    check_row_count(table.num_rows, contract)
    held = _from_quarantined_feed(table, delivery, model, contract, intervals)
    kept = np.ones(table.num_rows, dtype=bool)
    kept[list(held)] = False
    places = np.flatnonzero(kept)
    rows = table.filter(pa.array(kept))
    judgement = judge(rows, contract, known_keys=earlier_keys(rows))
    broken = judgement.broken.set_column(
        judgement.broken.num_columns - 1, ROW, pa.array(places[judgement.broken[ROW].to_numpy() - 1] + 1, pa.int64())
    )
    remedies = remedies_of(table, broken, judgement.rules, contract)
    if held:
        broken = pa.concat_tables(
            [broken, broken_rows(table, {row: [reason.sentence] for row, reason in held.items()})]
        ).sort_by(ROW)
    before_writing()
    write_rows(lake, lake.processed_table(model.name, delivery.digest, edition), judgement.passed)
    reached("ingest.passed_written")
    quarantine = lake.quarantined_table(model.name, delivery.digest, edition)
    some_broke = write_or_remove(lake, quarantine, broken)
    for earlier in edition.superseded(delivery.spec):
        lake.remove(lake.processed_table(model.name, delivery.digest, earlier))
        lake.remove(lake.quarantined_table(model.name, delivery.digest, earlier))
    event_us = event_micros(judgement.passed, model)
    times = [at_us for at_us in event_us.to_pylist() if at_us is not None]
    return Outcome(
        rows=table.num_rows,
        rows_passed=judgement.passed.num_rows,
        reasons=counted([*judgement.rules, *([reason.rule_text] for reason in held.values())]),
        remedies=remedies,
        broken_by_source={delivery.source: broken.num_rows} if delivery.source and broken.num_rows else {},
        span_us=(min(times), max(times)) if times else None,
        quarantine_path=lake.relative(quarantine) if some_broke else None,
    )


def event_micros(table: pa.Table, model: ModelConfig, contract: ContractConfig | None = None) -> pa.Array:
    """Return the rows' event times in microseconds, null where the model has no time column, or the row no time.

    Rows as they were delivered need the ``contract``, which says how a time is written.
    """
    if model.time is None or model.time not in table.column_names:
        return pa.nulls(table.num_rows, pa.int64())
    if contract is not None and model.time in contract.columns:
        return cast_as(table[model.time], contract.columns[model.time]).values.cast(pa.int64())
    return cast_column(table[model.time], ColumnKind.DATETIME).values.cast(pa.int64())


def _from_quarantined_feed(
    table: pa.Table,
    delivery: Delivery,
    model: ModelConfig,
    contract: ContractConfig,
    intervals: Mapping[str, Sequence[Interval]],
) -> dict[int, Broken]:
    if delivery.source is None or delivery.source not in intervals:
        return {}
    times = pc.fill_null(event_micros(table, model, contract), delivery.received_us).to_pylist()
    return dict(quarantined_rows([delivery.source] * table.num_rows, times, intervals))
