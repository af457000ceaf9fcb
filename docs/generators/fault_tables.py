"""The tables of the fault suite in ``docs/benchmarks.md``, from ``docs/benchmarks/faults.json``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from docs.generators.markdown import code, table

from trimtab.core.wording import counted

__all__ = ["MARKS", "fault_tables", "with_part"]

MARKS = ("detected", "diagnosed", "columns", "acted", "recovered")
_BETWEEN = "<!-- bench.faults: begin -->", "<!-- bench.faults: end -->"
Verdicts = Sequence[Mapping[str, Any]]


def fault_tables(content: Mapping[str, Any]) -> str:
    """Return the tables by data set and by fault, with what was called otherwise than it should be."""
    verdicts: Verdicts = content["verdicts"]
    held_out = frozenset(content["held_out"])
    faults, seeds = (len({one[name] for one in verdicts}) for name in ("fault", "seed"))
    head = [
        f"Run of {content['began']}: {faults} faults, {counted(seeds, 'seed')}; data sets marked with * were not "
        "played while the diagnosis was tuned.",
        "",
    ]
    return "\n".join(
        [*head, *_by_ground(content, held_out), *_by_fault(verdicts, held_out), *_wrong(verdicts)]
    ).rstrip()


def with_part(page: str, part: str) -> str:
    """Return a page with ``part`` between its two marks of the suite.

    Raises:
        ValueError: the page has no marks.
    """
    head, begin, rest = page.partition(_BETWEEN[0])
    _, end, tail = rest.partition(_BETWEEN[1])
    if not begin or not end:
        raise ValueError(f"docs/benchmarks.md: has no lines {_BETWEEN[0]} and {_BETWEEN[1]}; put them there")
    return f"{head}{begin}\n\n{part}\n\n{end}{tail}"


def _by_ground(content: Mapping[str, Any], held_out: frozenset[str]) -> list[str]:
    verdicts, rows = content["verdicts"], []
    for ground in dict.fromkeys(one["ground"] for one in verdicts):
        mine = [one for one in verdicts if one["ground"] == ground]
        sound = [one for one in content["sound"] if one["ground"] == ground]
        rows.append(
            [
                f"{ground}{' *' if ground in held_out else ''}",
                str(len(mine)),
                *(_share(mine, mark) for mark in MARKS),
                str(sum(bool(one["wrong"]) for one in mine)),
                _middle(mine, "named_after"),
                str(content["sound_windows"] * len(sound)),
                str(sum(len(one["called"]) for one in sound)),
                str(sum(len(one["asked_in_vain"]) for one in sound)),
                str(sum(len(one["risky"]) for one in (*mine, *sound))),
            ]
        )
    titles = [
        "data set", "faults", "detected", "diagnosed", "columns", "right action", "recovered", "called wrong",
        "windows to the name", "sound windows", "cases in them", "asked in vain in them", "risky actions",
    ]  # fmt: skip
    return table(titles, rows)


def _by_fault(verdicts: Verdicts, held_out: frozenset[str]) -> list[str]:
    rows = []
    for fault in dict.fromkeys(one["fault"] for one in verdicts):
        mine = [one for one in verdicts if one["fault"] == fault]
        tuned = [one for one in mine if one["ground"] not in held_out]
        others = [one for one in mine if one["ground"] in held_out]
        cells = [_share(tuned, mark) for mark in MARKS]
        rows.append([code(fault), *cells, _share(others, "diagnosed"), _share(others, "acted")])
    titles = ["fault", "detected", "diagnosed", "columns", "right action", "recovered", "* diagnosed", "* right action"]
    return table(titles, rows)


def _wrong(verdicts: Verdicts) -> list[str]:
    found = Counter((one["fault"], wrong) for one in verdicts for wrong in one["wrong"])
    if not found:
        return ["No fault was called by the name of another."]
    rows = [[code(fault), wrong.replace("_", " "), str(count)] for (fault, wrong), count in found.most_common()]
    return ["Called by a wrong name, worse than by none:", "", *table(["fault", "called", "times"], rows)]


def _share(verdicts: Iterable[Mapping[str, Any]], mark: str) -> str:
    said = [one[mark] for one in verdicts if one[mark] is not None]
    return f"{sum(said)} of {len(said)}" if said else "–"


def _middle(verdicts: Verdicts, name: str) -> str:
    known = [one[name] for one in verdicts if one[name] is not None]
    return f"{median(known):.1f}" if known else "–"
