"""Puts a contract's rules to Great Expectations, about the distinct values of each column.

The only file that imports Great Expectations. That takes seconds, so it happens at the first judgement or in `warm_up`
of `trimtab.lake.contract`.
"""

from __future__ import annotations

import threading
import warnings
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.config.columns import ColumnContract
from trimtab.config.process import silence_telemetry
from trimtab.core.errors import BackendError
from trimtab.lake.reasons import Rule

__all__ = ["NEW", "Question", "broken_rows_by_rule"]

NEW = "new"
"""What a key reads as that was not processed before."""

_CELLS = 1_000_000
_MOST_REMEMBERED = 10_000
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What a column holds, and the rules about it.

    ``cells`` (d,) are its distinct values, at least one; ``codes`` (n,) say which of them stands in each row, -1 where
    none does. ``column`` names them for Great Expectations; ``allowed`` is what the contract says, if the rules ask it.
    """

    column: str
    cells: NDArray[Any]
    codes: NDArray[np.int32]
    rules: tuple[Rule, ...]
    allowed: ColumnContract | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Stack:
    """Questions with the same rules about the same limits, put as one: each rule of each costs milliseconds.

    ``cells`` are those of all of them, one behind the other. ``asked`` is what the answer hangs on besides: None where
    it hangs on more than each value alone.
    """

    questions: tuple[Question, ...]
    cells: NDArray[Any]
    asked: Hashable | None

    @property
    def column(self) -> str:
        return self.questions[0].column

    @property
    def rules(self) -> tuple[Rule, ...]:
        return self.questions[0].rules

    @property
    def allowed(self) -> ColumnContract | None:
        return self.questions[0].allowed


def broken_rows_by_rule(questions: Sequence[Question]) -> dict[Rule, NDArray[np.int64]]:
    """Return the rows, (k,) in order, that break each rule; rules in the order of ``questions``.

    Raises:
        BackendError: Great Expectations failed to evaluate a rule.
    """
    found: dict[Rule, NDArray[np.int64]] = {rule: np.empty(0, np.int64) for each in questions for rule in each.rules}
    stacks = [each for each in _stacks([one for one in questions if one.rules]) if not _is_known_sound(each)]
    asked = {rule: stack for stack in stacks for rule in stack.rules}
    for frame in _frames(stacks):
        for rule, places in _run(frame):
            stack = asked[rule]
            broken = np.zeros(len(stack.cells), dtype=bool)
            broken[[place for place in places if place < len(stack.cells)]] = True
            start, which = 0, stack.rules.index(rule)
            for question in stack.questions:
                end = start + len(question.cells)
                # One place more, for the code -1: a row without a value breaks nothing.
                found[question.rules[which]] = np.flatnonzero(np.append(broken[start:end], False)[question.codes])
                start = end
    for each in stacks:
        if not any(len(found[rule]) for question in each.questions for rule in question.rules):
            _remember(each)
    return found


_sound: dict[Hashable, set[Any] | tuple[Any, Any]] = {}
"""Values that kept certain rules, as a set, or from the least to the greatest of numbers that kept a range.

