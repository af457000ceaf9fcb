"""Columns as a contract declares them: shared by the lake (which judges), training (which encodes) and serving."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from trimtab.config.loading import Strict
from trimtab.core.enums import ColumnKind, Encoding

__all__ = ["ColumnContract", "ContractConfig", "RowCount"]


class ColumnContract(Strict):
    """What a column's values must be."""

    type: ColumnKind
    description: str = Field(default="", description="What the column says, for people.")
    unit: str | None = Field(default=None, description="Unit of measure, e.g. mg/dL; named in diagnoses.")
    nullable: bool = Field(default=False, description="Whether a value may be missing.")
    min: float | None = Field(default=None, description="Smallest value allowed, inclusive.")
    max: float | None = Field(default=None, description="Largest value allowed, inclusive.")
    values: tuple[str, ...] | None = Field(
        default=None, description="The categories allowed; others break the contract."
    )
    format: str | None = Field(
        default=None,
        description="How a datetime is written, beside ISO 8601: strptime's codes, '%d.%m.%Y %H:%M', or epoch_s, "
        "epoch_ms.",
    )
    missing: tuple[str, ...] = Field(
        default=(), description="Texts that mean 'not known' in this column, beside an empty one: '?', 'N/A'."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        ranged = self.min is not None or self.max is not None
        if ranged and self.type not in {ColumnKind.NUMBER, ColumnKind.INTEGER}:
            raise ValueError(f"min and max are for number and integer columns, not {self.type}; remove them")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} lies above max {self.max:g}; swap them")
        if self.format is not None and self.type is not ColumnKind.DATETIME:
            raise ValueError(f"format is for datetime columns, not {self.type}; remove it, or change the type")
        if self.values is not None and self.type is not ColumnKind.CATEGORY:
            raise ValueError(f"values is for category columns, not {self.type}; remove it, or change the type")
        return self


class RowCount(Strict):
    """How many rows a delivery may have."""

    min: int = Field(default=1, ge=0, description="Fewer rows break the delivery as a whole.")
    max: int | None = Field(default=None, ge=1, description="More rows break the delivery as a whole; null: no limit.")


class ContractConfig(Strict):
    """``contract.yaml``: what rows must look like before anything is learnt from them."""

    columns: dict[str, ColumnContract] = Field(min_length=1)
    encoding: Encoding = Field(default=Encoding.UTF_8, description="How delivered text files are encoded.")
    unique: tuple[str, ...] = Field(default=(), description="Columns that together identify a row; repeats are broken.")
    allow_extra_columns: bool = Field(
        default=False, description="Whether undeclared columns are tolerated (and dropped)."
    )
    row_count: RowCount = RowCount()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        absent = [name for name in self.unique if name not in self.columns]
        if absent:
            raise ValueError(f"unique names {absent}, which columns does not declare; declare them")
        ours = [name for name in self.columns if name.startswith("@")]
        if ours:
            raise ValueError(f"column {ours[0]!r} begins with '@', which marks columns of the platform; rename it")
        return self
