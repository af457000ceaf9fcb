"""How a journal file is laid out on disk: what writer and reader agree on.

A file ``<writer_id>-<n>.journal`` starts with `MAGIC`; frames follow: u32 length, u32 CRC-32 of the payload, payload
(msgpack); all little-endian. A length of zero is where nothing has been written yet; `SEAL` in place of a length says
that nothing will be.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

__all__ = ["HEAD", "HEAD_BYTES", "MAGIC", "SEAL", "SEAL_BYTES", "SUFFIX", "file_name", "journal_files"]

MAGIC: Final = b"TRIMJNL\x01"
"""The last byte is the version of the layout."""

HEAD: Final = struct.Struct("<II")
HEAD_BYTES: Final = HEAD.size
SEAL: Final = 0xFFFF_FFFF
SEAL_BYTES: Final = SEAL.to_bytes(4, "little")
SUFFIX: Final = ".journal"


def file_name(writer_id: str, number: int) -> str:
    """Return the name of a writer's ``number``-th file.

    >>> file_name("4711.99.abc", 3)
    '4711.99.abc-000003.journal'
    """
    return f"{writer_id}-{number:06d}{SUFFIX}"


def journal_files(folder: Path) -> list[Path]:
    """Return the folder's journal files by name; none when the folder is absent."""
    return sorted(folder.glob(f"*{SUFFIX}"))
