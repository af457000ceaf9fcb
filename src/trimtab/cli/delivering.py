"""Delivers a file and waits until its rows are judged, for the commands that need that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trimtab.cli.client import Client
from trimtab.cli.output import errors_console, escaped
from trimtab.core.canonical import JsonObject
from trimtab.core.errors import BackendError, DataContractError

__all__ = ["await_judgement", "broken_rules", "deliver"]

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
    """Return what became of a delivery that was ``accepted``; see `deliver`. A terminal shows for how long we wait."""
    answer: JsonObject = {}

    def done() -> bool:
        answer.update(client.ask("data.delivery", delivery_id=accepted["delivery_id"]))
        return bool(answer["state"] != "received")

    with _waiting(file):
        judged = client.wait(done, timeout_s=_INGEST_TIMEOUT_S)
    if not judged:
        raise BackendError(f"{file}: accepted, but not judged within 10 minutes; see 'trimtab deliveries' later")
    if answer["state"] == "failed":
        reason = str(answer.get("error", "refused"))
        raise DataContractError(reason if reason.startswith(file.name) else f"{file.name}: {reason}")
    answer["repeated"] = accepted["repeated"]
    return answer


def broken_rules(answer: JsonObject) -> list[str]:
    """Return what became of a delivery's broken rows as lines of markup: how many broke which rule, and what to do."""
    remedies = answer.get("remedies", {})
    lines = []
    for rule, count in answer.get("reasons", {}).items():
        lines.append(f"  {count} × {escaped(rule)}")
        if rule in remedies:
            lines.append(f"      {escaped(remedies[rule])}")
    return lines


@contextmanager
def _waiting(file: Path) -> Iterator[None]:
    # Start-up cost: only wanted here.
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=errors_console, transient=True, disable=not errors_console.is_terminal) as bar:
        bar.add_task(f"the rows of {escaped(file.name)} ({file.stat().st_size / 1e6:.3g} MB) are judged", total=None)
        yield
