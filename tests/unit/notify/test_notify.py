"""Messages take the routes they should, are stored once, leave over a real channel, and are tried again."""

import contextlib
import hmac
import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import structlog.testing
from pydantic import ValidationError
from sqlalchemy import select
from tests.unit.notify.receivers import http_receiver, mailbox
from tests.unit.notify.sending import LOG, S, a_message, enqueued, finish, send, states

from trimtab.config.notifications import MessageKind, NotificationRoute
from trimtab.config.project import ProjectConfig
from trimtab.core.enums import Severity
from trimtab.core.errors import BackendError
from trimtab.db.engine import Database
from trimtab.db.tables import notification
from trimtab.notify import messenger as messenger_module
from trimtab.notify.due import claim
from trimtab.notify.message import Message
from trimtab.notify.messenger import Messenger
from trimtab.notify.routes import routes_for
from trimtab.notify.sender import Outgoing

_ONCALL = NotificationRoute(name="oncall", url="log://", min_severity=Severity.HIGH)
_BIKE = NotificationRoute(name="bike-team", url="log://", models=("bike",))


@pytest.mark.parametrize(
    ("message", "names"),
    [
        (a_message(), ["log", "oncall"]),
        (a_message(severity=Severity.LOW), ["log"]),
        (a_message(route="bike-team"), ["bike-team"]),
        (a_message(route="nobody-of-that-name"), ["log", "oncall"]),
        (Message(title="t", body="", severity=Severity.LOW, dedup_key="k", model="bike"), ["log", "bike-team"]),
        (Message(title="t", body="", severity=Severity.LOW, dedup_key="k"), ["log"]),
    ],
)
def test_severity_model_and_name_choose_the_routes(message: Message, names: list[str]) -> None:
    assert [route.name for route in routes_for(message, [LOG, _ONCALL, _BIKE])] == names


def test_a_message_is_stored_once_for_each_route(database: Database) -> None:
    assert enqueued(database, a_message(), LOG, _ONCALL) == ("log", "oncall")
    assert enqueued(database, a_message(), LOG, _ONCALL) == ()
    assert enqueued(database, a_message("k" * 500), LOG) == ("log",)
    assert enqueued(database, a_message("k" * 500), LOG) == ()
    assert enqueued(database, a_message("k" * 501), LOG) == ("log",)
    assert len(states(database)) == 4


def test_the_log_gets_one_line_a_message(database: Database) -> None:
    enqueued(database, a_message())
    with structlog.testing.capture_logs() as lines:
        send(database)
        send(database, at_us=S)
    assert [(line["event"], line["log_level"], line["title"]) for line in lines] == [
        ("notification", "warning", "chol is in another unit")
    ]
    assert states(database) == [("sent", 1, None)]


