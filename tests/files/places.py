"""The two places in which files are kept, as tests have them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from app.stores.blobs.bucket import Bucket, BucketBlobs
from app.stores.blobs.folder import FolderBlobs
from app.stores.blobs.keeping import Blobs
from tests.s3_server import BUCKET, KEY_ID, REGION, SECRET, S3Server

KINDS = ("folder", "bucket")


@asynccontextmanager
async def place(kind: str, folder: Path) -> AsyncIterator[Blobs]:
    if kind == "folder":
        blobs: Blobs = FolderBlobs(folder)
        yield blobs
        await blobs.close()
        return
    async with S3Server() as server:
        blobs = BucketBlobs(bucket_of(server))
        yield blobs
        await blobs.close()


def bucket_of(server: S3Server, **more: Any) -> Bucket:
    values = {"name": BUCKET, "endpoint": server.url, "region": REGION, "keys": (KEY_ID, SECRET), **more}
    return Bucket(**values)


def settings_of(server: S3Server) -> dict[str, Any]:
    """For `serve`."""
    return {
        "s3_bucket": BUCKET,
        "s3_endpoint_url": server.url,
        "s3_region": REGION,
        "s3_access_key_id": KEY_ID,
        "s3_secret_access_key": SECRET,
        "s3_timeout": 2,
    }
