import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from trimtab.core.errors import DataContractError
from trimtab.training.settings import CrossValidation, StratifiedSplit, TimeSplit
from trimtab.training.split import Split, contiguous_folds, split_rows, validation_folds

TIMES = st.lists(st.integers(0, 40), min_size=2, max_size=80)
SHARES = st.floats(0.05, 0.8)


@given(times=TIMES, share=SHARES)
def test_held_out_rows_are_strictly_later(times: list[int], share: float) -> None:
    time_us = np.array(times, dtype=np.int64)
    try:
        split = split_rows(TimeSplit(test_share=share), None, time_us, len(times), np.random.default_rng(0))
    except DataContractError:
        return
    assert time_us[split.train].max() < time_us[split.test].min()
    assert sorted([*split.train.tolist(), *split.test.tolist()]) == list(range(len(times)))


@given(times=TIMES, folds=st.one_of(st.none(), st.integers(2, 6)))
def test_scored_rows_are_strictly_later_than_those_fitted_on(times: list[int], folds: int | None) -> None:
    time_us = np.array(times, dtype=np.int64)
    split = Split(train=np.argsort(time_us, kind="stable"), test=np.array([], dtype=np.int64))
    settings = None if folds is None else CrossValidation(folds=folds)
    try:
        found = validation_folds(settings, split, None, time_us, np.random.default_rng(0))
    except DataContractError:
        return
    for fold in found:
        assert time_us[fold.fit].max() < time_us[fold.score].min()


@given(
    classes=st.lists(st.integers(0, 3), min_size=8, max_size=80),
    share=SHARES,
    folds=st.integers(2, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_stratified_parts_cover_all_rows_once_and_keep_each_class(
    classes: list[int], share: float, folds: int, seed: int
) -> None:
    labels = np.array(classes)
    rng = np.random.default_rng(seed)
    try:
        split = split_rows(StratifiedSplit(test_share=share), labels, None, len(classes), rng)
    except DataContractError:
        return
    assert sorted([*split.train.tolist(), *split.test.tolist()]) == list(range(len(classes)))
    assert set(labels[split.train]) == set(classes)
    assume(len(split.train) >= 2 * (folds + 1))
    found = validation_folds(CrossValidation(folds=folds), split, labels, None, rng)
    scored = np.concatenate([fold.score for fold in found])
    assert sorted(scored.tolist()) == sorted(split.train.tolist())
    for fold in found:
        assert not set(fold.fit.tolist()) & set(fold.score.tolist())
        for label in set(classes):
            total = int((labels[split.train] == label).sum())
            assert abs(int((labels[fold.score] == label).sum()) - total / folds) < 1


@given(rows=st.integers(2, 50), folds=st.integers(2, 8))
def test_contiguous_folds_score_each_row_once(rows: int, folds: int) -> None:
    found = contiguous_folds(np.arange(rows), folds)
    assert np.concatenate([fold.score for fold in found]).tolist() == list(range(rows))
    assert all(len(fold.fit) + len(fold.score) == rows for fold in found)


@given(
    groups=st.lists(st.integers(0, 25), min_size=12, max_size=80),
    share=SHARES,
    folds=st.integers(2, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_copies_stand_on_one_side_of_every_split_at_random(
    groups: list[int], share: float, folds: int, seed: int
) -> None:
    copies = np.array(groups)
    labels, rng = copies % 3, np.random.default_rng(seed)
    try:
        split = split_rows(StratifiedSplit(test_share=share), labels, None, len(groups), rng, copies)
        found = validation_folds(CrossValidation(folds=folds), split, labels, None, rng, copies)
    except DataContractError:
        return
    assert sorted([*split.train.tolist(), *split.test.tolist()]) == list(range(len(groups)))
    assert not set(copies[split.train]) & set(copies[split.test])
    assert set(labels[split.train]) == set(labels)
    assert sorted(np.concatenate([fold.score for fold in found]).tolist()) == sorted(split.train.tolist())
    for fold in [*found, *contiguous_folds(split.train, folds, copies)]:
        assert not set(copies[fold.fit]) & set(copies[fold.score])


@given(rows=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 25)), min_size=2, max_size=80), share=SHARES)
def test_later_copies_of_what_is_learnt_are_not_held_out(rows: list[tuple[int, int]], share: float) -> None:
    time_us, copies = (np.array(part) for part in zip(*rows, strict=True))
    rng = np.random.default_rng(0)
    try:
        split = split_rows(TimeSplit(test_share=share), None, time_us, len(rows), rng, copies)
    except DataContractError:
        return
    assert not set(copies[split.train]) & set(copies[split.test])
    assert time_us[split.train].max() < time_us[split.test].min()
    # Only copies of what is learnt are left out: each different row has its place.
    assert set(copies[split.train]) | set(copies[split.test]) == set(copies)
    try:
        found = validation_folds(CrossValidation(folds=3), split, None, time_us, rng, copies)
    except DataContractError:
        return
    for fold in found:
        assert not set(copies[fold.fit]) & set(copies[fold.score])
        assert time_us[fold.fit].max() < time_us[fold.score].min()


@given(rows=st.integers(4, 60), share=SHARES, seed=st.integers(0, 2**32 - 1), data=st.data())
def test_a_table_without_copies_is_split_as_if_none_were_looked_for(
    rows: int, share: float, seed: int, data: st.DataObject
) -> None:
    labels = np.array(data.draw(st.lists(st.integers(0, 2), min_size=rows, max_size=rows)))
    parts = []
    for copies in (None, np.arange(rows)):
        try:
            split = split_rows(
                StratifiedSplit(test_share=share), labels, None, rows, np.random.default_rng(seed), copies
            )
        except DataContractError:
            return
        parts.append((split.train.tolist(), split.test.tolist()))
    assert parts[0] == parts[1]


@given(seed=st.integers(0, 50), large=st.integers(1, 300))
def test_a_row_with_many_copies_does_not_empty_the_held_out_part(seed: int, large: int) -> None:
    copies = np.concatenate([np.zeros(large, dtype=np.int64), np.arange(1, 1001 - large)])
    split = split_rows(StratifiedSplit(test_share=0.2), None, None, 1000, np.random.default_rng(seed), copies)
    assert len(split.test) == 200
    assert not set(copies[split.train]) & set(copies[split.test])
