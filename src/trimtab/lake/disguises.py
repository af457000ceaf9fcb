"""Says which files are no tables, whatever their ending promises: archives, workbooks, pickles, pages, UTF-16."""

from __future__ import annotations

import codecs
from pathlib import Path

from trimtab.core.enums import Encoding
from trimtab.core.errors import DataContractError

__all__ = ["refuse_no_file", "refuse_no_parquet", "refuse_no_text"]

_KINDS: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "a ZIP archive or a workbook (.xlsx)", "unpack it, or save the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old workbook (.xls)", "save the sheet as CSV"),
    (b"\x1f\x8b", "compressed by gzip", "unpack it with gunzip"),
    (b"BZh", "compressed by bzip2", "unpack it with bunzip2"),
    (b"\xfd7zXZ\x00", "compressed by xz", "unpack it with unxz"),
    (b"(\xb5/\xfd", "compressed by zstd", "unpack it with unzstd"),
    (b"7z\xbc\xaf", "a 7z archive", "unpack it"),
    (b"PAR1", "a Parquet file", "give it the ending .parquet"),
    (b"ARROW1", "an Arrow file", "write it as Parquet"),
    (b"\x89HDF", "an HDF5 file", "write its table as Parquet or CSV"),
    (b"SQLite format 3", "an SQLite database", "export the table as CSV"),
    (b"%PDF", "a PDF", "export the table as CSV"),
    *(
        (bytes([0x80, version]), "a Python pickle, which is never opened", "write it as Parquet")
        for version in range(6)
    ),
    (b"<!doctype html", "a web page", "download the file itself"),
    (b"<html", "a web page", "download the file itself"),
)
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CHUNK_BYTES = 1 << 20


def refuse_no_file(path: Path, name: str) -> None:
    """Raise when there is nothing at ``path`` that has an end: opening a pipe would wait for a writer for ever.

    Raises:
        DataContractError: there is nothing, a folder, a pipe or a device.
    """
    if path.is_file():
        return
    if path.is_dir():
        raise DataContractError(f"{name}: is a folder; expected a CSV, TSV or Parquet file; name the file in it")
    if path.exists():
        raise DataContractError(f"{name}: is a pipe or a device; expected a regular file; write its content to one")
    raise DataContractError(f"{name}: no such file; check the path of the delivery")


def refuse_no_text(path: Path, name: str, encoding: Encoding) -> None:
    """Raise when the file at ``path`` is no text; reads it once, in little memory.

    Raises:
        DataContractError: its first bytes are another format's, or there is a NUL byte in it.
    """
    with path.open("rb") as stream:
        start = stream.read(16)
    for mark, kind, remedy in _KINDS:
        if start.lower().startswith(mark.lower()):
            raise DataContractError(f"{name}: is {kind}, not a text file; {remedy}, then deliver that")
    if encoding is Encoding.UTF_16:
        return
    if start.startswith(_UTF_16):
        raise DataContractError(f"{name}: is UTF-16; save it as UTF-8, or declare encoding: utf-16")
    _refuse_nul(path, name)


def refuse_no_parquet(path: Path, name: str) -> None:
    """Raise when the file at ``path`` does not begin as Parquet does.

    Raises:
        DataContractError: it is something else.
    """
    with path.open("rb") as stream:
        start = stream.read(4)
    if start != b"PAR1":
        raise DataContractError(
            f"{name}: is no readable Parquet file (it begins with {start!r}); write it again, or name it as what it is"
        )


def _refuse_nul(path: Path, name: str) -> None:
    before = lines = 0
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            place = chunk.find(0)
            if place >= 0:
                line = lines + chunk.count(b"\n", 0, place) + 1
                raise DataContractError(
                    f"{name}: byte {before + place} (line {line}) is NUL; a text table has none; write the file again"
                )
            before, lines = before + len(chunk), lines + chunk.count(b"\n")
