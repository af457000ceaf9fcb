"""Ten minutes at full load: does memory stay flat, and is every answer on record in the lake?

    python bench/soak.py [--minutes 10] [--connections 4] [--folder FOLDER] [--json FILE]

One inference server, one shipper, and one process that takes segments into a lake (raw zone and database) as the
control plane's data lane does; all with their defaults. Callers ask one row a request, each as fast as it is answered.
What they were told and what the lake holds are compared by count and by the sum of all prediction ids, so that one id
too few, too many or changed is seen. Memory is what the kernel says of each process every few seconds; what it says is
worth something from some minutes on, when the largest ranges have been shipped once.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import msgspec

from trimtab.core.enums import Task
from trimtab.db.engine import Database
from trimtab.db.migrate import upgrade
from trimtab.files import write_atomically
from trimtab.lake.intake import take_in
from trimtab.lake.queues.embedded import EmbeddedQueue
from trimtab.lake.storage.folder import FolderStorage
from trimtab.lake.zones import Lake
from trimtab.records.layout import journal_files
from trimtab.records.segments import read_segment
from trimtab.serving.place import read_server_info
from trimtab.serving.spec import EndpointSpec, VariantSpec
from trimtab.serving.spec_files import spec_path
from trimtab.testing.bundles import tiny_bundle

_ENDPOINT = "soak"
_BODY = json.dumps({"row": {"age": 60, "chol": 250.0, "sex": "male"}}).encode()
_ID = b'"prediction_id":"'
_SAMPLE_S = 5.0
_SETTLE_S = 120.0
_MASK = (1 << 128) - 1
_FLAT_SHARE, _FLAT_KB = 0.05, 4096


@dataclass(frozen=True, slots=True)
class Tally:
    """What one caller was told, or what the lake holds: rows, and the sum of their ids (mod 2^128)."""

    rows: int = 0
    ids: int = 0
    refused: int = 0

    def __add__(self, other: Tally) -> Tally:
        """Return both together."""
        return Tally(self.rows + other.rows, (self.ids + other.ids) & _MASK, self.refused + other.refused)


@dataclass(slots=True)
class Memory:
    """Private memory (``RssAnon``) of a process over time, in kB."""

    samples_kb: list[int] = field(default_factory=list)

    @property
    def is_flat(self) -> bool:
        """Whether the last third is no higher than the second, but for 5 % or 4 MB."""
        third = len(self.samples_kb) // 3
        before = statistics.median(self.samples_kb[third : 2 * third])
        after = statistics.median(self.samples_kb[2 * third :])
        return after <= before + max(_FLAT_SHARE * before, _FLAT_KB)


def _value_of(prediction_id: str) -> int:
    return int(prediction_id.replace("-", ""), 16)


def _ask(port: int, stop_at: float, results: multiprocessing.Queue[Tally]) -> None:
    """Ask until ``stop_at`` (monotonic) over one connection, and put what was told into ``results``."""
    head = f"POST /predict/{_ENDPOINT} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(_BODY)}\r\n\r\n".encode()
    rows = ids = refused = 0
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while time.monotonic() < stop_at:
            connection.sendall(head + _BODY)
            answer = _read_answer(connection)
            place = answer.find(_ID)
            if answer.startswith(b"HTTP/1.1 200") and place >= 0:
                start = place + len(_ID)
                rows, ids = rows + 1, ids + _value_of(answer[start : start + 36].decode())
            else:
                refused += 1
    results.put(Tally(rows, ids & _MASK, refused))


def _read_answer(connection: socket.socket) -> bytes:
    answer = b""
    while True:
        part = connection.recv(65_536)
        if not part:
            raise ConnectionError("the server hung up in the middle of an answer")
        answer += part
        head, separator, body = answer.partition(b"\r\n\r\n")
        if separator:
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            if len(body) >= length:
                return answer


def _take_in_forever(folder: Path) -> None:
    """Take segments into the lake as the control plane's data lane does, until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    database = Database.at(folder / "lake.db")
    upgrade(database)
    lake, queue = Lake(FolderStorage(folder / "lake")), EmbeddedQueue(database)
    while True:
        if not take_in(database, lake, queue, folder / "intake", now=datetime.now(UTC)):
            time.sleep(0.2)


@contextlib.contextmanager
def _program(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / f"{arguments[0]}.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", *arguments], stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def _prepare(folder: Path) -> None:
    manifest = tiny_bundle(folder / "bundle", task=Task.BINARY, weights=(1.0, 0.5, -0.25))
    variant = VariantSpec(
        name="stable",
        model="tiny",
        model_version=1,
        bundle_path=str(folder / "bundle"),
        bundle_digest=manifest.digest,
        weight_pct=Decimal(100),
    )
    spec = EndpointSpec(endpoint=_ENDPOINT, generation=1, variants=(variant,))
    write_atomically(spec_path(folder / "serving", _ENDPOINT), msgspec.json.encode(spec))


