"""What goes on beside the requests, and what becomes of the server when it ends."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from trimtab.serving.background import Background
from trimtab.serving.place import read_server_info

_BROKEN = """
import sys
from trimtab.serving import server
from trimtab.serving.follow import Follower
from trimtab.serving.limits import ConnectionWatch

async def broken(*_):
    raise RuntimeError("out of luck")

if sys.argv[2] == "follow":
    Follower.follow = broken
else:
    ConnectionWatch.watch = broken
sys.exit(server.main(["--state", sys.argv[1], "--port", "0"]))
"""


@pytest.mark.parametrize("task", ["follow", "connections"])
def test_a_server_whose_follower_or_watch_broke_stops_so_that_it_is_started_again(tmp_path: Path, task: str) -> None:
    command = [sys.executable, "-c", _BROKEN, str(tmp_path), task]
    ended = subprocess.run(command, capture_output=True, timeout=60, check=False)
    told = ended.stderr.decode()
    # Not 2: that says that starting it again is of no use.
    assert ended.returncode == 1, told
    assert f"error: background task '{task}': ended (RuntimeError: out of luck)" in told
    assert "background_task_ended" in told
    assert read_server_info(tmp_path) is None


@pytest.mark.parametrize("breaks", [True, False])
def test_a_task_that_ends_by_itself_is_told_once_and_the_others_are_cancelled(breaks: bool) -> None:
    stops: list[str] = []

    async def ends() -> None:
        if breaks:
            raise KeyError("x")

    async def goes_on() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stops.append("other")

    async def scene() -> Background:
        background = Background(lambda: stops.append("server"))
        background.start("long", goes_on())
        background.start("short", ends())
        for _ in range(10):
            await asyncio.sleep(0)
        await background.cancel()
        return background

    background = asyncio.run(scene())
    assert stops == ["server", "other"]
    assert f"'short': ended ({'KeyError' if breaks else 'it returned'}" in str(background.failure)


def test_what_is_cancelled_is_no_failure() -> None:
    async def scene() -> str | None:
        background = Background(lambda: None)
        background.start("long", asyncio.sleep(3600))
        await asyncio.sleep(0)
        await background.cancel()
        return background.failure

    assert asyncio.run(scene()) is None
