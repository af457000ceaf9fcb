"""Asks the lake, beside the looks at rollouts, how good their answers were: a slow lake must not hold up a way back."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from trimtab.loop.platform import Platform
from trimtab.loop.rollout_quality import LabelCursor, QualityUnits, quality_since
from trimtab.rollout.analysis_plan import AnalysisPlan
from trimtab.rollout.store import Rollout

__all__ = ["OneAtATime", "Outcomes", "OutcomesWatch"]

_EVERY_S: Final = 1.0
_SHARE: Final = 0.1
_PATIENCE_S: Final = 60.0
_REMEMBERED_S: Final = 600.0

_log = structlog.get_logger(__name__)

Work = Callable[[], None]


class OneAtATime:
    """Does what it is given in that order, in a thread that lasts as long as there is anything to do."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Work] = deque()
        self._works = False

    def __call__(self, work: Work) -> None:
        """Do ``work`` in its turn, and return at once.

        Raises:
            RuntimeError: the machine has no thread left.
        """
        with self._lock:
            if not self._works:
                # The process may end meanwhile: what is done here stores nothing.
                threading.Thread(target=self._run, name="outcomes", daemon=True).start()
                self._works = True
            self._waiting.append(work)

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._works = False
                    return
                work = self._waiting.popleft()
            work()


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What the lake has beyond a cursor, as far as it has answered: the cursor ``after`` it, and the ``units``.

    ``fault``: why it said nothing when it was last asked.
    """

    after: LabelCursor
    units: QualityUnits
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class _Question:
    cursor: LabelCursor
    plan: AnalysisPlan
    sticky: bool


@dataclass(frozen=True, slots=True)
class _Answer:
    """``until_s``: from when on, by the machine's time, the lake may be asked again."""

    question: _Question
    outcomes: Outcomes
    until_s: float


class OutcomesWatch:
    """Asks the lake for one rollout after another. Nobody waits: what it says is there at a later look."""

    def __init__(
        self,
        platform: Platform,
        *,
        monotonic_s: Callable[[], float] = time.monotonic,
        beside: Callable[[Work], None] | None = None,
    ) -> None:
        """``beside`` does what it is given while others go on; None: `OneAtATime`."""
        self._platform = platform
        self._monotonic_s = monotonic_s
        self._beside = beside or OneAtATime()
        self._asked_s: dict[str, float] = {}
        self._come: dict[str, _Answer] = {}
        self._last: dict[str, _Answer] = {}

    def since(self, rollout: Rollout, plan: AnalysisPlan, cursor: LabelCursor, *, sticky: bool) -> Outcomes:
        """Return what the lake has since ``cursor``, as far as it has said so; ask again where it is time to.

        A tenth of the time at most it is asked for a rollout: asking costs a join.
        """
        question, now_s = _Question(cursor, plan, sticky), self._monotonic_s()
        self._take(rollout.id)
        last = self._last.get(rollout.id)
        if rollout.id not in self._asked_s and (last is None or now_s >= last.until_s):
            self._forget(now_s)
            self._asked_s[rollout.id] = now_s
            try:
                self._beside(partial(self._ask, rollout, question))
            except RuntimeError as error:
                outcomes = Outcomes(cursor, QualityUnits(), str(error))
                self._come[rollout.id] = _Answer(question, outcomes, now_s + _EVERY_S)
            self._take(rollout.id)
        last, asked_s = self._last.get(rollout.id), self._asked_s.get(rollout.id)
        fault = None if last is None else last.outcomes.fault
        if asked_s is not None and now_s - asked_s >= _PATIENCE_S:
            fault = f"the lake has not answered within {_PATIENCE_S:g} s"
        # The answer to another question would be taken twice, or would leave something out.
        found = last.outcomes if last is not None and last.question == question else Outcomes(cursor, QualityUnits())
        return Outcomes(found.after, found.units, fault)

    def _take(self, rollout_id: str) -> None:
        come = self._come.pop(rollout_id, None)
        if come is not None:
            self._last[rollout_id] = come
            self._asked_s.pop(rollout_id, None)

    def _ask(self, rollout: Rollout, question: _Question) -> None:
        """Ask the lake, and leave its answer where a look finds it."""
        began_s, cursor = self._monotonic_s(), question.cursor
        try:
            after, units = quality_since(self._platform, rollout, question.plan, cursor, sticky=question.sticky)
            outcomes = Outcomes(after, units)
        except Exception as error:  # noqa: BLE001 - the lake's boundary: what breaks there must not hinder a way back
            _log.warning("outcomes.unread", rollout=rollout.id, error=str(error))
            outcomes = Outcomes(cursor, QualityUnits(), str(error))
        ended_s = self._monotonic_s()
        until_s = ended_s + max(_EVERY_S, (ended_s - began_s) / _SHARE)
        self._come[rollout.id] = _Answer(question, outcomes, until_s)

    def _forget(self, now_s: float) -> None:
        """Forget rollouts that nobody has looked at for long."""
        self._last = {name: one for name, one in self._last.items() if one.until_s > now_s - _REMEMBERED_S}
        # Not a new table: an answer may be written into this one right now.
        for name in [name for name, one in tuple(self._come.items()) if one.until_s <= now_s - _REMEMBERED_S]:
            del self._come[name]
            self._asked_s.pop(name, None)
