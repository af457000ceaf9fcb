"""What is counted of each variant, and what becomes of the counts when versions are swapped."""

from __future__ import annotations

import asyncio
import errno
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from tests.unit.serving.bench import Bench
from tests.unit.serving.running import ROW, variant

from trimtab.serving.asgi import Message, Scope
from trimtab.serving.counting import LATENCY_BOUNDS_S, Latencies
from trimtab.serving.spec import EndpointSpec
from trimtab.serving.variant_metrics import RETIRED_S, VariantKey, VariantsCollector


def _samples(bench: Bench, name: str) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(bench.metrics.exposition().decode())
    return {
        tuple(value for label, value in sorted(sample.labels.items()) if label != "le"): sample.value
        for family in families
        for sample in family.samples
        if sample.name == name
    }


@given(
    durations=st.lists(st.floats(0.00006, 9.9), min_size=1, max_size=200),
    share=st.floats(0.01, 1.0),
)
def test_a_quantile_lies_in_the_bucket_of_the_true_one(durations: list[float], share: float) -> None:
    latencies = Latencies()
    for duration in durations:
        latencies.observe(duration)
    ordered = sorted(durations)
    true = next(value for place, value in enumerate(ordered, 1) if place >= share * len(ordered))
    upper = next(bound for bound in LATENCY_BOUNDS_S if bound >= true)
    lower = max((bound for bound in LATENCY_BOUNDS_S if bound < true), default=0.0)
    found = latencies.quantile(share)
    assert found is not None
    assert lower <= found <= upper * (1 + 1e-9)


def test_quantiles_of_nothing_and_beyond_the_last_bound() -> None:
    latencies = Latencies()
    assert latencies.quantile(0.5) is None
    latencies.observe(60.0)
    assert latencies.quantile(0.5) == LATENCY_BOUNDS_S[-1]
    assert latencies.buckets()[-1] == ("+Inf", 1.0)
    assert latencies.buckets()[-2] == ("10.0", 0.0)


def test_a_new_version_under_an_old_name_counts_from_zero_and_the_old_one_is_told_on(
    bench: Bench, tmp_path: Path
) -> None:
    bench.deploy(EndpointSpec(endpoint="heart", generation=1, variants=(variant(tmp_path, "v", "100"),)))
    assert [bench.post("/predict", {"rows": [ROW, ROW]})[0] for _ in range(3)] == [200] * 3
    bench.deploy(EndpointSpec(endpoint="heart", generation=2, variants=(variant(tmp_path, "v", "100", version=2),)))
    assert bench.post("/predict", {"row": ROW})[0] == 200
    assert bench.post("/predict", {"row": {}})[0] == 400
    assert bench.post("/predict/other", {"row": ROW})[0] == 404
    requests = _samples(bench, "trimtab_requests_total")
    assert requests["heart", "2xx", "v", "1"] == 3
    assert (requests["heart", "2xx", "v", "2"], requests["heart", "4xx", "v", "2"]) == (1, 1)
    assert requests["", "4xx", "", ""] == 1
    assert _samples(bench, "trimtab_rows_total") == {("heart", "v", "1"): 6, ("heart", "v", "2"): 1}
    counts = _samples(bench, "trimtab_request_latency_seconds_count")
    assert counts == {("heart", "v", "1"): 3, ("heart", "v", "2"): 1}


def test_a_refused_request_is_counted_once_for_the_feature_that_did_not_fit(bench: Bench, tmp_path: Path) -> None:
    bench.deploy(EndpointSpec(endpoint="heart", generation=1, variants=(variant(tmp_path, "v", "100"),)))
    renamed = {"AGE" if name == "age" else name: value for name, value in ROW.items()}
    for row in (ROW | {"age": "60 y"}, ROW | {"age": "x" * 9, "sex": 1}, renamed, ROW | {"sex": 7}):
        assert bench.post("/predict", {"row": row})[0] == 400
    assert bench.post("/predict", {"rows": [ROW, ROW | {"chol": "much"}, ROW | {"age": "old"}]})[0] == 400
    nameless: list[dict[str, object]] = [{"row": ROW | {"weight": 3}}, {"rows": []}, {"row": {"age": [1]}}]
    assert [bench.post("/predict", body)[0] for body in nameless] == [400] * 3
    assert bench.post("/predict", {"row": ROW})[0] == 200
    by_column = _samples(bench, "trimtab_requests_refused_by_column_total")
    assert by_column == {("age", "heart", "v", "1"): 3, ("sex", "heart", "v", "1"): 1, ("chol", "heart", "v", "1"): 1}
    assert _samples(bench, "trimtab_requests_total")["heart", "4xx", "v", "1"] == 6, "and one for a field too many"
    assert "much" not in bench.metrics.exposition().decode(), "values are nobody's business"


