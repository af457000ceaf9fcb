"""Delivers a file and waits until its rows are judged, for the commands that need that."""

from __future__ import annotations

from pathlib import Path

from trimtab.cli.client import Client
from trimtab.core.canonical import JsonObject
from trimtab.core.errors import BackendError, DataContractError

__all__ = ["await_judgement", "deliver"]

_INGEST_TIMEOUT_S = 600.0


def deliver(client: Client, model: str, file: Path, *, feed: str | None) -> JsonObject:
    """Hand ``file`` over as rows for ``model``, and return what became of them.

    Raises:
        DataContractError: the file as a whole cannot be used.
        BackendError: it was not judged in time.
    """
    accepted = client.ask("data.ingest", model=model, path=str(file.resolve()), feed=feed)
    return await_judgement(client, accepted, file)


def await_judgement(client: Client, accepted: JsonObject, file: Path) -> JsonObject:
    """Return what became of a delivery that was ``accepted``; see `deliver`."""
    answer: JsonObject = {}

    def done() -> bool:
        answer.update(client.ask("data.delivery", delivery_id=accepted["delivery_id"]))
        return bool(answer["state"] != "received")

    if not client.wait(done, timeout_s=_INGEST_TIMEOUT_S):
        raise BackendError(f"{file}: accepted, but not judged within 10 minutes; see 'trimtab deliveries' later")
    if answer["state"] == "failed":
        reason = str(answer.get("error", "refused"))
        raise DataContractError(reason if reason.startswith(file.name) else f"{file.name}: {reason}")
    answer["repeated"] = accepted["repeated"]
    return answer
