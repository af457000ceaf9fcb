"""Alerts of others at the control plane's door: who is let in, what is made of it; a stranger leaves nothing."""

from __future__ import annotations

import contextlib
import copy
import gzip
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from sqlalchemy import func, select
from tests.integration.office import is_problem, served
from tests.integration.processes import eventually
from tests.integration.small_project import FILES, make_project

from trimtab.api.errors import install_error_handlers
from trimtab.api.rate_limits import RateLimits
from trimtab.api.server import listen
from trimtab.api.webhooks import WebhookLimits, webhook_routes
from trimtab.bootstrap import build_platform
from trimtab.config.project import ApiConfig, ProjectFolder
from trimtab.config.rates import CallerRates, Rate
from trimtab.db.tables import alert, audit_entry, event, incident, notification, webhook_receipt
from trimtab.loop.platform import Platform

TOKEN, KEY, OLD_KEY = "bearer-secret-of-alertmanager", "hmac-secret-of-the-script", "hmac-secret-of-last-year"
WEBHOOKS = """
webhooks:
  - name: am
    auth: {type: bearer, secrets: ["${AM_SECRET}"]}
  - name: script
    payload: generic
    auth: {type: hmac, secrets: ["${SCRIPT_SECRET}", "${SCRIPT_SECRET_BEFORE}"]}
  - name: grafana
    auth:
      type: hmac
      secrets: ["${SCRIPT_SECRET}"]
      timestamp_header: X-Grafana-Timestamp
      signature_header: X-Grafana-Signature
      prefix: ""
      separator: ":"
  - name: unset
    auth: {type: bearer, secrets: ["${NOBODY_SET_THIS}"]}
"""
MINUTES_AGO = (datetime.now(UTC) - timedelta(minutes=5)).isoformat().replace("+00:00", "Z")
SLOW: dict[str, Any] = {
    "status": "firing",
    "labels": {"alertname": "TrimtabSlow", "model": "churn", "trimtab_family": "service", "severity": "critical"},
    "annotations": {"summary": "churn takes 300 ms"},
    "startsAt": MINUTES_AGO,
    "endsAt": "0001-01-01T00:00:00Z",
    "fingerprint": "d2c2efc389db2050",
}
OURS: dict[str, Any] = {"name": "export failed", "starts_at": MINUTES_AGO, "labels": {"model": "churn"}}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    project = make_project(tmp_path_factory.mktemp("project"))
    (project / "trimtab.yaml").write_text(FILES["trimtab.yaml"] + WEBHOOKS)
    built = build_platform(ProjectFolder.open(project))
    yield built
    built.database.close()


@pytest.fixture(scope="module")
def admin(platform: Platform) -> Iterator[httpx.Client]:
    with pytest.MonkeyPatch.context() as patch:
        for name, secret in (("AM_SECRET", TOKEN), ("SCRIPT_SECRET", KEY), ("SCRIPT_SECRET_BEFORE", OLD_KEY)):
            patch.setenv(name, secret)
        with served(platform) as client:
            yield client


@pytest.fixture
def stranger(admin: httpx.Client) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=admin.base_url, timeout=30, trust_env=False) as client:
        yield client


def document(*alerts: dict[str, Any]) -> bytes:
    return json.dumps({"version": "4", "receiver": "trimtab", "alerts": alerts}).encode()


def called(name: str, first: dict[str, Any] = SLOW, **fields: Any) -> dict[str, Any]:
    """An alert of that name, which no other test sends."""
    made = copy.deepcopy(first) | {"fingerprint": hashlib.sha256(name.encode()).hexdigest()[:16]} | fields
    made["labels"]["alertname"] = name
    return made


def brought(client: httpx.Client, body: bytes, secret: str = TOKEN, name: str = "am") -> httpx.Response:
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
    return client.post(f"/v1/webhooks/{name}", content=body, headers=headers)


def signed(
    client: httpx.Client, body: bytes, *, key: str = KEY, ago_s: float = 0, said: bytes | None = None
) -> httpx.Response:
    """Send ``body``, signed as a moment ago; ``said`` is what was signed in its place."""
    moment = str(int(time.time() - ago_s))
    mac = hmac.new(key.encode(), f"{moment}.".encode() + (body if said is None else said), hashlib.sha256)
    headers = {"X-Trimtab-Timestamp": moment, "X-Trimtab-Signature": f"v1={mac.hexdigest()}"}
    return client.post("/v1/webhooks/script", content=body, headers=headers)


