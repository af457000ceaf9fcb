"""Twelve planted faults and five sound worlds in a running loop: what was found and done right stays so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bench.faults.floor import FAULTS, SOUND_WORLDS, fallen, play_floor
from bench.faults.results import Results

from trimtab.loop.simulation.inline_jobs import InlineJobs

pytestmark = pytest.mark.timeout(900)

PUBLISHED = Path(__file__).parents[2] / "docs" / "benchmarks" / "faults.json"


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results]:
    work = tmp_path_factory.mktemp("faults")
    jobs = InlineJobs(work / "trainings.txt")
    jobs.warm_up()
    try:
        yield play_floor(work, jobs)
    finally:
        jobs.stop_all()


@pytest.fixture(scope="module")
def floor() -> Any:
    return json.loads(PUBLISHED.read_bytes())["floor"]


def test_what_was_found_and_done_right_stays_so(played: Results, floor: Any) -> None:
    assert [one["fault"] for one in played.verdicts] == list(FAULTS)
    assert set(floor) == set(FAULTS)
    assert fallen(floor, played) == []


def test_nothing_risky_is_done_and_no_case_is_opened_where_nothing_is_wrong(played: Results) -> None:
    assert len(played.sound) == SOUND_WORLDS
    assert [one["risky"] for one in played.sound] == [[]] * SOUND_WORLDS
    assert [one["asked_in_vain"] for one in played.sound] == [[]] * SOUND_WORLDS


def test_a_floor_that_is_higher_than_what_is_found_is_told(played: Results, floor: Any) -> None:
    raised = {**floor, "stuck-sensor": {"detected": True}}
    assert fallen(raised, played) == ["stuck-sensor: detected was right, and is None"]
