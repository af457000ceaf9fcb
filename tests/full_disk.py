"""A disk that takes no more, without a disk of one's own: the kernel refuses to let files of a process grow.

It answers EFBIG where a full disk answers ENOSPC; all else is real: the write that breaks off in its middle, in
whichever library it happens. It needs no right to mount, and can be set and lifted for a process that runs.
"""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator

__all__ = ["no_file_above"]


@contextlib.contextmanager
def no_file_above(size_bytes: int, pid: int | None = None) -> Iterator[None]:
    """Let no file of the process ``pid`` (this one) grow beyond ``size_bytes`` until the end of the block."""
    process = os.getpid() if pid is None else pid
    before = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(process, resource.RLIMIT_FSIZE, before)
