"""Webhooks in ``trimtab.yaml``: what is left out has a meaning, and a secret never stands there."""

import itertools
from pathlib import Path

import pytest

from trimtab.config.project import ProjectFolder
from trimtab.config.webhooks import HmacAuth, PayloadKind
from trimtab.core.enums import Severity
from trimtab.core.errors import ConfigError


def project_with(folder: Path, webhooks: str) -> ProjectFolder:
    (folder / "trimtab.yaml").write_text(f"project: shop\n{webhooks}\n", encoding="utf-8")
    return ProjectFolder.open(folder)


def test_a_webhook_needs_a_name_and_a_secrets_name(tmp_path: Path) -> None:
    project = project_with(tmp_path, "webhooks: [{name: am, auth: {type: bearer, secrets: ['${AM_SECRET}']}}]")
    (webhook,) = project.config.webhooks
    assert webhook.payload is PayloadKind.ALERTMANAGER
    assert (webhook.model_label, webhook.endpoint_label) == ("model", "endpoint")
    assert project_with(tmp_path, "").config.webhooks == ()


def test_a_sender_of_another_make_is_described_by_fields(tmp_path: Path) -> None:
    project = project_with(
        tmp_path,
        """
webhooks:
  - name: grafana
    auth:
      type: hmac
      secrets: ["${NEW}", "${OLD}"]
      timestamp_header: X-Grafana-Alerting-Signature-Timestamp
      signature_header: X-Grafana-Alerting-Signature
      prefix: ""
      separator: ":"
    severities: {p1: critical}
""",
    )
    (webhook,) = project.config.webhooks
    assert isinstance(webhook.auth, HmacAuth)
    assert webhook.auth.secrets == ("${NEW}", "${OLD}")
    assert webhook.severity_of("p1") is Severity.CRITICAL
    assert webhook.severity_of("Warning") is Severity.MEDIUM
    assert webhook.severity_of("page") is Severity.CRITICAL
    assert webhook.severity_of(None) is webhook.severity_of("mauve") is Severity.MEDIUM


@pytest.mark.parametrize("written", ["hunter2-and-more-of-it", "Bearer ${AM}", "${AM}x", "$AM", "${}", "${9}", ""])
def test_a_secret_is_named_and_a_written_one_is_not_repeated(tmp_path: Path, written: str) -> None:
    with pytest.raises(ConfigError, match=r":2: .*secrets.*expected the name of a variable") as raised:
        project_with(tmp_path, f"webhooks: [{{name: am, auth: {{type: bearer, secrets: ['{written}']}}}}]")
    assert not written or written not in str(raised.value)


@pytest.mark.parametrize(
    ("webhook", "said"),
    [
        ("{name: am, auth: {type: basic, secrets: ['${A}']}}", "expected one of bearer, hmac"),
        ("{name: am, auth: {secrets: ['${A}']}}", "type: missing"),
        ("{name: am, auth: {type: bearer, secrets: []}}", "at least 1"),
        ("{name: am, auth: {type: bearer, secrets: ['${A}', '${B}', '${C}']}}", "at most 2"),
        ("{name: am, auth: {type: bearer, secrets: ['${A}'], separator: ':'}}", "another type has it"),
        ("{name: ../am, auth: {type: bearer, secrets: ['${A}']}}", "name: found '../am'"),
        ("{name: am}", "auth: missing"),
        ("{name: am, payload: slack, auth: {type: bearer, secrets: ['${A}']}}", "payload: found 'slack'"),
        ("{name: am, auth: {type: hmac, secrets: ['${A}'], tolerance: 2h}}", "must be 1s to 1h"),
        ("{name: am, auth: {type: hmac, secrets: ['${A}'], separator: ''}}", "separator"),
        ('{name: am, auth: {type: hmac, secrets: ["${A}"], signature_header: "X: y"}}', "signature_header"),
        (
            "{name: am, auth: {type: bearer, secrets: ['${A}']}}, {name: am, auth: {type: bearer, secrets: ['${B}']}}",
            "'am' is there twice",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, webhook: str, said: str) -> None:
    with pytest.raises(ConfigError, match=r"trimtab\.yaml:2: ") as raised:
        project_with(tmp_path, f"webhooks: [{webhook}]")
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("api", "said"),
    [
        ("{rate: {requests: {per_second: 0, burst: 1}}}", "per_second: found 0"),
        ("{rate: {requests: {per_second: 1}}}", "burst: missing"),
        ("{rate: {reads: null}}", "unknown field"),
        ("{trusted_proxies: [10.0.0.1/8]}", "write an address or a network"),
        ("{trusted_proxies: [proxy]}", "write an address or a network"),
    ],
)
def test_limits_that_are_none_are_refused(tmp_path: Path, api: str, said: str) -> None:
    with pytest.raises(ConfigError, match=r"trimtab\.yaml:2: ") as raised:
        project_with(tmp_path, f"api: {api}")
    assert said in str(raised.value)


LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 10)}]\n" for before, name in itertools.pairwise("abcdefghi")
)


@pytest.mark.parametrize(
    "bomb",
    [
        LAUGHS,
        "a: &a [*a]",
        "a: " + "[" * 5_000,
        "a: " + "{b: " * 2_000,
        "x: " + "y" * 1_000_001,
    ],
    ids=["laughs", "itself", "lists", "maps", "long"],
)
def test_a_bomb_of_yaml_is_refused_in_a_sentence(tmp_path: Path, bomb: str) -> None:
    with pytest.raises(ConfigError) as raised:
        project_with(tmp_path, bomb)
    assert len(str(raised.value)) < 500
