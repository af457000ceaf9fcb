"""Approval links: made for the people whose routes say so, shown in messages, and used once."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from trimtab.config.notifications import NotificationRoute
from trimtab.config.process import setting
from trimtab.config.project import ProjectFolder
from trimtab.core.crashpoints import reached
from trimtab.core.errors import ConfigError, NotFoundError, TrimtabError
from trimtab.db.engine import Connection, Database
from trimtab.files import sync_folder
from trimtab.loop.actor import Actor
from trimtab.loop.approving import Heard, agree, turn_down
from trimtab.loop.keys import approvers, person_named
from trimtab.loop.platform import Platform
from trimtab.notify.message import LINK_MARK
from trimtab.remediation.action_store import load_action
from trimtab.remediation.actions import ActionRequest, ActionState
from trimtab.remediation.approvals import asker_of, is_due_to_expire, needed_role
from trimtab.remediation.link import LASTS, Link, token_of
from trimtab.remediation.link_store import find_link, links_by_id, links_of, mark_used, save_link
from trimtab.remediation.votes import Via, Word, why_not_counted

__all__ = ["LinkWriter", "OpenLink", "link_key", "link_lines", "open_link", "use_link"]

_KEY_FILE = "link-key"
_KEY_BYTES = 32
_LEAST_CHARS = 32
_MARK = re.compile(rf"{LINK_MARK}([0-9a-f-]{{36}})")
"""Stands in a stored message where the link will be: whoever reads the database has no link by that."""
_INVALID = "link: not good, or not any more; see 'trimtab approvals list'"


@dataclass(frozen=True, slots=True)
class OpenLink:
    """A link that can be used now: for which request, and by whom."""

    link: Link
    request: ActionRequest
    person: Actor


def link_key(project: ProjectFolder) -> bytes:
    """Return the key that proves links: ``TRIMTAB_LINK_KEY``, or one in the state folder, made once.

    Raises:
        ConfigError: the one in the environment is too short to be a secret.
    """
    given = setting("link_key")
    if given is not None:
        if len(given) < _LEAST_CHARS:
            raise ConfigError(
                f"TRIMTAB_LINK_KEY: has {len(given)} characters, expected {_LEAST_CHARS} at least; make one with "
                "'openssl rand -base64 32'"
            )
        return hashlib.sha256(given.encode()).digest()
    path = project.state / _KEY_FILE
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return _kept_key(path)


def _kept_key(path: Path) -> bytes:
    # Made 0600 from the beginning, and linked to its name, which fails if another process was first: one key, for all.
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(secrets.token_bytes(_KEY_BYTES))
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            return path.read_bytes()
        sync_folder(path.parent)
    finally:
        os.unlink(temporary)
    return path.read_bytes()


def link_lines(connection: Connection, platform: Platform, request: ActionRequest, owner: str) -> str:
    """Return what a message to ``owner`` says of the links by which they decide; empty if they may not.

    The links are made in the caller's transaction, unless they are there. Only marks stand in the text: `LinkWriter`
    puts the links in their places when the message leaves.
    """
    person = person_named(connection, owner)
    if (
        person is None
        or _address_of(platform.project) is None
        or not _may_say(connection, request, person, Word.REJECT)
    ):
        return ""
    words = [word for word in (Word.APPROVE, Word.REJECT) if _may_say(connection, request, person, word)]
    now_us = platform.now_us()
    until_us = now_us + LASTS // timedelta(microseconds=1)
    if request.expires_us is not None:
        until_us = min(until_us, request.expires_us)
    good = [link for link in links_of(connection, request.id) if link.person == owner and link.is_good(now_us)]
    lines = []
    for word in words:
        link = next((one for one in good if one.word is word), None)
        if link is None:
            link = Link(platform.new_id(), request.id, owner, word, now_us, until_us)
            save_link(connection, link, token_of(link_key(platform.project), link))
        lines.append(f"{word.value}: {LINK_MARK}{link.id}")
    return "\n".join([*lines, "Each is yours alone, and good once.", "", ""])


class LinkWriter:
    """Puts links into messages as they leave. Safe to call from several threads."""

    def __init__(self, project: ProjectFolder, database: Database) -> None:
        self._project = project
        self._database = database

    def complete(self, route: NotificationRoute, text: str) -> str:
        """Return ``text`` with each mark replaced: by its link on its person's own route, by nothing elsewhere.

        A message can be taken over by another route, which others may read.
        """
        ids = _MARK.findall(text)
        if not ids:
            return text
        with self._database.reading() as connection:
            links = {link.id: link for link in links_by_id(connection, ids) if link.person == route.approver}
        address, key = _address_of(self._project), link_key(self._project)

        def written(match: re.Match[str]) -> str:
            link = links.get(match.group(1))
            return "(not here)" if link is None else f"{address}/links/{token_of(key, link)}"

        return _MARK.sub(written, text)


def open_link(connection: Connection, platform: Platform, token: str) -> OpenLink:
    """Return what ``token`` opens now. Looking decides nothing: mail scanners and chats look at every link.

    Raises:
        NotFoundError: nothing, for whatever reason: all are told in the same words.
    """
    found = find_link(connection, token)
    if found is None or not found.is_good(platform.now_us()):
        raise NotFoundError(_INVALID)
    # The row alone makes no link good: whoever writes the database does not have the key.
    if not hmac.compare_digest(token_of(link_key(platform.project), found), token):
        raise NotFoundError(_INVALID)
    request, person = load_action(connection, found.action_id), person_named(connection, found.person)
    waits = request.state is ActionState.WAITING_APPROVAL and not is_due_to_expire(request, platform.clock.now())
    if not waits or person is None or not _may_say(connection, request, person, found.word):
        raise NotFoundError(_INVALID)
    return OpenLink(found, request, person)


def use_link(connection: Connection, platform: Platform, token: str, *, comment: str = "") -> tuple[OpenLink, Heard]:
    """Say the link's word as its person, in the caller's transaction; the link is of no use after that.

    Raises:
        NotFoundError: it opens nothing now.
    """
    opened = open_link(connection, platform, token)
    if not mark_used(connection, opened.link, at_us=platform.now_us()):
        raise NotFoundError(_INVALID)
    reached("link.used")
    say = agree if opened.link.word is Word.APPROVE else turn_down
    try:
        return opened, say(connection, platform, opened.person, opened.request, reason=comment, via=Via.LINK)
    except TrimtabError as error:
        raise NotFoundError(_INVALID) from error


def _may_say(connection: Connection, request: ActionRequest, person: Actor, word: Word) -> bool:
    needed = needed_role(request)
    if not person.role.reaches(needed):
        return False
    return word is Word.REJECT or why_not_counted(person.who, asker_of(request), approvers(connection, needed)) is None


def _address_of(project: ProjectFolder) -> str | None:
    """Return where people reach the control plane: as ``trimtab.yaml`` says, or where it listens.

    None where a link, which decides, would go over plain http for everybody on the way to use.
    """
    api = project.config.api
    if not api.is_private:
        return None
    if api.public_url is not None:
        return api.public_url
    port: object = api.port
    if api.port == 0:
        try:
            port = json.loads((project.state / "control-plane.json").read_bytes())["port"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
    return f"http://[{api.host}]:{port}" if ":" in api.host else f"http://{api.host}:{port}"
