"""What is kept is believed only when it is what was kept."""

import hashlib
import io
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from trimtab.training.cache import StepCache
from trimtab.training.settings import CandidateSettings

KEY, OTHER_KEY = "a" * 64, "b" * 64


@dataclass(frozen=True, slots=True)
class Output:
    candidate: CandidateSettings
    numbers: NDArray[np.float64]
    names: NDArray[Any]
    graph: bytes
    score: float
    parts: tuple[NDArray[np.float64], ...] = ()


def output(seed: int = 0, size: int = 4) -> Output:
    rng = np.random.default_rng(seed)
    numbers = np.append(rng.normal(size=size), np.nan)
    candidate = CandidateSettings.model_validate({"type": "ridge", "space": {"alpha": {"low": 0.1, "high": 2.0}}})
    return Output(candidate, numbers, np.array(["no", "yes"]), b"\x00\x01", float("nan"), (numbers[:2],))


def objects(folder: Path) -> list[Path]:
    return sorted((folder / "objects").iterdir())


def test_what_is_kept_comes_back_exactly(tmp_path: Path) -> None:
    kept = output()
    StepCache(tmp_path).put(KEY, kept)
    found = StepCache(tmp_path).get(KEY, Output)
    assert found is not None
    assert found.candidate == kept.candidate
    np.testing.assert_array_equal(found.numbers, kept.numbers)
    assert found.names.tolist() == ["no", "yes"]
    assert found.graph == kept.graph
    assert np.isnan(found.score)
    np.testing.assert_array_equal(found.parts[0], kept.parts[0])


def test_no_folder_remembers_nothing() -> None:
    cache = StepCache(None)
    cache.put(KEY, output())
    assert cache.get(KEY, Output) is None


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "gone", "key is nonsense", "key leads elsewhere"])
def test_damaged_entry_is_not_believed_and_can_be_kept_again(tmp_path: Path, damage: str) -> None:
    cache = StepCache(tmp_path)
    cache.put(KEY, output())
    (path,) = objects(tmp_path)
    content = path.read_bytes()
    if damage == "flipped":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "gone":
        path.unlink()
    else:
        (tmp_path / "keys" / KEY).write_bytes(b"\xff" if "nonsense" in damage else b"../../etc/passwd")
    assert cache.get(KEY, Output) is None
    cache.put(KEY, output())
    assert cache.get(KEY, Output) is not None


def test_entry_of_another_type_is_not_believed(tmp_path: Path) -> None:
    cache = StepCache(tmp_path)
    cache.put(KEY, {"something": "else"})
    assert cache.get(KEY, Output) is None


def array_bytes(head: bytes) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head


def archive() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, numbers=np.zeros(3))
    return stream.getvalue()


CRAFTED = {
    "no array": b"nothing",
    "larger than any memory": array_bytes(b"{'descr': '<f8', 'fortran_order': False, 'shape': (900000000000,), }\n"),
    "objects": array_bytes(b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n") + b"cos\nsystem\n",
    "head that does not close": array_bytes(b"{'descr': ('''\n"),
    "head of another form": array_bytes(b"__import__('os').system('true')\n"),
    "archive": archive(),
    "half an archive": b"PK\x03\x04" + b"\x00" * 40,
}


@pytest.mark.parametrize("array", CRAFTED.values(), ids=CRAFTED)
def test_entry_that_was_made_by_hand_is_not_believed(tmp_path: Path, array: bytes) -> None:
    cache = StepCache(tmp_path)
    cache.put(KEY, output())
    (path,) = objects(tmp_path)
    kept = msgspec.msgpack.decode(path.read_bytes())
    content = msgspec.msgpack.encode({**kept, "numbers": array})
    digest = hashlib.sha256(content).hexdigest()
    (tmp_path / "objects" / digest).write_bytes(content)
    (tmp_path / "keys" / KEY).write_text(digest)

    assert cache.get(KEY, Output) is None


def test_least_recently_used_goes_first(tmp_path: Path) -> None:
    cache = StepCache(tmp_path, max_bytes=30_000)
    for place, key in enumerate((KEY, OTHER_KEY)):
        cache.put(key, output(place, size=1_200))
    for path in (*objects(tmp_path), *(tmp_path / "keys").iterdir()):
        os.utime(path, (1, 1))
    assert cache.get(KEY, Output) is not None  # used just now
    cache.put("c" * 64, output(2, size=1_200))
    assert cache.get(OTHER_KEY, Output) is None
    assert cache.get(KEY, Output) is not None
    assert sum(path.stat().st_size for path in objects(tmp_path)) <= 30_000


def test_what_is_larger_than_the_bound_is_not_kept(tmp_path: Path) -> None:
    cache = StepCache(tmp_path, max_bytes=1_000)
    cache.put(KEY, output(size=1_000))
    assert cache.get(KEY, Output) is None


def test_folder_that_cannot_be_written_only_means_that_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = StepCache(tmp_path / "file")
    cache.put(KEY, output())
    assert cache.get(KEY, Output) is None


def test_jobs_that_share_a_folder_never_see_half_an_entry(tmp_path: Path) -> None:
    wrong: list[str] = []

    def work(seed: int) -> None:
        cache = StepCache(tmp_path, max_bytes=60_000)
        for turn in range(25):
            key = f"{(seed + turn) % 5:064x}"
            cache.put(key, output((seed + turn) % 5, size=1_000))
            found = cache.get(key, Output)
            if found is not None and not np.array_equal(
                found.numbers, output((seed + turn) % 5, size=1_000).numbers, equal_nan=True
            ):
                wrong.append(key)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []
    assert not any(thread.is_alive() for thread in threads)
