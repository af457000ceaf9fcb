"""Whether a disk lets us write: what is no fault of the work at hand, and passes once somebody makes room."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

__all__ = ["is_of_the_disk", "probe_room"]

_OF_THE_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG})
"""No room, a quota, a limit on the size of files, or no writing at all: all of them pass, as an outage does."""

_PROBE_BYTES = 1 << 20
_LONGEST_CHAIN = 16


def is_of_the_disk(error: BaseException) -> bool:
    """Return whether ``error``, or what led to it, is a disk that refuses to be written or read.

    >>> is_of_the_disk(OSError(errno.ENOSPC, "No space left on device")), is_of_the_disk(FileNotFoundError())
    (True, False)
    """
    link: BaseException | None = error
    for _ in range(_LONGEST_CHAIN):
        if link is None:
            return False
        if isinstance(link, OSError) and (link.errno in _OF_THE_DISK or _is_numpys(link)):
            return True
        link = link.__cause__ or link.__context__
    return False


def probe_room(folder: Path) -> None:
    """Return if a MiB can be written below ``folder``, which is made; nothing of it stays.

    Raises:
        OSError: it cannot.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=".probe.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(bytes(_PROBE_BYTES))
            stream.flush()
            # Some file systems find out only now that there is no room.
            os.fsync(stream.fileno())
    finally:
        Path(name).unlink(missing_ok=True)


def _is_numpys(error: OSError) -> bool:
    """NumPy tells a short write without a number: ``12800 requested and 512 written``."""
    return error.errno is None and "requested and" in str(error) and "written" in str(error)
