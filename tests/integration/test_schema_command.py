"""`trimtab schema`: what editors check the settings files with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.integration.processes import trimtab


def test_schemas_are_written_where_they_are_wanted(tmp_path: Path) -> None:
    written = trimtab("schema", "--out", tmp_path / "schemas", "--json")
    assert written.code == 0
    committed = {path.name for path in (Path(__file__).parents[2] / "schemas").glob("*.json")}
    assert {Path(name).name for name in written.json["written"]} == committed
    for name in written.json["written"]:
        assert json.loads(Path(name).read_text())["$schema"].startswith("https://json-schema.org/")
    shutil.rmtree(tmp_path / "schemas")
    (tmp_path / "schemas").touch()
    refused = trimtab("schema", "--out", tmp_path / "schemas")
    assert refused.code == 6
    assert str(tmp_path / "schemas") in refused.sentence
