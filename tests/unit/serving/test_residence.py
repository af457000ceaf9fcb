from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import msgspec
import pytest
from tests.unit.serving.alone import Alone
from tests.unit.serving.bench import Bench
from tests.unit.serving.heavy import heavy_variant
from tests.unit.serving.running import ROW, variant

from trimtab.core.enums import VariantRole
from trimtab.serving.asgi import RefusedError
from trimtab.serving.endpoints import LoadedEndpoint
from trimtab.serving.loading import EndpointLoader
from trimtab.serving.memory import give_back, resident_bytes
from trimtab.serving.spec import EndpointSpec
from trimtab.serving.waking import Waking

SIZE_MB = 12
BUDGET_BYTES = 50_000_000
"""Room for two models of that size, whatever else their loading takes, and not for five."""


def spec(state: Path, name: str, *, generation: int = 1, size_mb: int = SIZE_MB, pinned: bool = False) -> EndpointSpec:
    live = heavy_variant(state, name, version=generation, size_mb=size_mb)
    return EndpointSpec(endpoint=name, generation=generation, variants=(live,), pinned=pinned)


def answer(bench: Bench, name: str) -> int:
    return bench.post(f"/predict/{name}", {"row": ROW})[0]


def is_resident(bench: Bench, name: str) -> bool:
    return bench.table.statuses[name].resident


def residents(bench: Bench) -> set[str]:
    return {endpoint.spec.endpoint for endpoint in bench.table.residents}


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Bench]:
    """A server with a memory budget, whose requests happen at real times."""
    bench = Bench(tmp_path, memory_budget_bytes=BUDGET_BYTES)
    bench.app._monotonic_ns = time.perf_counter_ns
    yield bench
    bench.journal.close()


def test_an_endpoint_that_goes_gives_its_memory_back(bench: Bench, tmp_path: Path) -> None:
    bench.deploy(spec(tmp_path, "large", size_mb=40))
    assert answer(bench, "large") == 200
    give_back()
    loaded = resident_bytes()
    taken = bench.residence.resident_bytes()
    assert taken >= 40_000_000
    bench.deploy(EndpointSpec(endpoint="large", generation=2, variants=()))
    gc.collect()
    assert bench.residence.resident_bytes() == 0
    assert loaded - resident_bytes() > 30_000_000
    assert answer(bench, "large") == 404


def test_a_generation_that_is_replaced_gives_its_memory_back(bench: Bench, tmp_path: Path) -> None:
    first, *others = [spec(tmp_path, "large", generation=generation, size_mb=30) for generation in range(1, 6)]
    give_back()
    bench.deploy(first)
    once = resident_bytes()
    for wanted in others:
        assert bench.deploy(wanted).error is None
    # Two of the four kept would be more.
    assert resident_bytes() - once < 60_000_000


def test_the_least_recently_used_make_room_and_come_back_on_their_next_request(small: Bench, tmp_path: Path) -> None:
    names = ["a", "b", "c", "d", "e"]
    for name in names:
        assert small.deploy(spec(tmp_path, name)).error is None
    assert 1 <= len(residents(small)) < len(names)
    assert small.residence.resident_bytes() <= BUDGET_BYTES
    assert "a" not in residents(small)
    asyncio.run(small.follower.step())
    assert not is_resident(small, "a")
    assert [answer(small, name) for name in names] == [200] * 5
    assert small.residence.resident_bytes() <= BUDGET_BYTES
    assert "e" in residents(small)
    assert answer(small, "a") == 200
    assert "a" in residents(small)
    assert is_resident(small, "a")
    assert small.ask("/v2/models/b").status == 200
    metrics = small.metrics.exposition().decode()
    assert "trimtab_endpoint_unloads_total" in metrics
    assert {frame.generation for frame in small.recorded()} <= {1}


def test_an_endpoint_that_is_used_or_pinned_stays(small: Bench, tmp_path: Path) -> None:
    small.deploy(spec(tmp_path, "pinned", pinned=True))
    small.deploy(spec(tmp_path, "hot"))
    for name in ("c", "d", "e"):
        assert answer(small, "hot") == 200
        # The hot one was asked last, so that whatever else is not pinned goes before it.
        small.deploy(spec(tmp_path, name))
        assert "pinned" in residents(small)
    assert "e" in residents(small)
    assert answer(small, "pinned") == 200


def test_what_can_never_fit_is_refused_and_unloads_nothing(small: Bench, tmp_path: Path) -> None:
    small.deploy(spec(tmp_path, "a"))
    status = small.deploy(spec(tmp_path, "huge", size_mb=60))
    assert status.error is not None
    assert "memory budget" in status.error
    assert residents(small) == {"a"}
    status = small.deploy(spec(tmp_path, "a", generation=2, size_mb=60))
    assert (status.generation, status.desired_generation) == (1, 2)
    assert answer(small, "a") == 200


def park(bench: Bench, name: str) -> None:
    asyncio.run(bench.residence._park(name))


