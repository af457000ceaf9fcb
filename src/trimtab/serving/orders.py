"""What a supervisor tells those that it starts."""

from __future__ import annotations

from typing import Literal

import msgspec

from trimtab.serving.options import ServerOptions

__all__ = ["Followed", "WorkerOrders"]


class WorkerOrders(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker needs to know: ``descriptor`` is that of the listening socket, which it inherits."""

    number: int
    workers: int
    state: str
    told_in: str
    host: str
    descriptor: int
    log_format: Literal["json", "console"]
    options: ServerOptions


class Followed(msgspec.Struct, frozen=True):
    """A control plane elsewhere, and the variable of the environment that holds a key for it."""

    url: str
    key_env: str
