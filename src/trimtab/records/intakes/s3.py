"""An intake that is a bucket of S3, or of a store that speaks its protocol (extra ``s3``).

A claim check: the bytes go into the bucket, and the control plane, which finds them there, announces them to its queue.
"""

from __future__ import annotations

import hashlib
from typing import Final

from trimtab.core.errors import BackendError, ConfigError
from trimtab.records.segments import SEGMENT_SUFFIX

try:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError as error:
    raise ConfigError(
        "an intake on S3 needs boto3, which is not installed; install it with: pip install 'trimtab[s3]'"
    ) from error

__all__ = ["S3Intake"]

_CONNECT_S: Final = 5
_READ_S: Final = 30


class S3Intake:
    """See `Intake`. Credentials, region and endpoint are as boto3 takes them; they need ``s3:PutObject``, no more."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self._bucket = bucket
        self._prefix = prefix
        config = Config(
            connect_timeout=_CONNECT_S,
            read_timeout=_READ_S,
            retries={"total_max_attempts": 2, "mode": "standard"},
            user_agent_extra="trimtab",
        )
        try:
            self._client = boto3.session.Session().client("s3", config=config)
        except (BotoCoreError, ValueError) as error:
            raise ConfigError(
                f"intake {self.where}: boto3 refuses ({type(error).__name__}); check the AWS_* settings"
            ) from None

    @property
    def where(self) -> str:
        """See `Intake.where`."""
        return f"s3://{self._bucket}/{self._prefix}"

    def put(self, segment_id: str, content: bytes) -> None:
        """See `Intake.put`."""
        try:
            self._client.put_object(
                Bucket=self._bucket,
                Key=f"{self._prefix}/{segment_id}{SEGMENT_SUFFIX}",
                Body=content,
                # Held against the bytes by whoever takes them out.
                Metadata={"sha256": hashlib.sha256(content).hexdigest()},
            )
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "unknown")
            raise BackendError(
                f"intake {self.where}: the store answers {code} to segment {segment_id}; expected that it is kept; "
                "check bucket, AWS_* settings and s3:PutObject; it is tried again"
            ) from None
        except (BotoCoreError, ValueError) as error:
            # boto3's own words may hold addresses with credentials in them.
            raise BackendError(
                f"intake {self.where}: cannot be reached ({type(error).__name__}); check the network and the AWS_* "
                "settings; it is tried again"
            ) from None

    def close(self) -> None:
        """See `Intake.close`."""
        self._client.close()
