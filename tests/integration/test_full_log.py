"""The log lies on the disk that is full: nobody who logs ends of it, and the loop goes on once there is room."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import httpx
from sqlalchemy import select
from tests.full_disk import no_file_above
from tests.integration.office import is_problem, platform_at
from tests.integration.processes import control_plane, eventually
from tests.integration.small_project import make_project

from trimtab.api.app import make_app
from trimtab.bootstrap import build_platform
from trimtab.config.project import ProjectFolder
from trimtab.db.engine import machine_us
from trimtab.db.tables import heartbeat

FULL_S = 12.0
"""Longer than a lease, so that every lane meets it and stops."""


def test_the_control_plane_outlives_a_disk_that_is_full_for_a_while(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    with control_plane(project) as plane, plane.client() as client:
        database = build_platform(ProjectFolder.open(project)).database

        def last_beat_us() -> int:
            return int(database.read(lambda c: c.execute(select(heartbeat.c.beat_us)).scalar_one_or_none()) or 0)

        eventually(last_beat_us, within_s=60, wanted="a heartbeat")
        with no_file_above(1_000, plane.pid):
            until_s = time.monotonic() + FULL_S
            while time.monotonic() < until_s:
                answer = client.post("/api/autonomy/pause", json={"lasts": "1h", "reason": "while full"})
                assert is_problem(answer, 503)
                assert answer.headers["x-content-type-options"] == "nosniff"
                time.sleep(0.5)
        room_us = machine_us()
        answer = client.post("/api/autonomy/pause", json={"lasts": "1h", "reason": "there is room"})
        assert answer.status_code == 200, answer.text
        eventually(lambda: last_beat_us() > room_us, within_s=30, wanted="a lane that works again")
        assert client.get("/api/health").status_code == 200
        database.close()
    assert "log.lines_lost" in (project / "control-plane.log").read_text()


def test_who_works_on_nothing_is_not_well(tmp_path: Path) -> None:
    async def asked(app: httpx.ASGITransport) -> httpx.Response:
        async with httpx.AsyncClient(transport=app, base_url="http://127.0.0.1") as client:
            return await client.get("/api/health")

    with platform_at(tmp_path) as platform:
        stuck = make_app(platform, why_stuck=lambda _connection: "the last beat is 99 s old")
        answer = asyncio.run(asked(httpx.ASGITransport(stuck)))
        assert is_problem(answer, 503)
        assert "the last beat is 99 s old" in answer.text
        assert asyncio.run(asked(httpx.ASGITransport(make_app(platform)))).status_code == 200
