"""``trimtab history`` and ``trimtab rollback``, as a person and as a program reads them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.loop.deploying import Deploying
from tests.unit.loop.projects import MODEL, make_world

from trimtab.cli.main import main
from trimtab.cli.output import console

Run = Callable[..., str]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose first version serves again, an hour after the second one came."""
    world = make_world(tmp_path_factory.mktemp("history") / "project")
    deploying = Deploying.on(world)
    deploying.bring_in(1, 2)
    deploying.roll_back(reason="too many [chargebacks]")
    deploying.settle()
    world.platform.database.close()
    return world.platform.project.root


@pytest.fixture
def run(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def said(*command: str) -> str:
        monkeypatch.setattr(console, "_width", 1_000)
        monkeypatch.setattr(sys, "argv", ["trimtab", *command, "--project", str(project)])
        with pytest.raises(SystemExit) as left:
            main()
        told = capsys.readouterr()
        assert (left.value.code or 0) == 0, told.err
        return told.out

    return said


def test_the_history_says_when_and_why(run: Run) -> None:
    lines = run("history", MODEL).splitlines()
    assert len(lines) == 6  # a title; the first version; twice another one, which is loaded and then alone
    assert "started by" in lines[0]
    assert "2030-01-01 02:00:00" in lines[1]
    assert "v1 100 %" in lines[1]
    assert lines[1].rstrip().endswith("started because: too many [chargebacks]")
    assert "2030-01-01 01:00:00  2030-01-01 02:00:00" in lines[3]


def test_one_moment_is_told_whole(run: Run) -> None:
    told = run("history", MODEL, "--at", "2030-01-01T01:30")
    first, titles, version, by, rollout = told.splitlines()
    assert first.split() == f"{MODEL} generation 3, 2030-01-01 01:00:00 to 2030-01-01 02:00:00".split()
    assert titles.split() == ["version", "share", "bundle", "dataset", "approved", "by"]
    assert version.split()[:3] == ["2", "100", "%"]
    assert version.split()[-2:] == ["d" * 12, "dana"]
    assert by == "set by conductor: all traffic: it is served; promoted"
    assert rollout.endswith("started by dana")


def test_programs_get_digests_whole(run: Run) -> None:
    told: Any = json.loads(run("history", MODEL, "--at", "2030-01-01T05:00", "--json"))
    [generation] = told["generations"]
    [version] = generation["versions"]
    assert (version["version"], len(version["digest"]), version["dataset"]) == (1, 64, "d" * 32)
    assert (generation["until_us"], generation["started_because"]) == (None, "too many [chargebacks]")


def test_a_rollback_that_is_not_waited_for_says_where_to_look(run: Run) -> None:
    told: Any = json.loads(run("rollback", MODEL, "--to", "2", "--reason", "back again", "--no-wait", "--json"))
    assert (told["number"], told["done"], told["served"]) == (2, None, False)
    said = run("rollback", MODEL, "--to", "2", "--no-wait")
    assert said.startswith(f"version 2 is on its way back already, by rollout {told['rollout_id']}; ")
    assert f"see 'trimtab history {MODEL}'" in said