def test_however_many_ask_at_once_it_is_loaded_once(bench: Bench, tmp_path: Path) -> None:
    bench.deploy(spec(tmp_path, "a", size_mb=1))
    park(bench, "a")
    assert bench.ask("/v2/models/a/ready").status == 200
    park(bench, "a")
    before = loads(bench)

    async def ask_all() -> list[LoadedEndpoint]:
        return await asyncio.gather(*(bench.app._waking.wake("a") for _ in range(20)))

    assert len({id(endpoint) for endpoint in asyncio.run(ask_all())}) == 1
    assert loads(bench) == before + 1


def loads(bench: Bench) -> float:
    value = bench.metrics.registry.get_sample_value("trimtab_endpoint_loads_total")
    assert value is not None
    return value


def test_a_bundle_that_is_gone_meanwhile_is_told(bench: Bench, tmp_path: Path) -> None:
    wanted = spec(tmp_path, "a", size_mb=1)
    bench.deploy(wanted)
    park(bench, "a")
    bundle = Path(wanted.variants[0].bundle_path)
    bundle.rename(tmp_path / "elsewhere")
    for _ in range(2):
        reply = bench.ask("/predict/a", {"row": ROW})
        assert (reply.status, reply.headers["retry-after"]) == (503, "5")
        assert "elsewhere" not in reply.json["error"]
        assert "heavy-a-1" in reply.json["error"]
    assert bench.ask("/health").json["status"] == "degraded"
    (tmp_path / "elsewhere").rename(bundle)
    # A new deployment does not wait for the next attempt.
    assert bench.deploy(msgspec.structs.replace(wanted, generation=2)).error is None
    assert answer(bench, "a") == 200


def test_why_a_deployment_failed_is_told_on_though_the_old_generation_comes_back(bench: Bench, tmp_path: Path) -> None:
    bench.deploy(spec(tmp_path, "a", size_mb=1))
    wanted = spec(tmp_path, "a", generation=2, size_mb=1)
    Path(wanted.variants[0].bundle_path).rename(tmp_path / "elsewhere")
    assert bench.deploy(wanted).error is not None
    park(bench, "a")
    assert answer(bench, "a") == 200
    status = bench.table.statuses["a"]
    assert (status.generation, status.desired_generation, status.resident) == (1, 2, True)
    assert "heavy-a-2" in str(status.error)


class SlowLoader(EndpointLoader):
    """Loads when it may."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench.metrics, Random(1))
        self.may = threading.Event()

    def load(self, spec: EndpointSpec, previous: LoadedEndpoint | None) -> LoadedEndpoint:
        assert self.may.wait(20)
        return super().load(spec, previous)


def test_who_waits_for_a_load_is_told_to_ask_again(bench: Bench, tmp_path: Path) -> None:
    bench.deploy(spec(tmp_path, "a", size_mb=1))
    park(bench, "a")
    slow = bench.residence._loader = SlowLoader(bench)
    waking = Waking(bench.table, bench.residence, wait_s=0.05)

    async def ask() -> LoadedEndpoint:
        with pytest.raises(RefusedError, match="still loading") as refused:
            await waking.wake("a")
        assert refused.value.status == 503
        assert refused.value.headers == ((b"retry-after", b"1"),)
        slow.may.set()
        return await until(lambda: bench.table.find("a"))

    assert asyncio.run(ask()).spec.endpoint == "a"


async def until(what: Callable[[], LoadedEndpoint | None]) -> LoadedEndpoint:
    deadline = time.monotonic() + 20
    while (found := what()) is None:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    return found


def test_an_endpoint_that_cannot_be_recorded_is_refused_and_leaves_no_schema(bench: Bench, tmp_path: Path) -> None:
    live = variant(tmp_path, "v", "100")
    # Each has room in a journal file, but not all of them, whose schemas begin every file.
    shadow = msgspec.structs.replace(variant(tmp_path, "w", "100", version=2), role=VariantRole.SHADOW)
    wide = [msgspec.structs.replace(shadow, name=f"{number}" + "\N{GRINNING FACE}" * 199) for number in range(5)]
    status = bench.deploy(EndpointSpec(endpoint="heart", generation=1, variants=(live, *wide)))
    assert "a journal file has room for" in str(status.error)
    assert bench.journal._schemas == {}
    assert bench.metrics.registry.get_sample_value("trimtab_endpoint_load_failures_total") == 1
    unrecorded = EndpointSpec(endpoint="heart", generation=2, variants=(live, *wide), record=False)
    assert bench.deploy(unrecorded).error is None
    assert answer(bench, "heart") == 200
    assert bench.journal._schemas == {}


def test_the_first_model_of_a_process_is_not_charged_for_what_the_server_itself_takes(tmp_path: Path) -> None:
    with Alone(tmp_path, options={"memory_budget_bytes": 25_000_000}) as alone:
        assert alone.predict().status_code == 200, alone.log
