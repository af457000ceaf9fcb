"""Requests that are accepted now and answered later, on a real server, killed and full."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from tests.unit.serving.alone import Alone
from tests.unit.serving.bench import Bench
from tests.unit.serving.running import ROW, Running, eventually, variant, write_spec
from tests.unit.serving.stored_jobs import now_us, stored_job

from trimtab.files import write_atomically
from trimtab.serving.follow import Follower
from trimtab.serving.keys import AccessScope, make_key
from trimtab.serving.spec import EndpointSpec
from trimtab.serving.spec_files import read_status, status_path

_ASYNC = "/predict/heart/async"


def _outcome(server: Running, url: str) -> dict[str, Any]:
    def ended() -> dict[str, Any] | None:
        state: dict[str, Any] = server.call("GET", url).json
        return state if state["state"] in {"succeeded", "failed"} else None

    found: dict[str, Any] = eventually(ended)
    return found


def _submitted(server: Running, body: object, **headers: str) -> str:
    reply = server.call("POST", _ASYNC, body, headers)
    assert reply.status == 202, reply.body
    assert reply.json["state"] == "queued"
    assert reply.headers["location"] == f"/v1/jobs/{reply.json['job_id']}"
    return reply.headers["location"]


def test_a_job_is_answered_as_its_request_would_be(server: Running) -> None:
    body = {"rows": [ROW, ROW], "record_keys": ["a", "b"]}
    now = server.predict(body).json
    url = _submitted(server, body, **{"X-Request-Id": "night-run"})
    outcome = _outcome(server, url)
    later = outcome["result"]
    assert (outcome["state"], outcome["status"], outcome["endpoint"]) == ("succeeded", 200, "heart")
    assert outcome["submitted_us"] <= outcome["finished_us"]
    assert later["request_id"] == "night-run"
    for one, other in zip(now["predictions"], later["predictions"], strict=True):
        assert {**one, "prediction_id": ""} == {**other, "prediction_id": ""}
    ids = [one["prediction_id"] for one in later["predictions"]]
    recorded = {row["prediction_id"]: row for row in server.shipped()}
    assert [recorded[one]["record_key"] for one in ids] == ["a", "b"]
    assert {recorded[one]["received_us"] for one in ids} == {outcome["submitted_us"]}


def test_the_id_of_a_job_does_not_follow_from_another_id(server: Running) -> None:
    for _ in range(5):
        url = _submitted(server, {"row": ROW})
        request_id = _outcome(server, url)["result"]["request_id"]
        assert abs(UUID(url.rpartition("/")[2]).int - UUID(request_id).int) > 1000


def test_a_request_that_cannot_be_answered_has_an_outcome_that_says_why(server: Running) -> None:
    outcome = _outcome(server, _submitted(server, {"row": {"age": "old"}}))
    assert (outcome["state"], outcome["status"]) == ("failed", 400)
    assert "field 'age'" in outcome["error"]
    assert "result" not in outcome


def test_what_is_unknown_or_too_large_is_told_at_once(server: Running) -> None:
    assert server.predict({"row": ROW}, "/predict/lung/async").status == 404
    for wrong in ("/v1/jobs/x", "/v1/jobs/..%2f..%2fspecs", "/v1/jobs/01979e2b-5c00-7000-8000-000000000000"):
        reply = server.call("GET", wrong)
        assert reply.status == 404, wrong
        assert "job" in reply.json["error"]
    assert server.call("GET", _ASYNC).status == 405


def test_an_outcome_can_be_forgotten(server: Running) -> None:
    url = _submitted(server, {"row": ROW})
    _outcome(server, url)
    assert server.call("PUT", url, {}).status == 405
    assert server.call("DELETE", url).json["state"] == "removed"
    assert server.call("GET", url).status == 404
    assert server.call("DELETE", url).status == 404
    assert list((server.state / "jobs").iterdir()) == []


def test_what_was_accepted_before_a_kill_is_answered_after_it(server: Running) -> None:
    urls = [_submitted(server, {"rows": [ROW] * 2_000}, **{"X-Request-Id": f"r{number}"}) for number in range(12)]
    server.stop(signal.SIGKILL)
    waiting = list((server.state / "jobs").glob("*.job"))
    again = Running(server.state)
    try:
        outcomes = [_outcome(again, url) for url in urls]
        assert {outcome["state"] for outcome in outcomes} == {"succeeded"}
        rows = Counter(row["request_id"] for row in again.shipped())
        assert rows == {f"r{number}": 2_000 for number in range(12)}
    finally:
        again.stop()
    assert len(waiting) <= 12
    # The kill may have left a half-written file behind, which is nobody's.
    assert {path.suffix for path in (server.state / "jobs").glob("[!.]*")} == {".done"}


@pytest.mark.parametrize("shipped_meanwhile", [False, True])
@pytest.mark.parametrize("rows", [1, 3])
def test_a_job_that_dies_between_records_and_outcome_is_recorded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shipped_meanwhile: bool, rows: int
) -> None:
    both = (variant(tmp_path, "stable", "50"), variant(tmp_path, "canary", "50", version=2))
    write_spec(tmp_path, EndpointSpec(endpoint="heart", generation=1, variants=both))
    monkeypatch.setenv("TRIMTAB_CRASH_AT", "serving.recorded")
    killed = Running(tmp_path)
    url = _submitted(killed, {"rows": [ROW] * rows}, **{"X-Request-Id": "night-run"})
    assert killed.process.wait(20) == -signal.SIGKILL
    killed.stop()
    monkeypatch.delenv("TRIMTAB_CRASH_AT")
    if shipped_meanwhile:
        assert len(killed.shipped()) == rows
        # A second look finds the dead writer's file delivered to its end, and deletes it.
        killed.shipped()
        assert not list((tmp_path / "journal").glob("*.journal"))
    again = Running(tmp_path)
    try:
        result = _outcome(again, url)["result"]
        recorded = again.shipped()
        assert [row["request_id"] for row in recorded] == ["night-run"] * rows
        # The outcome tells the very answers that are on record, of the variant that was drawn before.
        assert {row["prediction_id"]: (row["variant"], row["prediction"]) for row in recorded} == {
            one["prediction_id"]: (result["variant"], one["prediction"]) for one in result["predictions"]
        }
        assert {path.suffix for path in (tmp_path / "jobs").glob("[!.]*")} == {".done"}
    finally:
        again.stop()


def test_jobs_of_an_endpoint_that_no_longer_loads_end_at_once_with_the_reason(server: Running) -> None:
    server.stop()
    job = stored_job(submitted_us=now_us())
    write_atomically(server.state / "jobs" / f"{job.job_id}.job", msgspec.msgpack.encode(job))
    unknown = stored_job("lung", submitted_us=now_us())
    write_atomically(server.state / "jobs" / f"{unknown.job_id}.job", msgspec.msgpack.encode(unknown))
    (server.state / "bundle-binary-1" / "model.onnx").write_bytes(b"broken")
    again = Running(server.state)
    try:
        outcome = _outcome(again, f"/v1/jobs/{job.job_id}")
        status = read_status(server.state, "heart")
        assert status is not None
        assert (outcome["state"], outcome["status"], outcome["error"]) == ("failed", 424, status.error)
        assert "model.onnx" in outcome["error"]
        # Another worker might serve it: this one waits, and is told 404 in the end.
        assert again.call("GET", f"/v1/jobs/{unknown.job_id}").json["state"] == "queued"
    finally:
        again.stop()


@pytest.mark.parametrize(("other", "ends"), [("failed", True), ("serves", False), ("silent", False)])
def test_what_one_worker_cannot_load_another_may(tmp_path: Path, other: str, ends: bool) -> None:
    bench = Bench(tmp_path)
    broken = variant(tmp_path, "stable", "100")
    (tmp_path / "bundle-binary-1" / "model.onnx").unlink()
    status = bench.deploy(EndpointSpec(endpoint="heart", generation=1, variants=(broken,)))
    follower = Follower(
        tmp_path, table=bench.table, residence=bench.residence, pid=1, told_in=tmp_path / "workers" / "0"
    )
    told = {"0": status}
    if other != "silent":
        told["1"] = status if other == "failed" else msgspec.structs.replace(status, generation=1, error=None)
    for worker, said in told.items():
        write_atomically(status_path(tmp_path / "workers" / worker, "heart"), msgspec.json.encode(said))
    assert (follower.failure("heart", workers=2) == status.error) is ends
    assert follower.failure("lung", workers=2) is None
    bench.journal.close()


def test_only_the_key_that_made_a_job_and_an_admins_may_know_of_it(tmp_path: Path) -> None:
    mine, other = (make_key(name, (AccessScope.PREDICT,)) for name in ("mine", "other"))
    admin = make_key("admin", (AccessScope.ADMIN,))
    keys = msgspec.to_builtins([key for _, key in (mine, other, admin)])
    with Alone(tmp_path, options={"keys": keys}) as alone:

        def ask(method: str, url: str, text: str, body: object = None) -> httpx.Response:
            return alone.http.request(method, url, json=body, headers={"X-API-Key": text})

        accepted = ask("POST", "/predict/heart/async", mine[0], {"row": ROW})
        assert accepted.status_code == 202, accepted.text
        url = accepted.headers["location"]
        unknown = ask("GET", "/v1/jobs/01979e2b-5c00-7000-8000-000000000000", other[0])
        for method in ("GET", "DELETE"):
            hidden = ask(method, url, other[0])
            assert (hidden.status_code, unknown.status_code) == (404, 404)
            # Nothing tells it from a job that there never was.
            assert hidden.json()["error"].partition("': ")[2] == unknown.json()["error"].partition("': ")[2]
        outcome = eventually(lambda: ask("GET", url, mine[0]).json().get("result"))
        assert outcome["endpoint"] == "heart"
        assert ask("GET", url, other[0]).status_code == 404
        assert ask("GET", url, admin[0]).json()["state"] == "succeeded"
        assert ask("DELETE", url, mine[0]).status_code == 200
        assert mine[0] not in alone.log
