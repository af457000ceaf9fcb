"""``trimtab triggers``, as a person and as a program reads them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.unit.loop.projects import MODEL, World, make_world

from trimtab.cli.main import main
from trimtab.cli.output import console
from trimtab.core.enums import Verdict
from trimtab.loop.releases import start_rollout
from trimtab.loop.rollouts import apply_desired

Run = Callable[..., str]
_CONDITIONS = """
when:
  any:
    - {for: 3h, of: {performance: {metric: accuracy, below: 0.6}}}
    - all:
        - drift: {min_share: 0.5}
        - not: {age: {longer_than: 30d}}
    - {since_last: retrain, of: {performance: {metric: f1, below: 0.2}}}
cooldown: 2d
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A model that serves, of which nothing was judged."""
    world = make_world(tmp_path / "project", retrain_config=_CONDITIONS)
    world.version(1)
    with world.platform.database.transaction() as connection:
        start_rollout(connection, world.platform, world.platform.files(MODEL), 1, by="dana")
    apply_desired(world.platform)
    world.deliver()
    return world


@pytest.fixture
def run(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def said(*command: str) -> str:
        monkeypatch.setattr(console, "_width", 1_000)
        monkeypatch.setattr(sys, "argv", ["trimtab", *command, "--project", str(world.platform.project.root)])
        with pytest.raises(SystemExit) as left:
            main()
        told = capsys.readouterr()
        assert (left.value.code or 0) == 0, told.err
        return told.out

    return said


def _hours(world: World, *values: float) -> None:
    for value in values:
        detail = {"metric": "accuracy", "labelled": 120}
        world.checked(
            world.check(Verdict.OK, kind="model_quality", value=value, detail=detail),
            world.check(Verdict.OK, column="age"),
            world.check(Verdict.OK, column="chol [mg/dL]"),
        )
        world.deliver("triggers")
        world.clock.advance(timedelta(hours=1))


def test_where_nothing_was_evaluated_it_is_said_when_that_happens(run: Run) -> None:
    said = run("triggers", "explain", MODEL)
    assert "its conditions were never evaluated" in said
    assert f"'trimtab monitor {MODEL}' runs them at once" in said
    assert run("triggers", "list") == "Nothing has asked for a retraining yet.\n"


def test_the_tree_says_what_holds_since_when_and_what_is_missing(run: Run, world: World) -> None:
    _hours(world, 0.9, 0.5, 0.5)
    lines = run("triggers", "explain", MODEL).splitlines()
    assert lines[0] == f"{MODEL}: no retraining is asked for, as of 2030-01-01 02:00 UTC"
    assert [" ".join(line.split()) for line in lines[2:-3]] == [
        "? any of these (since 2030-01-01 00:00)",
        "no for 3h: for 1h so far (since 2030-01-01 00:00)",
        "yes performance: accuracy 0.5 is below 0.6 (since 2030-01-01 01:00)",
        "no all of these (since 2030-01-01 00:00)",
        "no drift: data_drift: 0 of 2 columns drifted, limit 50% (since 2030-01-01 00:00)",
        "no not (since 2030-01-01 00:00)",
        "yes age: trained 21915d2h ago, limit 30d (since 2030-01-01 00:00)",
        "? since the last training: windows from 1970-01-01 00:00 on (since 2030-01-01 00:00)",
        "? performance: f1 is not known: the model_quality monitor has not measured it; is it among the metrics "
        "of model.yaml? (since 2030-01-01 00:00)",
    ]
    assert lines[-1].strip() == "no retraining was asked for yet"


def test_an_answer_of_conditions_that_were_edited_since_is_no_word_of_the_present(run: Run, world: World) -> None:
    _hours(world, 0.9)
    edited = "since then the conditions were edited, or another version has come to serve"
    assert edited not in run("triggers", "explain", MODEL)
    path = world.platform.project.root / "models" / MODEL / "retrain_config.yaml"
    path.write_text(path.read_text().replace("below: 0.6", "below: 0.7"))
    assert f"{edited}: 'trimtab monitor {MODEL}' asks anew" in run("triggers", "explain", MODEL)
    _hours(world, 0.9)
    assert edited not in run("triggers", "explain", MODEL)


def test_what_was_asked_for_is_listed_with_its_cause_and_outcome(run: Run, world: World) -> None:
    _hours(world, 0.5, 0.5, 0.5, 0.5)
    said = run("triggers", "explain", MODEL)
    assert f"{MODEL}: a retraining is asked for, as of 2030-01-01 03:00 UTC" in said
    assert "last asked for 2030-01-01 03:00 by performance: under way" in said
    listed = run("triggers", "list")
    told: Any = json.loads(run("triggers", "list", "--json"))
    assert [(one["cause"], one["fired"]) for one in told["events"]] == [("performance", True)]
    assert listed.splitlines() == [
        f"2030-01-01 03:00  {MODEL}  asked for by performance: {told['events'][0]['reason']}",
        f"  action {told['events'][0]['action_id']}",
    ]
    assert "accuracy 0.5 is below 0.6, for 3h (4 times)" in listed
    shown = run("triggers", "list", "--all").splitlines()
    assert shown[2].startswith(f"2030-01-01 00:00  {MODEL}  nothing asked for: ")
    everything: Any = json.loads(run("triggers", "list", "--all", "--model", MODEL, "--json"))
    assert [one["fired"] for one in everything["events"]] == [True, False]


def test_programs_get_the_tree(run: Run, world: World) -> None:
    _hours(world, 0.9)
    told: Any = json.loads(run("triggers", "explain", MODEL, "--json"))
    assert told["latest"]["explanation"]["name"] == "any"
    assert told["cools_down_until"] is None
