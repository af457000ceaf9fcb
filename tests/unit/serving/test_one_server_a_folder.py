"""A state folder belongs to one ``trimtab serve``, also while two begin, and while one still drains."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.serving.alone import Alone

from trimtab.core.errors import ConflictError
from trimtab.serving.address import server_url
from trimtab.serving.place import ServerInfo, read_server_info, withdraw_info, write_info
from trimtab.serving.sources import claim

_CONFLICT = 5


def test_a_claim_holds_until_it_is_let_go(tmp_path: Path) -> None:
    with claim(tmp_path / "state"), pytest.raises(ConflictError, match="begins or ends on it right now"):
        claim(tmp_path / "state")
    claim(tmp_path / "state").close()


def test_a_server_that_begins_on_a_claimed_folder_is_refused_and_changes_nothing_there(tmp_path: Path) -> None:
    with Alone(tmp_path) as server:
        # As it is while a server begins: nothing tells of it yet.
        (server.state / "server.json").rename(tmp_path / "aside.json")
        spec = (server.state / "specs" / "heart.json").read_bytes()
        second = subprocess.run(
            [sys.executable, "-m", "trimtab.cli", "serve", "--bundle", "lung=heart", "--state", "state", "--port", "0"],
            capture_output=True,
            cwd=tmp_path,
            timeout=60,
            check=False,
        )
        assert (second.returncode, b"begins or ends on it" in second.stderr) == (_CONFLICT, True)
        assert [path.name for path in (server.state / "specs").iterdir()] == ["heart.json"]
        assert (server.state / "specs" / "heart.json").read_bytes() == spec
        assert server.predict().status_code == 200


def test_who_ends_takes_back_only_its_own_word(tmp_path: Path) -> None:
    earlier = ServerInfo(pid=1, host="127.0.0.1", port=1, started_us=1)
    later = ServerInfo(pid=2, host="127.0.0.1", port=2, started_us=2)
    write_info(tmp_path, later)
    withdraw_info(tmp_path, earlier)
    assert read_server_info(tmp_path) == later
    withdraw_info(tmp_path, later)
    withdraw_info(tmp_path, later)
    assert not (tmp_path / "server.json").exists()


@pytest.mark.parametrize("content", [b"", b"[]", b'{"pid": 1e400, "host": "h", "port": 1}', b'{"pid": "x"}', b"\xff"])
def test_a_word_that_cannot_be_read_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "server.json").write_bytes(content)
    assert server_url(tmp_path) is None
