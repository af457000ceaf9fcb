"""Closed choices that several rooms share. A choice that only one room knows stands in that room."""

from __future__ import annotations

from enum import StrEnum

__all__ = [
    "Answers",
    "ColumnKind",
    "Encoding",
    "ImageFit",
    "Role",
    "Severity",
    "Task",
    "Tier",
    "VariantRole",
    "Verdict",
]


class Verdict(StrEnum):
    """What a judgement says. An exception is a fourth thing."""

    OK = "ok"
    BREACH = "breach"
    INCONCLUSIVE = "inconclusive"


class Task(StrEnum):
    """What a model predicts."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"

    @property
    def is_classification(self) -> bool:
        """Whether the answer is a class."""
        return self is not Task.REGRESSION


class Answers(StrEnum):
    """When a model is asked: row by row while somebody waits, or many rows at a time."""

    REALTIME = "realtime"
    BATCH = "batch"


class ColumnKind(StrEnum):
    """How a column's values are read and encoded."""

    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    CATEGORY = "category"
    TEXT = "text"
    DATETIME = "datetime"

    @property
    def is_numeric(self) -> bool:
        """Whether values go into the float matrix (booleans as 0 and 1)."""
        return self in {ColumnKind.NUMBER, ColumnKind.INTEGER, ColumnKind.BOOLEAN}


class ImageFit(StrEnum):
    """How an image is made as large as a model takes it."""

    STRETCH = "stretch"
    CROP = "crop"
    LETTERBOX = "letterbox"


class Encoding(StrEnum):
    """How a text file's bytes stand for characters."""

    UTF_8 = "utf-8"
    LATIN_1 = "latin-1"
    CP1252 = "cp1252"
    UTF_16 = "utf-16"


class Severity(StrEnum):
    """How loudly a person is told."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for LOW up to 3 for CRITICAL."""
        return list(Severity).index(self)


class Tier(StrEnum):
    """Who must agree before an action runs."""

    AUTOMATIC = "automatic"
    APPROVAL = "approval"
    PERSON_ONLY = "person_only"


class VariantRole(StrEnum):
    """Whether a variant's answer reaches the caller."""

    LIVE = "live"
    SHADOW = "shadow"


class Role(StrEnum):
    """What the holder of an API key may do; each role but SERVICE includes those before it."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMIN = "admin"
    SERVICE = "service"

    def reaches(self, needed: Role) -> bool:
        """Return whether this role may do what ``needed`` may.

        >>> Role.ADMIN.reaches(Role.APPROVER), Role.VIEWER.reaches(Role.OPERATOR), Role.SERVICE.reaches(Role.VIEWER)
        (True, False, False)
        """
        if Role.SERVICE in {self, needed}:
            return self is needed or (needed is Role.SERVICE and self is Role.ADMIN)
        ladder = [Role.VIEWER, Role.OPERATOR, Role.APPROVER, Role.ADMIN]
        return ladder.index(self) >= ladder.index(needed)
