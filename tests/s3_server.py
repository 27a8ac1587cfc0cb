"""A loopback server that speaks the routes of S3 that are in use, and refuses what is not signed as Amazon says."""

import asyncio
import hashlib
import hmac
import itertools
import re
import socket
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

BUCKET = "bucket"
KEY_ID = "loopback-key-id"
SECRET = "loopback-secret/+=0123456789"
REGION = "eu-test-1"
PAGE = 3
"""Keys in one answer to a list: few, so that there are pages."""
LEAST_PART = 5 * 1024 * 1024
_PAUSES: dict[str | int | None, float] = {"hang": 30, "slow": 0.3}


@dataclass(slots=True)
class Stored:
    body: bytes
    since: datetime = field(default_factory=lambda: datetime.now(UTC))


class S3Server:
    """`objects` by key, `uploads` of parts that are under way; `fault` is what goes wrong from now on: `garbage`,
    `hang`, `slow`, or a status; `read_fault` is the same of objects that are read alone."""

    def __init__(self) -> None:
        self.objects: dict[str, Stored] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.calls: list[str] = []
        self.fault: str | int | None = None
        self.read_fault: str | int | None = None
        self._numbers = itertools.count(1)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            self._answer, interface="asgi3", log_config=None, lifespan="off", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        while not self._server.started:
            await asyncio.sleep(0.01)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.should_exit = True
        await self._task

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body()
        self.calls.append(f"{request.method} {request.url.path.removeprefix(f'/{BUCKET}')}?{request.url.query}")
        reads = request.method == "GET" and "list-type" not in request.query_params
        fault = self.read_fault if reads and self.read_fault else self.fault
        if fault in _PAUSES:
            await asyncio.sleep(_PAUSES[fault])
        response = _faulty(fault) or self._refused(request, body) or self._served(request, body)
        await response(scope, receive, send)

    def _refused(self, request: Request, body: bytes) -> Response | None:
        if not request.url.path.startswith(f"/{BUCKET}"):
            return _error(404, "NoSuchBucket")
        return None if _is_signed(request, body) else _error(403, "SignatureDoesNotMatch")

    def _served(self, request: Request, body: bytes) -> Response:
        key = unquote(request.url.path).removeprefix(f"/{BUCKET}").removeprefix("/")
        query = request.query_params
        match request.method:
            case "GET" if "list-type" in query:
                return self._list(query.get("prefix", ""), query.get("continuation-token", ""))
            case "GET" | "HEAD":
                return self._get(key, request.headers.get("range"))
            case "PUT" if "uploadId" in query:
                return self._put_part(query["uploadId"], int(query["partNumber"]), body)
            case "PUT":
                self.objects[key] = Stored(body)
                return Response(headers={"ETag": _etag(body)})
            case "POST" if "uploads" in query:
                return self._begin(key)
            case "POST":
                return self._complete(key, query["uploadId"], body)
            case "DELETE" if "uploadId" in query:
                self.uploads.pop(query["uploadId"], None)
                return Response(status_code=204)
            case "DELETE":
                self.objects.pop(key, None)
                return Response(status_code=204)
        return _error(405, "MethodNotAllowed")

    def _get(self, key: str, wanted: str | None) -> Response:
        if key not in self.objects:
            return _error(404, "NoSuchKey")
        stored = self.objects[key]
        headers = {"ETag": _etag(stored.body), "Last-Modified": stored.since.strftime("%a, %d %b %Y %H:%M:%S GMT")}
        if wanted is None:
            return Response(stored.body, headers=headers)
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", wanted)
        assert found, wanted
        start, last = int(found[1]), min(int(found[2]), len(stored.body) - 1)
        if start >= len(stored.body):
            return _error(416, "InvalidRange")
        headers["Content-Range"] = f"bytes {start}-{last}/{len(stored.body)}"
        return Response(stored.body[start : last + 1], 206, headers)

    def _list(self, prefix: str, after: str) -> Response:
        keys = sorted(key for key in self.objects if key.startswith(prefix) and key > after)
        page, more = keys[:PAGE], len(keys) > PAGE
        contents = "".join(_listed(key, self.objects[key]) for key in page)
        going_on = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        return _xml(
            f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{going_on}{contents}</ListBucketResult>"
        )

    def _begin(self, key: str) -> Response:
        upload = f"upload-{next(self._numbers)}"
        self.uploads[upload] = {}
        return _xml(
            f"<InitiateMultipartUploadResult><Bucket>{BUCKET}</Bucket><Key>{escape(key)}</Key>"
            f"<UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
        )

    def _put_part(self, upload: str, number: int, body: bytes) -> Response:
        if upload not in self.uploads:
            return _error(404, "NoSuchUpload")
        self.uploads[upload][number] = body
        return Response(headers={"ETag": _etag(body)})

    def _complete(self, key: str, upload: str, body: bytes) -> Response:
        told = [int(number) for number in re.findall(r"<PartNumber>(\d+)</PartNumber>", body.decode())]
        parts = self.uploads.pop(upload)
        if told != sorted(parts) or any(len(parts[each]) < LEAST_PART for each in told[:-1]):
            return _error(400, "InvalidPart")
        whole = b"".join(parts[number] for number in told)
        self.objects[key] = Stored(whole)
        return _xml(f"<CompleteMultipartUploadResult><ETag>{_etag(whole)}</ETag></CompleteMultipartUploadResult>")


