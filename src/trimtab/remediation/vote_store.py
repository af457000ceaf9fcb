"""Votes and comments in the database: of one person at most one word that counts."""

from __future__ import annotations

from sqlalchemy import delete, insert, select

from trimtab.db.engine import Connection
from trimtab.db.tables import vote as vote_table
from trimtab.remediation.votes import Via, Vote, Word

__all__ = ["save_vote", "votes_of"]


def save_vote(connection: Connection, vote: Vote) -> None:
    """Store what somebody said; a word that counts replaces their earlier one, which the audit log still tells of."""
    if vote.word is not Word.COMMENT:
        earlier = (vote_table.c.action_id == vote.action_id) & (vote_table.c.owner == vote.owner)
        connection.execute(delete(vote_table).where(earlier, vote_table.c.word != Word.COMMENT.value))
    connection.execute(
        insert(vote_table).values(
            id=vote.id,
            action_id=vote.action_id,
            owner=vote.owner,
            actor=vote.actor,
            word=vote.word.value,
            via=vote.via.value,
            comment=vote.comment,
            at_us=vote.at_us,
        )
    )


def votes_of(connection: Connection, action_id: str) -> list[Vote]:
    """Return all that was said about a request, oldest first."""
    rows = connection.execute(
        select(vote_table).where(vote_table.c.action_id == action_id).order_by(vote_table.c.at_us, vote_table.c.id)
    )
    return [
        Vote(
            id=row.id,
            action_id=row.action_id,
            owner=row.owner,
            actor=row.actor,
            word=Word(row.word),
            at_us=row.at_us,
            via=Via(row.via),
            comment=row.comment,
        )
        for row in rows
    ]
