from __future__ import annotations

import asyncio
import base64
import json
import math
import re
import threading
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.unit.serving.bench import Bench
from tests.unit.serving.running import ROW, Reply, Running, variant, write_spec

from trimtab.bundle.encoder import Inputs
from trimtab.bundle.predictor import Predictions
from trimtab.core.errors import ConfigError
from trimtab.records.reader import read_frames
from trimtab.records.schema import PredictionFrame, SchemaFrame
from trimtab.serving.asgi import Message, Scope
from trimtab.serving.batch_counts import BatchCounts
from trimtab.serving.batching import Batcher
from trimtab.serving.spec import BatchingSpec, EndpointSpec, VariantSpec
from trimtab.testing.image_bundles import png, tiny_image_bundle

WITHIN_S = 20


class Echo:
    """Answers each row by its number, when it may; refuses a whole batch that holds a negative one."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.may = threading.Event()
        self.may.set()
        self.began = threading.Event()

    def predict(self, inputs: Inputs) -> Predictions:
        self.sizes.append(len(inputs))
        self.began.set()
        assert self.may.wait(WITHIN_S)
        values = inputs.numeric[:, 0]
        if (values < 0).any():
            raise ConfigError("row: negative")
        return Predictions(values.astype(np.float64), None, None)


def rows(*numbers: float) -> Inputs:
    return Inputs(np.array(numbers, dtype=np.float32).reshape(-1, 1), np.empty((len(numbers), 0), dtype=np.int64))


async def began(echo: Echo) -> None:
    assert await asyncio.to_thread(echo.began.wait, WITHIN_S)


async def ask_while_busy(batcher: Batcher, echo: Echo, asked: Sequence[Inputs]) -> list[Predictions | BaseException]:
    """Ask all of ``asked`` while a first request keeps the model busy."""
    echo.may.clear()
    first = asyncio.create_task(batcher.predict(rows(0)))
    await began(echo)
    others = [asyncio.create_task(batcher.predict(inputs)) for inputs in asked]
    await asyncio.sleep(0)
    echo.may.set()
    await first
    return await asyncio.wait_for(asyncio.gather(*others, return_exceptions=True), WITHIN_S)


def labels(answers: Sequence[Predictions | BaseException]) -> list[list[float] | str]:
    return [answer.labels.tolist() if isinstance(answer, Predictions) else str(answer) for answer in answers]


def test_what_comes_while_the_model_runs_goes_through_it_together_and_each_gets_its_own() -> None:
    echo = Echo()
    batcher = Batcher(echo, BatchingSpec(max_rows=8, max_wait_ms=0), BatchCounts())
    answers = asyncio.run(ask_while_busy(batcher, echo, [rows(1), rows(2, 3), rows(4, 5, 6)]))
    assert labels(answers) == [[1], [2, 3], [4, 5, 6]]
    assert echo.sizes == [1, 6]


def test_batches_and_waits_are_counted() -> None:
    echo, counts = Echo(), BatchCounts()
    batcher = Batcher(echo, BatchingSpec(max_rows=8, max_wait_ms=0), counts)
    asyncio.run(ask_while_busy(batcher, echo, [rows(1), rows(2, 3), rows(4, 5, 6)]))
    sizes = dict(counts.sizes.buckets())
    assert (sizes["1.0"], sizes["4.0"], sizes["8.0"], sizes["+Inf"], counts.sizes.rows) == (1, 1, 2, 2, 7)
    assert counts.wait_s.buckets()[-1] == ("+Inf", 4.0)
    assert 0 < counts.wait_s.sum_s < 4 * WITHIN_S


def test_a_batch_has_no_more_rows_than_it_may_unless_one_request_has() -> None:
    echo = Echo()
    batcher = Batcher(echo, BatchingSpec(max_rows=4, max_wait_ms=0), BatchCounts())
    asked = [rows(1, 2, 3), rows(4, 5), rows(6, 7), rows(*range(9))]
    answers = asyncio.run(ask_while_busy(batcher, echo, asked))
    assert labels(answers) == [[1, 2, 3], [4, 5], [6, 7], list(range(9))]
    assert echo.sizes == [1, 3, 4, 9]


def test_rows_that_the_model_refuses_fail_their_own_request_alone() -> None:
    echo = Echo()
    batcher = Batcher(echo, BatchingSpec(max_rows=8, max_wait_ms=0), BatchCounts())
    answers = asyncio.run(ask_while_busy(batcher, echo, [rows(1), rows(-1), rows(2)]))
    assert labels(answers) == [[1], "row: negative", [2]]
    assert isinstance(answers[1], ConfigError)


def test_a_caller_that_hangs_up_is_left_out() -> None:
    echo = Echo()
    batcher = Batcher(echo, BatchingSpec(max_rows=8, max_wait_ms=0), BatchCounts())

    async def ask() -> list[float]:
        echo.may.clear()
        first = asyncio.create_task(batcher.predict(rows(0)))
        await began(echo)
        gone = asyncio.create_task(batcher.predict(rows(1)))
        stays = asyncio.create_task(batcher.predict(rows(2)))
        await asyncio.sleep(0)
        gone.cancel()
        echo.may.set()
        await first
        assert (await stays).labels.tolist() == [2]
        return [float(size) for size in echo.sizes]

    assert asyncio.run(ask()) == [1, 1]


def test_who_is_alone_does_not_wait_for_others() -> None:
    echo = Echo()
    # One who waited would wait for a second each time, and the whole for a minute.
    batcher = Batcher(echo, BatchingSpec(max_rows=8, max_wait_ms=1000), BatchCounts())

    async def ask() -> None:
        for number in range(60):
            assert (await batcher.predict(rows(number))).labels.tolist() == [number]

    asyncio.run(asyncio.wait_for(ask(), WITHIN_S))
    assert echo.sizes == [1] * 60


def test_once_many_ask_a_batch_waits_for_as_many_again() -> None:
    echo = Echo()
    batcher = Batcher(echo, BatchingSpec(max_rows=8, max_wait_ms=1000), BatchCounts())

    async def ask() -> None:
        await ask_while_busy(batcher, echo, [rows(1), rows(2), rows(3)])
        first = asyncio.create_task(batcher.predict(rows(4)))
        # Not at once: what was there comes again one by one.
        for _ in range(10):
            await asyncio.sleep(0)
        await asyncio.gather(first, batcher.predict(rows(5)), batcher.predict(rows(6)))

    asyncio.run(asyncio.wait_for(ask(), WITHIN_S))
    assert echo.sizes == [1, 3, 3]


@pytest.fixture
def batched(tmp_path: Path) -> Iterator[Running]:
    """A server whose endpoint puts requests through its model together."""
    write_spec(tmp_path, spec(tmp_path, 1))
    running = Running(tmp_path)
    yield running
    running.stop()


def spec(state: Path, generation: int) -> EndpointSpec:
    live = variant(state, "stable", "100", version=generation)
    return EndpointSpec(
        endpoint="heart", generation=generation, variants=(live,), batching=BatchingSpec(max_rows=8, max_wait_ms=5)
    )


def test_many_callers_get_their_own_answers_while_versions_change_and_all_are_on_record(batched: Running) -> None:
    stop = threading.Event()
    seen: list[Reply] = []
    broken: list[BaseException] = []

    def ask(age: int) -> None:
        alone = None
        try:
            while not stop.is_set():
                reply = batched.predict({"row": {**ROW, "age": age}, "record_key": f"k{age}"})
                seen.append(reply)
                assert reply.status == 200
                version, chance = reply.json["model_version"], reply.json["predictions"][0]["probability"]
                # Of one version the same row gets the same answer, whoever it shares the batch with.
                alone = alone if alone is not None and alone[0] == version else (version, chance)
                assert chance == pytest.approx(alone[1], abs=1e-6)
        except BaseException as error:  # noqa: BLE001 - told by the assertion below
            broken.append(error)
        finally:
            batched.hang_up()

    threads = [threading.Thread(target=ask, args=(40 + 5 * number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for generation in range(2, 5):
        assert batched.deploy(spec(batched.state, generation)).error is None
    assert batched.predict({"row": {**ROW, "age": "old"}}).status == 400
    for path, body in (
        ("/invocations", {"instances": [ROW, ROW]}),
        ("/v2/models/heart/infer", {"inputs": [tensor("age", "FP64", [60]), tensor("chol", "FP64", [250.0])]}),
    ):
        assert batched.predict(body, path).status in {200, 400}
    stop.set()
    for thread in threads:
        thread.join()
    assert not broken
    told = batched.call("GET", "/metrics").body.decode()
    (total,) = re.findall(r'^trimtab_batch_rows_sum\{endpoint="heart"\} (\S+)$', told, re.M)
    (waits,) = re.findall(r'^trimtab_batch_wait_seconds_count\{endpoint="heart"\} (\S+)$', told, re.M)
    assert float(total) >= len(seen) <= float(waits)
    assert batched.stop() == 0
    recorded = {row["prediction_id"]: row["record_key"] for row in batched.shipped()}
    for reply in seen:
        assert recorded[reply.json["predictions"][0]["prediction_id"]].startswith("k")


def tensor(name: str, datatype: str, data: list[float]) -> dict[str, object]:
    return {"name": name, "datatype": datatype, "shape": [len(data)], "data": data}


class SlowModel(Echo):
    """Answers as the variant's own model does, when it may."""

    def __init__(self, model: object) -> None:
        super().__init__()
        self._model = model

    def predict(self, inputs: Inputs) -> Predictions:
        super().predict(inputs)
        return self._model.predict(inputs)  # type: ignore[attr-defined, no-any-return]


