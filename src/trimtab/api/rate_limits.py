"""How much one caller may ask: a key by its name, whoever brings none, or a wrong one, by the address they come from.

The counts are of this process and in memory: a restart forgives, and nothing is written for whoever asks too much.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from trimtab.api.errors import problem
from trimtab.config.project import ApiConfig
from trimtab.config.rates import CallerRates, Rate
from trimtab.core.enums import Role
from trimtab.loop.actor import Actor
from trimtab.loop.door_counts import DoorCounts

__all__ = ["Buckets", "RateLimits", "RateLimitsByAddress", "network_of"]

_MOST_CALLERS = 10_000
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_LONGEST_HEADER = 1_000
_HOST_BITS = 64
"""Of an IPv6 address: a household has that many, and could have as many names."""
_UNLIMITED = CallerRates(requests=None, writes=None, service=None, failures=None)


class Buckets:
    """One bucket of tokens a caller; the callers that have rested longest are forgotten beyond ``most``.

    A caller that is forgotten starts with a full bucket: who wants one back has to bring ``most`` other names first,
    and gets no more by it than those have.

    >>> now = [0.0]
    >>> buckets = Buckets(Rate(per_second=2, burst=3), clock=lambda: now[0])
    >>> [buckets.wait_s("ann") for _ in range(4)]
    [0.0, 0.0, 0.0, 0.5]
    >>> now[0] = 0.5
    >>> buckets.wait_s("ann"), buckets.wait_s("bob")
    (0.0, 0.0)
    """

    def __init__(
        self, rate: Rate | None, *, clock: Callable[[], float] = time.monotonic, most: int = _MOST_CALLERS
    ) -> None:
        self._rate = rate
        self._clock = clock
        self._most = most
        self._lock = threading.Lock()
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def wait_s(self, caller: str) -> float:
        """Take a token and return 0; or, where none is left, take none and return the seconds until one is."""
        if self._rate is None:
            return 0.0
        cost_s, room_s = 1 / self._rate.per_second, self._rate.burst / self._rate.per_second
        with self._lock:
            now_s = self._clock()
            # A bucket is when it would be full again: one number, and nothing has to refill it.
            full_at_s = max(self._full_at.get(caller, now_s), now_s) + cost_s
            if full_at_s > now_s + room_s + 1e-9:
                return full_at_s - now_s - room_s
            self._full_at[caller] = full_at_s
            self._full_at.move_to_end(caller)
            if len(self._full_at) > self._most:
                self._full_at.popitem(last=False)
            return 0.0


class RateLimits:
    """The limits of ``trimtab.yaml``'s ``api.rate``. Safe to call from several threads."""

    def __init__(self, config: ApiConfig, counts: DoorCounts, *, clock: Callable[[], float] = time.monotonic) -> None:
        rate = config.rate or _UNLIMITED
        self._counts = counts
        self._proxies = [ip_network(one) for one in config.trusted_proxies]
        self._requests = Buckets(rate.requests, clock=clock)
        self._writes = Buckets(rate.writes, clock=clock)
        self._service = Buckets(rate.service, clock=clock)
        self._failures = Buckets(rate.failures, clock=clock)
        self._anonymous = Buckets(rate.requests, clock=clock)
        self._webhooks = Buckets(rate.writes, clock=clock)

    def address_of(self, scope: Scope) -> str:
        """Return where a request comes from; proxies are believed only if they are ours."""
        peer = scope.get("client")
        # A proxy may add a line of its own below the one that its client sent: all of them are one list.
        lines = ",".join(Headers(scope=scope).getlist("x-forwarded-for"))
        told = [part.strip() for part in lines[-_LONGEST_HEADER:].split(",")]
        here = str(peer[0]) if peer else "unknown"
        # From the nearest to the farthest: the first that is no proxy of ours is the last whose word counts.
        for farther in reversed(told):
            if not self._is_proxy(here) or _address(farther) is None:
                break
            here = farther
        return here

    def spend(self, actor: Actor, method: str, address: str) -> None:
        """Count a request of somebody who is known.

        Raises:
            HTTPException: 429, it is one too many.
        """
        if actor.role is Role.SERVICE:
            self._turn_away(self._service.wait_s(actor.name), actor.name, address)
            return
        self._turn_away(self._requests.wait_s(actor.name), actor.name, address)
        if method not in _READS:
            self._turn_away(self._writes.wait_s(actor.name), actor.name, address)

    def failed(self, address: str, *, door: str = "api", why: str = "wrong key") -> None:
        """Count a wrong key or password that came from ``address``: as that, and as a request of nobody known.

        A right one is still taken from there: else whoever shares an address could lock others out.

        Raises:
            HTTPException: 429, it is one too many.
        """
        self._counts.refused(door, why, address=address)
        network = network_of(address)
        wait_s = max(self._failures.wait_s(network), self._anonymous.wait_s(network))
        if wait_s > 0:
            raise HTTPException(429, f"{address}: too many wrong keys; {_again(wait_s)}", _retry_after(wait_s))

    def anonymous_wait_s(self, address: str) -> float:
        """Count a request without a key; return how many seconds too early it comes, 0 meaning not at all."""
        wait_s = self._anonymous.wait_s(network_of(address))
        if wait_s > 0:
            self._counts.refused("api", "too many", address=address)
        return wait_s

    def webhook_wait_s(self, webhook: str) -> float:
        """Count a message of alerts; return how many seconds too early it comes."""
        return self._webhooks.wait_s(webhook)

    def _turn_away(self, wait_s: float, name: str, address: str) -> None:
        if wait_s > 0:
            self._counts.refused("api", "too many", address=address)
            raise HTTPException(429, f"{name!r}: too many requests; {_again(wait_s)}", _retry_after(wait_s))

    def _is_proxy(self, text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in network for network in self._proxies)


