"""Jobs as they lie in their folder."""

from __future__ import annotations

import time

from trimtab.core.ids import IdFactory
from trimtab.serving.jobs import StoredJob


def stored_job(endpoint: str = "heart", body: bytes = b"{}", submitted_us: int = 1) -> StoredJob:
    return StoredJob(job_id=IdFactory()(), endpoint=endpoint, headers=(), body=body, submitted_us=submitted_us)


def now_us() -> int:
    return time.time_ns() // 1_000
