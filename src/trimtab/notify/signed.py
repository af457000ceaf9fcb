"""Posts messages as JSON that the receiver can trust: signed, dated, with an id to know repeats by.

The signature is that of our own webhooks: ``v1=`` and the hexadecimal HMAC-SHA256 of ``TIMESTAMP.BODY``.
"""

from __future__ import annotations

import hashlib
import hmac
import time

import httpx
import orjson

from trimtab.core.errors import BackendError, ConfigError
from trimtab.notify.sender import Outgoing, RefusedForNowError

__all__ = ["SignedSender"]

_TIME_LIMIT_S = 10.0
_SAID_CHARS = 200
_LONGEST_WAIT_S = 3600.0


class SignedSender:
    """Sends to one receiver that shares ``secret``; follows no redirect: a signed body goes nowhere else."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def send(self, url: str, message: Outgoing) -> None:
        """Deliver the message; see `trimtab.notify.sender.Sender`. Its attachment is named, not sent."""
        body = orjson.dumps(
            {
                "id": message.id,
                "kind": message.kind.value,
                "severity": message.severity.value,
                "model": message.model,
                "title": message.title,
                "body": message.body,
                "at_us": message.at_us,
                "attachment": None if message.attachment is None else message.attachment.name,
            }
        )
        moment = str(int(time.time()))
        signature = hmac.new(self._secret, moment.encode() + b"." + body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "X-Trimtab-Timestamp": moment,
            "X-Trimtab-Signature": f"v1={signature}",
            "X-Trimtab-Delivery": message.id,
        }
        try:
            with httpx.stream("POST", url, content=body, headers=headers, timeout=_TIME_LIMIT_S) as answer:
                _judge(answer)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise ConfigError(f"notification URL: {error}; correct its url in trimtab.yaml") from error
        except httpx.HTTPError as error:
            raise BackendError(f"notification: {type(error).__name__}: {error}; it is tried again") from error


def _judge(answer: httpx.Response) -> None:
    if answer.is_success:
        return
    said = next(answer.iter_bytes(_SAID_CHARS), b"").decode(errors="replace")
    sentence = f"notification: answered {answer.status_code} {said!r}, expected 2xx; it is tried again"
    wait = answer.headers.get("Retry-After", "")
    if answer.status_code in {429, 503} and wait.isdecimal():
        raise RefusedForNowError(sentence, min(float(wait), _LONGEST_WAIT_S))
    raise BackendError(sentence)
