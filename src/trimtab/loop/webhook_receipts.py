"""Takes a message of alerts once: what was signed and taken before is answered as it was then, and does nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete, insert, select

from trimtab.config.webhooks import HmacAuth, WebhookConfig
from trimtab.core.canonical import JsonObject
from trimtab.core.crashpoints import reached
from trimtab.db.engine import Connection, machine_us
from trimtab.db.tables import webhook_receipt
from trimtab.loop.outside_alerts import OutsideAlert, Taken, files_named, take_alerts
from trimtab.loop.platform import Platform
from trimtab.loop.webhook_payloads import UnusableAlert, read_alerts

__all__ = ["take_message"]

_PIECE = 50
"""So many alerts are taken in a transaction: whoever else writes waits for those, and not for a storm."""


def take_message(platform: Platform, webhook: WebhookConfig, body: bytes, receipt: str | None) -> JsonObject:
    """Take the alerts of a message into cases, and say what became of each.

    ``receipt`` is the digest of what was signed: with it, the answer is kept in the transaction that takes the last of
    the alerts, so that a message whose answer was lost, or that somebody recorded and sends again, finds it. Without (a
    bearer's message) nothing is kept, since each alert is taken once in any case; nor is it of one that was taken in
    part.

    Raises:
        DataContractError: nothing can be made of the message.
        BackendError: the database cannot be asked.
    """
    if receipt is not None:
        with platform.database.reading() as connection:
            before = _answered(connection, webhook, receipt)
        if before is not None:
            return {**before, "replayed": True}
    alerts, unusable = read_alerts(webhook, body, now=platform.clock.now())
    files, taken = files_named(platform, alerts), list[Taken]()
    for piece in _pieces(alerts):
        with platform.database.transaction() as connection:
            before = None if receipt is None else _answered(connection, webhook, receipt)
            if before is not None:
                return {**before, "replayed": True}
            taken += take_alerts(connection, platform, f"webhook:{webhook.name}", piece, files)
            if receipt is not None and len(taken) == len(alerts):
                _keep(connection, webhook, receipt, _told(taken, unusable))
    answer = _told(taken, unusable)
    for one in answer["alerts"]:
        platform.doors.took(webhook.name, one["result"])
    reached("webhook.taken")
    return {**answer, "replayed": False}


def _pieces(alerts: Sequence[OutsideAlert]) -> list[Sequence[OutsideAlert]]:
    """Return the alerts in pieces; one without any where there are none, since that message was taken too."""
    return [alerts[start : start + _PIECE] for start in range(0, len(alerts), _PIECE)] or [()]


def _told(taken: Sequence[Taken], unusable: Sequence[UnusableAlert]) -> JsonObject:
    """Return one line an alert, in the order of the message."""
    lines: list[JsonObject] = [
        {"fingerprint": one.fingerprint, "result": one.result.value, "incident_id": one.incident_id, "why": None}
        for one in taken
    ]
    for one in unusable:
        told = {"fingerprint": None, "result": "unusable", "incident_id": None, "why": one.why}
        lines.insert(one.position, told)
    return {"alerts": lines}


def _answered(connection: Connection, webhook: WebhookConfig, receipt: str) -> JsonObject | None:
    ours = webhook_receipt.c.source == webhook.name, webhook_receipt.c.digest == receipt
    answer: JsonObject | None = connection.execute(select(webhook_receipt.c.answer).where(*ours)).scalar()
    return answer


def _keep(connection: Connection, webhook: WebhookConfig, receipt: str, answer: JsonObject) -> None:
    """Store the answer, and remove those of messages that would be refused as late by now, with as long to spare."""
    now_us = machine_us()
    old_us = now_us - 2 * _tolerance(webhook) // timedelta(microseconds=1)
    here = webhook_receipt.c.source == webhook.name
    connection.execute(delete(webhook_receipt).where(here, webhook_receipt.c.received_us < old_us))
    connection.execute(
        insert(webhook_receipt).values(source=webhook.name, digest=receipt, received_us=now_us, answer=answer)
    )


def _tolerance(webhook: WebhookConfig) -> timedelta:
    return webhook.auth.tolerance if isinstance(webhook.auth, HmacAuth) else timedelta(0)
