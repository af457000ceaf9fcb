"""Secrets in configuration are references to the environment, ``${NAME}``; one that is written out is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from trimtab.config.loading import WRITTEN_SECRET

__all__ = ["ChannelAddress", "SecretReference"]

_REFERENCE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
# Nothing that parts an address, and nothing that one writes.
_STANDS_FOR = "\ue000"
_SECRET_NAMES = re.compile(r"pass|pwd|secret|token|api.?key|auth|signature|^\+?key$|^sig$", re.IGNORECASE)
_TOKENS_STAND_IN_IT = re.compile(
    "discord|gchat|googlechat|guilded|mattermost|mmosts?|msteams|opsgenie|pagerduty|pover|pushover|rockets?|sendgrid|"
    "slack|splunk|spugpush|tgram|twilio|victorops|webex|workflows?|wxteams|zulip"
)
_HOSTS_WITH_TOKENS = (
    "hooks.slack.com",
    "discord.com",
    "discordapp.com",
    "api.telegram.org",
    "chat.googleapis.com",
    "events.pagerduty.com",
    ".webhook.office.com",
    ".logic.azure.com",
)


def _is_reference(text: str) -> str:
    if _REFERENCE.fullmatch(text) is None:
        # Not quoted: what stands there may be the secret itself, and the sentence goes into logs.
        raise PydanticCustomError(
            WRITTEN_SECRET,
            "expected the name of a variable, e.g. '${HOOK_SECRET}', and no secret; export it, and name it",
        )
    return text


def _holds_no_secret(url: str) -> str:
    """Return ``url`` unchanged if each secret in it is a reference.

    >>> _holds_no_secret("mailtos://${USER}:${PASSWORD}@smtp.example.com?to=ml@example.com")[:10]
    'mailtos://'
    """
    what = next(_written_out(url), None)
    if what is not None:
        raise PydanticCustomError(
            WRITTEN_SECRET, f"{what} is written out; export it, and name the variable in its place: '${{NAME}}'"
        )
    return url


def _written_out(url: str) -> Iterator[str]:
    """Yield what of ``url`` is a secret that everybody can read who reads the file; it is not quoted."""
    try:
        parts = urlsplit(_REFERENCE.sub(_STANDS_FOR, url))
    except ValueError:
        yield "an address that cannot be read, and may hold a secret,"
        return
    user, at, _host = parts.netloc.rpartition("@")
    password = user.partition(":")[2]
    if at and password and not _only_references(password):
        yield "a password"
    for name, value in parse_qsl(parts.query):
        if _SECRET_NAMES.search(name) and not _only_references(value):
            yield f"the secret {name[:40]!r}"
    host = (parts.hostname or "").lower()
    known = _TOKENS_STAND_IN_IT.fullmatch(parts.scheme) is not None or any(
        host == one or (one.startswith(".") and host.endswith(one)) for one in _HOSTS_WITH_TOKENS
    )
    if known and _STANDS_FOR not in parts.netloc + parts.path + parts.query:
        yield f"the token of a {parts.scheme} address"


def _only_references(text: str) -> bool:
    return not text.replace(_STANDS_FOR, "")


SecretReference = Annotated[str, Field(json_schema_extra={"examples": ["${SECRET}"]}), AfterValidator(_is_reference)]
"""A pydantic field type: the name of an environment variable that holds a secret."""

ChannelAddress = Annotated[str, AfterValidator(_holds_no_secret)]
"""A pydantic field type: where messages go, as an address in which each secret is a reference."""