def _faulty(fault: str | int | None) -> Response | None:
    if fault == "garbage":
        return Response(b"<html>\xff not what you expect", media_type="text/html")
    return _error(fault, "InternalError") if isinstance(fault, int) else None


def _listed(key: str, stored: Stored) -> str:
    return (
        f"<Contents><Key>{escape(key)}</Key><LastModified>{stored.since:%Y-%m-%dT%H:%M:%S.000Z}</LastModified>"
        f"<ETag>{_etag(stored.body)}</ETag><Size>{len(stored.body)}</Size></Contents>"
    )


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


def _xml(body: str) -> Response:
    return Response(f'<?xml version="1.0" encoding="UTF-8"?>{body}', media_type="application/xml")


def _error(status: int, code: str) -> Response:
    body = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'
    return Response(body, status, media_type="application/xml")


_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<id>[^/]+)/(?P<scope>[^,]+), ?"
    r"SignedHeaders=(?P<headers>[^,]+), ?Signature=(?P<sign>\w+)"
)


def _is_signed(request: Request, body: bytes) -> bool:
    """Signature Version 4, anew from what has come."""
    found = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    moment = request.headers.get("x-amz-date", "")
    if found is None or found["id"] != KEY_ID or found["scope"] != f"{moment[:8]}/{REGION}/s3/aws4_request":
        return False
    payload = request.headers.get("x-amz-content-sha256", "")
    if payload not in ("UNSIGNED-PAYLOAD", hashlib.sha256(body).hexdigest()):
        return False
    named = found["headers"].split(";")
    canonical = "\n".join(
        (
            request.method,
            quote(unquote(request.url.path), safe="/-_.~"),
            _canonical_query(request.query_params.multi_items()),
            *(f"{name}:{' '.join(request.headers[name].split())}" for name in named),
            "",
            found["headers"],
            payload,
        )
    )
    text = f"AWS4-HMAC-SHA256\n{moment}\n{found['scope']}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    return hmac.compare_digest(_signature(found["scope"], text), found["sign"]) and {"host", "x-amz-date"} <= {*named}


def _canonical_query(pairs: list[tuple[str, str]]) -> str:
    return "&".join(sorted(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in pairs))


def _signature(scope: str, text: str) -> str:
    key = f"AWS4{SECRET}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.digest(key, part.encode(), "sha256")
    return key.hex()
