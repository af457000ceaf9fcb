"""Which rules of a policy can ever decide: worked out exactly, so that a rule that never will is found by reading.

A rule is a conjunction: it holds where each of its conditions does. So each value of what a rule looks at (origin,
diagnosis, action …) stands for the set of rules that take it, and a proposal matches the rules that lie in all of its
values' sets. Few sets differ, so that all combinations are gone through in no time, however many values there are.
What there is to go through stands in `trimtab.remediation.proposed`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

from trimtab.remediation.kinds import AT_ONCE, ActionKind, DiagnosisKind, Level, Origin
from trimtab.remediation.proposed import COVERED, PROPOSED, Form

if TYPE_CHECKING:
    from trimtab.remediation.policy import PolicyRule

__all__ = ["covering", "severities", "unreachable"]

Rules = Sequence["PolicyRule"]
ValueT = TypeVar("ValueT")


def unreachable(rules: Rules) -> list[int]:
    """Return the places of the rules that nothing which is ever proposed comes to, for whatever reason.

    Of the diagnoses that are open beside a proposal's own, none and each single one are enough to go through: a rule
    asks for one of its diagnoses, and a larger set can only have more of the rules above match.
    """
    deciding = {mask & -mask for mask in _matching(rules)}
    return [place for place in range(len(rules)) if 1 << place not in deciding]


def covering(rules: Rules, place: int) -> list[int]:
    """Return the places of the rules above that take what the rule at ``place`` would match; none: nothing is."""
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
    """Return each set of rules, a bit a rule, that something which is proposed matches, unless it is empty."""
    named = sorted({name for rule in rules for name in rule.when.models})
    # None: a model that no rule names.
    models = _sets(rules, [None, *named], lambda rule, model: not rule.when.models or model in rule.when.models)
    all_severities = severities(rules)
    found: set[int] = set()
    for form in PROPOSED:
        found |= _of_form(rules, form, models, all_severities)
    naming = _set(rules, lambda rule: ActionKind.DEPLOY in {*rule.when.action, *rule.then.actions})
    for form in COVERED:
        found |= {mask & naming for mask in _of_form(rules, form, models, all_severities)}
    return found - {0}


def _of_form(rules: Rules, form: Form, models: set[int], all_severities: Iterable[float]) -> set[int]:
    speaking = _set(rules, lambda rule: form.action in rule.proposals())
    found = {mask & speaking for mask in models}
    bounds = all_severities if form.severity is None else [form.severity]
    approvers = [False, True] if form.origin is Origin.PERSON and form.action in AT_ONCE else [False]
    for taken in (
        _sets(rules, approvers, lambda rule, may_approve: _hears(rule, form.origin, form.action, may_approve)),
        _sets(rules, bounds, _takes_severity),
        _sets(rules, _diagnoses(form), _takes_diagnoses),
    ):
        found = {before & here for before in found for here in taken} - {0}
    return found


def _diagnoses(form: Form) -> Iterator[tuple[DiagnosisKind | None, frozenset[DiagnosisKind]]]:
    """Yield what a proposal is diagnosed as, with the diagnoses that are open: the fewest, and one more."""
    for own, fewest in form.diagnoses():
        yield own, frozenset(fewest)
        yield from ((own, frozenset((*fewest, other))) for other in DiagnosisKind)


def _takes_diagnoses(rule: PolicyRule, found: tuple[DiagnosisKind | None, frozenset[DiagnosisKind]]) -> bool:
    own, opened = found
    named = not rule.when.diagnosis or own in rule.when.diagnosis
    return named and (not rule.when.open_diagnosis or not opened.isdisjoint(rule.when.open_diagnosis))


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


def _set(rules: Rules, takes: Callable[[PolicyRule], bool]) -> int:
    return sum(takes(rule) << place for place, rule in enumerate(rules))
