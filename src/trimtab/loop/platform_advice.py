"""What to do about the platform itself: processes that are down, and what the loop could not deliver."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trimtab.core.canonical import JsonObject
from trimtab.loop.standing import Undelivered
from trimtab.records.hindrance import JournalHealth
from trimtab.remediation.incidents import Incident

__all__ = ["Advice", "advice_about_platform"]

_WAITS = {
    "data": "what was delivered is kept, and waits to be judged",
    "projection": "MLflow cannot be told of versions",
}
"""What it means that a lane or a subscriber cannot go on."""


@dataclass(frozen=True, slots=True)
class Advice:
    """Why something is to be done, in one sentence, and the command that does it; None when one can only wait."""

    why: str
    command: str | None = None

    def to_json(self) -> JsonObject:
        """Return it as the API tells it."""
        return {"why": self.why, "command": self.command}


def advice_about_platform(
    *,
    processes: Sequence[JsonObject],
    found: Undelivered,
    hindered: str | None,
    serves_something: bool,
    logs: str,
    lanes: Mapping[str, str] | None = None,
    recording: Sequence[JournalHealth] = (),
    cases: Sequence[Incident] = (),
) -> list[Advice]:
    """Return what is wrong with the platform itself: processes that are down, events that did not arrive.

    ``hindered`` says what keeps the shipper from shipping, ``lanes`` which of the loop's lanes cannot go on, and why,
    ``recording`` whether the inference server's processes can record what they answer. ``cases`` are the open ones
    about no model.
    """
    return [
        *_a_process_is_down(processes, serves_something, logs),
        *_not_recorded(recording),
        *_nothing_is_shipped(hindered),
        *_something_waits({**(found.held or {}), **(lanes or {})}),
        *_something_was_not_delivered(found),
        *(Advice(f"an incident is open: {one.title}", f"trimtab incidents show {one.id}") for one in cases),
    ]


def _a_process_is_down(processes: Sequence[JsonObject], serves_something: bool, logs: str) -> list[Advice]:
    alive = {one["process"]: one["alive"] for one in processes}
    control, serving = alive.get("control-plane", False), alive.get("inference-server", False)
    if control and serving:
        return [] if alive.get("shipper", False) else [_no_shipper(logs)]
    if control:
        return [
            Advice(
                "the inference server is down: nothing is answered; 'trimtab up' starts it again by itself, "
                f"why it ended stands in {logs}",
                f"tail {shlex.quote(f'{logs}/inference-server.log')}",
            )
        ]
    if serving:
        return [Advice("the control plane is down: predictions are answered, but nothing is watched", "trimtab up")]
    if serves_something:
        return [Advice("nothing runs: no prediction is answered, nothing is watched", "trimtab up")]
    return [Advice("nothing runs yet; keep this in a terminal of its own", "trimtab up")]


def _no_shipper(logs: str) -> Advice:
    return Advice(
        "the shipper is down: predictions are answered and recorded, but do not reach the lake until it is back; "
        f"'trimtab up' starts it again by itself, why it ended stands in {logs}",
        f"tail {shlex.quote(f'{logs}/shipper.log')}",
    )


def _not_recorded(recording: Sequence[JournalHealth]) -> list[Advice]:
    """Say what cannot be recorded now; and, as long as the server runs that could not, what was not before."""
    hindered = next((one.hindered for one in recording if one.hindered is not None), None)
    refused = sum(one.rows_refused for one in recording)
    shed = sum(one.rows_shed for one in recording)
    if hindered is None and not refused and not shed:
        return []
    counted = f"{refused} rows were refused for it, {shed} were answered without a record"
    if hindered is None:
        return [Advice(f"the inference server could not record for a while: {counted}; it records again")]
    return [Advice(f"the inference server cannot record predictions ({hindered}): {counted}")]


def _nothing_is_shipped(hindered: str | None) -> list[Advice]:
    if hindered is None:
        return []
    return [Advice(f"recorded predictions do not reach the lake, it is tried again until it works: {hindered}")]


def _something_waits(held: Mapping[str, str]) -> list[Advice]:
    return [
        Advice(f"{_WAITS.get(part, f'{part} cannot go on')}, it is tried again until it works: {error}")
        for part, error in sorted(held.items())
    ]


def _something_was_not_delivered(found: Undelivered) -> list[Advice]:
    told = []
    if found.dead:
        events = "1 event was" if found.dead == 1 else f"{found.dead} events were"
        told.append(Advice(f"{events} given up after many attempts; mend the cause, then retry", "trimtab events list"))
    if found.unsent:
        messages = "1 message" if found.unsent == 1 else f"{found.unsent} messages"
        told.append(
            Advice(f"{messages} could not be sent to people; see why, and mend the route", "trimtab notify list")
        )
    return told
