"""The page of both programs' metrics."""

from __future__ import annotations

from docs.generators.markdown import code, listed, plain, table

from trimtab.loop.control_metrics import FAMILIES, Family
from trimtab.serving.metrics import ServingMetrics

__all__ = ["metrics_page"]

_HEAD = ("metric", "type", "labels", "what it is")


def metrics_page() -> str:
    """Return the page: each metric."""
    metrics = ServingMetrics()
    variant = metrics.variant("", "", 1)
    variant.shadow.same.inc()
    variant.refuse("any")
    metrics.endpoint("")
    rows = []
    for family in metrics.registry.collect():
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
        name = f"{family.name}_total" if family.type == "counter" else family.name
        rows.append((code(name), family.type, listed(labels) or "–", plain(family.documentation)))
    lines = [
        "# Metrics",
        "",
        "Alert rules, dashboards, and how Prometheus is set up: [Prometheus and Grafana](../prometheus.md).",
        "",
        "## The inference server",
        "",
        "At `/metrics` of the inference server, in Prometheus' text format; where it asks for keys, for one of scope "
        "`metrics`.",
        "",
        *table(_HEAD, rows),
        "",
        "## The control plane",
        "",
        "At `/metrics` of the control plane, for a key of role `viewer` or above, read from the store when asked.",
        "",
        *table(_HEAD, [_told(name, family) for name, family in FAMILIES.items()]),
    ]
    return "\n".join(lines)


def _told(name: str, family: Family) -> tuple[str, ...]:
    kind = "counter" if name.endswith("_total") else "gauge"
    return code(name), kind, listed(family.labels), plain(family.text)
