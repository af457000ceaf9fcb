"""Requests that are answered later: kept on disk before they are accepted, so that a crash loses none.

``STATE/jobs/ID.job`` is a request that waits, ``ID.done`` its outcome. Whoever runs one holds a lock on its file, which
ends with the process: several server processes share the folder, and what one leaves another takes up.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import structlog

from trimtab.core.errors import BackendError, NotFoundError
from trimtab.files import write_atomically
from trimtab.records.journal import JournalWriter
from trimtab.serving.asgi import Asker, Headers, RefusedError, Response, error_response
from trimtab.serving.once import HELD_SUFFIX, RecordedOnce, held_files

__all__ = ["JobState", "Jobs", "StoredJob"]

_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LOOK_S: Final = 1.0
_AFTER_REFUSAL_S: Final = 5.0
_SWEEP_S: Final = 60.0
_LEFT_FOR_S: Final = 3600.0
_UNSERVED_S: Final = 60.0
_NOT_LOADED: Final = 424
"""Status of a job whose endpoint failed to load: it is not asked again, as after 503."""

_RETRY: Final = ((b"retry-after", b"5"),)

KindT = TypeVar("KindT")

_log = structlog.get_logger("trimtab.serving.jobs")


class StoredJob(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it came: what it asked of whom, and when. ``key_id``: of the key that it brought, if one."""

    job_id: str
    endpoint: str
    headers: Headers
    body: bytes
    submitted_us: int
    key_id: str | None = None


class _Outcome(msgspec.Struct, frozen=True, kw_only=True):
    endpoint: str
    status: int
    body: bytes
    submitted_us: int
    finished_us: int
    key_id: str | None = None