class RateLimitsByAddress:
    """Turns away who brings no key and asks too much, before anything is done for them.

    Args:
        app: what answers the rest.
        limits: the counts.
        cookie: name of the cookie that holds a session.
        public: paths at which nobody looks at what was brought: the limit is for all there.
        unlimited: paths that anybody may ask for at any rate, such as probes do.
        unlimited_below: beginnings of paths that have a limit of their own.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        limits: RateLimits,
        cookie: str,
        public: Sequence[str],
        unlimited: Sequence[str],
        unlimited_below: tuple[str, ...],
    ) -> None:
        self._app = app
        self._limits = limits
        self._cookie = cookie
        self._public = frozenset(public)
        self._unlimited = frozenset(unlimited)
        self._unlimited_below = unlimited_below

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and self._is_anonymous(scope):
            wait_s = self._limits.anonymous_wait_s(self._limits.address_of(scope))
            if wait_s > 0:
                refusal = problem(429, "BackendError", f"too many requests; {_again(wait_s)}", _retry_after(wait_s))
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _is_anonymous(self, scope: Scope) -> bool:
        path = scope["path"]
        if path in self._unlimited or path.startswith(self._unlimited_below):
            return False
        headers = Headers(scope=scope)
        is_known = "authorization" in headers or f"{self._cookie}=" in headers.get("cookie", "")
        return path in self._public or not is_known


def network_of(address: str) -> str:
    """Return what counts as one caller: an IPv4 address, or the /64 that whoever has an IPv6 address has all of.

    >>> network_of("192.0.2.1"), network_of("::ffff:192.0.2.1"), network_of("2001:db8::1:2:3:4"), network_of("unknown")
    ('192.0.2.1', '192.0.2.1', '2001:db8::/64', 'unknown')
    """
    found = _address(address)
    if not isinstance(found, IPv6Address):
        return address if found is None else str(found)
    return f"{IPv6Address(int(found) >> _HOST_BITS << _HOST_BITS)}/{found.max_prefixlen - _HOST_BITS}"


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text)
    except ValueError:
        return None
    # Of a socket that takes both kinds, IPv4 addresses come in IPv6's clothes.
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


def _again(wait_s: float) -> str:
    return f"ask again in {math.ceil(wait_s)} s, or raise api.rate in trimtab.yaml"


def _retry_after(wait_s: float) -> Mapping[str, str]:
    return {"Retry-After": str(math.ceil(wait_s))}
