"""What the monitors said last: told whole, with its moment, and never hidden by a look as of a moment to come."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from tests.conftest import BOTH
from tests.unit.loop.projects import MODEL, World

from trimtab.cli.main import main
from trimtab.cli.output import console
from trimtab.core.canonical import JsonObject
from trimtab.core.clock import to_micros
from trimtab.core.enums import Role, Verdict
from trimtab.loop.actor import Actor
from trimtab.loop.control_metrics import ControlMetrics
from trimtab.loop.operation import perform
from trimtab.loop.standing import standing_of
from trimtab.monitoring.store import save_checks

Run = Callable[..., str]

_VIEWER = Actor("eve", Role.VIEWER)
_COLUMNS = 70
_LONG_AGO = datetime(2024, 3, 4, tzinfo=UTC)
"""Commands go by the machine's clock."""
_LATER = _LONG_AGO + timedelta(hours=1)


def asked(world: World, name: str, **fields: object) -> JsonObject:
    return perform(world.platform, _VIEWER, name, fields)


def looked(world: World, ahead: timedelta, verdict: Verdict, *columns: str | None) -> None:
    """A run as of a moment that lies ``ahead``."""
    checks = [world.check(verdict, column=column) for column in columns or (None,)]
    with world.platform.database.transaction() as connection:
        save_checks(connection, checks, at=world.clock.now() + ahead, ids=world.platform.new_id)


@pytest.fixture
def run(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def said(*command: str) -> str:
        monkeypatch.setattr(console, "_width", 1_000)
        root = str(world.platform.project.root)
        monkeypatch.setattr(sys, "argv", ["trimtab", *command, "--project", root])
        with pytest.raises(SystemExit) as left:
            main()
        told = capsys.readouterr()
        assert (left.value.code or 0) == 0, told.err
        return told.out

    return said


@pytest.mark.parametrize("world", BOTH, indirect=True)
def test_a_look_as_of_a_year_to_come_hides_nothing_until_then(world: World) -> None:
    metrics = ControlMetrics(world.platform)
    looked(world, timedelta(days=365), Verdict.INCONCLUSIVE)
    metrics.exposition()
    world.clock.advance(timedelta(hours=1))
    looked(world, timedelta(0), Verdict.BREACH)
    [model] = asked(world, "status.show")["models"]
    assert model["verdicts"] == {"breach": 1}
    [check] = asked(world, "monitoring.checks", model=MODEL)["checks"]
    assert (check["verdict"], check["at_us"]) == ("breach", world.platform.now_us())
    [newest] = asked(world, "monitoring.checks", model=MODEL, limit=1)["checks"]
    assert newest == check
    for read in (metrics, ControlMetrics(world.platform)):
        samples = read.exposition().decode().splitlines()
        [breach] = [
            line for line in samples if line.startswith("trimtab_check_verdict{") and 'verdict="breach"' in line
        ]
        assert breach.endswith(" 1.0")
    platform = world.platform
    standing = platform.database.read(lambda c: standing_of(c, platform, platform.files(MODEL)))
    assert standing.breaches == ("data_drift",)
    world.clock.advance(timedelta(days=366))
    assert [one["verdict"] for one in asked(world, "monitoring.checks", model=MODEL)["checks"]] == ["inconclusive"]


@pytest.mark.parametrize("world", BOTH, indirect=True)
def test_the_last_run_is_told_whole_and_alone_with_breaches_first(world: World) -> None:
    looked(world, timedelta(0), Verdict.BREACH, "an earlier run")
    world.clock.advance(timedelta(hours=1))
    checks = [world.check(Verdict.OK, column=f"c{n}") for n in range(_COLUMNS)]
    checks += [world.check(Verdict.INCONCLUSIVE, column="chol"), world.check(Verdict.BREACH, column="age")]
    world.checked(*checks)
    at_us = world.platform.now_us()
    world.clock.advance(timedelta(hours=1))
    found = asked(world, "monitoring.checks", model=MODEL)["checks"]
    assert len(found) == _COLUMNS + 2
    assert [one["column"] for one in found[:3]] == ["age", "chol", "c0"]
    assert {one["at_us"] for one in found} == {at_us}
    only = asked(world, "monitoring.checks", model=MODEL, verdict="breach")["checks"]
    assert [one["column"] for one in only] == ["age"], "what breached earlier is no word of the present"
    assert len(asked(world, "monitoring.checks", model=MODEL, limit=500)["checks"]) == _COLUMNS + 3


def test_a_person_reads_how_many_there_are_and_as_of_when(world: World, run: Run) -> None:
    fine = [world.check(Verdict.OK, column=f"c{n}") for n in range(_COLUMNS)]
    with world.platform.database.transaction() as connection:
        for at, checks in ((_LONG_AGO, fine), (_LATER, [world.check(Verdict.BREACH, kind="model_quality")])):
            save_checks(connection, checks, at=at, ids=world.platform.new_id)
    world.platform.database.close()
    breach, counts = run("checks", MODEL).splitlines()
    assert breach.startswith("2024-03-04 01:00  breach  model_quality")
    assert counts == f"1 breach, {_COLUMNS} ok; as of 2024-03-04 00:00 to 2024-03-04 01:00 UTC"
    shortened = run("checks", MODEL, "--limit", "5").splitlines()
    assert shortened[-1] == "These are the newest 5; there may be more."
    told = json.loads(run("checks", MODEL, "--json"))["checks"]
    assert {one["at_us"] for one in told} == {to_micros(_LONG_AGO), to_micros(_LATER)}
