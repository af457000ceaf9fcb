"""The tables of a run, as the documentation has them."""

from __future__ import annotations

from bench.published import table
from bench.rollouts.results import METHODS, Calibration, Detection, Results, upper_bound
from bench.rollouts.traffic import NO_FAULT

__all__ = ["text_of"]


def text_of(results: Results) -> str:
    """Return the tables as Markdown."""
    first = results.calibrations[0]
    parts = [
        f"Run of {results.began}, seed {results.seed}: {first.runs} canaries without a fault of each kind of traffic, "
        f"α = {results.alpha:.0%}.",
        "**False rollbacks**, in %, and in brackets the rate that the true one is below with a confidence of 95 % "
        "(Clopper-Pearson):",
        table(["traffic", *METHODS.values()], [_calibration_row(found) for found in results.calibrations]),
        "Of ours with margins 0, by family: "
        + "; ".join(
            f"{found.kind}: " + ", ".join(f"{name} {count}" for name, count in found.families.items())
            for found in results.calibrations
        )
        + ".",
    ]
    if results.detections:
        parts += [
            "![share of canaries rolled back by requests](benchmarks/rollouts.svg)",
            f"**Requests until half of the canaries were rolled back** ({results.detections[0].runs} of each fault; of "
            "both versions together), and in brackets the share found within 40 000; –: less than half were. A way "
            "that rolls most healthy canaries back as well finds nothing by finding faulty ones:",
            table(
                ["traffic", "fault", *METHODS.values()],
                [_detection_row(found) for found in results.detections if found.fault != NO_FAULT.name],
            ),
        ]
    return "\n\n".join(parts)


def _calibration_row(found: Calibration) -> list[str]:
    cells = [
        f"{count / found.runs:.2%} (≤ {upper_bound(count, found.runs):.2%})".replace("%", " %")
        for count in (found.false[method] for method in METHODS)
    ]
    return [found.kind, *cells]


def _detection_row(found: Detection) -> list[str]:
    cells = []
    for method in METHODS:
        median = found.median[method]
        share = f"{found.shares[method][-1]:.0%}".replace("%", " %")
        cells.append(f"{'–' if median is None else f'{median:,}'.replace(',', ' ')} ({share})")
    return [found.kind, found.fault, *cells]
