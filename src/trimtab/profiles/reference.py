"""The reference window: what the model learnt from, as time blocks and as rows of cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from trimtab.core.enums import ColumnKind
from trimtab.core.errors import DataContractError, NotFoundError
from trimtab.files import write_atomically
from trimtab.profiles.chance import Chance, chance_of_categories, chance_of_numbers
from trimtab.profiles.coded_rows import CodedRows, CodedRowsWire, code_rows
from trimtab.profiles.profile import Profile, category_values, is_number, merge_all, number_values

__all__ = ["FILE_NAME", "Block", "Reference", "build_reference", "read_reference", "write_reference"]

FILE_NAME = "profiles.bin"
"""The one file of a reference, in its folder."""

_MAGIC, _FIRST_MAGIC = b"TTR\x02", b"TTR\x01"
"""Format of the file, its version in the last byte. Version 1 held no rows of cells; it is still read."""

_MAX_BYTES = 512_000_000
_MAX_BLOCKS = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Contiguous rows of the reference; ``end_us`` is the first microsecond after them. Without times: None."""

    start_us: int | None
    end_us: int | None
    profile: Profile


@dataclass(frozen=True, eq=False)
class Reference:
    """Time blocks in order, and each column's `Chance` (by name; columns without one were not measured).

    ``coded`` are the rows themselves as cells, from which any window can be counted; None in a reference that was
    written before there were any.
    """

    blocks: tuple[Block, ...]
    chances: Mapping[str, Chance] = field(default_factory=dict)
    coded: CodedRows | None = None

    @cached_property
    def merged(self) -> Profile:
        """All blocks as one profile, merged once."""
        return merge_all(block.profile for block in self.blocks)

    def chance(self, column: str) -> Chance:
        """Return what was measured of the column, or that rows are independent if nothing was."""
        return self.chances.get(column, Chance())


class _BlockHead(msgspec.Struct, frozen=True, array_like=True):
    start_us: int | None
    end_us: int | None
    size_bytes: int


class _Head(msgspec.Struct, frozen=True, array_like=True):
    blocks: list[_BlockHead]
    chances: dict[str, Chance]
    coded: CodedRowsWire | None = None


def build_reference(
    table: pa.Table, kinds: Mapping[str, ColumnKind], *, time_us: NDArray[Any] | None, blocks: int = 12
) -> Reference:
    """Return the reference that the columns in ``kinds`` make: contiguous blocks with nearly equally many rows.

    ``time_us`` ``(n,)`` holds the rows' times in microseconds since 1970, in any order; without it the rows count as
    being in time order. There are never more blocks than rows.

    Raises:
        DataContractError: no rows, a column is absent, or there are not as many times as rows.

    >>> table = pa.table({"x": np.arange(100.0)})
    >>> reference = build_reference(table, {"x": ColumnKind.NUMBER}, time_us=None, blocks=4)
    >>> [block.profile.rows for block in reference.blocks], reference.merged.columns["x"].max
    ([25, 25, 25, 25], 99.0)
    """
    rows = table.num_rows
    if not rows or (time_us is not None and len(time_us) != rows):
        times = "none" if time_us is None else str(len(time_us))
        raise DataContractError(f"reference: {rows} rows with times of {times}; expected rows, and a time for each")
    moments = None
    if time_us is not None:
        order = np.argsort(time_us, kind="stable")
        table, moments = table.take(pa.array(order)), np.asarray(time_us, dtype=np.int64)[order]
    edges = np.linspace(0, rows, min(blocks, rows) + 1).round().astype(np.int64)
    made = [
        Block(
            start_us=None if moments is None else int(moments[begin]),
            end_us=None if moments is None else int(moments[end - 1]) + 1,
            profile=Profile.of_table(table.slice(begin, end - begin), kinds),
        )
        for begin, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    ]
    numbers = np.repeat(np.arange(len(made)), np.diff(edges))
    chances = {name: _chance(table, name, kind, numbers) for name, kind in kinds.items()}
    return Reference(tuple(made), chances, code_rows(table, kinds, time_us=moments))


def _chance(table: pa.Table, name: str, kind: ColumnKind, blocks: NDArray[np.int64]) -> Chance:
    if is_number(kind):
        values = number_values(table, name, kind)
        present = np.isfinite(values)
        return chance_of_numbers(values[present], blocks[present])
    texts = category_values(table, name, kind)
    present = np.asarray(pc.is_valid(texts).to_numpy(), dtype=np.bool_)
    return chance_of_categories(texts.drop_null(), blocks[present])


def write_reference(folder: Path, reference: Reference) -> None:
    """Write the reference into ``folder``, as one file that is whole or absent.

    Raises:
        OSError: the folder cannot be written.
    """
    parts = [block.profile.to_bytes() for block in reference.blocks]
    heads = [_BlockHead(b.start_us, b.end_us, len(part)) for b, part in zip(reference.blocks, parts, strict=True)]
    coded = None if reference.coded is None else reference.coded.to_wire()
    head = msgspec.msgpack.encode(_Head(heads, dict(reference.chances), coded))
    write_atomically(folder / FILE_NAME, b"".join([_MAGIC, len(head).to_bytes(4, "big"), head, *parts]))


def read_reference(folder: Path) -> Reference:
    """Return the reference that `write_reference` left in ``folder``. Bytes from strangers are safe.

    Raises:
        NotFoundError: there is none.
        DataContractError: the file is damaged, too large, or of a version that this program doesn't know.
    """
    path = folder / FILE_NAME
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= _MAX_BYTES else b""
    except OSError as error:
        raise NotFoundError(f"{path}: cannot be read ({error.strerror}); expected a model's reference") from error
    head, offset = _read_head(path, content, size)
    blocks = []
    for part in head.blocks:
        profile = Profile.from_bytes(content[offset : offset + part.size_bytes])
        blocks.append(Block(part.start_us, part.end_us, profile))
        offset += part.size_bytes
    return Reference(tuple(blocks), head.chances, None if head.coded is None else CodedRows.from_wire(head.coded))


def _read_head(path: Path, content: bytes, size: int) -> tuple[_Head, int]:
    start = 8 + int.from_bytes(content[4:8], "big")
    try:
        if content[:4] not in (_MAGIC, _FIRST_MAGIC):
            raise DataContractError(f"{path}: {size} bytes, no reference of version 1 or 2; write the bundle anew")
        head = msgspec.msgpack.decode(memoryview(content)[8:start], type=_Head)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DataContractError(f"{path}: damaged header ({error}); write the bundle anew") from error
    sizes = [part.size_bytes for part in head.blocks]
    if min(sizes, default=-1) < 0 or len(sizes) > _MAX_BLOCKS or start + sum(sizes) != len(content):
        raise DataContractError(f"{path}: {size} bytes; expected {start + sum(sizes)}; write the bundle anew")
    if any(len(chance.rows) != len(chance.greatest) for chance in head.chances.values()):
        raise DataContractError(f"{path}: chances with unequal numbers of rows and distances; write the bundle anew")
    return head, start
