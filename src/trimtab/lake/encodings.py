"""Where a text file is not in the encoding that it should have: byte, line, column, and what to do about it."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Sequence
from pathlib import Path

from trimtab.core.enums import Encoding
from trimtab.core.errors import DataContractError

__all__ = ["refuse_misencoded"]

_CHUNK_BYTES = 1 << 20
_NOT_ASCII = re.compile(rb"[\x80-\xff]")


def refuse_misencoded(
    path: Path, name: str, encoding: Encoding, *, columns: Sequence[str] = (), separator: str = ","
) -> None:
    """Raise at the first byte of the file that is not of ``encoding``; reads it once, in little memory.

    Args:
        path: the file.
        name: what its sender calls it.
        encoding: what it should have.
        columns: the names of its columns, to say in which one that is; none: they are not known.
        separator: what stands between its values.

    Raises:
        DataContractError: there is such a byte.
        OSError: the disk fails.
    """
    decoder = codecs.getincrementaldecoder(str(encoding))()
    start = lines = 0
    sound: int | None = None
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                inside = max(0, error.start - pending)
                sound = sound if sound is not None else _line_of_letter(chunk[:inside], lines)
                place = start - pending + error.start
                line = lines + chunk.count(b"\n", 0, inside) + 1
                letter = error.object[error.start : error.start + 1].decode("latin-1")
                column = _column_at(path, place, columns, separator) if encoding is not Encoding.UTF_16 else ""
                raise DataContractError(
                    f"{name}: byte {place} (line {line}) is not {encoding.upper()}{column} ({letter!r} if it were "
                    f"Latin-1); {_remedy(encoding, sound)}"
                ) from None
            except UnicodeError as error:
                raise DataContractError(
                    f"{name}: is not {encoding.upper()} ({error}); save the file as UTF-8"
                ) from None
            sound = sound if sound is not None else _line_of_letter(chunk, lines)
            start, lines = start + len(chunk), lines + chunk.count(b"\n")


def _remedy(encoding: Encoding, sound: int | None) -> str:
    if encoding is Encoding.UTF_8 and sound is not None:
        # Read as Latin-1 as a whole, it would be taken in with nonsense in the rows that are sound.
        return (
            f"but line {sound} is, so the file mixes encodings; bring that line, and all others written like it, into "
            "UTF-8, then deliver it again"
        )
    return (
        "save the file as UTF-8, or declare another encoding (contract.yaml: encoding: latin-1; trimtab init: "
        "--encoding latin-1)"
    )


def _line_of_letter(chunk: bytes, lines: int) -> int | None:
    """Return the line of the first letter beyond ASCII in ``chunk``, before which stand ``lines`` lines."""
    found = _NOT_ASCII.search(chunk)
    return None if found is None else lines + chunk.count(b"\n", 0, found.start()) + 1


def _column_at(path: Path, place: int, columns: Sequence[str], separator: str) -> str:
    """Return in words which column byte ``place`` stands in; nothing where that cannot be told."""
    first = max(0, place - _CHUNK_BYTES)
    with path.open("rb") as stream:
        stream.seek(first)
        before = stream.read(place - first).rpartition(b"\n")[2].decode("latin-1")
    try:
        values = next(csv.reader([before + "x"], delimiter=separator))
    except csv.Error:
        return ""
    return f" in column {columns[len(values) - 1]!r}" if len(values) <= len(columns) else ""
