"""What can be made of a message of alerts, and what is said of what cannot."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.config.webhooks import BearerAuth, PayloadKind, WebhookConfig
from trimtab.core.clock import to_micros
from trimtab.core.enums import Severity
from trimtab.core.errors import DataContractError
from trimtab.loop.webhook_payloads import MOST_ALERTS, read_alerts

AUTH = BearerAuth(type="bearer", secrets=("${A}",))
AM = WebhookConfig(name="am", auth=AUTH)
OURS = WebhookConfig(name="script", payload=PayloadKind.GENERIC, auth=AUTH)
NOW = datetime(2026, 11, 21, 21, tzinfo=UTC)

FIRING: dict[str, Any] = {
    "status": "firing",
    "labels": {"alertname": "TrimtabSlow", "endpoint": "bike", "severity": "critical"},
    "annotations": {"summary": "one in a hundred takes 300 ms\nor more"},
    "startsAt": "2026-11-21T20:23:47.688654327Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "",
    "fingerprint": "d2c2efc389db2050",
}
"""As Alertmanager 0.25 writes it."""

texts = st.text(st.characters(blacklist_categories=()), max_size=20)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=10
)


def document(*alerts: Any, **fields: Any) -> bytes:
    around = {"receiver": "t", "version": "4", "groupLabels": {}, "truncatedAlerts": 0}
    return json.dumps({**around, "alerts": alerts, **fields}).encode()


def read(body: bytes, webhook: WebhookConfig = AM) -> Any:
    return read_alerts(webhook, body, now=NOW)


def test_an_alert_of_alertmanager_says_what_where_since_when_and_how_loud() -> None:
    ((alert,), unusable) = read(document(FIRING))
    assert unusable == ()
    assert (alert.name, alert.fingerprint, alert.firing) == ("TrimtabSlow", "d2c2efc389db2050", True)
    assert alert.starts_us == to_micros(datetime(2026, 11, 21, 20, 23, 47, 688654, tzinfo=UTC))
    assert alert.ends_us is None, "the year 1 is no end"
    assert (alert.model, alert.endpoint, alert.severity) == (None, "bike", Severity.CRITICAL)
    assert alert.annotations["summary"] == "one in a hundred takes 300 ms or more"


def test_a_resolved_one_has_an_end() -> None:
    ((alert,), _) = read(document({**FIRING, "status": "resolved", "endsAt": "2026-11-21T22:30:00+02:00"}))
    assert not alert.firing
    assert alert.ends_us == to_micros(datetime(2026, 11, 21, 20, 30, tzinfo=UTC))


def test_labels_may_be_called_otherwise() -> None:
    webhook = AM.model_copy(update={"model_label": "ml_model", "severities": {"p1": Severity.HIGH}})
    labels = {"alertname": "A", "ml_model": "bike", "model": "mistral", "severity": "p1"}
    ((alert,), _) = read(document({**FIRING, "labels": labels}), webhook)
    assert (alert.model, alert.severity) == ("bike", Severity.HIGH)


def test_without_a_fingerprint_the_labels_tell_alerts_apart() -> None:
    bare = {"status": "firing", "startsAt": FIRING["startsAt"]}
    ((one, other, same), _) = read(
        document(*({**bare, "labels": {"alertname": "A", "host": host}} for host in ("a", "b", "a")))
    )
    assert one.fingerprint == same.fingerprint != other.fingerprint


def test_a_program_of_ones_own_writes_less() -> None:
    body = {"name": "nightly export failed", "starts_at": "2026-11-21T20:00:00Z", "labels": {"model": "bike"}}
    ((alert,), _) = read(document(body), OURS)
    assert (alert.name, alert.firing, alert.model) == ("nightly export failed", True, "bike")


def test_one_odd_alert_does_not_keep_the_others_out() -> None:
    future = {**FIRING, "startsAt": "2026-11-22T20:00:00Z"}
    odd: list[Any] = [None, "x", {}, {**FIRING, "status": "maybe"}, {**FIRING, "startsAt": "noon"}, future]
    odd += [{**FIRING, "labels": {"a": 1}}, {**FIRING, "labels": {str(n): "" for n in range(65)}}]
    odd += [{**FIRING, "startsAt": "2026-11-21T20:23:47"}]
    alerts, unusable = read(document(*odd, FIRING))
    assert len(alerts) == 1
    assert [one.position for one in unusable] == list(range(len(odd)))
    assert unusable[5].why.startswith("begins at 2026-11-22T20:00:00+00:00, which has not come")
    assert all(one.why.isprintable() for one in unusable)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "no JSON to be read"),
        (b"hello", "no JSON to be read"),
        (b"\xff\xfe", "byte 0 is not UTF-8"),
        (b'{"alerts": [NaN]}', "NaN is no number of JSON"),
        (b'{"alerts": [], "alerts": []}', "'alerts' stands twice"),
        (b'{"\\u001b[31m": 1, "\\u001b[31m": 2}', "stands twice"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"alerts": [' + b'{"a":' * 9 + b"1" + b"}" * 9 + b"]}", "nested too deeply"),
        (b"9" * 5_000, "no JSON to be read"),
        (b"null", "no list of alerts"),
        (b"[]", "no list of alerts"),
        (b'{"alerts": {}}', "no list of alerts"),
        (b'{"alerts": []}', "found an empty list of alerts; expected one at least"),
        (b'{"alerts": [' + b"{}," * MOST_ALERTS + b"{}]}", "found 1001 alerts"),
        (b'{"alerts": [{}]}', "none of 1 can be used"),
    ],
)  # fmt: skip
def test_a_message_that_is_none_is_told_in_a_sentence(body: bytes, said: str) -> None:
    with pytest.raises(DataContractError) as raised:
        read(body)
    told = str(raised.value)
    assert said in told
    assert told.startswith("webhook 'am': ")
    assert told.isprintable()
    assert len(told) < 600


def test_what_steers_terminals_or_breaks_databases_is_taken_out() -> None:
    evil = "\x00\x1b[31m\ud800\u202e"
    labels = {"alertname": f"A{evil}", f"x{evil}": evil, "model": f"bike{evil}"}
    ((alert,), _) = read(
        document({**FIRING, "labels": labels, "annotations": {"s": evil * 1_000}, "fingerprint": evil})
    )
    told = [
        alert.name,
        alert.fingerprint,
        alert.model,
        *alert.labels,
        *alert.labels.values(),
        *alert.annotations.values(),
    ]
    for text in told:
        assert text is not None
        assert text.isprintable()
        assert text.encode("utf-8").decode("utf-8") == text
    assert max(map(len, told)) <= 1_000


@given(
    alert=st.fixed_dictionaries(
        {},
        optional={
            "status": st.sampled_from(["firing", "resolved"]) | anything,
            "labels": st.dictionaries(texts, texts, max_size=3) | anything,
            "annotations": st.dictionaries(texts, texts, max_size=3) | anything,
            "startsAt": st.datetimes().map(lambda at: f"{at.isoformat()}Z") | anything,
            "endsAt": st.datetimes().map(lambda at: f"{at.isoformat()}+14:00") | anything,
            "fingerprint": texts | anything,
        },
    )
)
def test_whatever_an_alert_holds_it_is_read_or_refused(alert: dict[str, Any]) -> None:
    try:
        alerts, _ = read(document(alert))
    except DataContractError:
        return
    assert alerts[0].starts_us <= to_micros(NOW) + 3_600_000_000
    json.dumps([alerts[0].name, dict(alerts[0].labels)]).encode()
