"""Which state folder works with a database that other machines reach too.

Jobs, intake, bundles and what endpoints should serve are files in it: whoever worked from another one would take a
training for lost, fail every adoption, and revoke the key of the first machine's user.
"""

from __future__ import annotations

import socket
from pathlib import Path

from sqlalchemy import delete, insert, select

from trimtab.core.errors import BackendError, ConflictError
from trimtab.core.ids import IdFactory
from trimtab.db.engine import Connection
from trimtab.db.tables import lease
from trimtab.files import write_atomically

__all__ = ["claim", "works_elsewhere"]

_NAME = "state-folder"
_ID_FILE = "state-folder.id"
_LONGEST = 128


def claim(connection: Connection, state: Path, new_id: IdFactory, *, replace: bool = False) -> None:
    """Enter ``state`` as the folder that works with this database; again is without effect.

    Args:
        connection: a write transaction.
        state: the project's state folder.
        new_id: makes the folder's name for itself, when it has none.
        replace: whether another folder's claim is given up.

    Raises:
        ConflictError: the database is worked with from another folder.
        BackendError: the folder cannot be written.
    """
    told = _told(connection)
    own = _id_of(state)
    if told is not None and told.split(" ", 1)[0] == own:
        return
    if told is not None and not replace:
        raise ConflictError(
            f"{state}: the database of TRIMTAB_DATABASE_URL is worked with from another state folder, "
            f"{told.partition(' ')[2]}; run 'trimtab up' there, mount that folder here, or name another database; "
            "only where it is lost for good: trimtab up --replace-state-folder"
        )
    if own is None:
        own = new_id()
        try:
            write_atomically(state / _ID_FILE, own.encode(), mode=0o600)
        except OSError as error:
            raise BackendError(f"{state}: cannot be written ({error}); check disk and permissions") from error
    where = f"{socket.gethostname()}:{state}"
    holder = f"{own} {where}"
    if len(holder) > _LONGEST:
        # The end tells more than the beginning.
        holder = f"{own} …{where[len(holder) + 1 - _LONGEST :]}"
    connection.execute(delete(lease).where(lease.c.name == _NAME))
    connection.execute(insert(lease).values(name=_NAME, holder=holder, token=1, until_us=0))


def works_elsewhere(connection: Connection, state: Path) -> bool:
    """Say whether another folder than ``state`` has claimed this database; False where none has."""
    told = _told(connection)
    return told is not None and told.split(" ", 1)[0] != _id_of(state)


def _told(connection: Connection) -> str | None:
    found = connection.execute(select(lease.c.holder).where(lease.c.name == _NAME)).scalar_one_or_none()
    return None if found is None else str(found)


def _id_of(state: Path) -> str | None:
    try:
        return (state / _ID_FILE).read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None
