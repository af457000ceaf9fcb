"""Whether the candidate predicts otherwise than the stable version does on the same traffic, whoever is right."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import median

import numpy as np
from numpy.typing import NDArray

from trimtab.core.enums import Task, Verdict
from trimtab.measures.betting import BETS, BetProcess
from trimtab.measures.label_process import log_mean_exp
from trimtab.rollout.block import AnsweredUnit
from trimtab.rollout.state import Evidence
from trimtab.rollout.wealth import HarmBets, Limit, Wealth, e_value, segment_share, settled

__all__ = ["SHIFT", "PredictionState", "Question", "Shifts", "judge_predictions", "with_predictions"]

SHIFT = "prediction_shift"
"""What the evidence is called."""

_MOST_CLASSES = 8
_MEDIAN_OF = 200
_NONE_YET = (0.0,) * BETS

Floats = NDArray[np.float64]
Wagers = tuple[float, ...]
"""The logarithms of the wealth of a process's gamblers, on safety."""


@dataclass(frozen=True, slots=True)
class Question:
    """How often a version gives one answer: a class, or (None) a number above a median of the stable version's.

    Bets that the candidate gives it too often (``more``) or too seldom (``less``), which begin anew with every block,
    and that it does not; units, and the sums of their shares of such answers, since it is asked.
    """

    answer: str | None
    more: HarmBets = field(default_factory=HarmBets)
    not_more: Wagers = _NONE_YET
    less: HarmBets = field(default_factory=HarmBets)
    not_less: Wagers = _NONE_YET
    candidate_n: int = 0
    candidate_sum: float = 0.0
    stable_n: int = 0
    stable_sum: float = 0.0

    @property
    def shift(self) -> float:
        """The candidate's share of such answers minus the stable version's; 0 while one of them has none."""
        if not (self.candidate_n and self.stable_n):
            return 0.0
        return self.candidate_sum / self.candidate_n - self.stable_sum / self.stable_n


@dataclass(frozen=True, slots=True)
class Shifts:
    """What is asked in one segment; of numbers, whether they are above ``threshold``: the median of 200 answers before.

    ``latest``: the stable version's answers since, of which the next threshold is made.
    """

    segment: int
    questions: tuple[Question, ...] = ()
    threshold: float | None = None
    latest: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class PredictionState:
    """What is kept of both versions' predictions, by segment in the order of their beginning."""

    segments: tuple[Shifts, ...] = ()


def with_predictions(
    state: PredictionState, units: Sequence[AnsweredUnit], most_shift: float, task: Task, *, segment: int
) -> PredictionState:
    """Return the state after a block of units in the order of their receipt.

    With Y a unit's share of rows with the answer asked for, c the stable version's mean of Y *before* it, A whether it
    was drawn for the candidate (chance p), and m the largest shift allowed: ``Z = A(1−p)(Y − c − m) − (1−A)p(Y − c)``,
    whose mean is p(1−p) times how much the candidate's share exceeds the stable one's plus m; and the same of 1 − Y.
    What is asked is known before the unit it is asked of: a class from the unit after the one that it was first seen in
    (of two classes the first says all; of many, the first eight are asked for), a number by the threshold before it.
    Units that were not drawn (p 0 or 1), and numbers that are not finite, are left out.
    """
    kept = [unit for unit in units if 0 < unit.probability < 1 and unit.answers]
    if not kept:
        return state
    # Of this segment alone: what a sticky key did in an earlier one tells to which version it belongs.
    old = next((found for found in state.segments if found.segment == segment), Shifts(segment))
    new = (_numbers if task is Task.REGRESSION else _classes)(old, kept, most_shift, task)
    if any(found.segment == segment for found in state.segments):
        return PredictionState(tuple(new if found.segment == segment else found for found in state.segments))
    return PredictionState((*state.segments, new))


def _classes(shifts: Shifts, units: Sequence[AnsweredUnit], most_shift: float, task: Task) -> Shifts:
    questions = {str(question.answer): question for question in shifts.questions}
    since = dict.fromkeys(questions, 0)
    given = [Counter(map(str, unit.answers)) for unit in units]
    for place, of_unit in enumerate(given, start=1):
        for answer in of_unit:
            if len(since) < _most_questions(task):
                since.setdefault(answer, place)
    asked = []
    for answer, start in since.items():
        shares = [of_unit[answer] / of_unit.total() for of_unit in given[start:]]
        asked.append(_asked(questions.get(answer, Question(answer)), units[start:], shares, most_shift))
    return replace(shifts, questions=tuple(asked))


def _numbers(shifts: Shifts, units: Sequence[AnsweredUnit], most_shift: float, _task: Task) -> Shifts:
    threshold, latest = shifts.threshold, list(shifts.latest)
    asked: list[AnsweredUnit] = []
    shares: list[float] = []
    for unit in units:
        numbers = [float(answer) for answer in unit.answers if math.isfinite(float(answer))]
        if not numbers:
            continue
        if threshold is not None:
            asked.append(unit)
            shares.append(sum(number > threshold for number in numbers) / len(numbers))
        if not unit.is_candidate:
            latest.append(median(numbers))
            if len(latest) == _MEDIAN_OF:
                threshold, latest = median(latest), []
    (question,) = shifts.questions or (Question(None),)
    return replace(
        shifts, questions=(_asked(question, asked, shares, most_shift),), threshold=threshold, latest=tuple(latest)
    )


