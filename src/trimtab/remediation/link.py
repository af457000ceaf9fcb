"""One-time links by which one person says one word about one request: what their token is, and what it proves.

A token is ``base64url(id ‖ HMAC-SHA256(K, "trimtab-link-v1" ‖ …))`` over all that the link is good for, so that it can
neither be guessed nor be made by whoever reads the database. It is never stored: the row holds its SHA-256, and who
sends the message makes it again from row and key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from trimtab.remediation.votes import Word

__all__ = ["LASTS", "Link", "hash_of", "id_in", "is_nonce", "nonce_of", "token_of"]

LASTS = timedelta(hours=24)
"""How long a link is good at most; never longer than its request waits."""

_LINK = b"trimtab-link-v1"
_PAGE = b"trimtab-page-v1"
_ID_BYTES = 16
_NONCE_LASTS_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Link:
    """What a link is good for: ``word`` about ``action_id`` by ``person``, once, until ``expires_us`` (domain time)."""

    id: str
    action_id: str
    person: str
    word: Word
    created_us: int
    expires_us: int
    used_us: int | None = None
    voided_us: int | None = None

    def is_good(self, now_us: int) -> bool:
        """Return whether it can be used at ``now_us``, as far as the link itself goes."""
        return self.used_us is None and self.voided_us is None and now_us < self.expires_us


def token_of(key: bytes, link: Link) -> str:
    """Return the token of ``link``: 64 characters that can stand in an address."""
    parts = [link.id, link.action_id, link.word.value, link.person, str(link.expires_us)]
    # Each part with its length: no two links are the same bytes.
    said = b"".join(len(part.encode()).to_bytes(4) + part.encode() for part in parts)
    proof = hmac.new(key, _LINK + said, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(UUID(link.id).bytes + proof).decode()


def id_in(token: str) -> str | None:
    """Return the id of the link that ``token`` claims to open, None if it has not the shape of one."""
    try:
        raw = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return None
    return str(UUID(bytes=raw[:_ID_BYTES])) if len(raw) == _ID_BYTES + hashlib.sha256().digest_size else None


def hash_of(token: str) -> str:
    """Return what is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def nonce_of(key: bytes, token: str, at_us: int) -> str:
    """Return what the page for ``token`` that is shown at ``at_us`` (machine time) sends back with its form."""
    proof = hmac.new(key, _PAGE + f"{at_us}:{token}".encode(), hashlib.sha256).hexdigest()
    return f"{at_us}.{proof}"


def is_nonce(key: bytes, token: str, nonce: str, now_us: int) -> bool:
    """Return whether ``nonce`` is of a page for ``token`` that was shown within the last hour."""
    at, _, _ = nonce.partition(".")
    if not (at.isascii() and at.isdecimal() and len(at) <= 18):
        return False
    fresh = 0 <= now_us - int(at) < _NONCE_LASTS_US
    return hmac.compare_digest(nonce_of(key, token, int(at)).encode(), nonce.encode()) and fresh
