"""Which class a case is, if one can be named: the first that fits, unless more than one thing is wrong at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from trimtab.monitoring.check import Check
from trimtab.remediation.diagnosis.classes import CLASSES, DATA_CLASSES, TroubleClass
from trimtab.remediation.diagnosis.data_facts import matter
from trimtab.remediation.diagnosis.fact import Fact, FactName, Facts
from trimtab.remediation.diagnosis.findings import DATA_QUALITY, DRIFT, Findings
from trimtab.remediation.kinds import DiagnosisKind

__all__ = ["Fit", "Verdict", "fit"]


@dataclass(frozen=True, slots=True)
class Fit:
    """How a class fits: ``answer`` of its needs, ``dropped`` why it is none all the same, None where it is."""

    rule: TroubleClass
    answer: bool | None
    dropped: str | None = None

    @property
    def holds(self) -> bool:
        """Whether it could be the diagnosis."""
        return self.answer is True and self.dropped is None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The class that was ``chosen``, None where none can be named, and then ``why`` not.

    ``also`` are others that fit beside it, ``unexplained`` the breaches that it does not account for, ``fits`` how all
    classes of the case's family fit.
    """

    chosen: TroubleClass | None
    why: str
    also: tuple[TroubleClass, ...]
    unexplained: tuple[Check, ...]
    fits: tuple[Fit, ...]


def fit(found: Findings, facts: Facts) -> Verdict:
    """Choose the class; None where what would exclude a nearer cause is not known, or the loudest is not explained."""
    fits = _fits(found, facts)
    holding = [one.rule for one in fits if one.holds]
    if not holding:
        return Verdict(None, "", (), found.breaches, fits)
    chosen = _first(holding, facts)
    also = tuple(rule for rule in holding if rule is not chosen and {rule.kind, chosen.kind} <= DATA_CLASSES)
    held_back = [
        one
        for one in fits
        if one.answer is None
        and chosen.kind in one.rule.holds_back
        and one.rule.suspect is not None
        and one.rule.suspect.answer(facts)
    ]
    if held_back:
        what = ", ".join(fact.why for fact in held_back[0].rule.needs.lacking(facts))
        why = f"it may be {_words(chosen.kind)}, or {_words(held_back[0].rule.kind)}: {what}"
        return Verdict(None, why, (), found.breaches, fits)
    unexplained = _unexplained(found, facts, (chosen, *also))
    if _is_loudest(unexplained, found.breaches):
        others = ", ".join(dict.fromkeys(check.monitor for check in unexplained))
        why = f"more than one thing at once: {_words(chosen.kind)} does not explain what {others} found"
        return Verdict(None, why, (), unexplained, fits)
    return Verdict(chosen, "", also, unexplained, fits)


def _fits(found: Findings, facts: Facts) -> tuple[Fit, ...]:
    fits: list[Fit] = []
    holding: set[DiagnosisKind] = set()
    for rule in CLASSES:
        if found.evidence.family not in rule.families:
            continue
        fits.append(_fit_of(rule, facts, holding, found.evidence.importance))
        if fits[-1].holds:
            holding.add(rule.kind)
    return tuple(fits)


def _fit_of(rule: TroubleClass, facts: Facts, holding: Iterable[DiagnosisKind], importance: Mapping[str, float]) -> Fit:
    answer = rule.needs.answer(facts)
    earlier = sorted(rule.after & set(holding))
    if rule.kind is DiagnosisKind.BAD_RELEASE:
        # What befell columns that the model hardly uses explains no fall of its answers.
        earlier = [kind for kind in earlier if matter(_columns_of(kind, facts), importance)]
    if earlier:
        return Fit(rule, answer, f"{_words(DiagnosisKind(earlier[0]))} comes before it")
    if rule.unless is not None and rule.unless.answer(facts):
        telling = rule.unless.telling(facts)
        return Fit(rule, answer, telling[0].why if telling else "quality is known to be well")
    return Fit(rule, answer)


def _first(holding: Sequence[TroubleClass], facts: Facts) -> TroubleClass:
    """Return the nearest to the cause; of what is wrong with the data itself, that with the most rows."""
    data = [rule for rule in holding if rule.kind in DATA_CLASSES]
    return max(data, key=lambda rule: _share(rule, facts)) if data else holding[0]


def _share(rule: TroubleClass, facts: Facts) -> float:
    return max((fact.row_share or 0.0 for fact in rule.needs.telling(facts)), default=0.0)


def _unexplained(found: Findings, facts: Facts, rules: Sequence[TroubleClass]) -> tuple[Check, ...]:
    return tuple(check for check in found.breaches if not any(_explains(rule, check, found, facts) for rule in rules))


def _explains(rule: TroubleClass, check: Check, found: Findings, facts: Facts) -> bool:
    if not rule.accounts_for(check):
        return False
    since = [fact.since_us for fact in rule.needs.telling(facts) if fact.since_us is not None]
    if since and min(since) > check.window.end_us:
        return False
    if rule.kind not in DATA_CLASSES:
        return True
    columns = _columns_of(rule.kind, facts)
    if check.kind in DRIFT | {DATA_QUALITY}:
        return check.column is None or not columns or check.column in columns
    return matter(columns, found.evidence.importance)


def _columns_of(kind: DiagnosisKind, facts: Facts) -> tuple[str, ...]:
    """Return the columns that came broken.

    What requests are refused for does not come at all: the rows that are left may be others in every column.
    """
    rule = next(one for one in CLASSES if one.kind is kind)
    return _told_by([name for name in rule.columns if name is not FactName.REQUESTS_REFUSED], facts)


def columns_of(rule: TroubleClass, facts: Facts) -> tuple[str, ...]:
    """Return the columns that a class blames, each once."""
    return _told_by(rule.columns, facts)


def _told_by(names: Iterable[FactName], facts: Facts) -> tuple[str, ...]:
    told = (facts[name] for name in names)
    return tuple(dict.fromkeys(column for fact in told if fact.holds for column in fact.columns))


def _is_loudest(unexplained: Sequence[Check], breaches: Sequence[Check]) -> bool:
    """Return whether something that is not explained is louder than all that is."""
    open_ones = {id(check) for check in unexplained}
    explained = [check.severity.rank for check in breaches if id(check) not in open_ones]
    return max((check.severity.rank for check in unexplained), default=-1) > max(explained, default=-1)


def _words(kind: DiagnosisKind) -> str:
    return kind.value.replace("_", " ")


def lacking_in_words(verdict: Verdict, facts: Facts) -> list[str]:
    """Return what each class that may fit would need to be known, where something else speaks for it."""
    told = []
    for one in verdict.fits:
        if one.answer is None and one.dropped is None and one.rule.needs.telling(facts):
            missing: tuple[Fact, ...] = one.rule.needs.lacking(facts)
            told.append(f"would be {_words(one.rule.kind)}, if that were known: {missing[0].why}")
    return told
