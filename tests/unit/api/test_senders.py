"""Who may be believed to be the sender of a message."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from trimtab.api.senders import LateMessageError, is_bearer, secrets_of, signed_digest
from trimtab.config.webhooks import BearerAuth, HmacAuth, WebhookConfig
from trimtab.core.errors import ConfigError

SECRET, OLD = b"s3cret-of-the-sender", b"the-one-before-it-was"
BEARER = BearerAuth(type="bearer", secrets=("${A}",))
SIGNED = HmacAuth(type="hmac", secrets=("${A}",))
NOW = 1_700_000_000
BODY = b'{"alerts": []}'


def headers(moment: str, *signatures: str) -> Headers:
    return Headers({"X-Trimtab-Timestamp": moment, "X-Trimtab-Signature": ",".join(signatures)})


def signature(moment: str, body: bytes = BODY, secret: bytes = SECRET, separator: bytes = b".") -> str:
    return "v1=" + hmac.new(secret, moment.encode() + separator + body, hashlib.sha256).hexdigest()


def digest(given_headers: Headers, body: bytes = BODY, *secrets: bytes, now_s: float = NOW) -> str | None:
    return signed_digest(SIGNED, given_headers, body, secrets or (SECRET,), now_s=now_s)


@pytest.mark.parametrize(
    ("header", "is_theirs"),
    [
        ("Bearer s3cret-of-the-sender", True),
        ("bearer s3cret-of-the-sender", True),
        ("Bearer the-one-before-it-was", True),
        ("Bearer s3cret-of-the-sende", False),
        ("Bearer s3cret-of-the-sender1", False),
        ("Basic s3cret-of-the-sender", False),
        ("s3cret-of-the-sender", False),
        ("Bearer ", False),
        ("Bearer \xff\u20ac", False),
        ("", False),
    ],
)
def test_a_bearer_brings_one_of_the_secrets(header: str, is_theirs: bool) -> None:
    assert is_bearer(BEARER, header, (SECRET, OLD)) is is_theirs


def test_what_is_signed_is_known_again_and_nothing_else_passes() -> None:
    moment = str(NOW)
    found = digest(headers(moment, signature(moment)))
    assert found == hashlib.sha256(moment.encode() + b"." + BODY).hexdigest()
    assert digest(headers(moment, signature(moment)), BODY + b" ") is None
    assert digest(headers(str(NOW + 1), signature(moment))) is None
    assert digest(headers(moment, signature(moment, secret=OLD))) is None
    assert digest(headers(moment, signature(moment, separator=b":"))) is None
    assert digest(headers(moment, signature(moment).removeprefix("v1="))) is None
    assert digest(headers(moment, signature(moment).replace("v1=", "v0="))) is None
    assert digest(headers(moment)) is None
    assert digest(Headers()) is None


def test_while_a_secret_changes_either_is_enough_and_the_message_is_the_same() -> None:
    moment = str(NOW)
    first = digest(headers(moment, signature(moment, secret=OLD)), BODY, SECRET, OLD)
    both = digest(headers(moment, "v1=00", signature(moment, secret=OLD), signature(moment)), BODY, SECRET, OLD)
    assert first == both is not None


def test_signatures_are_looked_through_only_so_far() -> None:
    moment = str(NOW)
    assert digest(headers(moment, *["v1=00"] * 5, signature(moment))) is None


@pytest.mark.parametrize("away_s", [-301, 301, 86_400, -NOW])
def test_a_right_signature_of_another_time_is_late(away_s: int) -> None:
    moment = str(NOW - away_s)
    with pytest.raises(LateMessageError, match=r"expected at most 300 s"):
        digest(headers(moment, signature(moment)))
    forged = headers(moment, signature(moment, secret=OLD))
    assert digest(forged) is None, "who has no secret does not learn what our clock says"


@pytest.mark.parametrize("away_s", [-300, 0, 300])
def test_clocks_may_differ_by_as_much_as_is_tolerated(away_s: int) -> None:
    moment = str(NOW - away_s)
    assert digest(headers(moment, signature(moment))) is not None


@pytest.mark.parametrize("moment", ["", "now", "1e9", "-5", "1700000000.5", "１７", "9" * 13, " 1700000000"])
def test_a_moment_that_is_none_is_nobodys(moment: str) -> None:
    told = Headers(
        raw=[(b"x-trimtab-timestamp", moment.encode()), (b"x-trimtab-signature", signature(moment).encode())]
    )
    assert digest(told) is None


@given(body=st.binary(max_size=50), other=st.binary(max_size=50))
def test_no_body_has_the_signature_of_another(body: bytes, other: bytes) -> None:
    moment = str(NOW)
    assert (digest(headers(moment, signature(moment, body)), other) is not None) == (body == other)


def test_a_secret_comes_from_the_environment_and_is_no_short_one() -> None:
    webhook = WebhookConfig(name="am", auth=HmacAuth(type="hmac", secrets=("${NEW}", "${OLD}")))
    both = {"NEW": "n" * 16, "OLD": "o" * 40}
    assert secrets_of(webhook, both) == (b"n" * 16, b"o" * 40)
    with pytest.raises(ConfigError, match=r"webhook 'am': \$\{OLD\} is not set"):
        secrets_of(webhook, {"NEW": "n" * 16})
    with pytest.raises(ConfigError, match=r"webhook 'am': \$\{NEW\} has 15 characters; expected 16 or more") as raised:
        secrets_of(webhook, {**both, "NEW": "n" * 15})
    assert "nnn" not in str(raised.value)


def test_a_secret_from_a_file_holds_without_the_line_break_at_its_end_and_its_signature_with_it_too() -> None:
    webhook = WebhookConfig(name="am", auth=BEARER)
    found = secrets_of(webhook, {"A": f"{SECRET.decode()}\n"})
    assert is_bearer(BEARER, f"Bearer {SECRET.decode()}", found)
    moment = str(NOW)
    for key in (SECRET, SECRET + b"\n"):
        assert digest(headers(moment, signature(moment, secret=key)), BODY, *found) is not None
    with pytest.raises(ConfigError, match="has 15 characters"):
        secrets_of(webhook, {"A": "n" * 15 + "\n"})
