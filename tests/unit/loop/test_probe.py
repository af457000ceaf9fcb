"""What a rollout sees of its variants: the server's own text, counted since the step began."""

from __future__ import annotations

from trimtab.loop.probe import Counts, counts_by_variant
from trimtab.serving.metrics import ServingMetrics


def _metrics() -> ServingMetrics:
    metrics = ServingMetrics()
    for endpoint, variant, answered, failed in (("heart", "v1", 95, 5), ("heart", "v2", 20, 0), ("bike", "v1", 7, 0)):
        children = metrics.variant(endpoint, variant, 1)
        children.answered.inc(answered)
        children.failed.inc(failed)
        children.refused.inc(3)
        for number in range(answered):
            children.latency_s.observe(0.0008 if number % 20 else 0.3)
    metrics.unrouted(404).inc()
    return metrics


def test_answers_and_errors_of_each_variant_of_one_endpoint_are_counted() -> None:
    metrics = _metrics()
    metrics.unrecorded("heart", "refused").inc(3)
    counts = counts_by_variant(metrics.exposition().decode(), "heart")
    assert sorted(counts) == ["v1", "v2"]
    assert (counts["v1"].requests, counts["v1"].errors) == (100, 5), "what the caller got wrong is not ours"
    assert (counts["v2"].requests, counts["v2"].errors) == (20, 0)
    assert counts["v2"].p95_ms == 1.0
    assert counts["v1"].p95_ms == 300.0, "5 of 95 lie above a millisecond: more than a twentieth"


def test_an_endpoint_that_nobody_asked_has_no_counts() -> None:
    assert counts_by_variant(_metrics().exposition().decode(), "unknown") == {}
    assert counts_by_variant("", "heart") == {}
    assert Counts().p95_ms is None


def test_a_step_counts_from_its_own_beginning() -> None:
    before, now = Counts(100, 5, {0.1: 90.0, float("inf"): 100.0}), Counts(150, 5, {0.1: 140.0, float("inf"): 150.0})
    since = now.since(before)
    assert (since.requests, since.errors, since.below) == (50, 0, {0.1: 50.0, float("inf"): 50.0})


def test_a_sum_over_processes_that_fell_a_little_is_nothing_new() -> None:
    before, now = Counts(100, 5, {0.1: 90.0, float("inf"): 100.0}), Counts(98, 4, {0.1: 89.0, float("inf"): 98.0})
    assert now.since(before) == Counts()
    late = Counts(101, 4, {0.1: 89.0, float("inf"): 101.0}).since(before)
    assert (late.requests, late.errors, late.below) == (1, 0, {0.1: 0.0, float("inf"): 1.0})
