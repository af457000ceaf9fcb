"""Writes checkpoints of the audit log into the lake, signed, and thins out old ones."""

from __future__ import annotations

import contextlib
from typing import Final

import structlog
from sqlalchemy import select

from trimtab.audit.checkpoint import SIGNATURE_SUFFIX, Checkpoint, decode, file_name, is_checkpoint, superfluous
from trimtab.audit.key_chain import KeyNotice, announce, stored_notices
from trimtab.audit.keys import KeyRing, SigningKey
from trimtab.audit.log import checkpoint_now
from trimtab.audit.signing import CheckpointFile, checkpoint_after, sealed
from trimtab.audit.walk import Place
from trimtab.config.process import setting
from trimtab.core.crashpoints import reached
from trimtab.core.errors import ArtifactUntrustedError, BackendError, ConfigError, ConflictError
from trimtab.db.engine import Connection
from trimtab.db.tables import audit_entry
from trimtab.lake.zones import AUDIT
from trimtab.loop.platform import Platform

__all__ = ["Checkpoints", "key_ring", "renew_key"]

_log = structlog.get_logger(__name__)

_BY: Final = "conductor"
_KEYS: Final = f"{AUDIT}/keys"


def key_ring(platform: Platform) -> KeyRing:
    """Return the keys that this process may sign checkpoints with."""
    return KeyRing.of(platform.project.audit_keys, setting("audit_key"))


def renew_key(platform: Platform, *, by: str, reason: str) -> KeyNotice:
    """Have another key sign from now on, which the one so far vouches for; that one is removed.

    Raises:
        ConflictError: ``TRIMTAB_AUDIT_KEY`` says which key signs, or the one so far is not on this machine.
    """
    ring = key_ring(platform)
    if ring.named:
        raise ConflictError(
            "audit key: TRIMTAB_AUDIT_KEY says which one signs, so none is made; let it name the new key first and the "
            "old one after it, separated as in PATH, and start again"
        )
    so_far = platform.database.read(_newest)
    if so_far is not None and ring.key(so_far.key.id) is None:
        raise ConflictError(
            f"audit key: {so_far.key.id} signs, and is not in {ring.folder}, so it could not vouch for another; run "
            "this where the control plane runs"
        )
    key = ring.new()
    with platform.database.transaction() as connection:
        notice = _announce(connection, platform, ring, key, by=by, reason=reason)
        earlier = [one.key.id for one in stored_notices(connection) if one.key.id != key.public.id]
    # After the commit, and those of earlier times too, should this process end between.
    ring.forget(earlier)
    return notice


