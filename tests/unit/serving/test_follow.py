from __future__ import annotations

import os
import threading
from pathlib import Path

import msgspec
from tests.unit.serving.bench import Bench
from tests.unit.serving.running import ROW, Running, variant

from trimtab.files import write_atomically
from trimtab.serving.follow import read_status, spec_path
from trimtab.serving.server import read_server_info
from trimtab.serving.spec import EndpointSpec


def spec(state: Path, generation: int, version: int) -> EndpointSpec:
    return EndpointSpec(
        endpoint="heart", generation=generation, variants=(variant(state, "stable", "100", version=version),)
    )


def test_versions_are_switched_under_load_without_a_failed_request(server: Running) -> None:
    stop = threading.Event()
    seen: list[tuple[int, int]] = []
    broken: list[BaseException] = []

    def ask() -> None:
        try:
            while not stop.is_set():
                reply = server.predict({"row": ROW})
                seen.append((reply.status, reply.json.get("model_version", 0)))
        except Exception as error:  # noqa: BLE001 - told by the assertion below
            broken.append(error)
        finally:
            server.hang_up()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for generation in range(2, 8):
        status = server.deploy(spec(server.state, generation, version=generation))
        assert (status.generation, status.error) == (generation, None)
    stop.set()
    for thread in threads:
        thread.join()
    assert not broken
    assert {status for status, _ in seen} == {200}
    assert {version for _, version in seen} >= {2, 3, 4, 5, 6}
    assert server.predict({"row": ROW}).json["model_version"] == 7
    server.stop()
    rows = server.shipped()
    assert len(rows) == len(seen) + 1
    assert {int(row["model_version"]) for row in rows} >= {2, 3, 4, 5, 6, 7}


def version(bench: Bench) -> int:
    status, body = bench.post("/predict", {"row": ROW})
    assert status == 200
    return int(body["model_version"])


def test_a_bundle_that_is_not_what_its_digest_says_leaves_the_old_one_serving(bench: Bench) -> None:
    bench.deploy(spec(bench.state, 1, version=1))
    wanted = spec(bench.state, 2, version=2)
    path = Path(wanted.variants[0].bundle_path) / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    status = bench.deploy(wanted)
    assert (status.generation, status.desired_generation) == (1, 2)
    assert status.error is not None
    assert "model.onnx" in status.error
    assert version(bench) == 1
    assert bench.deploy(spec(bench.state, 3, version=3)).error is None
    assert version(bench) == 3


def test_an_older_generation_is_ignored(bench: Bench) -> None:
    bench.deploy(spec(bench.state, 5, version=2))
    assert bench.deploy(spec(bench.state, 4, version=3)).generation == 5
    assert version(bench) == 2


def test_a_spec_that_cannot_be_read_is_told(bench: Bench) -> None:
    bench.deploy(spec(bench.state, 1, version=1))
    path = spec_path(bench.state, "heart")
    wrong_weight = msgspec.json.encode(spec(bench.state, 2, version=2)).replace(b'"100"', b'"99"')
    for content, told in (
        (b'{"endpoint": "heart"}', "heart.json"),
        (b"\xff", "heart.json"),
        (wrong_weight, "sum to 99"),
    ):
        write_atomically(path, content)
        status = bench.step("heart")
        assert status.generation == 1
        assert status.error is not None
        assert told in status.error
        assert version(bench) == 1


def test_a_spec_under_another_name_is_refused(bench: Bench) -> None:
    write_atomically(spec_path(bench.state, "other"), msgspec.json.encode(spec(bench.state, 1, version=1)))
    assert "rename one" in str(bench.step("other").error)


def test_what_one_spec_breaks_on_is_told_as_its_own_and_ends_nothing(bench: Bench) -> None:
    (wanted,) = spec(bench.state, 1, version=1).variants
    nowhere = msgspec.structs.replace(wanted, bundle_path="/no\0where")
    status = bench.deploy(EndpointSpec(endpoint="heart", generation=1, variants=(nowhere,)))
    assert "broke inside the server while it was loaded (ValueError" in str(status.error)
    assert "null" in str(status.error)
    write_atomically(bench.state / "specs" / os.fsdecode(b"\xff.json"), b"{")
    assert bench.deploy(spec(bench.state, 2, version=2)).error is None
    assert version(bench) == 2
    health = bench.ask("/health").json
    assert (health["status"], sorted(health["endpoints"])) == ("degraded", ["?", "heart"])
    assert "?.json" in health["endpoints"]["?"]["error"]


def test_a_bundle_of_another_model_is_refused(bench: Bench) -> None:
    (wanted,) = spec(bench.state, 1, version=1).variants
    other = msgspec.structs.replace(wanted, model="churn")
    status = bench.deploy(EndpointSpec(endpoint="heart", generation=1, variants=(other,)))
    assert "holds model 'tiny', expected 'churn'" in str(status.error)


def test_a_spec_without_variants_removes_the_endpoint(bench: Bench) -> None:
    bench.deploy(spec(bench.state, 1, version=1))
    status = bench.deploy(EndpointSpec(endpoint="heart", generation=2, variants=()))
    assert (status.generation, status.variants) == (2, ())
    assert bench.post("/predict/heart", {"row": ROW})[0] == 404
    assert bench.deploy(spec(bench.state, 1, version=1)).generation == 2


def test_a_change_of_weights_loads_nothing_again(bench: Bench) -> None:
    bench.deploy(spec(bench.state, 1, version=1))
    wanted = spec(bench.state, 2, version=1)
    # The bundle is gone: were it loaded again, the deployment would fail.
    (Path(wanted.variants[0].bundle_path) / "bundle.json").unlink()
    assert bench.deploy(wanted).error is None
    assert version(bench) == 1


def test_a_restart_serves_the_last_specs_and_a_stop_is_clean(server: Running) -> None:
    server.deploy(spec(server.state, 2, version=2))
    assert server.stop() == 0
    assert read_server_info(server.state) is None
    again = Running(server.state)
    try:
        assert again.predict({"row": ROW}).json["model_version"] == 2
        status = read_status(server.state, "heart")
        assert status is not None
        assert status.pid == again.info.pid
    finally:
        assert again.stop() == 0
