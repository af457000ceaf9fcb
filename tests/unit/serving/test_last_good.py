"""A version that does not load takes nothing down, whenever the server restarts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from tests.unit.serving.bench import Bench
from tests.unit.serving.running import ROW, variant

from trimtab.files import write_atomically
from trimtab.serving.last_good import LastGood
from trimtab.serving.spec import EndpointSpec

Start = Callable[[], Bench]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a server's parts on the same folder, as if the one before had ended."""
    started: list[Bench] = []

    def begin() -> Bench:
        started.append(Bench(tmp_path))
        return started[-1]

    yield begin
    for bench in started:
        bench.shadows.close()
        bench.journal.close()


def spec(bench: Bench, generation: int, version: int, *, lost: bool = False) -> EndpointSpec:
    wanted = variant(bench.state, "stable", "100", version=version)
    if lost:
        (Path(wanted.bundle_path) / "model.onnx").unlink()
    return EndpointSpec(endpoint="heart", generation=generation, variants=(wanted,))


def write(bench: Bench, content: bytes) -> None:
    write_atomically(bench.state / "specs" / "heart.json", content)


def version(bench: Bench) -> int:
    status, body = bench.post("/predict", {"row": ROW})
    assert status == 200
    return int(body["model_version"])


@pytest.mark.parametrize("torn", [False, True])
def test_a_restart_on_a_spec_that_is_refused_serves_what_served_before(start: Start, torn: bool) -> None:
    first = start()
    first.deploy(spec(first, 1, 1))
    refused = msgspec.json.encode(spec(first, 2, 2, lost=True))
    write(first, refused[:-9] if torn else refused)
    assert first.step("heart").error is not None
    again = start()
    status = again.step("heart")
    assert status.error is not None
    assert (status.generation, status.desired_generation) == (1, 1 if torn else 2)
    assert version(again) == 1
    assert again.deploy(spec(again, 3, 3)).error is None
    assert version(again) == 3


def test_what_served_before_is_brought_back_once_and_what_was_refused_is_still_tried(start: Start) -> None:
    first = start()
    first.deploy(spec(first, 1, 1))
    whole = spec(first, 2, 2)
    path = Path(whole.variants[0].bundle_path) / "model.onnx"
    content = path.read_bytes()
    path.write_bytes(b"")
    again = start()
    assert again.deploy(whole).generation == 1
    path.write_bytes(content)
    write(again, msgspec.json.encode(whole))
    status = again.step("heart")
    assert (status.generation, status.error, version(again)) == (2, None, 2)


def test_a_removed_endpoint_does_not_come_back(start: Start) -> None:
    first = start()
    first.deploy(spec(first, 1, 1))
    first.deploy(EndpointSpec(endpoint="heart", generation=2, variants=()))
    again = start()
    assert again.deploy(spec(again, 3, 2, lost=True)).generation == 0
    assert again.post("/predict/heart", {"row": ROW})[0] in {404, 503}


def test_an_older_generation_is_ignored_behind_a_refused_one_too(start: Start) -> None:
    bench = start()
    bench.deploy(spec(bench, 5, 2))
    write(bench, b"{")
    assert bench.step("heart").error is not None
    assert bench.deploy(spec(bench, 4, 3)).generation == 5
    assert version(bench) == 2


def test_where_nothing_can_be_kept_or_read_an_endpoint_is_served_all_the_same(start: Start) -> None:
    bench = start()
    (bench.state / "served").write_text("a file where the folder should be")
    assert bench.deploy(spec(bench, 1, 1)).error is None
    assert version(bench) == 1
    assert start().deploy(spec(bench, 2, 2, lost=True)).generation == 0


def test_only_what_came_before_is_given_back(tmp_path: Path) -> None:
    kept = LastGood(tmp_path)
    served = EndpointSpec(endpoint="heart", generation=4, variants=(variant(tmp_path, "stable", "100"),))
    kept.keep(served)
    assert kept.before("heart", 5) == served
    assert kept.before("heart", 0) == served
    assert kept.before("heart", 4) is None
    (tmp_path / "served" / "lungs.json").write_bytes((tmp_path / "served" / "heart.json").read_bytes())
    assert kept.before("lungs", 5) is None
