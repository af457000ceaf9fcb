"""``Idempotency-Key``: a request that is sent again after a broken line is done once, and answered twice."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Annotated, Any

import orjson
import structlog
from fastapi import Header
from fastapi.responses import Response

from trimtab.api.errors import problem, status_of
from trimtab.core.canonical import JsonObject
from trimtab.core.errors import BackendError, TrimtabError
from trimtab.db.engine import machine_us
from trimtab.loop.actor import Actor
from trimtab.loop.platform import Platform
from trimtab.loop.request_claims import ABANDONED, Asked, Remembered, claim, release, remember, renew

__all__ = ["IdempotencyKey", "asked_once"]

_log = structlog.get_logger(__name__)

_OK = 200
_SERVERS_FAULT = 500
_REPLAYED = {"idempotency-replayed": "true"}
_RENEWED_S = ABANDONED.total_seconds() / 3
_SHOWN_ONCE = frozenset({"keys.create"})
"""Operations whose answer holds a secret: it is not kept."""

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[!-~]{1,128}$",
        description=(
            "Any text that is new for each request, a UUID for example. For a day, the same request with the same key "
            "is not done again: it gets the first one's answer, with `Idempotency-Replayed: true`."
        ),
    ),
]


def asked_once(
    platform: Platform, *, actor: Actor, key: str | None, operation: str, said: Any, run: Callable[[Actor], JsonObject]
) -> JsonObject | Response:
    """Return the answer of ``run``, or the one that a request with the same ``key`` was given before.

    Answers and refusals are remembered; not that something did not work (5xx), so that it can be tried again.

    Args:
        platform: where requests are remembered.
        actor: who asks; idempotency keys of different API keys have nothing to do with each other.
        key: the request's idempotency key; without one it is just done.
        operation: what is asked for.
        said: all that the request says, as JSON.
        run: does the work, for the actor with the claim's id.

    Raises:
        ConfigError: the key was used for another request.
        ConflictError: the work is being done.
        TrimtabError: what the operation says.
    """
    if key is None:
        return run(actor)
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    asked = Asked(actor=actor.key_id or actor.name, key=key, operation=operation, request_hash=digest)
    with platform.database.transaction() as connection:
        claimed = claim(connection, asked, now_us=machine_us())
    if isinstance(claimed, Remembered):
        return _replayed(claimed)
    try:
        with _renewed(platform, asked):
            answer = run(replace(actor, claim_id=claimed.id))
    except TrimtabError as error:
        _settle(platform, asked, Remembered(status_of(error), {"title": type(error).__name__, "detail": str(error)}))
        raise
    except BaseException:
        with platform.database.transaction() as connection:
            release(connection, asked)
        raise
    _settle(platform, asked, _kept(operation, answer))
    return answer


@contextlib.contextmanager
def _renewed(platform: Platform, asked: Asked) -> Iterator[None]:
    """Keep the claim from looking abandoned while the work lasts."""
    done = threading.Event()

    def keep() -> None:
        while not done.wait(_RENEWED_S):
            try:
                with platform.database.transaction() as connection:
                    renew(connection, asked, now_us=machine_us())
            except BackendError as error:
                _log.warning("request.claim_not_renewed", operation=asked.operation, error=str(error))

    keeper = threading.Thread(target=keep, name="request-claim", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        done.set()
        keeper.join()


def _settle(platform: Platform, asked: Asked, told: Remembered) -> None:
    with platform.database.transaction() as connection:
        if told.status >= _SERVERS_FAULT:
            release(connection, asked)
        else:
            remember(connection, asked, told)


def _kept(operation: str, answer: JsonObject) -> Remembered:
    if operation in _SHOWN_ONCE:
        told = "an earlier request with this Idempotency-Key made it, and its answer is shown once; revoke it and ask"
        return Remembered(409, {"title": "ConflictError", "detail": f"{operation}: {told} for another"})
    # As it was sent: a number that is none is null.
    return Remembered(_OK, json.loads(orjson.dumps(answer)))


def _replayed(before: Remembered) -> Response:
    if before.status == _OK:
        return Response(orjson.dumps(before.answer), media_type="application/json", headers=_REPLAYED)
    return problem(before.status, before.answer["title"], before.answer["detail"], _REPLAYED)
