"""Which rules of a policy can ever decide: worked out exactly, so that a rule that never will is found by reading.

A rule is a conjunction: it holds where each of its conditions does. So each value of what a rule looks at (origin,
diagnosis, action …) stands for the set of rules that take it, and a proposal matches the rules that lie in all of its
values' sets. Few sets differ, so that all combinations are gone through in no time, however many values there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise, product
from typing import TYPE_CHECKING, TypeVar

from trimtab.remediation.kinds import AT_ONCE, ActionKind, DiagnosisKind, Level, Origin

if TYPE_CHECKING:
    from trimtab.remediation.policy import PolicyRule

__all__ = ["covering", "severities", "unreachable"]

Rules = Sequence["PolicyRule"]
ValueT = TypeVar("ValueT")


def unreachable(rules: Rules) -> list[int]:
    """Return the places of the rules that no proposal ever comes to, since those above them take them all.

    A proposal is any origin (a person may be one who may approve), diagnosis or none, action or none, model, severity
    0..1, and any set of diagnoses that are open. Of these sets the empty one and those of one diagnosis are enough: a
    rule asks for one of its diagnoses, and a larger set can only have more of the rules above match.
    """
    deciding = {mask & -mask for mask in _matching(rules)}
    return [place for place in range(len(rules)) if 1 << place not in deciding]


def covering(rules: Rules, place: int) -> list[int]:
    """Return the places of the rules above that take what the rule at ``place`` would match."""
    own = 1 << place
    first = {mask & -mask for mask in _matching(rules[: place + 1]) if mask & own}
    return sorted(mask.bit_length() - 1 for mask in first if mask != own)


def severities(rules: Rules) -> list[float]:
    """Return severities 0..1 among which each set of rules that a severity can match is met.

    Rules divide 0..1 at their limits and at the levels': these points, and one between each two of them.
    """
    cuts = {0.0, 1.0, *(bound for rule in rules for bound in (rule.when.min_severity, rule.when.max_severity))}
    cuts |= {1 / 3, 2 / 3}
    ordered = sorted(cuts)
    return sorted({*ordered, *((low + high) / 2 for low, high in pairwise(ordered))})


def _matching(rules: Rules) -> set[int]:
    """Return each set of rules, a bit a rule, that some proposal matches, unless it is empty."""
    found = {(1 << len(rules)) - 1}
    for taken in _axes(rules):
        found = {before & here for before in found for here in taken} - {0}
    return found


def _axes(rules: Rules) -> Iterator[set[int]]:
    """Yield, for each thing that rules look at, the sets of rules that its values are taken by."""
    named = sorted({name for rule in rules for name in rule.when.models})
    # None: a model that no rule names.
    yield _sets(rules, [None, *named], lambda rule, model: not rule.when.models or model in rule.when.models)
    yield _sets(
        rules, [None, *DiagnosisKind], lambda rule, found: not rule.when.diagnosis or found in rule.when.diagnosis
    )
    yield _sets(
        rules,
        [None, *DiagnosisKind],
        lambda rule, found: not rule.when.open_diagnosis or found in rule.when.open_diagnosis,
    )
    spoken_of = {rule.name: rule.proposals() for rule in rules}
    wanted = product(Origin, [None, *ActionKind], [False, True])
    yield _sets(rules, wanted, lambda rule, one: one[1] in spoken_of[rule.name] and _hears(rule, *one))
    yield _sets(rules, severities(rules), _takes_severity)


def _hears(rule: PolicyRule, origin: Origin, action: ActionKind | None, may_approve: bool) -> bool:
    """Whether the rule is for what this origin wants: an approver who goes back is heard only by rules for people."""
    if origin is Origin.PERSON and may_approve and action in AT_ONCE:
        return origin in rule.when.origin
    return not rule.when.origin or origin in rule.when.origin


def _takes_severity(rule: PolicyRule, severity: float) -> bool:
    level = not rule.when.level or Level.of(severity) in rule.when.level
    return level and rule.when.min_severity <= severity <= rule.when.max_severity


def _sets(rules: Rules, values: Iterable[ValueT], takes: Callable[[PolicyRule, ValueT], bool]) -> set[int]:
    return {sum(takes(rule, value) << place for place, rule in enumerate(rules)) for value in values}
