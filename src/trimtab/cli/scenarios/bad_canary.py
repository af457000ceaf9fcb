"""A version that looks as good as the one before goes out, is wrong, and is taken back before most callers met it.

What is wrong is real: a delivery whose outcomes are turned round. Its model learns the opposite, its own test rows
agree with it, so does its smoke test, and a person approves it. Only callers' outcomes can tell.
"""

from __future__ import annotations

import contextlib
import csv
import random
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from trimtab.cli.client import Client, connect
from trimtab.cli.output import console
from trimtab.cli.rollout_view import Got, shown_live
from trimtab.cli.scenarios.callers import Asked, Callers, Heard
from trimtab.cli.stage import Stage
from trimtab.cli.telling import Outcome, Play, play
from trimtab.core.canonical import JsonObject
from trimtab.core.errors import BackendError, TrimtabError
from trimtab.serving.address import server_url

__all__ = ["CHANGED", "tell_bad_canary"]

_MODEL: Final = "heart-disease"
_CLINIC: Final = "cleveland-clinic"
_PER_S: Final = 200.0
_POLL_S: Final = 0.15
_ENDS_S: Final = 120.0
_COPIES: Final = 8
_NUMBERS: Final = ("age", "resting_bp", "cholesterol", "max_heart_rate", "st_depression", "major_vessels")
_FLAGS: Final = ("fasting_sugar", "exercise_angina")
_OTHER: Final = {"yes": "no", "no": "yes"}

_PROJECT: Final = """\
project: demo
api: {port: 8765}
serving: {port: 8766, ship_interval: 1s}
notifications: [{name: on-call, url: "log://"}]
"""
_DEPLOYMENT: Final = """\
strategy:
  type: canary
  steps:
    - {weight_pct: 10, duration: 2s, min_requests: 50}
    - {weight_pct: 25, duration: 2s, min_requests: 100}
    - {weight_pct: 50, duration: 2s, min_requests: 100}
  limits:
    max_error_rate: 0.05
    max_error_ratio: 2
    max_latency_p95_ms: 250
    max_latency_increase: 2
    max_degradation: {accuracy: 0.15}  # at most 15 % worse than the version beside it, by outcomes that come in
"""
_TRAINING: Final = """\
split: {type: stratified, test_share: 0.25}
cross_validation: null
trials: 1
explain_rows: 0
candidates: [{type: logistic_regression}]
gates: {f1: {min: 0.65}, roc_auc: {min: 0.75}}  # a version that misses one is not registered
"""

CHANGED: Final = {
    "trimtab.yaml": _PROJECT,
    f"models/{_MODEL}/deployment_config.yaml": _DEPLOYMENT,
    f"models/{_MODEL}/training_config.yaml": _TRAINING,
}
"""What the demo's project has otherwise: the clinic's model trains, and rolls out, in seconds."""


def tell_bad_canary(stage: Stage) -> Outcome:
    """Play the scenario on the demo's clinic; a step that cannot go on ends it."""
    teller = _Teller(stage)
    outcome = teller.outcome
    console.print("\n[bold]A bad canary: a new version is wrong, and nobody knows it yet[/]")
    try:
        for name, title, do, shows in teller.steps():
            if not play(outcome, name, title, do, shows=shows):
                return outcome
        outcome.complete = True
    finally:
        teller.hang_up()
        outcome.wall_s = time.monotonic() - outcome.started
    return outcome


