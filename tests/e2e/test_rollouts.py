"""Rollouts on the real platform, under load: a good version comes to serve, a bad one goes, and no caller is failed.

One story in three acts, each a fixture: four versions are rolled out one after the other, of which one is good; the
control plane is killed wherever a rollout's decision is half done; the server is killed. The tests look at what callers
heard, what was recorded, and what was stored.
"""

from __future__ import annotations

import logging
import math
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tests.integration.processes import eventually
from tests.unit.loop.projects import MODEL, START, InstantJobs, InstantServer, World, make_project

from trimtab.bootstrap import build_platform, prepare_project
from trimtab.bundle.manifest import Manifest
from trimtab.cli.scenarios.callers import Asked, Callers, Heard
from trimtab.core.clock import ManualClock
from trimtab.db.engine import Connection
from trimtab.loop.platform import Platform
from trimtab.loop.releases import start_rollout
from trimtab.loop.supervisor import Supervisor, platform_processes
from trimtab.rollout import analysis_store, endpoint_store, store
from trimtab.rollout.phases import Phase
from trimtab.rollout.store import Rollout
from trimtab.serving.address import server_url
from trimtab.testing.bundles import tiny_bundle
from trimtab.testing.faulty_bundles import SELDOM, failing_bundle, slow_bundle, wrong_bundle

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

_log = logging.getLogger(__name__)

_CONTROL, _SERVER = "control-plane", "inference-server"
_ENDS_S = 120.0
"""Far more than a rollout takes: machines that have other things to do take long for everything."""

_STABLE, _SLOW, _FAILING, _WRONG, _GOOD, _NEXT = 1, 2, 3, 4, 5, 6
_WEIGHTS = {_STABLE: (1.0, 0.5, -0.25), _GOOD: (1.0, 0.5, -0.24), _NEXT: (1.0, 0.5, -0.23)}

_POINTS = ("rollout.stepped", "rollout.desired", "rollout.spec_written", "rollout.looked#2")

_PROJECT = """
project: tiny
api: {port: 0}
serving: {port: 0, ship_interval: 1s}
notifications: [{name: on-call, url: "log://"}]
"""
_CONTRACT = """
columns:
  row_id: {type: category}
  age: {type: number, min: 0, max: 120}
  chol: {type: number, min: 80, max: 700, nullable: true}
  sex: {type: category, values: [female, male, unknown]}
  disease: {type: category, values: ["yes", "no"]}
unique: [row_id]
"""
_STRATEGY = """
strategy:
  type: canary
  steps:
    - {weight_pct: 20, duration: 1s, min_requests: 50}
    - {weight_pct: 50, duration: 1s, min_requests: 50}
  limits:
    max_error_rate: 0.1
    max_error_ratio: 2
    max_latency_increase: 2   # three times as slow: other work on this machine must not look like a slow version
    max_degradation: {accuracy: 0.3}
"""


def _bundle(folder: Path, number: int) -> Manifest:
    if number == _SLOW:
        return slow_bundle(folder, model=MODEL, products=250)
    if number == _FAILING:
        return failing_bundle(folder, model=MODEL)
    if number == _WRONG:
        return wrong_bundle(folder, model=MODEL)
    return tiny_bundle(folder, model=MODEL, weights=_WEIGHTS[number])


class _Versions(World):
    def bundle(self, folder: Path, number: int) -> tuple[Path, str]:
        return folder, _bundle(folder, number).digest


def _draw(draw: random.Random) -> Asked:
    """Return a row, and its outcome: mostly what the tiny model says. One row in twelve bears the seldom value."""
    age, chol = draw.uniform(20, 80), draw.uniform(150, 330)
    sex = SELDOM if draw.random() < 1 / 12 else draw.choice(["female", "male"])
    says_yes = (age - 50) / 10 + (chol - 240) / 100 - 0.25 * (sex == "male") > 0
    return Asked({"age": age, "chol": chol, "sex": sex}, "yes" if says_yes is (draw.random() < 0.95) else "no")


