"""A project with one regression, and the table that it is simulated on: its concept turns over half-way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trimtab.loop.simulation.run import Asked

MODEL = "load"
START = datetime(2024, 1, 1, tzinfo=UTC)
BEGIN = START + timedelta(days=12)
TURN = START + timedelta(days=15)
DAYS, A_DAY = 24, 12

FILES = {
    "trimtab.yaml": "project: recorded\nnotifications:\n  - {name: on-call, url: 'log://'}\n",
    "policy.yaml": """\
limits: {cooldown: 1d}
rules:
  - name: A trigger may ask for a retraining; somebody agrees, and that covers its release
    when: {origin: trigger, action: retrain}
    then: {tier: approval, covers: [deploy], expires: 7d}
  - name: What is found is written down
    when: {origin: incident}
    then: {actions: [log], tier: automatic}
""",
    "models/load/model.yaml": """\
name: load
task: regression
target: load
time: at
label_delay: 1d
metrics: [mae, rmse]
""",
    "models/load/contract.yaml": """\
columns:
  at: {type: datetime}
  x: {type: number}
  kind: {type: category, values: [a, b]}
  load: {type: number}
""",
    "models/load/training_config.yaml": """\
split: {type: time, test_share: 0.2}
cross_validation: null
trials: 1
candidates:
  - {type: ridge}
""",
    "models/load/deployment_config.yaml": "approval: {required: true}\n",
    "models/load/monitoring_config.yaml": """\
schedule: "0 0 * * *"
window: 3d
profile_period: 1d
monitors:
  - {type: data_quality, severity: medium}
  - {type: model_quality, severity: high, limits: {mae: 1.5}, min_labels: 20}
  - {type: business, at_least: 0.02, source: {type: promql, url: "http://127.0.0.1:9", query: sold}}
""",
    "models/load/retrain_config.yaml": """\
when:
  performance: {metric: mae, above: 1.5}
cooldown: 3d
""",
}


def make_project(root: Path) -> Path:
    """Write the project to ``root`` and return it."""
    for name, content in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return root


def asked(table: Path, **more: Any) -> Asked:
    """Return the simulation of the table in ``table``, day by day."""
    return Asked(model=MODEL, stream=table, time="at", start=BEGIN, **more)


def rows() -> pa.Table:
    """Return the table: load follows x, and against it from `TURN` on."""
    rng = np.random.default_rng(5)
    count = DAYS * A_DAY
    at = [START + timedelta(days=1) / A_DAY * place for place in range(count)]
    x = np.round(rng.normal(0, 2, count), 3)
    kind = rng.choice(["a", "b"], count)
    sign = np.array([1.0 if moment < TURN else -1.0 for moment in at])
    load = 10 + sign * x + (kind == "b") + rng.normal(0, 0.3, count)
    return pa.table({"at": pa.array(at, pa.timestamp("us", tz="UTC")), "x": x, "kind": kind, "load": np.round(load, 3)})


def write_rows(path: Path, table: pa.Table | None = None) -> Path:
    """Write the table, or another one, to ``path``."""
    pq.write_table(rows() if table is None else table, path)
    return path
