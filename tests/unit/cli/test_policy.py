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
from trimtab.lake.feeds import quarantine_feed
from trimtab.remediation.action_store import list_actions
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


def test_a_case_is_shown_with_what_its_severity_is_made_of_and_the_commands_that_follow(world: World, run: Run) -> None:
    incident = _incident(world)
    code, told = run("incidents", "show", incident)
    assert code == 0, told
    lines = told.splitlines()
    assert any(line.startswith("  impact ") and " × 0.35: " in line for line in lines)
    [asked] = world.platform.database.read(lambda connection: list_actions(connection, incident_id=incident))
    assert (
        lines[lines.index("action retrain (approval): waiting_approval") + 1]
        == f"  trimtab approvals approve {asked.id}"
    )
    assert lines[-2:] == [f"trimtab policy explain {incident}", f"trimtab incidents close {incident} --reason …"]


def test_to_agree_to_what_the_policy_refuses_by_now_is_an_error(world: World, run: Run) -> None:
    [asked] = world.platform.database.read(lambda connection: list_actions(connection, incident_id=_incident(world)))
    path = world.platform.project.root / "policy.yaml"
    path.write_text("rules: [{name: Nothing is done now, when: {origin: incident}, then: {tier: refuse}}]\n")
    code, told = run("approvals", "approve", asked.id)
    assert code == 5
    assert "the policy refuses it by now: Nothing is done now; it is cancelled" in told


def test_the_policy_is_shown_as_sentences(run: Run) -> None:
    code, told = run("policy", "show")
    assert code == 0, told
    assert "3. Real drift [/x] is answered by retraining" in told
    assert "when origin incident, diagnosis covariate_drift or concept_drift" in told
    assert "then retrain after approval, covers deploy, expires 1d" in told
    assert "cooldown 10m" in told
    assert "quiet hours (from 00:00, to 00:01, timezone UTC)" in told


def test_what_the_policy_lets_run_whatever_a_rule_says_is_shown(world: World, run: Run) -> None:
    told = run("policy", "show")[1]
    assert "autonomy: on; nothing holds it back now" in told
    assert "whatever a rule says, at least after approval: retrain, approve version, deploy, roll back" in told
    assert "whatever a rule says, at least by a person only: delete data" in told
    rules = "allow_automatic: [retrain]\nrules:\n  - {name: all else, then: {actions: [log, scale], tier: automatic}}\n"
    (world.platform.project.root / "policy.yaml").write_text(rules, encoding="utf-8")
    told = run("policy", "show")[1]
    assert "at least after approval: approve version" in told
    assert "allow automatic: retrain" in told
    assert "when a case asks what to do, or log or scale is asked for" in told


def test_what_a_feeds_release_leaves_in_quarantine_is_said(world: World, run: Run) -> None:
    now_us = world.platform.now_us()
    release = ("feeds", "release", MODEL, "clinic", "--reason", "mended")
    assert run(*release)[1] == "Feed clinic is open.\n"
    with world.platform.database.transaction() as connection:
        quarantine_feed(connection, MODEL, "clinic", since_us=now_us - 3_600_000_000, reason="r", at_us=now_us)
    told = run(*release, "--until", "2029-12-31T23:30")[1]
    assert told == (
        "Feed clinic is open. Rows from 2029-12-31 23:30 UTC on are trusted; those of 2029-12-31 23:00 to "
        "2029-12-31 23:30 stay in quarantine.\n"
    )


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