@dataclass
class Ear:
    """All that the callers heard; written by their threads."""

    heard: list[Heard] = field(default_factory=list)

    def answers(self, variant: str) -> list[Heard]:
        return [one for one in self.heard if one.is_answered and one.variant == variant]

    @property
    def failed(self) -> list[Heard]:
        return [one for one in self.heard if not one.is_answered]


class Stage:
    """The platform's processes under their supervisor, and its database."""

    def __init__(self, root: Path) -> None:
        self.project = make_project(root, trimtab=_PROJECT, contract=_CONTRACT, deployment_config=_STRATEGY)
        prepare_project(self.project)
        self.platform: Platform = build_platform(self.project)
        world = _Versions(self.platform, ManualClock(START), InstantServer(), InstantJobs(lambda _: None))
        for number in (_STABLE, _SLOW, _FAILING, _WRONG, _GOOD, _NEXT):
            world.version(number)
        self.supervisor = Supervisor(self.project, platform_processes(self.project))
        self._stopped = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def open(self) -> None:
        self.supervisor.start(timeout_s=_ENDS_S)
        self._watcher.start()

    def _watch(self) -> None:
        while self.supervisor.watch_once() and not self._stopped.wait(0.05):
            pass

    def close(self) -> None:
        self._stopped.set()
        if self._watcher.is_alive():
            self._watcher.join(30)
        self.supervisor.stop()
        self.platform.database.close()

    def read(self, what: Callable[[Connection], Any]) -> Any:
        return self.platform.database.read(what)

    def start(self, number: int) -> str:
        """Start a rollout as the control plane would, whether or not that is up."""
        with self.platform.database.transaction() as connection:
            files = self.platform.files(MODEL)
            return start_rollout(connection, self.platform, files, number, by="dana").id

    def ended(self, rollout_id: str) -> Rollout:
        """Return the rollout once it has ended, and its last generation is served."""

        def is_over() -> bool:
            assert self.supervisor.failure is None, self.supervisor.failure
            found.append(self.rollout(rollout_id))
            return found[-1].state.phase.is_final and self.is_served()

        found: list[Rollout] = []
        try:
            eventually(is_over, within_s=_ENDS_S, wanted="a rollout that has ended")
        except AssertionError as error:
            raise AssertionError(f"{error}; it stands in {found[-1].state}: {found[-1].last}") from None
        return found[-1]

    def is_served(self) -> bool:
        wanted = self.read(lambda c: endpoint_store.desired(c, MODEL))
        status = self.platform.deployer.observe(MODEL)
        return status is not None and wanted is not None and status.generation == wanted.generation

    def rollout(self, rollout_id: str) -> Rollout:
        found: Rollout = self.read(lambda c: store.load_rollout(c, rollout_id))
        return found

    def kill(self, name: str) -> None:
        """Kill a process, and wait until the supervisor has started another."""
        before = self.supervisor.pids[name]
        os.kill(before, signal.SIGKILL)
        self.await_successor(name, before)

    def await_successor(self, name: str, before: int) -> int:
        """Return the process id of the one that follows the process ``before``."""

        def follows() -> bool:
            assert self.supervisor.failure is None, self.supervisor.failure
            return self.supervisor.pids[name] != before

        eventually(follows, within_s=_ENDS_S, wanted=f"another {name}")
        return self.supervisor.pids[name]

    def callers(self, ear: Ear) -> Callers:
        return Callers(lambda: server_url(self.project.serving), MODEL, _draw, ear.heard.append, per_s=350.0)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage(tmp_path_factory.mktemp("rollouts") / "project")
    try:
        stage.open()
        stage.ended(stage.start(_STABLE))
        yield stage
    finally:
        stage.close()


@dataclass(frozen=True)
class Released:
    """What came of the rollouts of the first act, by version, and what callers heard meanwhile."""

    rollouts: Mapping[int, Rollout]
    ear: Ear