def test_a_webhook_gets_the_message_with_its_secret_expanded_only_then(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with http_receiver() as server:
        monkeypatch.setenv("HOOK_PORT", str(server.server_port))
        route = NotificationRoute(name="hook", url="json://127.0.0.1:${HOOK_PORT}/hook")
        enqueued(database, a_message(), route)
        send(database, route)
    assert [(got.content["title"], got.content["message"], got.content["type"]) for got in server.got] == [
        ("chol is in another unit", "÷ 38.67", "failure")
    ]


def test_a_broken_receiver_is_tried_again_and_gets_the_message_once_it_is_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_TOKEN", "s3cr3t-t0ken")
    with http_receiver() as server:
        route = NotificationRoute(name="hook", url=f"json://{server.address}/${{HOOK_TOKEN}}")
        server.answers = 500
        enqueued(database, a_message(), route)
        with structlog.testing.capture_logs() as lines:
            send(database, route)
        [(state, attempts, error)] = states(database)
        assert (state, attempts) == ("pending", 1)
        assert error is not None
        assert "500" in error
        assert "s3cr3t-t0ken" not in error + str(lines)

        server.answers = 200
        send(database, route, at_us=4 * S)
        assert server.asked == 1, "not before its time"
        send(database, route, at_us=5 * S)
    assert len(server.got) == 1
    assert states(database) == [("sent", 2, None)]


def test_a_channel_that_hangs_keeps_no_other_waiting(database: Database) -> None:
    with http_receiver() as hanging:
        hanging.hangs.set()
        slow = NotificationRoute(name="a-slow", url=f"http://{hanging.address}/", secret="${TRIMTAB_TEST_SECRET}")
        enqueued(database, a_message(), slow, LOG)
        messenger = Messenger(database, [slow, LOG], now_us=lambda: 0, sender=None)
        os.environ["TRIMTAB_TEST_SECRET"] = "s"
        try:
            with structlog.testing.capture_logs() as lines:
                while hanging.asked == 0 or ("sent", 1, None) not in states(database):
                    messenger.run()
                    time.sleep(0.005)
            assert [line["title"] for line in lines if line["event"] == "notification"] == ["chol is in another unit"]
            assert messenger.busy, "the other one still hangs"
        finally:
            del os.environ["TRIMTAB_TEST_SECRET"]
            hanging.let_go.set()
        finish(messenger)
    assert sorted(state for state, _, _ in states(database)) == ["pending", "sent"]


def test_failing_channels_say_why(database: Database) -> None:
    gone = NotificationRoute(name="gone", url="json://127.0.0.1:1/x")
    unknown = NotificationRoute(name="unknown", url="nosuchthing://x")
    unset = NotificationRoute(name="unset", url="slack://${TRIMTAB_TEST_NOT_SET}")
    enqueued(database, a_message(), gone, unknown, unset, LOG)
    send(database, gone, unknown, unset, LOG)
    errors = [error for state, _, error in states(database) if state == "pending"]
    assert len(errors) == 3
    assert any("none that Apprise knows" in str(error) for error in errors)
    assert any("is not set in the environment" in str(error) for error in errors)


def test_a_route_that_was_removed_is_named(database: Database) -> None:
    enqueued(database, a_message(), _ONCALL)
    send(database, LOG)
    assert "no longer in trimtab.yaml" in str(states(database)[0][2])


class _Refuses:
    """A channel that never accepts."""

    def __init__(self, error: Exception) -> None:
        self.calls = 0
        self._error = error

    def send(self, url: str, message: Outgoing) -> None:
        self.calls += 1
        raise self._error


@pytest.mark.parametrize(
    "error", [BackendError("channel: no answer, expected 200; it is tried again"), RuntimeError("a library's bug")]
)
def test_a_message_is_given_up_after_twelve_attempts(database: Database, error: Exception) -> None:
    enqueued(database, a_message(), LOG)
    refuses = _Refuses(error)
    for hour in range(20):
        send(database, LOG, at_us=hour * 3600 * S, sender=refuses)
    assert refuses.calls == 12
    assert states(database)[0][:2] == ("dead", 12)


def test_a_message_is_leased_to_one_sender_and_freed_when_that_died(database: Database) -> None:
    enqueued(database, a_message(), LOG)
    with database.transaction() as connection:
        [taken] = claim(connection, LOG, machine_us=0, lease_s=60)
        assert claim(connection, LOG, machine_us=59 * S, lease_s=60) == ()
        [again] = claim(connection, LOG, machine_us=61 * S, lease_s=60)
    assert (again.messages[0].id, again.messages[0].attempt) == (taken.messages[0].id, 2)


def test_a_sender_that_died_before_the_clock_went_back_by_a_day_is_not_waited_for_that_long(database: Database) -> None:
    enqueued(database, a_message(), LOG)
    with database.transaction() as connection:
        assert claim(connection, LOG, machine_us=86_400 * S, lease_s=60) != ()
        assert claim(connection, LOG, machine_us=0, lease_s=60) != ()
        assert claim(connection, LOG, machine_us=0, lease_s=60) == (), "what is leased now is left alone"


def test_after_three_failures_another_route_takes_over_and_says_so_once(database: Database) -> None:
    with http_receiver() as broken, http_receiver() as pager:
        broken.answers = 503
        chat = NotificationRoute(name="chat", url=f"json://{broken.address}/", fallback="pager")
        oncall = NotificationRoute(name="pager", url=f"json://{pager.address}/", min_severity=Severity.CRITICAL)
        enqueued(database, a_message(), chat, oncall)
        for at_s in (0, 5, 20):
            assert pager.got == []
            send(database, chat, oncall, at_us=at_s * S)
        send(database, chat, oncall, at_us=21 * S)
        broken.answers = 200
        send(database, chat, oncall, at_us=3600 * S)
    [taken_over] = [got.content for got in pager.got]
    assert taken_over["title"] == "chol is in another unit"
    assert "route 'chat' could not be reached" in taken_over["message"]
    assert len(broken.got) == 1, "who was down hears of it as well once it is back"


class _NeverComesBack:
    """A channel that hangs until the test is over."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.calls = 0

    def send(self, url: str, message: Outgoing) -> None:
        self.calls += 1
        self.over.wait(60)


def test_a_channel_that_never_comes_back_is_given_up_and_its_fallback_takes_over(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messenger_module, "_HUNG_S", 0.05)
    stuck = NotificationRoute(name="stuck", url="log://", fallback="other")
    other = NotificationRoute(name="other", url="log://", min_severity=Severity.CRITICAL)
    for number in range(5):
        enqueued(database, a_message(f"k{number}"), stuck, other)
    channel, now_us = _NeverComesBack(), [0]
    messenger = Messenger(database, [stuck, other], now_us=lambda: now_us[0], sender=channel)
    try:
        for _ in range(400):
            messenger.run()
            now_us[0] += 2 * S
            time.sleep(0.005)
            with database.reading() as connection:
                instead = connection.execute(
                    select(notification.c.id).where(notification.c.fallback_of.is_not(None))
                ).all()
            if len(instead) == 5:
                break
        assert len(instead) == 5
        assert channel.calls <= 6, "threads that hang are bounded, three a route"
    finally:
        channel.over.set()


def test_what_left_while_the_database_was_busy_is_not_sent_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        enqueued(database, a_message(f"k{number}"), LOG)
    messenger = Messenger(database, [LOG], now_us=lambda: 0)
    busy = iter([True, True, False, False, False])

    def store_or_fail(name: str, outcomes: object) -> None:
        if next(busy):
            raise BackendError("database: is busy; try again")
        stored(name, outcomes)  # type: ignore[arg-type]

    stored = messenger._store
    monkeypatch.setattr(messenger, "_store", store_or_fail)
    with structlog.testing.capture_logs() as lines:
        while messenger.busy or not lines:
            with contextlib.suppress(BackendError):
                messenger.run()
            time.sleep(0.005)
    assert len([line for line in lines if line["event"] == "notification"]) == 5
    assert {state for state, _, _ in states(database)} == {"sent"}


def test_kinds_choose_routes() -> None:
    jobs = NotificationRoute(name="jobs", url="log://", kinds=(MessageKind.JOB, MessageKind.REPORT))
    assert routes_for(replace(a_message(), kind=MessageKind.JOB), [jobs, _ONCALL]) == (jobs, _ONCALL)
    assert routes_for(a_message(), [jobs, _ONCALL]) == (_ONCALL,)


def test_a_receiver_can_check_who_signed_and_know_a_repeat(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", "shared by two")
    with http_receiver() as server:
        route = NotificationRoute(name="hook", url=f"http://{server.address}/in", secret="${HOOK_SECRET}")
        enqueued(database, a_message(), route)
        server.answers, server.headers = 429, {"Retry-After": "30"}
        send(database, route)
        server.answers = 200
        send(database, route, at_us=29 * S)
        assert server.asked == 1, "it said when to come again"
        send(database, route, at_us=30 * S)
        server.answers, server.headers = 302, {"Location": f"http://{server.address}/elsewhere"}
        enqueued(database, a_message("second"), route)
        send(database, route, at_us=31 * S)
    [got] = server.got
    signed = f"{got.headers['x-trimtab-timestamp']}.".encode() + got.body
    assert got.headers["x-trimtab-signature"] == "v1=" + hmac.new(b"shared by two", signed, "sha256").hexdigest()
    assert got.headers["x-trimtab-delivery"] == got.content["id"]
    assert (got.content["model"], got.content["severity"], got.content["body"]) == ("heart", "high", "÷ 38.67")
    assert [error for state, _, error in states(database) if state == "pending"] != [None], "a redirect is refused"


def test_a_mail_arrives_whole_with_its_report_and_forges_no_header(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", "p4ss")
    (tmp_path / "week.html").write_text("<p>the week</p>")
    with mailbox("trimtab", "p4ss") as box:
        url = f"mailto://trimtab:${{MAIL_PASSWORD}}@127.0.0.1:{box.port}?from=trimtab@example.com&to=dana@example.com"
        route = NotificationRoute(name="mail", url=url)
        nasty = replace(a_message(), title="drift\r\nBcc: everybody@example.com", attachment="week.html")
        enqueued(database, nasty, route)
        outside = replace(a_message("second"), attachment="../secret.html")
        enqueued(database, outside, route)
        messenger = Messenger(database, [route], now_us=lambda: 0, reports=tmp_path)
        box.refuses = True
        finish(messenger)
        assert {state for state, _, _ in states(database)} == {"pending"}
        box.refuses = False
        messenger = Messenger(database, [route], now_us=lambda: 60 * S, reports=tmp_path)
        finish(messenger)
    first, second = box.mails
    assert first["Subject"] == "drift Bcc: everybody@example.com"
    assert first["Bcc"] is None
    assert box.readers == [["dana@example.com"]] * 2
    [attached] = [part for part in first.walk() if part.get_filename() == "week.html"]
    assert attached.get_payload(decode=True) == b"<p>the week</p>"
    words = [part.get_payload(decode=True) for part in second.walk() if part.get_content_type() == "text/plain"]
    assert "the report '../secret.html' is no longer there" in str(words)


@pytest.mark.parametrize(
    ("routes", "wrong"),
    [
        ([{"name": "a", "url": "log://", "fallback": "b"}], "falls back to 'b', which is none"),
        ([{"name": "a", "url": "log://", "fallback": "a"}], "falls back to itself"),
        (
            [{"name": "a", "url": "log://", "fallback": "b"}, {"name": "b", "url": "log://", "fallback": "a"}],
            "in a circle",
        ),
        ([{"name": "a", "url": "log://"}, {"name": "a", "url": "log://"}], "twice"),
        ([{"name": "a", "url": "log://", "digest": "30d"}], "7d at most"),
        ([{"name": "a", "url": "json://x", "secret": "${S}"}], "can be signed"),
        ([{"name": "a", "url": "https://x", "secret": "in plain words"}], "expected the name of a variable"),
        ([{"name": "a", "url": "log://", "kinds": ["gossip"]}], "alert"),
    ],
)
def test_routes_that_make_no_sense_are_refused(routes: list[dict[str, object]], wrong: str) -> None:
    with pytest.raises(ValidationError, match=wrong):
        ProjectConfig.model_validate({"project": "p", "notifications": routes})
