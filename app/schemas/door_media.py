"""Pictures and documents as the doors get them: encoded in the body, or by their address."""

import re
from base64 import b64decode

from app.core.errors import Invalid
from app.domain.prompts import Image, ImageLink, Pdf

_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w.+-]+=[^;,]*)*)(;base64)?,", re.ASCII)
_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_PDF = "application/pdf"
_LONGEST_LINK = 8192


def picture(url: str, *, field: str, detail: str | None = None) -> Image | ImageLink:
    """Of a `data:` or a web address. Raises Invalid, which names `field`."""
    if url[:5].lower() == "data:":
        media_type, data = _from_data_url(url, field)
        return picture_of(data, media_type, field=field, detail=detail)
    if url[:8].lower().startswith(("https://", "http://")) and len(url) <= _LONGEST_LINK:
        return ImageLink(url, detail)
    raise Invalid("A picture is a data: URL in base64, or an https:// address.", field=field)


def picture_of(data: bytes, media_type: str, *, field: str, detail: str | None = None) -> Image:
    """Raises Invalid for a kind that no model reads."""
    media_type = "image/jpeg" if media_type == "image/jpg" else media_type
    if media_type not in _PICTURES:
        raise Invalid(f"A picture is one of {', '.join(_PICTURES)}.", field=field)
    return Image(data, media_type, detail)


def pdf_from_url(url: str, title: str | None, *, field: str) -> Pdf:
    """Of a `data:` URL, or of what stands behind its comma alone. Raises Invalid."""
    if url[:5].lower() != "data:":
        return Pdf(decoded(url, field=field), title)
    media_type, data = _from_data_url(url, field)
    if media_type != _PDF:
        raise Invalid("A file is a PDF.", field=field)
    return Pdf(data, title)


def decoded(text: str, *, field: str) -> bytes:
    """What stands there in base64. Raises Invalid."""
    try:
        data = b64decode("".join(text.split()) if not text.isalnum() else text, validate=True)
    except ValueError as error:
        raise Invalid("This is not base64.", field=field) from error
    if not data:
        raise Invalid("There is nothing in it.", field=field)
    return data


def sniffed(data: bytes) -> str | None:
    """What kind of picture these bytes are, where nobody says; None for none of ours."""
    if data.startswith(b"\x89PNG"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return None


def _from_data_url(url: str, field: str) -> tuple[str, bytes]:
    head = _DATA_URL.match(url[:300])
    if head is None or not head[3]:
        raise Invalid("A data: URL says its type and holds base64: data:image/png;base64,…", field=field)
    return (head[1] or "text/plain").lower(), decoded(url[head.end() :], field=field)
