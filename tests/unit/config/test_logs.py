import errno
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from trimtab.config.logs import LastingStream

PROGRAM = """
import logging, structlog, warnings
from trimtab.config.logs import configure_logs
configure_logs({log_format!r}, process="shipper")
log = structlog.get_logger("ours")
log.info("sent", api_key="tt_secret", rows=3)
logging.getLogger("lib").warning("from a library: %s", 5)
headers = [(b"x-api-key", b"tt_local")]
try:
    raise ValueError("why")
except ValueError:
    log.exception("failed")
"""


def logged(log_format: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(log_format=log_format)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_every_line_is_json_and_names_the_process() -> None:
    lines = [json.loads(line) for line in logged("json")]

    assert [line["event"] for line in lines] == ["sent", "from a library: 5", "failed"]
    assert {line["process"] for line in lines} == {"shipper"}
    assert "ValueError: why" in lines[2]["exception"]


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_secrets_are_redacted(log_format: str) -> None:
    text = "\n".join(logged(log_format))

    assert "tt_secret" not in text
    assert "[redacted]" in text


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_traceback_tells_no_local_variables(log_format: str) -> None:
    text = "\n".join(logged(log_format))

    assert "ValueError: why" in text
    assert "x-api-key" not in text


FULL = """
import logging, structlog
from trimtab.config.logs import configure_logs
configure_logs({log_format!r})
for number in range(2_000):
    structlog.get_logger("ours").warning("lane.failed", number=number)
    logging.getLogger("lib").warning("from a library")
print("went on")
"""


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_log_that_cannot_be_written_stops_nobody(log_format: str) -> None:
    """``/dev/full`` answers as a full disk does."""
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", FULL.format(log_format=log_format)],
            stdout=subprocess.PIPE,
            stderr=full,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.stdout == "went on\n"


class Disk(io.StringIO):
    """What a log lies on; nothing can be written while it is full."""

    full = False

    def write(self, text: str) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(text)


def test_how_many_lines_were_not_written_is_told_once_there_is_room() -> None:
    disk = Disk()
    stream = LastingStream(disk, lambda lines: f"{lines} lost\n")
    for text, full in (("one", False), ("two", True), ("three", True), ("four", False), ("five", False)):
        disk.full = full
        print(text, file=stream, flush=True)
    assert disk.getvalue().splitlines() == ["one", "four", "2 lost", "five"]


def test_lost_lines_are_told_in_the_form_of_all_others(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: the log grows to it, and goes on once it is raised."""
    program = """
import resource, signal, structlog
from trimtab.config.logs import configure_logs
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
configure_logs(process="shipper")
log, limits = structlog.get_logger("ours"), resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (500, limits[1]))
for _ in range(20):
    log.warning("full")
resource.setrlimit(resource.RLIMIT_FSIZE, limits)
log.warning("room")
"""
    log = tmp_path / "log"
    with log.open("w") as stream:
        subprocess.run([sys.executable, "-c", program], stderr=stream, timeout=60, check=True)
    last = json.loads(log.read_text().splitlines()[-1])
    assert (last["event"], last["process"], last["level"]) == ("log.lines_lost", "shipper", "warning")
    assert 10 <= last["at_most"] <= 20
