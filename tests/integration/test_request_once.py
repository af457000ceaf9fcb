"""``Idempotency-Key``: a sender who does not know whether a request arrived may send it again."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.integration.office import is_problem, platform_at, served, upload
from tests.integration.processes import eventually
from tests.integration.small_project import write_rows

from trimtab.core.errors import BackendError, ConflictError
from trimtab.core.ids import new_id
from trimtab.db.engine import Database, machine_us
from trimtab.db.outbox import Event, Outbox
from trimtab.loop.operation import OPERATIONS, Operation
from trimtab.loop.platform import Platform
from trimtab.loop.request_claims import ABANDONED, KEPT, Asked, Claim, Remembered, claim, forget_requests, remember


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with platform_at(tmp_path_factory.mktemp("here")) as built:
        yield built


@pytest.fixture(scope="module")
def client(platform: Platform) -> Iterator[httpx.Client]:
    with served(platform) as opened:
        yield opened


def once() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid.uuid4())}


def retried(client: httpx.Client) -> int:
    entries = client.get("/api/audit", params={"limit": 1000}).json()["entries"]
    return sum(one["action"] == "events.retried" for one in entries)


def claimed_us(platform: Platform) -> int:
    with platform.database.reading() as connection:
        [at_us] = connection.exec_driver_sql("SELECT at_us FROM request_once WHERE status IS NULL").scalars()
    return int(at_us)


def given_up(platform: Platform) -> None:
    """Leave an event behind that was given up."""
    with platform.database.transaction() as connection:
        outbox = Outbox({"thing.happened": ("nobody",)})
        happened = Event(kind="thing.happened", aggregate="thing:1", payload={}, at_us=0, id=new_id())
        outbox.publish(connection, happened, machine_us=0)
        connection.exec_driver_sql("UPDATE event_delivery SET state = 'dead' WHERE subscriber = 'nobody'")


def test_the_same_request_is_done_once_and_answered_twice(platform: Platform, client: httpx.Client) -> None:
    given_up(platform)
    headers = once()
    first = client.post("/api/events/retry", json={"reason": "mended"}, headers=headers)
    given_up(platform)
    again = client.post("/api/events/retry", json={"reason": "mended"}, headers=headers)

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json() == {"retried": 1}
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert retried(client) == 1
    assert client.post("/api/events/retry", json={"reason": "mended"}, headers=once()).json() == {"retried": 2}


def test_a_refusal_is_remembered_with_its_status(client: httpx.Client) -> None:
    headers = once()
    first = client.post("/api/keys/late-comer/revoke", json={}, headers=headers)
    assert is_problem(first, 404)
    assert client.post("/api/keys", json={"name": "late-comer", "role": "viewer"}).status_code == 200
    again = client.post("/api/keys/late-comer/revoke", json={}, headers=headers)
    assert is_problem(again, 404)
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"


def test_a_key_is_for_one_request(client: httpx.Client) -> None:
    headers = once()
    assert client.post("/api/events/retry", json={"reason": "one"}, headers=headers).status_code == 200
    for path, fields in (("/api/events/retry", {"reason": "two"}), ("/api/audit/reindex", {})):
        other = client.post(path, json=fields, headers=headers)
        assert is_problem(other, 422)
        assert "events.retry" in other.text


def test_keys_of_different_callers_have_nothing_to_do_with_each_other(client: httpx.Client) -> None:
    headers = once()
    key = client.post("/api/keys", json={"name": "operator-b", "role": "operator"}).json()["key"]
    assert client.post("/api/events/retry", json={"reason": "mine"}, headers=headers).status_code == 200
    theirs = {**headers, "Authorization": f"Bearer {key}"}
    answer = client.post("/api/events/retry", json={"reason": "theirs"}, headers=theirs)
    assert answer.status_code == 200
    assert "idempotency-replayed" not in answer.headers


def test_an_answer_belongs_to_a_key_and_not_to_its_name(client: httpx.Client) -> None:
    headers, answers = once(), []
    for owner in ("carl", "dora"):
        key = client.post("/api/keys", json={"name": "temp", "role": "operator", "owner": owner}).json()["key"]
        theirs = {**headers, "Authorization": f"Bearer {key}"}
        answers.append(client.post("/api/events/retry", json={"reason": "mended"}, headers=theirs))
        assert client.post("/api/keys/temp/revoke", json={}).status_code == 200
    assert [one.status_code for one in answers] == [200, 200]
    assert "idempotency-replayed" not in answers[1].headers


def sent_again_after_a_kill(
    platform: Platform, client: httpx.Client, monkeypatch: pytest.MonkeyPatch, path: str, fields: dict[str, str]
) -> list[httpx.Response]:
    """Send a request twice; the process ends between the work and the answer of the first, a minute before the next."""
    headers = once()
    with monkeypatch.context() as killed:
        killed.setattr("trimtab.api.once._settle", lambda *_: None)
        first = client.post(path, json=fields, headers=headers)
    with platform.database.transaction() as connection:
        connection.exec_driver_sql("UPDATE request_once SET at_us = at_us - 60000000 WHERE status IS NULL")
    again = client.post(path, json=fields, headers=headers)
    assert "idempotency-replayed" not in again.headers, "it was not done twice"
    return [first, again]


def test_what_makes_something_makes_it_once_though_its_process_was_killed(
    platform: Platform, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sent(path: str, **fields: str) -> dict[str, Any]:
        first, again = sent_again_after_a_kill(platform, client, monkeypatch, path, fields)
        assert (first.status_code, again.status_code) == (200, 200), again.text
        assert again.json() == first.json()
        return dict(first.json())

    job_id = sent("/api/models/churn/train")["job_id"]
    assert [one["job_id"] for one in client.get("/api/jobs").json()["jobs"]] == [job_id]

    told = sent("/api/notifications/test", route="log")["notification_id"]
    tests = [one for one in client.get("/api/notifications").json()["notifications"] if "a test of" in one["title"]]
    assert [one["notification_id"] for one in tests] == [told]

    action_id = client.post("/api/retraining/trigger", json={"model": "churn", "reason": "why"}).json()["action_id"]
    sent(f"/api/approvals/{action_id}/comments", text="said once")
    votes = client.get(f"/api/approvals/{action_id}").json()["votes"]
    assert [one["comment"] for one in votes] == ["said once"]

    entries = [one["action"] for one in client.get("/api/audit", params={"limit": 1000}).json()["entries"]]
    for action in ("training.requested", "notification.tested", "action.commented"):
        assert entries.count(action) == 1, action


def test_a_role_that_was_lost_is_asked_for_before_an_answer_is_remembered(client: httpx.Client) -> None:
    headers = once()
    assert client.post("/api/audit/reindex", json={}, headers=headers).status_code == 200
    key = client.post("/api/keys", json={"name": "viewer-b", "role": "viewer"}).json()["key"]
    theirs = {**headers, "Authorization": f"Bearer {key}"}
    assert is_problem(client.post("/api/audit/reindex", json={}, headers=theirs), 403)


def test_a_new_key_is_made_once_and_its_secret_is_not_kept(platform: Platform, client: httpx.Client) -> None:
    headers = once()
    key = client.post("/api/keys", json={"name": "once-only", "role": "viewer"}, headers=headers).json()["key"]
    again = client.post("/api/keys", json={"name": "once-only", "role": "viewer"}, headers=headers)
    assert is_problem(again, 409)
    assert "shown once" in again.text
    for file in platform.project.state.rglob("*"):
        assert not file.is_file() or key.encode() not in file.read_bytes(), file


def test_a_file_is_delivered_once(client: httpx.Client, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.csv", count=5).read_bytes()
    client.headers.update(once())
    try:
        first = upload(client, rows, filename="rows.csv")
        again = upload(client, rows, filename="rows.csv")
        other = upload(client, rows + b"\n", filename="rows.csv")
    finally:
        del client.headers["Idempotency-Key"]
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert is_problem(other, 422)


@pytest.mark.parametrize("key", ["", "with space", "x" * 129, "ä".encode("latin-1").decode("latin-1")])
def test_a_key_that_cannot_be_one_is_refused(client: httpx.Client, key: str) -> None:
    sent = [(b"Idempotency-Key", key.encode("latin-1"))]
    answer = client.post("/api/events/retry", json={"reason": "why"}, headers=sent)
    assert is_problem(answer, 422)


def test_what_is_being_done_is_not_begun_again_and_what_failed_is(
    platform: Platform, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operation waits until the second request was answered, for longer than a claim lasts that nobody renews."""
    monkeypatch.setattr("trimtab.api.once._RENEWED_S", 0.05)
    begun, may_end, times = threading.Event(), threading.Event(), []
    asked = OPERATIONS["events.retry"]

    def slow(platform: Platform, actor: object, request: object) -> dict[str, object]:
        times.append(1)
        if len(times) > 1:
            return {"retried": 7}
        begun.set()
        assert may_end.wait(30)
        raise BackendError("the database: went away; try again")

    replacement = Operation(asked.name, asked.method, asked.path, asked.role, asked.request, slow)
    monkeypatch.setitem(OPERATIONS, "events.retry", replacement)
    headers, answers = once(), []

    def send() -> None:
        answers.append(client.post("/api/events/retry", json={"reason": "why"}, headers=headers))

    first = threading.Thread(target=send)
    first.start()
    try:
        assert begun.wait(30)
        with platform.database.transaction() as connection:
            connection.exec_driver_sql("UPDATE request_once SET at_us = 0 WHERE status IS NULL")
        eventually(lambda: claimed_us(platform) > 0, within_s=30, wanted="a claim that is renewed")
        meanwhile = client.post("/api/events/retry", json={"reason": "why"}, headers=headers)
        assert is_problem(meanwhile, 409)
    finally:
        may_end.set()
        first.join(30)
    assert is_problem(answers[0], 503)
    assert client.post("/api/events/retry", json={"reason": "why"}, headers=headers).json() == {"retried": 7}
    assert len(times) == 2


def test_a_claim_that_nobody_answers_is_free_again_and_an_old_answer_is_forgotten(database: Database) -> None:
    asked = Asked(actor="dana", key="k", operation="events.retry", request_hash="0" * 64)
    minute, day = (age // timedelta(microseconds=1) for age in (ABANDONED, KEPT))
    start_us = machine_us()
    with database.transaction() as connection:
        first = claim(connection, asked, now_us=start_us)
        assert isinstance(first, Claim)
        with pytest.raises(ConflictError):
            claim(connection, asked, now_us=start_us + minute - 1)
        assert claim(connection, asked, now_us=start_us + minute) == first, "the same request is done again"
        remember(connection, asked, Remembered(200, {"retried": 1}))
        told = claim(connection, asked, now_us=start_us + 2 * minute)
        assert told == Remembered(200, {"retried": 1})
        another = claim(connection, asked, now_us=start_us + minute + day)
        assert isinstance(another, Claim)
        assert another != first
        assert forget_requests(connection, now_us=start_us + minute + day) == 0
        assert forget_requests(connection, now_us=start_us + minute + 2 * day + 1) == 1