@pytest.fixture(scope="module")
def released(stage: Stage) -> Released:
    """Under load: three bad versions and a good one are rolled out, one after the other."""
    ear, rollouts = Ear(), {}
    with stage.callers(ear):
        eventually(lambda: len(ear.answers("v1")) > 200, within_s=_ENDS_S, wanted="traffic")
        for number in (_SLOW, _FAILING, _WRONG, _GOOD):
            rollouts[number] = stage.ended(stage.start(number))
            eventually(_more(ear, 100), within_s=_ENDS_S, wanted="traffic")
    return Released(rollouts, ear)


@pytest.fixture(scope="module")
def interrupted(stage: Stage, released: Released) -> tuple[Rollout, Ear]:
    """Under load: the control plane dies wherever a decision is half done, while a good version is rolled out."""
    assert released.rollouts
    ear = Ear()
    with stage.callers(ear):
        try:
            os.environ["TRIMTAB_CRASH_AT"] = _POINTS[0]
            stage.kill(_CONTROL)
            control = stage.supervisor.pids[_CONTROL]
            rollout_id = stage.start(_NEXT)
            for point in (*_POINTS[1:], ""):
                # Whoever is started next dies at this point; the one that runs has its own already.
                os.environ["TRIMTAB_CRASH_AT"] = point
                if not point:
                    del os.environ["TRIMTAB_CRASH_AT"]
                control = stage.await_successor(_CONTROL, control)
        finally:
            os.environ.pop("TRIMTAB_CRASH_AT", None)
        rollout = stage.ended(rollout_id)
        eventually(_more(ear, 100), within_s=_ENDS_S, wanted="traffic")
    return rollout, ear


def _more(ear: Ear, count: int) -> Callable[[], bool]:
    wanted = len(ear.heard) + count
    return lambda: len(ear.heard) > wanted


def _breached(rollout: Rollout) -> set[str]:
    return {piece["name"] for piece in rollout.log[-1]["evidence"] if piece["verdict"] == "breach"}


def test_a_good_version_comes_to_serve_step_by_step(released: Released) -> None:
    rollout = released.rollouts[_GOOD]
    assert rollout.state.phase is Phase.PROMOTED, rollout.last
    assert [entry["state"]["weight_pct"] for entry in rollout.log if entry["to"] == "canary"] == ["20", "50"]
    assert released.ear.heard[-1].variant == f"v{_GOOD}"


@pytest.mark.parametrize(
    ("number", "found_by"), [(_SLOW, ("latency_", "run_")), (_FAILING, ("error",)), (_WRONG, ("degradation:accuracy",))]
)
def test_a_bad_version_is_taken_back_for_what_is_bad_about_it(
    released: Released, number: int, found_by: tuple[str, ...], record_property: Callable[[str, object], None]
) -> None:
    rollout = released.rollouts[number]
    assert rollout.state.phase is Phase.ROLLED_BACK, rollout.last
    assert any(name.startswith(found_by) for name in _breached(rollout)), rollout.last
    answers = released.ear.answers(f"v{number}")
    first, last = min(one.ended_s for one in answers), max(one.ended_s for one in answers)
    record_property(f"seconds_from_first_to_last_answer_of_v{number}", round(last - first, 2))
    record_property(f"answers_of_v{number}", len(answers))
    _log.warning("v%d: %d answers in %.1f s until it was gone", number, len(answers), last - first)
    assert any(one.ended_s > last and one.variant == f"v{_STABLE}" for one in released.ear.heard)


def test_what_is_known_of_a_limit_is_kept_look_by_look(stage: Stage, released: Released) -> None:
    rollout = released.rollouts[_WRONG]
    looks = stage.read(lambda c: analysis_store.list_looks(c, rollout.id))
    told = [piece for look in looks for piece in look.content["evidence"] if piece["name"] == "degradation:accuracy"]
    assert told[-1]["e_harm"] >= 1 / told[-1]["alpha"]
    assert all(piece["e_harm"] is None or piece["e_harm"] < 1 / piece["alpha"] for piece in told[:-1])


