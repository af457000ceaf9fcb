"""A model of images behind every protocol, in a real server; what is recorded of it."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.serving.bench import Bench
from tests.unit.serving.running import Reply, Running, write_spec

from trimtab.bundle.predictor import Predictor
from trimtab.core.errors import ArtifactUntrustedError
from trimtab.serving.spec import EndpointSpec, VariantSpec
from trimtab.testing.image_bundles import png, tiny_image_bundle

BRIGHT, DARK = png(230, width=50, height=20), png(10)
_TEXT = base64.b64encode(BRIGHT).decode()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    state = tmp_path_factory.mktemp("images")
    manifest = tiny_image_bundle(state / "bundle")
    variant = VariantSpec(
        name="stable",
        model="bright",
        model_version=1,
        bundle_path=str(state / "bundle"),
        bundle_digest=manifest.digest,
        weight_pct=Decimal(100),
    )
    write_spec(state, EndpointSpec(endpoint="light", generation=1, variants=(variant,), max_rows=50))
    server = Running(state)
    yield server
    server.stop()


def _expected(level: int) -> float:
    return float(1 / (1 + np.exp(-10 * (level / 255 - 0.5))))


def _raw(running: Running, path: str, body: bytes, kind: str = "image/png", **headers: str) -> Reply:
    return running.call("POST", path, body, {"Content-Type": kind, **headers})


@pytest.mark.parametrize("text", [_TEXT, f"data:image/png;base64,{_TEXT}", base64.encodebytes(BRIGHT).decode()])
def test_predict_takes_base64_with_and_without_its_prefix(running: Running, text: str) -> None:
    reply = running.predict({"row": {"image": text}, "record_key": "a"})
    assert reply.status == 200, reply.body
    [answer] = reply.json["predictions"]
    assert answer["prediction"] == "bright"
    assert answer["probability"] == pytest.approx(_expected(230), abs=1e-5)


def test_predict_takes_the_file_itself(running: Running) -> None:
    for body, label in ((BRIGHT, "bright"), (DARK, "dark")):
        reply = _raw(running, "/predict/light", body)
        assert (reply.status, reply.json["predictions"][0]["prediction"]) == (200, label), reply.body
        assert reply.headers["x-trimtab-model"] == "bright:1"


@pytest.mark.parametrize("kind", ["image/png", "application/x-image", "IMAGE/JPEG; q=1"])
def test_invocations_takes_the_file_and_mlflows_forms(running: Running, kind: str) -> None:
    assert _raw(running, "/invocations", DARK, kind).json == {"predictions": ["dark"]}
    for body in ({"instances": [_TEXT]}, {"inputs": {"image": [_TEXT]}}, {"dataframe_records": [{"image": _TEXT}]}):
        assert running.predict(body, "/invocations").json == {"predictions": ["bright"]}


def test_the_open_inference_protocol_takes_bytes_and_base64(running: Running) -> None:
    metadata = running.call("GET", "/v2/models/light").json
    assert metadata["inputs"] == [{"name": "image", "datatype": "BYTES", "shape": [-1]}]
    tensor = b"".join(struct.pack("<I", len(content)) + content for content in (BRIGHT, DARK))
    head = {
        "inputs": [
            {"name": "image", "shape": [2, 1], "datatype": "BYTES", "parameters": {"binary_data_size": len(tensor)}}
        ]
    }
    text = json.dumps(head).encode()
    reply = running.call(
        "POST", "/v2/models/light/infer", text + tensor, {"Inference-Header-Content-Length": str(len(text))}
    )
    assert reply.status == 200, reply.body
    outputs = {output["name"]: output["data"] for output in reply.json["outputs"]}
    assert ["bright", "dark"] in outputs.values()
    plain = {"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", "data": [_TEXT]}]}
    assert running.predict(plain, "/v2/models/light/infer").status == 200


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"row": {"image": "!"}}, "row 0: field 'image': text '!' is no base64"),
        ({"row": {"image": None}}, "nothing, expected an image in base64"),
        ({"row": {"image": 7}}, "7, expected an image in base64"),
        ({"row": {"image": base64.b64encode(b"hello").decode()}}, "no image that is read here; send JPEG, PNG or WebP"),
        ({"row": {"image": base64.b64encode(BRIGHT[:40]).decode()}}, "send JPEG, PNG or WebP"),
        ({"row": {"picture": _TEXT}}, "field 'picture' is unknown; expected only image"),
        ({"row": {"image": _TEXT, "age": 1}}, "field 'age' is unknown"),
        ({"row": {}}, "nothing, expected an image"),
        ({"image": _TEXT}, "field 'image' stands outside of a row"),
        ({"rows": [{"image": _TEXT}] * 51}, "rows: 51, expected 1 to 50"),
    ],
)
def test_what_is_no_image_is_told_in_one_sentence(running: Running, body: Any, words: str) -> None:
    reply = running.predict(body)
    assert reply.status == 400
    assert words in reply.json["error"]


def test_raw_bytes_that_are_no_image_are_told(running: Running) -> None:
    for path in ("/predict", "/invocations"):
        reply = _raw(running, path, b"\x89PNG\r\n")
        assert (reply.status, "6 bytes that are" in reply.json["error"]) == (400, True), reply.body


def test_the_image_s_properties_are_what_is_recorded(running: Running) -> None:
    answered = running.predict({"row": {"image": _TEXT}, "record_key": "kept"}).json["predictions"][0]
    [row] = [row for row in running.shipped() if row["prediction_id"] == answered["prediction_id"]]
    assert (row["f.image_width"], row["f.image_height"]) == (50, 20)
    assert row["f.image_brightness"] == pytest.approx(230 / 255, abs=1e-3)
    assert (row["record_key"], row["prediction"]) == ("kept", "bright")


def test_a_bundle_whose_graph_takes_another_size_is_refused(tmp_path: Path) -> None:
    import msgspec

    from trimtab.bundle.manifest import Manifest

    manifest: Manifest = tiny_image_bundle(tmp_path / "bundle")
    assert manifest.image is not None
    model = (tmp_path / "bundle" / "model.onnx").read_bytes()
    wider = msgspec.structs.replace(manifest, image=msgspec.structs.replace(manifest.image, width=20))
    with pytest.raises(ArtifactUntrustedError, match=r"expected 'image', floats of \[n, 3, 12, 20\]"):
        Predictor(wider, model)
    other = msgspec.structs.replace(manifest, features=())
    with pytest.raises(ArtifactUntrustedError, match="takes an image, but has features"):
        Predictor(other, model)


def test_more_images_at_once_than_memory_is_given_are_refused_and_probes_go_on(tmp_path: Path) -> None:
    manifest = tiny_image_bundle(tmp_path / "bundle")
    assert manifest.image is not None
    variant = VariantSpec(
        name="stable",
        model="bright",
        model_version=1,
        bundle_path=str(tmp_path / "bundle"),
        bundle_digest=manifest.digest,
        weight_pct=Decimal(100),
    )
    bench = Bench(tmp_path, max_tensor_bytes=3 * manifest.image.tensor_bytes)
    bench.deploy(EndpointSpec(endpoint="light", generation=1, variants=(variant,)))
    assert bench.ask("/predict", {"rows": [{"image": _TEXT}] * 3}).status == 200
    refused = bench.ask("/predict", {"rows": [{"image": _TEXT}] * 4})
    assert (refused.status, refused.headers["retry-after"]) == (429, "1")
    assert "other requests' images" in refused.json["error"]
    assert bench.ask("/predict", {"row": {"image": "!"}}).status == 400
    assert bench.ask("/predict", {"rows": [{"image": _TEXT}] * 3}).status == 200, "all was given back"
    bench.journal.close()
