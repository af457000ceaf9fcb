from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import msgspec
import pytest
from tests.unit.serving.bench import Bench
from tests.unit.serving.running import ROW, Running, variant, write_spec

from trimtab.files import write_atomically
from trimtab.serving.place import read_server_info
from trimtab.serving.spec import EndpointSpec
from trimtab.serving.spec_files import read_status, spec_path


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


def test_a_server_whose_only_endpoint_cannot_be_loaded_gets_no_requests_and_says_why(bench: Bench) -> None:
    wanted = spec(bench.state, 1, version=1)
    bundle = Path(wanted.variants[0].bundle_path)
    bundle.rename(bench.state / "elsewhere")
    assert bench.deploy(wanted).error is not None
    assert [bench.ask(path).status for path in ("/v2/health/live", "/v2/health/ready", "/ping")] == [200, 503, 503]
    for path in ("/predict/heart", "/v2/models/heart/infer"):
        reply = bench.ask(path, {"row": ROW})
        assert (reply.status, reply.headers["retry-after"]) == (503, "5")
        assert f"endpoint 'heart': cannot be loaded ({bundle}" in reply.json["error"]
    assert bench.ask("/v2/models/heart/ready").status == 503
    assert bench.ask("/predict/churn", {"row": ROW}).status == 404
    assert "GET /health says why" in bench.ask("/predict", {"row": ROW}).json["error"]
    (bench.state / "elsewhere").rename(bundle)
    assert bench.deploy(spec(bench.state, 2, version=1)).error is None
    assert bench.ask("/v2/health/ready").status == 200
    assert version(bench) == 1


def test_one_endpoint_that_cannot_be_loaded_keeps_requests_from_no_other(bench: Bench) -> None:
    bench.deploy(spec(bench.state, 1, version=1))
    broken = msgspec.structs.replace(spec(bench.state, 1, version=2), endpoint="churn")
    Path(broken.variants[0].bundle_path).rename(bench.state / "elsewhere")
    assert bench.deploy(broken).error is not None
    assert bench.ask("/ping").status == 200
    assert bench.ask("/predict/churn", {"row": ROW}).status == 503
    assert version(bench) == 1


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


def test_what_is_no_plain_file_among_the_specs_is_told_and_holds_up_no_other(bench: Bench) -> None:
    folder = bench.state / "specs"
    folder.mkdir(exist_ok=True)
    os.mkfifo(folder / "a-pipe.json")
    (folder / "a-folder.json").mkdir()
    (folder / "a-link.json").symlink_to("nowhere")
    (folder / "itself.json").symlink_to("itself.json")
    (folder / "without-end.json").symlink_to("/dev/zero")
    # Some are listed behind the link, whatever the order of the folder.
    names = [f"heart-{number}" for number in range(8)]
    for name in names:
        write_spec(bench.state, msgspec.structs.replace(spec(bench.state, 1, version=1), endpoint=name))
    bench.step("heart-0")
    told = bench.ask("/health").json["endpoints"]
    assert [told[name]["error"] for name in names] == [None] * 8
    for name in ("a-pipe", "without-end"):
        assert "is no plain file" in told[name]["error"]
    for name in ("a-folder", "a-link", "itself"):
        assert f"{name}.json" in told[name]["error"]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (b'"100"', b'"NaN"', "weight_pct NaN"),
        (b'"100"', b'"sNaN"', "weight_pct sNaN"),
        (b'"stable"', b'"a\\r\\nx-evil: 1"', "name 'a\\r\\nx-evil: 1' of 12 characters"),
        (b'"stable"', b'"' + b"n" * 100_000 + b'"', "of 100000 characters"),
        (b'"stable"', b'""', "name '' of 0 characters"),
        (b'"model":"tiny"', b'"model":"t\\u0000"', "model 't\\x00' of 2 characters"),
        (b'"generation":1', b'"generation":1180591620717411303424', "`$.generation`"),
        (b'"model_version":1', b'"model_version":1180591620717411303424', "`$.variants[0].model_version`"),
        (b'"max_rows":10000', b'"max_rows":0', "`$.max_rows`"),
        (b'"max_body_bytes":8000000', b'"max_body_bytes":-1', "`$.max_body_bytes`"),
    ],
)
def test_a_spec_that_no_request_could_be_answered_by_is_refused(
    bench: Bench, before: bytes, after: bytes, told: str
) -> None:
    content = msgspec.json.encode(spec(bench.state, 1, version=1))
    assert before in content
    write_atomically(spec_path(bench.state, "heart"), content.replace(before, after))
    error = str(bench.step("heart").error)
    assert told in error
    assert "heart.json" in error
    assert "broke inside" not in error


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


def test_a_status_that_could_not_be_written_is_written_as_soon_as_there_is_room(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = Bench(tmp_path)
    (tmp_path / "status").write_bytes(b"in the way")
    write_spec(tmp_path, spec(tmp_path, 1, version=1))
    for _ in range(3):
        asyncio.run(bench.follower.step())
    assert sum(told.count("status_not_written") for told in capsys.readouterr()) == 1
    assert bench.ask("/predict", {"row": ROW}).status == 200
    (tmp_path / "status").unlink()
    assert bench.step("heart").generation == 1