class Checkpoints:
    """Writes what is new, from one thread. A file that is there already stays as it is.

    ``names_keys``: whether it may name a key, where the log names none or that one is not at hand. Only whoever has the
    platform's own state folder may: a second one elsewhere would name its own, and the first its own again.
    """

    def __init__(self, platform: Platform, *, names_keys: bool = True) -> None:
        self._platform = platform
        self._names_keys = names_keys
        self._written = 0
        self._known: dict[str, Checkpoint] = {}

    def write(self) -> bool:
        """Write a checkpoint if the log has grown since the last one; return whether it had.

        Raises:
            ConflictError: the log contradicts the farthest checkpoint; what may be forged is not signed.
            ConfigError: the key cannot be used.
        """
        with self._platform.database.reading() as connection:
            head = checkpoint_now(connection, at_us=0)
        if head.sequence in (0, self._written):
            return False
        key = self._key()
        if key is None:
            return False
        with self._platform.database.reading() as connection:
            # After the key: what it was announced with is part of what it signs.
            head = checkpoint_now(connection, at_us=0)
            at_us = connection.execute(
                select(audit_entry.c.at_us).where(audit_entry.c.sequence == head.sequence)
            ).scalar_one()
            notice = _newest(connection)
        if notice is None or notice.key.id != key.public.id:
            # Renewed by another process a moment ago.
            return False
        self._store(Place(head.sequence, head.hash), at_us, key)
        self._written = head.sequence
        return True

    def thin(self) -> int:
        """Remove checkpoints that nobody needs any more; return how many."""
        lake = self._platform.lake
        present = {file.name: file for file in lake.storage.files_in(AUDIT) if is_checkpoint(file.name)}
        unknown = [file for name, file in present.items() if name not in self._known]
        for file, path in zip(unknown, lake.storage.fetch(unknown), strict=True):
            with contextlib.suppress(ArtifactUntrustedError):
                self._known[file.name] = decode(path.read_bytes(), file.name)
        self._known = {name: found for name, found in self._known.items() if name in present}
        names = list(superfluous(self._known, now_us=self._platform.now_us()))
        for count, name in enumerate(names):
            try:
                # The signature last: one without its file says nothing, a file without its signature is an alarm.
                lake.storage.remove(name)
                lake.storage.remove(f"{name}{SIGNATURE_SUFFIX}")
            except BackendError as error:
                # A place where nothing may be removed is the better one: it must not stop the other duties.
                _log.info("checkpoints.kept", error=str(error))
                return count
        return len(names)

    def _key(self) -> SigningKey | None:
        """Return the key that the log names; it is named first, where it is not yet, or where it is lost."""
        ring = key_ring(self._platform)
        with self._platform.database.reading() as connection:
            notice = _newest(connection)
        preferred = ring.preferred()
        if notice is not None and (preferred is None or preferred.public.id == notice.key.id):
            found = ring.key(notice.key.id)
            if found is not None:
                return found
        if not self._names_keys:
            return None
        key = preferred or ring.any_or_new()
        reason = "no checkpoint was signed before" if notice is None else "another key is there to sign with"
        with self._platform.database.transaction() as connection:
            _announce(connection, self._platform, ring, key, by=_BY, reason=reason)
        return key

    def _store(self, head: Place, at_us: int, key: SigningKey) -> None:
        storage = self._platform.lake.storage
        names = [file.name for file in storage.files_in(AUDIT) if is_checkpoint(file.name)]
        name = f"{AUDIT}/{file_name(head.sequence)}"
        before = self._last_readable(names)
        if before is not None:
            self._refuse_another(decode(before.content, before.name), head)
        if name in names:
            return
        file = sealed(checkpoint_after(before, head, at_us=at_us, key_id=key.public.id), key)
        public = f"{_KEYS}/{key.public.id}.pem"
        if storage.find(public) is None:
            storage.store(public, key.public.pem.encode())
        # The signature first: a file is never seen without.
        storage.store(f"{name}{SIGNATURE_SUFFIX}", file.signature or b"")
        storage.store(name, file.content)
        reached("audit.checkpointed")

    def _last_readable(self, names: list[str]) -> CheckpointFile | None:
        """Return the farthest checkpoint: a damaged one must not end the row, and verification tells of it."""
        for name in reversed(names):
            found = CheckpointFile(name, self._platform.lake.at_hand(self._platform.lake.root / name).read_bytes())
            with contextlib.suppress(ArtifactUntrustedError):
                decode(found.content, name)
                return found
        return None

    def _refuse_another(self, seen: Checkpoint, head: Place) -> None:
        query = select(audit_entry.c.hash).where(audit_entry.c.sequence == seen.sequence)
        found = self._platform.database.read(lambda connection: connection.execute(query).scalar())
        if seen.sequence > head.sequence or found != seen.hash:
            now = "has no such entry" if found is None else f"says {str(found)[:12]}…"
            raise ConflictError(
                f"audit log: a checkpoint saw hash {seen.hash[:12]}… at entry {seen.sequence}, the log {now}; nothing "
                "is signed any more: run `trimtab audit verify`"
            )


def _newest(connection: Connection) -> KeyNotice | None:
    notices = stored_notices(connection)
    return notices[-1] if notices else None


def _announce(
    connection: Connection, platform: Platform, ring: KeyRing, key: SigningKey, *, by: str, reason: str
) -> KeyNotice:
    """Name ``key`` in the log, unless another process has just done so."""
    newest = _newest(connection)
    if newest is not None and newest.key.id == key.public.id:
        return newest
    before = None if newest is None else newest.key.id
    announce(
        connection,
        key,
        before=before,
        before_key=None if before is None else ring.key(before),
        at_us=platform.now_us(),
        actor=by,
        reason=reason,
    )
    found = _newest(connection)
    if found is None:
        raise ConfigError("audit key: what the log says of its keys cannot be read; run `trimtab audit verify`")
    return found
