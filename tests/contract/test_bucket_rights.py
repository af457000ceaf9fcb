"""Which permission a bucket lacks is told by name, before anything is lost for want of it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import httpx
import pytest
from tests.object_store import BUCKET, ObjectStore, object_store

from trimtab.core.errors import BackendError
from trimtab.lake.storage.cached import CachedStorage
from trimtab.lake.storage.s3 import S3Bucket

_NEEDED = ("s3:PutObject", "s3:GetObject", "s3:ListBucket", "s3:DeleteObject", "s3:ListBucketMultipartUploads")


@pytest.fixture(scope="module")
def objects() -> Iterator[ObjectStore]:
    with object_store() as store:
        yield store


def _key_of_user(objects: ObjectStore, name: str, allowed: tuple[str, ...]) -> tuple[str, str]:
    """Return the key of a new user who may do what is ``allowed``, and nothing else."""
    iam = boto3.session.Session().client(
        "iam",
        endpoint_url=objects.environment["AWS_ENDPOINT_URL"],
        aws_access_key_id="tests",
        aws_secret_access_key="tests",
        region_name="us-east-1",
    )
    rights = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(allowed), "Resource": "*"}]}
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="rights", PolicyDocument=json.dumps(rights))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


@contextlib.contextmanager
def _guarded(objects: ObjectStore) -> Iterator[None]:
    """Have the store ask who may do what, which it does not do otherwise."""
    address = f"{objects.environment['AWS_ENDPOINT_URL']}/moto-api/reset-auth"
    httpx.post(address, content=b"0", timeout=30, trust_env=False).raise_for_status()
    try:
        yield
    finally:
        httpx.post(address, content=b"inf", timeout=30, trust_env=False).raise_for_status()


def _checked(objects: ObjectStore, folder: Path, name: str, allowed: tuple[str, ...]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        key, secret = _key_of_user(objects, name, allowed)
        for setting, value in objects.environment.items():
            patch.setenv(setting, value)
        patch.setenv("AWS_ACCESS_KEY_ID", key)
        patch.setenv("AWS_SECRET_ACCESS_KEY", secret)
        storage = CachedStorage(S3Bucket(BUCKET), folder, limit_bytes=1)
        with _guarded(objects):
            storage.check()


@pytest.mark.parametrize("missing", _NEEDED)
def test_a_check_names_the_permission_that_is_missing(tmp_path: Path, objects: ObjectStore, missing: str) -> None:
    allowed = tuple(each for each in _NEEDED if each != missing)
    with pytest.raises(
        BackendError, match=rf"access is denied .*; allow {missing} there, which is missing; also"
    ) as no:
        _checked(objects, tmp_path, f"lacks-{missing[3:]}", allowed)
    assert "s3cret" not in str(no.value)


def test_a_check_with_all_permissions_leaves_nothing_behind(tmp_path: Path, objects: ObjectStore) -> None:
    before = objects.keys()
    _checked(objects, tmp_path, "lacks-nothing", _NEEDED)
    assert objects.keys() == before