def results(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 202, answer.text
    return [one["result"] for one in answer.json()["alerts"]]


def stored(platform: Platform) -> dict[str, int]:
    with platform.database.reading() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (alert, audit_entry, event, incident, notification, webhook_receipt)
        }


def test_alerts_open_join_and_close_a_case_and_repeats_change_nothing(
    platform: Platform, admin: httpx.Client, stranger: httpx.Client
) -> None:
    both = document(SLOW, called("TrimtabShed"))
    first = brought(stranger, both)
    assert results(first) == ["opened", "joined"]
    assert first.json()["alerts"][0]["fingerprint"] == SLOW["fingerprint"]
    (case,) = {one["incident_id"] for one in first.json()["alerts"]}
    before = stored(platform)
    assert results(brought(stranger, both)) == ["repeated", "repeated"]
    assert stored(platform) == before
    shown = admin.get(f"/api/incidents/{case}").json()
    assert (shown["model"], shown["state"]) == ("churn", "open")
    assert "churn takes 300 ms" in str(shown["breaches"])
    ends = {"status": "resolved", "endsAt": datetime.now(UTC).isoformat()}
    closing = document(SLOW | ends, called("TrimtabShed") | ends)
    assert results(brought(stranger, closing)) == ["recovered", "recovered"]
    assert admin.get(f"/api/incidents/{case}").json()["state"] == "resolved"
    assert results(brought(stranger, document(SLOW))) == ["repeated"]
    assert admin.get(f"/api/incidents/{case}").json()["state"] == "resolved", "what is over stays over"


def test_a_signed_message_is_taken_once_and_recorded_again_it_gets_the_same_answer(
    platform: Platform, stranger: httpx.Client
) -> None:
    body = document(OURS)
    first = signed(stranger, body)
    assert results(first) == ["opened"]
    assert first.json()["replayed"] is False
    before = stored(platform)
    again = httpx.Request(first.request.method, first.request.url, headers=first.request.headers, content=body)
    replayed = stranger.send(again)
    assert replayed.json() == first.json() | {"replayed": True}
    assert stored(platform) == before
    assert results(signed(stranger, body, ago_s=2, key=OLD_KEY)) == ["repeated"], "an honest sender signs anew"