def slowed(bench: Bench, tmp_path: Path) -> SlowModel:
    bench.deploy(spec(tmp_path, 1))
    batcher = bench.table.get("heart").batchers["stable"]
    slow = batcher._model = SlowModel(batcher._model)
    slow.may.clear()
    return slow


def test_a_generation_that_is_replaced_midway_still_records_what_it_answers(bench: Bench, tmp_path: Path) -> None:
    slow = slowed(bench, tmp_path)
    old = bench.table.get("heart").variants[0].schema

    async def ask() -> int:
        request = asyncio.create_task(call(bench))
        await began(slow)
        # The new one is served at once, while the old one still has a request.
        await bench.residence.admit(spec(tmp_path, 2))
        assert bench.table.get("heart").spec.generation == 2
        # A new file repeats the schemas that are needed still.
        bench.journal._rotate(0)
        slow.may.set()
        return (await request)[0]["status"]  # type: ignore[no-any-return]

    assert asyncio.run(ask()) == 200
    frames = [frame for _, frame in read_frames(bench.journal.path)]
    declared = {frame.schema_id for frame in frames if isinstance(frame, SchemaFrame)}
    (answered,) = [frame for frame in frames if isinstance(frame, PredictionFrame)]
    assert (answered.schema_id, answered.generation) == (old.schema_id, 1)
    assert old.schema_id in declared
    assert old.schema_id not in bench.journal._schemas


