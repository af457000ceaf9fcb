"""The folder that jobs wait in: shared by processes, bounded, and kept in order whatever lies in it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.unit.serving.stored_jobs import now_us, stored_job

from trimtab.core.errors import NotFoundError
from trimtab.serving.asgi import RefusedError, Response
from trimtab.serving.jobs import Jobs, StoredJob


def _jobs(
    folder: Path,
    *,
    limit: int = 3,
    limit_bytes: int = 10_000,
    keep_s: float = 60,
    now_us: Callable[[], int] = lambda: 2,
) -> Jobs:
    return Jobs(folder, limit=limit, limit_bytes=limit_bytes, keep_s=keep_s, now_us=now_us)


async def _run_until(jobs: Jobs, answer: Any, done: Any, *, serves: Callable[[str], bool] = lambda _: True) -> None:
    task = asyncio.create_task(jobs.run(answer, serves=serves))
    deadline = time.monotonic() + 20
    while not await done():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    task.cancel()


def test_outcomes_take_room_too_until_they_are_deleted(tmp_path: Path) -> None:
    async def answer(_: StoredJob) -> Response:
        return Response(200, b'"' + b"x" * 6_000 + b'"')

    async def run() -> None:
        jobs, job = _jobs(tmp_path), stored_job()
        await jobs.submit(job)

        async def done() -> bool:
            return (await jobs.find(job.job_id)).state == "succeeded"

        await _run_until(jobs, answer, done)
        with pytest.raises(RefusedError, match="DELETE outcomes that are read"):
            await jobs.submit(stored_job(body=b"x" * 5_000))
        await jobs.remove(job.job_id)
        await jobs.submit(stored_job(body=b"x" * 5_000))

    asyncio.run(run())


def test_it_ends_when_told_to_though_a_job_comes_at_the_same_moment(tmp_path: Path) -> None:
    async def answer(_: StoredJob) -> Response:
        return Response(200, b"{}")

    async def run() -> None:
        jobs = _jobs(tmp_path)
        task = asyncio.create_task(jobs.run(answer, serves=lambda _: True))
        await asyncio.sleep(0.2)  # it waits for something to do
        jobs._wake.set()  # what the end of a submission does
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=20)
        assert done == {task}
        assert task.cancelled()

    asyncio.run(run())


@pytest.mark.parametrize("bound", ["count", "bytes"])
def test_no_more_wait_than_may(tmp_path: Path, bound: str) -> None:
    async def fill() -> None:
        jobs = _jobs(tmp_path, limit=3 if bound == "count" else 100, limit_bytes=10_000)
        body = b"x" * (10 if bound == "count" else 3_000)
        for _ in range(3):
            await jobs.submit(stored_job(body=body))
        with pytest.raises(RefusedError, match="try again later") as refused:
            await jobs.submit(stored_job(body=body))
        assert refused.value.status == 429
        assert (b"retry-after", b"5") in refused.value.headers

    asyncio.run(fill())


def test_two_processes_share_a_folder_and_answer_each_job_once(tmp_path: Path) -> None:
    answered: list[str] = []

    async def answer(job: StoredJob) -> Response:
        answered.append(job.job_id)
        await asyncio.sleep(0)
        return Response(200, b'{"ok":true}')

    async def both() -> None:
        one, other = _jobs(tmp_path, limit=50), _jobs(tmp_path, limit=50)
        jobs = [stored_job() for _ in range(30)]
        for job in jobs:
            await one.submit(job)
        task = asyncio.create_task(other.run(answer, serves=lambda _: True))

        async def all_done() -> bool:
            return {(await one.find(job.job_id)).state for job in jobs} == {"succeeded"}

        await _run_until(one, answer, all_done)
        task.cancel()
        assert sorted(answered) == sorted(job.job_id for job in jobs)

    asyncio.run(both())


def test_one_that_cannot_be_recorded_now_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trimtab.serving.jobs._AFTER_REFUSAL_S", 0.01)
    refusals = [Response(503, b'{"error":"full"}'), Response(503, b'{"error":"full"}')]

    async def answer(_: StoredJob) -> Response:
        return refusals.pop() if refusals else Response(200, b"{}")

    async def run() -> None:
        jobs, job = _jobs(tmp_path), stored_job()
        await jobs.submit(job)

        async def done() -> bool:
            return (await jobs.find(job.job_id)).state == "succeeded"

        await _run_until(jobs, answer, done)
        assert not refusals

    asyncio.run(run())


def test_an_endpoint_that_cannot_answer_now_keeps_no_other_waiting(tmp_path: Path) -> None:
    async def answer(job: StoredJob) -> Response:
        return Response(503, b'{"error":"source"}') if job.endpoint == "ill" else Response(200, b"{}")

    async def run() -> None:
        jobs, ill, well = _jobs(tmp_path), stored_job("ill"), stored_job("well")
        await jobs.submit(ill)
        await jobs.submit(well)

        async def done() -> bool:
            return (await jobs.find(well.job_id)).state == "succeeded"

        await _run_until(jobs, answer, done)
        assert (await jobs.find(ill.job_id)).state == "queued"

    asyncio.run(run())


def test_a_job_is_left_to_whoever_serves_its_endpoint(tmp_path: Path) -> None:
    answered: list[tuple[str, str]] = []

    async def run() -> None:
        loading, serving = _jobs(tmp_path, now_us=now_us), _jobs(tmp_path, now_us=now_us)
        new, known = stored_job("new", submitted_us=now_us()), stored_job("known", submitted_us=now_us())
        await loading.submit(new)
        await loading.submit(known)

        def answers(name: str) -> Callable[[StoredJob], Awaitable[Response]]:
            async def answer(job: StoredJob) -> Response:
                answered.append((name, job.endpoint))
                return Response(200, b"{}")

            return answer

        async def ended(job: StoredJob) -> bool:
            return (await loading.find(job.job_id)).state == "succeeded"

        await _run_until(loading, answers("loading"), partial(ended, known), serves=lambda name: name == "known")
        assert (await loading.find(new.job_id)).state == "queued"
        await _run_until(serving, answers("serving"), partial(ended, new))
        assert answered == [("loading", "known"), ("serving", "new")]

    asyncio.run(run())


def test_a_job_that_nobody_serves_has_an_outcome_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(_: StoredJob) -> Response:
        return Response(404, b'{"error":"not served here"}')

    async def run() -> None:
        jobs, job = _jobs(tmp_path, now_us=now_us), stored_job(submitted_us=now_us())
        await jobs.submit(job)

        async def done() -> bool:
            return (await jobs.find(job.job_id)).state == "failed"

        await _run_until(jobs, answer, done, serves=lambda _: False)
        assert (await jobs.find(job.job_id)).status == 404

    monkeypatch.setattr("trimtab.serving.jobs._UNSERVED_S", 0.01)
    asyncio.run(run())


def test_a_job_that_cannot_be_opened_keeps_no_other_waiting(tmp_path: Path) -> None:
    async def answer(_: StoredJob) -> Response:
        return Response(200, b"{}")

    async def run() -> None:
        jobs, locked, other = _jobs(tmp_path), stored_job(), stored_job()
        (tmp_path / f"{locked.job_id}.job").symlink_to(f"{locked.job_id}.job")
        await jobs.submit(other)

        async def done() -> bool:
            return (tmp_path / f"{other.job_id}.done").exists()

        await _run_until(jobs, answer, done)

    asyncio.run(run())


def test_old_outcomes_go_and_damaged_jobs_stand_aside(tmp_path: Path) -> None:
    async def answer(_: StoredJob) -> Response:
        return Response(200, b"{}")

    async def run() -> None:
        jobs, job, damaged = _jobs(tmp_path, keep_s=0.01), stored_job(), stored_job()
        await jobs.submit(job)
        await jobs.submit(damaged)
        (tmp_path / f"{damaged.job_id}.job").write_bytes(b"\xff")
        left = tmp_path / f".{job.job_id}.job.x1y2"
        left.write_bytes(b"half")
        os.utime(left, (1, 1))

        async def gone() -> bool:
            jobs._sweep_at = 0.0
            jobs._wake.set()
            try:
                await jobs.find(job.job_id)
            except NotFoundError:
                return True
            return False

        await _run_until(jobs, answer, gone)
        assert [path.name for path in tmp_path.iterdir()] == [f"{damaged.job_id}.job.damaged"]

    asyncio.run(run())
