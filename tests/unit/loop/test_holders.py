"""A holder that has ended is known to be gone by those of its machine; one that is only paused is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from trimtab.db import leases
from trimtab.db.engine import Database
from trimtab.files.processes import started_ticks
from trimtab.loop.holders import holder_name, is_gone

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="who has ended is told by /proc")


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def _holder(child: subprocess.Popen[bytes], *, later_by: int = 0) -> str:
    machine, *_, own_id = holder_name("h1").split(":")
    return f"{machine}:{child.pid}:{started_ticks(child.pid) + later_by}:{own_id}"


def test_a_holder_is_gone_when_its_process_has_ended_and_not_while_it_is_paused(child: subprocess.Popen[bytes]) -> None:
    holder = _holder(child)
    assert not is_gone(holder)
    os.kill(child.pid, signal.SIGSTOP)
    assert not is_gone(holder)
    child.kill()
    child.wait(60)
    assert is_gone(holder)


def test_a_process_that_was_given_the_number_of_an_ended_one_is_not_the_holder(child: subprocess.Popen[bytes]) -> None:
    assert is_gone(_holder(child, later_by=-1))


@pytest.mark.parametrize("holder", ["kept", "host.invalid:1:kept", "", "a:b:c:d"])
def test_of_a_holder_elsewhere_or_of_another_name_nothing_is_known(holder: str) -> None:
    assert not is_gone(holder)
    assert not is_gone(f"{holder_name('x').split(':')[0]}0:1:1:x")


def test_the_lease_of_a_process_that_has_ended_is_free_at_once(
    database: Database, child: subprocess.Popen[bytes]
) -> None:
    dead, own = _holder(child), holder_name("own")

    def acquired(holder: str) -> leases.Lease | None:
        with database.transaction() as connection:
            return leases.acquire(connection, "lane:data", holder, machine_us=0, ttl_s=8, is_gone=is_gone)

    assert acquired(dead) is not None
    assert acquired(own) is None
    child.kill()
    child.wait(60)
    taken = acquired(own)
    assert taken is not None
    assert taken.token == 2
    assert acquired("elsewhere") is None
    assert len(own) <= 128
