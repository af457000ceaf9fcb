"""``notifications`` of ``trimtab.yaml``: who is told what, how often, and who instead when that fails."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Self

from pydantic import Field, field_validator, model_validator

from trimtab.config.durations import Duration
from trimtab.config.loading import Strict
from trimtab.config.model import Name
from trimtab.config.secrets import ChannelAddress, SecretReference
from trimtab.core.enums import Severity

__all__ = ["MessageKind", "NotificationRoute", "check_fallbacks"]

_LONGEST_DIGEST = timedelta(days=7)


class MessageKind(StrEnum):
    """What a message is about."""

    ALERT = "alert"
    INCIDENT = "incident"
    APPROVAL = "approval"
    ACTION = "action"
    VERSION = "version"
    JOB = "job"
    AUTONOMY = "autonomy"
    REPORT = "report"
    PLATFORM = "platform"


class NotificationRoute(Strict):
    """Where messages of a severity go."""

    name: Name
    url: ChannelAddress = Field(
        description=(
            "An Apprise URL ('slack://…', 'mailtos://…', 'pagerduty://…'), 'log://' for the structured log, or, with "
            "`secret`, an https address that takes signed JSON. Secrets by reference: 'slack://${SLACK_TOKEN}'."
        )
    )
    min_severity: Severity = Field(default=Severity.LOW, description="Messages below it are not sent here.")
    models: tuple[Name, ...] = Field(default=(), description="Only these models; empty means all.")
    kinds: tuple[MessageKind, ...] = Field(
        default=(),
        description=(
            "Only messages of these kinds (alert, incident, approval, action, version, job, autonomy, report, "
            "platform); empty means all."
        ),
    )
    secret: SecretReference | None = Field(
        default=None,
        description="Signs what is posted to `url` (HMAC-SHA256); a reference such as '${HOOK_SECRET}'.",
    )
    fallback: Name | None = Field(
        default=None, description="The route that takes over a message which could not be sent here three times."
    )
    digest: Duration | None = Field(
        default=None,
        description="Gather what is not critical for this long ('15m', '1d'), and send it as one message.",
    )
    approver: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$",
        description=(
            "The person whose own mailbox or direct message this is, as `trimtab keys` names the owner of their key: "
            "messages of what waits for approval bring links by which they decide. Never for what others read, too."
        ),
    )
    per_hour: int | None = Field(
        default=60,
        ge=1,
        description="Messages an hour; what is beyond waits and goes out as one. Critical ones go at once. Null: any.",
    )

    @field_validator("digest")
    @classmethod
    def _of_a_length_people_read(cls, digest: timedelta | None) -> timedelta | None:
        if digest is not None and not timedelta(0) < digest <= _LONGEST_DIGEST:
            raise ValueError("must be above 0s and 7d at most; e.g. '15m'")
        return digest

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.fallback == self.name:
            raise ValueError(f"route {self.name!r} falls back to itself; name another route, or none")
        if self.approver is not None and (self.url.startswith("log://") or self.digest is not None):
            raise ValueError(
                f"route {self.name!r}: has approver {self.approver!r}, but a link must not stand in a log, nor wait "
                "for a digest; give the person a route of their own"
            )
        if self.secret is not None and not self.url.startswith(("http://", "https://")):
            raise ValueError(
                f"route {self.name!r}: only what is posted to an http(s) address can be signed; remove secret, or give "
                "such a url"
            )
        return self


def check_fallbacks(routes: tuple[NotificationRoute, ...]) -> tuple[NotificationRoute, ...]:
    """Return ``routes`` unchanged if each is named once and falls back to one that is there, in no circle.

    Raises:
        ValueError: not so; the sentence says which.
    """
    by_name = {route.name: route for route in routes}
    if len(by_name) != len(routes):
        names = [route.name for route in routes]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"route {twice!r} is there twice; give each route a name of its own")
    for route in routes:
        seen, at = {route.name}, route
        while at.fallback is not None:
            if at.fallback not in by_name:
                raise ValueError(f"route {at.name!r} falls back to {at.fallback!r}, which is none; correct the name")
            if at.fallback in seen:
                raise ValueError(f"route {route.name!r} falls back in a circle; let one of them have no fallback")
            seen.add(at.fallback)
            at = by_name[at.fallback]
    return routes
