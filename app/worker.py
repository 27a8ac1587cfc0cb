"""The process that reads documents for others: `python -m app.worker`, or `celery -A app.worker worker`."""

import logging
import os
import sys
import warnings
from collections.abc import Mapping
from functools import cached_property
from typing import NoReturn

from app.core.config import Settings, StartRefused, read_settings
from app.core.logging import configure_logging
from app.stores.parts import NO_CELERY
from app.workshop import Workshop

logger = logging.getLogger("app.worker")  # however this was started


def _refuse(refusal: StartRefused) -> NoReturn:
    sys.stderr.write(f"{refusal}\n")
    sys.exit(2)


try:
    from celery import Celery, signals
    from celery.exceptions import CPendingDeprecationWarning, Reject
    from celery.worker import WorkController

    from app.stores.celery_post import NAME, TASK, celery_settings
except ImportError:  # it is an extra
    _refuse(StartRefused(NO_CELERY))


class _Bench:
    """What Celery calls. A turn is acknowledged when it is over, so that none is lost with this process."""

    _workshop: Workshop

    def read(self, job_id: str) -> None:
        """A turn; that of this job, if it is still due and no other user has waited longer. The edge of a task."""
        try:
            done = self._workshop.turn()
        except Exception:
            logger.exception("a turn was lost")  # and is given again
            return
        if not done:
            raise Reject("another is to do it", requeue=True)

    @cached_property
    def settings(self) -> Settings:
        """Read when Celery first asks for its own. Exits with 2 where they are not for a worker."""
        try:
            settings = read_settings()
            if settings.jobs != "celery" or settings.redis_url is None:
                raise StartRefused("JOBS: the process that serves reads documents itself; for workers set JOBS=celery")
        except StartRefused as refusal:
            _refuse(refusal)
        return settings

    def celery_settings(self) -> Mapping[str, object]:
        url = self.settings.redis_url
        return {
            **celery_settings(url.get_secret_value() if url else ""),
            # Turns only wait for a loop, which they share: with processes each would need its own, and a database.
            "worker_pool": "threads",
            "worker_concurrency": self.settings.ingest_at_once,
            "worker_prefetch_multiplier": 1,
            "worker_enable_remote_control": False,
        }

    def log(self, **_: object) -> None:
        configure_logging(self.settings.log_level)
        logging.getLogger("celery.app.trace").setLevel(logging.ERROR)  # a turn that is given back is nobody's trouble

    def open(self, sender: WorkController, **_: object) -> None:
        os.umask(0o077)  # what it copies of files is nobody else's on this machine
        pool = getattr(sender.pool_cls, "__module__", sender.pool_cls)
        if not any(each in pool for each in ("thread", "solo")):
            _refuse(StartRefused("--pool: a worker reads documents in one process, and with threads"))
        # Workers have nothing to tell each other, and would use channels that all databases of a Redis share.
        sender.options.update(without_gossip=True, without_mingle=True, without_heartbeat=True)
        try:
            self._workshop = Workshop(self.settings, at_once=sender.concurrency)
        except StartRefused as refusal:
            _refuse(refusal)
        self._workshop.open()

    def ready(self, **_: object) -> None:
        # After each loss of Redis it would tell of a default of its next version.
        warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)
        logger.info("the worker is ready")
        files = self.settings.data_dir / "files"
        if self.settings.s3_bucket is None and not files.is_dir():
            # Where they are on another machine, no document could be read.
            logger.warning("there are no files here yet: DATA_DIR has to be the service's, or S3_BUCKET to be set")

    def drain(self, **_: object) -> None:
        self._workshop.drain()

    def close(self, **_: object) -> None:
        self._workshop.close()


def _celery() -> Celery:
    bench = _Bench()
    celery = Celery(NAME, fixups=[])
    celery.add_defaults(bench.celery_settings)
    celery.task(name=TASK, acks_late=True)(bench.read)
    for signal, told in (
        (signals.setup_logging, bench.log),
        (signals.worker_init, bench.open),
        (signals.worker_ready, bench.ready),
        (signals.worker_shutting_down, bench.drain),
        (signals.worker_shutdown, bench.close),
    ):
        signal.connect(told, weak=False)
    return celery


celery = _celery()
"""What `celery -A app.worker` looks for. It reads no settings yet."""


def run() -> None:
    """Work until a signal. Exits with 2, and one line for each thing that has to be set otherwise."""
    worker = celery.Worker(quiet=True)
    worker.start()
    sys.exit(worker.exitcode)


if __name__ == "__main__":
    run()
