"""Messages in a project's own words, which may be wrong without anybody going untold."""

from dataclasses import replace
from pathlib import Path

import pytest
import structlog.testing
from tests.unit.notify.sending import LOG, a_message, enqueued, finish

from trimtab.audit.log import show
from trimtab.config.notifications import MessageKind
from trimtab.db.engine import Database
from trimtab.notify.due import Parcel, Pending
from trimtab.notify.messenger import Messenger
from trimtab.notify.redaction import redact
from trimtab.notify.wording import Words


def _pending() -> Pending:
    message = a_message()
    return Pending("1", "log", message.severity, message.title, message.body, attempt=1, at_us=7, model=message.model)


@pytest.mark.parametrize(
    ("template", "wrong"),
    [
        ("{{ nothing_of_that_name }}", "undefined"),
        ("{% if %}", "line 1"),
        ("{{ ''.__class__.__mro__ }}{{ cycler.__init__.__globals__ }}", "unsafe"),
        ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "time"),
        ("{{ 'x' * 10 ** 10 }}", "MemoryError"),
        ("{% include '/etc/passwd' %}", "TypeError"),
        (" ", "a title in its first line"),
    ],
)
def test_a_template_that_fails_is_noted_and_ours_is_used(tmp_path: Path, template: str, wrong: str) -> None:
    (tmp_path / "message.j2").write_text(template)
    words, parcel = Words(tmp_path), Parcel((_pending(),))
    found = words.of(parcel)
    assert (found.title, found.body) == ("chol is in another unit", "÷ 38.67")
    assert wrong in str(found.fault)
    assert "message.j2" in str(found.fault)
    assert words.of(parcel) == found
    (tmp_path / "message.j2").write_text("mended: {{ title }}")
    assert words.of(parcel).title == "mended: chol is in another unit"


def test_a_template_that_fails_is_audited_once_and_the_messages_leave(database: Database, tmp_path: Path) -> None:
    (tmp_path / "message.j2").write_text("{{ nothing_of_that_name }}")
    enqueued(database, a_message(), LOG)
    enqueued(database, a_message("second"), LOG)
    messenger = Messenger(database, [LOG], now_us=lambda: 0, templates=tmp_path)
    with structlog.testing.capture_logs() as lines:
        finish(messenger)
    assert [line["title"] for line in lines if line["event"] == "notification"] == ["chol is in another unit"] * 2
    with database.reading() as connection:
        [entry] = [one for one in show(connection) if one.action == "notification.template_failed"]
    assert "message.j2: UndefinedError: 'nothing_of_that_name' is undefined" in entry.reason


def test_a_project_says_it_in_its_own_words_for_each_kind(database: Database, tmp_path: Path) -> None:
    (tmp_path / "incident.j2").write_text("[{{ severity }}] {{ model }}: {{ title }}\n{{ body }}\nsee the runbook")
    (tmp_path / "message.j2").write_text("{{ title | upper }}\n{% for _ in range(90000) %}{{ body }}{% endfor %}")
    enqueued(database, replace(a_message(), kind=MessageKind.INCIDENT), LOG)
    enqueued(database, a_message("second"), LOG)
    messenger = Messenger(database, [LOG], now_us=lambda: 0, templates=tmp_path)
    with structlog.testing.capture_logs() as lines:
        finish(messenger)
    first, second = (line for line in lines if line["event"] == "notification")
    assert (first["title"], first["body"]) == (
        "[high] heart: chol is in another unit",
        "÷ 38.67\nsee the runbook",
    )
    assert second["title"] == "CHOL IS IN ANOTHER UNIT"
    assert len(second["body"]) == 20_000, "a template may write without end; nobody reads it"


def test_a_secret_is_taken_out_as_it_stands_in_the_address_and_decoded() -> None:
    told = redact("535 user p@ss/w0rd refused (p%40ss%2Fw0rd)", "mailto://user:p%40ss%2Fw0rd@mail.example.com")
    assert "w0rd" not in told
