"""What each step of one training did, and what it leaves for the next one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TypeVar

from trimtab.training.cache import StepCache
from trimtab.training.request import StepResult
from trimtab.training.settings import Algorithm
from trimtab.training.steps import Step

__all__ = ["StepBook"]

ValueT = TypeVar("ValueT")


class StepBook:
    """Writes steps down as they end; those whose key is known are taken over from the cache."""

    def __init__(self, cache: StepCache) -> None:
        self._cache = cache
        self._results: list[StepResult] = []

    @property
    def results(self) -> tuple[StepResult, ...]:
        """The steps so far, in the order in which they ended."""
        return tuple(self._results)

    def recall(self, step: Step, key: str, kind: type[ValueT], of: Algorithm | None = None) -> ValueT | None:
        """Return what the step with this ``key`` gave in an earlier training, if that was kept and is sound."""
        began = perf_counter()
        value = self._cache.get(key, kind)
        if value is not None:
            self._note(step, key, perf_counter() - began, of, reused=True)
        return value

    def keep(self, step: Step, key: str, value: object, seconds: float, of: Algorithm | None = None) -> None:
        """Write down that the step was done, and keep its ``value`` for later trainings, unless that is None."""
        if value is not None:
            self._cache.put(key, value)
        self._note(step, key, seconds, of, reused=False)

    @contextmanager
    def doing(self, step: Step, key: str) -> Iterator[None]:
        """Write down a step that is always done; it counts if the block ends well."""
        began = perf_counter()
        yield
        self._note(step, key, perf_counter() - began, None, reused=False)

    def _note(self, step: Step, key: str, seconds: float, of: Algorithm | None, *, reused: bool) -> None:
        name = step.value if of is None else f"{step} {of}"
        self._results.append(StepResult(name=name, key=key, seconds=round(seconds, 3), reused=reused))
