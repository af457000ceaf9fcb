"""What conditions are asked about, and how they answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from trimtab.core.canonical import JsonObject
from trimtab.core.clock import from_micros, to_micros
from trimtab.monitoring.check import Check
from trimtab.retraining.gain import GainReading

__all__ = ["Explanation", "Facts"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a model at ``now``; None where it is not known.

    ``checks`` are the newest of each monitor, of the ``champion``, which is the version that serves. ``trained_us`` is
    when the last training that ended well was asked for, and ``new_labels`` and ``new_rows`` came since then;
    ``last_retrain_us`` is when the conditions last asked for a retraining, whatever became of it. ``asked`` says which
    request of theirs is open. ``gain`` is what labelled periods say of a retraining, ``schedules`` (cron) when
    monitors run, which is when conditions are evaluated.
    """

    checks: Sequence[Check]
    now: datetime
    champion: int | None = None
    trained_us: int | None = None
    last_retrain_us: int | None = None
    asked: str | None = None
    new_labels: int | None = None
    new_rows: int | None = None
    gain: GainReading | None = None
    schedules: tuple[str, ...] = ()

    @property
    def now_us(self) -> int:
        """``now`` in microseconds."""
        return to_micros(self.now)

    @property
    def trained(self) -> datetime | None:
        """When the last training was asked for."""
        return None if self.trained_us is None else from_micros(self.trained_us)

    @property
    def last_asked(self) -> datetime | None:
        """The later of the last training and the last request."""
        known = [moment for moment in (self.trained_us, self.last_retrain_us) if moment is not None]
        return from_micros(max(known)) if known else None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Whether one condition holds, and why. ``held`` is None when it cannot be said; that never fires.

    ``value`` and ``limit`` are what was compared, in words. ``as_of_us`` is the end of the window that it was seen in,
    None for what is so now; ``since_us`` since when the answer has been the same.
    """

    name: str
    held: bool | None
    why: str
    value: str | None = None
    limit: str | None = None
    children: tuple[Explanation, ...] = ()
    as_of_us: int | None = None
    since_us: int | None = None

    def to_json(self) -> JsonObject:
        """Return the tree as JSON."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_json(content: JsonObject) -> Explanation:
        """Return the tree that `to_json` wrote; one from before answers had times has none."""
        children = tuple(Explanation.from_json(child) for child in content["children"])
        return Explanation(**{**content, "children": children})

    def lines(self, depth: int = 0) -> list[str]:
        """Return the tree as indented lines, for people.

        >>> Explanation("age", True, "trained 40d ago, limit 30d").lines()
        ['yes  age: trained 40d ago, limit 30d']
        """
        answer = {True: "yes", False: "no ", None: "?  "}[self.held]
        own = f"{'  ' * depth}{answer}  {self.name}: {self.why}"
        return [own, *(line for child in self.children for line in child.lines(depth + 1))]

    def walk(self, path: str = "when") -> Iterator[tuple[str, Explanation]]:
        """Yield this answer and those below it, each with the path that leads to it.

        >>> tree = Explanation("not", False, "old", children=(Explanation("age", True, "old"),))
        >>> [path for path, _ in tree.walk()]
        ['when', 'when.0']
        """
        yield path, self
        for place, child in enumerate(self.children):
            yield from child.walk(f"{path}.{place}")

    def causes(self) -> tuple[str, ...]:
        """Return the kinds of conditions that make a tree that holds hold, each once.

        >>> leaves = (Explanation("age", True, ""), Explanation("drift", None, ""))
        >>> Explanation("any", True, "", children=leaves).causes()
        ('age',)
        """
        if not self.children:
            return (self.name,)
        if self.name == "not":
            return (f"not {self.children[0].name}",)
        telling = [child for child in self.children if child.held is self.held]
        return tuple(dict.fromkeys(cause for child in telling for cause in child.causes()))