Segments come by the minute, and their values are those of yesterday: to ask again takes a third of a second each time.
"""


def _is_known_sound(stack: _Stack) -> bool:
    """Return whether each value is known to keep the rules, which each value does or does not for itself."""
    known = _sound.get(stack.asked)
    if isinstance(known, tuple):
        # A NaN is in no range, and so is asked about.
        return bool(known[0] <= stack.cells.min() and stack.cells.max() <= known[1])
    return known is not None and known.issuperset(stack.cells.tolist())


def _remember(stack: _Stack) -> None:
    if stack.asked is None:
        return
    if len(_sound) >= _MOST_REMEMBERED:
        _sound.clear()
    before = _sound.get(stack.asked)
    if stack.rules[0].name != "range":
        _sound[stack.asked] = {*stack.cells.tolist(), *(before if isinstance(before, set) else ())}
    elif stack.cells.dtype.kind in "iuf" and not np.isnan(stack.cells.max()):
        ends = [stack.cells.min(), stack.cells.max(), *(before if isinstance(before, tuple) else ())]
        _sound[stack.asked] = min(ends), max(ends)


def _stacks(questions: Sequence[Question]) -> list[_Stack]:
    """Return the questions, those together that differ in nothing but what the columns hold."""
    alike: dict[tuple[Hashable, ...], list[Question]] = defaultdict(list)
    for place, each in enumerate(questions):
        names = tuple(rule.name for rule in each.rules)
        # What no other value of the same column repeats may stand in another one.
        alone = place if "repeated" in names else None
        limits = None if each.allowed is None else tuple(_limits(each.allowed, rule) for rule in each.rules)
        alike[names, alone, limits, each.cells.dtype.str].append(each)
    return [
        _Stack(tuple(group), np.concatenate([each.cells for each in group]), None if key[1] is not None else key)
        for key, group in alike.items()
    ]


def _limits(allowed: ColumnContract, rule: Rule) -> Hashable:
    """Return what of the contract the rule asks for."""
    if rule.name == "missing":
        return None
    if rule.name == "range":
        return allowed.min, allowed.max
    return allowed.type if rule.name == "type" else allowed.values


def _frames(stacks: Sequence[_Stack]) -> Iterator[list[_Stack]]:
    """Yield questions to be asked together: Great Expectations copies the whole frame for rules of it."""
    frame: list[_Stack] = []
    for each in sorted(stacks, key=lambda one: len(one.cells)):
        if frame and (len(frame) + 1) * len(each.cells) > _CELLS:
            yield frame
            frame = []
        frame.append(each)
    if frame:
        yield frame


def _run(questions: Sequence[_Stack]) -> list[tuple[Rule, list[int]]]:
    """Return for each rule the places in its column that break it."""
    import pandas as pd  # start-up cost: the control plane imports this file long before it judges

    rows = len(questions[-1].cells)
    # Shorter columns are filled up with their last value; what is found beyond their end is left out again.
    frame = pd.DataFrame({each.column: _filled(each.cells, rows) for each in questions})
    expectations = [_expectation(each, rule) for each in questions for rule in each.rules]
    with _ONE_AT_A_TIME:
        suite = _library().ExpectationSuite(name="contract", expectations=expectations)
        outcome = _batches().get_batch({"dataframe": frame}).validate(suite, result_format="COMPLETE")
    found = []
    for result in outcome.results:
        meta = result.expectation_config.meta
        places = result.result.get("unexpected_index_list")
        if places is None or bool(places) is bool(result.success):
            raise BackendError(
                f"contract rule {meta['rule']!r} of column {meta['column']!r}: Great Expectations gave no answer "
                f"({str(result.exception_info)[:300]}); nothing was judged"
            )
        found.append((Rule(meta["rule"], meta["column"]), places))
    return found


def _filled(cells: NDArray[Any], rows: int) -> NDArray[Any]:
    return cells if len(cells) == rows else np.concatenate([cells, np.repeat(cells[-1:], rows - len(cells))])


def _expectation(question: _Stack, rule: Rule) -> Any:
    expectations, column = _library().expectations, question.column
    meta = {"rule": rule.name, "column": rule.column}
    if rule.name == "missing":
        return expectations.ExpectColumnValuesToNotBeNull(column=column, meta=meta)
    if rule.name == "repeated":
        return expectations.ExpectColumnValuesToBeUnique(column=column, meta=meta)
    if rule.name == "known" or question.allowed is None:
        return expectations.ExpectColumnValuesToBeInSet(column=column, value_set=[NEW], meta=meta)
    allowed = question.allowed
    if rule.name == "range":
        return expectations.ExpectColumnValuesToBeBetween(
            column=column, min_value=allowed.min, max_value=allowed.max, meta=meta
        )
    values = [str(allowed.type)] if rule.name == "type" else list(allowed.values or ())
    return expectations.ExpectColumnValuesToBeInSet(column=column, value_set=values, meta=meta)


@lru_cache(maxsize=1)
def _library() -> Any:
    silence_telemetry()
    with warnings.catch_warnings():
        # While it loads, it touches deprecated names of its own and of Python's.
        warnings.simplefilter("ignore")
        import great_expectations as gx  # start-up cost: seconds
        import great_expectations.data_context.types.base  # start-up cost
    return gx


@lru_cache(maxsize=1)
def _batches() -> Any:
    """Return the definition of a batch in a context that lives in memory only and reports nothing."""
    context = _library().get_context(mode="ephemeral")
    context.variables.progress_bars = _library().data_context.types.base.ProgressBarsConfig(globally=False)
    return (
        context.data_sources.add_pandas("delivery")
        .add_dataframe_asset("rows")
        .add_batch_definition_whole_dataframe("all")
    )
