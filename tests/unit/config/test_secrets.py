"""A secret that is written out is refused, and the sentence that says so does not hold it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.config.loading import parse_yaml
from trimtab.config.project import ProjectConfig
from trimtab.core.errors import ConfigError


def _read(routes: str, more: str = "") -> ProjectConfig:
    text = f"project: p\nnotifications:\n{routes}\n{more}"
    return parse_yaml(text.encode(), ProjectConfig, source="trimtab.yaml")


@pytest.mark.parametrize(
    "url",
    [
        "mailtos://joe:hunter2@smtp.example.com",
        "mailtos://${USER}:hunter2@smtp.example.com",
        "mailtos://${USER}:${PASSWORD}hunter2@smtp.example.com",
        "mailtos://joe@smtp.example.com?pass=hunter2",
        "jsons://hooks.example.com/in?api_key=hunter2",
        "slack://hunter2/hunter2/hunter2/#ml",
        "pagerduty://hunter2@hunter2",
        "https://hooks.slack.com/services/hunter2",
        "https://[hunter2",
    ],
)
def test_an_address_with_a_written_secret_is_refused_without_telling_it(url: str) -> None:
    with pytest.raises(ConfigError, match=r"trimtab.yaml:3: notifications.0.url: .* written out; export it") as refused:
        _read(f"  - {{name: mail, url: '{url}'}}")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "log://",
        "mailto://127.0.0.1:2525?from=a@example.com&to=b@example.com",
        "mailtos://${USER}:${PASSWORD}@smtp.example.com:587/ann@example.com",
        "slack://${SLACK_TOKEN}/#ml-team",
        "pagerduty://${PAGERDUTY_KEY}@${PAGERDUTY_SERVICE}",
        "https://hooks.slack.com/services/${HOOK}",
        "${WHOLE}",
        "json://127.0.0.1:${PORT}/hook?token=${TOKEN}",
        "https://ops.example.com/in",
        "dbus://",
    ],
)
def test_an_address_without_secrets_or_with_references_is_taken(url: str) -> None:
    assert _read(f"  - {{name: mail, url: '{url}'}}").notifications[0].url == url


@pytest.mark.parametrize(
    "route",
    [
        "{name: a, url: 'https://x', secret: hunter2}",
        "{name: a, url: 'https://x', secret: [hunter2]}",
        "{name: a, url: [hunter2]}",
        # The whole route is what is wrong, and holds the address.
        "{name: a, url: 'mailtos://x/hunter2', fallback: a}",
        "[{name: a, url: 'mailtos://x/hunter2'}]",
    ],
)
def test_nothing_that_may_hold_a_secret_is_quoted(route: str) -> None:
    with pytest.raises(ConfigError) as refused:
        _read(f"  - {route}")
    assert "hunter2" not in str(refused.value)


@given(st.text(st.characters(categories=["L", "N", "P"], exclude_characters="/?#\\@'{}$[]"), min_size=4))
def test_no_password_gets_in_or_out(password: str) -> None:
    with pytest.raises(ConfigError) as refused:
        _read(f"  - {{name: mail, url: 'mailtos://joe:0{password}0@smtp.example.com'}}")
    assert f"0{password}0" not in str(refused.value)


def test_what_only_follows_from_a_slip_is_not_told() -> None:
    with pytest.raises(ConfigError) as refused:
        _read("  - {name: mail, url: 'log://', min_severity: loud}", "reports: {mail_to: [mail]}\n")
    assert "mail_to" not in str(refused.value)