def test_what_is_served_no_more_is_forgotten_after_its_last_requests_were_told() -> None:
    now_s, served = 0.0, {("heart", "v", 1)}
    collector = VariantsCollector(lambda: now_s)
    collector.served = lambda: served
    registry = CollectorRegistry()
    registry.register(collector)

    def told() -> set[VariantKey]:
        rows = next(family for family in registry.collect() if family.name == "trimtab_rows")
        return {(one.labels["endpoint"], one.labels["variant"], int(one.labels["version"])) for one in rows.samples}

    for version in (1, 2):
        collector.variant(("heart", "v", version))
    collector.endpoint("heart")
    served = {("heart", "v", 2)}
    assert told() == {("heart", "v", 1), ("heart", "v", 2)}
    now_s = RETIRED_S
    assert len(told()) == 2
    now_s = RETIRED_S + 1
    assert told() == {("heart", "v", 2)}
    served = set()
    told()
    served = {("heart", "v", 2)}
    now_s += RETIRED_S
    assert told() == served, "it came back: the clock starts anew"
    served = set()
    told()
    now_s += RETIRED_S + 1
    assert told() == set()
    assert collector.variant(("heart", "v", 2)).rows.value == 0


def test_what_is_loaded_again_is_told_of_however_long_that_takes() -> None:
    now_s, served = 0.0, set[VariantKey]()
    collector = VariantsCollector(lambda: now_s)
    collector.served = lambda: served
    collector.variant(("heart", "v", 1))
    list(collector.collect())
    now_s = RETIRED_S
    loading = collector.variant(("heart", "v", 1))
    now_s = RETIRED_S + 1
    list(collector.collect())
    assert collector.variant(("heart", "v", 1)) is loading


def test_requests_are_in_flight_of_their_endpoint_while_their_body_comes_in(bench: Bench, tmp_path: Path) -> None:
    bench.deploy(EndpointSpec(endpoint="heart", generation=1, variants=(variant(tmp_path, "v", "100"),)))
    seen: list[float] = []

    async def receive() -> Message:
        seen.append(_samples(bench, "trimtab_endpoint_requests_in_flight")["heart",])
        return {"type": "http.request", "body": json.dumps({"row": ROW}).encode(), "more_body": False}

    async def gone() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        seen.append(_samples(bench, "trimtab_endpoint_requests_in_flight")["heart",])

    scope: Scope = {"type": "http", "method": "POST", "path": "/predict", "headers": []}
    asyncio.run(bench.app(scope, receive, send))
    assert seen == [1, 0, 0]
    asyncio.run(bench.app(scope, gone, send))
    assert _samples(bench, "trimtab_endpoint_requests_in_flight") == {("heart",): 0}


def test_stats_tell_what_a_person_wants_to_know(bench: Bench, tmp_path: Path) -> None:
    stable, canary = variant(tmp_path, "stable", "90"), variant(tmp_path, "canary", "10", version=2)
    bench.deploy(EndpointSpec(endpoint="heart", generation=4, variants=(stable, canary)))
    for name in ("stable", "stable", "canary"):
        assert bench.ask("/predict", {"row": ROW}, {"X-Trimtab-Variant": name}).status == 200
    heart = bench.ask("/v1/stats").json["heart"]
    assert (heart["generation"], heart["in_flight"], heart["shed"]) == (4, 0, 0)
    first, second = heart["variants"]
    assert (first["name"], first["model_version"], first["weight_pct"]) == ("stable", 1, 90)
    assert first["requests"] == {"2xx": 2, "4xx": 0, "5xx": 0}
    assert first["latency_ms"]["p99"] <= 0.05, "the clock of the bench stands still"
    assert (second["requests"]["2xx"], second["rows"], second["role"]) == (1, 1, "live")
    assert second["load_s"] > 0
    assert "shadow_rows" not in second


def test_what_is_shed_is_counted_for_its_endpoint(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.deploy(EndpointSpec(endpoint="heart", generation=1, variants=(variant(tmp_path, "v", "100"),)))

    def full(descriptor: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    statuses = [bench.post("/predict", {"row": ROW})[0] for _ in range(40)]
    assert statuses.count(503) > 0
    assert _samples(bench, "trimtab_shed_requests_total")["heart",] == statuses.count(503)