class _Teller:
    """Holds what later steps need of earlier ones."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._run = stage.run
        self._approver_key = ""
        self._visits = [row for week in (1, 3) for row in _read(Path(stage.data(f"heart-visits-{week}.csv")))]
        self._callers = contextlib.ExitStack()
        self._heard: Counter[tuple[str | None, str]] = Counter()
        self._hearing = threading.Lock()
        self.outcome = Outcome(
            claim="bad_version_taken_back",
            told="The bad version was taken back by itself",
            untold="It did not go as it should",
        )

    def steps(self) -> list[tuple[str, str, Play, bool]]:
        """Return the steps: name, what it does, how, and whether it draws what happens."""
        return [
            ("start", "control plane, inference server, shipper", self._start, False),
            ("version 1", "learnt from a clinic's visits, approved, serving", self._first, False),
            ("version 2", "learnt from a delivery whose outcomes are turned round; approved", self._bad, False),
            ("callers", f"{_PER_S:.0f} visits a second are asked about; outcomes follow", self._call, False),
            ("canary", "version 2 goes out, 10 % first", self._canary, True),
            ("after", "what callers got, and what is kept", self._after, False),
        ]

    def hang_up(self) -> None:
        """Let the callers go."""
        self._callers.close()

    def _start(self) -> tuple[bool, str]:
        self._stage.open()
        self._approver_key = self._run("keys", "create", "dana", "--role", "approver")["key"]
        return True, "up; dana holds an API key with role approver"

    def _first(self) -> tuple[bool, str]:
        self._run("ingest", _MODEL, self._stage.data("heart-delivery-1.csv"), "--feed", _CLINIC)
        told = self._trained()
        with self._stage.acting_as(self._approver_key):
            done = self._run("deploy", f"{_MODEL}@1")
        return done["phase"] == "promoted", told

    def _call(self) -> tuple[bool, str]:
        project = self._stage.project
        self._callers.enter_context(
            Callers(lambda: server_url(project.serving), _MODEL, self._draw, self._hear, per_s=_PER_S)
        )
        time.sleep(1.0)
        return self._got()[1].answered > 0, f"version 1: {self._got()[1].text}"

    def _bad(self) -> tuple[bool, str]:
        path = self._stage.project.root / "data" / "heart-delivery-turned-round.csv"
        _write_turned_round(Path(self._stage.data("heart-delivery-1.csv")), path)
        self._run("ingest", _MODEL, str(path), "--feed", _CLINIC)
        return True, f"{self._trained()}: on its own test rows nothing is wrong with it"

    def _trained(self) -> str:
        """Train, and have dana approve what comes of it."""
        self._run("snapshot", _MODEL)
        job = self._run("train", _MODEL)
        if job["version"] is None:
            raise TrimtabError(f"{_MODEL}: no version was registered; see 'trimtab jobs'")
        number, metrics = job["version"], job["result"]["metrics"]
        with self._stage.acting_as(self._approver_key):
            self._run("versions", "approve", f"{_MODEL}@{number}", "--reason", "its gates are passed")
        return f"version {number}: accuracy {metrics['accuracy']:.3f}, f1 {metrics['f1']:.3f} on held-out rows"

    def _canary(self) -> tuple[bool, str]:
        with self._stage.acting_as(self._approver_key):
            rollout_id = str(self._run("deploy", f"{_MODEL}@2", "--no-wait")["rollout_id"])
        client = connect(self._stage.project.root)
        began_s, moves = time.monotonic(), [(0.0, "staging", "0")]
        with shown_live() as show:
            while True:
                rollout = client.ask("rollouts.show", rollout_id=rollout_id)
                show(rollout, self._got())
                stands = (str(rollout["phase"]), str(rollout["weight_pct"]))
                if stands != moves[-1][1:]:
                    moves.append((round(time.monotonic() - began_s, 2), *stands))
                if not rollout["active"] or rollout["phase"] == "waiting_for_person":
                    break
                if time.monotonic() - began_s > _ENDS_S:
                    raise BackendError(f"rollout {rollout_id}: still {rollout['phase']}; see 'trimtab rollouts list'")
                time.sleep(_POLL_S)
        self.outcome.facts |= {"rollout_id": rollout_id, "moves": moves, "reason": rollout["reason"]}
        _await_gone(client)
        return rollout["phase"] == "rolled_back", str(rollout["reason"])

    def _after(self) -> tuple[bool, str]:
        time.sleep(0.5)
        before = self._got()[1].answered
        time.sleep(0.5)
        got = self._got()
        self.hang_up()
        first, second = got[1], got[2]
        failed = sum(count for (_, kind), count in self._heard.items() if kind == "failed")
        self.outcome.facts["callers"] = {
            f"v{number}": {"answered": one.answered, "right": one.right} for number, one in got.items()
        } | {"failed": failed}
        report = self._report()
        told = (
            f"version 1: {first.text}; version 2: {second.text}; no answer: {failed}. "
            f"Everything it was decided on: {report}"
        )
        return failed == 0 and first.answered > before and second.answered < first.answered, told

    def _report(self) -> str:
        deadline = time.monotonic() + 20.0
        while time.monotonic() < deadline:
            found = self._run("reports", "list")["reports"]
            mine = [one["path"] for one in found if self.outcome.facts["rollout_id"] in str(one)]
            if mine:
                self.outcome.facts["report"] = mine[0]
                return str(mine[0])
            time.sleep(0.3)
        return "its report is not written yet; see 'trimtab reports list'"

    def _draw(self, draw: random.Random) -> Asked:
        visit = draw.choice(self._visits)
        row = {name: value for name, value in visit.items() if name != "disease"}
        return Asked(row, str(visit["disease"]))

    def _hear(self, heard: Heard) -> None:
        kind = "failed" if not heard.is_answered else "right" if heard.prediction == heard.asked.truth else "wrong"
        with self._hearing:
            self._heard[heard.variant, kind] += 1

    def _got(self) -> Mapping[int, Got]:
        with self._hearing:
            heard = dict(self._heard)

        def got(variant: str) -> Got:
            right, wrong = heard.get((variant, "right"), 0), heard.get((variant, "wrong"), 0)
            return Got(right + wrong, right=right)

        return {1: got("v1"), 2: got("v2")}


def _await_gone(client: Client) -> None:
    """Wait until what the rollout ended with is served."""
    deadline = time.monotonic() + 10.0
    while time.monotonic() < deadline:
        newest = client.ask("endpoints.history", endpoint=_MODEL, limit=1)["generations"][0]
        if newest["since_us"] is not None:
            return
        time.sleep(_POLL_S)


def _read(path: Path) -> list[JsonObject]:
    with path.open(newline="", encoding="utf-8") as stream:
        return [_typed(row) for row in csv.DictReader(stream)]


def _typed(row: Mapping[str, str]) -> dict[str, Any]:
    """Return a visit as a caller sends it: numbers as numbers, flags as flags, nothing of what names the visit."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        if name.startswith("visit_"):
            continue
        if value == "":
            found[name] = None
        elif name in _NUMBERS:
            found[name] = float(value)
        else:
            found[name] = value == "true" if name in _FLAGS else value
    return found


def _write_turned_round(source: Path, path: Path) -> None:
    """Write visits like those of ``source``, several times as many, each with the other outcome."""
    draw = random.Random(11)
    with source.open(newline="", encoding="utf-8") as stream:
        visits = list(csv.DictReader(stream))
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(visits[0]), lineterminator="\n")
        writer.writeheader()
        for copy in range(_COPIES):
            for visit in visits:
                name = f"{visit['visit_id']}-{copy}"
                cholesterol = min(max(float(visit["cholesterol"]) + draw.randint(-15, 15), 100), 600)
                pressure = min(max(float(visit["resting_bp"]) + draw.randint(-5, 5), 80), 220)
                other = {"cholesterol": f"{cholesterol:.0f}", "resting_bp": f"{pressure:.0f}"}
                writer.writerow({**visit, **other, "visit_id": name, "disease": _OTHER[visit["disease"]]})
