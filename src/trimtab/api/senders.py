"""Whether a message of alerts is from whom it says: a secret that was brought, or one that signed moment and body."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Mapping, Sequence

from trimtab.config.process import expand_secrets
from trimtab.config.webhooks import BearerAuth, HmacAuth, WebhookConfig
from trimtab.core.errors import ConfigError, UnknownCallerError

__all__ = ["LateMessageError", "is_bearer", "secrets_of", "signed_digest"]

_FEWEST_CHARS = 16
_SECONDS = re.compile(r"[0-9]{1,12}")
_MOST_SIGNATURES = 5


class LateMessageError(UnknownCallerError):
    """A message is signed rightly, and its moment is not now: its clock is wrong, or somebody recorded it."""


def secrets_of(webhook: WebhookConfig, environment: Mapping[str, str] | None = None) -> tuple[bytes, ...]:
    """Return the secrets that a sender may use now.

    What was read from a file often ends with a line break: it holds without it, and a signature may be made with it.

    Raises:
        ConfigError: a variable is not set, or its secret is short enough to be guessed.
    """
    source = os.environ if environment is None else environment
    found = []
    for reference in webhook.auth.secrets:
        try:
            secret = expand_secrets(reference, source)
        except ConfigError as error:
            raise ConfigError(f"webhook {webhook.name!r}: {error}") from None
        bare = secret.strip()
        if len(bare) < _FEWEST_CHARS:
            raise ConfigError(
                f"webhook {webhook.name!r}: {reference} has {len(bare)} characters; expected {_FEWEST_CHARS} or "
                "more; make one with: openssl rand -hex 32"
            )
        found += [one.encode("utf-8", "surrogateescape") for one in dict.fromkeys((bare, secret))]
    return tuple(found)


def is_bearer(_auth: BearerAuth, authorization: str, secrets: Sequence[bytes]) -> bool:
    """Return whether the header ``Authorization`` holds one of the secrets; takes as long whichever differs."""
    scheme, _, brought = authorization.partition(" ")
    given = brought.strip().encode("latin-1", "replace")
    fits = [hmac.compare_digest(given, secret) for secret in secrets]
    return scheme.lower() == "bearer" and any(fits)


def signed_digest(
    auth: HmacAuth, headers: Mapping[str, str], body: bytes, secrets: Sequence[bytes], *, now_s: float
) -> str | None:
    """Return the SHA-256 of what was signed, by which it is known again; None: by none of the secrets.

    Signed is ``TIMESTAMP SEPARATOR BODY``, byte for byte as they came: nothing is read before it is known to be the
    sender's.

    Raises:
        LateMessageError: the signature is right, and the moment is farther away than is tolerated.
    """
    moment = headers.get(auth.timestamp_header, "")
    if _SECONDS.fullmatch(moment) is None:
        return None
    signed = b"".join((moment.encode(), auth.separator.encode(), body))
    right = [hmac.new(secret, signed, hashlib.sha256).hexdigest() for secret in secrets]
    brought = _signatures(auth, headers.get(auth.signature_header, ""))
    fits = [hmac.compare_digest(one, other) for one in brought for other in right]
    if not any(fits):
        return None
    away_s = now_s - int(moment)
    if abs(away_s) > auth.tolerance.total_seconds():
        side = "ago" if away_s > 0 else "ahead"
        raise LateMessageError(
            f"signed {abs(away_s):.0f} s {side}, by this machine's clock; expected at most "
            f"{auth.tolerance.total_seconds():.0f} s; set the clocks, and sign each time a message is sent"
        )
    return hashlib.sha256(signed).hexdigest()


def _signatures(auth: HmacAuth, header: str) -> list[str]:
    parts = [part.strip() for part in header.split(",", _MOST_SIGNATURES)[:_MOST_SIGNATURES]]
    told = [part.removeprefix(auth.prefix).lower() for part in parts if part.startswith(auth.prefix)]
    return [one for one in told if one.isascii()]
