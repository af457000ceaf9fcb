"""The other ends of channels: an HTTP receiver that can be broken, slow or hanging, and an SMTP server."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message as Email
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

__all__ = ["Got", "HttpReceiver", "Mailbox", "http_receiver", "mailbox"]


@dataclass(frozen=True, slots=True)
class Got:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def content(self) -> dict[str, Any]:
        """The body as JSON."""
        content: dict[str, Any] = json.loads(self.body)
        return content


class HttpReceiver(ThreadingHTTPServer):
    """Keeps what it got while it is well (``answers`` 200); ``hangs``: says nothing until it is let go."""

    daemon_threads = True

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.asked = 0
        self.answers = 200
        self.headers: dict[str, str] = {}
        self.hangs = threading.Event()
        self.let_go = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: HttpReceiver

    def do_POST(self) -> None:
        self.server.asked += 1
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.hangs.is_set():
            self.server.let_go.wait(60)
            return
        self.send_response(self.server.answers)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.server.answers == 200:
            self.server.got.append(Got(self.path, {name.lower(): text for name, text in self.headers.items()}, body))

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@contextmanager
def http_receiver() -> Iterator[HttpReceiver]:
    """Run a receiver on a free port."""
    server = HttpReceiver()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.let_go.set()
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(slots=True)
class Mailbox:
    """What a mail server took. ``refuses``: it answers 451 instead."""

    port: int = 0
    mails: list[Email] = field(default_factory=list)
    readers: list[list[str]] = field(default_factory=list)
    refuses: bool = False

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:
        """Take a mail of whoever has signed in."""
        if not session.authenticated:
            return "530 sign in first"
        if self.refuses:
            return "451 try again later"
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content))
        self.readers.append(list(envelope.rcpt_tos))
        return "250 taken"


class _OnAFreePort(Controller):
    """Knows its port before it says hello to itself there."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


@contextmanager
def mailbox(user: str, password: str) -> Iterator[Mailbox]:
    """Run a real SMTP server that takes mails of whoever signs in as ``user``."""
    box = Mailbox()

    def known(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: object) -> AuthResult:
        assert isinstance(data, LoginPassword)
        return AuthResult(success=(data.login, data.password) == (user.encode(), password.encode()))

    controller = _OnAFreePort(box, hostname="127.0.0.1", port=0, authenticator=known, auth_require_tls=False)
    controller.start()
    try:
        box.port = controller.port
        yield box
    finally:
        controller.stop()
