"""``webhooks`` of ``trimtab.yaml``: who may tell us of alerts, in which form, and how we know that it is them."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, field_validator

from trimtab.config.durations import Duration
from trimtab.config.loading import Strict
from trimtab.config.model import Name
from trimtab.config.secrets import SecretReference
from trimtab.core.enums import Severity

__all__ = ["BearerAuth", "HmacAuth", "PayloadKind", "WebhookConfig"]

_HEADER = r"^[A-Za-z][A-Za-z0-9-]{0,63}$"
_SEVERITIES = {
    "critical": Severity.CRITICAL,
    "page": Severity.CRITICAL,
    "error": Severity.HIGH,
    "high": Severity.HIGH,
    "warning": Severity.MEDIUM,
    "medium": Severity.MEDIUM,
    "low": Severity.LOW,
    "info": Severity.LOW,
    "none": Severity.LOW,
}


class PayloadKind(StrEnum):
    """How a sender writes its alerts."""

    ALERTMANAGER = "alertmanager"
    GENERIC = "generic"


Secrets = Annotated[
    tuple[SecretReference, ...],
    Field(min_length=1, max_length=2, description="One variable of the environment; two while a secret is changed."),
]


class BearerAuth(Strict):
    """The sender brings the secret itself: ``Authorization: Bearer SECRET``."""

    type: Literal["bearer"]
    secrets: Secrets


class HmacAuth(Strict):
    """The sender signs the moment and the body with the secret."""

    type: Literal["hmac"]
    secrets: Secrets
    timestamp_header: str = Field(
        default="X-Trimtab-Timestamp", pattern=_HEADER, description="Holds seconds since 1970, UTC."
    )
    signature_header: str = Field(
        default="X-Trimtab-Signature",
        pattern=_HEADER,
        description="Holds one signature or several, parted by commas: HMAC-SHA256 in hexadecimal.",
    )
    prefix: str = Field(
        default="v1=", max_length=16, description="What stands before each signature; others are skipped."
    )
    separator: str = Field(
        default=".", min_length=1, max_length=1, description="What stands between moment and body in what is signed."
    )
    tolerance: Duration = Field(
        default="5m",
        validate_default=True,
        description="How far the sender's clock may differ from this machine's, and how late a message may come.",
    )

    @field_validator("tolerance")
    @classmethod
    def _some(cls, tolerance: timedelta) -> timedelta:
        if not timedelta(seconds=1) <= tolerance <= timedelta(hours=1):
            raise ValueError("must be 1s to 1h; what is taken so late is remembered for twice as long")
        return tolerance


class WebhookConfig(Strict):
    """One sender of alerts; its messages go to ``POST /v1/webhooks/NAME``."""

    name: Name
    payload: PayloadKind = Field(
        default=PayloadKind.ALERTMANAGER,
        description="`alertmanager`, which Grafana writes too, or `generic`: one of our own.",
    )
    auth: BearerAuth | HmacAuth = Field(discriminator="type", description="How we know that it is the sender.")
    model_label: str = Field(default="model", min_length=1, max_length=128, description="The label that names a model.")
    endpoint_label: str = Field(
        default="endpoint", min_length=1, max_length=128, description="The label that names an endpoint."
    )
    severities: dict[str, Severity] = Field(
        default_factory=dict,
        description=(
            "What values of the label `severity` mean here, beside "
            + ", ".join(f"{word} ({severity})" for word, severity in _SEVERITIES.items())
            + "; any other is medium."
        ),
    )

    def severity_of(self, word: str | None) -> Severity:
        """Return how loud an alert is whose label ``severity`` is ``word``."""
        if word is None:
            return Severity.MEDIUM
        return self.severities.get(word) or _SEVERITIES.get(word.lower(), Severity.MEDIUM)
