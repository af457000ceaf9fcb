"""The reference as rows of cells: one byte a row and column, in time order, from which any window can be counted."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from trimtab.core.enums import ColumnKind
from trimtab.core.errors import DataContractError
from trimtab.profiles.profile import category_values, is_number, number_values
from trimtab.profiles.ruler import MAX_CELLS, Ruler, ruler_of_categories, ruler_of_numbers

__all__ = ["MAX_ROWS", "CodedRows", "CodedRowsWire", "code_rows"]

MAX_ROWS = 32_768
"""Rows that are kept: of more, evenly spread ones. A distance of so many rows is known to within about 1 %."""


class _RulerWire(msgspec.Struct, frozen=True, array_like=True):
    edges: bytes | None
    names: list[str]


class CodedRowsWire(msgspec.Struct, frozen=True, array_like=True):
    """`CodedRows` as bytes hold them."""

    rows: int
    time_us: bytes | None
    rulers: dict[str, _RulerWire]
    codes: dict[str, bytes]


@dataclass(frozen=True, eq=False)
class CodedRows:
    """Of each column its `Ruler`, and the cell that each of ``n`` rows lies in, ``(n,)`` bytes.

    ``time_us`` ``(n,)`` ascends; None where the rows have no times. ``thinning`` rows of the reference stand behind
    each that was kept.
    """

    time_us: NDArray[np.int64] | None
    rulers: Mapping[str, Ruler]
    codes: Mapping[str, NDArray[np.uint8]]
    thinning: float = 1.0

    @property
    def rows(self) -> int:
        """Rows that are kept."""
        return len(next(iter(self.codes.values()))) if self.codes else 0

    @property
    def span_us(self) -> int | None:
        """Time from the first row to the last; None without times."""
        return None if self.time_us is None or not len(self.time_us) else int(self.time_us[-1] - self.time_us[0])

    @cached_property
    def digest(self) -> bytes:
        """What the rows are: equal for equal ones, though they were read twice. A thousandth of a second, once."""
        return hashlib.blake2b(msgspec.msgpack.encode(self.to_wire()), digest_size=16).digest()

    def to_wire(self) -> CodedRowsWire:
        """Return what is written."""
        rulers = {
            name: _RulerWire(None if ruler.edges is None else ruler.edges.astype("<f8").tobytes(), list(ruler.names))
            for name, ruler in self.rulers.items()
        }
        times = None if self.time_us is None else self.time_us.astype("<i8").tobytes()
        total = round(self.rows * self.thinning)
        return CodedRowsWire(total, times, rulers, {name: codes.tobytes() for name, codes in self.codes.items()})

    @staticmethod
    def from_wire(wire: CodedRowsWire) -> CodedRows:
        """Return the rows that were written. Bytes from strangers are safe.

        Raises:
            DataContractError: lengths differ, an edge or a time goes back, or a cell is beyond its ruler.
        """
        rulers = {name: _ruler(name, ruler) for name, ruler in wire.rulers.items()}
        codes = {name: np.frombuffer(content, np.uint8) for name, content in wire.codes.items()}
        lengths = {len(content) for content in codes.values()}
        times = None if wire.time_us is None else _numbers(wire.time_us, "<i8").astype(np.int64)
        kept = max(lengths, default=0)
        held = lengths | (set() if times is None else {len(times)})
        if rulers.keys() != codes.keys() or len(held) > 1 or kept > MAX_ROWS or wire.rows < kept:
            raise _damaged(f"{sorted(held)} rows of {wire.rows} in {len(codes)} columns with {len(rulers)} rulers")
        if times is not None and (np.diff(times) < 0).any():
            raise _damaged("times go back")
        beyond = [name for name, cells in codes.items() if len(cells) and int(cells.max()) > rulers[name].cells]
        if beyond:
            raise _damaged(f"cells of {beyond[:5]} lie beyond the ruler")
        return CodedRows(times, rulers, codes, wire.rows / kept if kept else 1.0)


def code_rows(table: pa.Table, kinds: Mapping[str, ColumnKind], *, time_us: NDArray[Any] | None) -> CodedRows:
    """Return the rows of ``table``, which are in time order, as cells; moments (`ColumnKind.DATETIME`) are left out.

    Rulers are made of all rows; of more than `MAX_ROWS` rows evenly spread ones are kept.

    Raises:
        DataContractError: a column is absent, or cannot be read as its kind.

    >>> coded = code_rows(pa.table({"x": [3.0, 1.0, None]}), {"x": ColumnKind.NUMBER}, time_us=None)
    >>> coded.codes["x"].tolist(), coded.rulers["x"].cells
    ([3, 1, 5], 5)
    """
    total = table.num_rows
    kept = np.arange(total) if total <= MAX_ROWS else np.linspace(0, total - 1, MAX_ROWS).round().astype(np.int64)
    rulers: dict[str, Ruler] = {}
    codes: dict[str, NDArray[np.uint8]] = {}
    for name, kind in kinds.items():
        if kind is ColumnKind.DATETIME:
            continue
        if is_number(kind):
            values = number_values(table, name, kind)
            rulers[name] = ruler_of_numbers(values)
            codes[name] = rulers[name].code_numbers(values[kept])
        else:
            texts = category_values(table, name, kind)
            found = pc.value_counts(texts.drop_null())
            counted = zip(found.field(0).to_pylist(), found.field(1).to_pylist(), strict=True)
            rulers[name] = ruler_of_categories([(str(text), int(count)) for text, count in counted])
            codes[name] = rulers[name].code_categories(texts.take(pa.array(kept)))
    times = None if time_us is None else np.asarray(time_us, dtype=np.int64)[kept]
    return CodedRows(times, rulers, codes, total / len(kept) if total else 1.0)


def _ruler(name: str, wire: _RulerWire) -> Ruler:
    edges = None if wire.edges is None else _numbers(wire.edges, "<f8")
    cells = 1 + (len(wire.names) if edges is None else len(edges))
    if cells > MAX_CELLS or (edges is not None and (not np.isfinite(edges).all() or (np.diff(edges) <= 0).any())):
        raise _damaged(f"the ruler of {name!r} has {cells} cells, or edges that do not ascend")
    return Ruler(edges, () if edges is not None else tuple(wire.names))


def _numbers(content: bytes, kind: str) -> NDArray[Any]:
    if len(content) % 8:
        raise _damaged(f"{len(content)} bytes of eight-byte numbers")
    return np.frombuffer(content, kind)


def _damaged(what: str) -> DataContractError:
    return DataContractError(f"reference: damaged rows ({what}); write the bundle anew")
