"""From an address to an intake."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from trimtab.config.lake import bucket_of
from trimtab.config.process import setting
from trimtab.core.errors import ConfigError
from trimtab.records.intakes.base import Intake
from trimtab.records.intakes.folder import FolderIntake

__all__ = ["intake_at"]


def intake_at(address: str, *, limit_bytes: int | None = None, environment: Mapping[str, str] | None = None) -> Intake:
    """Return the intake at a folder, ``file:///folder``, ``http(s)://control-plane`` or ``s3://bucket/prefix``.

    A control plane is asked with the key in ``TRIMTAB_API_KEY``; credentials for a bucket are as boto3 takes them.
    ``limit_bytes`` is how much may wait in a folder.

    Raises:
        ConfigError: it is no address of an intake, holds credentials, or no key is set.
    """
    parts = urlsplit(address)
    if "@" in parts.netloc or parts.query or parts.fragment:
        # Not shown: what stands there may be a secret.
        raise ConfigError("intake: holds more than an address; keys belong into the environment (TRIMTAB_API_KEY)")
    if parts.scheme in {"http", "https"} and parts.hostname:
        key = setting("api_key", environment=environment)
        if not key:
            raise ConfigError(
                f"intake {address}: no API key; set TRIMTAB_API_KEY to one of role service, see 'trimtab keys create'"
            )
        # Start-up cost: only this kind of intake speaks HTTP.
        from trimtab.records.intakes.http import HttpIntake

        return HttpIntake(address, key)
    if parts.scheme == "file" and not parts.netloc and len(parts.path) > 1:
        return FolderIntake(Path(unquote(parts.path)), limit_bytes=limit_bytes)
    bucket = bucket_of(address)
    if bucket is not None and bucket.prefix:
        # Optional extra: s3.
        from trimtab.records.intakes.s3 import S3Intake

        return S3Intake(bucket.bucket, bucket.prefix)
    if "://" in address:
        raise ConfigError(
            f"intake {address[:100]!r}: is none; expected a folder, http(s):// or s3://bucket/prefix; correct it"
        )
    return FolderIntake(Path(address), limit_bytes=limit_bytes)
