"""A project small enough to go around the loop in seconds: one model, one kind of estimator, one trial."""

from __future__ import annotations

import random
from pathlib import Path

MODEL = "churn"
HEADER = "customer,age,spend,plan,churned"

FILES = {
    "trimtab.yaml": """\
project: small
api: {rate: null, port: 0}
serving: {port: 0, ship_interval: 100ms}
""",
    "policy.yaml": """\
rules:
  - name: What is found is written down, and a person looks
    when: {origin: incident}
    then: {actions: [log], tier: automatic}
""",
    "models/churn/model.yaml": """\
name: churn
task: binary
target: churned
positive_class: "yes"
key: customer
metrics: [f1, accuracy]
feeds:
  shop: {owner: the shop}
""",
    "models/churn/contract.yaml": """\
columns:
  customer: {type: category}
  age: {type: integer, min: 18, max: 100}
  spend: {type: number, min: 0}
  plan: {type: category, values: [basic, plus]}
  churned: {type: category, values: ["yes", "no"]}
unique: [customer]
""",
    "models/churn/training_config.yaml": """\
split: {type: stratified, test_share: 0.25}
cross_validation: null
trials: 1
candidates:
  - type: logistic_regression
""",
    "models/churn/deployment_config.yaml": """\
strategy:
  type: canary
  steps:
    - {weight_pct: 50, duration: 1s, min_requests: 1}
  limits: {max_error_rate: 0.3, max_error_ratio: null, max_latency_increase: null}
""",
    "models/churn/monitoring_config.yaml": """\
window: 7d
monitors:
  - {type: data_quality, severity: medium}
  - {type: data_drift, severity: medium}
""",
    "models/churn/retrain_config.yaml": """\
when:
  new_labels: {at_least: 100000}
""",
}
"""The eight files of configuration."""


def make_project(root: Path) -> Path:
    """Write the project to ``root`` and return it."""
    for name, content in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return root


def write_rows(path: Path, *, count: int = 160, first: int = 0, outcome: str | None = None) -> Path:
    """Write customers numbered from ``first``: those who spend much and are young leave; or all do as ``outcome``."""
    draw = random.Random(first + 1)
    lines = [HEADER]
    for number in range(first, first + count):
        age, spend, plan = draw.randint(18, 80), round(draw.uniform(0, 100), 2), draw.choice(["basic", "plus"])
        leaves = spend / 50 - age / 60 + draw.gauss(0, 0.3) > 0
        lines.append(f"c{number},{age},{spend},{plan},{outcome or ('yes' if leaves else 'no')}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
