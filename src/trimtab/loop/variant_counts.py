"""Asks the inference server what it counted of an endpoint's variants."""

from __future__ import annotations

import http.client
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any, Final

import msgspec

from trimtab.core.errors import BackendError
from trimtab.serving.draws import DrawsReading

__all__ = ["HttpDrawsReader"]

_TIMEOUT_S: Final = 1.0
_DEADLINE_S: Final = 2.0
_MOST_BYTES: Final = 32_000_000


class _Hurried(socket.socket):
    """A socket of which all that is received has to come before a deadline, however little comes at a time."""

    ends_s = 0.0

    def recv_into(self, *arguments: Any, **named: Any) -> int:
        left_s = self.ends_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("timed out")
        self.settimeout(min(left_s, _TIMEOUT_S))
        return super().recv_into(*arguments, **named)


class _Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        ends_s = time.monotonic() + _DEADLINE_S
        super().connect()
        plain = self.sock
        self.sock = _Hurried(plain.family, plain.type, plain.proto, fileno=plain.detach())
        self.sock.ends_s = ends_s


class _Handler(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Connection, req)


# Through no proxy of the environment: the server is on this machine, and the key is nobody else's.
_direct: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Handler())


class HttpDrawsReader:
    """Reads the counts over HTTP. Whoever asks waits two seconds at most, so that a server that hangs delays little."""

    def __init__(self, url: Callable[[], str | None], key: Callable[[], str | None] = lambda: None) -> None:
        """``url``: of the server, None while there is none; ``key``: what it is asked with, if it wants one."""
        self._url = url
        self._key = key

    def read(self, endpoint: str) -> DrawsReading | None:
        """Return what was counted; None while no server answers.

        Raises:
            BackendError: a server answers, and what it says cannot be read.
        """
        url = self._url()
        if url is None:
            return None
        key = self._key()
        headers = {} if key is None else {"X-API-Key": key}
        asked = urllib.request.Request(f"{url}/v1/variants/{urllib.parse.quote(endpoint)}/counts", headers=headers)
        try:
            with _direct.open(asked, timeout=_TIMEOUT_S) as answer:
                return msgspec.json.decode(answer.read(_MOST_BYTES), type=DrawsReading)
        except urllib.error.HTTPError as error:
            with error:
                told = f"answered {error.code}"
        except urllib.error.URLError as error:
            if isinstance(error.reason, ConnectionRefusedError):
                return None
            told = f"does not answer ({error.reason})"
        except (OSError, http.client.HTTPException, msgspec.MsgspecError) as error:
            told = f"cannot be understood ({error})"
        raise BackendError(
            f"endpoint {endpoint!r}: {url} {told} when asked what its variants did, expected counts within "
            f"{_DEADLINE_S:g} s; the server's log says why"
        )
