"""What a diagnosis says: its class, how bad it is, which columns, and what speaks for and against it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from trimtab.core.canonical import JsonObject
from trimtab.core.errors import DataContractError
from trimtab.remediation.diagnosis.fact import Fact, FactName
from trimtab.remediation.diagnosis.severity import SeverityPart
from trimtab.remediation.kinds import DiagnosisKind, Level

__all__ = ["Diagnosis"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What it is, how bad (``severity`` 0..1, the weighted mean of ``parts``), and why.

    ``factor`` is what values of ``columns`` were multiplied by (unit change); ``since_us`` the moment it began.
    ``called`` is what whoever told of it from outside calls it. ``unexplained`` are breaches that do not follow from
    it, ``facts`` what was known when it was made, ``seen_us`` the end of the latest window that bears it out.
    """

    kind: DiagnosisKind
    severity: float
    parts: tuple[SeverityPart, ...]
    columns: tuple[str, ...]
    factor: float | None
    since_us: int | None
    evidence_for: tuple[str, ...]
    evidence_against: tuple[str, ...]
    explanation: str
    unexplained: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()
    seen_us: int | None = None
    called: str = ""

    @property
    def level(self) -> Level:
        """How bad it is, in one of three words."""
        return Level.of(self.severity)

    @property
    def title(self) -> str:
        """The diagnosis in a few words; where nobody knows the cause, in those of whoever told of it."""
        columns = f" ({', '.join(self.columns[:5])})" if self.columns else ""
        if self.kind is not DiagnosisKind.UNKNOWN:
            return f"{self.kind.value.replace('_', ' ')}{columns}"
        return f"{self.called}; cause unknown{columns}" if self.called else f"cause unknown{columns}"

    def fact(self, name: FactName) -> Fact | None:
        """Return what was known of ``name`` when it was made, None where nothing was."""
        return next((fact for fact in self.facts if fact.name is name), None)

    def to_json(self) -> JsonObject:
        """Return the diagnosis as JSON."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_json(content: Any) -> Diagnosis:
        """Return the diagnosis that `to_json` wrote; one from before facts were kept has none.

        Raises:
            DataContractError: a field is missing, unknown or of no known value.
        """
        try:
            fields = dict(content)
            fields["kind"] = DiagnosisKind(fields["kind"])
            fields["parts"] = tuple(SeverityPart(**part) for part in fields["parts"])
            fields["facts"] = tuple(_fact(fact) for fact in fields.get("facts", ()))
            for name in ("columns", "evidence_for", "evidence_against"):
                fields[name] = tuple(fields[name])
            fields["unexplained"] = tuple(fields.get("unexplained", ()))
            return Diagnosis(**fields)
        except (KeyError, TypeError, ValueError) as error:
            raise DataContractError(f"diagnosis: {error}; expected the fields of a diagnosis; write it anew") from error


def _fact(content: Any) -> Fact:
    return Fact(**{**content, "name": FactName(content["name"]), "columns": tuple(content["columns"])})
