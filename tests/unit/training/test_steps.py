"""A key changes with everything that a step computes from, and with nothing else."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.training.test_tune import task_for

from trimtab.training.settings import Algorithm
from trimtab.training.steps import Step, fingerprint, pipeline_version, step_key

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(PLAIN, PLAIN)
def test_values_have_one_fingerprint_if_they_are_written_alike(first: Any, second: Any) -> None:
    assert (fingerprint(first) == fingerprint(second)) == (repr(_sorted(first)) == repr(_sorted(second)))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(part) for part in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("ab", "c"), ("a", "bc")),
        (np.zeros(2), np.zeros((2, 1))),
        (np.zeros(2, dtype=np.float32), np.zeros(1, dtype=np.float64)),
        (np.zeros(2), np.array([0.0, -0.0])),
        (("a",), (("a",),)),
    ],
)
def test_values_that_differ_do_not_meet(first: object, second: object) -> None:
    assert fingerprint(first) != fingerprint(second)


def test_values_of_numpy_count_as_what_they_say() -> None:
    same = [(np.bool_(True), True), (np.int64(3), 3), (np.float32(0.5), 0.5), (np.str_("a"), "a"), (Step.READ, "read")]
    for first, second in same:
        assert fingerprint((first, None)) == fingerprint((second, None))
    assert fingerprint(np.bool_(True)) != fingerprint(1)


def test_what_has_no_fixed_form_is_refused() -> None:
    for value in (object(), np.array([object()]), {1: "a"}.keys()):
        with pytest.raises(TypeError, match="no fixed form"):
            fingerprint(value)


def test_key_of_a_tuning_changes_with_all_that_it_reads() -> None:
    task = task_for({"type": "ridge"})
    changed = [
        replace(task, seed=2),
        replace(task, trials=4),
        replace(task, prune=False),
        replace(task, free_threshold=True),
        replace(task, folds=task.folds[1:]),
        replace(task, features=task.features[:1]),
        replace(task, problem=replace(task.problem, weighted=True)),
        replace(task, candidate=task.candidate.model_copy(update={"trials": 9})),
    ]
    keys = [step_key(Step.TUNE, Algorithm.RIDGE, "rows", other) for other in (task, *changed)]
    keys.append(step_key(Step.TUNE, Algorithm.RIDGE, "other rows", task))
    keys.append(step_key(Step.FINISH, Algorithm.RIDGE, "rows", task))
    assert len(set(keys)) == len(keys)
    assert keys[0] == step_key(Step.TUNE, Algorithm.RIDGE, "rows", task_for({"type": "ridge"}))


def test_pipeline_has_one_version() -> None:
    assert pipeline_version() == pipeline_version()
    assert len(pipeline_version()) == 64
