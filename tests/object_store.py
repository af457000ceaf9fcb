"""An object store on loopback that speaks S3, and a process's settings to use it."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
import httpx
from moto.server import ThreadedMotoServer

BUCKET = "acme-lake"


@dataclass
class ObjectStore:
    """A running store with one bucket; what it holds survives `down`."""

    port: int
    server: ThreadedMotoServer

    @property
    def environment(self) -> Mapping[str, str]:
        """What boto3 needs to know; no file of this machine is read for it."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": "tests",
            "AWS_SECRET_ACCESS_KEY": "s3cret-of-tests",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @functools.cached_property
    def client(self) -> Any:
        """An S3 client of the tests' own."""
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            aws_access_key_id="tests",
            aws_secret_access_key="tests",
            region_name="eu-west-1",
        )

    def keys(self, prefix: str = "") -> list[str]:
        """Return the names of all objects below ``prefix``."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [each["Key"] for page in pages for each in page.get("Contents", ())]

    def read(self, key: str) -> bytes:
        """Return the bytes of an object."""
        return bytes(self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read())

    @contextlib.contextmanager
    def down(self) -> Iterator[None]:
        """Have nobody answer at the store's address for a while."""
        self.server.stop()
        try:
            yield
        finally:
            self.server = _serve(self.port)


def _serve(port: int) -> ThreadedMotoServer:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    return server


@contextlib.contextmanager
def object_store() -> Iterator[ObjectStore]:
    """Run a store on a free port."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = _serve(0)
    store = ObjectStore(server.get_host_and_port()[1], server)
    try:
        store.client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        yield store
    finally:
        # The store's content belongs to this process, and would be found by the next store in it.
        address = store.environment["AWS_ENDPOINT_URL"]
        httpx.post(f"{address}/moto-api/reset", timeout=10, trust_env=False).raise_for_status()
        store.server.stop()
