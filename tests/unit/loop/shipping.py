"""Answers and outcomes as they are shipped to the lake, for tests of what a rollout learns of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.unit.loop.projects import MODEL, World

from trimtab.core.enums import ColumnKind, Task, VariantRole
from trimtab.loop.ingestion import Ingestion
from trimtab.records.schema import PredictionFrame, SchemaFrame, TruthFrame
from trimtab.records.segments import predictions_table, segment_id, truth_table, write_segment

__all__ = ["SECOND_US", "Asked", "Shipping"]

SECOND_US = 1_000_000


@dataclass(frozen=True)
class Asked:
    """A row that was answered: which version, and when after the start of the rollout."""

    at_s: int
    version: int = 1
    prediction: str = "yes"
    request: str | None = None
    generation: int = 2
    probability: float = 0.9
    chance: float | None = 0.25
    key: str | None = None
    place: int = 0
    shadow_of: Asked | None = None
    age: float = 50.0
    source: str | None = None

    @property
    def id(self) -> str:
        return f"{self.version}-{self.at_s}-{self.place}"


class Shipping:
    """Ships what was answered, and lets it be processed."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.start_us = world.platform.now_us()
        self.parts = 0
        self.ingestion = Ingestion(world.platform)

    def rows(self, *asked: Asked) -> None:
        for version in sorted({each.version for each in asked}):
            of_it = [each for each in asked if each.version == version]
            role = VariantRole.SHADOW if of_it[0].shadow_of is not None else VariantRole.LIVE
            self.parts += 1
            schema = SchemaFrame(
                schema_id=1,
                endpoint=MODEL,
                model=MODEL,
                model_version=version,
                variant=f"v{version}",
                bundle_digest="b" * 64,
                task=Task.BINARY,
                features=(("age", ColumnKind.NUMBER), ("chol", ColumnKind.NUMBER), ("sex", ColumnKind.CATEGORY)),
                role=role,
            )
            table = predictions_table(schema, [self._frame(each) for each in of_it], self._segment())
            write_segment(self.world.platform.project.intake, table)
        self.process()

    def outcomes(self, truth: str, *asked: Asked, known_s: int = 0) -> None:
        self.outcomes_at(truth, dict.fromkeys(asked, known_s))

    def outcomes_at(self, truth: str, known_s: Mapping[Asked, int]) -> None:
        """Tell all of them at once, whenever each is known."""
        self.parts += 1
        at_us = {each: self.start_us + seconds * SECOND_US for each, seconds in known_s.items()}
        frames = [TruthFrame(MODEL, each.id, None, None, truth, known, known) for each, known in at_us.items()]
        write_segment(self.world.platform.project.intake, truth_table(frames, self._segment()))
        self.process()

    def process(self) -> None:
        while self.ingestion.run():
            pass

    def _segment(self) -> str:
        return segment_id("journal", 0, 1, str(self.parts))

    def _frame(self, each: Asked) -> PredictionFrame:
        at_us = self.start_us + each.at_s * SECOND_US
        chance = each.chance
        if chance is not None and each.version == 1:
            chance = 1 - chance
        return PredictionFrame(
            schema_id=1,
            prediction_id=each.id,
            request_id=each.request or each.id,
            event_us=at_us,
            received_us=at_us,
            generation=each.generation,
            assignment_probability=chance,
            record_key=None,
            source=each.source,
            sticky_hash=each.key,
            values=(each.age, 200.0, "male"),
            prediction=each.prediction,
            probability=each.probability,
            latency_ms=1.0,
            shadow_of=None if each.shadow_of is None else each.shadow_of.id,
        )
