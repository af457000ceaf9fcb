"""The port of a queue, and its contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from trimtab.core.canonical import JsonObject

__all__ = ["MAX_ATTEMPTS", "Message", "Queue"]

MAX_ATTEMPTS = 8
"""How often a message is handed out before it is dead."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message, leased to whoever holds ``token``; ``attempts`` counts this one."""

    id: str
    topic: str
    body: JsonObject
    token: str
    attempts: int


class Queue(Protocol):
    """Brings small messages to workers; large content goes to the lake and its address into the message.

    - At least once: a message is handed out again when its lease runs out before it was acknowledged. So a worker must
      give the second time the effect of none.
    - Lease in machine time, with a fencing token: a worker that was paused past its lease can neither acknowledge nor
      return what another has got meanwhile.
    - Order is not promised.
    - After `MAX_ATTEMPTS` a message is dead: kept for people to see, never handed out again.
    - Safe to call from several threads and processes.
    """

    def send(self, topic: str, body: JsonObject, dedup_key: str) -> bool:
        """Store a message durably. Return False, with no effect, when ``topic`` has had one of this key already.

        Raises:
            BackendError: the queue cannot be reached; nothing was stored, or the same call will say False.
        """

    def receive(self, topic: str, *, limit: int, lease_s: float) -> list[Message]:
        """Lease up to ``limit`` messages that are due, older ones preferred; none is an empty list.

        Raises:
            BackendError: the queue cannot be reached.
        """

    def ack(self, message: Message) -> None:
        """Say that the message's work is done, durably.

        Raises:
            ConflictError: the lease ran out and another worker has taken the message.
            BackendError: the queue cannot be reached.
        """

    def nack(self, message: Message, error: str, *, outage: bool = False) -> bool:
        """Give the message back for a later attempt, with what went wrong. Return whether it is dead now.

        An ``outage`` is waited out, however long it takes: the message does not die of it.

        Raises:
            ConflictError: the lease ran out and another worker has taken the message.
            BackendError: the queue cannot be reached.
        """

    def dead(self, topic: str) -> list[Message]:
        """Return the messages that were given up, oldest first, at most 100; their token is of no use.

        Raises:
            BackendError: the queue cannot be reached.
        """

    def bury(self, message: Message) -> None:
        """Take a dead message out of `dead`: what follows from its death has been seen to. Repeating it is harmless.

        Raises:
            BackendError: the queue cannot be reached.
        """
