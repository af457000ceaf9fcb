from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.config.lake import BucketPlace, lake_cache_bytes, lake_place
from trimtab.core.errors import ConfigError


def place(url: str) -> BucketPlace | Path | None:
    return lake_place({"TRIMTAB_LAKE_URL": url})


def test_without_an_address_the_lake_is_the_projects_own() -> None:
    assert lake_place({}) is None
    assert place("") is None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("s3://acme-lake", BucketPlace("acme-lake", "")),
        ("s3://acme-lake/", BucketPlace("acme-lake", "")),
        ("s3://acme.lake/teams/risk/", BucketPlace("acme.lake", "teams/risk")),
        ("file:///srv/the%20lake", Path("/srv/the lake")),
    ],
)
def test_an_address_names_a_bucket_or_a_folder(url: str, expected: BucketPlace | Path) -> None:
    assert place(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "acme-lake",
        "s3://",
        "s3:///x",
        "s3://A_B",
        "s3://b/x",
        "s3://acme/../x",
        "s3://acme/a//b",
        "gs://acme",
        "file://",
        "file:///",
        "file://host/x",
        "s3://[acme/x",
    ],
)
def test_what_is_no_place_is_refused_with_what_is_expected(url: str) -> None:
    with pytest.raises(ConfigError, match=r"TRIMTAB_LAKE_URL.*expected s3://bucket/prefix"):
        place(url)


@given(secret=st.text("abcdefghijklmnop0123456789", min_size=12))
@pytest.mark.parametrize(
    "form", ["s3://key:{}@acme/x", "s3://{}@acme/x", "s3://acme/x?token={}", "s3://acme:{}/x", "key:{}@acme/x"]
)
def test_credentials_in_an_address_are_refused_and_not_repeated(form: str, secret: str) -> None:
    with pytest.raises(ConfigError) as told:
        place(form.format(secret))

    assert secret not in str(told.value)


@pytest.mark.parametrize("text", ["-1", "1.5", "many", "", "²"])
def test_a_cache_that_is_no_number_of_megabytes_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"TRIMTAB_LAKE_CACHE_MB: .*expected megabytes"):
        lake_cache_bytes({"TRIMTAB_LAKE_CACHE_MB": text})


def test_the_cache_may_be_switched_off() -> None:
    assert lake_cache_bytes({"TRIMTAB_LAKE_CACHE_MB": "0"}) == 0
