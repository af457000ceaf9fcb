"""What is not known to be as good as what serves, within the margin, is not released."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.loop.projects import comparison

from trimtab.loop.retrainings import judge_gain
from trimtab.retraining.settings import ReleaseConfig

_numbers = st.floats(-1e6, 1e6)


def _judged(
    gain: float | None, low: float | None = None, high: float | None = None, min_gain: float = 0.0, margin: float = 0.1
) -> tuple[bool, str]:
    content: dict[str, Any] = msgspec.to_builtins(comparison(gain, low, high))
    return judge_gain(content, ReleaseConfig(min_gain=min_gain, margin=margin))


def test_a_clear_gain_is_released_and_said_in_numbers() -> None:
    better, why = _judged(0.25)
    assert better
    assert why == "accuracy better by 0.25; loss a row better by 0.15 to 0.35 (95 %) on 200 recent rows"


@pytest.mark.parametrize(
    ("gain", "low", "min_gain"),
    [(0.05, None, 0.0), (-0.01, 0.1, 0.0), (0.25, -0.05, 0.0), (0.25, 0.1, 0.3)],
    ids=["may be worse beyond the margin", "metric got worse", "lower bound too low", "less than asked for"],
)
def test_what_is_not_known_to_be_as_good_stays_out(gain: float, low: float | None, min_gain: float) -> None:
    assert not _judged(gain, low, min_gain=min_gain)[0]


def test_what_may_be_worse_within_the_margin_alone_is_released() -> None:
    # The version that serves loses 0.4 a row: a tenth of that is 0.04.
    assert _judged(0.0, -0.04)[0]
    assert not _judged(0.0, -0.0401)[0]
    assert not _judged(0.0, -0.001, margin=0.0)[0]


def test_without_the_numbers_of_a_comparison_nothing_is_better() -> None:
    unknown = _judged(None)
    assert unknown == (False, "the gain on 200 recent rows is not known")
    content: dict[str, Any] = msgspec.to_builtins(comparison(0.2))
    content["loss_gain_low"] = None
    assert not judge_gain(content, ReleaseConfig())[0]


@given(gain=_numbers, low=_numbers, high=_numbers, min_gain=st.floats(0, 1e6))
def test_nothing_is_released_unless_metric_and_interval_both_say_so(
    gain: float, low: float, high: float, min_gain: float
) -> None:
    better, _why = _judged(gain, low, high, min_gain)
    assert better == (gain >= min_gain and low >= -0.1 * 0.4)


def test_a_gain_that_is_no_number_is_no_gain() -> None:
    assert not _judged(math.nan, 0.1)[0]
