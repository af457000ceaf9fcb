"""Which keys of a delivery earlier deliveries brought: each processed file is read for its keys once, not each time."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from trimtab.config.columns import ContractConfig
from trimtab.lake.casting import cast_as
from trimtab.lake.keys import key_texts
from trimtab.lake.zones import Lake

__all__ = ["KnownKeys"]

_LIMIT_BYTES = 256 << 20

_Book = tuple[str, tuple[str, ...]]
"""A model, and the columns of its key as the contract declares them: another declaration makes other texts."""


class KnownKeys:
    """Keeps the key texts of processed files in memory, up to a limit; what has no room is read again each time.

    Files are told apart by the digest of what was delivered: the rows of a table delivery never change once it was
    processed. Not for several threads at once.
    """

    def __init__(self, lake: Lake, *, limit_bytes: int = _LIMIT_BYTES) -> None:
        self._lake = lake
        self._limit_bytes = limit_bytes
        self._books: dict[_Book, dict[str, pa.Array]] = {}

    def among(
        self, delivered: pa.Table, *, model: str, digests: Collection[str], contract: ContractConfig
    ) -> frozenset[str]:
        """Return the keys of ``delivered``, as texts, that the processed files of these ``digests`` hold too.

        A file that was processed under a contract without one of the key's columns holds none, and so does a delivery
        that lacks one.

        Raises:
            BackendError: a file is missing, or the lake's storage failed.
        """
        if not contract.unique or not digests or not set(contract.unique) <= set(delivered.column_names):
            return frozenset()
        asked = pc.unique(_keys(delivered, contract))
        found = pa.chunked_array(list(self._of(model, sorted(digests), contract).values()), pa.string())
        return frozenset(found.filter(pc.is_in(found, value_set=asked)).to_pylist())

    def _of(self, model: str, digests: Collection[str], contract: ContractConfig) -> dict[str, pa.Array]:
        name = (model, tuple(f"{column}={contract.columns[column].model_dump_json()}" for column in contract.unique))
        # Taken out and put back last: the book that was used longest ago comes first.
        book = self._books.pop(name, {})
        keys = {digest: book[digest] for digest in digests if digest in book}
        missing = [digest for digest in digests if digest not in keys]
        for digest, path in self._lake.tables_at_hand(model, missing).items():
            if set(contract.unique) <= set(pa.parquet.read_schema(path).names):
                table = pa.parquet.read_table(path, columns=list(contract.unique), partitioning=None)
                keys[digest] = _keys(table, contract)
            else:
                keys[digest] = pa.array([], pa.string())
        self._books[name] = dict(keys)
        self._make_room()
        return keys

    def _make_room(self) -> None:
        total = sum(keys.nbytes for book in self._books.values() for keys in book.values())
        while total > self._limit_bytes:
            oldest = next(iter(self._books))
            # Of the book in use the last file goes: what stays is of use next time, whatever the order of reading.
            _, keys = self._books[oldest].popitem()
            total -= keys.nbytes
            if not self._books[oldest]:
                del self._books[oldest]


def _keys(table: pa.Table, contract: ContractConfig) -> pa.Array:
    typed = {name: cast_as(table[name], contract.columns[name]).values for name in contract.unique}
    texts = key_texts(pa.table(typed), contract.unique)
    array = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    return array.drop_null()
