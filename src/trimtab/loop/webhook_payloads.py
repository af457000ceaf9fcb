"""What senders of alerts write, as alerts: Alertmanager's document (Grafana writes the same), and one of our own.

What cannot be used is told alert by alert: one odd alert does not keep the others out.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from trimtab.config.loading import Strict
from trimtab.config.webhooks import PayloadKind, WebhookConfig
from trimtab.core.canonical import digest_of
from trimtab.core.clock import to_micros
from trimtab.core.errors import DataContractError
from trimtab.loop.outside_alerts import OutsideAlert

__all__ = ["MOST_ALERTS", "UnusableAlert", "read_alerts"]

MOST_ALERTS = 1_000
_MOST_LEVELS = 8
_MOST_TEXTS = 64
_NAME_CHARS, _TEXT_CHARS = 128, 1_000
_FIRST_YEAR = 1970
_AHEAD = timedelta(hours=1)
"""How far a sender's clock may be ahead."""


@dataclass(frozen=True, slots=True)
class UnusableAlert:
    """An alert of which nothing can be made, by its place in the message, and why."""

    position: int
    why: str


class _Status(StrEnum):
    FIRING = "firing"
    RESOLVED = "resolved"


_Texts = Annotated[dict[str, str], Field(max_length=_MOST_TEXTS)]


class _Alertmanager(BaseModel):
    """An alert as Alertmanager writes it. What others add is left aside: the document is theirs."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    status: _Status
    labels: _Texts = Field(default_factory=dict)
    annotations: _Texts = Field(default_factory=dict)
    starts_at: AwareDatetime = Field(alias="startsAt")
    ends_at: AwareDatetime | None = Field(default=None, alias="endsAt")
    fingerprint: str = Field(default="", max_length=_NAME_CHARS)

    @property
    def name(self) -> str:
        return self.labels.get("alertname", "")


class _Generic(Strict):
    """An alert as a program of one's own may write it."""

    name: str = Field(min_length=1, max_length=_NAME_CHARS)
    status: _Status = _Status.FIRING
    starts_at: AwareDatetime
    ends_at: AwareDatetime | None = None
    labels: _Texts = Field(default_factory=dict)
    annotations: _Texts = Field(default_factory=dict)
    fingerprint: str = Field(default="", max_length=_NAME_CHARS)


_SHAPES: Mapping[PayloadKind, type[_Alertmanager] | type[_Generic]] = {
    PayloadKind.ALERTMANAGER: _Alertmanager,
    PayloadKind.GENERIC: _Generic,
}


def read_alerts(
    webhook: WebhookConfig, body: bytes, *, now: datetime
) -> tuple[tuple[OutsideAlert, ...], tuple[UnusableAlert, ...]]:
    """Return the alerts of a message in their order, and those of which nothing can be made.

    One that begins more than an hour after ``now`` is of no use: until then nothing could end it.

    Raises:
        DataContractError: it is no JSON that can be read, holds no list of 1 to 1 000 alerts, or none can be used.
    """
    subject = f"webhook {webhook.name!r}"
    content = _json(subject, body)
    found = content.get("alerts") if isinstance(content, dict) else None
    if not isinstance(found, list) or not 1 <= len(found) <= MOST_ALERTS:
        raise DataContractError(f"{subject}: {_unfit(found)}")
    alerts: list[OutsideAlert] = []
    unusable: list[UnusableAlert] = []
    for position, one in enumerate(found):
        try:
            told = _SHAPES[webhook.payload].model_validate(one)
        except ValidationError as error:
            unusable.append(UnusableAlert(position, _why(error)))
            continue
        if told.starts_at > now + _AHEAD:
            why = f"begins at {told.starts_at.isoformat()}, which has not come; set the sender's clock"
            unusable.append(UnusableAlert(position, why))
            continue
        alerts.append(_alert(webhook, told))
    if not alerts:
        raise DataContractError(
            f"{subject}: alert {unusable[0].position}: {unusable[0].why}; none of {len(found)} can be used; "
            f"write them as payload {webhook.payload.value!r} says"
        )
    return tuple(alerts), tuple(unusable)


