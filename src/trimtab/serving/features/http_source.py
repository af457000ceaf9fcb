"""A feature source behind HTTP: one POST of JSON a call, over connections that are kept."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping, Sequence
from typing import Final, cast
from urllib.parse import SplitResult, urlsplit

import httptools
import msgspec

import trimtab
from trimtab.core.errors import BackendError, ConfigError
from trimtab.serving.features.base import FeatureValue
from trimtab.serving.features.credential import KEY_PREFIX, refuse_secrets_in

__all__ = ["HttpSource"]

_MAX_ANSWER_BYTES: Final = 16_000_000
_OK: Final = 200
_PORTS: Final = {"http": 80, "https": 443}


class _Question(msgspec.Struct):
    entities: Sequence[Mapping[str, str]]
    names: Sequence[str]


class _Found(msgspec.Struct):
    rows: list[dict[str, FeatureValue | None]]


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(_Found)


class HttpSource:
    """Asks ``url``: see `FeatureSource`. There are as many connections as calls at the same time."""

    def __init__(self, url: str, credential: str = "") -> None:
        """Connect to nothing yet; ``credential``: a header's line, with its end.

        Raises:
            ConfigError: it is no URL that can be asked.
        """
        parts = _split(url)
        self._host, self._port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        # What stands behind the question mark may be a secret.
        self._shown = f"feature source {parts.scheme}://{parts.netloc}{parts.path}"
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._head = (
            f"POST {target} HTTP/1.1\r\nhost: {parts.netloc}\r\nuser-agent: trimtab/{trimtab.__version__}\r\n"
            f"accept: application/json\r\n{credential}content-type: application/json\r\ncontent-length: "
        ).encode("ascii")
        self._idle: list[_Connection] = []

    async def read(
        self, entities: Sequence[Mapping[str, str]], names: Sequence[str]
    ) -> Sequence[Mapping[str, FeatureValue | None]]:
        """See `FeatureSource.read`.

        Raises:
            BackendError: it cannot be reached, or answers something else.
        """
        body = _ENCODER.encode(_Question(entities, names))
        status, content = await self._post(self._head + b"%d\r\n\r\n" % len(body) + body)
        if status != _OK:
            raise BackendError(f"{self._shown}: answered {status}, expected 200; see its log")
        try:
            return _DECODER.decode(content).rows
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise BackendError(f"{self._shown}: answered what is no list of rows ({error}); correct it") from None

    def close(self) -> None:
        """See `FeatureSource.close`."""
        while self._idle:
            self._idle.pop().close()

    async def _post(self, request: bytes) -> tuple[int, bytes]:
        try:
            while self._idle:
                connection = self._idle.pop()
                try:
                    return await self._ask(connection, request)
                except _IdleClosedError:
                    continue
            return await self._ask(await self._connect(), request)
        except (OSError, httptools.HttpParserError) as error:
            raise BackendError(f"{self._shown}: {str(error) or type(error).__name__}; is it running?") from error

    async def _ask(self, connection: _Connection, request: bytes) -> tuple[int, bytes]:
        try:
            answer = await connection.ask(request)
        except BaseException:
            # Also when nobody waits any more: the answer would be taken for that to the next question.
            connection.close()
            raise
        if connection.may_stay:
            self._idle.append(connection)
        else:
            connection.close()
        return answer

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(_Connection, self._host, self._port, ssl=self._tls)
        return connection


class _IdleClosedError(ConnectionError):
    """A connection that had been kept was closed by the other side before it began to answer."""


class _Connection(asyncio.Protocol):
    """One connection, one question at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._body = bytearray()
        self._answered = 0
        self._has_begun = False
        self._until_closed = True
        self.may_stay = True

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Return status and body of what is answered to ``request``.

        Raises:
            OSError: the connection ended before.
            HttpParserError: what came is no HTTP.
        """
        if self._transport is None or self._transport.is_closing():
            raise _IdleClosedError
        self._answer = asyncio.get_running_loop().create_future()
        self._body.clear()
        self._has_begun, self._until_closed = False, True
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """End it now."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._answer is None or self._answer.done():
            # Nobody asked: what it means cannot be known.
            self.may_stay = False
            self.close()
            return
        self._has_begun = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self.may_stay = False
        self._transport = None
        if not self._has_begun and self._answered:
            self._fail(_IdleClosedError())
        else:
            self._fail(exc or ConnectionResetError("closed before it had answered"))

    def on_message_begin(self) -> None:
        """Let go of a connection on which more comes than was asked for: it would be taken for the next answer."""
        if self._answer is None or self._answer.done():
            self.may_stay = False

    def on_header(self, name: bytes, _: bytes) -> None:
        """Note what says where the answer ends."""
        if name.lower() in {b"content-length", b"transfer-encoding"}:
            self._until_closed = False

    def on_headers_complete(self) -> None:
        """Refuse an answer whose end could not be told from a loss."""
        if self._until_closed:
            self._fail(ConnectionError("answers without content-length"))

    def on_body(self, part: bytes) -> None:
        """Keep a part of the answer."""
        self._body += part
        if len(self._body) > _MAX_ANSWER_BYTES:
            self._fail(ConnectionError(f"answers more than {_MAX_ANSWER_BYTES} bytes"))
            self.close()

    def on_message_complete(self) -> None:
        """Hand the answer over."""
        self._answered += 1
        self.may_stay = self.may_stay and self._parser.should_keep_alive()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((self._parser.get_status_code(), bytes(self._body)))

    def _fail(self, error: Exception) -> None:
        self.may_stay = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        plain = parts.scheme in _PORTS and parts.hostname and parts.port != 0 and parts.username is None
    except ValueError:
        plain = False
    if not plain or not url.isascii() or any(character <= " " for character in url):
        # A user's password, or what stands behind the question mark, is nobody else's business.
        shown = re.sub(r"//.*@", "//", url.partition("?")[0])[:200]
        raise ConfigError(
            f"features.source {shown!r}: expected http://HOST:PORT/PATH or https://…, in ASCII "
            f"and without a user; correct it (a key belongs into a variable {KEY_PREFIX}… of the server's environment, "
            "which features.key_env names)"
        )
    refuse_secrets_in(f"{parts.scheme}://{parts.netloc}{parts.path}", parts.query)
    return parts
