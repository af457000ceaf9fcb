"""Where the lake is: ``TRIMTAB_LAKE_URL``, a folder elsewhere or a bucket; without it a folder of the project.

And where shippers elsewhere leave segments for it: ``TRIMTAB_INTAKE_URL``, a bucket.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from trimtab.config.process import setting
from trimtab.core.errors import ConfigError

__all__ = ["BucketPlace", "bucket_of", "intake_place", "lake_cache_bytes", "lake_place"]

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")
_CACHE_MB = 20_000


@dataclass(frozen=True, slots=True)
class BucketPlace:
    """A bucket, and what the names in it begin with (no slashes at the ends; may be empty)."""

    bucket: str
    prefix: str


def lake_place(environment: Mapping[str, str] | None = None) -> BucketPlace | Path | None:
    """Return where ``TRIMTAB_LAKE_URL`` puts the lake: a bucket, a folder, or None: it is not set.

    Raises:
        ConfigError: it is neither ``s3://bucket/prefix`` nor ``file:///folder``, or holds credentials.

    >>> lake_place({"TRIMTAB_LAKE_URL": "s3://acme-lake/churn"})
    BucketPlace(bucket='acme-lake', prefix='churn')
    >>> lake_place({"TRIMTAB_LAKE_URL": "file:///srv/lake"}).as_posix()
    '/srv/lake'
    """
    url = setting("lake_url", environment=environment)
    if not url:
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if "@" in url or ":" in parts.netloc or parts.query or parts.fragment:
        # Not shown: what stands there may be a secret.
        raise ConfigError(
            "TRIMTAB_LAKE_URL: holds more than bucket and prefix; credentials and endpoint belong into "
            "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL"
        )
    if parts.scheme == "file" and not parts.netloc and len(parts.path) > 1:
        return Path(unquote(parts.path))
    place = bucket_of(url)
    if place is not None:
        return place
    raise ConfigError(
        f"TRIMTAB_LAKE_URL: {url[:100]!r} is no place for a lake; expected s3://bucket/prefix (letters, digits, dots, "
        "hyphens and underscores) or file:///folder"
    )


def bucket_of(url: str) -> BucketPlace | None:
    """Return the bucket and prefix that ``s3://bucket/prefix`` names; None when it is no such address.

    >>> bucket_of("s3://acme/shop/intake"), bucket_of("s3://acme/../x")
    (BucketPlace(bucket='acme', prefix='shop/intake'), None)
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return None  # a bracket that does not close
    prefix = parts.path.strip("/")
    fits = _BUCKET.fullmatch(parts.netloc) and (not prefix or _PREFIX.fullmatch(prefix))
    return BucketPlace(parts.netloc, prefix) if parts.scheme == "s3" and fits else None


def intake_place(environment: Mapping[str, str] | None = None) -> BucketPlace | None:
    """Return the bucket of ``TRIMTAB_INTAKE_URL``, where shippers elsewhere leave segments; None: it is not set.

    Raises:
        ConfigError: it is no ``s3://bucket/prefix``.

    >>> intake_place({"TRIMTAB_INTAKE_URL": "s3://acme/shop/intake"})
    BucketPlace(bucket='acme', prefix='shop/intake')
    """
    url = setting("intake_url", environment=environment)
    if not url:
        return None
    place = bucket_of(url)
    if place is None or not place.prefix:
        # Not shown: what stands there may be a secret.
        raise ConfigError("TRIMTAB_INTAKE_URL: found no place for segments; expected s3://bucket/prefix; correct it")
    return place


def lake_cache_bytes(environment: Mapping[str, str] | None = None) -> int:
    """Return how large the local folder before a bucket may be, from ``TRIMTAB_LAKE_CACHE_MB`` (default 20000).

    Raises:
        ConfigError: it is no whole number of at least 0.

    >>> lake_cache_bytes({"TRIMTAB_LAKE_CACHE_MB": "500"})
    500000000
    """
    text = setting("lake_cache_mb", str(_CACHE_MB), environment=environment) or ""
    if not text.isascii() or not text.isdecimal():
        raise ConfigError(f"TRIMTAB_LAKE_CACHE_MB: {text[:40]!r}, expected megabytes as a whole number; correct it")
    return int(text) * 1_000_000
