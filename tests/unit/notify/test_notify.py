"""Messages take the routes they should, are stored once, leave over a real channel, and are tried again."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import structlog.testing
from sqlalchemy import select

from trimtab.config.project import NotificationRoute
from trimtab.core.enums import Severity
from trimtab.core.errors import BackendError
from trimtab.db.engine import Database
from trimtab.db.tables import notification
from trimtab.notify.message import Message
from trimtab.notify.routes import routes_for
from trimtab.notify.sender import send_due
from trimtab.notify.store import claim, enqueue

_S = 1_000_000
_LOG = NotificationRoute(name="log", url="log://")
_ONCALL = NotificationRoute(name="oncall", url="log://", min_severity=Severity.HIGH)
_BIKE = NotificationRoute(name="bike-team", url="log://", models=("bike",))


class _Receiver(ThreadingHTTPServer):
    """A webhook's other end: keeps what it got; answers 500 while it is broken."""

    def __init__(self) -> None:
        self.got: list[dict[str, str]] = []
        self.broken = False
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(500 if self.server.broken else 200)
        self.end_headers()
        if not self.server.broken:
            self.server.got.append(json.loads(body))

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@contextmanager
def _receiver() -> Iterator[_Receiver]:
    server = _Receiver()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _message(key: str = "incident:1:opened", severity: Severity = Severity.HIGH, route: str | None = None) -> Message:
    return Message(
        title="chol is in another unit", body="÷ 38.67", severity=severity, dedup_key=key, model="heart", route=route
    )


def _enqueue(database: Database, message: Message, *routes: NotificationRoute) -> tuple[str, ...]:
    with database.transaction() as connection:
        return enqueue(connection, message, routes, at_us=7)


def _states(database: Database) -> list[tuple[str, int, str | None]]:
    with database.reading() as connection:
        rows = connection.execute(select(notification).order_by(notification.c.id)).all()
    return [(row.state, row.attempts, row.error) for row in rows]


@pytest.mark.parametrize(
    ("message", "names"),
    [
        (_message(), ["log", "oncall"]),
        (_message(severity=Severity.LOW), ["log"]),
        (_message(route="bike-team"), ["bike-team"]),
        (_message(route="nobody-of-that-name"), ["log", "oncall"]),
        (Message(title="t", body="", severity=Severity.LOW, dedup_key="k", model="bike"), ["log", "bike-team"]),
        (Message(title="t", body="", severity=Severity.LOW, dedup_key="k"), ["log"]),
    ],
)
def test_severity_model_and_name_choose_the_routes(message: Message, names: list[str]) -> None:
    assert [route.name for route in routes_for(message, [_LOG, _ONCALL, _BIKE])] == names


def test_a_message_is_stored_once_for_each_route(database: Database) -> None:
    assert _enqueue(database, _message(), _LOG, _ONCALL) == ("log", "oncall")
    assert _enqueue(database, _message(), _LOG, _ONCALL) == ()
    assert _enqueue(database, _message("k" * 500), _LOG) == ("log",)
    assert _enqueue(database, _message("k" * 500), _LOG) == ()
    assert _enqueue(database, _message("k" * 501), _LOG) == ("log",)
    assert len(_states(database)) == 4


def test_the_log_gets_one_line_a_message(database: Database) -> None:
    _enqueue(database, _message())
    with structlog.testing.capture_logs() as lines:
        assert send_due(database, (), machine_us=0) == 1
        assert send_due(database, (), machine_us=_S) == 0
    assert [(line["event"], line["log_level"], line["title"]) for line in lines] == [
        ("notification", "warning", "chol is in another unit")
    ]
    assert _states(database) == [("sent", 1, None)]


