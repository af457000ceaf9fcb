from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from tests.unit.serving.bench import Bench
from tests.unit.serving.heavy import heavy_variant
from tests.unit.serving.running import ROW, variant

from trimtab.serving.asgi import Message, Scope
from trimtab.serving.spec import EndpointSpec
from trimtab.testing.bundles import tiny_bundle


@pytest.fixture
def hosting(tmp_path: Path) -> Iterator[Bench]:
    """A server that loads models from ``models`` in the test's folder, and has room for 30 MB of them."""
    root = tmp_path / "models"
    root.mkdir()
    for number in (1, 2):
        (root / f"m{number}").mkdir()
        tiny_bundle(root / f"m{number}" / "model", weights=(float(number), 0.5, -0.25))
    bench = Bench(tmp_path, models_root=root, memory_budget_bytes=30_000_000)
    yield bench
    bench.journal.close()


def ask(bench: Bench, method: str, path: str, body: object = None, query: str = "") -> tuple[int, Any]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"" if body is None else json.dumps(body).encode(), "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {"type": "http", "method": method, "path": path, "headers": [], "query_string": query.encode()}
    asyncio.run(bench.app(scope, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"])


def load(bench: Bench, name: str, folder: Path | str) -> tuple[int, Any]:
    return ask(bench, "POST", "/models", {"model_name": name, "url": str(folder)})


def test_a_model_is_loaded_listed_asked_and_unloaded(hosting: Bench) -> None:
    folder = hosting.state / "models" / "m1" / "model"
    assert load(hosting, "one", folder)[0] == 200
    assert load(hosting, "two", hosting.state / "models" / "m2" / "model")[0] == 200
    shown = {"modelName": "one", "modelUrl": str(folder)}
    assert ask(hosting, "GET", "/models/one") == (200, shown)
    status, listed = ask(hosting, "GET", "/models")
    assert status == 200
    assert listed["models"][0] == shown
    assert [model["modelName"] for model in listed["models"]] == ["one", "two"]
    assert "nextPageToken" not in listed
    status, answered = ask(hosting, "POST", "/models/two/invoke", {"instances": [ROW]})
    assert (status, len(answered["predictions"])) == (200, 1)
    assert hosting.post("/predict/two", {"row": ROW})[1]["predictions"][0]["prediction"] == answered["predictions"][0]
    assert ask(hosting, "DELETE", "/models/one")[0] == 200
    for method, path in (("GET", "/models/one"), ("DELETE", "/models/one"), ("POST", "/models/one/invoke")):
        status, refused = ask(hosting, method, path, {"instances": [ROW]})
        assert status == 404
        assert "'one'" in refused["error"]
    assert [frame.generation for frame in hosting.recorded()] == [1, 1]


def test_names_and_folders_that_will_not_do_are_refused(hosting: Bench) -> None:
    root = hosting.state / "models"
    assert load(hosting, "one", root / "m1" / "model")[0] == 200
    assert load(hosting, "one", root / "m2" / "model")[0] == 409
    outside = tiny_bundle(hosting.state / "outside")
    assert outside.model == "tiny"
    (root / "link").symlink_to(hosting.state / "outside")
    for name, url, field in (
        ("x", hosting.state / "outside", "url"),
        ("x", root / "link", "url"),
        ("x", root / ".." / "outside", "url"),
        ("x", "m1/model", "url"),
        ("x", "https://example.org/model", "url"),
        ("x", f"{root}/m1\0/model", "url"),
        ("x", f"{root}/{'m' * 5000}", "url"),
        ("x", f"{root}/{'m/' * 3000}", "url"),
        ("a b", root / "m1" / "model", "model_name"),
        ("heart.shadow", root / "m1" / "model", "model_name"),
        ("../x", root / "m1" / "model", "model_name"),
    ):
        status, refused = load(hosting, name, url)
        assert status == 400, (name, url)
        assert field in refused["error"]
    assert load(hosting, "x", root / "m1")[0] == 404
    (root / "m2" / "model" / "model.onnx").write_bytes(b"changed")
    status, refused = load(hosting, "x", root / "m2" / "model")
    assert status == 400
    assert "model.onnx" in refused["error"]
    assert ask(hosting, "POST", "/models", {"model_name": "x"})[0] == 400
    assert ask(hosting, "PUT", "/models", {})[0] == 405
    assert ask(hosting, "GET", "/models/one/x")[0] == 404
    assert [model["modelName"] for model in ask(hosting, "GET", "/models")[1]["models"]] == ["one"]


def test_a_model_that_does_not_fit_is_507_and_what_is_loaded_stays(hosting: Bench) -> None:
    root = hosting.state / "models"
    heavy_variant(root, "large", size_mb=16)
    heavy_variant(root, "other", size_mb=16)
    assert load(hosting, "one", root / "heavy-large-1")[0] == 200
    status, refused = load(hosting, "two", root / "heavy-other-1")
    assert status == 507
    assert "memory budget" in refused["error"]
    assert ask(hosting, "POST", "/models/one/invoke", {"instances": [ROW]})[0] == 200
    assert ask(hosting, "DELETE", "/models/one")[0] == 200
    assert load(hosting, "two", root / "heavy-other-1")[0] == 200


def test_a_long_list_comes_in_pages(hosting: Bench) -> None:
    folder = hosting.state / "models" / "m1" / "model"
    names = [f"m{number:03}" for number in range(103)]
    hosting.app._hosting._urls = dict.fromkeys(names, str(folder))  # type: ignore[union-attr]
    _, first = ask(hosting, "GET", "/models")
    _, second = ask(hosting, "GET", "/models", query=f"next_page_token={first['nextPageToken']}")
    assert [model["modelName"] for page in (first, second) for model in page["models"]] == names
    assert "nextPageToken" not in second


def test_an_endpoint_of_a_spec_is_not_theirs_to_replace_or_unload(hosting: Bench) -> None:
    hosting.deploy(EndpointSpec(endpoint="heart", generation=1, variants=(variant(hosting.state, "v", "100"),)))
    assert load(hosting, "heart", hosting.state / "models" / "m1" / "model")[0] == 409
    assert ask(hosting, "DELETE", "/models/heart")[0] == 404


def test_without_a_root_there_are_no_such_routes(bench: Bench) -> None:
    assert ask(bench, "GET", "/models")[0] == 404
    assert not [path for path in ask(bench, "GET", "/openapi.json")[1]["paths"] if path.startswith("/models")]


def test_the_document_says_what_these_routes_answer(hosting: Bench) -> None:
    paths = ask(hosting, "GET", "/openapi.json")[1]["paths"]

    def said(method: str, path: str, reply: tuple[int, Any]) -> None:
        response = paths[path][method]["responses"][str(reply[0])]
        jsonschema_rs.validate(response["content"]["application/json"]["schema"], reply[1])

    folder = hosting.state / "models" / "m1" / "model"
    said("post", "/models", load(hosting, "one", folder))
    said("post", "/models", load(hosting, "one", folder))
    said("get", "/models", ask(hosting, "GET", "/models"))
    said("get", "/models/{model_name}", ask(hosting, "GET", "/models/one"))
    said("delete", "/models/{model_name}", ask(hosting, "DELETE", "/models/one"))
    said("delete", "/models/{model_name}", ask(hosting, "DELETE", "/models/one"))
    said("post", "/models/{model_name}/invoke", ask(hosting, "POST", "/models/one/invoke", {"instances": [ROW]}))
