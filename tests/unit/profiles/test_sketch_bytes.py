from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.core.errors import DataContractError
from trimtab.profiles.numbers import SKETCH_K, NumberProfile
from trimtab.profiles.sketch_bytes import checked_sketch


def sketch_of(values: np.ndarray, parts: int = 1) -> tuple[bytes, int]:
    profile = NumberProfile.merged([NumberProfile.of(part) for part in np.array_split(values, parts)])
    return profile.to_wire().sketch, profile.count


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 60_000), st.integers(1, 9), st.integers(1, 100_000))
def test_every_sketch_that_the_library_writes_is_sound(rows: int, parts: int, distinct: int) -> None:
    content, count = sketch_of(np.random.default_rng(rows).integers(0, distinct, rows).astype(float), parts)
    assert checked_sketch(content, k=SKETCH_K, count=count) == content


@pytest.mark.parametrize("rows", [1, 5, 2048, 20_000])
def test_wrong_sizes_offsets_counts_and_values_are_refused(rows: int) -> None:
    content, count = sketch_of(np.random.default_rng(0).normal(size=rows))
    assert checked_sketch(content, k=SKETCH_K, count=count)
    broken = [
        b"",
        content[:-8],
        content + bytes(8),
        b"\x09" + content[1:],  # preamble
        content[:4] + b"\x10\x00" + content[6:],  # k
        content[:-8] + np.array([np.nan]).tobytes(),
        content[:-8] + np.array([np.inf]).tobytes(),
    ]
    if rows > 1:
        broken.append(content[:20] + b"\xff\xff\xff\x7f" + content[24:])  # the first level's offset
        broken.append(content[:18] + b"\xff" + content[19:])  # number of levels
    for bad in broken:
        with pytest.raises(DataContractError, match="damaged sketch"):
            checked_sketch(bad, k=SKETCH_K, count=count)
    with pytest.raises(DataContractError, match="damaged sketch"):
        checked_sketch(content, k=SKETCH_K, count=count + 1)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damage_that_passes_the_check_can_be_read_and_used(data: st.DataObject) -> None:
    content, count = SAMPLE
    place = data.draw(st.integers(0, 90) | st.integers(0, len(content) - 1))
    bad = content[:place] + bytes([data.draw(st.integers(0, 255))]) + content[place + 1 :]
    wire = NumberProfile.of(np.zeros(0)).to_wire()
    try:
        profile = NumberProfile.from_wire(type(wire)(count, 0, 0, 0.0, 0.0, bad))
    except DataContractError:
        return
    assert profile.points()[1].sum() == count
    assert np.isfinite(NumberProfile.merged([profile, profile]).quantile(0.5))


SAMPLE = sketch_of(np.random.default_rng(0).normal(size=20_000))
