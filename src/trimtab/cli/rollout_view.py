"""A rollout while it runs, as a person watches it: who gets which share, what is known of each limit, and why."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from trimtab.cli.client import Client
from trimtab.cli.output import console, drawn_rows, json_text
from trimtab.core.canonical import JsonObject

__all__ = ["Got", "Shown", "drawn_rollout", "line_of", "next_moves", "shown_live", "watched"]

_BAR: Final = 30
_SAID_EVERY_S: Final = 2.0
_LONGEST: Final = 200
_HELD: Final = frozenset({"waiting_for_person", "paused"})
_COLOURS: Final = {"breach": "red", "inconclusive": "yellow", "ok": "green"}
_WORDS: Final = {"breach": "broken", "inconclusive": "open", "ok": "kept"}
_TONES: Final = {"promoted": "green", "rolled_back": "red", "failed": "red"}
_LABELS: Final = {"latency_p95_ms": "above latency_p95_ms"}
_PER_CENT: Final = (
    "error_rate",
    "refusal_rate",
    "latency_p95_ms",
    "agreement",
    "prediction_shift",
    "degradation:",
    "estimated:",
)


@dataclass(frozen=True, slots=True)
class Got:
    """What the callers of a version got, as they counted it themselves."""

    answered: int = 0
    failed: int = 0
    right: int = 0

    @property
    def text(self) -> str:
        """It in words.

        >>> Got(200, 3, 150).text
        '200 answers, 75 % of them right, 3 failed'
        """
        right = f", {self.right / self.answered:.0%} of them right".replace("%", " %") if self.answered else ""
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.answered} answers{right}{failed}"


Shown = Callable[[JsonObject, Mapping[int, Got]], None]
"""Shows the rollout as `rollouts.show` tells it, and what callers got of each version."""


@contextmanager
def shown_live() -> Iterator[Shown]:
    """Draw in place on a terminal, where the last drawing stays; elsewhere write a line a move, and some in between."""
    if console.is_terminal:
        # Start-up cost: only wanted here.
        from rich.live import Live

        with Live(console=console, auto_refresh=False) as live:
            yield lambda rollout, got: live.update(drawn_rollout(rollout, got), refresh=True)
        return
    before: tuple[object, ...] = ()
    said = ""
    due_s = 0.0

    def say(rollout: JsonObject, got: Mapping[int, Got]) -> None:
        nonlocal before, due_s, said
        stands, line = (rollout["phase"], rollout["weight_pct"]), line_of(rollout, got)
        if stands != before or (line != said and time.monotonic() >= due_s):
            before, said, due_s = stands, line, time.monotonic() + _SAID_EVERY_S
            console.print(line, markup=False)

    yield say


def watched(client: Client, rollout_id: str, *, as_json: bool) -> JsonObject:
    """Show a rollout until it has ended or a person is needed, and return it; as JSON, a line each time it changes."""
    answer: JsonObject = {}
    with nullcontext(_written) if as_json else shown_live() as show:

        def is_over() -> bool:
            newest = client.ask("rollouts.show", rollout_id=rollout_id)
            if not as_json or newest != answer:
                show(newest, {})
            answer.update(newest)
            return not newest["active"] or newest["phase"] in _HELD

        client.wait(is_over, timeout_s=math.inf)
    return answer


def _written(rollout: JsonObject, _got: Mapping[int, Got]) -> None:
    sys.stdout.write(json_text({name: value for name, value in rollout.items() if name != "log"}) + "\n")
    sys.stdout.flush()


def line_of(rollout: JsonObject, got: Mapping[int, Got]) -> str:
    """Return how it stands in one line."""
    shares = ", ".join(f"v{number} {share:g} %" for number, share in _shares(rollout).items())
    heard = "; ".join(f"v{number}: {one.text}" for number, one in sorted(got.items()) if one.answered or one.failed)
    return (
        f"{rollout['phase']}: {shares}" + (f" [{heard}]" if heard else "") + f"; {_shortened(str(rollout['reason']))}"
    )


def drawn_rollout(rollout: JsonObject, got: Mapping[int, Got]) -> RenderableType:
    """Return how it stands as a drawing: a bar a version, a row a limit."""
    phase = str(rollout["phase"])
    head = Text.assemble(
        (str(rollout["model"]), "bold"), f"  version {rollout['candidate']}: ", (phase, _TONES.get(phase, "yellow"))
    )
    bars = [
        _bar(number, share, "new" if number == rollout["candidate"] else "before", got.get(number))
        for number, share in _shares(rollout).items()
    ]
    # What has no error rate is no limit of the strategy: whether it is loaded, its smoke test.
    rows = [_row(piece) for piece in _evidence(rollout) if piece["alpha"] is not None]
    table = [drawn_rows(rows, tuple(rows[0]), console.width)] if rows else []
    return Group(head, *bars, *table, Text(_way(rollout), style="dim"), Text(_shortened(str(rollout["reason"]))))


def next_moves(rollout: JsonObject) -> str | None:
    """Return what a person can do about a rollout that is held; None where it goes on by itself, or is over.

    What is breached is taken back rather than promoted.
    """
    if rollout["phase"] not in _HELD:
        return None
    possible = ["resume", "promote", "abort"] if rollout["promotable"] else ["resume", "abort"]
    if (rollout["last"] or {}).get("verdict") == "breach":
        possible.reverse()
    moves = " | ".join(possible)
    return f"decide: trimtab rollouts {moves} {rollout['rollout_id']} --reason WHY"


def _evidence(rollout: JsonObject) -> Sequence[Mapping[str, Any]]:
    """Return the newest there is: of the last decision, or of a look since, as a held rollout goes on being seen."""
    told = [one for one in (rollout["last"], rollout.get("newest")) if one is not None and one.get("evidence")]
    newest = max(told, key=lambda one: int(one.get("at_us", 0)), default=None)
    return () if newest is None else newest["evidence"]


def _shortened(reason: str) -> str:
    """Return a reason without its end where it is long: the rows above it say the same of each limit."""
    return reason if len(reason) <= _LONGEST else f"{reason[:_LONGEST]}…"


def _way(rollout: JsonObject) -> str:
    """Return how it came here, in seconds since its start."""
    stations = [
        f"{(entry['at_us'] - rollout['started_us']) / 1_000_000:.1f} s {entry['to'].replace('_', ' ')} "
        f"{float(Decimal(str(entry['state']['weight_pct']))):g} %"
        for entry in rollout["log"]
    ]
    return " → ".join(["0 s staging 0 %", *stations])


def _shares(rollout: JsonObject) -> dict[int, float]:
    """Return the share of each live version, the stable one first."""
    share = float(Decimal(str(rollout["weight_pct"])))
    stable = {} if rollout["stable"] is None else {int(rollout["stable"]): 100.0 - share}
    return {**stable, int(rollout["candidate"]): share}


def _bar(number: int, share: float, which: str, got: Got | None) -> Text:
    full = round(share / 100 * _BAR)
    # However small its share is, callers get it.
    full = max(full, 1) if share > 0 else 0
    colour = "cyan" if which == "new" else "green"
    named = f"version {number} ({which})"
    text = Text.assemble(
        f"  {named:<20}",
        ("█" * full, colour),
        ("░" * (_BAR - full), "dim"),
        (f" {share:5.4g} %", "bold"),
    )
    return text if got is None else text.append(f"   {got.text}")


def _row(piece: Mapping[str, Any]) -> dict[str, Text]:
    name, verdict = str(piece["name"]), str(piece["verdict"])
    return {
        "limit": Text(_LABELS.get(name, name)),
        "seen": Text(_number(name, piece["value"])),
        "allowed": Text(_number(name, piece["limit"])),
        "requests": Text(str(piece["candidate_n"])),
        "": Text(_WORDS[verdict], style=_COLOURS[verdict]),
    }


def _number(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.1%}".replace("%", " %") if name.startswith(_PER_CENT) else f"{value:.3g} ×"