class JobState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a caller is told. ``status``: what a synchronous request would have been answered with."""

    job_id: str
    endpoint: str
    state: str
    submitted_us: int
    finished_us: int | None = None
    status: int | None = None
    result: msgspec.Raw | None = None
    error: str | None = None


class Jobs:
    """Keeps jobs in ``folder`` and runs them one after the other, in the order of their ids.

    ``keep_s``: how long an outcome can be asked for. At most ``limit`` jobs of ``limit_bytes`` together wait.
    """

    def __init__(self, folder: Path, *, limit: int, limit_bytes: int, keep_s: float, now_us: Callable[[], int]) -> None:
        self._folder = folder
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._keep_s = keep_s
        self._now_us = now_us
        self._wake = asyncio.Event()
        self._running: str | None = None
        self._sweep_at = 0.0

    async def submit(self, job: StoredJob) -> None:
        """Keep ``job``: when this returns, it will be answered.

        Raises:
            RefusedError: 429, as many wait as may.
            BackendError: it cannot be written.
        """
        content = msgspec.msgpack.encode(job)
        await asyncio.to_thread(self._keep, job.job_id, content)
        self._wake.set()

    def _keep(self, job_id: str, content: bytes) -> None:
        sizes = [size for _, size in self._files(".job")]
        kept = sum(sizes) + sum(size for _, size in self._files(".done"))
        if len(sizes) >= self._limit or kept + len(content) > self._limit_bytes:
            raise RefusedError(
                429,
                f"job: {len(sizes)} wait, and take with the outcomes {kept} bytes; expected fewer than {self._limit} "
                f"and at most {self._limit_bytes} bytes; try again later, or DELETE outcomes that are read",
                _RETRY,
            )
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self._path(job_id, ".job"), content, mode=0o600)
        except OSError as error:
            raise BackendError(
                f"job: cannot be kept ({error.strerror}); expected a disk with room; free some"
            ) from error

    async def find(self, job_id: str, asker: Asker | None = None) -> JobState:
        """Return how the job stands, with its outcome if there is one. ``asker`` None: whoever it is may know.

        Raises:
            NotFoundError: there is none of that id, or its outcome was kept long enough, or another key made it.
        """
        return await asyncio.to_thread(self._find, job_id, asker)

    def _find(self, job_id: str, asker: Asker | None) -> JobState:
        # Twice: between the two looks a job may have become an outcome.
        for _ in range(2):
            outcome = self._read(job_id, ".done", _Outcome)
            if outcome is not None and _may_know(asker, outcome):
                return _told(job_id, outcome)
            job = self._read(job_id, ".job", StoredJob)
            if job is not None and _may_know(asker, job):
                state = "running" if self._running == job_id else "queued"
                return JobState(job_id=job_id, endpoint=job.endpoint, state=state, submitted_us=job.submitted_us)
        raise NotFoundError(
            f"job {job_id[:60]!r}: not known, or answered more than {self._keep_s / 3600:g} hours ago; submit it again"
        )

    async def remove(self, job_id: str, asker: Asker | None = None) -> None:
        """Forget a job that waits, or its outcome.

        Raises:
            NotFoundError: see `find`.
            RefusedError: 409, it is being answered.
        """
        await asyncio.to_thread(self._remove, job_id, asker)

    def _remove(self, job_id: str, asker: Asker | None) -> None:
        self._find(job_id, asker)
        with self._claimed(job_id) as job:
            # With an outcome, it is answered: whoever answered it is about to drop it, too.
            if job is None and self._path(job_id, ".job").exists() and not self._path(job_id, ".done").exists():
                raise RefusedError(409, f"job {job_id}: is being answered; ask for its outcome, then remove that")
            self._drop(job_id)
        self._path(job_id, ".done").unlink(missing_ok=True)

    async def recorded_once(self, job: StoredJob, journal: JournalWriter) -> RecordedOnce:
        """Return what keeps the rows of ``job`` from being recorded twice, if it was begun before."""
        once = RecordedOnce(journal, self._folder, job.job_id, job.submitted_us)
        await asyncio.to_thread(once.look)
        return once

    async def run(
        self,
        answer: Callable[[StoredJob], Awaitable[Response]],
        *,
        serves: Callable[[str], bool],
        failure: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        """Answer what waits, until cancelled. One that cannot be recorded now is tried again later.

        ``serves`` says whether this process serves an endpoint. Jobs of one that it does not are left to those that do,
        and to its own loading, for a minute after they were accepted and after this began. ``failure`` says why none
        serves it, where loading it has failed: its jobs end with that sentence, at once.
        """

        async def told_or_answered(job: StoredJob) -> Response:
            told = None if serves(job.endpoint) else failure(job.endpoint)
            return await answer(job) if told is None else error_response(_NOT_LOADED, told)

        rests: dict[str, float] = {}
        began = time.monotonic()

        def may_end(job: StoredJob) -> bool:
            waited_s = (self._now_us() - job.submitted_us) / 1e6
            # A clock that was put back would have it wait for ever.
            waits = time.monotonic() - began < _UNSERVED_S or 0 <= waited_s < _UNSERVED_S
            return not waits or serves(job.endpoint) or failure(job.endpoint) is not None

        while True:
            for job_id in await asyncio.to_thread(self._waiting):
                await self._run_one(job_id, told_or_answered, may_end, rests)
            # Not wait_for: up to Python 3.11 it forgets that it is cancelled when what it waits for comes just then.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await self._wake.wait()
            self._wake.clear()

    async def _run_one(
        self,
        job_id: str,
        answer: Callable[[StoredJob], Awaitable[Response]],
        may_end: Callable[[StoredJob], bool],
        rests: dict[str, float],
    ) -> None:
        """Answer a job, if nobody else does; ``rests``: endpoints that cannot answer now, and until when."""
        with self._claimed(job_id) as job:
            if job is None or time.monotonic() < rests.get(job.endpoint, 0.0) or not may_end(job):
                return
            self._running = job_id
            try:
                response = await answer(job)
                if response.status in {429, 503}:
                    rests[job.endpoint] = time.monotonic() + _AFTER_REFUSAL_S
                    return
                outcome = _Outcome(
                    endpoint=job.endpoint,
                    status=response.status,
                    body=response.body,
                    submitted_us=job.submitted_us,
                    finished_us=self._now_us(),
                    key_id=job.key_id,
                )
                await asyncio.to_thread(self._finish, job_id, outcome)
            except OSError as error:
                rests[job.endpoint] = time.monotonic() + _AFTER_REFUSAL_S
                _log.error("job_not_kept", job_id=job_id, error=str(error))
            finally:
                self._running = None

    def _finish(self, job_id: str, outcome: _Outcome) -> None:
        write_atomically(self._path(job_id, ".done"), msgspec.msgpack.encode(outcome), mode=0o600)
        self._drop(job_id)

    def _drop(self, job_id: str) -> None:
        """Remove a job that has an outcome, or wants none."""
        # The job first: left without its journals, it could be begun again, and be recorded twice.
        self._path(job_id, ".job").unlink(missing_ok=True)
        for path in held_files(self._folder, job_id):
            path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _claimed(self, job_id: str) -> Iterator[StoredJob | None]:
        """Hold the lock of a job that waits; None where there is no such job, or somebody else holds it."""
        try:
            descriptor = os.open(self._path(job_id, ".job"), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            yield None
            return
        except OSError as error:
            # No files left for a moment, or not ours to read: whoever runs jobs goes on with the others.
            _log.error("job_not_opened", job_id=job_id, error=str(error))
            yield None
            return
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
                return
            # It may have been finished between its opening and its locking: then it has an outcome.
            done = self._path(job_id, ".done").exists()
            if done:
                self._drop(job_id)
            yield None if done else self._read(job_id, ".job", StoredJob)
        finally:
            os.close(descriptor)

    def _waiting(self) -> list[str]:
        """Return the ids of the jobs that wait, oldest first; outcomes that were kept long enough are removed."""
        if time.monotonic() >= self._sweep_at:
            self._sweep_at = time.monotonic() + _SWEEP_S
            self._sweep()
        return sorted(name for name, _ in self._files(".job"))

    def _sweep(self) -> None:
        oldest = time.time() - self._keep_s
        with contextlib.suppress(OSError):
            # What a process was writing when it was killed.
            for path in self._folder.glob(".*"):
                if path.stat().st_mtime < time.time() - _LEFT_FOR_S:
                    path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            for path in self._folder.glob(f"*{HELD_SUFFIX}"):
                # Of a job whose removal was cut short.
                if not (self._folder / f"{path.name.partition('.')[0]}.job").exists():
                    path.unlink(missing_ok=True)
        for job_id, _ in self._files(".done"):
            path = self._path(job_id, ".done")
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()

    def _files(self, suffix: str) -> list[tuple[str, int]]:
        found: list[tuple[str, int]] = []
        with contextlib.suppress(OSError), os.scandir(self._folder) as entries:
            for entry in entries:
                name, end = os.path.splitext(entry.name)
                if end == suffix and _ID.fullmatch(name):
                    with contextlib.suppress(OSError):
                        found.append((name, entry.stat().st_size))
        return found

    def _read(self, job_id: str, suffix: str, kind: type[KindT]) -> KindT | None:
        try:
            return msgspec.msgpack.decode(self._path(job_id, suffix).read_bytes(), type=kind)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            _log.error("job_damaged", job_id=job_id, error=str(error))
            with contextlib.suppress(OSError):
                # Kept for whoever looks into it, but out of the way.
                self._path(job_id, suffix).rename(self._path(job_id, f"{suffix}.damaged"))
            return None

    def _path(self, job_id: str, suffix: str) -> Path:
        if not _ID.fullmatch(job_id):
            # The id comes from outside and becomes a path.
            raise NotFoundError(f"job {job_id[:60]!r}: no id of a job; correct it")
        return self._folder / f"{job_id}{suffix}"


def _may_know(asker: Asker | None, kept: StoredJob | _Outcome) -> bool:
    """Return whether the job is for whoever asks. Where no keys are asked for, its id is secret enough."""
    return asker is None or asker.is_admin or kept.key_id is None or kept.key_id == asker.key_id


def _told(job_id: str, outcome: _Outcome) -> JobState:
    good = outcome.status < 400
    error = None if good else msgspec.json.decode(outcome.body).get("error")
    return JobState(
        job_id=job_id,
        endpoint=outcome.endpoint,
        state="succeeded" if good else "failed",
        submitted_us=outcome.submitted_us,
        finished_us=outcome.finished_us,
        status=outcome.status,
        result=msgspec.Raw(outcome.body) if good else None,
        error=error,
    )
