"""Each strategy on a real server that is asked all the while: who answers, and what follows."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.loop.projects import MODEL, START, InstantJobs, InstantServer, World, make_project
from tests.unit.serving.running import ROW, Running, eventually

from trimtab.bootstrap import build_platform
from trimtab.core.clock import ManualClock
from trimtab.loop.ingestion import Ingestion
from trimtab.loop.observing import RolloutWatch
from trimtab.loop.platform import Platform
from trimtab.loop.releases import start_rollout
from trimtab.loop.rollouts import advance_rollouts, apply_desired, operate_rollout
from trimtab.records.shipper import Shipper
from trimtab.rollout import store
from trimtab.rollout.machine import Operation
from trimtab.rollout.phases import Phase
from trimtab.rollout.store import Rollout

_WIDE = "limits: {max_error_rate: 0.2, max_latency_p95_ms: 20000}"
_COMPARED = "limits: {max_error_rate: 0.2, max_error_ratio: 10, max_latency_increase: null}"
_WITHIN_S = 60


class Traffic:
    """Asks all the while, and keeps who answered."""

    def __init__(self, server: Running) -> None:
        self._server = server
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self.answered: Counter[str] = Counter()
        self.failed: list[int] = []
        self._thread.start()

    def _ask(self) -> None:
        while not self._ends.is_set():
            reply = self._server.predict({"row": ROW}, f"/predict/{MODEL}")
            if reply.status == 200:
                self.answered[reply.headers["x-trimtab-variant"]] += 1
            else:
                self.failed.append(reply.status)
            self._ends.wait(0.001)
        self._server.hang_up()

    def end(self) -> None:
        self._ends.set()
        self._thread.join(30)


class Stage:
    """A project whose version 1 serves, and is asked all the while."""

    def __init__(self, root: Path) -> None:
        self.platform: Platform = build_platform(make_project(root, deployment_config="strategy: {type: recreate}\n"))
        self.world = World(self.platform, ManualClock(START), InstantServer(), InstantJobs(lambda _out: None))
        self.server = Running(self.platform.project.serving)
        self.watch = RolloutWatch(self.platform)
        first = self.start(1)
        self.until(first, Phase.PROMOTED)
        eventually(lambda: self.server.predict({"row": ROW}, f"/predict/{MODEL}").status == 200)
        self.traffic = Traffic(self.server)

    def close(self) -> None:
        self.traffic.end()
        self.server.stop()
        self.platform.database.close()

    def deploy(self, number: int, strategy: str) -> Rollout:
        path = self.platform.project.model_folder(MODEL) / "deployment_config.yaml"
        path.write_text(f"strategy: {{{strategy}}}\n")
        return self.start(number)

    def start(self, number: int) -> Rollout:
        self.world.version(number)
        with self.platform.database.transaction() as connection:
            return start_rollout(connection, self.platform, self.platform.files(MODEL), number, by="dana")

    def until(self, rollout: Rollout, phase: Phase) -> Rollout:
        """Let the rollout go on, and what is answered come into the lake, until it is in ``phase``."""

        def there() -> Rollout | None:
            apply_desired(self.platform)
            advance_rollouts(self.platform, self.watch)
            Shipper(self.platform.project.serving / "journal", self.platform.project.intake).ship_once()
            Ingestion(self.platform).run()
            found = self.now(rollout)
            assert found.state.phase is phase or not found.state.phase.is_final, found.last
            return found if found.state.phase is phase else None

        found: Rollout = eventually(there, within_s=_WITHIN_S)
        apply_desired(self.platform)
        return found

    def now(self, rollout: Rollout) -> Rollout:
        return self.platform.database.read(lambda connection: store.load_rollout(connection, rollout.id))

    def operate(self, rollout: Rollout, operation: Operation) -> None:
        with self.platform.database.transaction() as connection:
            operate_rollout(connection, self.platform, self.now(rollout), operation, by="dana", reason="as I say")
        apply_desired(self.platform)

    def all_answered_by(self, variant: str) -> None:
        """Return once nobody else answers any more."""

        def alone() -> bool:
            before = Counter(self.traffic.answered)
            eventually(lambda: self.traffic.answered.total() >= before.total() + 20)
            return set(self.traffic.answered - before) == {variant}

        eventually(alone, within_s=_WITHIN_S)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path / "project")
    try:
        yield stage
        assert stage.traffic.failed == [], "every request was answered"
    finally:
        stage.close()


def test_blue_green_switches_bakes_and_keeps_a_way_back_that_needs_no_loading(stage: Stage) -> None:
    rollout = stage.deploy(2, f"type: blue_green, bake: 1s, min_requests: 20, {_WIDE}")
    stage.until(rollout, Phase.BAKING)
    stage.all_answered_by("v2")
    status = stage.platform.deployer.observe(MODEL)
    standing_by = {each.name for each in status.variants} if status is not None else set()
    assert standing_by == {"v1", "v2"}
    promoted = stage.until(rollout, Phase.PROMOTED)
    assert "within its absolute limits" in str(promoted.log[-1]["reason"])
    stage.all_answered_by("v2")


def test_a_blue_green_that_is_aborted_goes_back_at_once(stage: Stage) -> None:
    rollout = stage.deploy(2, f"type: blue_green, bake: 1h, {_WIDE}")
    stage.until(rollout, Phase.BAKING)
    stage.all_answered_by("v2")
    stage.operate(rollout, Operation.ABORT)
    stage.all_answered_by("v1")


def test_a_split_lasts_until_a_person_decides(stage: Stage) -> None:
    rollout = stage.deploy(2, f"type: ab, weight_pct: 50, max_duration: 1s, {_COMPARED}")
    stage.until(rollout, Phase.SPLIT)
    waiting = stage.until(rollout, Phase.WAITING_FOR_PERSON)
    assert "a person promotes or aborts it" in str((waiting.last or {})["reason"])
    before = Counter(stage.traffic.answered)
    eventually(lambda: set(stage.traffic.answered - before) == {"v1", "v2"}, within_s=_WITHIN_S)
    stage.operate(rollout, Operation.PROMOTE)
    stage.all_answered_by("v2")


def test_a_shadow_that_agrees_takes_over_and_nobody_got_its_answers_before(stage: Stage) -> None:
    rollout = stage.deploy(2, "type: shadow, min_agreement: 0.5, min_rows: 30")
    stage.until(rollout, Phase.SHADOW)
    stage.until(rollout, Phase.PROMOTED)
    evidence = {piece["name"]: piece for piece in stage.now(rollout).log[-1]["evidence"]}
    assert evidence["agreement"]["verdict"] == "ok"
    stage.all_answered_by("v2")


def test_a_candidate_that_production_cannot_load_is_taken_back(stage: Stage) -> None:
    rollout = stage.deploy(2, f"type: canary, {_COMPARED}")
    stage.until(rollout, Phase.SMOKE)
    bundle = Path(rollout.spec.candidate.bundle_path)
    graph = next(bundle.glob("*.onnx"))
    graph.write_bytes(graph.read_bytes()[:-1])
    taken_back = stage.until(rollout, Phase.ROLLED_BACK)
    assert "production refuses it" in str(taken_back.log[-1]["reason"])
    stage.all_answered_by("v1")
    assert set(stage.traffic.answered) == {"v1"}
