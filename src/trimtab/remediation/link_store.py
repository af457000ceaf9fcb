"""Approval links in the database: by the hash of their tokens, used at most once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert, select, update

from trimtab.db.engine import Connection
from trimtab.db.tables import approval_link
from trimtab.remediation.link import Link, hash_of
from trimtab.remediation.votes import Word

__all__ = ["find_link", "links_by_id", "links_of", "mark_used", "save_link", "void_links"]


def save_link(connection: Connection, link: Link, token: str) -> None:
    """Store a link, and of its token the hash."""
    connection.execute(
        insert(approval_link).values(
            id=link.id,
            action_id=link.action_id,
            person=link.person,
            word=link.word.value,
            token_hash=hash_of(token),
            created_us=link.created_us,
            expires_us=link.expires_us,
        )
    )


def find_link(connection: Connection, token: str) -> Link | None:
    """Return the link that ``token`` opens, whether it is still good or not; None if there is none."""
    row = connection.execute(select(approval_link).where(approval_link.c.token_hash == hash_of(token))).first()
    return None if row is None else _link(row)


def links_of(connection: Connection, action_id: str) -> list[Link]:
    """Return all links about a request, oldest first."""
    query = select(approval_link).where(approval_link.c.action_id == action_id).order_by(approval_link.c.id)
    return [_link(row) for row in connection.execute(query)]


def links_by_id(connection: Connection, ids: Sequence[str]) -> list[Link]:
    """Return the links with these ids."""
    return [_link(row) for row in connection.execute(select(approval_link).where(approval_link.c.id.in_(ids)))]


def mark_used(connection: Connection, link: Link, *, at_us: int) -> bool:
    """Store that a link was used; return whether this call was the one that used it."""
    changed = connection.execute(
        update(approval_link)
        .where(approval_link.c.id == link.id, approval_link.c.used_us.is_(None), approval_link.c.voided_us.is_(None))
        .values(used_us=at_us)
    )
    return changed.rowcount == 1


def void_links(connection: Connection, action_id: str, *, at_us: int, person: str | None = None) -> None:
    """Make the links about a request useless, or only those of one person."""
    good = approval_link.c.used_us.is_(None) & approval_link.c.voided_us.is_(None)
    query = update(approval_link).where(approval_link.c.action_id == action_id, good)
    if person is not None:
        query = query.where(approval_link.c.person == person)
    connection.execute(query.values(voided_us=at_us))


def _link(row: Any) -> Link:
    return Link(
        id=row.id,
        action_id=row.action_id,
        person=row.person,
        word=Word(row.word),
        created_us=row.created_us,
        expires_us=row.expires_us,
        used_us=row.used_us,
        voided_us=row.voided_us,
    )
