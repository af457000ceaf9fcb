"""An intake that is a control plane elsewhere, over HTTP."""

from __future__ import annotations

import hashlib
from typing import Final

import httpx

from trimtab.core.errors import BackendError

__all__ = ["DIGEST_HEADER", "HttpIntake"]

DIGEST_HEADER: Final = "x-content-sha256"
"""Header with the SHA-256 of the body, 64 hex digits: what was cut or changed on its way is not kept."""

_TIMEOUT_S: Final = 60.0
_LONGEST_REASON: Final = 300


class HttpIntake:
    """See `Intake`. ``POST <url>/v1/intake/segments/<id>``, with an API key of role ``service``."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url.rstrip("/")
        self._http = httpx.Client(
            headers={"Authorization": f"Bearer {key}", "Content-Type": "application/vnd.apache.arrow.file"},
            timeout=httpx.Timeout(_TIMEOUT_S),
            trust_env=False,
        )

    @property
    def where(self) -> str:
        """See `Intake.where`."""
        return self._url

    def put(self, segment_id: str, content: bytes) -> None:
        """See `Intake.put`."""
        digest = hashlib.sha256(content).hexdigest()
        try:
            answer = self._http.post(
                f"{self._url}/v1/intake/segments/{segment_id}", content=content, headers={DIGEST_HEADER: digest}
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise BackendError(
                f"intake {self._url}: {type(error).__name__} ({error}); is the control plane up? it is tried again"
            ) from error
        if answer.is_success and _kept(answer) == segment_id:
            return
        raise BackendError(
            f"intake {self._url}: answered {answer.status_code} to segment {segment_id} ({_reason(answer)}); expected "
            "that it is kept; check URL and TRIMTAB_API_KEY; it is tried again"
        )

    def close(self) -> None:
        """See `Intake.close`."""
        self._http.close()


def _kept(answer: httpx.Response) -> str | None:
    """Return which segment the answer says is kept: a proxy's page of status 200 says none."""
    try:
        found = answer.json()["segment_id"]
    except (ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None


def _reason(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])[:_LONGEST_REASON]
    except (ValueError, KeyError, TypeError):
        return "no reason given"
