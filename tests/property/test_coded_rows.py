"""A window is judged by what its rows were, however they were split into profiles; strangers' bytes are safe."""

from __future__ import annotations

import itertools

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.core.enums import ColumnKind
from trimtab.core.errors import DataContractError
from trimtab.profiles.coded_rows import CodedRows, CodedRowsWire, code_rows
from trimtab.profiles.profile import Profile, merge_all

KINDS = {"x": ColumnKind.NUMBER, "c": ColumnKind.CATEGORY}
NUMBERS = st.one_of(st.none(), st.integers(-3, 3).map(float), st.floats(-1e6, 1e6, width=32))
ROWS = st.lists(st.tuples(NUMBERS, st.sampled_from(["a", "b", "ü", None])), min_size=1, max_size=60)


def table(rows: list[tuple[float | None, str | None]]) -> pa.Table:
    return pa.table(
        {"x": pa.array([row[0] for row in rows], pa.float64()), "c": pa.array([row[1] for row in rows], pa.string())}
    )


@settings(deadline=None)
@given(reference=ROWS, window=ROWS, cuts=st.lists(st.integers(0, 60), max_size=4))
def test_any_split_into_profiles_gives_the_counts_of_the_rows(
    reference: list[tuple[float | None, str | None]],
    window: list[tuple[float | None, str | None]],
    cuts: list[int],
) -> None:
    coded = code_rows(table(reference), KINDS, time_us=None)
    whole = table(window)
    edges = sorted({0, len(window), *(min(cut, len(window)) for cut in cuts)})
    parts = [Profile.of_table(whole.slice(a, b - a), KINDS) for a, b in itertools.pairwise(edges)]
    merged = merge_all(parts)
    numbers, names = coded.rulers["x"], coded.rulers["c"]
    values = whole["x"].to_numpy(zero_copy_only=False).astype(float)
    expected = np.bincount(numbers.code_numbers(values), minlength=numbers.cells + 1)
    assert numbers.counts(merged.columns["x"]).tolist() == expected.tolist()
    expected = np.bincount(names.code_categories(whole["c"]), minlength=names.cells + 1)
    assert names.counts(merged.columns["c"]).tolist() == expected.tolist()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), parts=st.integers(1, 5))
def test_sketched_columns_are_counted_within_their_error(seed: int, parts: int) -> None:
    rng = np.random.default_rng(seed)
    coded = code_rows(pa.table({"x": rng.normal(size=500)}), {"x": ColumnKind.NUMBER}, time_us=None)
    values, ruler = rng.normal(size=20_000), coded.rulers["x"]
    merged = merge_all(
        Profile.of_table(pa.table({"x": part}), {"x": ColumnKind.NUMBER}) for part in np.array_split(values, parts)
    )
    exact = np.bincount(ruler.code_numbers(values), minlength=ruler.cells + 1)
    apart = np.abs(np.cumsum(ruler.counts(merged.columns["x"]) - exact)).max() / len(values)
    assert apart < 0.006


@settings(deadline=None)
@given(rows=ROWS, timed=st.booleans())
def test_what_was_written_reads_back_the_same(rows: list[tuple[float | None, str | None]], timed: bool) -> None:
    coded = code_rows(table(rows), KINDS, time_us=np.arange(len(rows)) if timed else None)
    content = msgspec.msgpack.encode(coded.to_wire())
    again = CodedRows.from_wire(msgspec.msgpack.decode(content, type=CodedRowsWire))
    assert again.thinning == coded.thinning
    assert (again.time_us is None) is not timed
    for name in KINDS:
        assert again.codes[name].tolist() == coded.codes[name].tolist()
        assert again.rulers[name].names == coded.rulers[name].names
    read, written = again.rulers["x"].edges, coded.rulers["x"].edges
    assert read is not None
    assert written is not None
    assert read.tolist() == written.tolist()


@settings(deadline=None)
@given(rows=ROWS, place=st.integers(0, 10_000), value=st.integers(0, 255))
def test_damaged_bytes_are_refused_or_still_sound(
    rows: list[tuple[float | None, str | None]], place: int, value: int
) -> None:
    content = bytearray(msgspec.msgpack.encode(code_rows(table(rows), KINDS, time_us=None).to_wire()))
    content[place % len(content)] = value
    try:
        again = CodedRows.from_wire(msgspec.msgpack.decode(bytes(content), type=CodedRowsWire))
    except (DataContractError, msgspec.MsgspecError, UnicodeDecodeError):
        return
    for name, codes in again.codes.items():
        assert len(codes) == again.rows
        assert codes.max(initial=0) <= again.rulers[name].cells


def test_cells_beyond_the_ruler_and_times_that_go_back_are_refused() -> None:
    wire = code_rows(table([(1.0, "a"), (2.0, "b")]), KINDS, time_us=np.array([1, 2])).to_wire()
    broken = [
        msgspec.structs.replace(wire, codes={**wire.codes, "x": b"\x00\xff"}),
        msgspec.structs.replace(wire, codes={**wire.codes, "x": b"\x00"}),
        msgspec.structs.replace(wire, codes={"x": wire.codes["x"]}),
        msgspec.structs.replace(wire, time_us=np.array([2, 1], "<i8").tobytes()),
        msgspec.structs.replace(wire, time_us=b"123"),
        msgspec.structs.replace(wire, rows=1),
    ]
    for content in broken:
        with pytest.raises(DataContractError, match="damaged rows"):
            CodedRows.from_wire(content)