def _alert(webhook: WebhookConfig, told: _Alertmanager | _Generic) -> OutsideAlert:
    labels = _clean(told.labels)
    name = _printable(told.name, _NAME_CHARS) or "alert"
    return OutsideAlert(
        name=name,
        fingerprint=_printable(told.fingerprint, _NAME_CHARS) or digest_of([name, labels])[:16],
        firing=told.status is _Status.FIRING,
        starts_us=_micros(told.starts_at),
        # The end of what still fires is the year 1, or a guess.
        ends_us=_micros(told.ends_at) if told.ends_at is not None and told.status is _Status.RESOLVED else None,
        labels=labels,
        annotations=_clean(told.annotations),
        model=labels.get(webhook.model_label) or None,
        endpoint=labels.get(webhook.endpoint_label) or None,
        severity=webhook.severity_of(labels.get("severity")),
    )


def _micros(moment: datetime) -> int:
    """Return the moment; one before 1970 is no alert's, and would lie where times cannot be reckoned with."""
    return to_micros(moment) if moment.year > _FIRST_YEAR else 0


def _clean(texts: Mapping[str, str]) -> dict[str, str]:
    return {_printable(name, _NAME_CHARS): _printable(text, _TEXT_CHARS) for name, text in texts.items()}


def _printable(text: str, chars: int) -> str:
    """Return ``text`` without what steers a terminal or no database takes (NUL, half a surrogate pair), cut to fit."""
    return "".join(char if char.isprintable() else " " for char in text[:chars])


def _why(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(_printable(str(part), _NAME_CHARS) for part in first["loc"]) or "it"
    said = first["msg"].removeprefix("Value error, ")
    return f"{where}: {said[:1].lower()}{said[1:]}"[:300]


def _unfit(found: object) -> str:
    if not isinstance(found, list):
        return f"found no list of alerts; expected 1 to {MOST_ALERTS} as 'alerts'; send them as such"
    if not found:
        return "found an empty list of alerts; expected one at least; send nothing where there is none"
    return f"found {len(found)} alerts; expected {MOST_ALERTS} at most; send fewer at once"


def _json(subject: str, body: bytes) -> Any:
    try:
        text = body.decode("utf-8")
        content = json.loads(text, object_pairs_hook=_once_each, parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise DataContractError(f"{subject}: byte {error.start} is not UTF-8; send JSON in UTF-8") from None
    except RecursionError:
        raise DataContractError(f"{subject}: nested too deeply; {_LEVELS_TOLD}") from None
    except ValueError as error:
        raise DataContractError(f"{subject}: no JSON to be read ({str(error)[:200]}); send a JSON object") from None
    if _levels(content) > _MOST_LEVELS:
        raise DataContractError(f"{subject}: nested too deeply; {_LEVELS_TOLD}")
    return content


_LEVELS_TOLD = f"expected at most {_MOST_LEVELS} levels; leave out what nests so"


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name that stands twice: which of them counts differs between programs, so a check may see another."""
    content = {_whole(name): _whole(value) for name, value in pairs}
    if len(content) < len(pairs):
        twice = Counter(_whole(name) for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"{_printable(twice, 80)!r} stands twice in one object")
    return content


def _whole(value: Any) -> Any:
    """Return a text without halves of surrogate pairs, which escapes of JSON can make, and anything else as it is."""
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number of JSON")


def _levels(content: Any) -> int:
    """Return how many levels of objects and lists there are; looks no deeper than matters."""
    levels, here = 0, [content]
    while here and levels <= _MOST_LEVELS:
        inner = [one for one in here if isinstance(one, dict | list)]
        if not inner:
            break
        levels += 1
        here = [part for one in inner for part in (one.values() if isinstance(one, dict) else one)]
    return levels
