"""The caller names the variant that answers, and the trace that the request belongs to."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from tests.unit.serving.bench import Bench
from tests.unit.serving.running import ROW, variant

from trimtab.core.enums import VariantRole
from trimtab.serving.spec import EndpointSpec
from trimtab.serving.tracing import trace_id

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
BODY = {"row": ROW, "sticky_key": "7"}


def _deploy(bench: Bench, folder: Path, *, choice: bool = True, canary: str = "0") -> None:
    stable, new = variant(folder, "stable", str(100 - int(canary))), variant(folder, "canary", canary, version=2)
    dark = msgspec.structs.replace(new, name="dark", role=VariantRole.SHADOW)
    variants = (stable, new, dark)
    spec = EndpointSpec(endpoint="heart", generation=1, variants=variants, sticky_key="record_key")
    bench.deploy(msgspec.structs.replace(spec, variant_choice=choice))


def test_a_caller_may_ask_for_a_variant_of_weight_zero_and_is_not_taken_for_a_random_one(
    bench: Bench, tmp_path: Path
) -> None:
    _deploy(bench, tmp_path)
    asked = bench.ask("/predict", BODY, {"X-Trimtab-Variant": "canary"})
    drawn = bench.ask("/predict", BODY)
    assert [reply.headers["x-trimtab-variant"] for reply in (asked, drawn)] == ["canary", "stable"]
    assert (asked.json["model_version"], asked.headers["x-trimtab-model"]) == (2, "tiny:2")
    first, second = bench.recorded()
    assert (first.assignment_probability, first.sticky_hash) == (None, None)
    assert second.assignment_probability == 1.0
    assert second.sticky_hash is not None


@pytest.mark.parametrize("name", ["dark", "blue", "", "canary, stable", "é"])
def test_a_variant_that_is_not_live_is_named_in_one_sentence(bench: Bench, tmp_path: Path, name: str) -> None:
    _deploy(bench, tmp_path)
    reply = bench.ask("/predict", BODY, {"X-Trimtab-Variant": name})
    assert reply.status == 404
    assert "expected one of: stable, canary" in reply.json["error"]
    assert not bench.recorded()


def test_header_and_path_must_not_contradict_each_other(bench: Bench, tmp_path: Path) -> None:
    _deploy(bench, tmp_path)
    inputs = [
        {"name": name, "shape": [1], "datatype": kind, "data": [value]}
        for (name, value), kind in zip(ROW.items(), ("FP64", "FP64", "BYTES"), strict=True)
    ]
    path = "/v2/models/heart/versions/2/infer"
    assert bench.ask(path, {"inputs": inputs}, {"X-Trimtab-Variant": "canary"}).status == 200
    refused = bench.ask(path, {"inputs": inputs}, {"X-Trimtab-Variant": "stable"})
    assert refused.status == 400
    assert "'stable'" in refused.json["error"]
    assert "'canary'" in refused.json["error"]


def test_an_endpoint_may_forbid_the_choice(bench: Bench, tmp_path: Path) -> None:
    _deploy(bench, tmp_path, choice=False, canary="10")
    refused = bench.ask("/predict", BODY, {"X-Trimtab-Variant": "canary"})
    assert refused.status == 400
    assert "variant_choice" in refused.json["error"]
    assert bench.ask("/predict", BODY).status == 200


def test_a_trace_names_the_request_and_goes_back(bench: Bench, tmp_path: Path) -> None:
    _deploy(bench, tmp_path)
    reply = bench.ask("/predict", BODY, {"traceparent": PARENT})
    assert (reply.headers["traceparent"], reply.headers["x-request-id"]) == (PARENT, TRACE)
    own = bench.ask("/predict", BODY, {"traceparent": PARENT, "X-Request-Id": "own"})
    assert (own.headers["traceparent"], own.headers["x-request-id"]) == (PARENT, "own")
    assert [frame.request_id for frame in bench.recorded()] == [TRACE, "own"]
    refused = bench.ask("/predict", {"row": {}}, {"traceparent": PARENT})
    assert (refused.status, refused.headers["traceparent"]) == (400, PARENT), "also where something went wrong"
    without = bench.ask("/predict", BODY)
    assert "traceparent" not in without.headers


@pytest.mark.parametrize(
    "header",
    [
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-00f067aa0ba902b7-01",
        f"00-{TRACE.upper()}-00f067aa0ba902b7-01",
        f"00-{TRACE}-00f067aa0ba902b7-01-more",
        f"00-{TRACE}-00f067aa0ba902b7-01\r\nset-cookie: a=b",
        "",
        "x" * 10_000,
    ],
)
def test_what_is_no_trace_is_not_passed_on(bench: Bench, tmp_path: Path, header: str) -> None:
    _deploy(bench, tmp_path)
    reply = bench.ask("/predict", BODY, {"traceparent": header})
    assert reply.status == 200
    assert "traceparent" not in reply.headers
    assert TRACE not in reply.headers["x-request-id"]


def test_a_later_version_of_trace_context_is_read_as_far_as_it_is_known() -> None:
    assert trace_id(f"cc-{TRACE}-00f067aa0ba902b7-01-what-the-future-will-be".encode()) == TRACE
