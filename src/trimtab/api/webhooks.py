"""``POST /v1/webhooks/{name}``: alerts of others. Nothing is read, stored or told before it is known who sent them."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from trimtab.api.rate_limits import RateLimits, network_of
from trimtab.api.senders import LateMessageError, is_bearer, secrets_of, signed_digest
from trimtab.config.webhooks import BearerAuth, WebhookConfig
from trimtab.core.canonical import JsonObject
from trimtab.core.errors import ConfigError, DataContractError, UnknownCallerError
from trimtab.loop.platform import Platform
from trimtab.loop.webhook_payloads import MOST_ALERTS
from trimtab.loop.webhook_receipts import take_message

__all__ = ["WEBHOOKS", "WebhookLimits", "webhook_routes"]

_log = structlog.get_logger(__name__)

WEBHOOKS = "/v1/webhooks/"
"""What their paths begin with."""


@dataclass(frozen=True, slots=True)
class WebhookLimits:
    """How much a message may bring, how long its sender may take, and how many are received at once.

    ``at_once`` of one webhook; ``unknown_at_once`` of one address, of messages that are signed: whose they are is known
    only once the body is there.
    """

    body_bytes: int = 1_000_000
    body_s: float = 10.0
    at_once: int = 64
    unknown_at_once: int = 8


class AlertTaken(BaseModel):
    """What became of one alert."""

    fingerprint: str | None = Field(description="As the sender calls it; null where nothing could be made of it.")
    result: str = Field(description="opened, joined, recovered, repeated, unknown model, ignored, unusable.")
    incident_id: str | None = Field(description="Its case.")
    why: str | None = Field(description="Why nothing could be made of it.")


class MessageTaken(BaseModel):
    """What became of a message: a line an alert, in its order."""

    alerts: list[AlertTaken] = Field(max_length=MOST_ALERTS)
    replayed: bool = Field(description="Whether it was taken before: this is the answer of then, and nothing was done.")


class _NotReadyError(HTTPException):
    """The secret of a webhook is not there; who sends is told to come again."""

    def __init__(self) -> None:
        why = "webhook: is not ready, the control plane's log says what it lacks; send it again"
        super().__init__(503, why, {"Retry-After": "60"})


class _Webhooks:
    """The senders of a project, and how many messages are being received."""

    def __init__(
        self, platform: Platform, limits: WebhookLimits, rates: RateLimits, now_s: Callable[[], float]
    ) -> None:
        self._platform = platform
        self._limits = limits
        self._rates = rates
        self._now_s = now_s
        self._by_name = {one.name: (one, _secrets(one)) for one in platform.project.config.webhooks}
        self._receiving: Counter[tuple[str, ...]] = Counter()

    async def take(self, name: str, request: Request) -> JsonObject:
        """Answer one message; see `webhook_routes`."""
        door = f"webhook:{name}" if name in self._by_name else "webhook"
        try:
            return await self._take(name, request)
        except (UnknownCallerError, DataContractError, HTTPException) as error:
            self._platform.doors.refused(door, _why(error), address=self._rates.address_of(request.scope))
            raise

    async def _take(self, name: str, request: Request) -> JsonObject:
        if name not in self._by_name:
            raise _nobody()
        webhook, secrets = self._by_name[name]
        if secrets is None:
            raise _NotReadyError()
        _require_plain(request.headers)
        body, receipt = await self._authentic(webhook, secrets, request)
        wait_s = self._rates.webhook_wait_s(name)
        if wait_s > 0:
            raise _for_now("too many messages", wait_s)
        return await run_in_threadpool(take_message, self._platform, webhook, body, receipt)

    async def _authentic(
        self, webhook: WebhookConfig, secrets: tuple[bytes, ...], request: Request
    ) -> tuple[bytes, str | None]:
        """Return the body, once it is known whose it is, and by what to know it again if it was signed."""
        auth = webhook.auth
        if isinstance(auth, BearerAuth):
            if not is_bearer(auth, request.headers.get("authorization", ""), secrets):
                raise _nobody()
            return await self._received(request, {("webhook", webhook.name): self._limits.at_once}), None
        if auth.timestamp_header not in request.headers or auth.signature_header not in request.headers:
            raise _nobody()
        # Anybody may begin one: nobody's bodies that never come may take the place of all the others'.
        address = network_of(self._rates.address_of(request.scope))
        body = await self._received(
            request,
            {("webhook", webhook.name): self._limits.at_once, ("address", address): self._limits.unknown_at_once},
        )
        receipt = signed_digest(auth, request.headers, body, secrets, now_s=self._now_s())
        if receipt is None:
            raise _nobody()
        return body, receipt

    async def _received(self, request: Request, room: Mapping[tuple[str, ...], int]) -> bytes:
        if any(self._receiving[whose] >= most for whose, most in room.items()):
            raise _for_now("too many messages at once", 1.0)
        self._receiving.update(room.keys())
        try:
            async with asyncio.timeout(self._limits.body_s):
                return await _read(request, self._limits.body_bytes)
        except TimeoutError:
            why = f"webhook: body: not here within {self._limits.body_s:g} s; send it at once"
            raise HTTPException(408, why, {"Connection": "close"}) from None
        except ClientDisconnect:
            raise HTTPException(408, "webhook: body: its sender hung up; send it again") from None
        finally:
            for whose in room:
                self._receiving[whose] -= 1
                if not self._receiving[whose]:
                    del self._receiving[whose]


def webhook_routes(
    platform: Platform,
    rates: RateLimits,
    *,
    limits: WebhookLimits | None = None,
    now_s: Callable[[], float] = time.time,
) -> APIRouter:
    """Return the route of all webhooks of ``platform``; signatures are held to ``now_s``, the machine's time."""
    webhooks = _Webhooks(platform, limits or WebhookLimits(), rates, now_s)
    router = APIRouter(tags=["webhooks"])
    content = {"application/json": {"schema": {"type": "object"}}}

    @router.post(
        f"{WEBHOOKS}{{name}}",
        status_code=202,
        summary="Take alerts of Alertmanager, Grafana or a program of one's own",
        operation_id="webhooks_take",
        response_model=MessageTaken,
        openapi_extra={"requestBody": {"required": True, "content": content}},
    )
    async def take(name: str, request: Request) -> JsonObject:
        """Needs the secret of the webhook `name` of trimtab.yaml: brought as a bearer token, or signing the body."""
        return await webhooks.take(name, request)

    return router


