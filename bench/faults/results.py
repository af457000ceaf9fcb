"""What a run of the suite found: one verdict a fault, data set and seed, as JSON that is the same from run to run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.faults.score import Verdict

from trimtab.core.canonical import JsonObject
from trimtab.files import write_atomically

__all__ = ["MARKS", "Results", "counted", "save"]

MARKS = ("detected", "diagnosed", "columns", "acted", "recovered")
"""What is counted of each fault, in the order in which it comes about."""


@dataclass(slots=True)
class Results:
    """Verdicts on faults, and on ``sound`` worlds in which nothing was wrong; ``unfit``: faults that had no column."""

    verdicts: list[JsonObject] = field(default_factory=list)
    sound: list[JsonObject] = field(default_factory=list)
    unfit: list[JsonObject] = field(default_factory=list)

    def add(self, verdict: Verdict) -> None:
        """Add one, without the facts behind it."""
        # As it is read again: a tuple is a list there.
        content: JsonObject = json.loads(json.dumps(verdict.to_json()))
        content.pop("why")
        (self.sound if verdict.fault == "nothing" else self.verdicts).append(content)

    @property
    def grounds(self) -> tuple[str, ...]:
        """The data sets, in the order in which they were played."""
        return tuple(dict.fromkeys(one["ground"] for one in (*self.verdicts, *self.sound)))

    def of(self, **wanted: Any) -> list[JsonObject]:
        """Return the verdicts whose fields are as wanted."""
        return [one for one in self.verdicts if all(one[name] == value for name, value in wanted.items())]

    def to_json(self) -> JsonObject:
        """Return them as JSON values."""
        return {"verdicts": self.verdicts, "sound": self.sound, "unfit": self.unfit}

    def into(self, content: JsonObject) -> JsonObject:
        """Return what is published, with these verdicts in place of those on the same data sets."""
        return content | {
            part: [one for one in content.get(part, []) if one["ground"] not in self.grounds] + mine
            for part, mine in self.to_json().items()
        }


def save(content: JsonObject, path: Path) -> None:
    """Write ``content`` to ``path``, one verdict a line: so a change of one is a change of one line."""
    lines = [
        f" {json.dumps(name)}: {_rows(value) if isinstance(value, list) else json.dumps(value, indent=1)}"
        for name, value in content.items()
    ]
    write_atomically(path, ("{\n" + ",\n".join(lines) + "\n}\n").encode())


def _rows(values: list[Any]) -> str:
    return "[" + ",".join(f"\n  {json.dumps(one, ensure_ascii=False)}" for one in values) + "]"


def counted(verdicts: Iterable[Mapping[str, Any]], mark: str) -> tuple[int, int]:
    """Return in how many of the verdicts to which a mark applies it was right, and how many those are."""
    said: Sequence[bool] = [one[mark] for one in verdicts if one[mark] is not None]
    return sum(said), len(said)
