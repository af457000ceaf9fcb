"""An endpoint that is paused refuses what all protocols ask, records nothing, and answers again when it is resumed."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from tests.unit.serving.bench import Bench
from tests.unit.serving.feature_store import Store
from tests.unit.serving.running import ROW, Running, variant, write_spec

from trimtab.serving.autoscaling import Autoscaler
from trimtab.serving.spec import AutoscalingSpec, EndpointSpec, FeaturesSpec, PauseSpec
from trimtab.serving.spec_files import spec_path

_PAUSE = PauseSpec(reason="wrong prices", retry_after_s=9)


def _spec(state: Path) -> EndpointSpec:
    live = variant(state, "stable", "90"), variant(state, "canary", "10", version=2)
    return EndpointSpec(endpoint="heart", generation=1, variants=live)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict", {"row": ROW}),
        ("/predict/heart", {"rows": [ROW, ROW]}),
        ("/invocations", {"dataframe_records": [ROW]}),
    ],
)
def test_a_paused_endpoint_refuses_and_records_nothing(bench: Bench, path: str, body: object) -> None:
    plain = _spec(bench.state)
    bench.deploy(plain)
    assert bench.ask(path, body).status == 200
    written = len(bench.recorded())
    bench.deploy(msgspec.structs.replace(plain, generation=2, paused=_PAUSE))
    refused = bench.ask(path, body)
    assert (refused.status, refused.headers["retry-after"]) == (503, "9")
    assert b"endpoint 'heart': is paused (wrong prices)" in refused.body
    assert len(bench.recorded()) == written
    bench.deploy(msgspec.structs.replace(plain, generation=3))
    assert bench.ask(path, body).status == 200


def test_a_spec_that_says_nothing_of_pauses_is_read_as_before(bench: Bench) -> None:
    plain = _spec(bench.state)
    content = {
        name: value
        for name, value in msgspec.to_builtins(plain).items()
        if name not in {"paused", "scaled_to", "cache_epoch"}
    }
    path = spec_path(bench.state, "heart")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    assert bench.step("heart").error is None
    assert bench.ask("/predict", {"row": ROW}).status == 200


def test_what_was_scaled_is_a_floor_of_what_autoscaling_wants(tmp_path: Path) -> None:
    live = (variant(tmp_path, "stable", "100"),)
    policy = AutoscalingSpec(min_workers=1, max_workers=2)
    spec = EndpointSpec(endpoint="heart", generation=1, variants=live, autoscaling=policy)
    for scaled_to, wanted in ((None, 1), (3, 3), (9, 4)):
        write_spec(tmp_path, msgspec.structs.replace(spec, scaled_to=scaled_to))
        scaler = Autoscaler(tmp_path / "specs", 4, 0.0)
        assert [scaler.wanted(lambda: 0.0, float(second)) for second in range(70)][-1] == wanted


def test_another_epoch_makes_a_worker_read_its_features_anew(tmp_path: Path) -> None:
    store = Store()
    source = FeaturesSpec(
        source=store.url, entity_keys=("patient",), names=("age", "chol"), timeout_ms=15_000, cache_s=600.0
    )
    live = (variant(tmp_path, "stable", "100"),)
    spec = EndpointSpec(endpoint="heart", generation=1, variants=live, features=source)
    write_spec(tmp_path, spec)
    server = Running(tmp_path)
    try:
        calls = []
        for generation in (1, 2):
            server.deploy(msgspec.structs.replace(spec, generation=generation, cache_epoch=generation - 1))
            for _ in range(2):
                assert server.predict({"row": {"sex": "male", "patient": "7"}}, "/predict/heart").status == 200
            calls.append(store.calls)
        assert calls == [1, 2]
    finally:
        server.stop()
        store.stop()
