"""How much one caller may ask, and whose limit it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from trimtab.api.rate_limits import Buckets, RateLimits
from trimtab.config.project import ApiConfig
from trimtab.config.rates import CallerRates, Rate
from trimtab.core.enums import Role
from trimtab.loop.actor import Actor
from trimtab.loop.door_counts import DoorCounts

ANN, BOB = Actor("ann", Role.OPERATOR), Actor("bob", Role.OPERATOR)
SHIPPER = Actor("shipper", Role.SERVICE)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def limits(clock: Clock, **fields: Any) -> RateLimits:
    rate = CallerRates(
        requests=Rate(per_second=10, burst=4),
        writes=Rate(per_second=1, burst=2),
        service=Rate(per_second=10, burst=6),
        failures=Rate(per_second=0.5, burst=3),
    )
    return RateLimits(ApiConfig(rate=rate, **fields), DoorCounts(), clock=clock)


def spent(rates: RateLimits, actor: Actor, method: str, most: int = 50) -> int:
    """How many requests in a row are let through."""
    for count in range(most):
        if is_refused(lambda: rates.spend(actor, method, "192.0.2.1")):
            return count
    return most


def is_refused(ask: Callable[[], None]) -> bool:
    """Whether a request is one too many, and is told when to come again."""
    try:
        ask()
    except HTTPException as error:
        return error.status_code == 429 and int((error.headers or {})["Retry-After"]) >= 1
    return False


@given(gaps=st.lists(st.floats(0, 3), max_size=60), per_second=st.floats(0.1, 50), burst=st.integers(1, 20))
def test_no_caller_ever_gets_more_than_burst_and_rate(gaps: list[float], per_second: float, burst: int) -> None:
    clock = Clock()
    buckets = Buckets(Rate(per_second=per_second, burst=burst), clock=clock)
    began_s = clock.now_s
    for let_in, gap in enumerate(gaps, start=1):
        clock.now_s += gap
        wait_s = buckets.wait_s("ann")
        if wait_s > 0:
            clock.now_s += wait_s
            assert buckets.wait_s("ann") == 0, "whoever waits as long as told is let in"
        assert let_in <= burst + per_second * (clock.now_s - began_s) + 1e-6


def test_a_caller_is_turned_away_alone_and_let_in_again_after_the_wait() -> None:
    clock = Clock()
    rates = limits(clock)
    assert spent(rates, ANN, "GET") == 4
    assert spent(rates, BOB, "GET") == 4
    clock.now_s += 1
    assert spent(rates, ANN, "GET") == 4


def test_what_changes_something_has_a_limit_besides() -> None:
    rates = limits(Clock())
    assert spent(rates, ANN, "POST") == 2
    assert spent(rates, BOB, "DELETE") == 2
    assert spent(rates, SHIPPER, "POST") == 6


def test_wrong_keys_are_counted_by_address() -> None:
    rates = limits(Clock())
    for _ in range(3):
        rates.failed("192.0.2.1")
    assert is_refused(lambda: rates.failed("192.0.2.1"))
    rates.failed("192.0.2.2")


def test_a_wrong_key_is_also_a_request_of_nobody_known() -> None:
    rates = limits(Clock())
    for _ in range(3):
        rates.failed("192.0.2.1")
    assert rates.anonymous_wait_s("192.0.2.1") == 0
    assert rates.anonymous_wait_s("192.0.2.1") > 0
    assert is_refused(lambda: rates.failed("192.0.2.1"))


def test_no_limits_are_none() -> None:
    rates = RateLimits(ApiConfig(rate=None), DoorCounts(), clock=Clock())
    assert spent(rates, ANN, "POST") == 50
    for _ in range(50):
        rates.failed("192.0.2.1")
        assert rates.anonymous_wait_s("192.0.2.1") == rates.webhook_wait_s("am") == 0


def test_callers_are_forgotten_beyond_so_many_the_longest_rested_first() -> None:
    buckets = Buckets(Rate(per_second=1, burst=1), clock=Clock(), most=2)
    assert [buckets.wait_s(name) for name in ("ann", "bob", "cat")] == [0, 0, 0]
    assert buckets.wait_s("cat") == 1
    assert buckets.wait_s("bob") == 1
    assert buckets.wait_s("ann") == 0, "forgotten"


def test_a_whole_ipv6_network_is_one_caller_and_ipv4_is_the_same_in_either_form() -> None:
    rates = limits(Clock())
    for number in range(3):
        rates.failed(f"2001:db8:0:1:{number}::7")
    assert is_refused(lambda: rates.failed("2001:db8:0:1:ffff::1"))
    rates.failed("2001:db8:0:2::1")
    assert [rates.anonymous_wait_s(f"2001:db8::{number}") > 0 for number in range(5)] == [False] * 4 + [True]
    for _ in range(3):
        rates.failed("192.0.2.1")
    assert is_refused(lambda: rates.failed("::ffff:192.0.2.1"))


PEER = "10.0.0.7"


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        (None, PEER),
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.66, 192.0.2.1", "192.0.2.1"),
        ("192.0.2.66, 10.0.0.9", "192.0.2.66"),
        ("192.0.2.66, 192.0.2.1, 10.0.0.9", "192.0.2.1"),
        ("nonsense", PEER),
        ("192.0.2.1, nonsense", PEER),
        ("2001:db8::1", "2001:db8::1"),
        ("192.0.2.1," * 1_000 + "192.0.2.5", "192.0.2.5"),
    ],
)
def test_an_address_is_taken_from_our_proxies_and_nobody_else(forwarded: str | None, address: str) -> None:
    told = [] if forwarded is None else [(b"x-forwarded-for", forwarded.encode())]
    scope = {"type": "http", "client": (PEER, 1234), "headers": told}
    assert limits(Clock(), trusted_proxies=("10.0.0.0/8",)).address_of(scope) == address
    assert limits(Clock()).address_of(scope) == PEER


@pytest.mark.parametrize("peer", [PEER, f"::ffff:{PEER}"])
def test_a_line_that_our_proxy_adds_counts_more_than_the_one_that_its_client_sent(peer: str) -> None:
    lines = [(b"x-forwarded-for", line) for line in (b"192.0.2.66", b"192.0.2.1, 10.0.0.9")]
    scope = {"type": "http", "client": (peer, 1234), "headers": lines}
    assert limits(Clock(), trusted_proxies=("10.0.0.0/8",)).address_of(scope) == "192.0.2.1"
