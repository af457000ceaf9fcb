"""Crash points sleep unless one is named, and every one of the table stands where the table says."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from trimtab.core.crashpoints import POINTS, arm, reached
from trimtab.core.errors import ConfigError

_SOURCE = Path(__file__).resolve().parents[3] / "src" / "trimtab"
_REACHED = re.compile(r'\breached\("([a-z_.]+)"\)')


@pytest.fixture(autouse=True)
def asleep() -> Iterator[None]:
    yield
    arm(None)


def test_each_point_of_the_table_stands_in_the_code_once_in_its_room() -> None:
    found = [
        (name, path.relative_to(_SOURCE).parts[0])
        for path in _SOURCE.rglob("*.py")
        for name in _REACHED.findall(path.read_text("utf-8"))
    ]
    assert Counter(found) == Counter((point.name, point.room) for point in POINTS)


def test_a_process_dies_at_the_point_that_it_was_armed_for_and_at_no_other() -> None:
    script = (
        "from trimtab.core.crashpoints import arm, reached\n"
        "arm('ingest.acked#2')\n"
        "reached('ingest.recorded'); reached('ingest.recorded'); reached('ingest.acked'); print('once', flush=True)\n"
        "reached('ingest.acked'); print('twice', flush=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "once\n")


def test_an_unarmed_process_goes_on() -> None:
    arm("ingest.acked")
    arm(None)
    reached("ingest.acked")


@pytest.mark.parametrize("where", ["", "nowhere", "ingest.acked#0", "ingest.acked#x"])
def test_what_is_no_point_is_refused_with_the_list(where: str) -> None:
    with pytest.raises(ConfigError, match=r"no crash point, expected one of delivery\.copied") as refused:
        arm(where)
    assert POINTS[-1].name in str(refused.value)
