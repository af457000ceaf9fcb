"""How far a journal has been shipped: a small file beside it, replaced atomically."""

from __future__ import annotations

from pathlib import Path

import msgspec

from trimtab.core.errors import DataContractError
from trimtab.files import write_atomically
from trimtab.records.layout import journal_files
from trimtab.records.schema import SchemaFrame

__all__ = ["Cursor", "backlog_bytes", "cursor_path", "read_cursor", "write_cursor"]


class Cursor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``offset``: all before it is in the intake. ``planned_end``: the range up to here is being written there now.

    The plan is made durable before its first segment: after a crash the same range is read again, and not a longer
    one, so that its segments get the same ids. ``schemas`` are those declared before ``offset``.
    """

    offset: int = 0
    planned_end: int | None = None
    schemas: tuple[SchemaFrame, ...] = ()


def cursor_path(journal: Path) -> Path:
    """Return where the cursor of ``journal`` stands."""
    return journal.with_suffix(".cursor")


def read_cursor(journal: Path) -> Cursor:
    """Return the cursor of ``journal``; one at the start when there is none.

    Raises:
        DataContractError: the file is damaged. Guessing would send rows twice under other ids.
    """
    path = cursor_path(journal)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Cursor)
    except FileNotFoundError:
        return Cursor()
    except msgspec.MsgspecError as error:
        raise DataContractError(f"{path}: {error}; expected a cursor; remove journal and cursor, or mend it") from error


def write_cursor(journal: Path, cursor: Cursor) -> None:
    """Replace the cursor of ``journal`` durably."""
    write_atomically(cursor_path(journal), msgspec.json.encode(cursor))


def backlog_bytes(folder: Path, written: dict[Path, int]) -> int:
    """Return how many bytes of the folder's journals no shipper has taken yet.

    ``written`` says how far files that are being written are filled (their size on disk is that of the allocation).
    """
    backlog = 0
    for journal in journal_files(folder):
        try:
            end = written.get(journal) or journal.stat().st_size
            backlog += max(0, end - read_cursor(journal).offset)
        except (FileNotFoundError, DataContractError):
            continue
    return backlog
