"""Named leases with fencing tokens: who may do a piece of work now, in machine time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import insert, select, update

from trimtab.core.errors import ConflictError
from trimtab.db.engine import Connection
from trimtab.db.tables import lease

__all__ = ["Lease", "acquire", "hold", "release"]


_CLOCK_SLACK_US = 120_000_000
"""By how much the clocks of two machines may differ."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to do what ``name`` says, until somebody holds a higher ``token``."""

    name: str
    holder: str
    token: int


def acquire(
    connection: Connection,
    name: str,
    holder: str,
    *,
    machine_us: int,
    ttl_s: float,
    is_gone: Callable[[str], bool] = lambda _holder: False,
) -> Lease | None:
    """Take the lease if it is free or has run out, or extend one's own; None when another holds it.

    That of a holder of whom ``is_gone`` says that it has ended is free.
    """
    row = connection.execute(select(lease).where(lease.c.name == name)).first()
    until_us = machine_us + int(ttl_s * 1_000_000)
    # Nobody is given a lease that long: the machine's clock went back since, and it would be waited for all that time.
    holds = row is not None and machine_us <= row.until_us <= until_us + _CLOCK_SLACK_US
    if row is None:
        connection.execute(insert(lease).values(name=name, holder=holder, token=1, until_us=until_us))
        return Lease(name=name, holder=holder, token=1)
    if row.holder != holder and holds and not is_gone(row.holder):
        return None
    token = row.token if row.holder == holder and holds else row.token + 1
    changed = connection.execute(
        update(lease)
        .where(lease.c.name == name, lease.c.token == row.token)
        .values(holder=holder, token=token, until_us=until_us)
    )
    return Lease(name=name, holder=holder, token=token) if changed.rowcount == 1 else None


def hold(connection: Connection, held: Lease) -> None:
    """Assert, in the transaction of the work's effects, that ``held`` is still the newest.

    Raises:
        ConflictError: somebody else has it; roll back.
    """
    row = connection.execute(select(lease.c.token).where(lease.c.name == held.name)).first()
    if row is None or row.token != held.token:
        found = "none" if row is None else row.token
        raise ConflictError(f"lease {held.name!r}: token {held.token} was replaced by {found}; nothing was written")


def release(connection: Connection, held: Lease) -> None:
    """Give ``held`` back; without effect when somebody else has it already."""
    connection.execute(update(lease).where(lease.c.name == held.name, lease.c.token == held.token).values(until_us=0))
