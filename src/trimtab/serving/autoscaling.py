"""How many workers a server should have for what it is asked: more at once, fewer when it has been so for a while."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import msgspec

from trimtab.serving.spec import AutoscalingSpec

__all__ = ["Autoscaler", "Scale", "demand", "rescaled"]

_MEAN_OVER_S: Final = 5.0
_CALM_S: Final = 60.0
_LOOK_S: Final = 1.0

_Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Scale:
    """``workers`` that there should be, and what that rests on.

    ``loads``: (time in s, requests in flight) of the last seconds. ``wants``: (time in s, workers wanted) of the last
    minute, oldest first; ``since_s``: the first of all looks.
    """

    workers: int
    since_s: float
    loads: tuple[tuple[float, float], ...] = ()
    wants: tuple[tuple[float, int], ...] = ()


def demand(policies: Iterable[AutoscalingSpec], in_flight: float) -> int | None:
    """Return how many workers ``in_flight`` requests need, None where no endpoint has a policy.

    ⌈in_flight / target⌉, within the bounds. Workers are shared by all endpoints of a server: the smallest target, the
    largest minimum and the largest maximum count. A NaN load counts as none.

    >>> demand([AutoscalingSpec(max_workers=4, target_in_flight=8)], 17)
    3
    >>> demand([AutoscalingSpec(max_workers=4), AutoscalingSpec(min_workers=2, max_workers=2)], 1e9)
    4
    """
    known = tuple(policies)
    if not known:
        return None
    wanted = math.ceil(max(0.0, in_flight) / min(one.target_in_flight for one in known)) if in_flight > 0 else 0
    return min(max(wanted, *(one.min_workers for one in known)), max(one.max_workers for one in known))


def rescaled(before: Scale, policies: Iterable[AutoscalingSpec], in_flight: float, *, most: int, now_s: float) -> Scale:
    """Return the scale after another look at the load, of at most ``most`` workers.

    What counts is the mean load of the last 5 s. More workers come at once. It becomes fewer when for 60 s no look has
    wanted as many as there are: as many as the busiest of these looks wanted. Without a policy there are ``most``.

    A clock that jumps back begins anew.
    """
    if before.loads and now_s < before.loads[-1][0]:
        before = Scale(before.workers, now_s)
    loads = (*(one for one in before.loads if now_s - one[0] < _MEAN_OVER_S), (now_s, in_flight))
    wanted = demand(policies, sum(load for _, load in loads) / len(loads))
    if wanted is None:
        return Scale(most, now_s)
    wanted = min(wanted, most)
    wants = (*(one for one in before.wants if now_s - one[0] < _CALM_S), (now_s, wanted))
    workers = max(min(before.workers, most), wanted)
    if now_s - before.since_s >= _CALM_S:
        workers = min(workers, max(want for _, want in wants))
    return Scale(workers, before.since_s, loads, wants)


class _Spec(msgspec.Struct):
    """The part of an `EndpointSpec` that matters here. What else is wrong with it is told by those who serve it."""

    variants: tuple[msgspec.Raw, ...] = ()
    autoscaling: AutoscalingSpec | None = None
    scaled_to: Annotated[int, msgspec.Meta(ge=1)] | None = None


class Autoscaler:
    """Says how many of a server's ``most`` workers should run, by the specs in a folder and by the load."""

    def __init__(self, specs: Path, most: int, now_s: float) -> None:
        self._specs = specs
        self._most = most
        self._scale = Scale(most, now_s)
        self._due_s = now_s
        self._read: dict[str, tuple[_Stamp, AutoscalingSpec | None]] = {}

    def wanted(self, in_flight: Callable[[], float], now_s: float) -> int:
        """Return the number of workers; it is thought over once a second, and ``in_flight`` is asked then at most."""
        if self._most > 1 and now_s >= self._due_s:
            self._due_s = now_s + _LOOK_S
            policies = self._policies()
            load = in_flight() if policies else 0.0
            self._scale = rescaled(self._scale, policies, load, most=self._most, now_s=now_s)
        return self._scale.workers

    def _policies(self) -> tuple[AutoscalingSpec, ...]:
        """Return the policies of endpoints that serve something; only files that have changed are read."""
        found: dict[str, tuple[_Stamp, AutoscalingSpec | None]] = {}
        try:
            with os.scandir(self._specs) as entries:
                for entry in entries:
                    if entry.name.endswith(".json") and not entry.name.startswith("."):
                        status = entry.stat()
                        stamp = (status.st_mtime_ns, status.st_ino, status.st_size)
                        known = self._read.get(entry.name)
                        if known is None or known[0] != stamp:
                            known = stamp, _policy_in(Path(entry.path))
                        found[entry.name] = known
        except OSError:
            # The folder comes with the first deployment; a file that is replaced meanwhile is seen next time.
            return tuple(policy for _, policy in self._read.values() if policy is not None)
        self._read = found
        return tuple(policy for _, policy in found.values() if policy is not None)


def _policy_in(path: Path) -> AutoscalingSpec | None:
    try:
        spec = msgspec.json.decode(path.read_bytes(), type=_Spec)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    policy = spec.autoscaling if spec.variants else None
    if policy is None or spec.scaled_to is None:
        return policy
    least = max(policy.min_workers, spec.scaled_to)
    return msgspec.structs.replace(policy, min_workers=least, max_workers=max(policy.max_workers, least))
