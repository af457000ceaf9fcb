from __future__ import annotations

import asyncio
import http.client
import json
import time
from collections import Counter
from pathlib import Path
from random import Random

import msgspec
import psutil
from tests.unit.serving.alone import Alone
from tests.unit.serving.bench import Bench
from tests.unit.serving.running import ROW, eventually, variant, write_spec

from trimtab.measures.duration_buckets import FAILED, bucket_of
from trimtab.serving.asgi import Message, Scope
from trimtab.serving.draws import CLIENT_GONE, DrawCounts, DrawLedger, DrawLedgers, DrawsReading, kept_of
from trimtab.serving.metrics import ServingMetrics
from trimtab.serving.shared_metrics import SharedMetrics, keep_counts_of
from trimtab.serving.spec import BatchingSpec, EndpointSpec
from trimtab.serving.variants import sticky_hash

STABLE, CANARY = "stable", "canary"


def two(
    folder: Path, *, generation: int = 1, weight: int = 50, sticky_key: str | None = None, choice: bool = True
) -> EndpointSpec:
    live = variant(folder, STABLE, str(100 - weight)), variant(folder, CANARY, str(weight), version=2)
    return EndpointSpec(
        endpoint="heart", generation=generation, variants=live, sticky_key=sticky_key, variant_choice=choice
    )


def alone(folder: Path, *, generation: int = 1) -> EndpointSpec:
    return EndpointSpec(endpoint="heart", generation=generation, variants=(variant(folder, STABLE, "100"),))


def by_variant(counts: tuple[DrawCounts, ...]) -> dict[str, DrawCounts]:
    found = {one.variant: one for one in counts}
    assert len(found) == len(counts)
    return found


def reading(content: bytes) -> DrawsReading:
    return msgspec.json.decode(content, type=DrawsReading)


def test_counts_tell_what_became_of_drawn_requests(tmp_path: Path) -> None:
    ledger = DrawLedger(two(tmp_path, weight=25), "a")
    for status, duration_ns in ((200, 1_000_000), (200, 1_000_001), (500, 5), (503, 5), (422, 5), (CLIENT_GONE, 5)):
        ledger.settle(CANARY, None, status, duration_ns, 400_000)
    found = by_variant(ledger.counts())
    canary = found[CANARY]
    assert (canary.drawn, canary.failed, canary.refused) == (6, 2, 1)
    assert canary.latency == ((bucket_of(1_000_000), 2), (FAILED, 3)), (
        "what is not waited for is slow, a refusal is not"
    )
    assert canary.run == ((bucket_of(400_000), 2), (FAILED, 3))
    assert (canary.requests, canary.errors, canary.durations) == (canary.drawn, canary.failed, canary.latency)
    assert (canary.answered, canary.refusals) == (2, 1)
    assert canary.probability == 0.25
    assert not canary.sticky
    assert found[STABLE].drawn == 0
    assert found[STABLE].probability == 0.75


