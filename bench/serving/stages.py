"""Where the microseconds of one ``/predict`` go: ``python -m bench.serving.stages``.

Each line is the CPU time of one step, alone in a loop, the best of several tries, so that other work on the machine
tells little. On its way through a request a step is somewhat slower: what it needs is not always in the cache.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import onnxruntime
from bench.serving.frozen import HERE, check_frozen
from bench.serving.ours import LOGGED, endpoint_spec, write_bundles
from bench.serving.peer_servers import row

from trimtab.core.ids import IdFactory
from trimtab.records.journal import JournalWriter
from trimtab.records.schema import PredictionFrame
from trimtab.serving.exchange import Exchange
from trimtab.serving.handler import Handler
from trimtab.serving.loading import EndpointLoader
from trimtab.serving.metrics import ServingMetrics
from trimtab.serving.protocols.predict import predict_response, read_predict

_TRIES, _LOOP = 9, 4_000


def best_us(step: Callable[[], object]) -> float:
    """Return the CPU time of ``step`` in microseconds: the best of nine loops."""
    found = []
    for _ in range(_TRIES):
        began = time.thread_time_ns()
        for _ in range(_LOOP):
            step()
        found.append((time.thread_time_ns() - began) / _LOOP / 1e3)
    return min(found)


def stages(work: Path) -> dict[str, float]:
    """Return the time of each step in microseconds; the handler's line holds those that are set in below it."""
    bundle, _ = write_bundles(work)
    body, values = json.dumps({"row": row()}).encode(), tuple(row().values())
    endpoint = EndpointLoader(ServingMetrics(), Random(1)).load(endpoint_spec(LOGGED, bundle), None)
    session = onnxruntime.InferenceSession(str(HERE / "model" / "model.onnx"), providers=["CPUExecutionProvider"])
    numeric = {"numeric": np.array([values], dtype=np.float32)}
    new_id = IdFactory()
    journal = JournalWriter(work / "journal", sync_interval_s=0.2)
    try:
        for variant in endpoint.variants:
            journal.declare(variant.schema)
        handler = Handler(journal, new_id=new_id, monotonic_ns=time.perf_counter_ns)
        exchange = Exchange(new_id(), 5, time.perf_counter_ns())
        question = read_predict(endpoint, body)
        answer = handler.answer(endpoint, question.rows, exchange, question.context)
        frame = PredictionFrame(1, new_id(), new_id(), 5, 5, 1, 0.9, None, None, None, values, "yes", 0.7, 0.1)
        return {
            "read the body": best_us(lambda: read_predict(endpoint, body)),
            "the handler: check, draw, encode, predict, record": best_us(
                lambda: handler.answer(endpoint, question.rows, exchange, question.context)
            ),
            "· draw a variant": best_us(lambda: endpoint.assign(None)),
            "· ONNX Runtime and its binding": best_us(lambda: session.run(["probabilities"], numeric)),
            "· one id (UUIDv7)": best_us(new_id),
            "· one record into the journal": best_us(lambda: journal.append(frame)),
            "write the body": best_us(lambda: predict_response(answer, exchange)),
        }
    finally:
        journal.close()


if __name__ == "__main__":
    check_frozen()
    with tempfile.TemporaryDirectory() as folder:
        for name, took_us in stages(Path(folder)).items():
            print(f"| {name} | {took_us:.1f} |")