def test_a_caller_that_hangs_up_while_it_waits_is_neither_answered_nor_recorded(bench: Bench, tmp_path: Path) -> None:
    slow = slowed(bench, tmp_path)

    async def ask() -> list[Message]:
        gone = asyncio.Event()
        request = asyncio.create_task(call(bench, gone))
        await began(slow)
        gone.set()
        sent = await asyncio.wait_for(request, WITHIN_S)
        slow.may.set()
        return sent

    assert asyncio.run(ask()) == []
    assert bench.recorded() == []
    assert bench.table.get("heart").in_flight == 0


async def call(bench: Bench, gone: asyncio.Event | None = None, row: object = ROW) -> list[Message]:
    sent: list[Message] = []
    messages = [{"type": "http.request", "body": json.dumps({"row": row}).encode(), "more_body": False}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await (gone or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {"type": "http", "method": "POST", "path": "/predict", "headers": []}
    await bench.app(scope, receive, send)
    return sent


def test_a_batch_of_no_rows_is_no_setting() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"max_rows": 0}', type=BatchingSpec)


def test_images_are_batched_too(bench: Bench, tmp_path: Path) -> None:
    manifest = tiny_image_bundle(tmp_path / "bundle")
    live = VariantSpec(
        name="stable",
        model="bright",
        model_version=1,
        bundle_path=str(tmp_path / "bundle"),
        bundle_digest=manifest.digest,
        weight_pct=Decimal(100),
    )
    images = EndpointSpec(endpoint="light", generation=1, variants=(live,), batching=BatchingSpec(max_wait_ms=50))
    assert bench.deploy(images).error is None
    levels = [10, 230, 40, 200, 90, 160]
    rows = [{"image": base64.b64encode(png(level)).decode()} for level in levels]

    async def ask() -> list[list[Message]]:
        return await asyncio.gather(*(call(bench, row=row) for row in (*rows, {"image": "none"})))

    *answers, refused = asyncio.run(ask())
    assert refused[0]["status"] == 400
    chances = [json.loads(sent[1]["body"])["predictions"][0]["probability"] for sent in answers]
    assert chances == pytest.approx([1 / (1 + math.exp(-10 * (level / 255 - 0.5))) for level in levels], abs=1e-5)
    assert len(bench.recorded()) == len(levels)
    assert bench.table.get("light").in_flight == 0
