"""The tables of a run, as the documentation has them."""

from __future__ import annotations

from bench.published import table
from bench.triggers.results import INIT, INIT_BARE, Results, Run

__all__ = ["text_of"]


def text_of(results: Results) -> str:
    """Return the tables as Markdown."""
    streams = list(dict.fromkeys(run.stream for run in results.runs))
    parts = [
        f"Run of {results.began}. Loss / fits / switches, means over the phases; in brackets the loss of the best and "
        "the worst phase. Every fit is counted, refused ones and probes too. Bold lines: how far the rule's mean, and "
        "its worst phase, lie from the calendars' front: the mean of the best calendar with as many fits or fewer.",
    ]
    for stream in streams:
        runs = list(results.of(stream))
        # Dense calendars are not played with each learner.
        names = list(max(runs, key=lambda run: len(run.played)).played)
        head = [stream, *(f"{run.learner}, seed {run.seed}" for run in runs)]
        rows = [[name, *(_cell(run, name) for run in runs)] for name in names]
        told = {
            f"**{INIT_BARE}**: mean, worst phase": (INIT_BARE, False),
            f"**{INIT}**": (INIT, False),
            f"**{INIT}**, against calendars with a pool": (INIT, True),
        }
        rows += [[what, *(_against(run, name, pool=pool) for run in runs)] for what, (name, pool) in told.items()]
        parts.append(table(head, rows))
    if results.calm:
        fits = ", ".join(str(one.fits) for one in results.calm)
        switches = ", ".join(str(one.switches) for one in results.calm)
        parts.append(
            f"**Nothing changes** ({results.calm[0].chunks} chunks of AR(1) with φ = 0.9, `gain` alone): fits that "
            f"it asked for, by seed: {fits}; switches: {switches}."
        )
    return "\n\n".join(parts)


def _cell(run: Run, name: str) -> str:
    if name not in run.played:
        return "–"
    loss, fits, switches = run.mean(name)
    losses = [one.loss for one in run.played[name]]
    moved = f" / {switches:.0f}" if switches else ""
    return f"{loss:.4g} / {fits:.0f}{moved} ({min(losses):.4g} to {max(losses):.4g})"


def _against(run: Run, name: str, *, pool: bool) -> str:
    """Say how far the mean, and the worst phase, lie from the calendars' mean at as many fits."""
    loss, fits, _ = run.mean(name)
    front = run.front(fits, pool=pool)
    worst = max(one.loss for one in run.played[name])
    return f"{loss / front - 1:+.1%}, {worst / front - 1:+.1%} (front {front:.4g})"
