"""``GET /api/stream``: what happens, as it happens, as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, NoReturn

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from trimtab.api.caller import Caller, KnownFirst, still_in
from trimtab.core.enums import Role
from trimtab.core.errors import ConfigError
from trimtab.db.engine import Database
from trimtab.loop.broadcast import Broadcast, Told, newest_position, told_after
from trimtab.loop.platform import Platform

__all__ = ["Streams", "stream_routes"]

_FARTHEST = 10_000
"""Events that are told again to who was away; who missed more has to read anew how everything stands."""
_RETRY_MS = 2_000
_EVENT_STREAM = "text/event-stream"
_LARGEST = 2**63
_MOST_DIGITS = len(str(_LARGEST))


class Streams:
    """All streams of this process, and the one bell that wakes them. For one event loop.

    Args:
        broadcast: reads the events.
        most: how many there may be at once.
        each: how many of them one person may have.
        beat_s: how often a stream is sent a beat, whatever else it is sent: proxies keep its line open, and it is
            looked whether its reader may still read.
    """

    def __init__(self, broadcast: Broadcast, *, most: int, each: int, beat_s: float) -> None:
        self.broadcast = broadcast
        self.beat_s = beat_s
        self._most = most
        self._each = each
        self._waiting: dict[asyncio.Event, str] = {}
        self._listening = asyncio.Lock()
        self._end: Callable[[], None] | None = None

    def require_room(self, person: str) -> None:
        """Do nothing if one more may begin for ``person``.

        Raises:
            HTTPException: 503, there are enough, or they have enough of them.
        """
        whose = list(self._waiting.values())
        if len(whose) >= self._most:
            self._turn_away(f"{self._most} are open")
        # However many keys they hold: nobody may keep all the others out.
        if whose.count(person) >= self._each:
            self._turn_away(f"{self._each} of {person!r} are open")

    async def enter(self, news: asyncio.Event, person: str) -> None:
        """Have ``news`` set whenever there may be some for ``person``, until `leave`.

        Raises:
            BackendError: the database cannot be read.
        """
        self._waiting[news] = person
        async with self._listening:
            if self._end is None:
                bell = partial(_soon, asyncio.get_running_loop(), self._ring)
                self._end = await run_in_threadpool(self.broadcast.listen, bell)

    def leave(self, news: asyncio.Event) -> None:
        """Forget one that has ended."""
        self._waiting.pop(news, None)
        if not self._waiting and self._end is not None:
            self._end()
            self._end = None

    def _ring(self) -> None:
        for news in self._waiting:
            news.set()

    @staticmethod
    def _turn_away(why: str) -> NoReturn:
        told = f"stream: {why}, and more are not served; close one, or try again later"
        raise HTTPException(503, told, {"Retry-After": "10"})


def stream_routes(platform: Platform, streams: Streams) -> APIRouter:
    """Return the route of the stream."""
    router = APIRouter(tags=["events"], route_class=KnownFirst)

    @router.get(
        "/api/stream",
        name="events.stream",
        operation_id="events_stream",
        summary="What happens, as it happens (server-sent events)",
        response_class=StreamingResponse,
        responses={200: {"description": "Events, oldest first, without end.", "content": {_EVENT_STREAM: {}}}},
    )
    async def stream(
        request: Request,
        actor: Caller,
        kinds: Annotated[
            str,
            Query(
                max_length=500,
                pattern=r"^[a-z._,-]*$",
                description="Only these, e.g. 'incident,rollout.moved'; default: all.",
            ),
        ] = "",
        after: Annotated[
            int | None,
            Query(
                ge=0,
                lt=_LARGEST,
                description="Begin behind this id; `Last-Event-ID` of a browser that connects again counts more.",
            ),
        ] = None,
    ) -> StreamingResponse:
        """Needs role `viewer`. Each event tells kind, model and ids; what else there is, its operation tells."""
        actor.require(Role.VIEWER, "events stream")
        streams.require_room(actor.who)
        wanted = tuple(kind for kind in kinds.split(",") if kind)
        line = _Line(platform.database, streams, wanted, partial(still_in, request))
        return _Open(line, actor.who, _resumed(request, after))

    return router


@dataclass(frozen=True, slots=True)
class _Line:
    """One stream: of what, and whether its reader may go on."""

    database: Database
    streams: Streams
    kinds: Sequence[str]
    is_welcome: Callable[[], bool]
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def frames(self, behind: int | None) -> AsyncIterator[str]:
        """Yield everything behind a position (None: from now on), until the reader may not, or the server, go on."""
        newest = await run_in_threadpool(self.database.read, newest_position)
        position = newest if behind is None else behind
        yield f"retry: {_RETRY_MS}\n{_frame(position, 'begin', json.dumps({'newest': newest}))}"
        if not newest - _FARTHEST <= position <= newest:
            # More than can be told again, or ids of another database: nothing that was seen may be relied upon.
            position = newest
            yield _frame(newest, "resync", json.dumps({"newest": newest}))
        async for frame in self._following(position):
            yield frame

    async def _following(self, position: int) -> AsyncIterator[str]:
        broadcast, now_s = self.streams.broadcast, asyncio.get_running_loop().time
        due_s = now_s() + self.streams.beat_s
        while not broadcast.is_stopping():
            self.news.clear()
            found = await self._found(position)
            if found:
                position = found[-1].position
                told = [_frame(one.position, None, one.data) for one in found if one.is_among(self.kinds)]
                if told:
                    yield "".join(told)
            elif not broadcast.is_stopping():
                await _rung(self.news, within_s=due_s - now_s())
            # By the clock, and not when nothing rang: where there is always news, a revoked key would read on for ever.
            if now_s() < due_s or broadcast.is_stopping():
                continue
            if not await run_in_threadpool(self.is_welcome):
                yield _frame(position, "end", json.dumps({"why": "the key or session is over; sign in again"}))
                return
            # It moves the browser's Last-Event-ID on over events that it did not ask for.
            yield f": beat\nid: {position}\n\n"
            due_s = now_s() + self.streams.beat_s

    async def _found(self, position: int) -> list[Told]:
        known = self.streams.broadcast.behind(position)
        if known is not None:
            return known
        return await run_in_threadpool(self.database.read, lambda connection: told_after(connection, position))


class _Open(StreamingResponse):
    """The answer that does not end; it is entered and left with the request, whatever ends that."""

    def __init__(self, line: _Line, person: str, behind: int | None) -> None:
        super().__init__(line.frames(behind), media_type=_EVENT_STREAM, headers={"x-accel-buffering": "no"})
        self._line = line
        self._person = person

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        streams, news = self._line.streams, self._line.news
        try:
            await streams.enter(news, self._person)
            await super().__call__(scope, receive, send)
        finally:
            streams.leave(news)


def _resumed(request: Request, after: int | None) -> int | None:
    given = request.headers.get("last-event-id")
    if given is None:
        return after
    if not given.isascii() or not given.isdigit() or len(given) > _MOST_DIGITS or int(given) >= _LARGEST:
        raise ConfigError(f"Last-Event-ID: found {given[:40]!r}; expected an id that the stream told")
    return int(given)


def _frame(position: int, kind: str | None, data: str) -> str:
    return f"{'' if kind is None else f'event: {kind}{chr(10)}'}id: {position}\ndata: {data}\n\n"


async def _rung(news: asyncio.Event, *, within_s: float) -> None:
    """Return when it rings, or after that time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            await news.wait()


def _soon(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    # The loop may have ended since: then nobody listens any more.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(call)
