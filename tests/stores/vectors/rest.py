"""A Qdrant server's REST routes, as far as they are in use: `python -m tests.stores.vectors.rest FOLDER PORT [KEY]`.

`PUT /_fault` says what it answers from then on in place of that, with JSON of status, body, headers and delay; `null`
ends it. With `route`, it answers so only where that is a part of the path; with `unending`, the body never ends.
"""

import base64
import json
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.stores.vectors.rest_engine import Collections, Refusal


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    collections: Collections
    key: str | None = None
    fault: dict[str, Any] | None = None
    one_at_a_time = threading.Lock()

    def handle_one_request(self) -> None:
        with suppress(ConnectionError):
            super().handle_one_request()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """To nobody."""

    def do_GET(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/_fault":
            Handler.fault = json.loads(body)
            self._send(200, b"{}", {})
        elif self.fault is not None and self.fault.get("route", "") in self.path:
            self._fail(self.fault)
        elif self.key is not None and self.headers.get("api-key") != self.key:
            self._send(401, b"Must provide an API key or an Authorization bearer token", {"Content-Type": "text/plain"})
        else:
            self._answer(body)

    def _fail(self, fault: dict[str, Any]) -> None:
        time.sleep(fault.get("delay", 0))
        content = base64.b64decode(fault.get("body", ""))
        if not fault.get("unending"):
            self._send(fault.get("status", 200), content, fault.get("headers", {}))
            return
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        with suppress(OSError):
            while True:
                self.wfile.write(content)
        self.close_connection = True

    def _answer(self, body: bytes) -> None:
        began = time.monotonic()
        try:
            with self.one_at_a_time:
                result = self._do(body)
            status, answer = 200, {"result": result, "status": "ok", "time": time.monotonic() - began}
        except Refusal as refusal:
            status, answer = refusal.status, {"status": {"error": refusal.said}, "time": 0.0}
        self._send(status, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def _do(self, body: bytes) -> Any:
        address = urlsplit(self.path)
        match [self.command, *(unquote(part) for part in address.path.strip("/").split("/"))]:
            case ["GET", "collections"]:
                return {"collections": [{"name": name} for name in self.collections.names()]}
            case ["GET", "collections", name]:
                return self.collections.of(name).info()
            case ["PUT", "collections", name]:
                self.collections.create(name, body)
                return True
            case ["DELETE", "collections", name]:
                return self.collections.delete(name)
            case ["PUT", "collections", name, "index"]:
                self.collections.of(name).index(body)
            case ["PUT", "collections", name, "points"]:
                self.collections.of(name).upsert(body)
            case ["POST", "collections", name, "points", "delete"]:
                self.collections.of(name).delete(body)
            case ["POST", "collections", name, "points", "query", "batch"]:
                return self.collections.of(name).query_batch(body)
            case ["POST", "collections", name, "facet"]:
                return self.collections.of(name).facet(body)
            case _:
                raise Refusal(404, "no such route here")
        waited = parse_qs(address.query).get("wait") == ["true"]
        return {"operation_id": 1, "status": "completed" if waited else "acknowledged"}

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def serve(folder: Path, port: int, key: str | None = None) -> None:
    """Until the process ends."""
    Handler.collections = Collections(folder)
    Handler.key = key
    Server(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
