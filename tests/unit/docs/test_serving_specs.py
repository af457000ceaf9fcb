"""The specs in the pages of the inference server are served, by a real server, as the pages say."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.serving.alone import Alone
from tests.unit.serving.running import eventually

from trimtab.testing.bundles import tiny_bundle

DOCS = Path(__file__).resolve().parents[3] / "docs"


def block(page: str, language: str) -> str:
    """Return the first block of the language in a page."""
    found = re.search(rf"^```{language}\n(.*?)^```", (DOCS / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def test_the_variants_are_made_and_served_as_their_page_says(tmp_path: Path) -> None:
    made = subprocess.run(
        [sys.executable, "-c", block("serving-variants.md", "python")],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    spec = block("serving-variants.md", "json")
    for line in made.stdout.splitlines():
        spec = spec.replace("…", line.split()[1], 1)
    (tmp_path / "heart.json").write_text(spec, encoding="utf-8")
    with Alone(tmp_path, "--spec", "heart.json", "--state", "state") as alone:
        health = alone.http.get("/health").json()
        assert health["status"] == "ok"
        served = [one["name"] for one in health["endpoints"]["heart"]["variants"]]
        assert served == [one["name"] for one in json.loads(spec)["variants"]]
        assert {alone.predict().headers["x-trimtab-variant"] for _ in range(20)} <= {"stable", "canary"}


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def test_features_come_from_the_store_as_their_page_says(tmp_path: Path) -> None:
    port = free_port()
    page = (DOCS / "serving-features.md").read_text("utf-8")
    store = subprocess.Popen(
        [sys.executable, "-c", block("serving-features.md", "python").replace("8900", str(port))],
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: listens(port), within_s=60)
        digest = tiny_bundle(tmp_path / "heart-bundle", model="heart").digest
        spec = block("serving-features.md", "json").replace("8900", str(port)).replace("…", digest)
        # The store is a toy: on a busy machine it may need longer than a request waits by default.
        content = json.loads(spec)
        content["features"]["timeout_ms"] = 20_000
        (tmp_path / "heart.json").write_text(json.dumps(content), encoding="utf-8")
        with Alone(tmp_path, "--spec", "heart.json", "--state", "state") as alone:
            for patient, missing in ((7, None), (99, "absent=chol")):
                row = {"patient": patient, "age": 61, "sex": "male"}
                reply = alone.http.post("/predict", json={"row": row})
                assert reply.headers.get("x-trimtab-features") == missing
                assert f'"probability":{reply.json()["predictions"][0]["probability"]},' in page
    finally:
        store.kill()
        store.wait(30)


@pytest.mark.parametrize("page", ["serving.md", "serving-variants.md"])
def test_the_commands_of_a_page_that_python_runs_alone_work(tmp_path: Path, page: str) -> None:
    tiny_bundle(tmp_path / "bundle-1")
    commands = re.findall(r'^python -c "(.*)"$', (DOCS / page).read_text("utf-8"), re.MULTILINE)
    assert commands != []
    for command in commands:
        subprocess.run([sys.executable, "-c", command], cwd=tmp_path, check=True, capture_output=True)
