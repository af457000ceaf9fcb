"""Windows and references for the monitors' tests, made from tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from trimtab.config.columns import ColumnContract
from trimtab.core.enums import ColumnKind, Task
from trimtab.monitoring.check import Check, Window
from trimtab.monitoring.run import run_monitors
from trimtab.monitoring.settings import MonitoringConfig, MonitorSettings
from trimtab.monitoring.window import LabelledRows, WindowData
from trimtab.profiles.periods import PeriodProfile, profile_segment
from trimtab.profiles.reference import Reference, build_reference

MINUTE_US = 60_000_000
START_US = 1_900_000_000_000_000 // MINUTE_US * MINUTE_US

CONTRACTS = {
    "chol": ColumnContract(type=ColumnKind.NUMBER, unit="mg/dL", min=50, max=700),
    "age": ColumnContract(type=ColumnKind.INTEGER, nullable=True),
    "pain": ColumnContract(type=ColumnKind.CATEGORY, values=("none", "mild", "severe")),
    "smokes": ColumnContract(type=ColumnKind.BOOLEAN),
}

Columns = dict[str, Any]


def patients(rows: int, seed: int) -> Columns:
    rng = np.random.default_rng(seed)
    return {
        "chol": np.round(rng.normal(245, 50, rows).clip(120, 560)),
        "age": np.round(rng.normal(54, 9, rows)),
        "pain": rng.choice(["none", "mild", "severe"], rows, p=[0.5, 0.3, 0.2]).tolist(),
        "smokes": rng.choice([True, False], rows).tolist(),
    }


def reference_of(columns: Columns, contracts: Mapping[str, ColumnContract] = CONTRACTS) -> Reference:
    return build_reference(pa.table(columns), {name: contracts[name].type for name in columns}, time_us=None)


REFERENCE = reference_of(patients(240, seed=0))


def periods_of(columns: Columns, *, latency_ms: float = 2.0) -> tuple[PeriodProfile, ...]:
    """One row a minute, one period a minute."""
    rows = len(next(iter(columns.values()))) if columns else 0
    types = {"pain": pa.string(), "colour": pa.string(), "smokes": pa.bool_()}
    table = pa.table(
        {
            "event_us": pa.array(START_US + np.arange(rows) * MINUTE_US, pa.int64()),
            "variant": pa.array(["stable"] * rows, pa.string()),
            "prediction": pa.array(["yes"] * rows, pa.string()),
            "latency_ms": pa.array(np.full(rows, latency_ms)),
            **{f"f.{name}": pa.array(values, types.get(name, pa.float64())) for name, values in columns.items()},
        }
    )
    table = table.replace_schema_metadata({"endpoint": "heart", "model_version": "1"})
    return tuple(profile_segment(table, period_s=60))


def window_of(
    columns: Columns,
    *,
    reference: Reference = REFERENCE,
    contracts: Mapping[str, ColumnContract] = CONTRACTS,
    labelled: LabelledRows | None = None,
    baseline: Mapping[str, float] | None = None,
    metrics: Sequence[str] = ("accuracy",),
    latency_ms: float = 2.0,
) -> WindowData:
    return WindowData(
        model="heart",
        endpoint="heart",
        variant="stable",
        model_version=1,
        window=Window(START_US, START_US + 24 * 60 * MINUTE_US),
        periods=periods_of(columns, latency_ms=latency_ms),
        reference=reference,
        columns=contracts,
        labelled_in=None if labelled is None else lambda _window: labelled,
        baseline_metrics=baseline or {},
        metrics=tuple(metrics),
        task=Task.BINARY,
        positive_class="yes",
    )


def labels(truth: Sequence[str], said: Sequence[str], answered: int | None = None) -> LabelledRows:
    rows = len(truth)
    times = START_US + np.arange(rows) * MINUTE_US
    return LabelledRows(np.array(truth), np.array(said), None, times, rows if answered is None else answered)


def checks_of(config: MonitoringConfig, data: WindowData) -> tuple[Check, ...]:
    """What all monitors of ``config`` say, in its order."""
    return tuple(check for look in run_monitors(config, data) for check in look.checks)


def examples_of(settings: type[MonitorSettings]) -> list[dict[str, Any]]:
    """The settings that a monitor names as examples of its own; none needed where defaults do."""
    extra = settings.model_config.get("json_schema_extra")
    found = extra.get("examples") if isinstance(extra, dict) else None
    return [dict(example) for example in found if isinstance(example, dict)] if isinstance(found, list) else [{}]
