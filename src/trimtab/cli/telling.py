"""How the demo tells a story: step by step, each with a mark, its time and what came out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from trimtab.cli.output import console
from trimtab.core.canonical import JsonObject
from trimtab.core.errors import TrimtabError

__all__ = ["Outcome", "Play", "Step", "play"]

Play = Callable[[], tuple[bool, str]]
"""Does a step; returns whether it did what it should, and what came out."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the story: whether it did what it should, how long it took, and what came out."""

    name: str
    ok: bool
    seconds: float
    detail: str


@dataclass(slots=True)
class Outcome:
    """The whole story, and what it is to show: ``claim`` is its name in JSON, ``told`` and ``untold`` say it."""

    claim: str = "loop_closed"
    told: str = "The loop is closed"
    untold: str = "The loop is not closed"
    started: float = field(default_factory=time.monotonic)
    wall_s: float = 0.0
    steps: list[Step] = field(default_factory=list)
    facts: JsonObject = field(default_factory=dict)
    complete: bool = False

    @property
    def holds(self) -> bool:
        """Whether every step was reached and did what it should."""
        return self.complete and all(step.ok for step in self.steps)

    def to_json(self) -> JsonObject:
        """Return the story as JSON."""
        steps = [
            {"name": step.name, "ok": step.ok, "seconds": round(step.seconds, 3), "detail": step.detail}
            for step in self.steps
        ]
        return {self.claim: self.holds, "wall_s": round(self.wall_s, 3), "steps": steps, **self.facts}

    def summary(self) -> str:
        """Return one line for a person."""
        word = f"[green]{self.told}[/]" if self.holds else f"[red]{self.untold}[/]"
        return f"\n{word} in {self.wall_s:.1f} s.\n"


def play(outcome: Outcome, name: str, title: str, do: Play, *, shows: bool = False) -> bool:
    """Play one step, and tell it in a line; return whether the story goes on.

    One that ``shows`` what happens draws on the terminal itself, in place of a status line.
    """
    started = time.monotonic()
    try:
        if shows:
            ok, detail = do()
        else:
            with console.status(f"[bold]{name:<13}[/]{title} …"):
                ok, detail = do()
        goes_on = True
    except TrimtabError as error:
        ok, detail, goes_on = False, str(error), False
    seconds = time.monotonic() - started
    outcome.steps.append(Step(name, ok, seconds, detail))
    mark = "[green]✓[/]" if ok else "[red]✗[/]"
    console.print(f"{mark} [bold]{name:<13}[/]{seconds:5.1f} s  {title}")
    console.print(f"      {detail}", markup=False, style="dim")
    return goes_on