def _await(what: Callable[[], object], *, within_s: float, wanted: str) -> None:
    deadline = time.monotonic() + within_s
    while not what():
        if time.monotonic() > deadline:
            raise SystemExit(f"soak: waited {within_s:.0f} s for {wanted}")
        time.sleep(0.1)


def _private_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    return 0


def _load(port: int, connections: int, seconds: float, watched: dict[str, int]) -> tuple[Tally, dict[str, Memory]]:
    """Ask over ``connections`` for so long; return what callers were told, and the memory of ``watched`` meanwhile."""
    results: multiprocessing.Queue[Tally] = multiprocessing.Queue()
    stop_at = time.monotonic() + seconds
    callers = [multiprocessing.Process(target=_ask, args=(port, stop_at, results)) for _ in range(connections)]
    memory = {name: Memory() for name in watched}
    for caller in callers:
        caller.start()
    while time.monotonic() < stop_at:
        for name, pid in watched.items():
            memory[name].samples_kb.append(_private_kb(pid))
        time.sleep(max(0.1, min(_SAMPLE_S, seconds / 20)))
    told = Tally()
    for _ in callers:
        told += results.get(timeout=60)
    for caller in callers:
        caller.join(60)
    return told, memory


def _in_lake(folder: Path) -> Tally:
    """Count the rows that the lake holds; one that is there twice is counted twice."""
    held = Tally()
    for path in sorted((folder / "lake" / "raw" / "segments").glob("*.arrow")):
        ids = read_segment(path)["prediction_id"].to_pylist()
        held += Tally(len(ids), sum(map(_value_of, ids)) & _MASK)
    return held


def _soak(folder: Path, *, seconds: float, connections: int) -> dict[str, object]:
    _prepare(folder)
    serving, intake = folder / "serving", folder / "intake"
    lake = multiprocessing.Process(target=_take_in_forever, args=(folder,))
    lake.start()
    ship = ("trimtab.records.shipper", "--journal", str(serving / "journal"), "--intake", str(intake))
    try:
        with _program(folder, *ship) as shipper:
            with _program(folder, "trimtab.serving.server", "--state", str(serving), "--port", "0") as server:
                _await(lambda: read_server_info(serving), within_s=60, wanted="the server")
                info = read_server_info(serving)
                assert info is not None
                watched = {"server": server.pid, "shipper": shipper.pid, "lake": lake.pid or 0}
                told, memory = _load(info.port, connections, seconds, watched)
            done = time.monotonic()
            _await(lambda: not journal_files(serving / "journal"), within_s=_SETTLE_S, wanted="all shipped")
            _await(lambda: not list(intake.glob("*.arrow")), within_s=_SETTLE_S, wanted="all taken in")
            settled_s = time.monotonic() - done
    finally:
        lake.terminate()
        lake.join(60)
    held = _in_lake(folder)
    return {
        "seconds": seconds,
        "connections": connections,
        "cpus": os.cpu_count(),
        "answered": told.rows,
        "refused": told.refused,
        "answers_per_s": round(told.rows / seconds),
        "in_lake": held.rows,
        "lost_or_doubled": (told.rows, told.ids) != (held.rows, held.ids),
        "settled_s": round(settled_s, 1),
        "memory_kb": {name: asdict(each)["samples_kb"] for name, each in memory.items()},
        "memory_is_flat": {name: each.is_flat for name, each in memory.items()},
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, tell, and return 1 if something was lost or memory grew."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument(
        "--folder", type=Path, help="an empty folder on the disk that is meant; default: a temporary one"
    )
    parser.add_argument("--json", type=Path, help="write all figures there")
    options = parser.parse_args(arguments)
    folder = options.folder or Path(tempfile.mkdtemp(prefix="soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        found = _soak(folder, seconds=options.minutes * 60, connections=options.connections)
    finally:
        if options.folder is None:
            shutil.rmtree(folder)
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    samples = found["memory_kb"]
    assert isinstance(samples, dict)
    spans = {name: f"{min(one) // 1024}-{max(one) // 1024} MB" for name, one in samples.items()}
    sys.stdout.write(json.dumps({**found, "memory_kb": spans}, indent=2) + "\n")
    flat = found["memory_is_flat"]
    assert isinstance(flat, dict)
    return 1 if found["lost_or_doubled"] or found["refused"] or not all(flat.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
