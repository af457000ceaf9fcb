"""What a control plane elsewhere deploys is taken over whole, or told; nothing that it says is trusted."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from trimtab.bundle.writer import read_manifest
from trimtab.core.errors import BackendError
from trimtab.serving.mirror import ControlPlane, Mirror
from trimtab.serving.spec import EndpointSpec, VariantSpec
from trimtab.serving.spec_files import read_spec, spec_path
from trimtab.testing.bundles import tiny_bundle

KEY = "tt_of_a_service"


class Elsewhere:
    """A server that says what it is told to, in place of a control plane."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.specs: list[EndpointSpec] = []
        self.instead: tuple[int, dict[str, str], bytes] | None = None
        self.asked: list[str] = []
        self.keys: list[str | None] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                outer.keys.append(self.headers["Authorization"])
                status, headers, body = outer.instead or outer.answer(self.path, self.headers["If-None-Match"])
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                return

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def answer(self, path: str, known: str | None) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(path)
        if parts.path == "/v1/serving/specs":
            body = msgspec.json.encode({"specs": self.specs})
            tag = f'"{len(body)}"'
            return (304, {"ETag": tag}, b"") if known == tag else (200, {"ETag": tag}, body)
        digest, name = parts.path.rpartition("/")[2], parse_qs(parts.query)["name"][0]
        file = self.folder / digest / name
        if not file.is_file():
            return 404, {}, json.dumps({"detail": f"holds no file {name!r}"}).encode()
        return 200, {}, file.read_bytes()

    def deploy(self, endpoint: str, generation: int, weight: float = 1.0) -> str:
        """Deploy a bundle of its own; return its digest."""
        bundle = self.folder / f"{endpoint}-{generation}-{weight}"
        digest = tiny_bundle(bundle, model="heart", weights=(weight, 0.5, float(generation))).digest
        bundle.rename(self.folder / digest)
        variant = VariantSpec(
            name=f"v{generation}",
            model="heart",
            model_version=generation,
            bundle_path="/where/it/lies/there",
            bundle_digest=digest,
            weight_pct=Decimal(100),
        )
        spec = EndpointSpec(endpoint=endpoint, generation=generation, variants=(variant,))
        self.specs = [*(one for one in self.specs if one.endpoint != endpoint), spec]
        return digest

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Elsewhere]:
    (tmp_path / "elsewhere").mkdir()
    made = Elsewhere(tmp_path / "elsewhere")
    yield made
    made.close()


@pytest.fixture
def plane(elsewhere: Elsewhere) -> Iterator[ControlPlane]:
    made = ControlPlane(elsewhere.url, KEY)
    yield made
    made.close()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def test_bundles_come_before_their_specs_and_what_has_not_changed_is_not_sent(
    elsewhere: Elsewhere, plane: ControlPlane, state: Path
) -> None:
    digest = elsewhere.deploy("heart", 1)
    mirror = Mirror(state, plane)
    assert mirror.step()
    spec = read_spec(spec_path(state, "heart"))
    assert spec.variants[0].bundle_path == str(state / "bundles" / digest)
    assert read_manifest(Path(spec.variants[0].bundle_path)).digest == digest
    assert set(elsewhere.keys) == {f"Bearer {KEY}"}
    elsewhere.asked.clear()
    before = spec_path(state, "heart").stat().st_mtime_ns
    assert mirror.step()
    assert elsewhere.asked == ["/v1/serving/specs"]
    assert Mirror(state, plane).step(), "another start finds everything there"
    assert spec_path(state, "heart").stat().st_mtime_ns == before


def test_one_bundle_that_is_not_whole_keeps_no_other_endpoint_from_its_own(
    elsewhere: Elsewhere, plane: ControlPlane, state: Path
) -> None:
    broken = elsewhere.deploy("apple", 1)
    model = elsewhere.folder / broken / "model.onnx"
    content = model.read_bytes()
    model.write_bytes(content[:-1])
    elsewhere.deploy("heart", 1, weight=2.0)
    mirror = Mirror(state, plane)
    assert not mirror.step()
    assert [path.stem for path in (state / "specs").glob("*.json")] == ["heart"]
    assert not (state / "bundles" / broken).exists()
    model.write_bytes(content)
    assert mirror.step()
    assert read_spec(spec_path(state, "apple")).generation == 1


def test_a_bundle_that_the_disk_damaged_is_fetched_again_at_the_next_start(
    elsewhere: Elsewhere, plane: ControlPlane, state: Path
) -> None:
    digest = elsewhere.deploy("heart", 1)
    assert Mirror(state, plane).step()
    model = state / "bundles" / digest / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1])
    assert Mirror(state, plane).step()
    assert read_manifest(state / "bundles" / digest).digest == digest


def test_generations_that_begin_anew_are_told_and_change_nothing(
    elsewhere: Elsewhere, plane: ControlPlane, state: Path
) -> None:
    elsewhere.deploy("heart", 3)
    assert Mirror(state, plane).step()
    before = spec_path(state, "heart").read_bytes()
    for generation in (2, 3):
        elsewhere.deploy("heart", generation, weight=7.0)
        assert not Mirror(state, plane).step()
        assert spec_path(state, "heart").read_bytes() == before


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((401, {}, b'{"detail": "no such key"}'), r"answered 401 \(no such key\)"),
        ((500, {}, b"<html>"), "no reason given"),
        ((404, {}, b"{}"), "answered 404"),
        ((200, {}, b"<html>a proxy's page</html>"), "not what this version reads"),
        ((200, {}, b'{"specs": [{"endpoint": "../x", "generation": 1, "variants": []}]}'), "not what this version"),
    ],
)
def test_what_is_no_answer_is_told_in_a_sentence(
    elsewhere: Elsewhere, plane: ControlPlane, state: Path, answer: tuple[int, dict[str, str], bytes], told: str
) -> None:
    elsewhere.instead = answer
    with pytest.raises(BackendError, match=told) as refused:
        Mirror(state, plane).step()
    assert KEY not in str(refused.value)
    assert not state.exists()


def test_the_key_goes_nowhere_else(elsewhere: Elsewhere, plane: ControlPlane, state: Path, tmp_path: Path) -> None:
    other = Elsewhere(tmp_path)
    try:
        elsewhere.instead = (307, {"Location": f"{other.url}/v1/serving/specs"}, b"")
        with pytest.raises(BackendError, match="answered 307"):
            Mirror(state, plane).step()
        assert other.asked == []
    finally:
        other.close()


def test_a_digest_that_is_a_path_leads_nowhere(elsewhere: Elsewhere, plane: ControlPlane, state: Path) -> None:
    elsewhere.deploy("heart", 1)
    variant = msgspec.structs.replace(elsewhere.specs[0].variants[0], bundle_digest="../../elsewhere")
    elsewhere.specs = [msgspec.structs.replace(elsewhere.specs[0], variants=(variant,))]
    elsewhere.asked.clear()
    assert not Mirror(state, plane).step()
    assert elsewhere.asked == ["/v1/serving/specs"]
    assert not state.exists()
