"""What a rollout is to do, where it stands, what is seen of it, and what a decision says: values without behaviour."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from pydantic import TypeAdapter

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Task, Verdict
from trimtab.core.errors import ConfigError
from trimtab.rollout.answering import AnsweringConfig
from trimtab.rollout.phases import Phase
from trimtab.rollout.strategies import Bake, RecreateConfig, Strategy, bake_of
from trimtab.serving.spec import OnFull

__all__ = [
    "Evidence",
    "Observation",
    "RolloutSpec",
    "RolloutState",
    "ServedState",
    "StagingObservation",
    "Transition",
    "VersionRef",
]

_MOST_WHY: Final = 1_000
_MOST_REASON: Final = 4_000
_END: Final = " …"


@dataclass(frozen=True, slots=True)
class VersionRef:
    """A model version as a server needs it."""

    number: int
    bundle_path: str
    bundle_digest: str

    @property
    def variant(self) -> str:
        """Its name behind an endpoint.

        >>> VersionRef(7, "/bundles/x", "ab").variant
        'v7'
        """
        return f"v{self.number}"


@dataclass(frozen=True, slots=True)
class RolloutSpec:
    """What shall happen: ``candidate`` replaces ``stable`` (None: nothing is served yet) on ``endpoint``.

    All that its verdicts rest on is fixed here when it starts: ``strategy`` with its limits, ``task`` and ``metrics``
    of the model (None and empty: stored before they were asked for). An edit of YAML never moves them.

    Raises:
        ConfigError: candidate and stable are the same version, or production and staging the same endpoint.
    """

    endpoint: str
    staging_endpoint: str
    model: str
    candidate: VersionRef
    stable: VersionRef | None
    strategy: Strategy = field(default_factory=lambda: RecreateConfig(type="recreate"))
    smoke_max_abs_difference: float = 1e-4
    sticky_key: str | None = None
    on_full: OnFull = OnFull.REFUSE
    answering: AnsweringConfig = field(default_factory=AnsweringConfig)
    task: Task | None = None
    metrics: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be rolled out."""
        if self.stable is not None and self.stable.number == self.candidate.number:
            raise ConfigError(
                f"endpoint {self.endpoint!r}: version {self.candidate.number} is what it serves already; "
                "name another version"
            )
        if self.endpoint == self.staging_endpoint:
            raise ConfigError(f"endpoint {self.endpoint!r}: is its own staging endpoint; name another one")

    @property
    def bake(self) -> Bake | None:
        """The time in which the candidate has all traffic and is watched; a first version, until it is served."""
        return bake_of(self.strategy if self.stable is not None else RecreateConfig(type="recreate"))

    def to_json(self) -> JsonObject:
        """Return the spec as JSON values."""
        return dict(_SPEC.dump_python(self, mode="json"))

    @staticmethod
    def from_json(data: Any) -> RolloutSpec:
        """Return the spec that `to_json` wrote."""
        return _SPEC.validate_python(data)


@dataclass(frozen=True, slots=True)
class RolloutState:
    """Where a rollout stands since ``since_us``; ``resumes_to`` is the phase that a held one came from.

    ``generation`` of the production endpoint is the one that this state desires; None: it has not been desired yet, so
    that nothing seen so far can be of this state. ``asked``: names of evidence that a person was asked about; who
    resumes the rollout has answered that, and is not asked again.
    """

    phase: Phase
    since_us: int
    step_index: int = 0
    weight_pct: Decimal = Decimal(0)
    resumes_to: Phase | None = None
    generation: int | None = None
    asked: tuple[str, ...] = ()

    @staticmethod
    def initial(now_us: int) -> RolloutState:
        """Return the state of a rollout that starts at ``now_us``."""
        return RolloutState(phase=Phase.STAGING, since_us=now_us)

    @property
    def stage(self) -> Phase:
        """The phase whose work is under way, also while it is held."""
        return self.resumes_to if self.phase.is_held and self.resumes_to is not None else self.phase

    @property
    def is_promotable(self) -> bool:
        """Whether a person may promote it: it takes real traffic, or copies of it."""
        return self.stage.has_traffic

    def to_json(self) -> JsonObject:
        """Return the state as JSON values."""
        return dict(_STATE.dump_python(self, mode="json"))

    @staticmethod
    def from_json(data: Any) -> RolloutState:
        """Return the state that `to_json` wrote."""
        return _STATE.validate_python(data)


