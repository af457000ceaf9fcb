"""Whether a project's own templates of messages can be filled: each once, with messages that are made up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trimtab.config.notifications import MessageKind
from trimtab.core.enums import Severity
from trimtab.notify.due import Parcel, Pending
from trimtab.notify.wording import Words

__all__ = ["template_faults"]

_MODEL = "a-model"


def template_faults(folder: Path) -> Iterator[str]:
    """Yield what is wrong with the templates in ``folder``, which need not be there, by file; a second for each."""
    words = Words(folder)
    for path in sorted(folder.glob("*.j2")):
        where = f"{path.parent.parent.name}/{path.parent.name}/{path.name}"
        parcels = _parcels(path)
        if parcels is None:
            kinds = ", ".join(MessageKind)
            yield f"{where}: no message is of kind {path.stem[:80]!r}; expected message, digest, {kinds}; rename it"
            continue
        for parcel in parcels:
            wording = words.of(parcel)
            if wording.fault is not None:
                yield f"{where}: {wording.fault.partition(': ')[2]}"
                break
            if "None" in f"{wording.title} {wording.body}":
                yield (
                    f"{where}: writes 'None' where a message is about no model; "
                    "write {{ model or 'the platform' }}, or {% if model %} around it"
                )


def _parcels(path: Path) -> list[Parcel] | None:
    """Return what the template is filled with: of a model, and of none; None where nothing ever is."""
    if path.stem == "digest":
        return [Parcel((_message(MessageKind.ALERT, _MODEL), _message(MessageKind.JOB, None)))]
    if path.stem == "message":
        general = [kind for kind in MessageKind if not path.with_name(f"{kind}.j2").is_file()]
        return [Parcel((_message(kind, model),)) for kind in general[:1] for model in (_MODEL, None)]
    if path.stem not in set(MessageKind):
        return None
    return [Parcel((_message(MessageKind(path.stem), model),)) for model in (_MODEL, None)]


def _message(kind: MessageKind, model: str | None) -> Pending:
    return Pending(
        id="1",
        route="a-route",
        severity=Severity.HIGH,
        title="what happened",
        body="in some words",
        attempt=1,
        at_us=1_893_456_000_000_000,
        model=model,
        kind=kind,
    )