def test_the_same_message_many_times_at_once_is_taken_once(platform: Platform, admin: httpx.Client) -> None:
    body, moment = document(OURS | {"name": "sent at once"}), str(int(time.time()))
    mac = hmac.new(KEY.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {"X-Trimtab-Timestamp": moment, "X-Trimtab-Signature": f"v1={mac}"}
    url = f"{admin.base_url}/v1/webhooks/script"

    def send(_: int) -> dict[str, Any]:
        return dict(httpx.post(url, content=body, headers=headers, trust_env=False, timeout=30).json())

    before = stored(platform)
    with ThreadPoolExecutor(6) as senders:
        answers = list(senders.map(send, range(6)))
    assert sorted(one["replayed"] for one in answers) == [False] + [True] * 5
    assert len({one["alerts"][0]["incident_id"] for one in answers}) == 1
    assert stored(platform)["webhook_receipt"] == before["webhook_receipt"] + 1
    assert stored(platform)["alert"] == before["alert"] + 1


def test_another_make_signs_with_other_headers(stranger: httpx.Client) -> None:
    body, moment = document(called("FromGrafana")), str(int(time.time()))
    mac = hmac.new(KEY.encode(), f"{moment}:".encode() + body, hashlib.sha256).hexdigest()
    headers = {"X-Grafana-Timestamp": moment, "X-Grafana-Signature": mac}
    assert results(stranger.post("/v1/webhooks/grafana", content=body, headers=headers)) == ["opened"]


def test_only_the_alert_that_cannot_be_used_is_told_so(stranger: httpx.Client) -> None:
    nobodys = called("Elsewhere", labels={"model": "nobody"})
    body = document(called("One"), {"status": "firing"}, nobodys, called("TrimtabCaseOpen"))
    answer = brought(stranger, body)
    assert results(answer)[1:] == ["unusable", "unknown model", "ignored"]
    assert "startsAt" in answer.json()["alerts"][1]["why"]


def test_a_model_that_is_not_ours_is_told_once(platform: Platform, admin: httpx.Client, stranger: httpx.Client) -> None:
    nobodys = [called(f"Elsewhere{number}", labels={"model": "somebody-elses"}) for number in range(3)]
    assert results(brought(stranger, document(*nobodys))) == ["unknown model"] * 3
    before = stored(platform)
    assert results(brought(stranger, document(*nobodys))) == ["unknown model"] * 3
    assert stored(platform) == before
    entries = admin.get("/api/audit").json()["entries"]
    told = [one for one in entries if one["action"] == "alert.unknown_model" and "somebody-elses" in str(one)]
    assert [one["actor"] for one in told] == ["webhook:am"]


FORGED: dict[str, Callable[[httpx.Client, bytes], httpx.Response]] = {
    "another's secret": lambda client, body: brought(client, body, secret=KEY),
    "a secret's beginning": lambda client, body: brought(client, body, secret=TOKEN[:-1]),
    "no secret": lambda client, body: client.post("/v1/webhooks/am", content=body),
    "an empty secret": lambda client, body: client.post(
        "/v1/webhooks/am", content=body, headers={"Authorization": "Bearer"}
    ),
    "a webhook that is not there": lambda client, body: brought(client, body, name="pm"),
    "a path": lambda client, body: brought(client, body, name="..%2fam"),
    "a bearer where one signs": lambda client, body: brought(client, body, secret=KEY, name="script"),
    "another's signature": lambda client, body: signed(client, body, key=TOKEN),
    "another body": lambda client, body: signed(client, body, said=body + b" "),
    "late": lambda client, body: signed(client, body, ago_s=400),
    "early": lambda client, body: signed(client, body, ago_s=-400),
    "an empty signature": lambda client, body: client.post(
        "/v1/webhooks/script", content=body, headers={"X-Trimtab-Timestamp": "1", "X-Trimtab-Signature": ""}
    ),
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=list(FORGED))
def test_a_stranger_changes_nothing(
    platform: Platform, stranger: httpx.Client, forge: Callable[[httpx.Client, bytes], httpx.Response]
) -> None:
    before = stored(platform)
    answer = forge(stranger, document(called("Forged")))
    if answer.status_code == 404:
        assert "%2f" in str(answer.url)
    else:
        assert is_problem(answer, 401), answer.text
    assert TOKEN not in answer.text
    assert KEY not in answer.text
    assert stored(platform) == before


ODD: dict[str, tuple[bytes, dict[str, str], int]] = {
    "huge": (b" " * 1_000_001, {}, 413),
    "gzip": (gzip.compress(b" " * 100_000), {"Content-Encoding": "gzip"}, 415),
    "two encodings": (b"{}", {"Content-Encoding": "gzip, identity"}, 415),
    "no JSON": (b"hello", {}, 422),
    "no text": (b"\xff\xfe\x00", {}, 422),
    "nested": (b'{"alerts":' + b"[" * 100_000, {}, 422),
    "a name twice": (b'{"alerts": [], "alerts": []}', {}, 422),
    "a form": (b"alerts=1", {"Content-Type": "application/x-www-form-urlencoded"}, 422),
    "nothing": (b"", {}, 422),
    "too many": (document(*[{}] * 1_001), {}, 422),
}


@pytest.mark.parametrize(("body", "headers", "status"), ODD.values(), ids=list(ODD))
def test_what_cannot_be_read_is_refused_in_a_sentence(
    platform: Platform, stranger: httpx.Client, body: bytes, headers: dict[str, str], status: int
) -> None:
    before = stored(platform)
    with contextlib.suppress(httpx.WriteError, httpx.ReadError):  # it hangs up on who sends too much
        answer = stranger.post("/v1/webhooks/am", content=body, headers={"Authorization": f"Bearer {TOKEN}", **headers})
        assert is_problem(answer, status), answer.text
    assert stored(platform) == before


def test_a_webhook_whose_secret_is_not_set_asks_its_sender_to_come_again(
    platform: Platform, stranger: httpx.Client
) -> None:
    answer = brought(stranger, document(SLOW), name="unset")
    assert is_problem(answer, 503)
    assert answer.headers["retry-after"] == "60"
    assert "NOBODY" not in answer.text
    assert platform.doors.turned_away["webhook:unset", "not ready"] == 1


def test_what_came_and_what_was_refused_is_told_to_prometheus(admin: httpx.Client, stranger: httpx.Client) -> None:
    brought(stranger, document(called("Counted")))
    for name in ("am", "pm", "x" * 500):
        brought(stranger, b"{}", secret="wrong", name=name)
    told = admin.get("/metrics").text
    assert 'trimtab_webhook_alerts_total{result="opened",webhook="am"}' in told
    assert 'trimtab_refused_total{door="webhook:am",why="not from its sender"}' in told
    assert 'trimtab_refused_total{door="webhook",why="not from its sender"}' in told
    assert "pm" not in told, "who is not let in does not say what is written there"


# --- with limits as short as a test's --------------------------------------------------------------------------------


@contextlib.contextmanager
def door(platform: Platform, limits: WebhookLimits, rate: CallerRates | None = None) -> Iterator[tuple[str, int]]:
    """Serve the webhooks alone."""
    app = FastAPI()
    install_error_handlers(app)
    app.include_router(webhook_routes(platform, RateLimits(ApiConfig(rate=rate), platform.doors), limits=limits))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    with listen("127.0.0.1", 0) as bound:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        try:
            yield bound.getsockname()[:2]
        finally:
            server.should_exit = True
            thread.join(20)


def begun(
    address: tuple[str, int], secret: str = TOKEN, *, name: str = "am", proof: str | None = None
) -> socket.socket:
    """A message of which only the beginning is sent."""
    line = socket.create_connection(address, timeout=20)
    brings = f"Authorization: Bearer {secret}" if proof is None else proof
    head = f"POST /v1/webhooks/{name} HTTP/1.1\r\nHost: localhost\r\n{brings}\r\n"
    line.sendall(f'{head}Content-Length: 1000\r\n\r\n{{"alerts":'.encode())
    return line


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AM_SECRET", "SCRIPT_SECRET", "SCRIPT_SECRET_BEFORE"):
        monkeypatch.setenv(name, TOKEN)


@pytest.mark.usefixtures("secrets")
def test_a_body_that_does_not_come_is_not_waited_for(platform: Platform) -> None:
    with door(platform, WebhookLimits(body_s=0.3)) as address:
        with begun(address) as line:
            assert line.recv(1000).startswith(b"HTTP/1.1 408")
        with begun(address, secret="a stranger's") as line:
            assert line.recv(1000).startswith(b"HTTP/1.1 401"), "at once: what a stranger sends is not even received"


@pytest.mark.usefixtures("secrets")
def test_only_so_many_are_received_at_once_and_the_others_come_again(platform: Platform) -> None:
    with door(platform, WebhookLimits(at_once=2)) as address, begun(address), begun(address):
        url = f"http://{address[0]}:{address[1]}/v1/webhooks/am"

        def refused() -> bool:
            answer = httpx.post(url, content=b"{}", headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False)
            return answer.status_code == 503 and answer.headers["retry-after"] == "1"

        deadline = time.monotonic() + 20
        while not refused():  # both may be on their way still
            assert time.monotonic() < deadline


@pytest.mark.usefixtures("secrets")
def test_bodies_of_strangers_that_do_not_come_keep_no_bearer_waiting(platform: Platform) -> None:
    limits = WebhookLimits(body_s=30, at_once=3, unknown_at_once=2)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with door(platform, limits) as address, contextlib.ExitStack() as stack:
        url = f"http://{address[0]}:{address[1]}/v1/webhooks"
        forged = "X-Trimtab-Timestamp: 1\r\nX-Trimtab-Signature: v1=0"
        for name in ("script", "script", "script", "script"):
            stack.enter_context(begun(address, name=name, proof=forged))

        def is_put_off() -> bool:
            unsigned = {"X-Trimtab-Timestamp": "1", "X-Trimtab-Signature": "v1=0"}
            return httpx.post(f"{url}/script", content=b"{}", headers=unsigned, trust_env=False).status_code == 503

        eventually(is_put_off, within_s=20, wanted="two of this address's bodies on their way")
        for _ in range(3):
            assert httpx.post(f"{url}/am", content=document(SLOW), headers=headers, trust_env=False).status_code == 202


@pytest.mark.usefixtures("secrets")
def test_too_many_messages_are_put_off_and_not_dropped(platform: Platform) -> None:
    rate = CallerRates(writes=Rate(per_second=0.001, burst=2))
    with door(platform, WebhookLimits(), rate) as address:
        url = f"http://{address[0]}:{address[1]}/v1/webhooks/am"
        headers = {"Authorization": f"Bearer {TOKEN}"}
        asked = [httpx.post(url, content=document(SLOW), headers=headers, trust_env=False) for _ in range(3)]
    assert [answer.status_code for answer in asked] == [202, 202, 503]
    assert is_problem(asked[-1], 503)


def test_no_secret_stands_anywhere_on_disk(platform: Platform, stranger: httpx.Client) -> None:
    brought(stranger, document(called("Kept")))
    for path in Path(platform.project.state).rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert TOKEN.encode() not in content, path
            assert KEY.encode() not in content, path
