"""The columns that most tables have, and the metadata that all belong to."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Integer, MetaData, String

__all__ = ["ID", "NAME", "SEQUENCE", "metadata", "micros", "spec", "version"]

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ID = String(36)
NAME = String(128)
SEQUENCE = BigInteger().with_variant(Integer, "sqlite")


def spec() -> Column[object]:
    """Return the column of all that is stored and not queried."""
    return Column("spec", JSON, nullable=False, default=dict)


def version() -> Column[int]:
    """Return the column of optimistic locking."""
    return Column("version", Integer, nullable=False, default=1)


def micros(name: str, *, nullable: bool = False) -> Column[int]:
    """Return a column of microseconds since 1970 UTC."""
    return Column(name, BigInteger, nullable=nullable)