def test_each_of_thousands_of_requests_counts_whenever_it_is_read(tmp_path: Path) -> None:
    ledger = DrawLedger(two(tmp_path), "a")
    random, durations, runs = Random(3), Counter[int](), Counter[int]()
    for asked in range(1, 5_001):
        duration_ns = random.randrange(2_000_000)
        ledger.settle(STABLE, None, 200, duration_ns, duration_ns // 2)
        durations[bucket_of(duration_ns)] += 1
        runs[bucket_of(duration_ns // 2)] += 1
        if asked in {1, 700, 5_000}:
            stable = by_variant(ledger.counts())[STABLE]
            assert (stable.drawn, stable.requests) == (asked, asked)
            assert stable.latency == stable.durations == tuple(sorted(durations.items()))
            assert stable.run == tuple(sorted(runs.items()))


def test_a_key_counts_once_whatever_it_asks_and_each_of_its_requests_counts_for_absolute_limits(tmp_path: Path) -> None:
    ledger = DrawLedger(two(tmp_path, sticky_key="record_key"), "a")
    key = f"{sticky_hash('heart', 'customer 7'):016x}"
    for status in (422, 200, 200, 500, 500, 422):
        ledger.settle(CANARY, key, status, 1_000, 500)
    ledger.settle(CANARY, None, 200, 1_000, 500)
    canary = by_variant(ledger.counts())[CANARY]
    assert canary.sticky
    assert (canary.drawn, canary.failed, canary.refused) == (2, 1, 1)
    assert canary.latency == ((bucket_of(1_000), 2),)
    assert (canary.requests, canary.errors) == (7, 2)
    assert canary.durations == ((bucket_of(1_000), 3), (FAILED, 2))


def test_a_key_counts_on_one_worker_only(tmp_path: Path) -> None:
    spec = two(tmp_path, sticky_key="record_key")
    ledgers = [DrawLedger(spec, str(worker), worker=worker, workers=3) for worker in range(3)]
    keys = [f"{sticky_hash('heart', str(number)):016x}" for number in range(300)]
    for key in keys:
        for ledger in ledgers:
            ledger.settle(STABLE, key, 200, 1_000, 500)
    counted = [by_variant(ledger.counts())[STABLE].drawn for ledger in ledgers]
    assert sum(counted) == 300
    assert min(counted) > 50


def test_no_further_key_is_counted_when_the_memory_of_keys_is_full(tmp_path: Path) -> None:
    ledger = DrawLedger(two(tmp_path, sticky_key="record_key"), "a", most_keys=2)
    for number in (1, 2, 3, 4):
        ledger.settle(STABLE, f"{number:016x}", 500, 1_000, 500)
    ledger.settle(STABLE, f"{1:016x}", 422, 1_000, 500)
    stable = by_variant(ledger.counts())[STABLE]
    assert (stable.drawn, stable.failed, stable.refused, stable.requests) == (2, 2, 1, 5)


def test_a_generation_that_was_replaced_is_told_of_for_five_minutes(tmp_path: Path) -> None:
    now_s = 0.0
    ledgers = DrawLedgers("a", now_s=lambda: now_s)
    first = ledgers.of(two(tmp_path))
    assert first is not None
    assert ledgers.of(two(tmp_path)) is first, "loaded again, it counts on"
    second = ledgers.of(two(tmp_path, generation=2))
    assert second is not None
    first.settle(STABLE, None, 200, 1, 1)
    now_s = 299.0
    assert {one.generation for one in ledgers.counts("heart")} == {1, 2}
    now_s = 301.0
    assert {one.generation for one in ledgers.counts("heart")} == {2}
    assert ledgers.of(alone(tmp_path, generation=3)) is None, "there is nothing to compare"
    now_s = 700.0
    assert ledgers.by_endpoint() == {}
    again = ledgers.of(two(tmp_path, generation=2))
    assert again is not None
    assert again.counts()[0].series != second.counts()[0].series, "counted from zero, it is another series"


def test_the_dead_leave_the_newest_generations(tmp_path: Path) -> None:
    counts = [DrawLedger(two(tmp_path, generation=number), "a").counts()[0] for number in range(20)]
    assert [one.generation for one in kept_of(counts[:10], counts[10:])] == list(range(12, 20))


def test_a_worker_that_dies_over_and_over_leaves_one_series_a_variant(tmp_path: Path) -> None:
    kept: tuple[DrawCounts, ...] = ()
    for life in range(50):
        ledger = DrawLedger(two(tmp_path), f"0.{life}")
        ledger.settle(STABLE, None, 200, 1_000, 500)
        ledger.settle(STABLE, None, 500, 1_000, 500)
        ledger.settle(CANARY, None, 200, 1_000 * 2**life, 500)
        kept = kept_of(kept, ledger.counts())
    assert len(kept) == 2
    found = by_variant(kept)
    assert (found[STABLE].drawn, found[STABLE].failed, dict(found[STABLE].latency)[FAILED]) == (100, 50, 50)
    assert (found[CANARY].drawn, sum(count for _, count in found[CANARY].latency)) == (50, 50)
    assert found[CANARY].series == "0.0"
    assert found[CANARY].holds == tuple(f"0.{life}" for life in range(1, 50))


def test_what_a_worker_has_told_of_is_told_of_by_the_others_once_it_has_died(tmp_path: Path) -> None:
    folder, ledgers = tmp_path / "workers" / "0", DrawLedgers("0.1")
    shared = SharedMetrics(ServingMetrics(), folder, dict, ledgers)
    ledger = ledgers.of(two(tmp_path))
    assert ledger is not None
    ledger.settle(STABLE, None, 500, 1_000, 500)
    told = shared.counts_of_variants("heart")
    keep_counts_of(folder)
    other = SharedMetrics(ServingMetrics(), folder.parent / "1", dict, DrawLedgers("1.1", worker=1))
    assert by_variant(other.counts_of_variants("heart")) == by_variant(told)
    assert by_variant(told)[STABLE].failed == 1


def test_the_dead_in_whose_lives_keys_counted_stay_apart(tmp_path: Path) -> None:
    kept: tuple[DrawCounts, ...] = ()
    for life in range(3):
        ledger = DrawLedger(two(tmp_path), f"0.{life}")
        ledger.settle(STABLE, f"{life:016x}", 200, 1_000, 500)
        kept = kept_of(kept, ledger.counts())
    assert {one.series for one in kept} == {"0.0", "0.1", "0.2"}


def test_the_server_counts_what_callers_saw_and_leaves_out_those_who_named_a_variant(bench: Bench) -> None:
    bench.deploy(two(bench.state, weight=30))
    answered: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    rng = Random(3)
    for _ in range(400):
        if rng.random() < 0.1:
            assert bench.ask("/predict", {"row": {**ROW, "sex": 7}}).status == 400
            continue
        answer = bench.ask("/predict", {"row": ROW})
        assert answer.status == 200
        answered[answer.headers["x-trimtab-variant"]] += 1
    for _ in range(40):
        assert bench.ask("/predict", {"row": ROW}, {"x-trimtab-variant": CANARY}).status == 200
        assert bench.ask("/predict", {"row": {**ROW, "sex": 7}}, {"x-trimtab-variant": CANARY}).status == 400
    told = reading(bench.ask("/v1/variants/heart/counts").body)
    assert (told.endpoint, told.generation, told.at_us) == ("heart", 1, 5)
    found = by_variant(told.counts)
    for name, one in found.items():
        refused[name] = one.refused
        assert one.drawn - one.refused == answered[name]
        assert one.failed == 0
        assert sum(count for _, count in one.latency) == sum(count for _, count in one.run) == answered[name]
    assert sum(refused.values()) == 400 - answered.total()
    assert min(refused.values()) > 0


def test_what_the_server_cannot_answer_counts_as_failed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, journal_limit_bytes=8192)
    try:
        bench.deploy(two(tmp_path))
        statuses = Counter(bench.ask("/predict", {"row": ROW}).status for _ in range(200))
        assert statuses[503] > 0
        counts = reading(bench.ask("/v1/variants/heart/counts").body).counts
        assert sum(one.failed for one in counts) == statuses[503]
        assert sum(dict(one.latency).get(FAILED, 0) for one in counts) == statuses[503]
    finally:
        bench.shadows.close()
        bench.journal.close()


def test_a_version_that_has_all_traffic_is_counted_while_another_stands_by(bench: Bench) -> None:
    bench.deploy(two(bench.state, weight=100))
    assert bench.ask("/predict", {"row": ROW}).status == 200
    found = by_variant(reading(bench.ask("/v1/variants/heart/counts").body).counts)
    assert (found[CANARY].requests, found[CANARY].probability) == (1, 1.0)
    assert (found[STABLE].requests, found[STABLE].probability) == (0, 0.0)


def test_one_variant_is_not_counted_and_an_unknown_endpoint_is_refused(bench: Bench) -> None:
    bench.deploy(alone(bench.state))
    assert bench.ask("/predict", {"row": ROW}).status == 200
    told = reading(bench.ask("/v1/variants/heart/counts").body)
    assert (told.generation, told.counts) == (1, ())
    assert bench.ask("/v1/variants/nobody/counts").status == 404
    assert bench.ask("/v1/variants/heart").status == 404
    assert bench.ask("/v1/variants/heart/counts", {}).status == 405
    bench.deploy(two(bench.state, generation=2))
    bench.table.park("heart")
    told = reading(bench.ask("/v1/variants/heart/counts").body)
    assert told.generation == 2
    assert len(told.counts) == 2


def test_a_version_that_callers_do_not_wait_for_is_slow_and_has_not_failed(bench: Bench) -> None:
    bench.deploy(msgspec.structs.replace(two(bench.state), batching=BatchingSpec()))
    body = {"type": "http.request", "body": json.dumps({"row": ROW}).encode(), "more_body": False}
    messages: list[Message] = [body, {"type": "http.disconnect"}]

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        raise AssertionError(message)

    scope: Scope = {"type": "http", "method": "POST", "path": "/predict/heart", "headers": []}
    asyncio.run(bench.app(scope, receive, send))
    counts = reading(bench.ask("/v1/variants/heart/counts").body).counts
    assert sum(one.drawn for one in counts) == 1
    assert sum(one.failed for one in counts) == 0
    assert [one.latency for one in counts if one.drawn] == [((FAILED, 1),)]


def test_no_key_counts_twice_with_several_workers_and_a_killed_one_takes_no_sum_down(tmp_path: Path) -> None:
    with Alone(tmp_path, "--workers", "2") as pair:
        spec = two(tmp_path, generation=2, sticky_key="record_key")
        write_spec(pair.state, spec)
        keys = [f"customer {number}" for number in range(30)]
        expected: dict[str, str] = {}

        def call(method: str, path: str, body: str | None = None) -> tuple[http.client.HTTPResponse, bytes]:
            # A connection each, so that requests of one key come to both workers, and none hangs on one that dies.
            connection = http.client.HTTPConnection("127.0.0.1", pair.port, timeout=20)
            connection.request(method, path, body)
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            assert answer.status == 200
            return answer, content

        def ask(key: str) -> None:
            answer, _ = call("POST", "/predict/heart", json.dumps({"row": ROW, "record_key": key}))
            name = answer.getheader("x-trimtab-variant", "")
            assert expected.setdefault(key, name) == name

        def ask_all() -> bool:
            for key in keys:
                ask(key)
            return True

        def told() -> DrawsReading:
            return reading(call("GET", "/v1/variants/heart/counts")[1])

        eventually(lambda: told().generation == 2 and len({one.worker for one in told().counts}) == 2)
        eventually(lambda: ask_all() and _drawn(told()) == 30, within_s=40)
        assert sum(one.requests for one in told().counts) > 30
        # Of the other worker each tells what it was up to a second ago.
        eventually(lambda: _drawn_by_variant(told()) == Counter(expected.values()))
        before = {one.series for one in told().counts}
        # What a worker counted within its last second it cannot have told yet.
        asked_at = time.time()
        eventually(
            lambda: all(path.stat().st_mtime > asked_at for path in (pair.state / "workers").glob("*/*.msgpack"))
        )
        children = psutil.Process(pair.process.pid).children()
        victim = next(child for child in children if "trimtab.serving.worker" in child.cmdline())
        victim.kill()
        victim.wait(20)
        eventually(lambda: {one.series for one in told().counts} > before, within_s=40)
        eventually(lambda: _drawn(told()) == 30)
        eventually(lambda: ask_all() and _drawn(told()) > 30, within_s=40)


def _drawn_by_variant(told: DrawsReading) -> Counter[str]:
    found: Counter[str] = Counter()
    for one in told.counts:
        found[one.variant] += one.drawn
    return found


def _drawn(told: DrawsReading) -> int:
    return sum(one.drawn for one in told.counts)


def test_each_answer_and_refusal_of_a_key_counts_as_such(tmp_path: Path) -> None:
    ledger = DrawLedger(two(tmp_path, sticky_key="record_key"), "a", worker=0, workers=2)
    for key in (f"{2:016x}", f"{2:016x}", f"{3:016x}"):
        for status in (200, 422, CLIENT_GONE):
            ledger.settle(CANARY, key, status, 5, 5)
    found = by_variant(ledger.counts())[CANARY]
    assert (found.requests, found.answered, found.refusals, found.refused) == (9, 3, 3, 1)
    free = DrawLedger(two(tmp_path), "b")
    for status in (200, 422):
        free.settle(CANARY, None, status, 5, 5)
    kept = by_variant(kept_of(free.counts(), DrawLedger(two(tmp_path), "c").counts()))[CANARY]
    assert (kept.answered, kept.refusals) == (1, 1)


def test_keys_that_the_endpoint_does_not_ask_for_decide_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.deploy(two(tmp_path))
    answered = {bench.ask("/predict", {"row": ROW, "sticky_key": "7"}).json["variant"] for _ in range(60)}
    assert answered == {STABLE, CANARY}
    told = reading(bench.ask("/v1/variants/heart/counts").body).counts
    assert sum(one.drawn for one in told) == 60, "nor do they count once each"
    assert not any(one.sticky for one in told)


def test_an_endpoints_salt_decides_who_gets_what(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    spread = {}
    for generation, salt in enumerate(("", "4d1c", "4d1c", "9e07"), start=1):
        spec = two(tmp_path, generation=generation, sticky_key="record_key")
        bench.deploy(msgspec.structs.replace(spec, salt=salt))
        spread[generation] = [
            bench.ask("/predict", {"row": ROW, "record_key": str(key)}).json["variant"] for key in range(40)
        ]
    assert spread[2] == spread[3]
    assert spread[1] != spread[2] != spread[4]