@dataclass(frozen=True, slots=True)
class StagingObservation:
    """What the staging endpoint says of the candidate; ``error`` tells why it does not load."""

    ready: bool
    smoke_rows: int = 0
    smoke_max_abs_difference: float = 0.0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """One limit, what was found, and what follows. ``value`` is None when there is nothing to judge.

    ``lower`` and ``upper`` bound the value, whenever one looks. ``e_harm`` and ``e_safe`` are the e-values against "not
    beyond the limit" and "beyond the limit"; ``e_harm`` ≥ 1 / ``alpha`` is a breach. ``candidate_n`` and ``stable_n``
    are the units that it rests on. What is not ``required`` may be a breach, but nothing waits for it to be OK. Of
    ``why`` 1 000 characters are kept: an error of any length must not keep a decision from being stored.
    """

    name: str
    verdict: Verdict
    value: float | None
    limit: float | None
    why: str
    lower: float | None = None
    upper: float | None = None
    e_harm: float | None = None
    e_safe: float | None = None
    alpha: float | None = None
    candidate_n: int = 0
    stable_n: int = 0
    required: bool = True

    def __post_init__(self) -> None:
        """Shorten the text."""
        object.__setattr__(self, "why", _shortened(self.why, _MOST_WHY))


class ServedState(StrEnum):
    """What production makes of the generation that was last desired."""

    UNKNOWN = "unknown"
    ARRIVING = "arriving"
    SERVED = "served"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Observation:
    """What is seen of a rollout at one moment.

    ``staging`` is None while no server answers for the staging endpoint. All else is of ``generation``, the one that
    was last desired of production: what production makes of it (``production_error``: why it is refused, or why that
    cannot be read), the ``requests`` that the candidate answered in it (below 400), beside those that it ``refused`` or
    ``failed`` and those whose callers ``abandoned`` them, and the ``evidence``. ``outages`` are breaches that count
    whatever production says: what it says may be of no process that lives.
    """

    staging: StagingObservation | None = None
    production: ServedState = ServedState.UNKNOWN
    production_error: str | None = None
    generation: int | None = None
    requests: int = 0
    refused: int = 0
    failed: int = 0
    abandoned: int = 0
    evidence: tuple[Evidence, ...] = ()
    outages: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Transition:
    """What a step or an operation decided.

    ``weights`` (live variant → percent) is what production shall be made, None when it stays as it is; a shadow comes
    or goes without a weight. ``verdict`` is None for what a person decided. Of ``reason`` 4 000 characters are kept.
    """

    state: RolloutState
    weights: Mapping[str, Decimal] | None
    reason: str
    verdict: Verdict | None
    evidence: tuple[Evidence, ...] = ()

    def __post_init__(self) -> None:
        """Shorten the text."""
        object.__setattr__(self, "reason", _shortened(self.reason, _MOST_REASON))

    def to_json(self) -> JsonObject:
        """Return the transition as JSON values, for the rollout's log and the audit; what is no number is null."""
        told = dict(_TRANSITION.dump_python(self, mode="json"))
        told["evidence"] = [{name: _told(value) for name, value in piece.items()} for piece in told["evidence"]]
        return told


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - len(_END)] + _END


def _told(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


_SPEC: TypeAdapter[RolloutSpec] = TypeAdapter(RolloutSpec)
_STATE: TypeAdapter[RolloutState] = TypeAdapter(RolloutState)
_TRANSITION: TypeAdapter[Transition] = TypeAdapter(Transition)
