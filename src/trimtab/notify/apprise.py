"""Reaches people over Apprise: Slack, e-mail, PagerDuty, webhooks and a hundred others, by URL."""

from __future__ import annotations

import logging
import warnings

import apprise

from trimtab.core.enums import Severity
from trimtab.core.errors import BackendError, ConfigError
from trimtab.notify.sender import Outgoing

__all__ = ["AppriseSender"]

_TYPES = {
    Severity.LOW: apprise.NotifyType.INFO,
    Severity.MEDIUM: apprise.NotifyType.WARNING,
    Severity.HIGH: apprise.NotifyType.FAILURE,
    Severity.CRITICAL: apprise.NotifyType.FAILURE,
}

# Without pictures that every reader's machine would fetch from somebody else's server.
_ASSET = apprise.AppriseAsset(app_id="Trimtab", app_desc="Trimtab", app_url="", image_url_mask="", image_url_logo="")

# Apprise logs what it sends, and the URLs it sends to; those hold tokens, so they must not reach our log.
_apprise_log = logging.getLogger("apprise")
_apprise_log.addHandler(logging.NullHandler())
_apprise_log.propagate = False


class AppriseSender:
    """Sends one message to one Apprise URL, with the time limits that Apprise sets for its channel (4 s by default)."""

    def send(self, url: str, message: Outgoing) -> None:
        """Deliver the message; see `trimtab.notify.sender.Sender`."""
        channel = apprise.Apprise(asset=_ASSET)
        with warnings.catch_warnings():
            # The first URL makes Apprise load its channels, and one of them imports what Python 3.13 removes.
            warnings.filterwarnings("ignore", category=DeprecationWarning, message="'imghdr' is deprecated")
            known = channel.add(url)
        if not known:
            scheme = url.partition("://")[0]
            raise ConfigError(
                f"notification URL: {scheme}://… is none that Apprise knows; correct its url in trimtab.yaml"
            )
        try:
            result = channel.notify(
                body=message.body or message.title,
                title=message.title,
                notify_type=_TYPES[message.severity],
                body_format=apprise.NotifyFormat.TEXT,
                attach=None if message.attachment is None else str(message.attachment),
            )
        except Exception as error:  # a plugin may raise anything, and the next message must still go
            raise BackendError(f"notification: {type(error).__name__}: {error}; it is tried again") from error
        if not result:
            raise BackendError(f"notification: {_why(result)}; it is tried again")


def _why(result: apprise.AppriseResult) -> str:
    said = [str(entry.message) for entry in result.logs()]
    return " ".join(" ".join(said).split())[:500] or "the channel refused it and gave no reason"
