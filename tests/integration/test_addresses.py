"""The command line asks a control plane or a server elsewhere: where nobody is, it says so in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.processes import trimtab


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://nowhere.invalid:80"])
def test_a_control_plane_that_is_not_there_is_told_in_a_sentence(tmp_path: Path, url: str) -> None:
    ended = trimtab("status", env={"TRIMTAB_API_URL": url, "TRIMTAB_API_KEY": "tt_x"}, cwd=tmp_path)
    assert ended.code == 6
    assert url in ended.sentence
    assert "trimtab up" in ended.sentence


@pytest.mark.parametrize("url", ["nonsense", "http://[::1", "ftp://127.0.0.1", "http://", "127.0.0.1:8765", ""])
def test_an_address_that_is_none_is_told_in_a_sentence(tmp_path: Path, url: str) -> None:
    for command, setting in ((["status"], "TRIMTAB_API_URL"), (["predict", "churn", "{}"], "TRIMTAB_SERVING_URL")):
        ended = trimtab(*command, env={setting: url, "TRIMTAB_API_KEY": "tt_x"}, cwd=tmp_path)
        assert ended.code == 2
        assert f"{setting}: found {url!r}" in ended.sentence


def test_a_control_plane_elsewhere_needs_a_key(tmp_path: Path) -> None:
    ended = trimtab("status", env={"TRIMTAB_API_URL": "http://127.0.0.1:9"}, cwd=tmp_path)
    assert ended.code == 2
    assert "TRIMTAB_API_KEY" in ended.sentence


def test_an_inference_server_that_is_not_there_is_told_in_a_sentence(tmp_path: Path) -> None:
    ended = trimtab("predict", "churn", "{}", env={"TRIMTAB_SERVING_URL": "http://127.0.0.1:9"}, cwd=tmp_path)
    assert ended.code == 6
    assert "http://127.0.0.1:9" in ended.sentence
