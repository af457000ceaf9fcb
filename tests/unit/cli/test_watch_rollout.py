"""``trimtab rollouts watch``, as a person and as a program reads it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.loop.deploying import Deploying
from tests.unit.loop.projects import MODEL, make_world

from trimtab.cli.main import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose second version was promoted."""
    world = make_world(tmp_path_factory.mktemp("watch") / "project")
    deploying = Deploying.on(world)
    deploying.bring_in(1, 2)
    deploying.settle()
    world.platform.database.close()
    return world.platform.project.root


@pytest.fixture
def run(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def said(*command: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["trimtab", *command])
        with pytest.raises(SystemExit) as left:
            main()
        told = capsys.readouterr()
        return int(left.value.code or 0), told.out, told.err

    return lambda *command: said("rollouts", "watch", *command, "--project", str(project))


def test_one_that_has_ended_is_shown_once_with_how_it_ended(run: Run) -> None:
    code, out, _ = run()
    assert code == 0
    assert f"{MODEL}  version 2: promoted" in out
    assert "100 %" in out


def test_a_program_gets_a_line_of_json_for_each_change(run: Run) -> None:
    _, out, _ = run("--json", "--model", MODEL)
    [told] = [json.loads(line) for line in out.splitlines()]
    assert (told["candidate"], told["phase"], told["active"]) == (2, "promoted", False)
    assert "log" not in told
    _, again, _ = run(told["rollout_id"], "--json")
    assert json.loads(again) == told


@pytest.mark.parametrize("which", [("no-such-rollout",), ("--model", "nobody")])
def test_what_is_not_there_is_told_in_a_sentence(run: Run, which: tuple[str, ...]) -> None:
    code, _, err = run(*which)
    assert code != 0
    assert err.startswith("error: ")
    assert "Traceback" not in err
