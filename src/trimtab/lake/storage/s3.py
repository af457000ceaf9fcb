"""A bucket of S3, or of a store that speaks its protocol: the only file that imports boto3 (extra ``s3``).

Credentials, region and endpoint are as boto3 takes them: ``AWS_ACCESS_KEY_ID``, ``AWS_PROFILE``, ``AWS_ENDPOINT_URL``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from trimtab.core.errors import BackendError, ConfigError, DataContractError
from trimtab.files import sha256_of_file
from trimtab.lake.storage.base import StoredFile

try:
    import boto3
    from boto3.exceptions import Boto3Error
    from boto3.s3.transfer import TransferConfig
    from botocore import exceptions
    from botocore.config import Config
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        HTTPClientError,
        NoCredentialsError,
        PartialCredentialsError,
        TokenRetrievalError,
    )
except ImportError as error:
    raise ConfigError(
        "a lake on S3 needs boto3, which is not installed; install it with: pip install 'trimtab[s3]'"
    ) from error

__all__ = ["S3Bucket"]

_SHA256 = "sha256"
_PART_BYTES = 32 << 20
_CHUNK_BYTES = 1 << 20
_GET_ATTEMPTS = 3
_CONNECTIONS = 32
_CONNECT_S, _READ_S = 5, 30

_REFUSED = {
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "AuthFailure",
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "RequestTimeTooSkewed",
}
_DENIED = {"AccessDenied", "403", "AllAccessDisabled", "AccountProblem"}
_PERMISSIONS = {
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "CompleteMultipartUpload": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "DeleteObject": "s3:DeleteObject",
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "ListObjectsV2": "s3:ListBucket",
    "PutObject": "s3:PutObject",
    "UploadPart": "s3:PutObject",
}
"""What each question that we ask needs."""

_MISSING = {"NoSuchKey", "404", "NotFound"}


class S3Bucket:
    """The objects of one bucket below a prefix; each with the SHA-256 of its bytes, held against them when it is read.

    Args:
        bucket: the bucket's name.
        prefix: what all names begin with, without slashes at its ends; may be empty.
        connect_s: how long to wait for a connection, seconds.
        read_s: how long to wait for the next bytes of an answer, seconds.

    Raises:
        BackendError: boto3's own configuration cannot be used.
    """

    def __init__(
        self, bucket: str, prefix: str = "", *, connect_s: float = _CONNECT_S, read_s: float = _READ_S
    ) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._large = TransferConfig(
            multipart_threshold=_PART_BYTES, multipart_chunksize=_PART_BYTES, max_concurrency=4
        )
        config = Config(
            connect_timeout=connect_s,
            read_timeout=read_s,
            retries={"total_max_attempts": 3, "mode": "standard"},
            max_pool_connections=_CONNECTIONS,
            user_agent_extra="trimtab",
        )
        with self._errors("be prepared"):
            # A session of our own: boto3's default one must not be shared between threads.
            self._client = boto3.session.Session().client("s3", config=config)

    @property
    def where(self) -> str:
        """See `Bucket.where`."""
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def put(self, name: str, path: Path) -> StoredFile:
        """See `Bucket.put`; a large file goes in parts, and is visible when all have arrived."""
        size_bytes = path.stat().st_size
        metadata = {_SHA256: sha256_of_file(path)}
        with self._errors(f"store {name}"):
            if size_bytes < _PART_BYTES:
                tag = self._client.put_object(
                    Bucket=self._bucket, Key=self._prefix + name, Body=path.read_bytes(), Metadata=metadata
                )["ETag"]
            else:
                with path.open("rb") as stream:
                    self._client.upload_fileobj(
                        stream, self._bucket, self._prefix + name, ExtraArgs={"Metadata": metadata}, Config=self._large
                    )
                head = self._client.head_object(Bucket=self._bucket, Key=self._prefix + name)
                # Another writer may have been faster than this question: then its tag is not that of our bytes.
                tag = head["ETag"] if head["Metadata"] == metadata else metadata[_SHA256]
        return StoredFile(name, size_bytes, tag)

    def get(self, name: str, target: Path) -> StoredFile:
        """See `Bucket.get`; an answer that breaks off is asked for again."""
        for attempt in range(1, _GET_ATTEMPTS + 1):
            try:
                return self._get(name, target)
            except (_BrokenOffError, DataContractError) as error:
                if attempt == _GET_ATTEMPTS:
                    if isinstance(error, DataContractError):
                        raise
                    raise BackendError(
                        f"{self._what('read ' + name)}: the answer broke off {_GET_ATTEMPTS} times; it is tried again"
                    ) from error
        raise AssertionError  # pragma: no cover - the last attempt returns or raises

    def find(self, name: str) -> StoredFile | None:
        """See `Bucket.find`."""
        # A listing, since the answer to HEAD does not tell a missing bucket from a missing object.
        with self._errors(f"look for {name}"):
            found = self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix + name, MaxKeys=1)
        # The name itself sorts before all that begin with it.
        first = next((self._stored(each) for each in found.get("Contents", ())), None)
        return first if first is not None and first.name == name else None

    def files_in(self, folder: str) -> list[StoredFile]:
        """See `Bucket.files_in`; asks once for each 1000 objects."""
        pages = self._client.get_paginator("list_objects_v2")
        with self._errors(f"list {folder}"):
            return [
                self._stored(each)
                for page in pages.paginate(Bucket=self._bucket, Prefix=f"{self._prefix}{folder}/", Delimiter="/")
                for each in page.get("Contents", ())
            ]

    def remove(self, name: str) -> None:
        """See `Bucket.remove`."""
        with self._errors(f"remove {name}"):
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name)

    def abandon(self, *, older_than: datetime) -> int:
        """See `Bucket.abandon`."""
        pages = self._client.get_paginator("list_multipart_uploads")
        with self._errors("give up broken uploads"):
            begun = [
                each
                for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix)
                for each in page.get("Uploads", ())
                if each["Initiated"] < older_than
            ]
            for each in begun:
                self._client.abort_multipart_upload(Bucket=self._bucket, Key=each["Key"], UploadId=each["UploadId"])
        return len(begun)

    def _get(self, name: str, target: Path) -> StoredFile:
        with self._errors(f"read {name}"):
            answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + name)
        with target.open("wb") as stream:
            try:
                for chunk in answer["Body"].iter_chunks(_CHUNK_BYTES):
                    stream.write(chunk)
            except (BotoCoreError, ConnectionError, TimeoutError) as error:
                raise _BrokenOffError from error
        size_bytes = os.stat(target).st_size
        expected = answer.get("Metadata", {}).get(_SHA256)
        observed = sha256_of_file(target)
        if expected is not None and observed != expected:
            raise DataContractError(
                f"{self._what('read ' + name)}: it is damaged (SHA-256 {observed[:12]}…, expected {expected[:12]}…); "
                "restore an earlier version of the object, or deliver what it was made of again"
            )
        return StoredFile(name, size_bytes, answer["ETag"])

    def _stored(self, listed: Any) -> StoredFile:
        return StoredFile(listed["Key"].removeprefix(self._prefix), listed["Size"], listed["ETag"])

    def _what(self, doing: str) -> str:
        return f"lake {self.where}: cannot {doing}"

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        """Tell what boto3 raises in our words: its own may hold addresses with credentials in them."""
        try:
            yield
        except ClientError as error:
            raise BackendError(f"{self._what(doing)}: {self._explained(error)}") from None
        except (NoCredentialsError, PartialCredentialsError, TokenRetrievalError):
            raise BackendError(
                f"{self._what(doing)}: there are no whole credentials; set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the machine a role"
            ) from None
        except (exceptions.ConnectionError, HTTPClientError) as error:
            raise BackendError(
                f"{self._what(doing)}: the endpoint cannot be reached ({type(error).__name__}); check the network and "
                "AWS_ENDPOINT_URL; it is tried again"
            ) from None
        except (BotoCoreError, Boto3Error, ValueError) as error:
            raise BackendError(
                f"{self._what(doing)}: boto3 refuses ({type(error).__name__}); check the AWS_* settings"
            ) from None

    def _explained(self, error: ClientError) -> str:
        code = str(error.response.get("Error", {}).get("Code", "unknown"))
        if code == "NoSuchBucket":
            return f"there is no bucket {self._bucket!r}; create it, or correct TRIMTAB_LAKE_URL"
        if code in _REFUSED:
            return f"the credentials are refused ({code}); renew AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        if code in _DENIED:
            return f"access is denied ({code}); {_wanted(error)}"
        if code in _MISSING:
            return "it is missing; restore the object, or deliver what it was made of again"
        return f"the store answers {code}; it is tried again"


def _wanted(error: ClientError) -> str:
    """Which permission is missing, and all that are needed."""
    missing = _PERMISSIONS.get(error.operation_name)
    others = sorted(set(_PERMISSIONS.values()) - {missing})
    if missing is None:
        return f"allow {', '.join(others)} there"
    return f"allow {missing} there, which is missing; also needed are {', '.join(others)}"


class _BrokenOffError(Exception):
    """The connection ended inside an object."""
