import json
import subprocess
import sys

import pytest

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
