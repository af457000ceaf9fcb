"""Versions swapped every second under full load: how many requests failed, and how many generations were served."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path

from bench.serving.loads import Closed, closed_loop
from bench.serving.ours import LOGGED, clear_journal, endpoint_spec, put_spec, write_bundles
from bench.serving.servers import Server

from trimtab.serving.spec_files import read_status

__all__ = ["Swaps", "swap_under_load"]

_INTERVAL_S = 1.0
_LOAD_ENDS_S = 3.0


@dataclass(frozen=True, slots=True)
class Swaps:
    """``asked`` generations were written, ``served`` of them told by the server; ``slowest_ms`` from spec to served."""

    asked: int
    served: int
    slowest_ms: float
    load: Closed


def swap_under_load(server: Server, state: Path, work: Path, *, seconds: float) -> Swaps:
    """Load ``server`` by 16 connections for ``seconds``, and give it another version each second meanwhile."""
    bundles = write_bundles(work)
    taken: list[float] = []
    asked = 0
    found: list[Closed] = []
    load = threading.Thread(target=lambda: found.append(closed_loop(server, connections=16, seconds=seconds)))
    load.start()
    until = time.monotonic() + seconds - _LOAD_ENDS_S
    generation = 1
    while (began := time.monotonic()) < until:
        generation += 1
        asked += 1
        put_spec(state, endpoint_spec(LOGGED, bundles[generation % 2], generation=generation))
        while time.monotonic() < began + _INTERVAL_S:
            status = read_status(state, LOGGED)
            if status is not None and status.generation == generation:
                taken.append(time.monotonic() - began)
                break
            time.sleep(0.01)
        clear_journal(state)
        time.sleep(max(0.0, began + _INTERVAL_S - time.monotonic()))
    load.join()
    return Swaps(asked, len(taken), max(taken, default=float("nan")) * 1e3, found[0])