def _secrets(webhook: WebhookConfig) -> tuple[bytes, ...] | None:
    try:
        return secrets_of(webhook)
    except ConfigError as error:
        # The other webhooks work, and so does all else: what lacks is told here, and to whoever sends.
        _log.error("webhook.not-ready", webhook=webhook.name, why=str(error))
        return None


def _why(error: Exception) -> str:
    """Return one of a few words: what a sender writes goes into no metric."""
    if isinstance(error, _NotReadyError):
        return "not ready"
    if isinstance(error, HTTPException):
        return {408: "slow", 413: "too large", 415: "encoded"}.get(error.status_code, "overload")
    if isinstance(error, LateMessageError):
        return "late or early"
    return "unusable" if isinstance(error, DataContractError) else "not from its sender"


def _for_now(why: str, wait_s: float) -> HTTPException:
    # Not 429: Alertmanager drops what it is answered so, and repeats what it is answered 503.
    return HTTPException(503, f"webhook: {why}; send it again", {"Retry-After": str(math.ceil(wait_s))})


def _nobody() -> UnknownCallerError:
    # The same for a webhook that is not there: names are nobody's business either.
    return UnknownCallerError("webhook: none has this name and secret; see 'webhooks' in trimtab.yaml")


def _require_plain(headers: Mapping[str, str]) -> None:
    """Refuse what has to be unpacked: a kilobyte may become a gigabyte, and is not what was signed."""
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"", "identity"}:
        raise HTTPException(415, f"Content-Encoding {encoding[:40]!r}: not taken; send the body as it is")


async def _read(request: Request, limit: int) -> bytes:
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told) > limit:
        raise HTTPException(413, f"body: {told[:20]} bytes, more than {limit}; send fewer alerts at once")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise HTTPException(413, f"body: more than {limit} bytes; send fewer alerts at once")
    return bytes(body)
