"""Tensors as bytes: what is written is read again, and whatever else comes is refused in a sentence."""

from __future__ import annotations

import math
from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trimtab.core.errors import ConfigError
from trimtab.serving.protocols.tensors import DATATYPES, encode_tensor, split_body

Value = float | int | bool | str | None

VALUES: Final[dict[str, st.SearchStrategy[Value]]] = {
    "BOOL": st.booleans(),
    **{f"INT{bits}": st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": st.integers(0, 2**bits - 1) for bits in (8, 16, 32, 64)},
    "FP16": st.none() | st.floats(allow_nan=False, width=16),
    "FP32": st.none() | st.floats(allow_nan=False, width=32),
    "FP64": st.none() | st.floats(allow_nan=False),
    "BYTES": st.text(st.characters(codec="utf-8"), max_size=12),
}


@st.composite
def tensors(draw: st.DrawFn) -> tuple[str, list[Value]]:
    """Draw a datatype and values of it."""
    datatype = draw(st.sampled_from(sorted(VALUES)))
    return datatype, draw(st.lists(VALUES[datatype], max_size=8))


def test_the_strategies_cover_the_standard() -> None:
    assert set(VALUES) == DATATYPES


@given(several=st.lists(tensors(), max_size=4), header=st.binary(max_size=20))
def test_tensors_come_back_as_they_were_written(several: list[tuple[str, list[Value]]], header: bytes) -> None:
    parts = [encode_tensor(values, datatype) for datatype, values in several]
    content, reader = split_body(b"".join((header, *parts)), str(len(header)).encode())
    assert content == header
    for (datatype, values), part in zip(several, parts, strict=True):
        read = reader.read(len(part), datatype, len(values), "input 'x'")
        assert read == values
        assert [type(value) for value in read] == [type(value) for value in values]
    reader.finish()


@given(tensor=tensors(), data=st.data())
def test_a_tensor_that_is_cut_short_is_refused(tensor: tuple[str, list[Value]], data: st.DataObject) -> None:
    datatype, values = tensor
    whole = encode_tensor(values, datatype)
    if not whole:
        return
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    for announced in (len(cut), len(whole)):
        with pytest.raises(ConfigError, match="'x'"):
            split_body(cut, b"0")[1].read(announced, datatype, len(values), "input 'x'")


@settings(max_examples=300)
@example(body=b"\xff\xff\xff\xff", size=4, datatype="BYTES", count=1)
@example(body=b"\xff\xff\xff\xff", size=4, datatype="BYTES", count=10**12)
@example(body=b"", size=0, datatype="FP64", count=10**12)
@example(body=b"\x02", size=1, datatype="BOOL", count=1)
@example(body=b"\x01\x00\x00\x00\xff", size=5, datatype="BYTES", count=1)
@example(body=b"", size=10**4000, datatype="INT8", count=0)
@example(body=b"x", size=-1, datatype="INT8", count=1)
@given(
    body=st.binary(max_size=40),
    size=st.integers(-1, 41) | st.integers(),
    datatype=st.sampled_from(sorted(DATATYPES)) | st.text(max_size=5),
    count=st.integers(0, 12) | st.integers(0, 2**70),
)
def test_what_is_no_tensor_is_only_ever_refused(body: bytes, size: int, datatype: str, count: int) -> None:
    _, reader = split_body(body, b"0")
    try:
        values = reader.read(size, datatype, count, "input 'x'")
    except ConfigError as error:
        sentence = str(error)
    else:
        sentence = ""
        assert len(values) == count
    if sentence:
        assert "input 'x'" in sentence
        assert "\n" not in sentence
        assert len(sentence) < 500
        return
    if size == len(body):
        reader.finish()
    else:
        with pytest.raises(ConfigError, match="behind the last tensor"):
            reader.finish()


@given(body=st.binary(max_size=20), header=st.binary(max_size=4) | st.integers().map(lambda n: str(n).encode()))
def test_a_header_length_is_right_or_refused(body: bytes, header: bytes) -> None:
    try:
        content, reader = split_body(body, header)
    except ConfigError:
        assert not header.isdigit() or int(header) > len(body)
        return
    left = len(body) - int(header)
    rest = reader.read(left, "UINT8", left, "x")
    assert content + encode_tensor(rest, "UINT8") == body


def test_nan_is_a_missing_value() -> None:
    written = encode_tensor([math.nan, 1.5], "FP32")
    assert split_body(written, b"0")[1].read(8, "FP32", 2, "x") == [None, 1.5]