def test_a_webhook_gets_the_message_with_its_secret_expanded_only_then(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _receiver() as server:
        monkeypatch.setenv("HOOK_PORT", str(server.server_port))
        route = NotificationRoute(name="hook", url="json://127.0.0.1:${HOOK_PORT}/hook")
        _enqueue(database, _message(), route)
        assert send_due(database, [route], machine_us=0) == 1
    assert [(got["title"], got["message"], got["type"]) for got in server.got] == [
        ("chol is in another unit", "÷ 38.67", "failure")
    ]


def test_a_broken_receiver_is_tried_again_and_gets_the_message_once_it_is_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_TOKEN", "s3cr3t-t0ken")
    with _receiver() as server:
        route = NotificationRoute(name="hook", url=f"json://127.0.0.1:{server.server_port}/${{HOOK_TOKEN}}")
        server.broken = True
        _enqueue(database, _message(), route)
        with structlog.testing.capture_logs() as lines:
            assert send_due(database, [route], machine_us=0) == 0
        [(state, attempts, error)] = _states(database)
        assert (state, attempts) == ("pending", 1)
        assert error is not None
        assert "500" in error
        assert "s3cr3t-t0ken" not in error + str(lines)

        server.broken = False
        assert send_due(database, [route], machine_us=4 * _S) == 0, "not before its time"
        assert send_due(database, [route], machine_us=5 * _S) == 1
    assert len(server.got) == 1
    assert _states(database) == [("sent", 2, None)]


def test_one_failing_channel_does_not_keep_the_others_waiting(database: Database) -> None:
    gone = NotificationRoute(name="gone", url="json://127.0.0.1:1/x")
    unknown = NotificationRoute(name="unknown", url="nosuchthing://x")
    unset = NotificationRoute(name="unset", url="slack://${TRIMTAB_TEST_NOT_SET}")
    _enqueue(database, _message(), gone, unknown, unset, _LOG)
    assert send_due(database, [gone, unknown, unset, _LOG], machine_us=0) == 1
    errors = [error for state, _, error in _states(database) if state == "pending"]
    assert len(errors) == 3
    assert any("none that Apprise knows" in str(error) for error in errors)
    assert any("is not set in the environment" in str(error) for error in errors)


def test_a_route_that_was_removed_is_named(database: Database) -> None:
    _enqueue(database, _message(), _ONCALL)
    assert send_due(database, [_LOG], machine_us=0) == 0
    assert "no longer in trimtab.yaml" in str(_states(database)[0][2])


class _Refuses:
    """A channel that never accepts."""

    def __init__(self) -> None:
        self.calls = 0

    def send(self, url: str, *, title: str, body: str, severity: Severity) -> None:
        self.calls += 1
        raise BackendError("channel: no answer, expected 200; it is tried again")


def test_a_message_is_given_up_after_twelve_attempts(database: Database) -> None:
    _enqueue(database, _message(), _LOG)
    refuses = _Refuses()
    for hour in range(20):
        send_due(database, [_LOG], machine_us=hour * 3600 * _S, sender=refuses)
    assert refuses.calls == 12
    assert _states(database)[0][:2] == ("dead", 12)


def test_a_message_is_leased_to_one_sender_and_freed_when_that_died(database: Database) -> None:
    _enqueue(database, _message(), _LOG)
    with database.transaction() as connection:
        taken = claim(connection, machine_us=0, lease_s=60)
        assert taken is not None
        assert claim(connection, machine_us=59 * _S, lease_s=60) is None
        again = claim(connection, machine_us=61 * _S, lease_s=60)
    assert again is not None
    assert (again.id, again.attempt) == (taken.id, 2)


def test_a_sender_that_died_before_the_clock_went_back_by_a_day_is_not_waited_for_that_long(database: Database) -> None:
    _enqueue(database, _message(), _LOG)
    with database.transaction() as connection:
        assert claim(connection, machine_us=86_400 * _S, lease_s=60) is not None
        assert claim(connection, machine_us=0, lease_s=60) is not None
        assert claim(connection, machine_us=0, lease_s=60) is None, "what is leased now is left alone"
