"""Tensors as JSON: an integer datatype takes what it can hold, to its very edges, and nothing else."""

from __future__ import annotations

import re
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trimtab.core.errors import ConfigError
from trimtab.serving.protocols.json_tensors import check_values

RANGES: Final = {
    **{f"INT{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)},
}
DATATYPE: Final = st.sampled_from(sorted(RANGES))


def _refusal(value: float | int | bool | str, datatype: str) -> str:
    with pytest.raises(ConfigError) as refused:
        check_values([None, value], datatype, "input 'x'")
    return str(refused.value)


@given(datatype=DATATYPE, distance=st.integers(0, 300), whole=st.booleans(), data=st.data())
def test_what_lies_within_the_edges_is_taken_and_what_lies_beyond_is_not(
    datatype: str, distance: int, whole: bool, data: st.DataObject
) -> None:
    lowest, highest = RANGES[datatype]
    edge, outwards = data.draw(st.sampled_from([(lowest, -1), (highest, 1)]))
    inside, outside = edge - outwards * min(distance, 255), edge + outwards * (distance + 1)
    check_values([inside], datatype, "input 'x'")
    told = _refusal(outside, datatype)
    assert told.startswith(f"input 'x': value 1 is {outside}, expected a whole number from {lowest} to {highest}")
    # As a float it counts by what it is after its rounding, which JSON's reader does before it comes here.
    as_float = float(outside if whole else inside)
    if lowest <= int(as_float) <= highest:
        check_values([as_float], datatype, "input 'x'")
    else:
        assert f"from {lowest} to {highest}" in _refusal(as_float, datatype)


@given(datatype=DATATYPE, number=st.floats(allow_nan=False, allow_infinity=False))
@example("INT64", 0.5)
@example("UINT8", -1e300)
def test_only_whole_floats_are_whole_numbers(datatype: str, number: float) -> None:
    lowest, highest = RANGES[datatype]
    if number.is_integer() and lowest <= number <= highest:
        check_values([number], datatype, "input 'x'")
    else:
        assert f"is {number}, expected a whole number from {lowest} to {highest}" in _refusal(number, datatype)


@given(datatype=st.sampled_from([*sorted(RANGES), "FP16", "FP32", "FP64"]), other=st.booleans() | st.text(max_size=90))
def test_neither_bool_nor_text_is_a_number(datatype: str, other: bool | str) -> None:
    what = f"bool {str(other).lower()}" if isinstance(other, bool) else "string "
    assert re.match(
        rf"input 'x': value 1 is the {what}.* as {datatype} holds; correct", _refusal(other, datatype), re.S
    )


@given(bits=st.integers(129, 40_000))
def test_an_absurd_number_is_not_written_out(bits: int) -> None:
    assert f"value 1 is a number of {bits + 1} bits, expected" in _refusal(2**bits, "UINT64")
