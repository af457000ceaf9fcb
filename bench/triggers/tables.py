"""The tables of a run, as the documentation has them."""

from __future__ import annotations

from bench.published import table
from bench.triggers.results import GAIN, GAIN_POOL, Results, Run

__all__ = ["text_of"]


def text_of(results: Results) -> str:
    """Return the tables as Markdown."""
    streams = list(dict.fromkeys(run.stream for run in results.runs))
    parts = [
        f"Run of {results.began}. Loss / fits / switches, means over the phases; in brackets the loss of the best and "
        "the worst phase. Every fit is counted, refused ones and probes too.",
    ]
    for stream in streams:
        runs = list(results.of(stream))
        names = list(runs[0].played)
        head = [stream, *(f"{run.learner}, seed {run.seed}" for run in runs)]
        rows = [[name, *(_cell(run, name) for run in runs)] for name in names]
        rows += [
            ["**gain, worst phase, against the calendar front**", *(_against(run, GAIN, pool=False) for run in runs)],
            ["**the same with the pool**", *(_against(run, GAIN_POOL, pool=False) for run in runs)],
            ["**… against calendars with a pool**", *(_against(run, GAIN_POOL, pool=True) for run in runs)],
        ]
        parts.append(table(head, rows))
    if results.calm:
        fits = ", ".join(str(one.fits) for one in results.calm)
        switches = ", ".join(str(one.switches) for one in results.calm)
        parts.append(
            f"**Nothing changes** ({results.calm[0].chunks} chunks of AR(1) with φ = 0.9, no limit of age): fits that "
            f"the gain rule asked for, by seed: {fits}; switches: {switches}."
        )
    return "\n\n".join(parts)


def _cell(run: Run, name: str) -> str:
    loss, fits, switches = run.mean(name)
    losses = [one.loss for one in run.played[name]]
    moved = f" / {switches:.0f}" if switches else ""
    return f"{loss:.4g} / {fits:.0f}{moved} ({min(losses):.4g} to {max(losses):.4g})"


def _against(run: Run, name: str, *, pool: bool) -> str:
    """Say how far the worst phase lies from the calendars' mean at as many fits."""
    worst, front = max(one.loss for one in run.played[name]), run.front(run.mean(name)[1], pool=pool)
    share = worst / front - 1
    return f"{share:+.1%} ({'below' if share < 0 else 'NOT below'} {front:.4g})"
