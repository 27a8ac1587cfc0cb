"""Which of each store the settings name. The clients of servers are loaded with them alone: Redis' takes 0.15 s."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from app.core.config import Settings, StartRefused
from app.core.metrics import Metrics
from app.stores.blobs.folder import FolderBlobs
from app.stores.blobs.keeping import Blobs
from app.stores.memory import MemoryWindows
from app.stores.signals import NoSignals, Signal, Signals
from app.stores.slots import LocalSlots, Slots
from app.stores.streams import Streams
from app.stores.vectors.embedded import EmbeddedVectors
from app.stores.vectors.places import FolderPlace, Place, ServerPlace
from app.stores.windows import Counters, FixedWindows

if TYPE_CHECKING:
    from app.stores.celery_post import CeleryPost
    from app.stores.redis import RedisServer

NO_CELERY = 'JOBS: Celery is missing; install it with: pip install ".[celery]"'


def blobs(settings: Settings) -> Blobs:
    """Where files are kept: in a bucket if one is set, whose client is an extra; else in a folder."""
    if settings.s3_bucket is None:
        return FolderBlobs(settings.data_dir / "files")
    try:
        from app.stores.blobs.bucket import Bucket, BucketBlobs  # noqa: PLC0415
    except ImportError as error:
        raise StartRefused('S3_BUCKET: its client is missing; install it with: pip install ".[s3]"') from error
    id_, secret = settings.s3_access_key_id, settings.s3_secret_access_key
    bucket = Bucket(
        name=settings.s3_bucket,
        endpoint=settings.s3_endpoint_url,
        region=settings.s3_region,
        keys=(id_.get_secret_value(), secret.get_secret_value()) if id_ and secret else None,
        patience=settings.s3_timeout,
    )
    return BucketBlobs(bucket)


def vectors(settings: Settings) -> Place:
    """Where passages of documents are looked for: on a server if one is set, else in a folder."""
    if settings.qdrant_url is None:
        return FolderPlace(EmbeddedVectors(settings.data_dir / "vectors", patience=settings.qdrant_timeout))
    from app.stores.vectors.server import ServerVectors  # noqa: PLC0415

    key = settings.qdrant_api_key.get_secret_value() if settings.qdrant_api_key else None
    return ServerPlace(ServerVectors(settings.qdrant_url, key, patience=settings.qdrant_timeout), settings.qdrant_url)


def job_post(settings: Settings) -> "CeleryPost | None":
    """The way to workers, if documents are read by them; its client is an extra."""
    if settings.jobs != "celery" or settings.redis_url is None:
        return None
    try:
        from app.stores.celery_post import CeleryPost  # noqa: PLC0415
    except ImportError as error:
        raise StartRefused(NO_CELERY) from error
    return CeleryPost(settings.redis_url.get_secret_value())


def redis_server(settings: Settings, metrics: Metrics) -> "RedisServer | None":
    """Redis, if one is set."""
    if settings.redis_url is None:
        return None
    from app.stores.redis import RedisServer  # noqa: PLC0415

    redis = RedisServer(settings.redis_url.get_secret_value(), patience=settings.redis_timeout)
    metrics.redis_away.set_function(lambda: redis.away)
    return redis


def counters(redis: "RedisServer | None", metrics: Metrics) -> Counters:
    """What counts for the limits."""
    local = FixedWindows(MemoryWindows())
    if redis is None:
        return local
    from app.stores.shared import SharedCounters  # noqa: PLC0415

    return SharedCounters(redis, local, metrics.limited_locally)


def shared_streams(redis: "RedisServer | None") -> Streams | None:
    if redis is None:
        return None
    from app.stores.redis_streams import RedisStreams  # noqa: PLC0415

    return RedisStreams(redis)


def slots(redis: "RedisServer | None", metrics: Metrics) -> Slots:
    if redis is None:
        return LocalSlots()
    from app.stores.shared_slots import SharedSlots  # noqa: PLC0415

    return SharedSlots(redis, metrics.limited_locally)


def signals(redis: "RedisServer | None", heard: Mapping[Signal, Callable[[str], object]]) -> Signals:
    """Between instances, and what is done when one is heard."""
    if redis is None:
        return NoSignals()
    from app.stores.redis_signals import RedisSignals  # noqa: PLC0415

    return RedisSignals(redis, heard)