def _most_questions(task: Task) -> int:
    return _MOST_CLASSES if task is Task.MULTICLASS else 1


def _asked(question: Question, units: Sequence[AnsweredUnit], shares: list[float], most_shift: float) -> Question:
    if not units:
        return question
    p = np.array([unit.probability for unit in units])
    drawn = np.array([unit.is_candidate for unit in units])
    y = np.array(shares)
    of_stable = np.where(drawn, 0.0, y)
    before_n = question.stable_n + np.concatenate([[0], np.cumsum(~drawn)[:-1]])
    before_sum = question.stable_sum + np.concatenate([[0.0], np.cumsum(of_stable)[:-1]])
    beyond = y - (before_sum + 0.5) / (before_n + 1)
    more = np.where(drawn, (1 - p) * (beyond - most_shift), -p * beyond)
    less = np.where(drawn, (1 - p) * (-beyond - most_shift), p * beyond)
    bets = BetProcess.start(-1 - most_shift, 1 + most_shift)
    return Question(
        question.answer,
        more=question.more.with_gains(bets.with_values(more).log_wealth, len(units)),
        not_more=_plus(question.not_more, bets, -more),
        less=question.less.with_gains(bets.with_values(less).log_wealth, len(units)),
        not_less=_plus(question.not_less, bets, -less),
        candidate_n=question.candidate_n + int(drawn.sum()),
        candidate_sum=question.candidate_sum + float(y[drawn].sum()),
        stable_n=question.stable_n + int((~drawn).sum()),
        stable_sum=question.stable_sum + float(of_stable.sum()),
    )


def _plus(wagers: Wagers, bets: BetProcess, excess: Floats) -> Wagers:
    return tuple((np.array(wagers) + bets.with_values(excess).log_wealth).tolist())


def judge_predictions(limit: Limit, state: PredictionState, task: Task, *, sticky: bool) -> Evidence:
    """Return whether the shares of answers differ by more than ``limit.limit``; it is never waited for.

    A BREACH says that somebody should look: a better model predicts otherwise, too.
    """
    wealth = _wealth(state, task, sticky=sticky)
    verdict = settled(wealth, limit.alpha, limit.alpha_ok)
    asked = [(shifts, question) for shifts in state.segments for question in shifts.questions]
    told = [(shifts, question) for shifts, question in asked if question.candidate_n and question.stable_n]
    value, seen = None, "none of both versions to compare yet"
    candidate_n = stable_n = 0
    if told:
        shifts, question = max(told, key=_harm_of if verdict is Verdict.BREACH else _apart)
        value, seen = abs(question.shift), _seen(shifts, question)
        candidate_n, stable_n = question.candidate_n, question.stable_n
    margin = f"{limit.limit * 100:.3g} points"
    follows = {
        Verdict.BREACH: f"they differ by more than {margin}; a better model may well answer otherwise",
        Verdict.OK: f"they do not differ by more than {margin}",
        Verdict.INCONCLUSIVE: f"too few to tell a difference of {margin}; it is not waited for",
    }[verdict]
    return Evidence(
        limit.name,
        verdict,
        value,
        limit.limit,
        f"predictions: {seen}: {follows}",
        e_harm=e_value(wealth.log_harm),
        e_safe=e_value(wealth.log_safe),
        alpha=limit.alpha,
        candidate_n=candidate_n,
        stable_n=stable_n,
        required=False,
    )


def _seen(shifts: Shifts, question: Question) -> str:
    what = f"are {question.answer!r}"
    if question.answer is None:
        what = f"lie above the stable version's median, {shifts.threshold:.4g} of late"
    mine, other = question.candidate_sum / question.candidate_n, question.stable_sum / question.stable_n
    return (
        f"{mine:.1%} of the candidate's and {other:.1%} of the stable version's {what} "
        f"({question.candidate_n} and {question.stable_n} requests)"
    )


def _harm_of(told: tuple[Shifts, Question]) -> float:
    return float(np.logaddexp(told[1].more.log_e, told[1].less.log_e))


def _apart(told: tuple[Shifts, Question]) -> tuple[int, float]:
    """Order questions for showing: those of the latest segment, by how far the versions are apart."""
    return told[0].segment, abs(told[1].shift)


def _log_e(wagers: Wagers) -> float:
    return float(log_mean_exp(np.array(wagers)))


def _wealth(state: PredictionState, task: Task, *, sticky: bool) -> Wealth:
    """Return the evidence of all segments: the mean over what may be asked, in both directions, is an e-value.

    That nothing is beyond the limit is known when it is known of each question, in each direction.
    """
    harm, safe = 0.0 if not state.segments else -math.inf, 0.0
    for ordinal, shifts in enumerate(state.segments, start=1):
        share = math.log(segment_share(ordinal)) if sticky else 0.0
        logs = [log for question in shifts.questions for log in (question.more.log_e, question.less.log_e)]
        # What is not asked for yet has won and lost nothing.
        logs += [0.0] * (2 * _most_questions(task) - len(logs))
        harm = max(harm, float(np.logaddexp.reduce(logs)) - math.log(len(logs)) + share)
        safes = [_log_e(wagers) + share for asked in shifts.questions for wagers in (asked.not_more, asked.not_less)]
        safe = min(safes, default=0.0)
    return Wealth(harm, safe)
