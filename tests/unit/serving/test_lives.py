"""Processes that die without having been told to are counted by what they served; others are not."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec
import pytest
from tests.unit.serving.alone import Alone
from tests.unit.serving.bench import Bench
from tests.unit.serving.running import ROW, Running, eventually, variant, write_spec
from tests.unit.serving.test_workers import workers_of

from trimtab.files.processes import started_ticks
from trimtab.serving.draws import DrawsReading
from trimtab.serving.follow import Follower
from trimtab.serving.lives import REFUSED_S, Life, Lives, deaths_of
from trimtab.serving.spec import EndpointSpec

US = 1_000_000


def spec(folder: Path, generation: int, version: int = 1) -> EndpointSpec:
    live = variant(folder, "v", "100", version=version)
    return EndpointSpec(endpoint="heart", generation=generation, variants=(live,))


def told(server: Running) -> tuple[tuple[int, int], ...]:
    return msgspec.json.decode(server.call("GET", "/v1/variants/heart/counts").body, type=DrawsReading).deaths


@contextmanager
def running(state: Path) -> Iterator[Running]:
    server = Running(state)
    try:
        yield server
    finally:
        server.stop()


def test_a_server_tells_how_many_before_it_were_killed_while_they_served_a_generation(tmp_path: Path) -> None:
    write_spec(tmp_path, spec(tmp_path, 3))
    for killed in range(2):
        with running(tmp_path) as server:
            assert told(server) == (((3, killed),) if killed else ())
            assert server.predict({"row": ROW}).status == 200
            server.stop(signal.SIGKILL)
            assert deaths_of(tmp_path, "heart") == {3: killed + 1}, "also while nobody has taken its place"
    with running(tmp_path) as server:
        server.deploy(spec(tmp_path, 4, version=2))
        server.stop(signal.SIGKILL)
    assert deaths_of(tmp_path, "heart") == {3: 2, 4: 1}
    assert deaths_of(tmp_path, "other") == {}


def test_a_server_that_is_told_to_end_has_not_died(tmp_path: Path) -> None:
    write_spec(tmp_path, spec(tmp_path, 3))
    for number in (signal.SIGTERM, signal.SIGINT):
        with running(tmp_path) as server:
            assert told(server) == ()
            server.stop(number)
        assert deaths_of(tmp_path, "heart") == {}


def test_any_worker_tells_of_the_deaths_of_all(tmp_path: Path) -> None:
    with Alone(tmp_path, "--workers", "2") as pair:
        for pid in list(workers_of(pair)):
            os.kill(pid, signal.SIGKILL)

        def both_are_told() -> bool:
            with contextlib.suppress(httpx.HTTPError):
                answer = pair.http.get("/v1/variants/heart/counts").content
                return sum(count for _, count in msgspec.json.decode(answer, type=DrawsReading).deaths) == 2
            return False

        assert eventually(both_are_told)


def test_what_was_left_behind_by_a_machine_that_died_is_read_as_nothing(tmp_path: Path) -> None:
    (tmp_path / "lives").mkdir()
    (tmp_path / "lives" / "0.json").write_bytes(b"\0\0\0")
    assert deaths_of(tmp_path, "heart") == {}
    Lives(tmp_path, lambda: 0).serves("heart", 1)
    assert deaths_of(tmp_path, "heart") == {}, "it lives"


class Deaths:
    """Lives in one place, each of which dies when the next begins."""

    def __init__(self, state: Path) -> None:
        self.state, self.now_us = state, 0

    def begin(self) -> Lives:
        path = self.state / "lives" / "0.json"
        if path.exists():
            # Of a process that is gone: its number is this one's here.
            life = msgspec.json.decode(path.read_bytes(), type=Life)
            assert (life.pid, life.start_ticks) == (os.getpid(), started_ticks(os.getpid()))
        return Lives(self.state, lambda: self.now_us)


def test_a_generation_that_kills_whoever_loads_it_is_refused_for_a_while(tmp_path: Path) -> None:
    deaths = Deaths(tmp_path)
    for _ in range(2):
        lives = deaths.begin()
        assert lives.refusal("heart", 2) is None
        lives.serves("heart", 1)
        lives.loads("heart", 2)
    lives = deaths.begin()
    said = lives.refusal("heart", 2)
    assert said is not None
    assert "2 processes in turn died" in said
    assert lives.refusal("heart", 3) is None
    assert lives.refusal("other", 2) is None
    assert deaths_of(tmp_path, "heart") == {1: 2, 2: 2}
    deaths.now_us += int((REFUSED_S + 1) * US)
    assert lives.refusal("heart", 2) is None, "it may have been for want of memory"


def test_one_that_died_later_is_loaded_again(tmp_path: Path) -> None:
    deaths = Deaths(tmp_path)
    for _ in range(5):
        lives = deaths.begin()
        lives.loads("heart", 2)
        lives.serves("heart", 2)
    assert deaths.begin().refusal("heart", 2) is None


def test_only_the_newest_generations_are_kept(tmp_path: Path) -> None:
    deaths = Deaths(tmp_path)
    for generation in range(1, 21):
        deaths.begin().serves("heart", generation)
    deaths.begin()
    assert deaths_of(tmp_path, "heart") == dict.fromkeys(range(13, 21), 1)


def test_an_endpoint_that_is_not_served_any_more_has_no_part_in_a_death(tmp_path: Path) -> None:
    deaths = Deaths(tmp_path)
    lives = deaths.begin()
    lives.serves("heart", 1)
    lives.serves("heart", 0)
    deaths.begin()
    assert deaths_of(tmp_path, "heart") == {}


def test_a_folder_that_cannot_be_written_hinders_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "lives").write_bytes(b"a file")
    lives = Lives(tmp_path, lambda: 0)
    lives.serves("heart", 1)
    assert sum(told.count("life_not_told") for told in capsys.readouterr()) == 1
    assert deaths_of(tmp_path, "heart") == {}


def test_what_killed_processes_is_not_loaded_and_what_was_served_before_goes_on(tmp_path: Path) -> None:
    bench, deaths = Bench(tmp_path), Deaths(tmp_path)
    assert bench.deploy(spec(tmp_path, 1)).generation == 1
    for _ in range(2):
        deaths.begin().loads("heart", 2)
    bench.follower = Follower(tmp_path, table=bench.table, residence=bench.residence, pid=1, lives=deaths.begin())
    status = bench.deploy(spec(tmp_path, 2, version=2))
    assert (status.generation, status.desired_generation) == (1, 2)
    assert "died of that" in (status.error or "")
    assert bench.ask("/predict", {"row": ROW}).json["model_version"] == 1
    assert bench.deploy(spec(tmp_path, 3, version=2)).generation == 3
    for _ in range(2):
        deaths.begin().loads("heart", 3)
    again = Bench(tmp_path)
    again.follower = Follower(tmp_path, table=again.table, residence=again.residence, pid=1, lives=deaths.begin())
    assert again.step("heart").generation == 3, "it was served before: it is not to blame"
    again.journal.close()
    assert msgspec.json.decode((tmp_path / "lives" / "0.json").read_bytes(), type=Life).served == {"heart": (3,)}
