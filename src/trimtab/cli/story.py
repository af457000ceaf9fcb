"""The demo's story, step by step. Every step runs ``trimtab`` commands; what comes out of them, the data decide."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TypeVar, cast

from trimtab.cli.output import console
from trimtab.cli.stage import Stage
from trimtab.cli.telling import Outcome, Play, play
from trimtab.core.canonical import JsonObject
from trimtab.core.errors import BackendError, TrimtabError

__all__ = ["tell_story"]

_HEART, _BIKE, _CLINIC = "heart-disease", "bike-demand", "cleveland-clinic"
_YEAR_START = datetime(2011, 9, 20, 12, tzinfo=UTC)
_FOUR_WEEKS = timedelta(weeks=4)
_MONTHS = 13
_AFTER_START = _YEAR_START + _MONTHS * _FOUR_WEEKS + timedelta(days=1)
_RETRAIN_S = 180.0
_SETTLE_S = 90.0


def tell_story(stage: Stage, only: int | None = None) -> Outcome:
    """Play both acts, or only one; a step that cannot go on ends the story."""
    teller = _Teller(stage)
    try:
        for number, (act, steps) in enumerate(teller.acts()):
            if only is not None and number == 3 - only:
                continue
            console.print(f"\n[bold]{act}[/]")
            for name, title, do in steps:
                if not play(teller.outcome, name, title, do):
                    return teller.outcome
        teller.outcome.complete = True
    finally:
        teller.outcome.wall_s = time.monotonic() - teller.outcome.started
    return teller.outcome


AnswerT = TypeVar("AnswerT")


class _Teller:
    """Holds what later steps need of earlier ones."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._run = stage.run
        self.outcome = Outcome()
        self._approver_key = ""
        self._request: JsonObject = {}

    def acts(self) -> list[tuple[str, list[tuple[str, str, Play]]]]:
        """Return the acts, each with its steps: name, what it does, and how."""
        return [
            ("Starting", [("start", "control plane, inference server, shipper", self._start)]),
            (
                "Act 1, heart disease: not every drift is answered by retraining",
                [
                    ("ingest", "two deliveries, one with broken rows", self._ingest),
                    ("version", "the processed rows become a dataset version", self._version),
                    ("train", "four kinds of model, tuned side by side", lambda: self._train(_HEART)),
                    ("register", "ONNX bundle with parity proof, pending approval", lambda: self._registered(_HEART)),
                    ("serve", "approve, stage, smoke test, serve", lambda: self._serve(_HEART)),
                    ("traffic", "a week of visits, as usual", self._usual_week),
                    ("trouble", "a week in which the clinic changes its units", self._bad_week),
                    ("recover", "the feed is repaired", self._repaired_week),
                ],
            ),
            (
                "Act 2, bike demand: real drift, answered",
                [
                    ("demand-model", "learn the first year, serve", self._demand_model),
                    ("year", "the following year, hour by hour, outcomes a day later", self._year),
                    ("approve", "retraining waits for an approver, who agrees", self._approve),
                    ("retrain", "retrain, compare, canary with real traffic", self._retrain),
                    ("verify", "did it help?", self._verify),
                ],
            ),
            ("Evidence", [("evidence", "audit chain and reports", self._evidence)]),
        ]

    def _start(self) -> tuple[bool, str]:
        self._stage.open()
        self._approver_key = self._run("keys", "create", "dana", "--role", "approver")["key"]
        return True, "up; dana holds an API key with role approver"

    def _ingest(self) -> tuple[bool, str]:
        first = self._run("ingest", _HEART, self._stage.data("heart-delivery-1.csv"), "--feed", _CLINIC)
        second = self._run("ingest", _HEART, self._stage.data("heart-delivery-2.csv"), "--feed", _CLINIC)
        passed = first["rows_passed"] + second["rows_passed"]
        broken = first["rows_quarantined"] + second["rows_quarantined"]
        reasons = {**first["reasons"], **second["reasons"]}
        return True, f"{passed} rows passed, {broken} quarantined ({'; '.join(reasons) or 'none'})"

    def _version(self) -> tuple[bool, str]:
        made = self._run("snapshot", _HEART)
        return True, f"{made['rows']} rows, DVC hash {made['dataset_hash']}"

    def _train(self, model: str) -> tuple[bool, str]:
        job = self._run("train", model)
        result = job["result"]
        if job["version"] is None:
            failed = [gate["metric"] for gate in result["gates"] if not gate["passed"]]
            raise TrimtabError(f"{model}: no version was registered; gates failed: {', '.join(failed)}")
        trials = sum(candidate["trials"] for candidate in result["candidates"])
        metrics = ", ".join(f"{name} {value:.3f}" for name, value in result["metrics"].items())
        return True, f"{trials} trials in MLflow; {result['algorithm']} is best, on held-out rows {metrics}"

    def _registered(self, model: str) -> tuple[bool, str]:
        version = self._run("versions", "list", model)["versions"][0]
        return True, f"version {version['number']}, {version['state']}, bundle {version['digest'][:12]}…"

    def _serve(self, model: str) -> tuple[bool, str]:
        number = self._run("versions", "list", model)["versions"][0]["number"]
        with self._stage.acting_as(self._approver_key):
            self._run("versions", "approve", f"{model}@{number}", "--reason", "metrics and parity are in order")
            done = self._run("deploy", f"{model}@{number}")
        return done["phase"] == "promoted", str(done["reason"])

    def _usual_week(self) -> tuple[bool, str]:
        incident = self._week(1, "2024-03-11")
        return incident is None, "no incident" if incident is None else str(incident["title"])

    def _bad_week(self) -> tuple[bool, str]:
        incident = self._week(2, "2024-03-18")
        if incident is None:
            return True, "no incident: nothing was found"
        diagnosis = incident["diagnosis"]
        shown = self._incident_when(incident["incident_id"], _has_settled)
        done = "; ".join(str(action["outcome"]) for action in shown["actions"])
        return bool(diagnosis["columns"]), f"{diagnosis['explanation']} {done}"

    def _repaired_week(self) -> tuple[bool, str]:
        known = self._run("incidents", "list", "--model", _HEART)["incidents"]
        self._week(3, "2024-03-25")
        if not known:
            return True, "there was no incident to recover from"
        shown = self._incident_when(known[0]["incident_id"], lambda case: case["state"] == "resolved", patience_s=10.0)
        feed = self._until(
            lambda: cast(JsonObject, self._run("feeds", "list", _HEART)["feeds"][0]),
            lambda one: bool(one["state"] == "open"),
            patience_s=10.0,
        )
        return shown["state"] == "resolved", f"the incident is {shown['state']}; feed {feed['name']} is {feed['state']}"

    def _week(self, week: int, until: str) -> JsonObject | None:
        """Send a week of visits and run the monitors; return the incident that is open then."""
        file = self._stage.data(f"heart-visits-{week}.csv")
        columns = ("--time", "visit_time", "--key", "visit_id", "--truth", "disease", "--source", _CLINIC)
        self._run("replay", _HEART, file, *columns, "--batch", "5")
        self._run("monitor", _HEART, "--at", until)
        return self._open_incident(_HEART)

    def _demand_model(self) -> tuple[bool, str]:
        self._run("ingest", _BIKE, self._stage.data("bikes-year-1.parquet"))
        _ok, detail = self._train(_BIKE)
        ok, served = self._serve(_BIKE)
        return ok, f"{detail}; {served}"

    def _year(self) -> tuple[bool, str]:
        breached = []
        for month in range(_MONTHS):
            start, end = _YEAR_START + month * _FOUR_WEEKS, _YEAR_START + (month + 1) * _FOUR_WEEKS
            self._hours("bikes-year-2.parquet", start, end, batch=168)
            checks = self._run("monitor", _BIKE, "--at", (end + timedelta(days=1)).isoformat())["checks"]
            if any(check["verdict"] == "breach" for check in checks):
                breached.append(f"{end:%Y-%m}")
        incident = self._open_incident(_BIKE)
        if incident is None:
            return True, f"no incident is open at the year's end; months with a breach: {', '.join(breached) or 'none'}"
        return True, f"breaches in {len(breached)} of {_MONTHS} months; {incident['diagnosis']['explanation']}"

    def _hours(self, file: str, start: datetime, end: datetime, *, batch: int, wait: bool = True) -> JsonObject:
        window = ("--from", start.isoformat(), "--to", end.isoformat(), "--batch", str(batch))
        columns = ("--time", "time", "--key", "hour_id", "--truth", "count", "--truth-delay", "1d")
        return self._run("replay", _BIKE, self._stage.data(file), *columns, *window, *(() if wait else ("--no-wait",)))

    def _approve(self) -> tuple[bool, str]:
        waiting = self._until(lambda: self._run("approvals", "list", "--model", _BIKE)["actions"], bool)
        if not waiting:
            return True, "nothing waits: no retraining was asked for"
        self._request = waiting[0]
        impact = self._request["predicted_impact"]
        promise = f"; {impact['metric']} {impact['now']:.3g} now, {impact['expected']:.3g} expected" if impact else ""
        with self._stage.acting_as(self._approver_key):
            answer = self._run("approvals", "approve", self._request["action_id"], "--reason", "the evidence is plain")
        return answer["state"] == "approved", f"dana agreed: {answer['purpose']}{promise}"

    def _retrain(self) -> tuple[bool, str]:
        if not self._request:
            return True, "nothing to do"
        deadline = time.monotonic() + _RETRAIN_S
        days = iter(range(0, 84, 2))
        while (action := self._action())["finished_us"] is None:
            if time.monotonic() > deadline:
                raise BackendError(f"retraining: still {action['state']}; see 'trimtab rollouts list'")
            self._traffic(days)
        return action["state"] == "succeeded", str(action["outcome"])

    def _traffic(self, days: Iterator[int]) -> None:
        """Send two more days, one hour a request, with their outcomes, if a rollout is there to be judged by them."""
        rollouts = self._run("rollouts", "list", "--model", _BIKE)["rollouts"]
        day = next(days, None) if any(one["active"] for one in rollouts) else None
        if day is None:
            time.sleep(0.2)
        else:
            start = _AFTER_START + timedelta(days=day)
            self._hours("bikes-after.parquet", start, start + timedelta(days=2), batch=1, wait=False)

    def _verify(self) -> tuple[bool, str]:
        promoted = [one for one in self._run("rollouts", "list", "--model", _BIKE)["rollouts"] if one["stable"]]
        if not promoted or promoted[0]["phase"] != "promoted":
            return True, "no new version serves, so there is nothing to verify"
        start = _AFTER_START + timedelta(days=84)
        self._hours("bikes-after.parquet", start, start + _FOUR_WEEKS, batch=24)
        self._run("monitor", _BIKE, "--at", (start + timedelta(days=29)).isoformat())
        entries = self._until(self._verifications, bool)
        if not entries:
            return False, "the effect is not known yet"
        spec = entries[-1]["spec"]
        return spec["detail"]["verdict"] == "ok", f"{spec['detail']['verdict']}: {spec['reason']}"

    def _verifications(self) -> list[JsonObject]:
        subject = f"action:{self._request['action_id']}"
        entries = self._run("audit", "show", "--subject", subject)["entries"]
        return [entry for entry in entries if entry["action"] == "action.verified"]

    def _evidence(self) -> tuple[bool, str]:
        audit = self._run("audit", "verify")
        reports = self._until(lambda: self._run("reports", "list")["reports"], bool)
        kinds = ", ".join(f"{one['kind']}: {one['path']}" for one in reports[:2])
        return bool(audit["ok"]), f"{audit['entries']} audit entries verified; {len(reports)} reports, e.g. {kinds}"

    def _action(self) -> JsonObject:
        actions = self._run("approvals", "list", "--all", "--model", _BIKE)["actions"]
        return next(one for one in actions if one["action_id"] == self._request["action_id"])

    def _open_incident(self, model: str) -> JsonObject | None:
        """Return the open incident once it has a diagnosis; None when there is none after the checks were heard."""
        found: list[JsonObject] = self._until(
            lambda: self._run("incidents", "list", "--model", model, "--open")["incidents"],
            lambda cases: bool(cases) and cases[0]["diagnosis"] is not None,
            patience_s=3.0,
        )
        return found[0] if found else None

    def _incident_when(
        self, incident_id: str, done: Callable[[JsonObject], bool], patience_s: float = _SETTLE_S
    ) -> JsonObject:
        return self._until(lambda: self._run("incidents", "show", incident_id), done, patience_s=patience_s)

    def _until(
        self, ask: Callable[[], AnswerT], done: Callable[[AnswerT], bool], *, patience_s: float = 20.0
    ) -> AnswerT:
        """Ask until it is done or patience is over; return the last answer."""
        deadline = time.monotonic() + patience_s
        while True:
            answer = ask()
            if done(answer) or time.monotonic() > deadline:
                return answer
            time.sleep(0.2)


def _has_settled(case: JsonObject) -> bool:
    return bool(case["actions"]) and all(action["finished_us"] is not None for action in case["actions"])
