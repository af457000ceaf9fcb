"""More workers at once, fewer after a minute, never beyond the bounds."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.serving.running import variant, write_spec

from trimtab.core.errors import ConfigError
from trimtab.serving.autoscaling import Autoscaler, Scale, demand, rescaled
from trimtab.serving.spec import AutoscalingSpec, EndpointSpec

POLICY = AutoscalingSpec(min_workers=1, max_workers=8, target_in_flight=8)


def run(loads: list[float], *, policy: AutoscalingSpec = POLICY, most: int = 8, began: int = 1) -> list[int]:
    """Return the workers after each second with such a load."""
    scale, seen = Scale(began, 0.0), []
    for second, load in enumerate(loads):
        scale = rescaled(scale, [policy], load, most=most, now_s=float(second))
        seen.append(scale.workers)
    return seen


@pytest.mark.parametrize(("in_flight", "wanted"), [(0, 1), (8, 1), (8.1, 2), (33, 5), (1e9, 8), (float("nan"), 1)])
def test_each_worker_has_its_target_within_the_bounds(in_flight: float, wanted: int) -> None:
    assert demand([POLICY], in_flight) == wanted


def test_endpoints_share_workers_and_the_most_demanding_counts() -> None:
    patient = AutoscalingSpec(max_workers=3, target_in_flight=100)
    eager = AutoscalingSpec(min_workers=2, max_workers=2, target_in_flight=4)
    assert [demand([patient, eager], load) for load in (0, 10, 500)] == [2, 3, 3]
    assert demand([], 10) is None


def test_more_load_brings_workers_at_once_and_one_busy_moment_does_not_bring_all() -> None:
    assert run([40.0] * 6)[0] == 5
    assert run([0.0] * 10 + [40.0])[-1] == 1, "a mean of 8 over five seconds is one worker's work"


def test_less_load_takes_workers_away_after_a_minute_of_it_and_not_before() -> None:
    seen = run([40.0] * 100 + [0.0] * 70)
    assert set(seen[:159]) == {5}
    assert seen[165] == 1


def test_as_many_stay_as_the_busiest_look_of_the_last_minute_wanted() -> None:
    load = [64.0] * 61 + ([0.0] * 20 + [24.0] * 10) * 4
    assert run(load)[-1] == 3


def test_a_server_that_starts_with_all_its_workers_keeps_them_for_a_minute() -> None:
    seen = run([0.0] * 70, began=8)
    assert (seen[:60], seen[60:]) == ([8] * 60, [1] * 10)


def test_without_a_policy_there_are_all_that_the_server_has() -> None:
    scale = rescaled(Scale(2, 0.0), [], 0.0, most=4, now_s=500.0)
    assert scale.workers == 4
    assert rescaled(scale, [POLICY], 0.0, most=4, now_s=501.0).workers == 4, "a policy is patient from its beginning"


def test_a_clock_that_jumps_back_loses_nothing_but_its_patience() -> None:
    scale = Scale(1, 0.0)
    for now_s in (100.0, 40.0, 41.0):
        scale = rescaled(scale, [POLICY], 30.0, most=8, now_s=now_s)
    assert scale.workers == 4
    assert rescaled(scale, [POLICY], 0.0, most=8, now_s=42.0).workers == 4


def test_bounds_that_cross_are_refused() -> None:
    with pytest.raises(ConfigError, match="min_workers 3 is above max_workers 2"):
        AutoscalingSpec(min_workers=3, max_workers=2)


@given(
    loads=st.lists(st.floats(0, 1e6), min_size=1, max_size=200),
    bounds=st.tuples(st.integers(1, 6), st.integers(0, 6)),
    most=st.integers(1, 8),
)
def test_the_number_stays_within_policy_and_machine_and_its_memory_is_bounded(
    loads: list[float], bounds: tuple[int, int], most: int
) -> None:
    policy = AutoscalingSpec(min_workers=bounds[0], max_workers=sum(bounds), target_in_flight=8)
    scale = Scale(most, 0.0)
    for second, load in enumerate(loads):
        before, scale = scale, rescaled(scale, [policy], load, most=most, now_s=float(second))
        assert min(policy.min_workers, most) <= scale.workers <= most
        assert scale.workers <= max(before.workers, policy.max_workers)
        assert len(scale.loads) <= 5
        assert len(scale.wants) <= 60
    assert all(earlier[0] < later[0] for earlier, later in pairwise(scale.wants))


def _deploy(state: Path, name: str, generation: int, policy: AutoscalingSpec | None, *, served: bool = True) -> None:
    variants = (variant(state, "stable", "100"),) if served else ()
    write_spec(state, EndpointSpec(endpoint=name, generation=generation, variants=variants, autoscaling=policy))


def test_the_policies_of_the_specs_on_disk_count_as_they_change(tmp_path: Path) -> None:
    scaler = Autoscaler(tmp_path / "specs", 4, 0.0)
    assert scaler.wanted(lambda: 0.0, 0.0) == 4, "nothing is deployed yet"
    _deploy(tmp_path, "heart", 1, None)
    _deploy(tmp_path, "bikes", 1, AutoscalingSpec(max_workers=3))
    (tmp_path / "specs" / "torn.json").write_text("{")
    seconds = [scaler.wanted(lambda: 0.0, float(second)) for second in range(1, 64)]
    assert (seconds[0], seconds[-1]) == (4, 1)
    assert scaler.wanted(lambda: 20.0, 64.0) == 1, "the mean of five seconds"
    assert scaler.wanted(lambda: 100.0, 65.0) == 3
    _deploy(tmp_path, "bikes", 2, AutoscalingSpec(max_workers=3), served=False)
    assert scaler.wanted(lambda: 0.0, 66.0) == 4, "who serves nothing wants nothing"


def test_load_is_asked_for_once_a_second_and_only_where_it_matters(tmp_path: Path) -> None:
    asked: list[float] = []

    def load() -> float:
        asked.append(1.0)
        return 1.0

    _deploy(tmp_path, "heart", 1, POLICY)
    scaler = Autoscaler(tmp_path / "specs", 4, 0.0)
    for tick in range(30):
        scaler.wanted(load, tick / 10)
    assert len(asked) == 3
    alone = Autoscaler(tmp_path / "specs", 1, 0.0)
    assert [alone.wanted(load, float(second)) for second in range(5)] == [1] * 5
    assert len(asked) == 3
