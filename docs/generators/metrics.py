"""The page of the inference server's metrics."""

from __future__ import annotations

from docs.generators.markdown import code, listed, plain, table

from trimtab.serving.metrics import ServingMetrics

__all__ = ["metrics_page"]


def metrics_page() -> str:
    """Return the page: each metric."""
    metrics = ServingMetrics()
    metrics.variant("", "", 1).shadow.same.inc()
    metrics.endpoint("")
    rows = []
    for family in metrics.registry.collect():
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
        name = f"{family.name}_total" if family.type == "counter" else family.name
        rows.append((code(name), family.type, listed(labels) or "–", plain(family.documentation)))
    lines = [
        "# Metrics of the inference server",
        "",
        "At `/metrics` of the inference server, in Prometheus' text format; no key is needed.",
        "",
        *table(("metric", "type", "labels", "what it is"), rows),
    ]
    return "\n".join(lines)
