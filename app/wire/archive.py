"""An archive as a download: a zip."""

from app.domain.downloads import Download
from app.wire.download import DownloadLimits, DownloadResponse
from app.wire.zipping import ZipStream


class ArchiveResponse(DownloadResponse):
    """The pieces in their files, compressed."""

    def __init__(self, download: Download, *, filename: str, limits: DownloadLimits) -> None:
        super().__init__(download, filename=filename, media_type="application/zip", limits=limits, packing=ZipStream())
