"""``trimtab policy`` and ``trimtab autonomy``: what people read."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.unit.loop.projects import MODEL, POLICY, World, make_world

from trimtab.cli.main import main
from trimtab.cli.output import console
from trimtab.core.enums import Verdict
from trimtab.remediation.store import list_incidents

Run = Callable[..., tuple[int, str]]
_LIMITS = "limits: {cooldown: 10m, quiet_hours: {from: '00:00', to: '00:01', timezone: UTC}}"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A platform with one case about a drift that a person has to decide on, and a rule with brackets in its name."""
    policy = POLICY.replace("limits: {cooldown: 10m}", _LIMITS).replace("Real drift is", "Real drift [/x] is")
    world = make_world(tmp_path / "project", policy=policy)
    world.version(1)
    world.checked(*world.drift(Verdict.BREACH, quality=0.5))
    world.deliver()
    yield world
    world.platform.database.close()


@pytest.fixture
def run(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def said(*command: str) -> tuple[int, str]:
        monkeypatch.setattr(console, "_width", 300)
        monkeypatch.setattr(sys, "argv", ["trimtab", *command, "--project", str(world.platform.project.root)])
        with pytest.raises(SystemExit) as left:
            main()
        told = capsys.readouterr()
        return int(left.value.code or 0), told.out + told.err

    return said


def _incident(world: World) -> str:
    [incident] = world.platform.database.read(lambda connection: list_incidents(connection, model=MODEL))
    return incident.id


def test_a_decision_is_read_rule_by_rule_with_what_followed_and_what_is_said_now(world: World, run: Run) -> None:
    code, told = run("policy", "explain", _incident(world))
    assert code == 0, told
    lines = [line.strip() for line in told.splitlines()]
    assert "✗ A feed that changed its units is quarantined" in lines
    assert "✓ Real drift [/x] is answered by retraining" in lines
    assert "all of its conditions hold" in lines
    assert "→ retrain after approval" in lines
    assert any(line.startswith("= retrain ") and line.endswith("waiting approval") for line in lines)
    assert any("accuracy 0.5 now" in line for line in lines), "the predicted impact"
    assert told.index("incident asks what to do") < told.index("If it were asked now")


def test_another_policy_than_the_one_it_was_decided_under_is_told(world: World, run: Run) -> None:
    (world.platform.project.root / "policy.yaml").write_text("autonomy: off\nrules: []\n", encoding="utf-8")
    _, told = run("policy", "explain", _incident(world))
    assert "under another policy.yaml" in told
    assert "no rule matches: a person decides" in told.partition("If it were asked now")[2]
    _, shown = run("policy", "show")
    assert "autonomy: switched off in policy.yaml" in shown


def test_the_policy_is_shown_as_sentences(run: Run) -> None:
    code, told = run("policy", "show")
    assert code == 0, told
    assert "3. Real drift [/x] is answered by retraining" in told
    assert "when origin incident, diagnosis covariate_drift or concept_drift" in told
    assert "then retrain after approval, covers deploy, expires 1d" in told
    assert "cooldown 10m" in told
    assert "quiet hours (from 00:00, to 00:01, timezone UTC)" in told


def test_a_pause_is_asked_for_told_and_ended(run: Run) -> None:
    code, told = run("autonomy", "pause", "--for", "4h", "--reason", "the clinic moves [house]", "--model", MODEL)
    assert (code, told.startswith(f"Nothing runs by itself for {MODEL} until ")) == (0, True), told
    for command in (["autonomy", "status"], ["status"]):
        assert f"autonomy: paused for {MODEL} until" in run(*command)[1]
    assert run("autonomy", "resume")[0] == 3
    assert run("autonomy", "pause", "--for", "soon", "--reason", "x")[0] == 2
    code, told = run("autonomy", "resume", "--model", MODEL, "--reason", "done")
    assert (code, "does so again" in told) == (0, True)
    assert "autonomy: paused" not in run("autonomy", "status")[1]
