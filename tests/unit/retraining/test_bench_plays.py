"""The bench's figures are said of what init writes, so it has to play that."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from bench.triggers.play import Played, Rule, play
from bench.triggers.results import INIT, default_rules
from bench.triggers.streams import Stream, made
from bench.triggers.versions import Versions
from bench.triggers.written import written

from trimtab.retraining.settings import (
    AgeCondition,
    AnyCondition,
    GainCondition,
    RetrainConfig,
    SinceCondition,
)

CHUNKS = 90


@cache
def _stream(kind: str) -> Stream:
    return replace(made(kind, 0, chunks=CHUNKS), window=8)


@cache
def _versions(kind: str) -> Versions:
    return Versions(_stream(kind), "lightgbm-small", 0)


def _played(kind: str, when: object) -> Played:
    files = written(_stream(kind))
    retrain = RetrainConfig.model_validate({"when": when, "cooldown": "7d"})
    return play(_versions(kind), Rule("alone", written=replace(files, retrain=retrain)), 0)


def test_the_rule_is_what_init_writes() -> None:
    bare, whole = default_rules(_stream("abrupt"))

    assert whole.written is not None
    when = whole.written.retrain.when
    assert isinstance(when, AnyCondition)
    assert [type(one) for one in when.any] == [GainCondition, SinceCondition, AgeCondition]
    assert whole.pool == 4
    assert bare.pool == 1
    assert whole.name == INIT


def test_each_condition_that_init_writes_can_ask_for_a_fit() -> None:
    gain = _played("abrupt", {"gain": {}})
    age = _played("abrupt", {"age": {"longer_than": "70d"}})
    hopeless = {"performance": {"metric": "d2_absolute_error", "below": 0.9, "surely": True}}
    performance = _played("abrupt", hopeless)

    assert gain.fits >= 1
    assert age.fits == age.age == (CHUNKS - 8 - 2) // 11
    assert performance.performance == performance.fits > age.fits


def test_a_version_is_judged_by_windows_since_it_was_trained() -> None:
    hopeless = {"performance": {"metric": "d2_absolute_error", "below": 0.9, "surely": True}}
    again_and_again = _played("abrupt", hopeless)
    since = _played("abrupt", {"since_last": "retrain", "of": hopeless})
    # A window of four weeks that are labelled a week late.
    assert 0 < since.fits <= CHUNKS // 5 < again_and_again.fits


def test_nothing_is_asked_for_where_nothing_changes() -> None:
    assert _played("stationary", {"gain": {}}).fits == 0


@pytest.mark.parametrize("kind", ["abrupt", "stationary"])
def test_a_calendar_fits_when_it_is_due(kind: str) -> None:
    found = play(_versions(kind), Rule("every 20", 20), 0)
    assert found.fits == (CHUNKS - 8 - 2) // 20


def test_learning_as_init_trains_takes_all_rows_and_the_days() -> None:
    stream = _stream("abrupt").as_init_trains()
    assert stream.learns_all
    assert stream.features.shape[1] == _stream("abrupt").features.shape[1] + 1
    assert stream.days()[stream.starts[3]] == pytest.approx(21)