def test_no_caller_is_failed_but_by_the_bundle_that_fails(released: Released) -> None:
    failed = released.ear.failed
    assert {one.status for one in failed} <= {500}, Counter(one.status for one in failed)
    assert {one.asked.row["sex"] for one in failed} <= {SELDOM}
    failing = released.ear.answers(f"v{_FAILING}")
    began, ended = min(one.started_s for one in failing), max(one.ended_s for one in failing)
    apart = [one for one in failed if not began - 2 < one.ended_s < ended + 2]
    assert not apart, "a version failed that cannot"


def test_a_control_plane_that_dies_within_each_decision_neither_stops_nor_doubles_a_rollout(
    stage: Stage, interrupted: tuple[Rollout, Ear]
) -> None:
    rollout, ear = interrupted
    assert rollout.state.phase is Phase.PROMOTED, rollout.last
    moves = [(entry["from"], entry["to"]) for entry in rollout.log]
    assert moves == [("staging", "smoke"), ("smoke", "canary"), ("canary", "canary"), ("canary", "promoted")]
    generations = stage.read(lambda c: endpoint_store.endpoint_generations(c, MODEL))
    mine = sorted(one.spec.generation for one in generations if one.rollout_id == rollout.id)
    assert mine == list(range(mine[0], mine[0] + 3)), "20 %, 50 % and all of it: one generation each"
    assert not ear.failed, "callers noticed"
    counted = stage.read(lambda c: analysis_store.list_looks(c, rollout.id))
    assert [look.sequence for look in counted] == list(range(1, len(counted) + 1))


def test_every_answer_was_given_by_a_variant_that_was_live_in_its_generation(
    stage: Stage, released: Released, interrupted: tuple[Rollout, Ear]
) -> None:
    given = {
        one.prediction_id: one.variant
        for one in (*released.ear.heard, *interrupted[1].heard)
        if one.prediction_id is not None
    }
    generations = stage.read(lambda c: endpoint_store.endpoint_generations(c, MODEL))
    live = {
        (one.spec.generation, variant.name) for one in generations for variant in one.spec.live if variant.weight_pct
    }
    seen: dict[Path, list[dict[str, Any]]] = {}

    def recorded() -> list[dict[str, Any]]:
        folder = stage.project.lake / "processed" / "records"
        for path in folder.rglob("*.parquet"):
            if path not in seen and not path.name.startswith("."):
                columns = ["prediction_id", "variant", "generation", "assignment_probability"]
                seen[path] = pq.read_table(path, columns=columns).to_pylist()
        return [row for rows in seen.values() for row in rows]

    eventually(lambda: len(recorded()) >= len(given), within_s=_ENDS_S, wanted="all answers in the lake")
    rows = {row["prediction_id"]: row for row in recorded()}
    assert given.keys() <= rows.keys()
    misrouted = [
        row
        for answered, variant in given.items()
        if (row := rows[answered])["variant"] != variant or (row["generation"], variant) not in live
    ]
    assert not misrouted, misrouted[:5]
    assert all(0 < (row["assignment_probability"] or math.nan) <= 1 for row in rows.values())


def test_a_server_that_is_killed_comes_back_on_its_last_spec(stage: Stage, interrupted: tuple[Rollout, Ear]) -> None:
    assert interrupted[0].finished_us is not None
    wanted = stage.read(lambda c: endpoint_store.desired(c, MODEL))
    ear = Ear()
    with stage.callers(ear):
        eventually(_more(ear, 100), within_s=_ENDS_S, wanted="traffic")
        killed_s = time.monotonic()
        stage.kill(_SERVER)
        back = [0]

        def answers_again() -> bool:
            back[0] = sum(one.is_answered and one.started_s > killed_s for one in ear.heard)
            return back[0] > 100

        eventually(answers_again, within_s=_ENDS_S, wanted="a server that answers again")
    assert {one.variant for one in ear.heard if one.is_answered} == {f"v{_NEXT}"}
    assert {one.status for one in ear.failed} <= {0}, "it answers as before, or not at all"
    status = stage.platform.deployer.observe(MODEL)
    assert status is not None
    assert status.generation == wanted.generation
